// The record's document: what is written is read back, member for member.
#include "broker/model/event_json.h"

#include <gtest/gtest.h>

#include "broker/base/limits.h"
#include "tests/unit/model/sample.h"

namespace hutong::model {
namespace {

std::string write(const RecordId& id, const Draft& draft, const Part& part) {
  Arena arena;
  return std::string(write_record(arena, id, draft, part));
}

// A record that was read, as a Draft again, so that it can be written.
void to_draft(const RecordView& record, Draft& draft, Part& part) {
  draft.source = record.source;
  draft.times = record.times;
  draft.map_version = record.map_version;
  draft.issues = record.issues;
  part.subject = record.subject;
  part.events = record.events;
}

TEST(EventJson, WhatIsReadIsWrittenAgainByteForByte) {
  Draft draft;
  sample::fill(draft);
  const RecordId id(sha256("a record"));
  const std::string first = write(id, draft, draft.parts[0]);

  Arena arena;
  RecordView record;
  ASSERT_TRUE(read_record(first, arena, record)) << first;
  EXPECT_EQ(record.id, id);
  EXPECT_EQ(record.issues.total(), 121u);
  EXPECT_EQ(record.times.received.micros, 1'767'294'245'678'901);
  Draft again;
  Part part;
  to_draft(record, again, part);
  EXPECT_EQ(write(record.id, again, part), first);
}

// Our own documents are read without copies; any other spelling of the same is parsed and searched. Both say the same.
TEST(EventJson, OurOwnSpellingIsReadInPlaceAndAnotherByParsing) {
  Draft draft;
  sample::fill(draft);
  const RecordId id(sha256("a record"));
  const std::string ours = write(id, draft, draft.parts[0]);
  const auto is_in = [](Text text, const std::string& json) {
    return text.data() >= json.data() && text.data() < json.data() + json.size();
  };
  std::string spaced;  // a blank behind every comma that stands between members
  bool quoted = false;
  for (std::size_t i = 0; i < ours.size(); ++i) {
    spaced += ours[i];
    if (ours[i] == '\\') {
      spaced += ours[++i];
      continue;
    }
    quoted ^= ours[i] == '"';
    if (ours[i] == ',' && !quoted) spaced += ' ';
  }
  ASSERT_NE(spaced, ours);
  for (const std::string& json : {ours, spaced}) {
    Arena arena;
    RecordView record;
    ASSERT_TRUE(read_record(json, arena, record)) << json;
    EXPECT_EQ(is_in(record.source.facility, json), json == ours);
    Draft again;
    Part part;
    to_draft(record, again, part);
    EXPECT_EQ(write(record.id, again, part), ours);
  }
}

TEST(EventJson, EveryMemberComesBack) {
  Draft draft;
  sample::fill(draft);
  Arena arena;
  RecordView record;
  const std::string json = write({}, draft, draft.parts[0]);
  ASSERT_TRUE(read_record(json, arena, record));
  const Source& source = record.source;
  EXPECT_EQ(source.facility, "bc-county");
  EXPECT_TRUE(source.provisional);
  EXPECT_EQ(source.receiver_facility, "REGION");
  EXPECT_EQ(source.charset, "GB18030");
  const Subject& s = record.subject;
  EXPECT_EQ(s.identifiers[0].kind, IdentifierKind::resident_card);
  EXPECT_TRUE(s.identifiers[0].valid);
  EXPECT_FALSE(s.identifiers[1].valid);
  EXPECT_TRUE(s.identifiers[1].placeholder);
  EXPECT_EQ(s.names[0].text, "張東瑋");
  EXPECT_EQ(s.sex, Sex::female);
  EXPECT_EQ(s.died.sent, "2026010203");
  EXPECT_EQ(s.died.iso, "2026-01-02T03:00:00+08:00");
  EXPECT_EQ(s.marital.original, "as\nwritten");
  EXPECT_EQ(s.deleted[0], "phone");
  ASSERT_EQ(record.events.size(), 6u);
  const Encounter& e = record.events[1].encounter;
  EXPECT_EQ(e.id, EncounterId(sha256("a visit")));
  EXPECT_EQ(e.kind, EncounterClass::inpatient);
  EXPECT_EQ(e.admitted.iso, "2026-01-02T03:04:00+08:00");
  EXPECT_EQ(e.admitted.sent, "202601020304");
  EXPECT_TRUE(record.events[2].merge.identifier_change);
  EXPECT_EQ(record.events[2].merge.prior_identifiers[0].value, "11010519491231002X");
  EXPECT_EQ(record.events[3].version, 2u);
  EXPECT_EQ(record.events[3].order, nullptr);
  const Order& o = *record.events[4].order;
  EXPECT_EQ(o.id, OrderId(sha256("an order")));
  EXPECT_EQ(o.change_sent, "NW");
  EXPECT_EQ(o.status, OrderStatus::active);
  EXPECT_EQ(o.priority, Priority::stat);
  EXPECT_TRUE(o.preoperative);
  EXPECT_EQ(o.encounter_class, EncounterClass::emergency);
  EXPECT_EQ(o.placed.sent, "202601020304");
  EXPECT_EQ(o.diagnoses[0].display, "肺炎");
  EXPECT_TRUE(o.specimen.present);
  EXPECT_EQ(o.labels[0], "HIV");
  const ReferralWord& f = *record.events[5].referral;
  EXPECT_EQ(f.action, "report");
  EXPECT_EQ(f.sender, "cc-east");
  EXPECT_EQ(f.priority, Priority::stat);
  EXPECT_EQ(f.slot_end.iso, "2026-01-03T09:00:00+08:00");
  EXPECT_EQ(f.reports[0].service, "CT001");
  EXPECT_EQ(f.follows_number, "ZZ6");
  EXPECT_EQ(f.labels[0], "PSY");
  const Report& r = *record.events[3].report;
  EXPECT_EQ(r.received.sent, "20260102030405+0800");
  EXPECT_TRUE(r.is_exam);
  EXPECT_EQ(r.exam.access[0].url, "https://images.example/1");
  EXPECT_EQ(r.specimen.received.sent, "x");
  EXPECT_EQ(r.specimen.conditions[0], "haemolysed");
  ASSERT_EQ(r.observations.size(), 8u);
  const Observation& plain = r.observations[0];
  EXPECT_EQ(plain.value.sent, "5.8");
  EXPECT_EQ(plain.value.sent_type, SentType::number);
  EXPECT_EQ(plain.interval.low, "3.5");
  EXPECT_EQ(plain.interval.high, "9.5");
  EXPECT_EQ(plain.status, ResultStatus::final);
  EXPECT_EQ(plain.status_sent, "F");
  EXPECT_EQ(plain.observed.iso, r.observed.iso);
  EXPECT_EQ(plain.performer.code, "lab-regional");
  EXPECT_EQ(plain.code.mapped_display, "白细胞计数");
  const Observation& full = r.observations[1];
  EXPECT_EQ(full.code.display, "红细胞\t计数");
  EXPECT_EQ(full.value.sent, "< 0.01");
  EXPECT_EQ(full.value.sent_type, SentType::text);
  EXPECT_EQ(full.value.canonical_unit, "ng/L");
  EXPECT_EQ(full.interval.low, "");
  EXPECT_EQ(full.interval.high, "1");
  EXPECT_EQ(full.status_sent, "C");
  EXPECT_EQ(full.observed.iso, "");  // not the report's
  EXPECT_EQ(full.performer.code, "");
  EXPECT_EQ(r.observations[1].path, "OBX[1]");
  EXPECT_EQ(r.observations[2].path, "OBX[2]");
  EXPECT_EQ(r.observations[3].path, "OBX[3]");
  EXPECT_EQ(r.observations[3].code.system, "99LOCAL");
  EXPECT_EQ(r.observations[4].path, "");
  EXPECT_EQ(r.observations[4].code.system, "");
  EXPECT_EQ(r.observations[2].value.ucum, "mg/L");
  EXPECT_EQ(r.observations[3].value.coded.mapped_system, "urn:hutong:qualitative");
  EXPECT_EQ(r.observations[3].value.coded.mapped_display, "");
  EXPECT_EQ(r.observations[4].value.time.sent, "202601");
  EXPECT_EQ(r.observations[5].value.attachment.title, "报告");
  EXPECT_EQ(r.observations[6].value.kind, ValueKind::none);
  EXPECT_EQ(r.observations[6].value.unit, "g/L");
  EXPECT_EQ(r.observations[7].value.kind, ValueKind::none);
}

TEST(EventJson, OrderAndUnknownMembersDoNotMatter) {
  const std::string json =
      R"({"later":{"a":[1,2.5,{"b":null}]},"sex":"male","number":"P1","names":[{"use":"L","text":"甲"}],"facility":"f"})";
  Arena arena;
  Subject subject;
  ASSERT_TRUE(read_subject(json, arena, subject));
  EXPECT_EQ(subject.number, "P1");
  EXPECT_EQ(subject.facility, "f");
  EXPECT_EQ(subject.sex, Sex::male);
  ASSERT_EQ(subject.names.size(), 1u);
  EXPECT_EQ(subject.names[0].text, "甲");
  EXPECT_EQ(subject.names[0].use, "L");
}

TEST(EventJson, DamageIsNamedWithItsByte) {
  Arena arena;
  Report report;
  const auto result = read_report(R"({"id":"00","issuer":)", arena, report);
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, ErrorCode::corrupt);
  EXPECT_NE(result.error().message.find("byte 20"), std::string::npos) << result.error().message;
  EXPECT_FALSE(read_report("[]", arena, report));
  EXPECT_FALSE(read_report("", arena, report));
}

TEST(EventJson, EveryCutOfARecordIsRefusedAndNeverRead) {
  Draft draft;
  sample::fill(draft);
  const std::string whole = write({}, draft, draft.parts[0]);
  for (std::size_t size = 0; size < whole.size(); ++size) {
    Arena arena;
    RecordView record;
    ASSERT_FALSE(read_record(std::string_view(whole).substr(0, size), arena, record)) << size;
  }
}

TEST(EventJson, DepthHasALimit) {
  Arena arena;
  Subject subject;
  const auto nested = [](std::size_t depth) {
    return "{\"x\":" + std::string(depth - 1, '[') + std::string(depth - 1, ']') + "}";
  };
  EXPECT_TRUE(read_subject(nested(limits::json_depth), arena, subject));
  const auto deeper = read_subject(nested(limits::json_depth + 1), arena, subject);
  ASSERT_FALSE(deeper);
  EXPECT_NE(deeper.error().message.find("nested deeper than 64"), std::string::npos) << deeper.error().message;
}

TEST(EventJson, ControlCharactersAndQuotesAreEscaped) {
  Arena arena;
  for (int c = 0; c < 256; ++c) {
    if (c >= 0x80) continue;  // the text is valid UTF-8
    for (std::size_t position = 0; position < 20; ++position) {
      std::string value(20, 'a');
      value[position] = static_cast<char>(c);
      Subject subject, read;
      subject.number = value;
      ASSERT_TRUE(read_subject(write_subject(arena, subject), arena, read)) << c;
      ASSERT_EQ(read.number, value) << c;
    }
  }
}

}  // namespace
}  // namespace hutong::model
