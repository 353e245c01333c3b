// The whole table: every state × action × role is either one transition or a refusal with words; every state is
// reached, none is a dead end, an arrival is legal wherever a referral is open, and messages in any order end the same.
#include "broker/referral/transitions.h"

#include <gtest/gtest.h>

#include <random>
#include <set>

#include "broker/base/limits.h"
#include "broker/referral/words.h"
#include "tests/unit/referral/region.h"

namespace hutong::referral {
namespace {

using model::Capacity;
using model::CommandOutcome;
using model::Direction;
using model::Refusal;
namespace fs = std::filesystem;
const fs::path golden = fs::path(HUTONG_SOURCE_DIR) / "tests/golden/referral";

std::shared_ptr<const Rules> rules() {
  static const auto loaded = Rules::load({golden / "rules"});
  return loaded;
}
Region region() {
  return Region(rules(), golden / "facilities.csv");
}

const Timestamp monday = at("2026-03-02T09:00:00");

// A referral cc-east → county in the given state, by the shortest way.
Referral in_state(State state) {
  Region region_(rules(), golden / "facilities.csv");
  auto when = monday;
  const auto send = [&](Action action, const std::string& facility) {
    auto made = command(action, facility, "1", when = when + std::chrono::minutes(1));
    if (action == Action::redirect) made.receiver = "county-2";
    return region_.send(made);
  };
  region_.send(request("cc-east", "county", "1", when));
  switch (state) {
    case State::none:
    case State::requested: break;
    case State::received: send(Action::receive, "county"); break;
    case State::accepted: send(Action::accept, "county"); break;
    case State::declined: send(Action::decline, "county"); break;
    case State::redirected: send(Action::redirect, "cc-east"); break;
    case State::no_show:
      send(Action::accept, "county");
      when = when + std::chrono::hours(1);
      send(Action::no_show, "county");
      break;
    case State::arrived: send(Action::arrive, "county"); break;
    case State::in_treatment: send(Action::treat, "county"); break;
    case State::report_returned: send(Action::report, "county"); break;
    case State::closed:
      send(Action::report, "county");
      send(Action::close, "cc-east");
      break;
    case State::cancelled: send(Action::cancel, "cc-east"); break;
    case State::expired:
      region_.clocks(monday + std::chrono::days(30));  // tells first
      region_.clocks(monday + std::chrono::days(60));
      break;
  }
  const auto made = *region_.find(model::referral_id("cc-east", "1"));
  EXPECT_EQ(made.state, state == State::none ? State::requested : state);
  return made;
}

// The action by the role, with all it may need said, at a moment when every deadline has passed.
ReferralAnswered attempt(const Referral* stands, Action action, Role role) {
  const auto late = monday + std::chrono::days(60);
  const std::string receiver = stands ? stands->receiver : "county";
  auto made = command(action, role == Role::sender ? "cc-east" : role == Role::receiver ? receiver : "city", "1", late);
  made.capacity = role == Role::coordinator ? Capacity::coordinator
                  : role == Role::clock     ? Capacity::clock
                  : role == Role::linked    ? Capacity::linked
                                            : Capacity::facility;
  made.direction = Direction::up;
  made.receiver = receiver == "city" ? "county" : "city";
  if (action == Action::amend) made.receiver = receiver;  // naming another it would be a redirect
  Referral downward;
  Surroundings around;
  static const Party east{"cc-east", "1", "community-centre"}, city{"city", "3", "hospital"};
  around.sender = &east;
  around.receiver = &city;
  around.same_alliance = true;
  if (stands) {
    downward.id = model::referral_id("county", "2");
    downward.direction = Direction::down;
    downward.state = State::accepted;
    downward.follows = stands->id;
    around.linked = &downward;
    made.follows = downward.id;
  }
  Referral waiting = stands ? *stands : Referral();
  if (stands && action != Action::remind) {
    waiting.told.reminded = waiting.since + std::chrono::hours(1);
    // An end comes only where somebody had been told before; an escalation where nobody was.
    if (action != Action::escalate)
      waiting.told.first_escalated = waiting.told.last_escalated = late + -std::chrono::minutes(1);
    if (action == Action::expire || action == Action::no_show)
      waiting.told.first_escalated = waiting.since + std::chrono::hours(2);
  }
  return decide(stands ? &waiting : nullptr, made, *rules(), around);
}

TEST(Transitions, EveryStateActionAndRoleHasOneAnswer) {
  std::size_t legal = 0, refused = 0;
  for (std::size_t s = 0; s < model::referral_states; ++s) {
    const State state = state_at(s);
    const auto made = in_state(state);
    const Referral* stands = state == State::none ? nullptr : &made;
    for (std::size_t a = 0; a < model::referral_actions; ++a) {
      for (std::size_t r = 0; r < model::referral_roles; ++r) {
        const auto action = static_cast<Action>(a);
        const auto role = static_cast<Role>(r);
        if (!stands && role != Role::sender && role != Role::coordinator) continue;  // nobody is anything to it yet
        SCOPED_TRACE(std::string(to_string(state)) + " " + std::string(to_string(action)) + " " +
                     std::string(to_string(role)));
        std::size_t rows = 0;
        for (const auto& row : transitions()) rows += row.action == action && row.from.has(state) && row.by.has(role);
        EXPECT_LE(rows, 1U) << "two rows for one thing";

        const auto answered = attempt(stands, action, role);
        if (rows == 1) {
          ++legal;
          ASSERT_EQ(answered.outcome, CommandOutcome::applied) << explain(answered).en;
          const auto* row = transition(state, action, role);
          EXPECT_EQ(answered.to, row->to.value_or(state));
          EXPECT_FALSE(row->source.empty());
          EXPECT_TRUE(explain(answered).zh.empty());
        } else {
          ++refused;
          ASSERT_EQ(answered.outcome, CommandOutcome::refused);
          ASSERT_TRUE(answered.refusal);
          EXPECT_EQ(answered.to, state);
          EXPECT_EQ(answered.version, stands ? made.version : 0);
          const auto said = explain(answered);
          EXPECT_GE(said.zh.size(), 12U);
          EXPECT_GE(said.en.size(), 12U);
          EXPECT_TRUE(std::any_of(said.zh.begin(), said.zh.end(), [](char c) { return c & 0x80; })) << said.zh;
        }
      }
    }
  }
  EXPECT_GT(legal, 80U);
  EXPECT_GT(refused, 800U);
}

TEST(Transitions, EveryStateIsReachedAndNoneIsADeadEnd) {
  std::set<State> reached{State::none};
  for (std::size_t before = 0; before != reached.size();) {
    before = reached.size();
    for (const auto& row : transitions()) {
      for (std::size_t s = 0; s < model::referral_states; ++s) {
        if (reached.contains(state_at(s)) && row.from.has(state_at(s)) && row.to) reached.insert(*row.to);
      }
    }
  }
  EXPECT_EQ(reached.size(), model::referral_states);

  std::set<State> ending;
  for (std::size_t s = 0; s < model::referral_states; ++s) {
    if (is_end(state_at(s))) ending.insert(state_at(s));
  }
  EXPECT_EQ(ending, (std::set{State::closed, State::cancelled, State::expired}));
  for (std::size_t before = 0; before != ending.size();) {
    before = ending.size();
    for (const auto& row : transitions()) {
      for (std::size_t s = 0; s < model::referral_states; ++s) {
        if (row.from.has(state_at(s)) && row.to && ending.contains(*row.to)) ending.insert(state_at(s));
      }
    }
  }
  EXPECT_EQ(ending.size(), model::referral_states) << "from every state an end is reached";
  for (const auto& row : transitions()) {
    for (std::size_t s = 0; s < model::referral_states; ++s)
      EXPECT_FALSE(row.from.has(state_at(s)) && is_end(state_at(s))) << "an end is left";
  }
}

TEST(Transitions, TheBrokerAloneLeavesNobodyWaitingUnseen) {  // an open state always has a deadline that tells somebody
  for (std::size_t s = 1; s < model::referral_states; ++s) {
    const auto made = in_state(state_at(s));
    const auto deadline = next(made, *rules());
    EXPECT_EQ(deadline.has_value(), is_open(made.state)) << to_string(made.state);
    EXPECT_EQ(due_by(made, *rules()).has_value(), is_open(made.state));
  }
}

TEST(Transitions, ArrivalIsLegalFromEveryOpenStateAndNoVersionHoldsItBack) {
  for (std::size_t s = 1; s < model::referral_states; ++s) {
    const auto made = in_state(state_at(s));
    auto arrival = command(Action::arrive, made.receiver, "1", monday + std::chrono::days(1));
    arrival.version = made.version + 7;
    const auto answered = decide(&made, arrival, *rules(), {});
    EXPECT_EQ(answered.outcome, is_open(made.state) ? CommandOutcome::applied : CommandOutcome::refused)
        << to_string(made.state);
    if (answered.outcome != CommandOutcome::applied) continue;
    const auto after = apply(&made, arrival, answered);
    EXPECT_TRUE(after.arrived_at);
    EXPECT_TRUE(is_taken(after.state));
    EXPECT_EQ(after.came_unaccepted(), made.state != State::accepted);
  }
}

TEST(Transitions, AnOutsiderLearnsNothing) {
  std::set<std::string> said;
  for (std::size_t s = 1; s < model::referral_states; ++s) {
    const auto made = in_state(state_at(s));
    for (std::size_t a = 0; a < model::referral_actions; ++a) {
      const auto answered = decide(&made, command(static_cast<Action>(a), "vc-01", "1", monday), *rules(), {});
      EXPECT_EQ(answered.refusal, Refusal::not_a_party);
      said.insert(explain(answered).en);
    }
  }
  EXPECT_EQ(said.size(), 1U);
}

TEST(Transitions, ACommandThatComesAgainChangesNothing) {
  auto here = region();
  std::vector<ReferralCommand> sent{request("cc-east", "county", "1", monday)};
  for (const auto action : {Action::receive, Action::accept, Action::arrive, Action::treat, Action::report})
    sent.push_back(command(action, "county", "1", monday + std::chrono::hours(sent.size())));
  for (const auto& each : sent) {
    EXPECT_EQ(here.send(each).outcome, CommandOutcome::applied);
    const auto stands = *here.find(each.referral);
    for (const auto& earlier : sent) {
      if (!stands.step_of(earlier.id)) continue;
      const auto again = here.send(earlier);
      EXPECT_EQ(again.outcome, CommandOutcome::repeated);
      EXPECT_EQ(again.version, stands.version);
      EXPECT_EQ(here.find(each.referral)->steps.size(), stands.steps.size());
    }
  }
}

TEST(Transitions, OfTwoDecisionsOnOneVersionOneIsTaken) {
  for (const bool accept_first : {true, false}) {
    auto here = region();
    here.send(request("cc-east", "county", "1", monday));
    auto accept = command(Action::accept, "county", "1", monday),
         cancel = command(Action::cancel, "cc-east", "1", monday);
    accept.version = cancel.version = 1;
    EXPECT_EQ(here.send(accept_first ? accept : cancel).outcome, CommandOutcome::applied);
    const auto second = here.send(accept_first ? cancel : accept);
    EXPECT_EQ(second.refusal, accept_first ? Refusal::version_conflict : Refusal::ended);
    EXPECT_EQ(here.find(accept.referral)->version, 2U);
  }
}

// What others see of a referral, without when and in which order.
std::string seen(const Referral& referral) {
  std::string text = std::string(to_string(referral.state)) + " at " + referral.receiver + " choice " +
                     std::string(to_string(referral.choice)) + " slot " +
                     (referral.slot ? referral.slot->place + to_iso(referral.slot->start) : "-") + " reports";
  for (const auto& report : referral.reports) text += " " + report.id + "/" + std::to_string(report.version);
  return text;
}

// Messages in this order; what is refused or was answered is sent again now and then, as senders do, until all
// are answered for good.
std::string ended(const std::vector<ReferralCommand>& order, std::uint32_t seed, bool with_version) {
  auto here = region();
  std::mt19937 random(seed);
  for (std::size_t round = 0; round <= order.size(); ++round) {
    for (const auto& each : order) {
      here.send(each);
      if (random() % 3 == 0) here.send(order[random() % order.size()]);
    }
  }
  const auto& stands = *here.find(order[0].referral);
  return seen(stands) + (with_version ? " version " + std::to_string(stands.version) : "");
}

std::set<std::string> ends(std::vector<ReferralCommand> messages, bool with_version) {
  std::set<std::string> all;
  std::vector<std::size_t> order{0, 1, 2, 3, 4, 5};
  std::uint32_t seed = 20260302;
  do {
    std::vector<ReferralCommand> now;
    for (const auto i : order) now.push_back(messages[i]);
    all.insert(ended(now, ++seed, with_version));
  } while (std::next_permutation(order.begin(), order.end()));
  return all;
}

TEST(Transitions, SixMessagesInAnyOrderWithResendsEndTheSame) {
  std::vector<ReferralCommand> messages{request("cc-east", "county", "1", monday)};
  for (const auto action : {Action::receive, Action::accept, Action::arrive, Action::treat, Action::report})
    messages.push_back(command(action, "county", "1", monday + std::chrono::hours(messages.size())));
  const auto all = ends(messages, true);
  EXPECT_EQ(all.size(), 1U) << *all.begin() << " | " << *all.rbegin();
  EXPECT_TRUE(all.begin()->starts_with("report-returned at county")) << *all.begin();
  EXPECT_TRUE(all.begin()->ends_with("version 6")) << *all.begin();
}

TEST(Transitions, ADeclinedAndRedirectedReferralEndsTheSameInAnyOrder) {
  std::vector<ReferralCommand> messages{request("cc-east", "county", "1", monday),
                                        command(Action::receive, "county", "1", monday + std::chrono::hours(1)),
                                        command(Action::decline, "county", "1", monday + std::chrono::hours(2)),
                                        command(Action::redirect, "cc-east", "1", monday + std::chrono::hours(3)),
                                        command(Action::accept, "county-2", "1", monday + std::chrono::hours(4)),
                                        command(Action::arrive, "county-2", "1", monday + std::chrono::hours(5))};
  messages[3].receiver = "county-2";
  const auto all = ends(messages, false);
  EXPECT_EQ(all.size(), 1U) << *all.begin() << " | " << *all.rbegin();
  EXPECT_TRUE(all.begin()->starts_with("arrived at county-2")) << *all.begin();
}

TEST(Transitions, ADownwardAcceptanceAndAnUpwardReportCloseInAnyOrder) {
  std::vector<ReferralCommand> messages{
      request("cc-east", "county", "1", monday),
      command(Action::arrive, "county", "1", monday + std::chrono::hours(1)),
      command(Action::treat, "county", "1", monday + std::chrono::hours(2)),
      command(Action::report, "county", "1", monday + std::chrono::hours(3)),
      request("county", "cc-east", "2", monday + std::chrono::hours(3), Direction::down),
      command(Action::accept, "cc-east", "2", monday + std::chrono::hours(4), "county")};
  messages[4].follows = messages[0].referral;
  std::vector<std::size_t> order{0, 1, 2, 3, 4, 5};
  std::set<std::string> all;
  do {
    auto here = region();
    for (std::size_t round = 0; round <= order.size(); ++round) {
      for (const auto i : order) here.send(messages[i]);
    }
    all.insert(seen(*here.find(messages[0].referral)) + " | " + seen(*here.find(messages[4].referral)));
  } while (std::next_permutation(order.begin(), order.end()));
  EXPECT_EQ(all.size(), 1U) << *all.begin() << "\n" << *all.rbegin();
  EXPECT_TRUE(all.begin()->starts_with("closed at county")) << *all.begin();
  EXPECT_NE(all.begin()->find("| accepted at cc-east"), std::string::npos) << *all.begin();
}

TEST(Transitions, AnAnswerInTheLogIsAppliedWithoutBeingJudgedAgain) {
  auto here = region();
  here.send(request("cc-east", "county", "1", monday));
  here.send(command(Action::accept, "county", "1", monday + std::chrono::minutes(5)));
  here.send(command(Action::arrive, "county", "1", monday + std::chrono::hours(1)));
  std::optional<Referral> rebuilt;
  for (const auto& [each, answered] : here.log) {
    const auto written = model::read_referral_command(model::write(each));
    const auto read = model::read_referral_answered(model::write(answered));
    ASSERT_TRUE(written && read);
    if (read->outcome == CommandOutcome::applied) rebuilt = apply(rebuilt ? &*rebuilt : nullptr, *written, *read);
  }
  EXPECT_EQ(seen(*rebuilt), seen(*here.find(rebuilt->id)));
  EXPECT_EQ(rebuilt->version, 3U);
}

TEST(Transitions, ChangesAreBoundedAndThePatientStillArrives) {
  auto here = region();
  here.send(request("cc-east", "county", "1", monday));
  auto when = monday;
  for (std::size_t i = 1; i < limits::referral_steps; ++i) {
    EXPECT_EQ(here.send(command(Action::amend, "cc-east", "1", when = when + std::chrono::seconds(1))).outcome,
              CommandOutcome::applied);
  }
  EXPECT_EQ(here.send(command(Action::amend, "cc-east", "1", when + std::chrono::seconds(1))).refusal,
            Refusal::too_many_changes);
  EXPECT_EQ(here.send(command(Action::arrive, "county", "1", when)).outcome, CommandOutcome::applied);
  EXPECT_EQ(here.send(command(Action::report, "county", "1", when)).outcome, CommandOutcome::applied);
  EXPECT_EQ(here.send(command(Action::close, "county", "1", when)).outcome, CommandOutcome::applied);
}

TEST(Transitions, TheClockOfWhoHasChangedTooOftenGoesOn) {
  auto here = region();
  here.send(request("cc-east", "county", "1", monday));
  here.send(command(Action::accept, "county", "1", monday));
  auto when = monday;
  for (std::size_t i = 2; i < limits::referral_steps; ++i)
    here.send(command(Action::amend, "cc-east", "1", when = when + std::chrono::seconds(1)));
  ASSERT_EQ(here.find(model::referral_id("cc-east", "1"))->steps.size(), limits::referral_steps);
  for (int days = 1; days < 60; ++days) {
    for (const auto& answered : here.clocks(monday + std::chrono::days(days))) ASSERT_FALSE(answered.refusal);
  }
  EXPECT_EQ(here.find(model::referral_id("cc-east", "1"))->state, State::expired);  // by way of the no-show
}

TEST(Transitions, AnAmendmentThatNamesAnotherReceiverRedirects) {
  auto here = region();
  here.send(request("cc-east", "county", "1", monday));
  const auto amend = [&](const std::string& receiver, int minute) {
    auto made = command(Action::amend, "cc-east", "1", monday + std::chrono::minutes(minute));
    made.receiver = receiver;
    made.choice = model::Choice::agreed;
    return here.send(made);
  };
  EXPECT_EQ(amend("county", 1).action, Action::amend);
  const auto moved = amend("city", 2);
  EXPECT_EQ(moved.action, Action::redirect);
  EXPECT_EQ(moved.to, State::redirected);
  const auto* stands = here.find(model::referral_id("cc-east", "1"));
  EXPECT_EQ(stands->receiver, "city");
  EXPECT_EQ(stands->former_receivers, std::vector<std::string>{"county"});
  EXPECT_EQ(stands->steps.back().action, Action::redirect);
  EXPECT_EQ(amend("county", 3).action, Action::redirect) << "each against what stands then";
  EXPECT_EQ(here.find(model::referral_id("cc-east", "1"))->receiver, "county");
  auto others = command(Action::amend, "county", "1", monday + std::chrono::minutes(4));
  others.receiver = "city";
  EXPECT_EQ(here.send(others).refusal, Refusal::not_yours) << "a receiver declines and proposes";
}

TEST(Words, AreThereForEverything) {
  std::set<std::string_view> zh, en;
  const auto take = [&](Words words) {
    EXPECT_FALSE(words.zh.empty());
    EXPECT_FALSE(words.en.empty());
    return zh.insert(words.zh).second && en.insert(words.en).second;
  };
  for (std::size_t i = 0; i < model::referral_states; ++i) EXPECT_TRUE(take(words(state_at(i)))) << i;
  for (std::size_t i = 0; i < model::referral_actions; ++i) EXPECT_TRUE(take(words(static_cast<Action>(i)))) << i;
  for (std::size_t i = 0; i < model::referral_roles; ++i) EXPECT_TRUE(take(words(static_cast<Role>(i)))) << i;
  for (std::size_t i = 0; i < waits; ++i) EXPECT_TRUE(take(words(static_cast<Wait>(i)))) << i;
  model::ReferralAnswered answered;
  for (std::size_t i = 0; i < model::refusals; ++i) {
    answered.refusal = static_cast<Refusal>(i);
    const auto said = explain(answered);
    EXPECT_GE(said.zh.size(), 10U) << i;
    EXPECT_GE(said.en.size(), 10U) << i;
  }
  answered.refusal = Refusal::not_yours;
  answered.from = State::requested;
  answered.action = Action::accept;
  answered.role = Role::sender;
  EXPECT_EQ(explain(answered).zh, "“已申请”时转出机构不能“接受”，可以：补充修改、改转、取消。");
}

}  // namespace
}  // namespace hutong::referral
