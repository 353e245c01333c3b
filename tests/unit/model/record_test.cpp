// Ids and facilities: what makes two messages, reports and senders the same.
#include "broker/model/record.h"

#include <gtest/gtest.h>

#include "broker/base/limits.h"
#include "broker/model/facility.h"

namespace hutong::model {
namespace {

Source source() {
  Source s;
  s.facility = "f";
  s.sender_application = "LIS";
  s.sender_facility = "F";
  s.control_id = "M1";
  return s;
}

TEST(RecordId, EveryPartCounts) {
  const Sha256Digest content = sha256("content");
  const RecordId id = record_id(source(), content, 0);
  EXPECT_EQ(record_id(source(), content, 0), id);
  EXPECT_NE(record_id(source(), sha256("other"), 0), id);
  EXPECT_NE(record_id(source(), content, 1), id);
  for (auto member : {&Source::facility, &Source::sender_application, &Source::sender_facility, &Source::control_id}) {
    Source other = source();
    other.*member = "x";
    EXPECT_NE(record_id(other, content, 0), id);
  }
  Source moved = source();  // the same letters, divided otherwise
  moved.sender_application = "LISF";
  moved.sender_facility = "";
  EXPECT_NE(record_id(moved, content, 0), id);
}

TEST(RecordId, IsTheSameForEver) {  // a change of this value would make every stored message a new one
  EXPECT_EQ(record_id(source(), sha256("content"), 0).hex(), "00cfa0f3a7b8bd6722dcc3545b7e5991");
}

TEST(ControlKey, IgnoresContent) {
  Source a = source(), b = source();
  b.type = "ADT^A01";
  EXPECT_EQ(control_key(a), control_key(b));
  b.control_id = "M2";
  EXPECT_NE(control_key(a), control_key(b));
}

TEST(ReportId, FillerNumberElseOrderNumber) {
  Report r;
  r.filler_number = "L1";
  r.order_number = "O1";
  r.service.code = "XCG";
  const ReportId id = report_id("lab", r);
  r.order_number = "O2";
  EXPECT_EQ(report_id("lab", r), id);
  EXPECT_NE(report_id("lab2", r), id);  // two laboratories with the same number
  r.service.code = "SHQX";
  EXPECT_NE(report_id("lab", r), id);
  r.filler_number = {};
  const ReportId by_order = report_id("lab", r);
  r.order_number = "O3";
  EXPECT_NE(report_id("lab", r), by_order);
}

TEST(ReportId, WithoutANumberPatientsStayApart) {
  Report r;
  r.service.code = "XCG";
  r.observed.sent = "20260102";
  EXPECT_NE(unnumbered_report_id("lab", "P1", r), unnumbered_report_id("lab", "P2", r));
}

TEST(ObservationId, LeadsToItsReport) {
  const ReportId report(sha256("r"));
  Observation a, b;
  a.code.code = b.code.code = "1001";
  EXPECT_EQ(observation_id(report, a).substr(0, 33), report.hex() + "-");
  EXPECT_EQ(observation_id(report, a).size(), 49u);
  EXPECT_EQ(observation_id(report, a), observation_id(report, b));
  b.sub_id = "2";
  EXPECT_NE(observation_id(report, a), observation_id(report, b));
}

TEST(Ids, KindsNeverMeet) {
  EXPECT_NE(encounter_id("a", "b", "").view(), first_person_id("a", "b").view());
}

TEST(Issues, TheFirstHundredAreKeptTheRestCounted) {
  Arena arena;
  Issues issues;
  for (std::size_t i = 0; i < limits::issues_per_message + 1; ++i) issues.add(arena, {});
  EXPECT_EQ(issues.list().size(), limits::issues_per_message);
  EXPECT_EQ(issues.total(), limits::issues_per_message + 1);
}

TEST(Issues, AnErrorIsSaidHoweverManyWarningsCameBefore) {
  Arena arena;
  Issues issues;
  for (std::size_t i = 0; i < limits::issues_per_message + 3; ++i) issues.add(arena, {.code = "unmapped-code"});
  issues.add(arena, {.severity = Severity::error, .code = "segment-missing"});
  ASSERT_EQ(issues.list().size(), limits::issues_per_message);
  EXPECT_EQ(issues.list().back().code, "segment-missing");
  for (std::size_t i = 0; i < 2 * limits::issues_per_message; ++i) {
    issues.add(arena, {.severity = Severity::error, .code = "again"});
  }
  EXPECT_EQ(issues.list().back().code, "segment-missing");  // errors do not drive each other out
  EXPECT_EQ(issues.list().size(), limits::issues_per_message);
}

Facility facility(std::string code, std::vector<Facility::Alias> aliases, std::string certificate = {}) {
  Facility f;
  f.name_zh = code + "医院";
  f.code = std::move(code);
  f.aliases = std::move(aliases);
  f.certificate = std::move(certificate);
  return f;
}

TEST(FacilityDirectory, ThePairBeforeTheFacilityAlone) {
  FacilityDirectory d;
  d.add(facility("a", {{"", "X"}}));
  d.add(facility("b", {{"LIS", "X"}}));
  EXPECT_EQ(d.by_sender("HIS", "X")->code, "a");
  EXPECT_EQ(d.by_sender("LIS", "X")->code, "b");
  EXPECT_EQ(d.by_sender("LIS^1.2.3^ISO", "X^4.5^ISO")->code, "b");
  EXPECT_EQ(d.by_sender("LIS", "Y"), nullptr);
  EXPECT_EQ(d.by_sender("LIS", ""), nullptr);
  EXPECT_EQ(d.find("b")->code, "b");
  EXPECT_EQ(d.find("c"), nullptr);
  EXPECT_EQ(d.by_name("a医院")->code, "a");
  ASSERT_EQ(d.all().size(), 2u);
  EXPECT_EQ(d.all()[0]->code, "a");
}

TEST(FacilityDirectory, OneSenderIsOneFacility) {
  FacilityDirectory d;
  d.add(facility("a", {{"", "X"}}));
  EXPECT_THROW(d.add(facility("a", {})), std::invalid_argument);
  EXPECT_THROW(d.add(facility("b", {{"", "X"}})), std::invalid_argument);
  EXPECT_THROW(d.add(facility("c", {{"LIS", ""}})), std::invalid_argument);
}

TEST(FacilityDirectory, ACreditCodeNamesItLikeAnAlias) {
  FacilityDirectory d;
  Facility a = facility("a", {{"LIS", "X"}});
  a.uscc = "91350100M000100Y43";
  d.add(a);
  EXPECT_EQ(d.by_sender("HIS", "91350100M000100Y43")->code, "a");
  Facility b = facility("b", {});
  b.uscc = a.uscc;
  EXPECT_THROW(d.add(b), std::invalid_argument);
}

TEST(FacilityDirectory, TheFingerprintBeforeTheCommonName) {
  FacilityDirectory d;
  d.add(facility("a", {}, "hospital.example"));
  d.add(facility("b", {}, "ab12"));
  EXPECT_EQ(d.by_certificate("ab12", "hospital.example")->code, "b");
  EXPECT_EQ(d.by_certificate("ffff", "hospital.example")->code, "a");
  EXPECT_EQ(d.by_certificate("", ""), nullptr);
}

TEST(Provisional, IsACodeAndStable) {
  EXPECT_EQ(provisional_code("A", "B"), provisional_code("A^1", "B"));
  EXPECT_NE(provisional_code("A", "B"), provisional_code("AB", ""));
  EXPECT_EQ(provisional_code("A", "B").size(), 14u);
}

TEST(EventKinds, AreReadAsWritten) {
  for (auto kind : {EventKind::message_received, EventKind::patient_updated, EventKind::patient_merged,
                    EventKind::patient_linked, EventKind::patient_unlinked, EventKind::encounter_changed,
                    EventKind::result_reported, EventKind::exam_reported, EventKind::order_placed}) {
    EventKind read;
    ASSERT_TRUE(from_string(to_string(kind), read));
    EXPECT_EQ(read, kind);
  }
  EventKind read;
  EXPECT_FALSE(from_string("result", read));
}

}  // namespace
}  // namespace hutong::model
