// What the broker does of its own accord about referrals: each command decided once, each deadline told once, whatever
// dies when; and the same rows from the log alone.
#include "broker/pipeline/duty_desk.h"

#include <fstream>
#include <set>

#include "broker/base/limits.h"
#include "broker/critical/rules.h"
#include "broker/model/care.h"
#include "broker/pipeline/delivery_matter.h"
#include "broker/pipeline/effects_referral.h"
#include "broker/recognition/catalogue.h"
#include "broker/referral/document.h"
#include "tests/unit/pipeline/projector_fixture.h"
#include "tests/unit/referral/region.h"

namespace hutong::pipeline {
namespace {

using model::ReferralState;
using referral::Action;
using referral::command;
using referral::Referral;
using referral::request;
namespace fs = std::filesystem;

const fs::path schemas = fs::path(HUTONG_SOURCE_DIR) / "schemas";

class Duty : public ProjectorTest {
 protected:
  Duty() {
    auto made = std::make_shared<Rules>();
    auto facilities = std::make_shared<model::FacilityDirectory>();
    for (const auto& [code, level, kind] :
         {std::tuple("cc-east", "1", "community-centre"), std::tuple("bc-county", "2", "hospital"),
          std::tuple("bc-city", "3", "hospital")}) {
      facilities->add({.code = code, .level = level, .kind = kind});
    }
    made->facilities = facilities;
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
  // A new process over the same log and store.
  void begin() {
    projector = std::make_unique<Projector>(log, *store, metrics, clock, with_rules());
    ASSERT_TRUE(await(projector->prepare()));
    time = std::make_unique<RecordedTime>(clock, *await(newest_recorded(log)));
    desk = std::make_unique<DutyDesk>(log, *store, current, *time, [] { return true; });
  }
  void say(const model::ReferralCommand& command) {
    append({command.id, command.referral.hex(), std::string(model::referral_commanded_kind), model::write(command), ""},
           port::Topic::operations);
  }
  // Until nothing is left to do.
  void settle() {
    for (int i = 0; i < 50; ++i) {
      project();
      const auto done = await(desk->work());
      ASSERT_TRUE(done) << done.error().message;
      if (*done == 0) return;
    }
    FAIL() << "the desk does not come to rest";
  }
  std::optional<Referral> stands(const std::string& number, const std::string& sender = "cc-east") {
    const auto row = *await(store->get(tables::referrals, {std::string(model::referral_id(sender, number).view())}));
    if (!row) return std::nullopt;
    return *referral::read_referral(text(*row, referral_column::document));
  }
  ReferralState state(const std::string& number, const std::string& sender = "cc-east") {
    const auto found = stands(number, sender);
    return found ? found->state : ReferralState::none;
  }
  std::vector<model::ReferralAnswered> answers() {
    std::vector<model::ReferralAnswered> all;
    for (const auto& each : in_log(port::Topic::operations)) {
      if (each.record.kinds == model::referral_answered_kind)
        all.push_back(*model::read_referral_answered(each.record.json));
    }
    return all;
  }
  void expect_same_from_the_log() {
    store::MemoryStore fresh;
    PrometheusMetrics other;
    ASSERT_TRUE(await(rebuild(log, fresh, other, clock, with_rules())));
    const auto now = everything(*store), again = everything(fresh);
    for (const auto& [table, expected] : now) EXPECT_EQ(again.at(table), expected) << table;
  }
  // Community to county hospital, declined, to the city hospital, accepted, arrived, reported, sent down, accepted.
  std::vector<model::ReferralCommand> the_way() {
    const auto when = clock.now();
    std::vector<model::ReferralCommand> all{request("cc-east", "bc-county", "T1", when)};
    const auto then = [&](Action action, const std::string& facility) -> model::ReferralCommand& {
      return all.emplace_back(
          command(action, facility, "T1", when + std::chrono::seconds(static_cast<int>(all.size()))));
    };
    then(Action::receive, "bc-county");
    then(Action::decline, "bc-county");
    then(Action::redirect, "cc-east").receiver = "bc-city";
    then(Action::accept, "bc-city");
    then(Action::arrive, "bc-city");
    then(Action::report, "bc-city");
    auto down = request("bc-city", "cc-east", "Z1", when + std::chrono::seconds(20), model::Direction::down);
    down.follows = model::referral_id("cc-east", "T1");
    all.push_back(down);
    all.push_back(command(Action::accept, "cc-east", "Z1", when + std::chrono::seconds(21), "bc-city"));
    return all;
  }

  CurrentRules current;
  std::unique_ptr<RecordedTime> time;
  std::unique_ptr<DutyDesk> desk;
};

TEST_F(Duty, a_command_is_answered_once_and_the_log_alone_gives_the_same_rows) {
  for (const auto& each : the_way()) say(each);
  settle();
  EXPECT_EQ(state("T1"), ReferralState::closed);
  EXPECT_EQ(state("Z1", "bc-city"), ReferralState::accepted);
  EXPECT_EQ(answers().size(), 10u);  // nine, and the closing that follows
  for (const auto& each : answers()) EXPECT_FALSE(each.refusal) << to_string(*each.refusal);
  EXPECT_TRUE(rows(tables::referral_waiting).empty());
  EXPECT_TRUE(rows(tables::derived).empty());
  EXPECT_TRUE(rows(tables::derived_ids).empty());
  expect_same_from_the_log();
}

TEST_F(Duty, what_it_has_appended_is_waited_for_by_the_next_process_too) {
  say(request("cc-east", "bc-county", "T1", clock.now()));
  project();
  EXPECT_EQ(*await(desk->work()), 1u);
  EXPECT_EQ(*await(desk->work()), 0u);
  DutyDesk next(log, *store, current, *time, [] { return true; });
  EXPECT_EQ(*await(next.work()), 0u);
  EXPECT_EQ(answers().size(), 1u);
}

TEST_F(Duty, what_comes_again_changes_nothing) {
  const auto way = the_way();
  for (const auto& each : way) {
    say(each);
    say(each);
    settle();
  }
  for (const auto& each : way) say(each);
  settle();
  EXPECT_EQ(state("T1"), ReferralState::closed);
  EXPECT_EQ(stands("T1")->steps.size(), 8u);
  EXPECT_EQ(answers().size(), 10u);
  expect_same_from_the_log();
}

class DutyDies : public Duty, public ::testing::WithParamInterface<int> {};

TEST_P(DutyDies, between_any_two_steps) {
  int step = 0;
  const auto maybe_die = [&] {
    if (GetParam() >> (step++ % 6) & 1) begin();
  };
  for (const auto& each : the_way()) {
    say(each);
    maybe_die();
    for (int i = 0; i < 3; ++i) {
      ASSERT_TRUE(await(projector->step()));
      maybe_die();
      ASSERT_TRUE(await(desk->work()));  // appended, perhaps never met by this process
      maybe_die();
    }
  }
  settle();
  EXPECT_EQ(state("T1"), ReferralState::closed);
  EXPECT_EQ(stands("T1")->steps.size(), 8u);
  std::set<RecordId> ids;
  for (const auto& each : answers()) EXPECT_TRUE(ids.insert(each.id).second) << "answered twice";
  expect_same_from_the_log();
}

INSTANTIATE_TEST_SUITE_P(any, DutyDies, ::testing::Range(0, 64));

TEST_F(Duty, of_two_desks_the_first_word_counts) {
  say(request("cc-east", "bc-county", "T1", clock.now()));
  settle();
  // Both believe that it is their turn.
  say(command(Action::accept, "bc-county", "T1", clock.now()));
  say(command(Action::decline, "bc-county", "T1", clock.now()));
  project();
  DutyDesk other(log, *store, current, *time, [] { return true; });
  ASSERT_EQ(*await(other.work()), 2u);
  ASSERT_EQ(*await(desk->work()), 2u) << "it does not know of the other";
  project();
  EXPECT_EQ(state("T1"), ReferralState::declined);
  EXPECT_EQ(stands("T1")->steps.size(), 3u);
  // A word that another desk gave to the referral as it stood before: it comes behind, under a new command's id.
  auto stale = command(Action::cancel, "cc-east", "T1", clock.now());
  say(stale);
  model::ReferralAnswered answer;
  answer.id = model::answer_id(stale.id);
  answer.command = stale.id;
  answer.referral = stale.referral;
  answer.action = Action::cancel;
  answer.at = stale.at;
  answer.outcome = model::CommandOutcome::applied;
  answer.role = referral::Role::sender;
  answer.from = ReferralState::requested;  // by now it is declined
  answer.to = ReferralState::cancelled;
  answer.version = 2;
  append({answer.id, "k", std::string(model::referral_answered_kind), model::write(answer), ""},
         port::Topic::operations);
  project();
  EXPECT_EQ(state("T1"), ReferralState::declined);
  settle();
  EXPECT_EQ(state("T1"), ReferralState::cancelled) << "it was decided anew";
  EXPECT_EQ(stands("T1")->version, 4u);
  expect_same_from_the_log();
}

TEST_F(Duty, what_follows_is_made_up_for_when_the_log_lost_it_with_its_last_batch) {
  const auto way = the_way();
  for (std::size_t i = 0; i + 1 < way.size(); ++i) say(way[i]);
  settle();
  say(way.back());
  project();
  ASSERT_EQ(*await(desk->work()), 3u);  // the answer, the closing that follows, its answer
  auto records = in_log(port::Topic::operations);
  memory::MemoryLog torn(clock);
  for (std::size_t i = 0; i + 2 < records.size(); ++i) {
    std::vector<port::Record> one;
    one.push_back(records[i].record);
    ASSERT_TRUE(await(torn.append(port::Topic::operations, std::move(one))));
  }
  store::MemoryStore fresh;
  Projector again(torn, fresh, metrics, clock, with_rules());
  ASSERT_TRUE(await(again.catch_up()));
  EXPECT_EQ(rows_of(fresh, tables::derived).size(), 1u);
  DutyDesk late(torn, fresh, current, *time, [] { return true; });
  for (int i = 0; i < 4; ++i) {
    ASSERT_TRUE(await(late.work()));
    ASSERT_TRUE(await(again.catch_up()));
  }
  const auto row = *await(fresh.get(tables::referrals, {std::string(model::referral_id("cc-east", "T1").view())}));
  EXPECT_EQ(text(*row, referral_column::state), "closed");
  EXPECT_TRUE(rows_of(fresh, tables::derived).empty());
}

TEST_F(Duty, each_deadline_is_told_once_and_at_once_after_an_outage) {
  auto urgent = request("cc-east", "bc-county", "T1", clock.now(), model::Direction::up, model::Priority::urgent);
  say(urgent);
  settle();
  ASSERT_EQ(rows(tables::deadlines).size(), 1u);
  clock.advance(std::chrono::minutes(9));
  settle();
  EXPECT_FALSE(stands("T1")->told.reminded);
  clock.advance(std::chrono::minutes(1));
  settle();
  EXPECT_TRUE(stands("T1")->told.reminded);
  EXPECT_FALSE(stands("T1")->told.first_escalated);
  clock.advance(std::chrono::hours(30));  // the broker was away
  begin();
  settle();
  EXPECT_TRUE(stands("T1")->told.first_escalated);
  EXPECT_EQ(state("T1"), ReferralState::requested) << "nobody was told yet: it must not expire";
  const auto told = answers().size();
  begin();
  settle();
  EXPECT_EQ(answers().size(), told);
  clock.advance(std::chrono::hours(24));
  settle();
  EXPECT_EQ(state("T1"), ReferralState::expired);
  EXPECT_TRUE(rows(tables::deadlines).empty());
  EXPECT_EQ(stands("T1")->version, 2u);
  expect_same_from_the_log();
}

TEST_F(Duty, rows_of_deadlines_that_come_to_nothing_hold_no_later_one_up) {
  port::StoreBatch batch;
  for (int i = 0; i < 250; ++i) {  // longer due, and of nobody
    batch.put(tables::deadlines,
              {std::string(referral_deadline), current.load()->referral->version(), std::int64_t{1} + i,
               std::string(model::referral_id("nobody", std::to_string(i)).view())});
  }
  ASSERT_TRUE(await(store->write(std::move(batch))));
  say(request("cc-east", "bc-county", "T1", clock.now(), model::Direction::up, model::Priority::urgent));
  settle();
  clock.advance(std::chrono::minutes(11));
  settle();
  EXPECT_TRUE(stands("T1")->told.reminded);
}

TEST_F(Duty, the_clock_of_who_has_changed_too_often_comes_to_rest) {
  say(request("cc-east", "bc-county", "T1", clock.now()));
  say(command(Action::accept, "bc-county", "T1", clock.now()));
  for (std::size_t i = 2; i < limits::referral_steps; ++i)
    say(command(Action::amend, "cc-east", "T1", clock.now() + std::chrono::microseconds(i)));
  settle();
  ASSERT_EQ(stands("T1")->steps.size(), limits::referral_steps);
  for (int days = 0; days < 30; ++days) {
    clock.advance(std::chrono::hours(24));
    settle();
  }
  EXPECT_EQ(state("T1"), ReferralState::expired);
  EXPECT_TRUE(rows(tables::deadlines).empty());
  for (const auto& each : answers()) EXPECT_FALSE(each.refusal) << to_string(*each.refusal);
}

TEST_F(Duty, redirects_that_follow_their_request_closely_are_decided_in_the_logs_order) {
  const auto when = clock.now();
  say(request("cc-east", "bc-county", "T1", when));
  for (const auto* receiver : {"bc-city", "bc-county", "bc-city", "bc-county"}) {
    auto moved = command(Action::amend, "cc-east", "T1", clock.now());  // REF^I13 with another RT
    moved.receiver = receiver;
    moved.choice = model::Choice::agreed;
    say(moved);
  }
  settle();
  EXPECT_EQ(stands("T1")->receiver, "bc-county");
  EXPECT_EQ(stands("T1")->steps.size(), 5u);
  EXPECT_EQ(state("T1"), ReferralState::redirected);
  EXPECT_EQ(rows(tables::referral_ledger, {std::string("bc-city")}).size(), 0u);
  expect_same_from_the_log();
}

// A wall clock that is set, over the true one.
class SetWall final : public Clock {
 public:
  explicit SetWall(const Clock& true_one) : true_one_(true_one) {}
  Timestamp now() const override { return true_one_.now() + off; }
  std::chrono::nanoseconds ticks() const override { return true_one_.ticks(); }
  std::chrono::microseconds off{};

