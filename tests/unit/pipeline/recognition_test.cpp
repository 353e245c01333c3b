// Mutual recognition as the projector folds it: counters follow what changed of a line, nothing counts twice, and
// whatever order the two topics are read in, counters and notices end the same.
#include "broker/model/recognition.h"

#include <gtest/gtest.h>

#include <random>

#include "broker/model/views.h"
#include "broker/pipeline/effects.h"
#include "tests/unit/pipeline/projector_fixture.h"

namespace hutong::pipeline {
namespace {

using model::OutcomeKind;

RecordId id_of(const std::string& name) {
  return RecordId(sha256(name));
}

class RecognitionFold : public ProjectorTest {
 protected:
  // What TESTLAB's report R1 is called in the store.
  ReportId report_id() {
    Message message("ids");
    message.report({});
    Arena arena;
    model::RecordView view;
    const auto record = message.record();
    EXPECT_TRUE(model::read_record(record.json, arena, view));
    return view.events[0].report->id;
  }

  model::RecognitionDecided decided(const std::string& name, std::uint64_t version = 1) {
    model::RecognitionDecided made;
    made.id = id_of(name);
    made.at = clock.now();
    made.facility = "cc";
    made.department = "内科";
    made.zone_day = "2026-05-02";
    made.extent = "part";
    model::DecidedLine glucose{"GLU", "", "L042", "recognisable", {"national-mark"}, {}, 600};
    glucose.results.push_back({"L042", report_id().hex(), "o1", version, "h1", "lab", "HR.CN"});
    made.lines = {glucose, {"TSH", "", "L077", "not-recognisable", {"no-result"}, {}, 3500}};
    return made;
  }
  port::Record record(const model::RecognitionDecided& made) {
    port::Record out;
    out.id = made.id;
    out.key = "cc/" + made.id.hex();
    out.kinds = model::recognition_decided_kind;
    out.json = model::write(made);
    return out;
  }
  port::Record outcome(const std::string& decision, OutcomeKind kind, std::string reason = "", bool counted = true,
                       bool told = false, std::uint64_t version = 1) {
    model::RecognitionOutcome made;
    made.id = id_of("outcome" + std::to_string(++count_));
    made.decision = id_of(decision);
    made.at = clock.now();
    made.facility = "cc";
    model::LineOutcome line;
    line.outcome = kind;
    line.reason = std::move(reason);
    line.counted = counted;
    if (kind == OutcomeKind::refused) line.told = told;
    line.results.push_back({"L042", report_id().hex(), "o1", version, "h1", "lab", "HR.CN"});
    made.lines.push_back(line);
    port::Record out;
    out.id = made.id;
    out.key = "cc/" + decision;
    out.kinds = model::recognition_outcome_kind;
    out.json = model::write(made);
    return out;
  }
  void happen(port::Record record) {
    append(std::move(record), port::Topic::operations);
    project();
  }
  std::map<std::string, std::int64_t> counts(const std::string& item = "L042") {
    std::map<std::string, std::int64_t> all;
    for (const auto& row : rows(tables::recognition_counts)) {
      if (text(row, 3) == item) all[text(row, 4)] += number(row, 5);
    }
    return all;
  }
  // Facility, version and status of each notice.
  std::vector<std::tuple<std::string, std::int64_t, std::string>> notices(port::Store& from) {
    std::vector<std::tuple<std::string, std::int64_t, std::string>> all;
    for (const auto& row : rows_of(from, tables::recognition_notices))
      all.emplace_back(text(row, 0), number(row, 3), text(row, 5));
    return all;
  }
  void correct(const std::string& control, const std::string& value, ResultStatus status = ResultStatus::corrected) {
    LabReport lab;
    lab.status = status;
    lab.items = {{"GLU", value, status}, {"ALT", "31"}};
    tell(Message(control).report(lab));
  }

