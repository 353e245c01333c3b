#include "tests/unit/hl7v2/support.h"

namespace hutong::hl7v2 {
namespace {

using model::Answer;
using model::EventKind;
using testing::ElementsAre;
using testing::IsEmpty;

std::string adt(std::string_view trigger, std::string_view rest) {
  return msh("ADT^" + std::string(trigger)) + "EVN|" + std::string(trigger) + "|20260102030000|||U1|20260102020000\r" +
         std::string(rest);
}
const std::string kPerson = segment("PID", {{3, "N1^^^GOV^NI~P1^^^H1^MR~C1^^^^HC"},
                                            {4, "OLD2"},
                                            {5, "测试^甲^^^^^L~Test^Jia"},
                                            {7, "19900102"},
                                            {8, "M"},
                                            {10, "01^汉族"},
                                            {11, "长安街1号^^北京^北京市^100000^CHN^H^^东城区"},
                                            {13, "13900000000^PRN^CP~^NET^Internet^a@b.invalid"},
                                            {14, "010-1^WPN"},
                                            {16, "M^已婚"},
                                            {19, "990101199001020019"},
                                            {21, "M9"},
                                            {28, "CHN^中国"},
                                            {29, "20260103"},
                                            {30, "Y"}});

TEST(Patient, NumbersHaveTheirEffectiveDates) {
  Case c(adt("A28", segment("PID", {{3, "P1^^^H1^MR~E1^^^^PPN^^20200101^20300101~E2^^^^PPN^^^203001"}, {5, "甲"}})));
  ASSERT_EQ(c.read(), Answer::accepted);
  const auto& ids = c.subject().identifiers;
  ASSERT_EQ(ids.size(), 3U);
  EXPECT_EQ(ids[0].effective.sent, "");
  EXPECT_EQ(ids[1].effective.sent, "20200101");
  EXPECT_EQ(ids[1].expires.sent, "20300101");
  EXPECT_EQ(ids[2].effective.sent, "");
  EXPECT_EQ(ids[2].expires.sent, "203001");
}

const std::string kVisit = segment("PV1", {{2, "I"},
                                           {3, "W1^R2^B3^H1"},
                                           {6, "W0^R1^B1"},
                                           {7, "D1^Li^Si"},
                                           {8, "D2^张三"},
                                           {10, "CARD"},
                                           {17, "D3^Wang^Wu"},
                                           {19, "V1^^^H1"},
                                           {36, "01"},
                                           {44, "20260101"},
                                           {45, "20260105"}});

TEST(Patient, IsReadWhole) {
  Case c(adt("A28", kPerson));
  ASSERT_EQ(c.read(), Answer::accepted);
  EXPECT_THAT(c.codes(), IsEmpty());
  const auto& s = c.subject();
  EXPECT_EQ(s.number, "P1");  // the first of type MR or PI, not the first
  EXPECT_EQ(s.facility, c.draft.source.facility);
  ASSERT_EQ(s.identifiers.size(), 5U);
  EXPECT_EQ(s.identifiers[0].value, "N1");
  EXPECT_EQ(s.identifiers[0].type, "NI");
  EXPECT_EQ(s.identifiers[0].authority, "GOV");
  EXPECT_EQ(s.identifiers[3].value, "OLD2");
  EXPECT_EQ(s.identifiers[4].value, "990101199001020019");
  EXPECT_EQ(s.identifiers[4].type, "SS");
  ASSERT_EQ(s.names.size(), 2U);
  EXPECT_EQ(s.names[0].text, "测试甲");
  EXPECT_EQ(s.names[0].family, "测试");
  EXPECT_EQ(s.names[0].given, "甲");
  EXPECT_EQ(s.names[0].use, "L");
  EXPECT_EQ(s.names[1].text, "Jia Test");
  EXPECT_EQ(s.born.sent, "19900102");
  EXPECT_EQ(s.sex_sent, "M");
  EXPECT_EQ(s.ethnicity.display, "汉族");
  EXPECT_EQ(s.addresses[0].text, "北京市北京东城区长安街1号");
  ASSERT_EQ(s.contacts.size(), 3U);
  EXPECT_EQ(s.contacts[0].use, "mobile");
  EXPECT_EQ(s.contacts[1].value, "a@b.invalid");
  EXPECT_EQ(s.contacts[1].use, "email");
  EXPECT_EQ(s.contacts[2].use, "work");
  EXPECT_EQ(s.marital.code, "M");
  EXPECT_EQ(s.mother_number, "M9");
  EXPECT_EQ(s.nationality.code, "CHN");
  EXPECT_EQ(s.died.sent, "20260103");
  EXPECT_TRUE(s.deceased);
  ASSERT_EQ(c.draft.parts[0].events.size(), 1U);
  EXPECT_EQ(c.event().kind, EventKind::patient_updated);
  EXPECT_EQ(c.event().occurred.sent, "20260102020000");
}

TEST(Patient, KeepsNamesAsTheyAreWritten) {
  for (const auto& [sent, text] : std::vector<std::pair<std::string, std::string>>{{"张三", "张三"},
                                                                                   {"买买提·艾力", "买买提·艾力"},
                                                                                   {"^三", "三"},
                                                                                   {"Doe^Jane^Q", "Jane Q Doe"},
                                                                                   {"Müller^José", "José Müller"}}) {
    Case c(adt("A28", "PID|1||P1||" + sent + "\r"));
    c.read();
    EXPECT_EQ(c.subject().names[0].text, text);
  }
}

TEST(Patient, TakesOldStyleNumbers) {
  Case by_pid2(adt("A28", "PID|1|E1|||Test\r"));
  by_pid2.read();
  EXPECT_EQ(by_pid2.subject().number, "E1");
  Case by_pid4(adt("A28", "PID|1|||A1|Test\r"));
  by_pid4.read();
  EXPECT_EQ(by_pid4.subject().number, "A1");
  Case first(adt("A28", "PID|1||X1^^^^XX~X2|A1|Test\r"));
  first.read();
  EXPECT_EQ(first.subject().number, "X1");
}

TEST(Patient, SaysWhatIsDeleted) {
  Case c(adt("A31", "PID|1||P1||\"\"||\"\"|M|||\"\"||\"\"\r"));
  ASSERT_EQ(c.read(), Answer::accepted);
  EXPECT_THAT(texts(c.subject().deleted), ElementsAre("name", "birthDate", "address", "phone"));
  EXPECT_TRUE(c.subject().names.empty());
  EXPECT_EQ(c.subject().born.sent, "");
}

TEST(Patient, OfAnotherFacilityBelongsToIt) {
  Case c(adt("A28", "PID|1||P1^^^H2^MR||Test\r"));
  model::Facility other;
  other.code = "hospital-2";
  other.aliases.push_back({"HIS", "H2"});
  other.aliases.push_back({"", "H2"});
  c.facilities.add(other);
  c.read();
  EXPECT_EQ(c.subject().facility, "hospital-2");
}

TEST(Patient, MothersNumberMayStandWithTheNextOfKin) {
  Case c(adt("A28", "PID|1||P1||Test\rNK1|1|A^B|FTH" + std::string(30, '|') + "X\rNK1|2|A^B|MTH" +
                        std::string(30, '|') + "M1^^^H1\r"));
  c.read();
  EXPECT_EQ(c.subject().mother_number, "M1");
}

TEST(Visit, IsReadWhole) {
  Case c(adt("A02",
             kPerson + kVisit + "PV2|||R1^Fever^L\rDG1|1|ICD10|I10^Hypertension|words\rDG1|2|ICD10|E11||Diabetes\r"));
  ASSERT_EQ(c.read(), Answer::accepted);
  EXPECT_THAT(c.codes(), IsEmpty());
  ASSERT_EQ(c.draft.parts[0].events.size(), 2U);
  EXPECT_EQ(c.event(0).kind, EventKind::patient_updated);
  EXPECT_EQ(c.event(1).kind, EventKind::encounter_changed);
  EXPECT_EQ(c.event(1).ordinal, 1U);
  const auto& e = c.event(1).encounter;
  EXPECT_EQ(e.change, "transferred");
  EXPECT_EQ(e.status, model::EncounterStatus::in_progress);
  EXPECT_EQ(e.class_sent, "I");
  EXPECT_EQ(e.number, "V1");
  EXPECT_EQ(e.location, "W1 R2 B3");
  EXPECT_EQ(e.prior_location, "W0 R1 B1");
  EXPECT_EQ(e.department, "CARD");
  EXPECT_EQ(e.attending.code, "D1");
  EXPECT_EQ(e.attending.name, "Si Li");
  EXPECT_EQ(e.referring.name, "张三");
  EXPECT_EQ(e.admitting.name, "Wu Wang");
  EXPECT_EQ(e.disposition, "01");
  EXPECT_EQ(e.admitted.sent, "20260101");
  EXPECT_EQ(e.discharged.sent, "20260105");
  EXPECT_EQ(e.reason.display, "Fever");
  ASSERT_EQ(e.diagnoses.size(), 2U);
  EXPECT_EQ(e.diagnoses[0].system, "ICD10");
  EXPECT_EQ(e.diagnoses[1].display, "");
}

TEST(Visit, EachTriggerHasItsChange) {
  const std::pair<std::string, std::string> changes[] = {
      {"A01", "admitted"},        {"A02", "transferred"},        {"A03", "discharged"},         {"A04", "registered"},
      {"A05", "pre-admitted"},    {"A06", "class-changed"},      {"A07", "class-changed"},      {"A08", "updated"},
      {"A11", "cancelled-admit"}, {"A12", "cancelled-transfer"}, {"A13", "cancelled-discharge"}};
  for (const auto& [trigger, change] : changes) {
    Case c(adt(trigger, kPerson + kVisit));
    ASSERT_EQ(c.read(), Answer::accepted);
    ASSERT_EQ(c.draft.parts[0].events.size(), 2U) << trigger;
    EXPECT_EQ(c.event(1).encounter.change, change);
  }
  for (const std::string trigger : {"A28", "A31"}) {
    Case c(adt(trigger, kPerson + kVisit));
    c.read();
    EXPECT_EQ(c.draft.parts[0].events.size(), 1U) << trigger;
  }
}

TEST(Visit, WithoutASegmentOrNumberIsAWarning) {
  Case no_visit(adt("A01", kPerson));
  EXPECT_EQ(no_visit.read(), Answer::accepted);
  EXPECT_THAT(no_visit.codes(), ElementsAre("segment-missing PV1"));
  Case update(adt("A08", kPerson));
  EXPECT_EQ(update.read(), Answer::accepted);
  EXPECT_THAT(update.codes(), IsEmpty());
  Case no_number(adt("A01", kPerson + "PV1|1|I\r"));
  EXPECT_EQ(no_number.read(), Answer::accepted);
  EXPECT_THAT(no_number.codes(), ElementsAre("visit-number-missing PV1-19"));
}

TEST(Adt, WithoutAPatientIsRefused) {
  Case none(adt("A01", "PV1|1|I\r"));
  EXPECT_EQ(none.read(), Answer::content_rejected);
  EXPECT_THAT(none.codes(), ElementsAre("segment-missing PID"));
  EXPECT_TRUE(none.draft.parts.empty());
  Case empty(adt("A01", "PID|1\rPV1|1|I\r"));
  EXPECT_EQ(empty.read(), Answer::content_rejected);
  EXPECT_THAT(empty.codes(), ElementsAre("patient-unknown PID-3"));
  Case only_a_name(adt("A28", "PID|1||||Test^A\r"));
  EXPECT_EQ(only_a_name.read(), Answer::accepted);
  EXPECT_THAT(only_a_name.codes(), ElementsAre("patient-number-missing PID-3"));
}

TEST(Merge, EveryOlderFormIsOne) {
  for (const std::string trigger : {"A40", "A18", "A34", "A36", "A39", "A47"}) {
    Case c(adt(trigger, "PID|1||P1^^^H1^MR||Test\rMRG|X9^^^^NI~P9^^^H1^MR||ACC|\r"));
    ASSERT_EQ(c.read(), Answer::accepted) << trigger;
    ASSERT_EQ(c.draft.parts[0].events.size(), 1U);
    EXPECT_EQ(c.event().kind, EventKind::patient_merged);
    const auto& m = c.event().merge;
    EXPECT_EQ(m.prior_number, "P9");
    EXPECT_EQ(m.prior_facility, c.draft.source.facility);
    EXPECT_EQ(m.cause, trigger);
    EXPECT_EQ(m.identifier_change, trigger == "A47");
    EXPECT_EQ(m.prior_identifiers.size(), 2U);
  }
}

TEST(Relation, LinkAndUnlinkNameTwoPatientsWhoAreBothDescribed) {
  for (const auto& [trigger, kind] :
       {std::pair("A24", EventKind::patient_linked), std::pair("A37", EventKind::patient_unlinked)}) {
    Case c(adt(trigger, "PID|1||P1^^^H1^MR||Test\rPV1|1|I\rPID|2||P9^^^H1^MR||Other\r"));
    ASSERT_EQ(c.read(), Answer::accepted) << trigger;
    ASSERT_EQ(c.draft.parts.size(), 2U);
    EXPECT_EQ(c.event().kind, kind);
    EXPECT_EQ(c.event().merge.prior_number, "P9");
    EXPECT_EQ(c.event().merge.cause, trigger);
    EXPECT_EQ(c.event(0, 1).kind, EventKind::patient_updated);
    EXPECT_EQ(c.draft.parts[1].subject.number, "P9");
  }
  Case one(adt("A24", "PID|1||P1||A\r"));
  EXPECT_EQ(one.read(), Answer::content_rejected);
  EXPECT_THAT(one.codes(), ElementsAre("segment-missing PID[2]"));
  Case nameless(adt("A37", "PID|1||P1||A\rPID|2||||B\r"));
  EXPECT_EQ(nameless.read(), Answer::content_rejected);
  EXPECT_THAT(nameless.codes(), ElementsAre("patient-number-missing PID[2]-3"));
}

TEST(Merge, SeveralPatientsAreSeveralParts) {
  Case c(adt("A40", "PID|1||P1||A\rMRG|P9\rPID|2||P2||B\rPD1|\rMRG|P8\r"));
  ASSERT_EQ(c.read(), Answer::accepted);
  ASSERT_EQ(c.draft.parts.size(), 2U);
  EXPECT_EQ(c.draft.parts[1].subject.number, "P2");
  EXPECT_EQ(c.event(0, 1).merge.prior_number, "P8");
  EXPECT_EQ(c.event(0, 1).ordinal, 0U);
}

TEST(Merge, WithoutBothNumbersIsRefused) {
  const std::pair<std::string, std::string> cases[] = {{"PID|1||P1||A\r", "segment-missing MRG"},
                                                       {"MRG|P9\r", "segment-missing PID"},
                                                       {"PID|1||P1||A\rMRG|\r", "prior-number-missing MRG[1]-1"},
                                                       {"PID|1||||A\rMRG|P9\r", "patient-number-missing PID[1]-3"},
                                                       {"PID|1||P1||A\rPID|1||P2||A\rMRG|P9\r", "segment-missing MRG"}};
  for (const auto& [rest, code] : cases) {
    Case c(adt("A40", rest));
    EXPECT_EQ(c.read(), Answer::content_rejected) << rest;
    EXPECT_THAT(c.codes(), ElementsAre(code));
  }
}

TEST(Other, IsReceivedWithItsPatient) {
  for (const std::string type : {"SIU^S12", "MDM^T02", "ORM^O01", "OML^O21", "VXU^V04", "RDE^O11", "DFT^P03", "BAR^P01",
                                 "PPR^PC1", "ACK", "QRY^R02", "ADT^A30", "ADT^A41", "ADT^A60", "ORU^R40", "ZZZ^Z01"}) {
    Case c(msh(type) + kPerson);
    ASSERT_EQ(c.read(), Answer::accepted) << type;
    EXPECT_EQ(c.event().kind, EventKind::message_received) << type;
    EXPECT_EQ(c.subject().number, "P1");
    Case empty(msh(type) + "ZZZ|1\r");
    ASSERT_EQ(empty.read(), Answer::accepted);
    EXPECT_EQ(empty.subject().number, "");
    EXPECT_EQ(empty.draft.parts[0].events.size(), 1U);
  }
}

}  // namespace
}  // namespace hutong::hl7v2
