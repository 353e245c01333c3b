// EVN, PV1, PV2 and DG1: a stay or a visit, and what was decided about it.
#include "adapters/format/hl7v2/reader.h"

namespace hutong::hl7v2 {

void read_visit(const Reader& reader, const Segment& pv1, model::Encounter& encounter) {
  encounter.class_sent = reader.value(pv1, 2);
  encounter.location = reader.place(reader.field(pv1, 3));
  encounter.prior_location = reader.place(reader.field(pv1, 6));
  encounter.attending = reader.person(reader.field(pv1, 7));
  encounter.referring = reader.person(reader.field(pv1, 8));
  encounter.admitting = reader.person(reader.field(pv1, 17));
  encounter.department = reader.value(pv1, 10);
  if (encounter.department.empty()) encounter.department = reader.value(pv1, 3);
  encounter.number = reader.value(pv1, 19);
  if (encounter.number.empty()) encounter.number = reader.value(pv1, 50);
  encounter.disposition = reader.value(pv1, 36);
  encounter.admitted = reader.moment(pv1, 44);
  encounter.discharged = reader.moment(pv1, 45);
}

void read_visit_more(const Reader& reader, const Segment& pv2, model::Encounter& encounter) {
  encounter.reason = reader.coded(reader.field(pv2, 3));
}

void read_diagnosis(const Reader& reader, const Segment& dg1, List<model::Coded>& diagnoses) {
  model::Coded diagnosis = reader.coded(reader.field(dg1, 3));
  // Versions up to 2.3 have the coding system in field 2 and the words in field 4.
  if (diagnosis.display.empty()) diagnosis.display = reader.value(dg1, 4);
  if (diagnosis.system.empty() && !diagnosis.code.empty()) diagnosis.system = reader.value(dg1, 2);
  if (!diagnosis.empty()) diagnoses.push(reader.arena, diagnosis);
}

model::Moment occurred_at(const Reader& reader) {
  for (const Segment& segment : reader.message.segments()) {
    if (segment.name != kEVN) continue;
    model::Moment moment = reader.moment(segment, 6);
    if (moment.sent.empty()) moment = reader.moment(segment, 2);
    if (!moment.sent.empty()) return moment;
    break;
  }
  return reader.draft.times.sent;
}

}  // namespace hutong::hl7v2
