// What the fold keeps of deliveries, and of events that nobody is told of.
#include "broker/base/limits.h"
#include "broker/model/delivery.h"
#include "broker/pipeline/delivery_desk.h"
#include "broker/pipeline/effects_delivery.h"
#include "tests/unit/pipeline/projector_fixture.h"

namespace hutong::pipeline {
namespace {

using model::DeliveryAction;
using model::EventRef;
using model::HeldState;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class ProjectorDelivery : public ProjectorTest {
 protected:
  static EventRef ref(std::uint64_t offset) { return {{}, offset, 0}; }

  model::DeliveryProgressed progress(std::uint64_t next, std::uint64_t term = 5) {
    model::DeliveryProgressed progressed;
    progressed.log = log.id();
    progressed.term = term;
    progressed.at = clock.now();
    progressed.router = {{{}, next, next}};
    model::SubscriberProgress one;
    one.name = "ward";
    one.cursors = {{{}, next, next}};
    progressed.subscribers.push_back(one);
    return progressed;
  }
  void tell(model::DeliveryProgressed progressed) {
    progressed.id = RecordId(sha256(std::to_string(++records_)));
    append({progressed.id, "delivery", std::string(model::delivery_progressed_kind), write(progressed), ""},
           port::Topic::operations);
    project();
  }
  void tell(model::DeliveryCommanded commanded) {
    commanded.id = RecordId(sha256(std::to_string(++records_)));
    commanded.log = commanded.log.empty() ? log.id() : commanded.log;
    commanded.at = clock.now();
    append({commanded.id, "delivery", std::string(model::delivery_commanded_kind), write(commanded), ""},
           port::Topic::operations);
    project();
  }
  model::DeliveryCommanded command(DeliveryAction action, std::vector<EventRef> letters = {}) {
    model::DeliveryCommanded said;
    said.subscription = "ward";
    said.action = action;
    said.letters = std::move(letters);
    said.by = "李";
    said.reason = "told by phone";
    return said;
  }
  static model::HeldEvent held(std::uint64_t offset, HeldState state, std::uint64_t place) {
    model::HeldEvent event;
    event.ref = ref(offset);
    event.state = state;
    event.lanes = {"h1/P1"};
    event.place = place;
    event.attempts = state == HeldState::dead ? 5 : 0;
    event.answer = state == HeldState::dead ? "AE" : "";
    return event;
  }
  std::uint64_t cursor_of(const std::string& name) {
    auto row = *await(store->get(tables::subscribers, {name}));
    return row ? model::read_standing(text(*row, 1))->cursors.at(0).next : 0;
  }
  std::vector<std::string> states() {
    std::vector<std::string> all;
    for (const auto& row : rows(tables::held)) all.push_back(to_string(held_of(row).ref) + " " + text(row, 6));
    return all;
  }
  int records_ = 0;
};

// What clients subscribe to: the next version stands, and nothing is kept of what they have deleted.
class ProjectorDeclared : public ProjectorDelivery {
 protected:
  model::SubscriptionDeclared declared(std::uint64_t version, model::DeclaredState state) {
    model::SubscriptionDeclared one;
    one.subscription = "00112233445566778899aabbccddeeff";
    one.version = version;
    one.state = state;
    one.id = RecordId(sha256("declared" + std::to_string(++records_)));
    one.at = clock.now();
    one.client = "c";
    one.criteria = "Patient?";
    one.endpoint = "https://his.example.cn/in";
    one.filter.kinds = {"patient.updated"};
    return one;
  }
  void declare(std::uint64_t version, model::DeclaredState state) {
    const auto one = declared(version, state);
    append({one.id, "delivery", std::string(model::subscription_declared_kind), write(one), ""},
           port::Topic::operations);
    project();
  }
  model::DeliveryProgressed told(std::uint64_t number) {
    auto progressed = progress(number);
    auto& one = progressed.subscribers[0];
    one.name = name;
    one.numbers = number;
    one.done = {{ref(number - 1), clock.now(), 1, "200", false, number}, {ref(90), clock.now(), 1, "withheld"}};
    one.held = {held(number + 100, HeldState::dead, number + 1)};
    return progressed;
  }
  std::vector<std::string> states_declared() {
    std::vector<std::string> all;
    for (const auto& row : rows(tables::declared_subscriptions)) {
      const auto read = model::read_subscription_declared(text(row, 2));
      all.push_back(std::to_string(read->version) + " " + std::string(to_string(read->state)));
    }
    return all;
  }
  const std::string name = "fhir-00112233445566778899aabbccddeeff";
};

TEST_F(ProjectorDeclared, the_first_word_for_a_version_stands) {
  using model::DeclaredState;
  declare(1, DeclaredState::requested);
  declare(2, DeclaredState::off);
  declare(2, DeclaredState::active);  // the handshake's outcome came later than the client's change
  declare(4, DeclaredState::active);
  EXPECT_THAT(states_declared(), ElementsAre("2 off"));
  expect_rebuild_is_equal();
}

TEST_F(ProjectorDeclared, what_was_told_is_known_by_its_number) {
  declare(1, model::DeclaredState::active);
  tell(told(1));
  tell(told(2));
  std::vector<std::string> events;
  for (const auto& row : rows(tables::told_events)) events.push_back(text(row, 2));
  EXPECT_THAT(events, ElementsAre("0-0.0", "0-1.0"));
  expect_rebuild_is_equal();
}

TEST_F(ProjectorDeclared, nothing_is_kept_of_one_that_is_deleted_whatever_is_still_said_of_it) {
  using model::DeclaredState;
  declare(1, DeclaredState::active);
  tell(told(1));
  EXPECT_THAT(states(), SizeIs(1));
  declare(2, DeclaredState::deleted);
  tell(told(2));
  declare(3, DeclaredState::active);
  EXPECT_THAT(states_declared(), IsEmpty());
  EXPECT_THAT(states(), IsEmpty());
  EXPECT_THAT(rows(tables::subscribers), SizeIs(1)) << "the router's";
  EXPECT_THAT(rows(tables::told_events), SizeIs(1)) << "forgotten in time";
  expect_rebuild_is_equal();
}

TEST_F(ProjectorDelivery, who_begins_ends_the_term_of_the_one_before) {
  tell(progress(7, 5));
  auto begun = progress(0, 6);
  begun.router.clear();
  begun.subscribers.clear();
  tell(begun);
  EXPECT_EQ(cursor_of(""), 7U) << "the router stays where it was";
  auto late = progress(8, 5);
  late.subscribers[0].held = {held(7, HeldState::dead, 1)};
  tell(late);
  EXPECT_EQ(cursor_of("ward"), 7U);
  EXPECT_THAT(states(), IsEmpty());
  tell(progress(9, 6));
  EXPECT_EQ(cursor_of("ward"), 9U);
  expect_rebuild_is_equal();
}

TEST_F(ProjectorDelivery, a_subscribers_place_is_what_was_said_last_and_a_rebuild_finds_it) {
  tell(progress(7));
  tell(progress(9));
  EXPECT_EQ(cursor_of("ward"), 9U);
  EXPECT_EQ(cursor_of(""), 9U) << "the router's";
  expect_rebuild_is_equal();
}

TEST_F(ProjectorDelivery, what_an_earlier_deliverer_still_says_does_not_count) {
  tell(progress(9, 20));
  tell(progress(7, 5));
  EXPECT_EQ(cursor_of("ward"), 9U);
}

TEST_F(ProjectorDelivery, offsets_of_another_log_do_not_count) {
  tell(progress(9));
  auto other = progress(70);
  other.log = "another";
  tell(other);
  EXPECT_EQ(cursor_of("ward"), 9U);
  auto said = command(DeliveryAction::pause);
  said.log = "another";
  tell(said);
  EXPECT_EQ(number(rows(tables::subscribers, {std::string("ward")}).at(0), 2), 0);
}

TEST_F(ProjectorDelivery, what_is_held_stays_until_it_is_delivered_or_given_up) {
  auto progressed = progress(9);
  progressed.subscribers[0].held = {held(3, HeldState::dead, 1), held(4, HeldState::behind, 2),
                                    held(6, HeldState::dead, 3)};
  tell(progressed);
  EXPECT_THAT(states(), ElementsAre("0-3.0 dead", "0-4.0 behind", "0-6.0 dead"));
  tell(command(DeliveryAction::retry, {ref(3), ref(4)}));
  EXPECT_THAT(states(), ElementsAre("0-3.0 behind", "0-4.0 behind", "0-6.0 dead"))
      << "it waits its turn, with fresh attempts";
  tell(command(DeliveryAction::discard, {ref(6)}));
  EXPECT_THAT(states(), ElementsAre("0-3.0 behind", "0-4.0 behind"));

  auto later = progress(9);
  later.subscribers[0].released = {ref(3), ref(6)};
  later.subscribers[0].done = {{ref(3), clock.now(), 2, "AA", false}, {ref(6), clock.now(), 5, "", true}};
  tell(later);
  EXPECT_THAT(states(), ElementsAre("0-4.0 behind"));
  const auto ended = rows(tables::held_before);
  ASSERT_THAT(ended, SizeIs(2));
  EXPECT_EQ(text(ended[0], 6), "delivered");
  EXPECT_EQ(text(ended[0], 9), "AA");
  EXPECT_EQ(text(ended[1], 6), "discarded");
  EXPECT_EQ(text(ended[1], 10), "李") << "who gave it up stays known when the deliverer says so, too";
  EXPECT_EQ(text(ended[1], 11), "told by phone");
  expect_rebuild_is_equal();
}

TEST_F(ProjectorDelivery, a_pause_outlives_progress) {
  tell(progress(7));
  tell(command(DeliveryAction::pause));
  tell(progress(8));
  EXPECT_EQ(number(rows(tables::subscribers, {std::string("ward")}).at(0), 2), 1);
  tell(command(DeliveryAction::resume));
  EXPECT_EQ(number(rows(tables::subscribers, {std::string("ward")}).at(0), 2), 0);
}

TEST_F(ProjectorDelivery, a_replay_stands_until_it_is_done) {
  tell(progress(7));
  auto said = command(DeliveryAction::replay);
  said.ranges = {{{}, 0, 7}};
  said.patient = "h1/P1";
  tell(said);
  const auto standing = rows(tables::replays);
  ASSERT_THAT(standing, SizeIs(1));
  EXPECT_EQ(*model::read_ranges(text(standing[0], 2)), said.ranges);
  auto progressed = progress(7);
  progressed.subscribers[0].replayed = {static_cast<std::uint32_t>(number(standing[0], 1))};
  tell(progressed);
  EXPECT_THAT(rows(tables::replays), IsEmpty());
}

TEST_F(ProjectorDelivery, nobody_is_told_of_what_changed_nothing) {
  Message first("c1");
  first.report({}).report({.number = "R2"});
  ProjectorTest::tell(first);  // 0
  ProjectorTest::tell(
      Message("c2").report({}).report({.number = "R3"}));  // 1: R1 again under another control id, R3 new
  append(first.record());                                  // 2: the log holds it again
  LabReport late;
  late.status = ResultStatus::preliminary;
  late.items = {{"GLU", "4.0", ResultStatus::preliminary}};
  ProjectorTest::tell(Message("c4").report(late));  // 3
  LabReport corrected;
  corrected.status = ResultStatus::corrected;
  corrected.items = {{"GLU", "9.9", ResultStatus::corrected}};
  ProjectorTest::tell(Message("c5").report(corrected));  // 4: news
  std::vector<std::pair<std::int64_t, std::string>> unsaid;
  for (const auto& row : rows(tables::no_change)) unsaid.emplace_back(number(row, 1), text(row, 2));
  EXPECT_THAT(unsaid,
              ElementsAre(std::pair(std::int64_t{1}, std::string(" 0 ")), std::pair(std::int64_t{2}, std::string("*")),
                          std::pair(std::int64_t{3}, std::string(" 0 "))));
  expect_rebuild_is_equal();
}

TEST_F(ProjectorDelivery, a_page_that_the_letters_fill_says_where_the_next_begins) {
  constexpr std::size_t page = limits::page_items_max, all = 2 * page;
  auto progressed = progress(all);
  for (std::size_t i = 0; i < all; ++i) progressed.subscribers[0].held.push_back(held(i, HeldState::dead, i + 1));
  tell(progressed);
  DeliveryDesk desk(
      log, *store, clock, nullptr, [] { return std::make_shared<std::vector<model::Subscription>>(); },
      [] { return std::make_shared<model::FacilityDirectory>(); });
  auto first = await(desk.dead_letters("", "dead", "", page));
  ASSERT_TRUE(first) << first.error().message;
  ASSERT_THAT(first->letters, SizeIs(page));
  ASSERT_EQ(first->next, "ward/" + first->letters.back().id);
  auto second = await(desk.dead_letters("", "dead", first->next, page));
  ASSERT_TRUE(second) << second.error().message;
  EXPECT_THAT(second->letters, SizeIs(page));
  EXPECT_EQ(second->next, "");
}

}  // namespace
}  // namespace hutong::pipeline
