// Clocks: deadlines follow from what is recorded, over nights, holidays, restarts and clocks that are wrong.
#include "broker/referral/clocks.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>

#include "tests/unit/referral/region.h"

namespace hutong::referral {
namespace {

using model::CommandOutcome;
using model::Direction;
using model::Priority;
using namespace std::chrono_literals;
namespace fs = std::filesystem;
const fs::path golden = fs::path(HUTONG_SOURCE_DIR) / "tests/golden/referral";

Region region() {
  static const auto loaded = Rules::load({golden / "rules"});
  return Region(loaded, golden / "facilities.csv");
}

std::string shown(Timestamp time) {
  return to_iso(time, 480).substr(0, 16);
}

std::string worked(const std::string& from, microseconds time) {
  static const auto loaded = Rules::load({golden / "rules"});
  return shown(loaded->worked(at(from), time, "county"));
}

TEST(WorkingHours, SkipNoonNightWeekendAndHolidays) {
  EXPECT_EQ(worked("2026-03-02T09:00:00", 2h), "2026-03-02T11:00");
  EXPECT_EQ(worked("2026-03-02T11:00:00", 2h), "2026-03-02T15:00") << "noon";
  EXPECT_EQ(worked("2026-03-02T16:00:00", 2h), "2026-03-03T09:00") << "night";
  EXPECT_EQ(worked("2026-03-02T22:00:00", 2h), "2026-03-03T10:00");
  EXPECT_EQ(worked("2026-03-06T16:30:00", 2h), "2026-03-09T09:30") << "Friday to Monday";
  EXPECT_EQ(worked("2026-02-13T16:30:00", 2h), "2026-02-14T09:30") << "a Saturday worked instead of a holiday";
  EXPECT_EQ(worked("2026-02-14T16:30:00", 2h), "2026-02-24T09:30") << "Spring Festival";
  EXPECT_EQ(worked("2026-03-02T08:00:00", 3h + 30min), "2026-03-02T11:30") << "to the closing, not the next opening";
}

TEST(WorkingHours, NobodyIsWaitedForForEver) {
  const auto folder = fs::temp_directory_path() / ("hutong-referral-" + std::to_string(::getpid()));
  fs::create_directories(folder);
  std::ofstream(folder / "hours.csv") << "facility,weekdays,opens,closes,valid_from,valid_to,source\n"
                                      << "*,1,08:00,09:00,2020-01-01,2020-12-31,ended\n";
  const auto loaded = Rules::load({golden / "rules", folder});
  EXPECT_EQ(shown(loaded->worked(at("2026-03-02T09:00:00"), 2h, "county")), "2026-03-02T11:00");
  fs::remove_all(folder);
}

TEST(Clocks, ARoutineRequestOfTheEveningIsDueInTheMorning) {
  auto here = region();
  const auto asked = request("cc-east", "county", "1", at("2026-03-06T16:30:00"));
  here.send(asked);
  const auto& referral = *here.find(asked.referral);
  EXPECT_EQ(shown(*due_by(referral, here.rules())), "2026-03-09T09:30");
  const auto first = next(referral, here.rules());
  EXPECT_EQ(first->action, Action::remind);
  EXPECT_EQ(first->tell, Role::receiver);
  EXPECT_EQ(shown(first->at), "2026-03-09T08:30");
}

TEST(Clocks, AnUrgentRequestEscalatesAfterFifteenMinutesAlsoAtNight) {
  auto here = region();
  const auto asked = request("cc-east", "county", "1", at("2026-02-17T02:00:00"), Direction::up, Priority::urgent);
  here.send(asked);
  EXPECT_TRUE(here.clocks(at("2026-02-17T02:09:59")).empty());
  EXPECT_EQ(here.clocks(at("2026-02-17T02:10:00")).at(0).action, Action::remind);
  EXPECT_TRUE(here.clocks(at("2026-02-17T02:14:59")).empty());
  EXPECT_EQ(here.clocks(at("2026-02-17T02:15:00")).at(0).action, Action::escalate);
  EXPECT_EQ(here.find(asked.referral)->version, 1U) << "to be told is no change";
  EXPECT_EQ(here.log.back().second.version, 1U);
  // To have looked at it is no answer: the clock goes on.
  here.send(command(Action::receive, "county", "1", at("2026-02-17T02:20:00")));
  EXPECT_TRUE(here.clocks(at("2026-02-17T02:44:59")).empty());
  EXPECT_EQ(here.clocks(at("2026-02-17T02:45:00")).at(0).action, Action::escalate);
}

TEST(Clocks, AfterAnOutageWhatIsOverdueIsToldAtOnceAndNothingEndsBeforeSomebodyWasTold) {
  auto here = region();
  const auto asked = request("cc-east", "county", "1", at("2026-03-02T09:00:00"), Direction::up, Priority::urgent);
  here.send(asked);
  const auto back = at("2026-03-09T09:00:00");
  const auto done = here.clocks(back);
  ASSERT_EQ(done.size(), 2U);
  EXPECT_EQ(done[0].action, Action::remind);
  EXPECT_EQ(done[1].action, Action::escalate);
  EXPECT_EQ(here.find(asked.referral)->state, State::requested) << "a week late, and still open";
  // As long after the escalation as it was to be: 24 h - 15 min.
  here.clocks(back + 23h + 44min);
  EXPECT_EQ(here.find(asked.referral)->state, State::requested);
  here.clocks(back + 23h + 45min);
  EXPECT_EQ(here.find(asked.referral)->state, State::expired);
}

TEST(Clocks, TheSameDeadlineMakesTheSameCommand) {
  auto here = region();
  const auto asked = request("cc-east", "county", "1", at("2026-03-02T09:00:00"), Direction::up, Priority::stat);
  here.send(asked);
  const auto before = *here.find(asked.referral);
  const auto deadline = *next(before, here.rules());
  const auto once = clock_command(before, deadline, deadline.at),
             again = clock_command(before, deadline, deadline.at + 1h);
  EXPECT_EQ(once.id, again.id);
  EXPECT_EQ(here.send(once).outcome, CommandOutcome::applied);
  EXPECT_EQ(here.send(again).refusal, model::Refusal::not_due);
  EXPECT_NE(clock_command(*here.find(asked.referral), *next(*here.find(asked.referral), here.rules()), deadline.at).id,
            once.id);
}

TEST(Clocks, NobodyButADeadlineThatPassedEndsAReferral) {
  auto here = region();
  const auto asked = request("cc-east", "county", "1", at("2026-03-02T09:00:00"), Direction::up, Priority::stat);
  here.send(asked);
  for (const auto action : {Action::remind, Action::escalate, Action::expire}) {
    auto early = command(action, "", "1", asked.at + 1min);
    early.capacity = model::Capacity::clock;
    EXPECT_EQ(here.send(early).refusal, model::Refusal::not_due) << to_string(action);
  }
}

TEST(Clocks, AnotherReceiverAndAnotherSlotBeginAnew) {
  auto here = region();
  const auto asked = request("cc-east", "county", "1", at("2026-03-02T09:00:00"), Direction::up, Priority::urgent);
  here.send(asked);
  here.clocks(at("2026-03-02T09:20:00"));
  auto redirect = command(Action::redirect, "cc-east", "1", at("2026-03-02T09:30:00"));
  redirect.receiver = "county-2";
  ASSERT_EQ(here.send(redirect).outcome, CommandOutcome::applied);
  EXPECT_EQ(shown(*due_by(*here.find(asked.referral), here.rules())), "2026-03-02T09:45");
  auto accept = command(Action::accept, "county-2", "1", at("2026-03-02T09:40:00"));
  accept.slot = model::Slot{at("2026-03-02T14:00:00"), at("2026-03-02T15:00:00"), "", ""};
  here.send(accept);
  EXPECT_EQ(shown(next(*here.find(asked.referral), here.rules())->at), "2026-03-02T14:30");
  here.clocks(at("2026-03-02T20:00:00"));
  auto later = command(Action::accept, "county-2", "1", at("2026-03-02T20:10:00"));
  later.slot = model::Slot{at("2026-03-03T09:00:00"), at("2026-03-03T10:00:00"), "", ""};
  here.send(later);
  EXPECT_EQ(next(*here.find(asked.referral), here.rules())->action, Action::remind);
  here.clocks(at("2026-03-03T10:00:00"));
  here.clocks(at("2026-03-03T11:00:00"));
  here.clocks(at("2026-03-04T10:59:00"));
  EXPECT_EQ(here.find(asked.referral)->state, State::no_show) << "a day after the slot";
}

TEST(Clocks, APatientInTreatmentIsNeverExpired) {
  auto here = region();
  const auto asked = request("cc-east", "county", "1", at("2026-03-02T09:00:00"));
  here.send(asked);
  here.send(command(Action::arrive, "county", "1", at("2026-03-02T10:00:00")));
  for (int day = 0; day < 120; ++day) here.clocks(at("2026-03-02T10:00:00") + std::chrono::days(day));
  EXPECT_EQ(here.find(asked.referral)->state, State::arrived);
  std::size_t told = 0;
  for (const auto& [each, answered] : here.log) told += each.action == Action::escalate;
  EXPECT_EQ(told, 1U + (119 - 14) / 7);
}

TEST(SteadyTime, FollowsTheWallWhileItAgreesAndNeverGoesBack) {
  const Timestamp start = at("2026-03-02T09:00:00");
  SteadyTime time(start, 0ns, {});
  EXPECT_EQ(time.at(start + 10s, 10s), start + 10s);
  EXPECT_EQ(time.at(start + 21s, 20s), start + 21s) << "drift is followed";
  EXPECT_EQ(time.at(start + 20s, 21s), start + 21s) << "not back";
  EXPECT_FALSE(time.jumped());
  EXPECT_EQ(time.at(start + 1h, 31s), start + 31s) << "a jump forward";
  EXPECT_TRUE(time.jumped());
  EXPECT_EQ(time.at(start + -1h, 61s), start + 61s) << "a jump back";
  EXPECT_EQ(time.at(start + 71s, 71s), start + 71s);
  EXPECT_FALSE(time.jumped());
}

TEST(SteadyTime, BeginsNoEarlierThanWhatIsRecorded) {
  const Timestamp recorded = at("2026-03-02T09:00:00");
  SteadyTime time(recorded + -1h, 5s, recorded);
  EXPECT_EQ(time.at(recorded + -45min, 5s + 15min), recorded + 15min) << "fifteen minutes are fifteen minutes";
  EXPECT_TRUE(time.jumped());
}

TEST(Rules, ShippedOnesLoadAndAreTheOnesOfTheGoldenTables) {
  const auto shipped = Rules::load({fs::path(HUTONG_SOURCE_DIR) / "schemas/referral"});
  EXPECT_TRUE(shipped->version().starts_with("2026-01-01+"));
  EXPECT_EQ(shipped->pace(Wait::answer, Priority::urgent, "2026-03-02").escalate, 15min);
  EXPECT_EQ(shipped->pace(Wait::answer, Priority::routine, "2026-03-02").escalate, 2h);
}

class WrongRules : public testing::Test {
 protected:
  WrongRules() : folder_(fs::temp_directory_path() / ("hutong-referral-rules-" + std::to_string(::getpid()))) {
    fs::remove_all(folder_);
    fs::copy(golden / "rules", folder_);
  }
  ~WrongRules() override { fs::remove_all(folder_); }
  std::string with(const std::string& table, const std::string& row) {
    const auto file = folder_ / (table + ".csv");
    const auto kept = fs::file_size(file);
    std::ofstream(file, std::ios::app) << row << "\n";
    std::string said = "accepted";
    try {
      Rules::load({folder_});
    } catch (const std::runtime_error& e) {
      said = e.what();
    }
    fs::resize_file(file, kept);
    return said;
  }
  fs::path folder_;
};

TEST_F(WrongRules, AreRefusedWithTheirPlace) {
  const auto expect = [&](const std::string& table, const std::string& row, const std::string& words) {
    const auto said = with(table, row);
    EXPECT_NE(said.find(words), std::string::npos) << said;
    EXPECT_NE(said.find(table + ".csv:"), std::string::npos) << said;
  };
  expect("clocks", "answer,urgent,10m,15m,30m,1d,always,2026-01-01,,twice", "a second row");
  expect("clocks", "answer,soon,10m,15m,30m,1d,always,2026-01-01,,x", "urgency");
  expect("clocks", "answer,urgent,15m,10m,30m,1d,always,2023-01-01,2023-02-01,x", "a reminder comes before");
  expect("clocks", "answer,urgent,15,20m,30m,1d,always,2023-01-01,2023-02-01,x", "duration");
  for (const std::string wait : {"report", "closing"})
    expect("clocks", wait + ",urgent,10m,15m,30m,1d,always,2023-01-01,2023-02-01,x", "never ends");
  expect("hours", "*,1,11:00,14:00,2024-01-01,,x", "overlaps");
  expect("hours", "*,8,11:00,14:00,2024-01-01,,x", "weekdays");
  expect("calendar", "2026-10-01,workday,x,x", "a second row");
  expect("calendar", "2026-13-01,workday,x,x", "no day");
  expect("routes", "sideways,1,2,hospital,same,2024-01-01,,x", "direction");
  expect("parameters", "insurance_filing,2025-01-01,,up,x", "a second value");
  expect("parameters", "zone,2023-01-01,2023-12-31,8,x", "zone is +08:00");
  expect("routes", "up,1,2,hospital,same,2024-01-01,2023-01-01,x", "ends before it begins");
  EXPECT_EQ(with("calendar", "2027-01-01,holiday,元旦,x"), "accepted");
}

}  // namespace
}  // namespace hutong::referral