  int count_ = 0;
};

TEST_F(RecognitionFold, CountsAnOrderAndWhatWasOffered) {
  happen(record(decided("d")));
  EXPECT_EQ(counts(), (std::map<std::string, std::int64_t>{{"offered", 1}, {"ordered", 1}, {"recognisable", 1}}));
  EXPECT_EQ(counts("L077"), (std::map<std::string, std::int64_t>{{"not-recognisable", 1}, {"ordered", 1}}));
  EXPECT_EQ(counts(""), (std::map<std::string, std::int64_t>{{"orders", 1}, {"prompts", 1}}));
}

TEST_F(RecognitionFold, WhatIsUndoneLeavesNothingBehind) {
  happen(record(decided("d")));
  happen(outcome("d", OutcomeKind::viewed));
  happen(outcome("d", OutcomeKind::recognised));
  EXPECT_EQ(counts()["recognised"], 1);
  EXPECT_EQ(counts()["saved-fen"], 600);
  happen(outcome("d", OutcomeKind::undone));
  happen(outcome("d", OutcomeKind::refused, "01", true, true));
  EXPECT_EQ(counts(),
            (std::map<std::string, std::int64_t>{
                {"offered", 1}, {"ordered", 1}, {"recognisable", 1}, {"viewed", 1}, {"refused:01", 1}, {"told", 1}}));
  happen(outcome("d", OutcomeKind::refused, "98", false));  // another reason in its place
  EXPECT_EQ(counts(),
            (std::map<std::string, std::int64_t>{
                {"offered", 1}, {"ordered", 1}, {"recognisable", 1}, {"viewed", 1}, {"refused-uncounted:98", 1}}));
  happen(outcome("d", OutcomeKind::recognised));
  EXPECT_EQ(counts()["recognised"], 1);
  EXPECT_EQ(counts().count("refused-uncounted:98"), 0U);
  EXPECT_EQ(counts("")["looked-at"], 1);
  expect_rebuild_is_equal();
}

TEST_F(RecognitionFold, ARecordMetTwiceCountsOnce) {
  const auto made = record(decided("d"));
  const auto said = outcome("d", OutcomeKind::recognised);
  for (int i = 0; i < 2; ++i) {
    happen(made);
    happen(said);
  }
  EXPECT_EQ(counts()["recognised"], 1);
  EXPECT_EQ(counts()["ordered"], 1);
  EXPECT_EQ(counts()["viewed"], 1);
}

TEST_F(RecognitionFold, ACorrectionTellsWhoWasShownTheOldResult) {
  tell(Message("1").report({}));
  happen(record(decided("d")));
  EXPECT_TRUE(notices(*store).empty());
  correct("2", "15.8");
  EXPECT_EQ(notices(*store), (std::vector<std::tuple<std::string, std::int64_t, std::string>>{{"cc", 2, "corrected"}}));
  happen(outcome("d", OutcomeKind::viewed, "", true, false, 2));  // the new one is looked at: nothing new to tell
  EXPECT_EQ(notices(*store).size(), 1U);
  correct("3", "", ResultStatus::entered_in_error);
  EXPECT_EQ(notices(*store).size(), 2U);
  // Somebody who is shown the old one late, from a page that was open, is told as well.
  happen(record(decided("late", 1)));
  EXPECT_EQ(notices(*store).size(), 4U);
  expect_rebuild_is_equal();
}

TEST_F(RecognitionFold, BetterMapsAreNoCorrection) {
  Message message("1");
  message.report({});
  tell(message);
  happen(record(decided("d")));
  LabReport healed;
  healed.items = {{"GLU", "5.8", ResultStatus::final, "", "14749-6"}, {"ALT", "31"}};
  append(Message("1").report(healed).event_version(2).record("healed"));
  project();
  EXPECT_TRUE(notices(*store).empty());
  expect_rebuild_is_equal();
}

// A time-out and a retry, or CDS Hooks at selecting and again at signing: one order.
TEST_F(RecognitionFold, AnOrderThatIsAskedAboutAgainCountsOnce) {
  const auto asked = [&](const std::string& name, std::uint64_t version) {
    auto made = decided(name, version);
    made.order = "O-1";
    return record(made);
  };
  happen(asked("first", 1));
  happen(outcome("first", OutcomeKind::recognised));
  const auto before = counts();
  happen(asked("again", 1));
  EXPECT_EQ(counts(), before) << "what was decided on the same offer stands";
  EXPECT_EQ(counts("")["orders"], 1);
  EXPECT_EQ(counts("L077")["ordered"], 1);
  happen(outcome("first", OutcomeKind::undone));  // on the page that is still open
  EXPECT_EQ(counts().count("recognised"), 0U);
  EXPECT_EQ(counts()["offered"], 1);
  happen(asked("other offer", 2));
  happen(outcome("first", OutcomeKind::recognised));
  EXPECT_EQ(counts().count("recognised"), 0U) << "an answer to the old offer decides nothing of the new";
  EXPECT_EQ(counts()["ordered"], 1);
  auto another_day = decided("tomorrow", 2);
  another_day.order = "O-1";
  another_day.zone_day = "2026-05-03";
  happen(record(another_day));
  EXPECT_EQ(counts()["ordered"], 2);
  expect_rebuild_is_equal();
}

TEST_F(RecognitionFold, AnEmergencyIsCountedAndNobodyWasAsked) {
  auto made = decided("d");
  made.encounter = "emergency";
  happen(record(made));
  EXPECT_EQ(counts(), (std::map<std::string, std::int64_t>{{"ordered", 1}, {"recognisable", 1}}));
  EXPECT_EQ(counts(""), (std::map<std::string, std::int64_t>{{"emergency", 1}, {"orders", 1}}));
}

// A laboratory that reports a panel piece by piece does not correct what it reported first.
TEST_F(RecognitionFold, AReportThatGrowsByOtherItemsTellsNobody) {
  LabReport lab;
  lab.items = {{"GLU", "5.8"}};
  tell(Message("1").report(lab));
  const auto shown = report_id();
  auto made = decided("d");
  Arena arena;
  model::Report report;
  ASSERT_TRUE(model::read_report(arena.copy(text(rows(tables::reports).at(0), 11)), arena, report));
  report.id = shown;
  made.lines[0].results[0].observation = model::item_ids(report).at(0);
  happen(record(made));
  lab.items = {{"ALT", "31"}};
  tell(Message("2").report(lab));
  ASSERT_EQ(number(rows(tables::reports).at(0), 4), 2) << "the report has a new version";
  EXPECT_TRUE(notices(*store).empty());
  correct("3", "15.8");
  EXPECT_EQ(notices(*store).size(), 1U);
  expect_rebuild_is_equal();
}

class RecognitionHistory : public RecognitionFold, public testing::WithParamInterface<unsigned> {};

// Seeded histories of orders, clicks and corrections: the views are the same in the order in which it happened, with
// all events first, and with all operations first.
TEST_P(RecognitionHistory, EndsTheSameInWhateverOrderTheTopicsAreRead) {
  std::mt19937 random(GetParam());
  std::vector<std::string> open;
  tell(Message("first").report({}));
  std::uint64_t version = 1;
  for (int step = 0; step < 60; ++step) {
    switch (random() % 6) {
      case 0: {
        open.push_back(std::to_string(step));
        happen(record(decided(open.back(), version)));
        break;
      }
      case 1:
        correct("c" + std::to_string(step), std::to_string(step) + ".5");
        ++version;
        break;
      default: {
        if (open.empty()) break;
        static constexpr OutcomeKind kinds[] = {OutcomeKind::viewed, OutcomeKind::recognised, OutcomeKind::refused,
                                                OutcomeKind::undone};
        const auto shown = 1 + random() % version;
        const auto& which = open[random() % open.size()];
        const auto kind = kinds[random() % 4];
        happen(outcome(which, kind,
                       kind != OutcomeKind::refused ? ""
                       : random() % 2               ? "01"
                                                    : "98",
                       random() % 2, random() % 2, shown));
      }
    }
  }
  EXPECT_FALSE(notices(*store).empty());
  const std::string key = options().hmac_key;
  for (const bool operations_first : {false, true}) {
    SCOPED_TRACE(operations_first ? "operations first" : "events first");
    store::MemoryStore other;
    for (const auto topic : operations_first ? std::vector{port::Topic::operations, port::Topic::events}
                                             : std::vector{port::Topic::events, port::Topic::operations}) {
      const identity::Weights weights;
      Aside aside;
      Effects effects(other, aside, log.id(), key, weights);
      const auto records = in_log(topic);
      await(effects.apply({topic, 0}, records));
      ASSERT_TRUE(await(other.write(effects.overlay().take())));
    }
    for (const auto* table : {&tables::recognition_counts, &tables::recognition_notices, &tables::recognition_decisions,
                              &tables::recognition_uses, &tables::recognition_lines}) {
      EXPECT_EQ(rows_of(*store, *table), rows_of(other, *table)) << table->name;
    }
  }
}
INSTANTIATE_TEST_SUITE_P(Seeds, RecognitionHistory, testing::Range(0U, 20U));

TEST(RecognitionDocuments, SayWhatWasWritten) {
  model::RecognitionOutcome made;
  made.id = id_of("o");
  made.decision = id_of("d");
  made.at = {1'780'000'000'123'000};
  made.facility = "cc";
  made.practitioner = "D\"07";
  made.claimed = true;
  made.door = "page";
  model::LineOutcome line;
  line.line = 3;
  line.outcome = OutcomeKind::refused;
  line.reason = "98";
  line.text = "影像\n未到";
  line.counted = false;
  line.told = true;
  line.results.push_back({"E001", "r", "", 4, "h1", "lab", ""});
  made.lines.push_back(line);
  const auto read = model::read_recognition_outcome(model::write(made));
  ASSERT_TRUE(read);
  EXPECT_EQ(model::write(*read), model::write(made));
  EXPECT_EQ(read->at, made.at);
  EXPECT_EQ(read->lines[0].text, line.text);
  EXPECT_EQ(read->lines[0].results[0].version, 4U);
  EXPECT_FALSE(model::read_recognition_outcome("{}"));
  EXPECT_FALSE(model::read_recognition_decided(model::write(made)));
}

}  // namespace
}  // namespace hutong::pipeline
