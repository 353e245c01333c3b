// Critical values: found once in what a laboratory says, told to who ordered, withdrawn by corrections; and the same
// rows from the log alone.
#include <filesystem>

#include "broker/critical/document.h"
#include "broker/critical/rules.h"
#include "broker/pipeline/delivery_matter.h"
#include "broker/pipeline/duty_desk.h"
#include "broker/recognition/catalogue.h"
#include "broker/referral/rules.h"
#include "tests/unit/pipeline/projector_fixture.h"

namespace hutong::pipeline {
namespace {

const std::filesystem::path schemas = std::filesystem::path(HUTONG_SOURCE_DIR) / "schemas";

class CriticalFold : public ProjectorTest {
 protected:
  CriticalFold() {
    auto made = std::make_shared<Rules>();
    made->facilities = std::make_shared<model::FacilityDirectory>();
    made->catalogue = recognition::Catalogue::load({schemas / "recognition"});
    made->referral = referral::Rules::load({schemas / "referral"});
    made->critical = critical::Rules::load({schemas / "critical"});
    current.store(made);
    begin();
  }
  ProjectorOptions with_rules() {
    auto with = options();
    with.rules = [this] { return current.load(); };
    return with;
  }
  void begin() {
    projector = std::make_unique<Projector>(log, *store, metrics, clock, with_rules());
    ASSERT_TRUE(await(projector->prepare()));
    time = std::make_unique<RecordedTime>(clock, *await(newest_recorded(log)));
    desk = std::make_unique<DutyDesk>(log, *store, current, *time, [] { return true; });
  }
  void settle() {
    for (int i = 0; i < 50; ++i) {
      project();
      const auto done = await(desk->work());
      ASSERT_TRUE(done) << done.error().message;
      if (*done == 0) return;
    }
    FAIL() << "the desk does not come to rest";
  }
  LabReport lab(std::vector<Item> items, ResultStatus status = ResultStatus::final) {
    LabReport made;
    made.items = std::move(items);
    made.status = status;
    made.observed = made.issued = to_iso(clock.now(), 480);
    return made;
  }
  void say(const std::string& control, const LabReport& report, Said said = {}) {
    append(Message(control, std::move(said)).report(report));
  }
  std::vector<critical::CriticalValue> values() {
    std::vector<critical::CriticalValue> all;
    for (const auto& row : rows(tables::critical_values)) all.push_back(*critical::read_critical_value(text(row, 8)));
    std::sort(all.begin(), all.end(), [](const auto& a, const auto& b) {
      return std::pair(a.opened.at, a.opened.observation) < std::pair(b.opened.at, b.opened.observation);
    });
    return all;
  }
  std::string states() {  // "open withdrawn", by when they were found
    std::string all;
    for (const auto& value : values()) all += (all.empty() ? "" : " ") + std::string(critical::state_of(value));
    return all;
  }
  void expect_same_from_the_log() {
    store::MemoryStore fresh;
    PrometheusMetrics other;
    ASSERT_TRUE(await(rebuild(log, fresh, other, clock, with_rules())));
    const auto now = everything(*store), again = everything(fresh);
    for (const auto& [table, expected] : now) EXPECT_EQ(again.at(table), expected) << table;
  }

