#include "broker/query/recognition_priors.h"

#include <algorithm>

#include "broker/model/event_json.h"

namespace hutong::query {
namespace {

std::string_view material_name(terminology::Material material) {
  using enum terminology::Material;
  switch (material) {
    case any: return "any";
    case blood: return "blood";
    case urine: return "urine";
    case airway: return "airway";
    case other: return "other";
  }
  return "any";
}

// Which registered facility a party is; nullptr: none that is known.
const model::Facility* facility_of(const model::FacilityDirectory& directory, const model::Party& party) {
  const model::Facility* found = party.code.empty() ? nullptr : directory.find(party.code);
  if (!found && !party.code.empty()) found = directory.by_sender({}, party.code);  // an alias, or its USCC
  if (!found && !party.name.empty()) found = directory.by_name(party.name);
  if (!found && !party.code.empty()) found = directory.by_name(party.code);
  return found;
}

const model::Moment& sampled_of(const model::Report& report, const model::Observation& item) {
  if (!report.specimen.collected.iso.empty()) return report.specimen.collected;
  return !item.observed.iso.empty() ? item.observed : report.observed;
}

// The catalogue names body parts by words of its own; a sender's own code says nothing that could be compared with
// them.
model::Text terminology_part(const model::Coded& part) {
  return part.mapped_code;
}

}  // namespace

std::string value_of(const model::Value& value) {
  if (value.kind == model::ValueKind::number) return std::string(value.comparator) + std::string(value.number);
  if (!value.coded.mapped_display.empty()) return std::string(value.coded.mapped_display);
  if (!value.sent.empty()) return std::string(value.sent);
  return std::string(!value.coded.display.empty() ? value.coded.display : value.coded.code);
}

std::string interval_of(const model::Interval& interval) {
  if (!interval.sent.empty()) return std::string(interval.sent);
  if (interval.low.empty() && interval.high.empty()) return {};
  return std::string(interval.low) + "–" + std::string(interval.high);
}

std::string flags_of(const model::Observation& item) {
  std::string text;
  for (const auto flag : item.flags) {
    if (flag != "N") text += (text.empty() ? "" : " ") + std::string(flag);
  }
  return text;
}

model::Text viewer_of(const model::Exam& exam) {
  for (const auto& access : exam.access) {
    if (access.kind == "viewer" && (access.url.starts_with("https://") || access.url.starts_with("http://")))
      return access.url;
  }
  return {};
}

Priors::Priors(const RecognitionRules& rules, std::set<std::string, std::less<>> wanted, const AskedOrder& asked)
    : rules_(rules), wanted_(std::move(wanted)) {
  if (asked.door != model::order_door) return;
  own_facility_ = asked.facility;
  own_order_ = asked.order;
}

Result<void> Priors::take(const std::string& body, model::ResultStatus status, const ReportId& id,
                          std::uint64_t version, const std::string& event, const std::string& facility) {
  if (!scratch_) scratch_.emplace(16 * 1024);
  scratch_->reset();
  model::Report report;
  if (auto read = model::read_report(scratch_->copy(body), *scratch_, report); !read)
    return tl::unexpected<Error>(read.error());
  if (!own_order_.empty() && report.order_number == own_order_ && facility == own_facility_) return {};
  const bool holds = report.is_exam
                         ? wanted_.contains(report.service.mapped_code)
                         : std::any_of(report.observations.begin(), report.observations.end(),
                                       [&](const auto& item) { return wanted_.contains(item.code.mapped_code); });
  if (!holds) return {};
  auto& kept = kept_.emplace_back(std::move(*scratch_));
  scratch_.reset();
  kept.report = report;
  kept.report.id = id;
  if (status != model::ResultStatus::unknown) kept.report.status = status;
  kept.version = version;
  kept.event = event;
  kept.facility = facility;
  const bool sensitive = !report.labels.empty();
  if (report.is_exam) {
    auto& made = begin(kept, 0, report.service.mapped_code, report.performer, kept.report.status, sensitive);
    made.prior.body_part = terminology_part(report.exam.body_part);
    made.prior.laterality = report.exam.laterality;
    made.prior.contrast = report.exam.contrast == "both" ? model::Text("with") : report.exam.contrast;
    made.prior.images = !viewer_of(report.exam).empty();
    times(made, report.observed, report.issued);
    return {};
  }
  const auto material = material_name(rules_.terminology->material_of(report));
  for (std::size_t i = 0; i < report.observations.size(); ++i) {
    const auto& item = report.observations[i];
    if (!wanted_.contains(item.code.mapped_code)) continue;
    auto& made = begin(kept, i, item.code.mapped_code, item.performer, item.status, sensitive || !item.labels.empty());
    made.prior.material = material;
    times(made, sampled_of(report, item), report.issued);
  }
  return {};
}

ShownResult Priors::shown(const Found& found) const {
  const auto& [prior, kept, index] = found;
  const auto& report = kept->report;
  ShownResult out;
  const model::Facility* laboratory = rules_.facilities->find(prior.laboratory);
  out.laboratory = prior.laboratory;
  out.laboratory_said = prior.laboratory_said;
  out.facility = kept->facility;
  out.facility_zh = laboratory ? laboratory->name_zh : out.laboratory;
  out.facility_en = laboratory && !laboratory->name_en.empty() ? laboratory->name_en : out.facility_zh;
  out.report = report.id.hex();
  out.version = kept->version;
  out.event = kept->event;
  out.reported = report.issued.iso;
  if (kept->ids.empty()) kept->ids = model::item_ids(report);
  if (index < kept->ids.size()) out.observation = kept->ids[index];
  if (report.is_exam) {
    out.is_exam = true;
    out.image_url = viewer_of(report.exam);
    out.images = prior.images;
    out.accession = report.exam.accession;
    out.sampled = report.observed.iso;
    return out;
  }
  const auto& item = report.observations[index];
  out.value = value_of(item.value);
  out.unit = !item.value.unit.empty() ? item.value.unit : item.value.ucum;
  out.interval = interval_of(item.interval);
  out.flags = flags_of(item);
  out.sampled = sampled_of(report, item).iso;
  return out;
}

Priors::Found& Priors::begin(Kept& kept, std::size_t index, model::Text loinc, const model::Party& performer,
                             model::ResultStatus status, bool sensitive) {
  auto& made = found_.emplace_back();
  made.kept = &kept;
  made.item = index;
  auto& prior = made.prior;
  const auto& report = kept.report;
  const auto& directory = *rules_.facilities;
  const model::Facility* laboratory = facility_of(directory, performer);
  if (!laboratory) laboratory = facility_of(directory, report.performer);
  prior.laboratory_said = laboratory || report.issuer != kept.facility;
  if (!laboratory) laboratory = directory.find(report.issuer);
  prior.facility = kept.facility;
  prior.laboratory = laboratory ? model::Text(laboratory->code) : report.issuer;
  prior.laboratory_level = laboratory ? model::Text(laboratory->level) : model::Text();
  prior.laboratory_registered = laboratory && !laboratory->provisional;
  prior.loinc = loinc;
  // A withdrawn report withdraws its items, whatever they say; an item says more than a report that is final.
  const bool whole =
      report.status == model::ResultStatus::cancelled || report.status == model::ResultStatus::entered_in_error;
  prior.status = whole || status == model::ResultStatus::unknown ? report.status : status;
  prior.sensitive = sensitive;
  return made;
}

void Priors::times(Found& made, const model::Moment& sampled, const model::Moment& reported) const {
  made.prior.sampled = parse_iso(sampled.iso, rules_.zone_minutes);
  made.prior.reported = parse_iso(reported.iso, rules_.zone_minutes);
}

}  // namespace hutong::query