 private:
  const Clock& true_one_;
};

TEST_F(Duty, time_goes_not_back_over_a_restart_after_the_wall_was_set_back) {
  // The broker began with the wall a day ahead; put right, the log goes on stamping what it stamped last.
  SetWall wall(clock);
  wall.off = std::chrono::hours(24);
  RecordedTime ahead(wall, *await(newest_recorded(log)));
  wall.off = {};
  clock.advance(std::chrono::hours(10));
  const auto then = ahead.now();
  say(request("cc-east", "bc-county", "T1", then, model::Direction::up, model::Priority::urgent));
  for (int i = 0; i < 150; ++i) say(command(Action::receive, "nobody", "T" + std::to_string(i + 2), clock.now()));
  settle();
  RecordedTime again(wall, *await(newest_recorded(log)));
  EXPECT_GE(again.now(), then);
}

class Followed : public Duty {
 protected:
  void ask() {
    auto down = request("bc-city", "cc-east", "Z1", clock.now(), model::Direction::down);
    down.reason = {"I10.x00", ""};
    down.patient_of = "bc-city";
    down.patient = "Q1";
    say(down);
    settle();
  }
  void then(Action action, const std::string& facility, const std::string& receiver = {}) {
    auto made = command(action, facility, "Z1", clock.now(), "bc-city");
    made.receiver = receiver;
    say(made);
    settle();
    ASSERT_FALSE(answers().back().refusal) << to_string(*answers().back().refusal);
  }
  std::size_t listed(const std::string& facility = "cc-east") {
    return rows(tables::chronic_followups, {facility}).size();
  }
};

TEST_F(Followed, once_however_often_the_centre_takes_him) {
  ask();
  EXPECT_EQ(listed(), 0u);
  then(Action::accept, "cc-east");
  clock.advance(std::chrono::hours(2));
  then(Action::no_show, "cc-east");
  EXPECT_EQ(listed(), 1u) << "who did not come is to be looked after all the more";
  then(Action::accept, "cc-east");
  EXPECT_EQ(listed(), 1u);
  then(Action::arrive, "cc-east");
  then(Action::report, "cc-east");
  EXPECT_EQ(listed(), 1u);
  then(Action::close, "cc-east");
  EXPECT_EQ(listed(), 1u);
  expect_same_from_the_log();
}

TEST_F(Followed, not_where_the_patient_is_no_more) {
  ask();
  then(Action::accept, "cc-east");
  then(Action::decline, "cc-east");
  EXPECT_EQ(listed(), 0u);
  then(Action::accept, "cc-east");
  EXPECT_EQ(listed(), 1u);
  then(Action::redirect, "bc-city", "bc-county");
  EXPECT_EQ(listed(), 0u);
  then(Action::accept, "bc-county");
  EXPECT_EQ(listed("bc-county"), 1u);
  then(Action::cancel, "bc-city");
  EXPECT_EQ(listed("bc-county"), 0u);
  // Another desk's word of it comes late.
  for (const auto& each : in_log(port::Topic::operations)) {
    if (each.record.kinds == model::chronic_followup_kind) append(each.record, port::Topic::operations);
  }
  settle();
  EXPECT_EQ(listed() + listed("bc-county"), 0u);
  expect_same_from_the_log();
}

TEST_F(Duty, other_clocks_are_reckoned_anew) {
  say(request("cc-east", "bc-county", "T1", clock.now(), model::Direction::up, model::Priority::urgent));
  settle();
  const auto before = rows(tables::deadlines).at(0);
  const fs::path own = fs::path(testing::TempDir()) / "hutong-duty-clocks";
  fs::create_directories(own);
  std::ifstream shipped(schemas / "referral" / "clocks.csv");
  std::string all{std::istreambuf_iterator<char>(shipped), {}};
  const auto at = all.find("answer,urgent,10m,15m");
  all.replace(at, 21, "answer,urgent,1m,15m");
  std::ofstream(own / "clocks.csv") << all;
  auto changed = std::make_shared<Rules>(*current.load());
  changed->referral = referral::Rules::load({schemas / "referral", own});
  current.store(changed);
  project();
  const auto now = rows(tables::deadlines);
  ASSERT_EQ(now.size(), 1u);
  EXPECT_EQ(number(before, 2) - number(now[0], 2), std::chrono::microseconds(std::chrono::minutes(9)).count());
  EXPECT_NE(text(before, 1), text(now[0], 1));
  clock.advance(std::chrono::minutes(2));
  settle();
  EXPECT_TRUE(stands("T1")->told.reminded);
  fs::remove_all(own);
}

TEST_F(Duty, persons_that_were_joined_meanwhile_are_one_person_to_it) {
  auto way = the_way();
  const auto first = model::first_person_id("cc-east", "P1"), joined = model::first_person_id("bc-city", "Q1");
  for (auto& each : way) each.person = first.hex();
  way[7].person = joined.hex();  // who asks downward knows the patient as the other one
  for (std::size_t i = 0; i < 7; ++i) say(way[i]);
  settle();
  say(way[7]);
  settle();
  EXPECT_EQ(answers().back().refusal, model::Refusal::link_mismatch);
  port::StoreBatch batch;
  batch.put(tables::persons,
            {std::string(first.view()), "[]", std::int64_t{1}, std::int64_t{1}, std::string(joined.view()), "{}"});
  ASSERT_TRUE(await(store->write(std::move(batch))));
  way[7].referral = model::referral_id("bc-city", "Z2");
  way[7].number = "Z2";
  way[7].id = RecordId(sha256("Z2"));
  say(way[7]);
  settle();
  EXPECT_FALSE(answers().back().refusal);
}

TEST_F(Duty, a_clock_that_was_set_is_not_followed) {
  say(request("cc-east", "bc-county", "T1", clock.now(), model::Direction::up, model::Priority::urgent));
  settle();
  SetWall wall(clock);
  RecordedTime kept(wall, *await(newest_recorded(log)));
  DutyDesk on_it(log, *store, current, kept, [] { return true; });
  wall.off = std::chrono::hours(3);  // somebody set it
  EXPECT_EQ(*await(on_it.work()), 0u);
  EXPECT_TRUE(kept.jumped());
  wall.off = -std::chrono::hours(3);
  clock.advance(std::chrono::minutes(11));
  EXPECT_EQ(*await(on_it.work()), 2u);  // the reminder, on time
  wall.off = {};
  kept.now();
  EXPECT_FALSE(kept.jumped());
}

TEST_F(Duty, whose_turn_it_is_not_says_nothing) {
  say(request("cc-east", "bc-county", "T1", clock.now()));
  project();
  bool ours = false;
  DutyDesk other(log, *store, current, *time, [&] { return ours; });
  EXPECT_EQ(*await(other.work()), 0u);
  ours = true;
  EXPECT_EQ(*await(other.work()), 1u);
}

// Of every record of the topic: what subscribers are told of it.
TEST_F(Duty, a_step_is_told_to_who_is_a_party_now_and_to_who_loses_it_by_that_step) {
  auto way = the_way();
  way.insert(way.begin() + 4, command(Action::accept, "bc-county", "T1", clock.now()));  // refused: it is not its turn
  for (const auto& each : way) say(each);
  settle();
  std::vector<std::string> told;
  for (const auto& stored : in_log(port::Topic::operations)) {
    const auto matter = await(matter_of(*store, {port::Topic::operations, 0}, stored));
    ASSERT_TRUE(matter) << matter.error().message;
    if (!*matter) continue;
    const auto& one = **matter;
    EXPECT_EQ(one.kind, model::referral_answered_kind);
    const auto& what = std::get<ReferralMatter>(one.what);
    std::string line = std::string(to_string(what.answered.action)) + " by " + one.facility + " to";
    for (const auto& party : one.parties) line += " " + party;
    told.push_back(line + (what.former.empty() ? "" : ", lost by " + what.former));
  }
  EXPECT_THAT(told,
              testing::ElementsAre("request by cc-east to cc-east bc-city", "receive by bc-county to cc-east bc-city",
                                   "decline by bc-county to cc-east bc-city",
                                   "redirect by cc-east to cc-east bc-city bc-county, lost by bc-county",
                                   "accept by bc-city to cc-east bc-city", "arrive by bc-city to cc-east bc-city",
                                   "report by bc-city to cc-east bc-city", "request by bc-city to bc-city cc-east",
                                   "accept by cc-east to bc-city cc-east", "close by cc-east to cc-east bc-city"));
  model::FacilityDirectory facilities;
  const auto answered = in_log(port::Topic::operations).back();
  const auto last = *await(matter_of(*store, {port::Topic::operations, 0}, answered));
  ASSERT_TRUE(last);
  EXPECT_EQ(std::get<ReferralMatter>(last->what).referral.number, "T1");
  EXPECT_THAT(facts_of(*last, facilities).parties,
              testing::ElementsAre("cc-east", "bc-city", "cc-east|sender", "bc-city|receiver"));
}

}  // namespace
}  // namespace hutong::pipeline
