// The messages as their senders write them.
#include "adapters/simulator/hl7_text.h"
#include "adapters/simulator/plan.h"
#include "adapters/simulator/simulation.h"

namespace hutong::simulator {
namespace {

struct Trigger {
  const char *code, *structure;
};
Trigger trigger_of(Action action) {
  switch (action) {
    case Action::person_added: return {"A28", "ADT_A05"};
    case Action::person_changed: return {"A31", "ADT_A05"};
    case Action::registered: return {"A04", "ADT_A01"};
    case Action::admitted: return {"A01", "ADT_A01"};
    case Action::transferred: return {"A02", "ADT_A02"};
    case Action::discharged: return {"A03", "ADT_A03"};
    case Action::became_inpatient: return {"A06", "ADT_A06"};
    case Action::admission_cancelled: return {"A11", "ADT_A09"};
    case Action::discharge_cancelled: return {"A13", "ADT_A01"};
    case Action::merged: return {"A40", "ADT_A39"};
    default: return {"A08", "ADT_A01"};
  }
}

bool is_modern(const Institution& sender) {
  return sender.version >= "2.5";
}

}  // namespace

std::string Simulation::next_control_id() {
  return "R" + std::to_string(run_) + "-" + std::to_string(++control_);
}

std::string Simulation::stamp(const Institution& sender, LocalSeconds time) const {
  if (time == 0) return {};
  return hl7_time(time) + (sender.zone ? "+0800" : "");
}

void Simulation::open(const Institution& sender, std::size_t index, const std::string& application,
                      const std::string& type, const std::string& structure) {
  message_.sender = index;
  message_.control_id = next_control_id();
  message_.type = type;
  message_.time = clock_;
  text_.clear();
  Segment(text_, "MSH")
      .raw(3, application)
      .raw(4, sender.msh4)
      .raw(5, "HUTONG")
      .raw(6, "REGION")
      .raw(7, stamp(sender, clock_))
      .raw(9, is_modern(sender) ? type + "^" + structure : type)
      .raw(10, message_.control_id)
      .raw(11, "P")
      .raw(12, sender.version)
      .raw(17, "CHN")
      .raw(18, sender.msh18);
}

void Simulation::write_pid(const Visit& visit, const Institution& sender, const std::string& number) {
  const Resident& r = visit.resident;
  const Institution& owner = region_.institutions[visit.institution];  // whose number it is
  message_.resident = r.number;
  message_.card = r.card_kind;
  message_.patient_number = number;
  const bool in_ssn = sender.card_type == "PID-19";
  std::string identifiers = number + "^^^" + owner.msh4 + "^MR";
  if (!in_ssn) identifiers += "~" + r.card + "^^^^" + sender.card_type;
  std::string name;
  append_escaped(name, r.family);
  if (!r.given.empty()) name += (sender.split_names ? "^" : "") + r.given;
  Segment(text_, "PID")
      .raw(1, "1")
      .raw(3, identifiers)
      .raw(5, name)
      .raw(7, hl7_date(r.born))
      .raw(8, r.male ? "M" : "F")
      .parts(11, {r.street, "", "佳木斯市", "黑龙江省", r.postcode, "CHN", "H", "", r.district})
      .raw(13, r.phone)
      .raw(19, in_ssn ? r.card : "")
      .parts(22, {r.ethnic_code, r.ethnic_name});
}

void Simulation::write_pv1(const Visit& visit, const Institution& sender) {
  Segment(text_, "PV1")
      .raw(1, "1")
      .raw(2, std::string(1, visit.kind))
      .parts(3, {visit.ward.empty() ? visit.department : visit.ward, "", visit.bed})
      .parts(7, {visit.doctor_code, visit.doctor})
      .text(10, visit.department)
      .raw(19, visit.visit_number)
      .raw(44, stamp(sender, visit.begun))
      .raw(45, stamp(sender, visit.ended));
}

void Simulation::write_adt(const Visit& visit, Action action) {
  const Institution& sender = region_.institutions[visit.institution];
  const Trigger trigger = trigger_of(action);
  Visit now = visit;
  if (action == Action::discharged) now.ended = clock_;
  if (action == Action::transferred) now.ward = std::to_string(1 + clock_ / 7 % 9) + "病区";
  if (action == Action::became_inpatient) now.kind = 'I';
  if (action == Action::person_changed) now.resident.phone = "139" + now.resident.phone.substr(3);
  open(sender, visit.institution, sender.his, std::string("ADT^") + trigger.code, trigger.structure);
  Segment(text_, "EVN").raw(1, trigger.code).raw(2, stamp(sender, clock_));
  write_pid(now, sender, action == Action::merged ? visit.kept_number : visit.number);
  if (action == Action::merged) {
    Segment(text_, "MRG").raw(1, visit.number + "^^^" + sender.msh4 + "^MR");
  } else if (action != Action::person_added && action != Action::person_changed) {
    write_pv1(now, sender);
    if (action == Action::updated || action == Action::discharged || action == Action::admitted) {
      Segment(text_, "DG1").raw(1, "1").parts(3, {visit.diagnosis_code, visit.diagnosis, "ICD-10"}).raw(6, "F");
    }
  }
  close(sender);
}

void Simulation::write_order(const Report& report) {
  const Visit& visit = *report.visit;
  const Institution& sender = region_.institutions[visit.institution];
  open(sender, visit.institution, sender.his, "ORM^O01", "ORM_O01");
  write_pid(visit, sender, visit.number);
  write_pv1(visit, sender);
  Segment(text_, "ORC")
      .raw(1, "NW")
      .raw(2, report.placer)
      .raw(9, stamp(sender, clock_))
      .parts(12, {visit.doctor_code, visit.doctor})
      .text(21, sender.version > "2.3.1" ? sender.name : "");
  const std::string code = report.panel ? report.panel->code : report.exam_code;
  Segment(text_, "OBR")
      .raw(1, "1")
      .raw(2, report.placer)
      .parts(4, {code, report.panel ? report.panel->name : report.exam_name, "L"})
      .parts(16, {visit.doctor_code, visit.doctor})
      .raw(24, report.panel ? "LAB" : report.section)
      .parts(31, {visit.diagnosis_code, visit.diagnosis});
  close(sender);
}

}  // namespace hutong::simulator
