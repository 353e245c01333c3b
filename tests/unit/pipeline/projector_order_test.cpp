// Orders in the views: the last word wins, what comes again changes nothing, and each new one waits once to be judged.
#include "broker/model/recognition.h"
#include "tests/unit/pipeline/projector_fixture.h"

namespace hutong::pipeline {
namespace {

using model::OrderStatus;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

class Orders : public ProjectorTest {
 protected:
  struct Shown {
    std::string patient, status, service, change;
    std::int64_t version;
    bool operator==(const Shown&) const = default;
    friend std::ostream& operator<<(std::ostream& out, const Shown& shown) {
      return out << shown.patient << " " << shown.status << " " << shown.service << " " << shown.change << " "
                 << shown.version;
    }
  };
  std::vector<Shown> orders() {
    std::vector<Shown> all;
    for (const auto& row : rows(tables::orders)) {
      Arena arena;
      model::Order order;
      EXPECT_TRUE(model::read_order(arena.copy(text(row, 9)), arena, order));
      all.push_back(
          {text(row, 1), text(row, 5), std::string(order.service.code), std::string(order.change), number(row, 4)});
    }
    return all;
  }
  std::vector<model::PlacedOrder> waiting() {
    std::vector<model::PlacedOrder> all;
    for (const auto& row : rows(tables::pending, {static_cast<std::int64_t>(port::Topic::operations)})) {
      auto placed = model::read_placed_order(text(row, 3), RecordId::from_bytes(text(row, 1)).value_or(RecordId()));
      EXPECT_TRUE(placed);
      all.push_back(*placed);
    }
    return all;
  }
  port::Record answer(const model::PlacedOrder& placed, const std::string& verdict = "recognisable") {
    model::RecognitionDecided decided;
    decided.id = placed.id;
    decided.at = placed.at;
    decided.facility = placed.facility;
    decided.department = placed.department;
    decided.practitioner = placed.practitioner;
    decided.order = placed.number;
    decided.door = model::order_door;
    decided.zone_day = "2026-05-02";
    decided.extent = "none";
    model::DecidedLine line{placed.code, "", "L042", verdict, {"national-mark"}, {}, 600};
    line.results.push_back({"L042", ReportId(sha256("r")).hex(), "o", 1, "h2", "lab", "HR.CN"});
    decided.lines.push_back(std::move(line));
    port::Record record;
    record.id = decided.id;
    record.key = placed.facility + "/" + decided.id.hex();
    record.kinds = model::recognition_decided_kind;
    record.json = model::write(decided);
    return record;
  }
  void answered(const model::PlacedOrder& placed, const std::string& verdict = "recognisable") {
    append(answer(placed, verdict), port::Topic::operations);
    project();
  }
  std::int64_t counted(const std::string& measure, const std::string& item = "L042") {
    std::int64_t sum = 0;
    for (const auto& row : rows(tables::recognition_counts)) {
      if (text(row, 3) == item && text(row, 4) == measure) sum += number(row, 5);
    }
    return sum;
  }
};

TEST_F(Orders, TheLastWordStandsAndKeepsWhatItDoesNotSay) {
  tell(Message("1").order({}));
  tell(Message("2").order({.change = "held", .status = OrderStatus::on_hold, .placed = "", .filler = "F1"}));
  tell(Message("3").order({.change = "changed", .status = OrderStatus::unknown}));
  EXPECT_THAT(orders(), ElementsAre(Shown{"P1", "on-hold", "GLU", "changed", 3}));
  Arena arena;
  model::Order order;
  ASSERT_TRUE(model::read_order(arena.copy(text(rows(tables::orders)[0], 9)), arena, order));
  EXPECT_EQ(order.filler_number, "F1");
  EXPECT_EQ(order.placed.iso, "2026-05-02T08:00:00+08:00");
  EXPECT_THAT(rows(tables::order_numbers), SizeIs(2)) << "of the orderer and of the filler";
  EXPECT_EQ(effect("order_changed"), 3);
  expect_rebuild_is_equal();
}

TEST_F(Orders, WhatComesAgainChangesNothing) {
  Message first("1");
  first.order({});
  tell(first);
  append(first);                 // the same message
  tell(Message("2").order({}));  // the same order under another control id
  EXPECT_THAT(orders(), ElementsAre(Shown{"P1", "active", "GLU", "placed", 1}));
  EXPECT_EQ(effect("order_changed"), 1);
  EXPECT_THAT(waiting(), SizeIs(1));
}

TEST_F(Orders, ACancellationWithoutAServiceEndsAllOfTheNumber) {
  tell(Message("1").order({}).order({.service = "K", .loinc = "2823-3"}).order({.number = "O2"}));
  tell(Message("2").order(
      {.service = "", .loinc = "", .change = "cancelled", .status = OrderStatus::revoked, .placed = ""}));
  auto all = orders();
  std::sort(all.begin(), all.end(),
            [](const auto& a, const auto& b) { return a.service + a.status < b.service + b.status; });
  EXPECT_THAT(all, ElementsAre(Shown{"P1", "active", "GLU", "placed", 1}, Shown{"P1", "revoked", "GLU", "cancelled", 2},
                               Shown{"P1", "revoked", "K", "cancelled", 2}));
  expect_rebuild_is_equal();
}

TEST_F(Orders, OneOfAnotherPatientMoves) {
  tell(Message("1").order({}));
  tell(Message("2", {.number = "P2"}).order({}));
  EXPECT_THAT(orders(), ElementsAre(Shown{"P2", "active", "GLU", "placed", 2}));
  expect_rebuild_is_equal();
}

TEST_F(Orders, BetterMapsHealTheLastWordAndJudgeNothing) {
  Message first("1"), second("2");
  tell(first.order({.loinc = ""}));
  append(Message("1").order({}).event_version(2).record(), port::Topic::events);
  project();
  EXPECT_THAT(orders(), ElementsAre(Shown{"P1", "active", "GLU", "placed", 2}));
  EXPECT_THAT(waiting(), SizeIs(1));
  tell(second.order({.change = "cancelled", .status = OrderStatus::revoked}));
  append(Message("1").order({}).event_version(3).record(), port::Topic::events);
  project();
  EXPECT_THAT(orders(), ElementsAre(Shown{"P1", "revoked", "GLU", "cancelled", 3}));
  // Of a message that was stored before orders were read: shown, and its moment has passed.
  append(Message("9").order({.number = "O9"}).event_version(2).record(), port::Topic::events);
  project();
  EXPECT_THAT(orders(), SizeIs(2));
  EXPECT_THAT(waiting(), SizeIs(1));
}

TEST_F(Orders, OnlyANewOneWaitsToBeJudged) {
  tell(Message("1").order({.number = "A", .change = "cancelled", .status = OrderStatus::revoked}));
  tell(Message("2").order({.number = "B", .change = "", .status = OrderStatus::unknown}));
  tell(Message("3").order({.number = "C", .label = "HIV"}));
  tell(Message("4").order({.number = "D", .service = "", .loinc = ""}));
  tell(Message("5").order({.number = "E"}).provisional());
  EXPECT_THAT(waiting(), IsEmpty());
  EXPECT_THAT(orders(), SizeIs(5));
  tell(Message("6").order({.number = "F", .encounter = model::EncounterClass::emergency}));
  ASSERT_THAT(waiting(), SizeIs(1));
  const auto placed = waiting()[0];
  EXPECT_EQ(placed.facility, "h1");
  EXPECT_EQ(placed.patient, "P1");
  EXPECT_EQ(placed.number, "F");
  EXPECT_EQ(placed.encounter, "EMER");
  EXPECT_EQ(placed.code, "GLU");
  EXPECT_EQ(placed.loinc, "14749-6");
  EXPECT_EQ(placed.practitioner, "D07");
  EXPECT_EQ(placed.department, "内科");
  EXPECT_EQ(placed.at, clock.now());
}

TEST_F(Orders, TheAnswerIsCountedOnceAndToldToWhoOrdered) {
  tell(Message("1").order({}));
  const auto placed = waiting().at(0);
  answered(placed);
  EXPECT_THAT(waiting(), IsEmpty());
  answered(placed);  // two brokers, or a crash between the append and the write
  EXPECT_EQ(counted("ordered"), 1);
  EXPECT_EQ(counted("recognisable"), 1);
  EXPECT_EQ(counted("repeated"), 1);
  EXPECT_EQ(counted("offered"), 0) << "nobody was asked";
  EXPECT_EQ(counted("orders", ""), 1);
  EXPECT_EQ(counted("prompts", ""), 0);
  ASSERT_THAT(rows(tables::recognition_notices), SizeIs(1));
  EXPECT_EQ(text(rows(tables::recognition_notices)[0], 0), "h1");
  EXPECT_EQ(text(rows(tables::recognition_notices)[0], 5), "repeated");
  EXPECT_THAT(rows(tables::recognition_uses), IsEmpty()) << "who saw nothing is told of no correction";
  tell(Message("2").order({.change = "cancelled", .status = OrderStatus::revoked}));
  tell(Message("3").order({}));  // placed anew under its number: it was judged
  EXPECT_THAT(waiting(), IsEmpty());
  expect_rebuild_is_equal();
}

TEST_F(Orders, WhatMayBeDoubtedIsNoRepetition) {
  tell(Message("1").order({}));
  answered(waiting().at(0), "clinician-decides");
  EXPECT_EQ(counted("ordered"), 1);
  EXPECT_EQ(counted("repeated"), 0);
  EXPECT_THAT(rows(tables::recognition_notices), IsEmpty());
}

TEST_F(Orders, OneThatFollowsADecisionWasCountedThere) {
  tell(Message("1").order({}));
  auto record = answer(waiting().at(0));
  auto decided = *model::read_recognition_decided(record.json);
  decided.follows = RecordId(sha256("a decision"));
  decided.lines.clear();
  record.json = model::write(decided);
  append(std::move(record), port::Topic::operations);
  project();
  EXPECT_THAT(waiting(), IsEmpty());
  EXPECT_THAT(rows(tables::recognition_counts), IsEmpty());
  expect_rebuild_is_equal();
}

TEST_F(Orders, ARebuildThatMeetsTheAnswerFirstWaitsForNone) {
  Message order("1");
  order.order({});
  const model::PlacedOrder placed{.id = model::placed_order_id([] {
                                    model::Order named;
                                    named.facility = "h1";
                                    named.number = "O1";
                                    named.service.code = "GLU";
                                    return model::order_id(named);
                                  }()),
                                  .at = clock.now(),
                                  .facility = "h1",
                                  .code = "GLU"};
  answered(placed);
  tell(order);
  EXPECT_THAT(waiting(), IsEmpty());
  EXPECT_EQ(counted("repeated"), 1);
}

}  // namespace
}  // namespace hutong::pipeline