  CurrentRules current;
  std::unique_ptr<RecordedTime> time;
  std::unique_ptr<DutyDesk> desk;
};

TEST_F(CriticalFold, a_flag_opens_a_loop_that_is_told_level_by_level) {
  say("1", lab({{"K", "7.1", ResultStatus::final, "", "2823-3", "HH"}, {"NA", "140"}}));
  settle();
  ASSERT_EQ(values().size(), 1u);
  EXPECT_EQ(values()[0].opened.facility, "h1");
  EXPECT_EQ(values()[0].opened.laboratory, "lab");
  EXPECT_EQ(values()[0].opened.loinc, "2823-3");
  EXPECT_EQ(values()[0].steps.size(), 1u);  // who ordered, at once
  clock.advance(std::chrono::minutes(9));
  settle();
  EXPECT_EQ(values()[0].steps.size(), 1u);
  clock.advance(std::chrono::hours(2));
  begin();
  settle();
  ASSERT_EQ(values()[0].steps.size(), 3u);
  for (std::int64_t level = 0; level < 3; ++level) EXPECT_TRUE(values()[0].told(level)) << level;  // both that fell due
  EXPECT_EQ(rows(tables::critical_ledger, {std::string("h1")}).size(), 1u);
  EXPECT_EQ(rows(tables::deadlines).size(), 1u);
  expect_same_from_the_log();
}

TEST_F(CriticalFold, corrections_keep_withdraw_and_open_again) {
  const auto with = [&](const std::string& value, const std::string& flag, ResultStatus status) {
    return lab({{"K", value, status, "", "2823-3", flag}}, status);
  };
  say("1", with("7.1", "HH", ResultStatus::preliminary));
  settle();
  say("2", with("7.1", "HH", ResultStatus::final));  // the same word
  settle();
  EXPECT_EQ(states(), "open");
  say("3", with("4.1", "N", ResultStatus::corrected));
  settle();
  EXPECT_EQ(states(), "withdrawn");
  EXPECT_TRUE(rows(tables::deadlines).empty());
  say("4", with("7.3", "HH", ResultStatus::corrected));
  settle();
  EXPECT_EQ(states(), "withdrawn open");
  say("5", with("7.4", "HH", ResultStatus::corrected));  // worse: another word, told anew
  settle();
  EXPECT_EQ(states(), "withdrawn withdrawn open");
  say("6", with("7.4", "HH", ResultStatus::cancelled));
  settle();
  EXPECT_EQ(states(), "withdrawn withdrawn withdrawn");
  EXPECT_TRUE(rows(tables::critical_items).empty());
  EXPECT_TRUE(rows(tables::derived).empty());
  expect_same_from_the_log();
}

TEST_F(CriticalFold, the_same_report_for_another_patient_is_told_where_that_one_is) {
  say("1", lab({{"K", "7.1", ResultStatus::final, "", "2823-3", "HH"}}));
  settle();
  say("2", lab({{"K", "7.1", ResultStatus::final, "", "2823-3", "HH"}}, ResultStatus::corrected),
      {.number = "P2", .facility = "h1", .name = "李大山", .born = "1970-05-05"});
  settle();
  EXPECT_EQ(states(), "withdrawn open");
  EXPECT_NE(values()[0].opened.person, values()[1].opened.person);
  expect_same_from_the_log();
}

TEST_F(CriticalFold, who_placed_the_order_is_told_and_of_a_labelled_item_nothing_is_said) {
  append(Message("0", {.number = "V1", .facility = "village"}).order({.number = "SQ7"}));
  auto report = lab({{"HIV", "", ResultStatus::final, "", "56888-1", "AA", "HIV"}});
  report.order = "SQ7";
  say("1", report, {.number = "L77", .facility = "lab"});
  settle();
  ASSERT_EQ(values().size(), 1u);
  EXPECT_EQ(values()[0].opened.facility, "village");
  EXPECT_TRUE(values()[0].opened.labelled);
  EXPECT_EQ(values()[0].opened.loinc, "");
  for (const auto& each : in_log(port::Topic::operations)) EXPECT_EQ(each.record.json.find("56888"), std::string::npos);
}

TEST_F(CriticalFold, its_steps_are_told_to_who_ordered_and_who_measured_in_the_order_of_the_patients_results) {
  say("1", lab({{"K", "7.1", ResultStatus::final, "", "2823-3", "HH"}}));
  append(Message("2", {.number = "V1", .facility = "village"}).report([&] {
    auto labelled = lab({{"HIV", "", ResultStatus::final, "", "56888-1", "AA", "HIV"}});
    labelled.number = "R2";
    return labelled;
  }()));
  settle();
  model::FacilityDirectory facilities;
  std::vector<std::string> told;
  for (const auto& stored : in_log(port::Topic::operations)) {
    const auto matter = await(matter_of(*store, {port::Topic::operations, 0}, stored));
    ASSERT_TRUE(matter) << matter.error().message;
    if (!*matter) continue;
    const auto facts = facts_of(**matter, facilities);
    if (facts.labelled) {
      EXPECT_TRUE(facts.items.empty());
      continue;
    }
    std::string line = (**matter).kind + " of " + (**matter).lanes().front() + " to";
    for (const auto& party : facts.parties) line += " " + party;
    told.push_back(line);
    ASSERT_EQ(facts.items.size(), 1u);
    EXPECT_EQ(facts.items[0].loinc, "2823-3");
    EXPECT_EQ(facts.items[0].flag, model::Flag::critical);
  }
  EXPECT_THAT(
      told, testing::ElementsAre("critical-value.opened of h1/P1 to h1 lab", "critical-value.told of h1/P1 to h1 lab"));
}

TEST_F(CriticalFold, an_order_of_another_patient_under_the_same_number_is_not_who_ordered) {
  append(Message("0", {.number = "B7", .facility = "county", .name = "李大山", .born = "1970-05-05"})
             .order({.number = "1001"}));
  auto report = lab({{"K", "7.1", ResultStatus::final, "", "2823-3", "HH"}});
  report.order = "1001";
  say("1", report, {.number = "V1", .facility = "village"});
  settle();
  ASSERT_EQ(values().size(), 1u);
  EXPECT_EQ(values()[0].opened.facility, "village");
  EXPECT_TRUE(rows(tables::critical_ledger, {std::string("county")}).empty());
}

TEST_F(CriticalFold, whoever_ordered_for_this_person_is_told_under_its_own_number_of_him) {
  append(Message("0", {.number = "B7", .facility = "county", .card = "230803198001020017"}).order({.number = "1001"}));
  append(Message("00", {.number = "V1", .facility = "village", .card = "230803198001020017"}));
  settle();
  ASSERT_TRUE(same_person("county", "B7", "village", "V1"));
  auto report = lab({{"K", "7.1", ResultStatus::final, "", "2823-3", "HH"}});
  report.order = "1001";
  say("1", report, {.number = "V1", .facility = "village", .card = "230803198001020017"});
  settle();
  ASSERT_EQ(values().size(), 1u);
  EXPECT_EQ(values()[0].opened.facility, "county");
}

TEST_F(CriticalFold, a_correction_after_more_than_a_week_withdraws_and_opens_nothing) {
  auto report = lab({{"K", "7.1", ResultStatus::final, "", "2823-3", "HH"}});
  say("1", report);
  auto second = lab({{"K", "7.2", ResultStatus::final, "", "2823-3", "HH"}});
  second.number = "R2";
  say("2", second);
  settle();
  EXPECT_EQ(states(), "open open");
  clock.advance(std::chrono::hours(24 * 8));
  report.items[0] = {"K", "4.1", ResultStatus::corrected, "", "2823-3", "N"};
  report.status = ResultStatus::corrected;
  say("3", report);
  second.items[0] = {"K", "7.3", ResultStatus::corrected, "", "2823-3", "HH"};
  second.status = ResultStatus::corrected;
  say("4", second);
  settle();
  EXPECT_EQ(states(), "withdrawn open") << "what is critical still, waits to be confirmed still";
  auto third = lab({{"K", "7.1", ResultStatus::final, "", "2823-3", "HH"}});
  third.number = "R3";
  third.observed = third.issued = to_iso(clock.now() + -std::chrono::days(8), 480);
  say("5", third);
  settle();
  EXPECT_EQ(values().size(), 2u);
  expect_same_from_the_log();
}

TEST_F(CriticalFold, what_a_rebuild_by_a_later_program_finds_in_the_log_calls_nobody) {
  projector = std::make_unique<Projector>(log, *store, metrics, clock, options());  // that knows no critical values
  say("1", lab({{"K", "7.1", ResultStatus::final, "", "2823-3", "HH"}}));
  clock.advance(std::chrono::hours(25));
  say("2", lab({{"NA", "140"}}));  // the broker lived on
  project();
  say("3", [&] {
    auto made = lab({{"K", "7.2", ResultStatus::final, "", "2823-3", "HH"}});
    made.number = "R2";
    return made;
  }());
  clock.advance(std::chrono::hours(1));
  say("4", lab({{"NA", "141"}}));
  store = std::make_unique<store::MemoryStore>();
  ASSERT_TRUE(await(rebuild(log, *store, metrics, clock, with_rules())));
  begin();
  settle();
  ASSERT_EQ(states(), "withdrawn open") << "what is of today is told";
  ASSERT_EQ(values()[0].steps.size(), 1u);
  EXPECT_EQ(values()[0].steps[0].reason, "late");
  EXPECT_TRUE(rows(tables::derived).empty());
  expect_same_from_the_log();
}

TEST_F(CriticalFold, what_waited_behind_a_projector_that_stood_is_told) {
  project();
  say("1", lab({{"K", "7.1", ResultStatus::final, "", "2823-3", "HH"}}));
  clock.advance(std::chrono::hours(25));  // intake went on, the store was away
  auto other = lab({{"NA", "140"}});
  other.number = "R2";
  say("2", other);
  begin();
  settle();
  EXPECT_EQ(states(), "open");
  EXPECT_TRUE(values()[0].told(0));
}

TEST_F(CriticalFold, a_wall_clock_that_was_wrong_for_a_while_withdraws_nothing) {
  project();
  auto other = lab({{"NA", "140"}});
  other.number = "R2";
  clock.advance(std::chrono::hours(48));
  say("2", other);
  clock.advance(-std::chrono::hours(48));  // put right
  begin();
  say("1", lab({{"K", "7.1", ResultStatus::final, "", "2823-3", "HH"}}));
  settle();
  EXPECT_EQ(states(), "open");
}

TEST_F(CriticalFold, what_the_broker_was_too_dead_to_tell_is_told) {
  say("1", lab({{"K", "7.1", ResultStatus::final, "", "2823-3", "HH"}}));
  clock.advance(std::chrono::hours(60));
  begin();
  settle();
  EXPECT_EQ(states(), "open");
  EXPECT_TRUE(values()[0].told(2));
}

TEST_F(CriticalFold, history_and_resends_call_nobody) {
  auto old = lab({{"K", "7.1", ResultStatus::final, "", "2823-3", "HH"}});
  old.observed = old.issued = to_iso(clock.now() + -std::chrono::days(8), 480);
  say("1", old);
  settle();
  EXPECT_EQ(states(), "");
  Message once("2");
  once.report(lab({{"K", "7.1", ResultStatus::final, "", "2823-3", "HH"}}));
  auto record = once.record();
  append(record);
  settle();
  const auto before = in_log(port::Topic::operations).size();
  append(record);
  settle();
  EXPECT_EQ(in_log(port::Topic::operations).size(), before);
}

}  // namespace
}  // namespace hutong::pipeline
