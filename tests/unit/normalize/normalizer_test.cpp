// Whole drafts: people, reports, stays, labels.
#include "broker/normalize/normalizer.h"

#include <gtest/gtest.h>

#include "broker/model/event_json.h"
#include "tests/unit/normalize/setting.h"

namespace hutong::normalize {
namespace {

using model::Coded;
using model::EncounterClass;
using model::Event;
using model::EventKind;
using model::IdentifierKind;
using model::Order;
using model::Priority;
using model::Text;

std::string labels(const List<Text>& list) {
  std::string all;
  for (Text each : list) all += std::string(each) + " ";
  return all;
}

TEST(Patient, NumbersGetTheirKind) {
  Setting s;
  auto& subject = s.part().subject;
  subject.number = "Ｐ１";
  subject.sex_sent = "男";
  subject.born.sent = "19900307";
  model::Identifier own, card, none, lab;
  own.value = "Ｐ１";  // the first, without a type
  card.value = "230804199003072513";
  card.type = "NNCHN";
  none.value = "111111111111111111";
  none.type = "NI";
  lab.value = "77";
  lab.type = "MR";
  lab.authority = "REGLAB";
  for (const auto& each : {own, card, none, lab}) subject.identifiers.push(s.draft.arena, each);
  s.run();
  EXPECT_EQ(subject.number, "P1");
  EXPECT_EQ(subject.sex, model::Sex::male);
  EXPECT_EQ(subject.born.iso, "1990-03-07");
  const auto& ids = subject.identifiers;
  EXPECT_EQ(ids[0].kind, IdentifierKind::facility_number);
  EXPECT_EQ(ids[0].system, "urn:hutong:facility:bc-county:mrn");
  EXPECT_EQ(ids[1].kind, IdentifierKind::resident_card);
  EXPECT_TRUE(ids[1].valid);
  EXPECT_TRUE(ids[2].placeholder);
  EXPECT_FALSE(ids[2].valid);
  EXPECT_EQ(ids[3].facility, "lab-regional");
  EXPECT_TRUE(s.has_issue("placeholder-number"));
  EXPECT_FALSE(s.has_issue("card-disagrees"));
  EXPECT_FALSE(s.has_issue("invalid-card-number"));
}

TEST(Patient, ANumbersPeriodIsReadAndASlipInItTold) {
  Setting s;
  model::Identifier good, slip;
  good.value = "E1";
  good.type = "PPN";
  good.effective.sent = "20200101";
  good.expires.sent = "2030";
  s.part().subject.identifiers.push(s.draft.arena, good);
  s.run();
  EXPECT_EQ(s.part().subject.identifiers[0].effective.iso, "2020-01-01");
  EXPECT_EQ(s.part().subject.identifiers[0].expires.iso, "2030");
  EXPECT_TRUE(s.draft.issues.empty());
  slip = good;
  slip.effective.sent = "2031";
  s.part().subject.identifiers.push(s.draft.arena, slip);
  s.run();
  EXPECT_TRUE(s.has_issue("identifier-period", "PID-3"));
  EXPECT_EQ(s.part().subject.identifiers[1].effective.iso, "2031") << "kept as it was sent";
}

TEST(Patient, ACardThatDisagreesIsFlaggedAndFillsNothing) {
  Setting s;
  auto& subject = s.part().subject;
  model::Identifier card;
  card.value = "230804199003072513";
  card.type = "NI";
  subject.identifiers.push(s.draft.arena, card);
  subject.sex_sent = "F";
  s.run();
  EXPECT_TRUE(s.has_issue("card-disagrees", "PID-3"));
  EXPECT_EQ(subject.sex, model::Sex::female);
  EXPECT_EQ(subject.born.iso, "");
}

TEST(Patient, IssuesNeverQuoteAPerson) {
  Setting s;
  auto& subject = s.part().subject;
  model::Identifier card;
  card.value = "230804199003072514";
  card.type = "NI";
  subject.identifiers.push(s.draft.arena, card);
  subject.born.sent = "张三丰生日";
  subject.sex_sent = "王";
  s.run();
  EXPECT_TRUE(s.has_issue("invalid-card-number"));
  EXPECT_TRUE(s.has_issue("odd-date", "PID-7"));
  EXPECT_TRUE(s.has_issue("unknown-sex", "PID-8"));
  for (const auto& issue : s.draft.issues.list()) {
    for (Text text : {issue.found, issue.expected}) {
      EXPECT_EQ(text.find("230804"), Text::npos) << text;
      EXPECT_EQ(text.find("张"), Text::npos) << text;
      EXPECT_EQ(text.find("王"), Text::npos) << text;
    }
  }
}

TEST(Report, IsWholeAfterwards) {
  Setting s;
  s.item("1003", "血红蛋白浓度", "135", "G/L").interval.sent = "130--175";
  s.report().status = model::ResultStatus::final;
  s.report().status_sent = "F";
  s.report().performer.name = "区域医学检验中心";
  s.run();
  const auto& r = s.report();
  EXPECT_EQ(r.issuer, "lab-regional");
  EXPECT_EQ(r.id, model::report_id("lab-regional", r));
  EXPECT_EQ(r.observed.iso, "2026-01-02T03:04:05+08:00");
  const auto& o = r.observations[0];
  EXPECT_EQ(o.code.mapped_code, "718-7");
  EXPECT_EQ(o.code.mapped_system, "http://loinc.org");
  EXPECT_EQ(o.code.code, "1003");
  EXPECT_EQ(o.value.unit, "G/L");
  EXPECT_EQ(o.value.ucum, "g/L");
  EXPECT_EQ(o.interval.high, "175");
  EXPECT_EQ(o.status, model::ResultStatus::final);
  EXPECT_EQ(o.observed.iso, r.observed.iso);
  EXPECT_EQ(o.performer.name, "区域医学检验中心");
  EXPECT_EQ(s.draft.map_version, tables()->version());
  EXPECT_TRUE(s.draft.issues.empty());
}

TEST(Report, ATimeThatIsNoneIsToldWhereItStands) {
  Setting s;
  s.report().path = "OBR[1]";
  s.report().observed.sent = "20261345";
  s.part().events[0].occurred = s.report().observed;
  s.run();
  EXPECT_TRUE(s.has_issue("odd-date", "OBR[1]-7"));
  EXPECT_FALSE(s.has_issue("odd-date", "EVN-2"));  // an ORU has no EVN
}

TEST(Report, WithoutAKnownLaboratoryTheSenderIssues) {
  Setting s;
  s.report().performer.name = "某独立医学实验室";
  EXPECT_EQ(s.run().report().issuer, "bc-county");
}

TEST(Report, ALaboratoryIsKnownByItsCreditCode) {
  Setting s;
  model::Facility other;
  other.code = "lab-other";
  other.uscc = "91350100M000100Y43";
  s.facilities.add(other);
  s.item("1003", "血红蛋白浓度", "135", "g/L").performer.code = "９１350100M000100Y43";
  s.report().performer.code = "91350100M000100Y43";
  s.run();
  EXPECT_EQ(s.report().issuer, "lab-other");
  EXPECT_EQ(s.report().observations[0].performer.code, "91350100M000100Y43");
  EXPECT_FALSE(s.has_issue("invalid-organization-code"));
}

TEST(Report, AnOddCreditCodeIsToldOnceAndKept) {
  Setting s;
  for (Text item : {"1003", "1004"}) {
    auto& performer = s.item(item, "血红蛋白浓度", "135", "g/L").performer;
    performer.code = "91350100M000100Y44";
    performer.name = "某检验中心";
  }
  s.item("1005", "血糖", "5", "mmol/L").performer.code = "123456789012345678";  // a device's number
  s.run();
  std::size_t told = 0;
  for (const auto& issue : s.draft.issues.list()) told += issue.code == "invalid-organization-code";
  EXPECT_EQ(told, 1U);
  EXPECT_TRUE(s.has_issue("invalid-organization-code", "OBX[1]"));
  EXPECT_EQ(s.report().issuer, "bc-county");
  EXPECT_EQ(s.report().observations[1].performer.code, "91350100M000100Y44");
}

TEST(Report, AnUnmappedCodeIsFlaggedWithItsPath) {
  Setting s;
  s.item("1904", "总胆汁酸", "4.1", "UMOL/L");
  s.run();
  ASSERT_TRUE(s.has_issue("unmapped-code", "OBX[1]-3"));
  EXPECT_EQ(s.draft.issues.list()[0].found, "1904");
  EXPECT_EQ(s.draft.issues.list()[0].severity, model::Severity::information);
  EXPECT_EQ(s.report().observations[0].code.mapped_code, "");
  EXPECT_EQ(s.report().observations[0].value.ucum, "umol/L");
}

TEST(Report, AnImagingServiceMakesAnExamination) {
  Setting s;
  s.report().service.display = "胸部CT";
  s.run();
  EXPECT_TRUE(s.report().is_exam);
  EXPECT_EQ(s.part().events[0].kind, EventKind::exam_reported);
  EXPECT_EQ(s.report().service.mapped_code, "24627-2");
}

TEST(Report, RepeatedItemsStayApart) {
  Setting s;
  for (Text line : {"第一行", "第二行", "第三行"}) s.item("MEMO", "结论", line);
  s.item("MEMO", "结论", "x").sub_id = "9";
  s.run();
  const auto& items = s.report().observations;
  EXPECT_EQ(items[0].sub_id, "");
  EXPECT_EQ(items[1].sub_id, "~2");
  EXPECT_EQ(items[2].sub_id, "~3");
  EXPECT_EQ(items[3].sub_id, "9");
}

TEST(Labels, ReachTheItemTheReportAndTheEvent) {
  Setting s;
  s.part().subject.born.sent = "20200101";
  s.item("1001", "白细胞", "5", "10^9/L");
  s.item("X1", "HIV抗体", "阴性");
  model::Coded diagnosis;
  diagnosis.code = "F32.900";
  s.report().diagnoses.push(s.draft.arena, diagnosis);
  s.part().events[0].occurred.sent = "20260102";
  s.run();
  EXPECT_EQ(labels(s.report().observations[0].labels), "");
  EXPECT_EQ(labels(s.report().observations[1].labels), "HIV ");
  EXPECT_EQ(labels(s.report().labels), "HIV PSY ");
  EXPECT_EQ(labels(s.part().events[0].labels), "HIV PSY MIN ");
}

TEST(Stay, GetsItsClassIdAndTimes) {
  Setting s;
  auto& event = s.part().events.push(s.draft.arena);
  event.kind = EventKind::encounter_changed;
  event.encounter.number = "ZY1";
  event.encounter.class_sent = "E";
  event.encounter.admitted.sent = "202601020910";
  s.run();
  const auto& e = event.encounter;
  EXPECT_EQ(e.kind, model::EncounterClass::emergency);
  EXPECT_EQ(e.id, model::encounter_id("bc-county", "P1", "ZY1"));
  EXPECT_EQ(e.admitted.iso, "2026-01-02T09:10:00+08:00");
}

TEST(Merge, ThePriorNumberIsReadLikeThePatients) {
  Setting s;
  auto& event = s.part().events.push(s.draft.arena);
  event.kind = EventKind::patient_merged;
  event.merge.prior_number = "Ｐ９";
  model::Identifier prior;
  prior.value = "Ｐ９";
  event.merge.prior_identifiers.push(s.draft.arena, prior);
  s.run();
  EXPECT_EQ(event.merge.prior_number, "P9");
  EXPECT_EQ(event.merge.prior_facility, "bc-county");
  EXPECT_EQ(event.merge.prior_identifiers[0].kind, IdentifierKind::facility_number);
}

TEST(Normalizer, ASecondTimeChangesNothing) {
  Setting s;
  s.item("1003", "血红蛋白浓度", "135↑", "G/L").interval.sent = "130-175";
  s.item("1022", "C-反应蛋白", "<0.05", "mg/dL");
  s.item("1083", "乙肝表面抗原", "阴性(-)");
  model::Identifier card;
  card.value = "110105491231002";
  card.type = "NI";
  s.part().subject.identifiers.push(s.draft.arena, card);
  const auto json = [&] {
    s.draft.issues.clear();
    Arena arena;
    return std::string(model::write_subject(arena, s.part().subject)) +
           std::string(model::write_report(arena, s.report()));
  };
  s.run();
  const std::string first = json();
  s.run();
  std::string second = json();
  EXPECT_EQ(second, first);
}

TEST(Normalizer, AnUnknownSenderUsesTheSharedNames) {
  Setting s;
  s.draft.source.facility = "x-0123456789ab";
  s.item("", "白细胞计数", "5.8", "10^9/L");
  Normalizer(tables()).normalize(s.draft, nullptr, s.facilities);
  EXPECT_EQ(s.report().observations[0].code.mapped_code, "6690-2");
}

TEST(Normalizer, ATimeWithoutZoneIsTheFacilitysOrElseTheInstallations) {
  for (const bool known : {true, false}) {
    Setting s;
    model::Facility west;
    west.code = "west";
    west.zone_minutes = 360;
    s.facilities.add(west);
    s.report();
    const auto* sender = known ? s.facilities.find("west") : nullptr;
    Normalizer(tables(), -90).normalize(s.draft, sender, s.facilities);
    EXPECT_EQ(s.report().observed.iso, known ? "2026-01-02T03:04:05+06:00" : "2026-01-02T03:04:05-01:30");
  }
}

class Ordering : public testing::Test {
 protected:
  Ordering() {
    Event& event = s.part().events.push(s.draft.arena);
    event.kind = EventKind::order_placed;
    event.order = s.draft.arena.make<Order>();
    order = event.order;
    order->number = "SQ1";
    order->service.code = "1042";  // of the facility's map
    order->service.display = "血糖";
    order->path = "ORC[1]";
  }
  Setting s;
  Order* order = nullptr;
};

TEST_F(Ordering, ItsServiceTimesClassAndPriorityAreResolved) {
  order->placed.sent = "202601020915";
  order->requested.sent = "20260103";
  order->encounter_class_sent = "急诊";
  order->encounter_number = " V1 ";
  order->priority_sent = "S";
  s.run();
  EXPECT_EQ(order->facility, "bc-county");
  EXPECT_EQ(order->service.mapped_code, "14749-6");
  EXPECT_EQ(order->placed.iso, "2026-01-02T09:15:00+08:00");
  EXPECT_EQ(order->requested.iso, "2026-01-03");
  EXPECT_EQ(order->encounter_class, EncounterClass::emergency);
  EXPECT_EQ(order->encounter_number, "V1");
  EXPECT_EQ(order->priority, Priority::stat);
  EXPECT_FALSE(order->preoperative);
  EXPECT_EQ(order->id, order_id(*order));
  EXPECT_TRUE(order->labels.empty());
}

TEST_F(Ordering, AnExaminationIsKnownByItsWords) {
  order->service.code = "X";
  order->service.display = "胸部CT平扫";
  s.run();
  EXPECT_EQ(order->service.mapped_code, "24627-2");
}

TEST_F(Ordering, WhatIsWrongIsNamed) {
  order->placed.sent = "05/01/2026";
  order->requested.sent = "下周一";
  order->encounter_class_sent = "门急诊";
  order->priority_sent = "P";
  s.run();
  EXPECT_TRUE(s.has_issue("odd-date", "ORC[1]-9"));
  EXPECT_TRUE(s.has_issue("odd-date", "OBR[1]-6"));
  EXPECT_TRUE(s.has_issue("unknown-encounter-class", "PV1-2"));
  EXPECT_EQ(order->priority, Priority::unknown);
  EXPECT_TRUE(order->preoperative);
}

TEST_F(Ordering, IsLabelledByWhatItAsksFor) {
  order->service.display = "HIV抗原抗体联合检测";
  s.run();
  EXPECT_FALSE(order->labels.empty());
}

TEST_F(Ordering, IsLabelledByADiagnosis) {
  Coded diagnosis;
  diagnosis.code = "B20.900";
  order->diagnoses.push(s.draft.arena, diagnosis);
  s.run();
  EXPECT_FALSE(order->labels.empty());
  EXPECT_FALSE(s.part().events[0].labels.empty());
}

TEST_F(Ordering, AnOddCreditCodeIsToldWhereItStands) {
  order->path = "ORC[1]";
  order->ordering_facility.code = "122308004140000018";
  order->ordering_facility.name = "某卫生院";
  s.run();
  EXPECT_TRUE(s.has_issue("invalid-organization-code", "ORC[1]-21"));
  EXPECT_EQ(order->ordering_facility.code, "122308004140000018");
}

TEST_F(Ordering, ACampusOrdersUnderItsOwnName) {
  order->ordering_facility.name = "区域医学检验中心";
  s.run();
  EXPECT_EQ(order->facility, "lab-regional");
}

}  // namespace
}  // namespace hutong::normalize
