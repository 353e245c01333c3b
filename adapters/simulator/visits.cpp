// Who comes, where, and what follows from it.
#include <iterator>

#include "adapters/simulator/plan.h"
#include "adapters/simulator/simulation.h"

namespace hutong::simulator {
namespace {

struct Diagnosis {
  const char *code, *name, *department;
};
constexpr Diagnosis diagnoses[] = {{"I10.x00", "原发性高血压", "心血管内科"},
                                   {"E11.900", "2型糖尿病", "内分泌科"},
                                   {"J06.900", "急性上呼吸道感染", "呼吸内科"},
                                   {"K29.500", "慢性胃炎", "消化内科"},
                                   {"I25.100", "冠状动脉粥样硬化性心脏病", "心血管内科"},
                                   {"N39.000", "泌尿道感染", "肾内科"},
                                   {"M54.500", "腰痛", "骨科"},
                                   {"J18.900", "肺炎", "呼吸内科"},
                                   {"I63.900", "脑梗死", "神经内科"},
                                   {"K80.200", "胆囊结石", "普外科"},
                                   {"D50.900", "缺铁性贫血", "血液内科"},
                                   {"E78.500", "高脂血症", "全科医学科"},
                                   {"Z00.000", "健康查体", "体检中心"},
                                   {"B18.100", "慢性乙型病毒性肝炎", "感染科"},
                                   {"N18.900", "慢性肾脏病", "肾内科"}};
constexpr const char* doctors[] = {"李敏", "王建军", "赵丽华", "孙立新", "周玉珍", "高振东", "吴海燕", "郑德胜"};

std::string padded(std::uint64_t number, std::size_t width) {
  std::string text = std::to_string(number);
  return text.size() < width ? std::string(width - text.size(), '0') + text : text;
}

}  // namespace

Simulation::Simulation(Region region, std::uint64_t seed, LocalSeconds start, std::uint32_t run)
    : region_(std::move(region)),
      seed_(seed),
      run_(run),
      residents_(seed, region_.residents, region_.odd_cards),
      random_(mix(mix(seed, run), static_cast<std::uint64_t>(start))),
      planned_until_(start),
      clock_(start) {
  for (const Institution& institution : region_.institutions) shares_.push_back(institution.share);
  visits_ = placers_ = fillers_ = accessions_ = std::vector<std::uint32_t>(region_.institutions.size());
}
Simulation::~Simulation() = default;

// The date, the run, a count: institutions number alike, so two laboratories give the same number one day.
std::string Simulation::serial(std::uint32_t& counter) const {
  return hl7_date(civil_of(clock_)).substr(2) + padded(run_, 2) + padded(++counter, 6);
}

void Simulation::plan(LocalSeconds time, Planned planned) {
  planned_.emplace(std::pair(time, planned_count_++), std::move(planned));
}

void Simulation::plan_minute() {
  double sum = 0;
  for (const double weight : region_.rhythm) sum += weight;
  const auto hour_of_day = static_cast<std::size_t>((planned_until_ % day + day) % day / hour);
  visits_due_ += region_.visits_per_day * region_.rhythm[hour_of_day] / sum / 60;
  const LocalSeconds from = planned_until_;
  planned_until_ += minute;
  clock_ = std::max(clock_, from);
  for (; visits_due_ >= 1; visits_due_ -= 1) plan_visit(from + static_cast<LocalSeconds>(random_.below(60)));
}

const Message& Simulation::next() {
  while (planned_.empty() || planned_.begin()->first.first >= planned_until_) plan_minute();
  auto first = planned_.extract(planned_.begin());
  clock_ = std::max(clock_, first.key().first);
  perform(first.mapped());
  ++count_;
  if (first.mapped().action != Action::ready) {
    if (random_.chance(region_.resends)) plan_resend();
    if (random_.chance(region_.malformed)) plan_fault();
  }
  return message_;
}

void Simulation::plan_visit(LocalSeconds time) {
  auto visit = std::make_shared<Visit>();
  visit->institution = random_.weighted(shares_);
  // A third of the visits are those of a twentieth of the people: they are who has a history.
  const auto count = residents_.count();
  const auto number =
      static_cast<std::uint32_t>(random_.chance(0.33) ? random_.below(count / 20) * 20 : random_.below(count));
  visit->resident = residents_.resident(number);
  const Resident& resident = visit->resident;
  if (region_.institutions[visit->institution].kind != "hospital") {
    // Home decides which centre; shares among them follow.
    std::vector<std::size_t> centres;
    for (std::size_t i = 0; i < region_.institutions.size(); ++i) {
      if (region_.institutions[i].share > 0 && region_.institutions[i].kind != "hospital") centres.push_back(i);
    }
    visit->institution = centres[resident.home % centres.size()];
  }
  const Institution& institution = region_.institutions[visit->institution];
  visit->number = visit->kept_number =
      institution.number_format + residents_.patient_digits(number, visit->institution);
  const bool known = !registered_.insert(visit->institution * 4'000'000ULL + number).second;
  visit->visit_number = "V" + serial(visits_[visit->institution]);
  if (institution.kind == "hospital") {
    const double kinds[] = {0.80, 0.08, 0.12};
    visit->kind = "OEI"[random_.weighted(kinds)];
  }
  const Diagnosis& diagnosis = resident.diabetic && random_.chance(0.4)       ? diagnoses[1]
                               : resident.hypertensive && random_.chance(0.4) ? diagnoses[0]
                               : resident.hepatitis_b && random_.chance(0.3)  ? diagnoses[13]
                                                                              : random_.pick(diagnoses);
  visit->diagnosis_code = diagnosis.code;
  visit->diagnosis = diagnosis.name;
  visit->department = visit->kind == 'E' ? "急诊科" : institution.kind == "hospital" ? diagnosis.department : "全科";
  const auto doctor = random_.below(std::size(doctors));
  visit->doctor = doctors[doctor];
  visit->doctor_code = std::to_string(1001 + doctor);
  visit->begun = time;
  if (random_.chance(region_.merges)) {  // nobody found the old number: registered anew, merged when it is noticed
    visit->number = "T" + padded(run_, 2) + padded(++temporary_, 6);
    plan(time + random_.between(60, 300) * minute, {Action::merged, visit, nullptr, {}, nullptr});
  }
  plan_stay(visit, time, known);
}

void Simulation::plan_stay(const VisitPtr& visit, LocalSeconds time, bool known) {
  const bool hospital = region_.institutions[visit->institution].kind == "hospital";
  if (!known && visit->number == visit->kept_number) {
    plan(time, {Action::person_added, visit, nullptr, {}, nullptr});
    time += 20;
  } else if (random_.chance(0.01)) {
    plan(time, {Action::person_changed, visit, nullptr, {}, nullptr});
    time += 20;
  }
  if (visit->kind != 'I') {
    plan(time, {Action::registered, visit, nullptr, {}, nullptr});
    const LocalSeconds seen = time + random_.between(4, 25) * minute;
    if (random_.chance(0.7)) plan_orders(visit, seen);
    if (random_.chance(0.25)) plan(seen + 5 * minute, {Action::updated, visit, nullptr, {}, nullptr});
    if (hospital && random_.chance(0.01)) {
      plan(seen + 90 * minute, {Action::became_inpatient, visit, nullptr, {}, nullptr});
    } else if (random_.chance(0.3)) {
      plan(seen + random_.between(20, 200) * minute, {Action::discharged, visit, nullptr, {}, nullptr});
    }
    return;
  }
  visit->ward = std::to_string(random_.between(1, 9)) + "病区";
  visit->bed = std::to_string(random_.between(1, 48));
  plan(time, {Action::admitted, visit, nullptr, {}, nullptr});
  if (random_.chance(0.01)) {
    plan(time + 15 * minute, {Action::admission_cancelled, visit, nullptr, {}, nullptr});
    return;
  }
  plan_orders(visit, time + random_.between(10, 40) * minute);
  const auto days = random_.between(2, 12);
  for (std::int64_t d = 1; d < days; ++d) {
    if (random_.chance(0.5))
      plan_laboratory(visit, time - time % day + d * day + 6 * hour + random_.between(0, 50) * minute);
  }
  if (random_.chance(0.2)) {
    plan(time + random_.between(1, days) * day / 2, {Action::transferred, visit, nullptr, {}, nullptr});
  }
  const LocalSeconds leaves = time - time % day + days * day + 10 * hour + random_.between(0, 300) * minute;
  plan(leaves, {Action::discharged, visit, nullptr, {}, nullptr});
  if (random_.chance(0.01)) {
    plan(leaves + 30 * minute, {Action::discharge_cancelled, visit, nullptr, {}, nullptr});
    plan(leaves + 5 * hour, {Action::discharged, visit, nullptr, {}, nullptr});
  }
}

void Simulation::plan_orders(const VisitPtr& visit, LocalSeconds time) {
  const double counts[] = {0.45, 0.3, 0.15, 0.1};
  const auto count = random_.weighted(counts) + (visit->kind == 'I' ? 3 : 1);
  for (std::size_t i = 0; i < count; ++i) plan_laboratory(visit, time + static_cast<LocalSeconds>(i) * 7);
  if (random_.chance(region_.imaging)) plan_examination(visit, time + minute);
}

void Simulation::plan_laboratory(const VisitPtr& visit, LocalSeconds time) {
  const Institution& orderer = region_.institutions[visit->institution];
  if (orderer.laboratory.empty()) return;
  std::vector<double> shares;
  for (const Panel& panel : panels()) shares.push_back(panel.share);
  auto report = std::make_shared<Report>();
  report->visit = visit;
  report->performer = region_.index_of(orderer.laboratory);
  report->panel = &panels()[random_.weighted(shares)];
  report->ordered = time;
  // What is not done in the house travels first.
  const auto travel = report->performer == visit->institution ? random_.between(3, 10) : random_.between(25, 70);
  report->sampled = time + random_.between(4, 20) * minute;
  report->received = report->sampled + travel * minute;
  report->issued = report->received + report->panel->minutes * minute * random_.between(80, 140) / 100;
  plan(time, {Action::ordered, visit, report, {}, nullptr});
  if (random_.chance(region_.preliminary)) {
    plan(report->issued - (report->issued - report->received) / 3, {Action::preliminary, visit, report, {}, nullptr});
  }
  plan(report->issued, {Action::reported, visit, report, {}, nullptr});
}

void Simulation::plan_examination(const VisitPtr& visit, LocalSeconds time) {
  const Institution& orderer = region_.institutions[visit->institution];
  if (orderer.imaging.empty()) return;
  auto report = std::make_shared<Report>();
  report->visit = visit;
  report->performer = region_.index_of(orderer.imaging);
  report->ordered = time;
  report->sampled = report->received = time + random_.between(15, 90) * minute;
  report->issued = report->sampled + random_.between(15, 120) * minute;
  plan(time, {Action::ordered, visit, report, {}, nullptr});
  plan(report->issued, {Action::reported, visit, report, {}, nullptr});
}

void Simulation::plan_after(const ReportPtr& report, LocalSeconds time) {
  double at = random_.unit();
  for (std::size_t i = 0; i < correction_kinds; ++i) {
    if ((at -= region_.corrections[i]) >= 0) continue;
    const LocalSeconds later = time + random_.between(10, 240) * minute;
    plan(later, {Action::corrected, report->visit, report, static_cast<Correction>(i), nullptr});
    return;
  }
}

void Simulation::perform(const Planned& planned) {
  message_ = planned.ready ? *planned.ready : Message();
  message_.time = planned.ready ? planned.ready->time : clock_;
  if (planned.ready) return;
  switch (planned.action) {
    case Action::ordered:
      planned.report->placer = serial(placers_[planned.visit->institution]);
      if (planned.report->panel)
        measure_report(*planned.report);
      else
        describe_exam(*planned.report);
      write_order(*planned.report);
      return;
    case Action::preliminary:
    case Action::reported: {
      Report& report = *planned.report;
      report.status = planned.action == Action::preliminary ? 'P' : 'F';
      for (Result& result : report.results) result.status = report.status;
      message_.preliminary = report.status == 'P';
      write_report(report);
      if (report.status == 'F') plan_after(planned.report, clock_);
      return;
    }
    case Action::corrected: correct(*planned.report, planned.correction); return;
    default:
      write_adt(*planned.visit, planned.action);
      if (planned.action == Action::merged) planned.visit->number = planned.visit->kept_number;
      return;
  }
}

}  // namespace hutong::simulator
