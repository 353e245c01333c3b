#include "tests/unit/hl7v2/support.h"

namespace hutong::hl7v2 {
namespace {

using model::Answer;
using model::EventKind;
using model::OrderStatus;
using testing::ElementsAre;
using testing::IsEmpty;

const std::string kPatient = "PID|1||P1^^^H1^MR||测试^甲\r";
std::string orm() {
  return msh("ORM^O01") + kPatient;
}

TEST(Order, IsReadWhole) {
  Case c(msh("OML^O21^OML_O21") + kPatient +
         segment("PV1", {{2, "I"}, {3, "W1^2^3"}, {7, "D7^王"}, {10, "CARD"}, {19, "V1"}}) +
         segment("ORC", {{1, "NW"},
                         {2, "O1^HIS"},
                         {3, "F1^LIS"},
                         {4, "G1"},
                         {5, "IP"},
                         {9, "202601020915"},
                         {12, "D1^李^四"},
                         {17, "NK^内科"},
                         {21, "县医院^^H1"}}) +
         segment("TQ1", {{1, "1"}, {7, "20260103"}, {9, "S^Stat"}}) +
         segment("OBR", {{1, "1"}, {2, "O1"}, {4, "GLU^葡萄糖^L"}, {16, "D9^Ou"}, {24, "LAB"}, {31, "R1^随访"}}) +
         "NTE|1||空腹\rDG1|1||E11.9^2型糖尿病^I10\r" + segment("SPM", {{2, "PS1"}, {4, "SER^血清"}}));
  ASSERT_EQ(c.read(), Answer::accepted);
  EXPECT_THAT(c.codes(), IsEmpty());
  ASSERT_EQ(c.draft.parts[0].events.size(), 1U);
  EXPECT_EQ(c.event().kind, EventKind::order_placed);
  EXPECT_EQ(c.event().occurred.sent, "202601020915");
  const auto& o = c.order();
  EXPECT_EQ(o.path, "ORC[1]");
  EXPECT_EQ(o.number, "O1");
  EXPECT_EQ(o.filler_number, "F1");
  EXPECT_EQ(o.group_number, "G1");
  EXPECT_EQ(o.change, "placed");
  EXPECT_EQ(o.change_sent, "NW");
  EXPECT_EQ(o.status, OrderStatus::active);
  EXPECT_EQ(o.status_sent, "IP");
  EXPECT_EQ(o.priority_sent, "S");
  EXPECT_EQ(o.requested.sent, "20260103");
  EXPECT_EQ(o.placed.sent, "202601020915");
  EXPECT_EQ(o.service.code, "GLU");
  EXPECT_EQ(o.service.display, "葡萄糖");
  EXPECT_EQ(o.section, "LAB");
  EXPECT_EQ(o.orderer.code, "D1");
  EXPECT_EQ(o.orderer.name, "李四");
  EXPECT_EQ(o.department.name, "内科");
  EXPECT_EQ(o.ordering_facility.name, "县医院");
  EXPECT_EQ(o.encounter_number, "V1");
  EXPECT_EQ(o.encounter_class_sent, "I");
  EXPECT_EQ(o.reason.code, "R1");
  ASSERT_EQ(o.diagnoses.size(), 1U);
  EXPECT_EQ(o.diagnoses[0].code, "E11.9");
  EXPECT_EQ(o.specimen.type.code, "SER");
  EXPECT_TRUE(o.specimen.present);
  EXPECT_THAT(texts(o.notes), ElementsAre("空腹"));
}

TEST(Order, OlderMessagesSayItInOtherPlaces) {
  Case c(orm() + segment("PV1", {{2, "O"}, {7, "D7^王"}, {10, "外科"}}) +
         segment("ORC", {{1, "NW"}, {7, "1^^^20260104^^A"}}) +
         segment("OBR", {{2, "O1"}, {3, "F1"}, {4, "CT001^胸部CT^L"}, {15, "BLD&全血&L"}}));
  ASSERT_EQ(c.read(), Answer::accepted);
  EXPECT_THAT(c.codes(), IsEmpty());
  const auto& o = c.order();
  EXPECT_EQ(o.number, "O1");
  EXPECT_EQ(o.filler_number, "F1");
  EXPECT_EQ(o.priority_sent, "A");
  EXPECT_EQ(o.requested.sent, "20260104");
  EXPECT_EQ(o.orderer.code, "D7");
  EXPECT_EQ(o.department.name, "外科");
  EXPECT_EQ(o.specimen.type.code, "BLD");
  EXPECT_EQ(c.event().occurred.sent, c.draft.times.sent.sent) << "ORC-9 is not said: the message's own time";
}

TEST(Order, EachControlCodeIsAChangeAndAStatus) {
  const struct {
    const char *control, *status, *change;
    OrderStatus expected;
  } cases[] = {{"NW", "", "placed", OrderStatus::active},
               {"RO", "", "placed", OrderStatus::active},
               {"OK", "", "accepted", OrderStatus::active},
               {"UA", "", "rejected", OrderStatus::revoked},
               {"CA", "IP", "cancelled", OrderStatus::revoked},
               {"OC", "", "cancelled", OrderStatus::revoked},
               {"DC", "", "discontinued", OrderStatus::revoked},
               {"HD", "", "held", OrderStatus::on_hold},
               {"RL", "", "released", OrderStatus::active},
               {"RP", "", "replaced", OrderStatus::revoked},
               {"XO", "", "changed", OrderStatus::unknown},
               {"XO", "HD", "changed", OrderStatus::on_hold},
               {"SC", "CM", "status-changed", OrderStatus::completed},
               {"SC", "A", "status-changed", OrderStatus::active},
               {"SC", "CA", "status-changed", OrderStatus::revoked},
               {"UC", "", "refused", OrderStatus::unknown}};
  for (const auto& each : cases) {
    Case c(orm() + segment("ORC", {{1, each.control}, {2, "O1"}, {5, each.status}}) +
           segment("OBR", {{2, "O1"}, {4, "GLU"}}));
    ASSERT_EQ(c.read(), Answer::accepted);
    EXPECT_EQ(c.order().change, each.change) << each.control;
    EXPECT_EQ(c.order().status, each.expected) << each.control << each.status;
    EXPECT_THAT(c.codes(), IsEmpty()) << each.control;
  }
}

TEST(Order, AControlCodeThatIsNotModelledStaysReadable) {
  Case c(orm() + "ORC|ZX|O1\rOBR|1|O1||GLU\r");
  ASSERT_EQ(c.read(), Answer::accepted);
  EXPECT_THAT(c.codes(), ElementsAre("order-control-unknown ORC[1]-1"));
  EXPECT_EQ(c.order().change, "");
  EXPECT_EQ(c.order().change_sent, "ZX");
  EXPECT_EQ(c.order().status, OrderStatus::unknown);
  EXPECT_EQ(c.order().service.code, "GLU");
}

TEST(Order, ACancellationMayComeWithoutAnObr) {
  Case c(orm() + "ORC|CA|O1|||||||20260102031500\r");
  ASSERT_EQ(c.read(), Answer::accepted);
  EXPECT_EQ(c.event().occurred.sent, "20260102031500");
  EXPECT_EQ(c.order().placed.sent, "") << "the time of the cancellation is not the order's";
  EXPECT_THAT(c.codes(), IsEmpty());
  EXPECT_EQ(c.order().number, "O1");
  EXPECT_TRUE(c.order().service.empty());
}

TEST(Order, SeveralInOneMessage) {
  Case c(orm() + "DG1|1||R50^发热\rORC|NW|O1\rOBR|1|O1||GLU\rORC|NW|O2\rOBR|2|O2||K\rOBR|3|O2||NA\r");
  ASSERT_EQ(c.read(), Answer::accepted);
  EXPECT_THAT(c.codes(), IsEmpty());
  ASSERT_EQ(c.draft.parts[0].events.size(), 3U);
  for (std::size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(c.event(i).ordinal, i);
    ASSERT_EQ(c.order(i).diagnoses.size(), 1U) << "a diagnosis before all of them is of each";
  }
  EXPECT_EQ(c.order(0).number, "O1");
  EXPECT_EQ(c.order(1).service.code, "K");
  EXPECT_EQ(c.order(2).number, "O2") << "older senders put several OBR under one ORC";
  EXPECT_EQ(c.order(2).service.code, "NA");
  EXPECT_EQ(c.order(2).path, "ORC[2]");
}

TEST(Order, PriorResultsThatComeAlongAreNone) {
  const std::string order = "ORC|NW|O1\rOBR|1|O1||GLU\r";
  for (const std::string prior : {"PID|1||P1\rORC|PR|X\rOBR|1|X|F|GLU|||20250101||||||||||||||||||F\rOBX|1|NM|GLU||5\r",
                                  "ORC|PR|X\rOBR|1|X|F|GLU\rDG1|1||A00\rOBX|1|NM|GLU||5\r",
                                  "OBR|1|X|F|GLU|||||||||||||||||||||F\rOBX|1|NM|GLU||5\r"}) {
    Case c(msh("OML^O21") + kPatient + order + prior + "ORC|NW|O2\rOBR|1|O2||K\r");
    ASSERT_EQ(c.read(), Answer::accepted);
    ASSERT_EQ(c.draft.parts.size(), 1U);
    ASSERT_EQ(c.draft.parts[0].events.size(), 2U) << prior;
    EXPECT_EQ(c.order(1).number, "O2");
    EXPECT_TRUE(c.order(0).diagnoses.empty());
  }
}

TEST(Order, OfOneSpecimenNamesItFirst) {
  Case c(msh("OML^O33") + kPatient +
         "SPM|1|S1||SER\rORC|NW|O1\rOBR|1|O1||GLU\rORC|NW|O2\rOBR|1|O2||K\rSPM|2|S2||BLD\rORC|NW|O3\rOBR|1|O3||CBC\r");
  ASSERT_EQ(c.read(), Answer::accepted);
  ASSERT_EQ(c.draft.parts[0].events.size(), 3U);
  EXPECT_EQ(c.order(0).specimen.type.code, "SER");
  EXPECT_EQ(c.order(1).specimen.type.code, "SER");
  EXPECT_EQ(c.order(2).specimen.type.code, "BLD");
}

TEST(Order, WhatIsMissingIsNamed) {
  Case c(orm() + "ORC\rOBR|1\rORC|NW|O2\r");
  ASSERT_EQ(c.read(), Answer::accepted);
  EXPECT_THAT(c.codes(), ElementsAre("order-control-missing ORC[1]-1", "service-missing OBR[1]-4",
                                     "order-number-missing ORC[1]-2", "segment-missing OBR"));
  EXPECT_EQ(c.order(0).change, "placed");
  EXPECT_EQ(c.order(0).number, c.draft.source.control_id) << "the message's own id stands in";
  Case alone(orm() + "OBR|1|O1||GLU\r");
  ASSERT_EQ(alone.read(), Answer::accepted);
  EXPECT_THAT(alone.codes(), ElementsAre("order-control-missing ORC"));
  EXPECT_EQ(alone.order().path, "OBR[1]");
}

TEST(Order, OfAnotherPatientIsNeverTheFirstOnes) {
  const std::string first = "ORC|NW|O1\rOBR|1|O1||GLU\r", second = "ORC|NW|O2\rOBR|1|O2||K\r";
  Case two(orm() + first + "PID|2||P2^^^H1^MR||测试^乙\r" + second);
  EXPECT_EQ(two.read(), Answer::content_rejected);
  EXPECT_THAT(two.codes(), ElementsAre("several-patients PID[2]"));
  Case same(orm() + first + kPatient + second);
  ASSERT_EQ(same.read(), Answer::accepted);
  EXPECT_EQ(same.draft.parts[0].events.size(), 2U);
}

TEST(Order, OfNobodyOrOfMedicinesIsKept) {
  Case nobody(msh("ORM^O01") + "ORC|NW|O1\rOBR|1|O1||GLU\rORC|NW|O2\r");
  ASSERT_EQ(nobody.read(), Answer::accepted);
  EXPECT_EQ(nobody.event().kind, EventKind::message_received);
  EXPECT_THAT(nobody.codes(), ElementsAre("segment-missing PID"));
  Case medicine(orm() + "ORC|NW|O1\rRXO|A01^药\r");
  ASSERT_EQ(medicine.read(), Answer::accepted);
  EXPECT_EQ(medicine.event().kind, EventKind::message_received);
  EXPECT_EQ(medicine.subject().number, "P1");
  EXPECT_THAT(medicine.codes(), IsEmpty());
  Case nameless(msh("ORM^O01") + "PID|1\rORC|NW|O1\rOBR|1|O1||GLU\r");
  EXPECT_EQ(nameless.read(), Answer::content_rejected);
  EXPECT_TRUE(nameless.draft.parts.empty());
}

}  // namespace
}  // namespace hutong::hl7v2
