// A record in which every member of every noun is said, and a small one: for the tests of the document and its schema.
#pragma once

#include <string>

#include "broker/model/event.h"

namespace hutong::model::sample {

inline Coded coded(const char* code, const char* name) {
  Coded c;
  c.code = code;
  c.display = name;
  c.system = "99LOCAL";
  c.alt_code = "alt";
  c.alt_display = "other \"name\"";
  c.alt_system = "L2";
  c.original = "as\nwritten";
  c.mapped_code = "6690-2";
  c.mapped_display = "白细胞计数";
  c.mapped_system = "http://loinc.org";
  return c;
}

inline Observation number(Arena& arena, const char* code, const char* name, const char* value) {
  Observation o;
  o.code.code = code;
  o.code.display = name;
  o.code.mapped_code = "6690-2";
  o.code.mapped_display = name;
  o.code.mapped_system = "http://loinc.org";
  o.value.kind = ValueKind::number;
  o.value.sent_type = SentType::number;
  o.value.sent = o.value.number = value;
  o.value.unit = "10^9/L";
  o.value.ucum = "10*9/L";
  o.interval = {"3.5-9.5", "3.5", "9.5"};
  o.status = ResultStatus::final;
  o.status_sent = "F";
  o.flags.push(arena, "N");
  o.path = "OBX[1]";
  return o;
}

inline Report* report(Arena& arena) {
  Report* r = arena.make<Report>();
  r->id = ReportId(sha256("a report"));
  r->issuer = "lab-regional";
  r->order_number = "P1";
  r->filler_number = "F1";
  r->service = coded("1001", "血常规");
  r->section = "LAB";
  r->status = ResultStatus::final;
  r->status_sent = "F";
  r->requested = {"20260102", "2026-01-02"};
  r->observed = {"20260102030405", "2026-01-02T03:04:05+08:00"};
  r->received = {"20260102030405+0800", "2026-01-02T03:04:05+08:00"};
  r->issued = {"20260102030405.12", "2026-01-02T03:04:05.12+08:00"};
  r->orderer = {"d1", "张医生", "staff"};
  r->interpreter = {"d2", "", ""};
  r->performer = {"lab-regional", "区域检验中心", ""};
  r->department = {"", "检验科", ""};
  r->reason = coded("R50", "发热");
  r->diagnoses.push(arena, coded("J18.9", "肺炎"));
  r->specimen = {"S1", coded("BLD", "全血"), coded("LA", "左臂"), coded("V", "静脉"), {"2026", "2026"}, {"x", ""}, {},
                 true};
  r->specimen.conditions.push(arena, "haemolysed");
  r->notes.push(arena, "已复查");
  r->labels.push(arena, "HIV");
  r->is_exam = true;
  r->exam.accession = "A1";
  r->exam.study_uid = "1.2.3";
  r->exam.modality = "CT";
  r->exam.body_part = coded("chest", "胸部");
  r->exam.laterality = "left";
  r->exam.contrast = "with";
  r->exam.findings = "双肺纹理清晰";
  r->exam.impression = "未见异常";
  r->exam.access.push(arena, {"viewer", "https://images.example/1", {"20260102", "2026-01-02"}});
  r->path = "OBR[1]";

  r->observations.push(arena, number(arena, "1001", "白细胞计数", "5.8"));
  r->observations[0].observed = r->observed;
  r->observations[0].performer = r->performer;
  Observation full =
      number(arena, "1002", "红细胞\t计数", "0.01");  // another status, time and performer than the report
  full.sub_id = "1";
  full.value.sent = "< 0.01";
  full.value.comparator = "<";
  full.value.canonical = "10";
  full.value.canonical_unit = "ng/L";
  full.value.sent_type = SentType::text;
  full.interval = {"阴性", "", "1"};
  full.status = ResultStatus::corrected;
  full.status_sent = "C";
  full.method = coded("m", "method");
  full.notes.push(arena, "note");
  full.labels.push(arena, "STD");
  r->observations.push(arena, full);
  Observation range;
  range.value.kind = ValueKind::range;
  range.value.sent_type = SentType::structured;
  range.value.sent = "10-20";
  range.value.low = "10";
  range.value.high = "20";
  range.value.unit = "mg/L";
  range.value.ucum = "mg/L";
  range.code.system = "99LOCAL";
  range.path = "OBX[2]";  // counts on
  r->observations.push(arena, range);
  Observation qualitative;
  qualitative.code.system = "99LOCAL";  // said once
  qualitative.path = "OBX[3]";
  qualitative.value.kind = ValueKind::qualitative;
  qualitative.value.sent_type = SentType::coded;
  qualitative.value.sent = "阳性";
  qualitative.value.coded = coded("+", "阳性");
  qualitative.value.coded.mapped_system = "urn:hutong:qualitative";
  qualitative.value.coded.mapped_display = "";
  r->observations.push(arena, qualitative);
  Observation time;
  time.value.kind = ValueKind::time;
  time.value.sent_type = SentType::time;
  time.value.time = {"202601", "2026-01"};
  r->observations.push(arena, time);
  Observation attached;
  attached.value.kind = ValueKind::attachment;
  attached.value.sent_type = SentType::attachment;
  attached.value.attachment = {"application/pdf", "base64", "JVBERi0=", "报告"};
  r->observations.push(arena, attached);
  Observation none;
  none.value.unit = "g/L";  // a unit without a value
  r->observations.push(arena, none);
  r->observations.push(arena, Observation());
  return r;
}

inline Subject subject(Arena& arena) {
  Subject s;
  s.number = "P0001";
  s.facility = "bc-county";
  s.identifiers.push(arena, {IdentifierKind::resident_card,
                             "11010519491231002X",
                             "NI",
                             "2.16.156.10011.1.3",
                             "",
                             "urn:oid:2.16.156.10011.1.3",
                             true,
                             false,
                             {"2020", "2020"},
                             {"20400101", "2040-01-01"}});
  s.identifiers.push(arena, {IdentifierKind::other, "0", "", "", "bc-county", "", false, true, {}, {}});
  s.names.push(arena, {"張東瑋", "張", "東瑋", "L"});
  s.sex = Sex::female;
  s.sex_sent = "F";
  s.born = {"19491231", "1949-12-31"};
  s.died = {"2026010203", "2026-01-02T03:00:00+08:00"};
  s.deceased = true;
  s.addresses.push(arena, {"全址", "街", "区", "佳木斯", "黑龙江", "154000", "CN", "H"});
  s.contacts.push(arena, {"0454-0000000", "home"});
  s.marital = coded("20", "已婚");
  s.ethnicity = coded("01", "汉族");
  s.nationality = coded("CN", "中国");
  s.mother_number = "P0000";
  s.deleted.push(arena, "phone");
  return s;
}

inline Encounter encounter(Arena& arena) {
  Encounter e;
  e.id = EncounterId(sha256("a visit"));
  e.change = "admitted";
  e.number = "V1";
  e.prior_number = "V0";
  e.kind = EncounterClass::inpatient;
  e.class_sent = "I";
  e.status = EncounterStatus::in_progress;
  e.location = "3W^12";
  e.prior_location = "ED";
  e.department = "内科";
  e.attending = {"d1", "李", ""};
  e.referring = {"d2", "", "s"};
  e.admitting = {"", "王", ""};
  e.admitted = {"202601020304", "2026-01-02T03:04:00+08:00"};
  e.discharged = {"20260103", "2026-01-03"};
  e.occurred = {"202601020304", "2026-01-02T03:04:00+08:00"};
  e.reason = coded("R50", "发热");
  e.diagnoses.push(arena, coded("J18.9", "肺炎"));
  e.disposition = "01";
  return e;
}

inline ReferralWord* referral(Arena& arena) {
  ReferralWord* r = arena.make<ReferralWord>();
  r->action = "report";
  r->action_sent = "RRI^I13 RETURNED";
  r->facility = "bc-city";
  r->sender = "cc-east";
  r->number = "ZZ7";
  r->receiver = "bc-county";
  r->department = "NK";
  r->receiver_department = "XNK";
  r->practitioner = {"d1", "张医生", "staff"};
  r->direction = "up";
  r->priority = Priority::stat;
  r->priority_sent = "S";
  r->choice = "agreed";
  r->outside = "附近无床位";
  r->insurance_filing = "YB7";
  r->follows_sender = "cc-west";
  r->follows_number = "ZZ6";
  r->reason.code = "I20";
  r->reason.display = "心绞痛";
  r->diagnoses.push(arena, r->reason);
  r->happened = {"202601020910", "2026-01-02T09:10:00+08:00"};
  r->slot_start = {"202601030800", "2026-01-03T08:00:00+08:00"};
  r->slot_end = {"202601030900", "2026-01-03T09:00:00+08:00"};
  r->place = "3 床";
  r->reports.push(arena, {"R7", "CT001"});
  r->notes.push(arena, "已好转");
  r->labels.push(arena, "PSY");
  r->path = "RF1";
  return r;
}

inline Order* order(Arena& arena) {
  Order* o = arena.make<Order>();
  o->id = OrderId(sha256("an order"));
  o->facility = "bc-county";
  o->number = "SQ1";
  o->filler_number = "F1";
  o->group_number = "SQD1";
  o->change = "placed";
  o->change_sent = "NW";
  o->status = OrderStatus::active;
  o->status_sent = "IP";
  o->priority = Priority::stat;
  o->priority_sent = "S";
  o->preoperative = true;
  o->service = coded("1001", "血常规");
  o->section = "LAB";
  o->placed = {"202601020304", "2026-01-02T03:04:00+08:00"};
  o->requested = {"20260102", "2026-01-02"};
  o->orderer = {"d1", "张医生", "staff"};
  o->department = {"NK", "内科", ""};
  o->ordering_facility = {"", "北川县人民医院", ""};
  o->encounter_number = "V1";
  o->encounter_class = EncounterClass::emergency;
  o->encounter_class_sent = "E";
  o->reason = coded("R50", "发热");
  o->diagnoses.push(arena, coded("J18.9", "肺炎"));
  o->specimen.type = coded("BLD", "全血");
  o->specimen.present = true;
  o->notes.push(arena, "空腹");
  o->labels.push(arena, "HIV");
  o->path = "ORC[1]";
  return o;
}

// Every kind of event in one part.
inline void fill(Draft& draft) {
  Arena& arena = draft.arena;
  draft.source = {"bc-county", true,     "mllp", "c-1",     "hl7v2", "HIS",    "BCXYY",
                  "HUTONG",    "REGION", "M1",   "ORU^R01", "2.5.1", "GB18030"};
  draft.times.sent = {"20260102030405", "2026-01-02T03:04:05+08:00"};
  draft.times.received = {1'767'294'245'678'901};
  draft.times.appended = {1'767'294'245'679'000};
  draft.map_version = "2026-01-01+12345678";
  draft.issues.add(arena, {Severity::information, "unmapped-code", "OBX[2]-3", "YX-1", "a code of the map", "103"});
  for (int i = 0; i < 120; ++i) draft.issues.add(arena, {Severity::warning, "odd-date", "PID-7", "", "", ""});
  Part part;
  part.subject = subject(arena);
  Event updated;
  updated.kind = EventKind::patient_updated;
  updated.occurred = draft.times.sent;
  part.events.push(arena, updated);
  Event moved;
  moved.kind = EventKind::encounter_changed;
  moved.ordinal = 1;
  moved.encounter = encounter(arena);
  part.events.push(arena, moved);
  Event merged;
  merged.kind = EventKind::patient_merged;
  merged.ordinal = 2;
  merged.merge.prior_number = "P9";
  merged.merge.prior_facility = "bc-city";
  merged.merge.prior_identifiers.push(arena, part.subject.identifiers[0]);
  merged.merge.cause = "A40";
  merged.merge.identifier_change = true;
  part.events.push(arena, merged);
  Event resulted;
  resulted.kind = EventKind::exam_reported;
  resulted.ordinal = 3;
  resulted.version = 2;
  resulted.labels.push(arena, "HIV");
  resulted.report = report(arena);
  part.events.push(arena, resulted);
  Event ordered;
  ordered.kind = EventKind::order_placed;
  ordered.ordinal = 4;
  ordered.order = order(arena);
  part.events.push(arena, ordered);
  Event told;
  told.kind = EventKind::referral_told;
  told.ordinal = 5;
  told.referral = referral(arena);
  part.events.push(arena, told);
  draft.parts.push(arena, part);
}

}  // namespace hutong::model::sample
