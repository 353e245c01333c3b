// Lanes: what is handed over when, told step by step; and a long game of chance against receivers that refuse, are
// silent, are away, and a broker that is killed, in which nothing may be lost, overtaken or repeated without a reason.
#include "broker/pipeline/lanes.h"

#include <gmock/gmock.h>

#include <array>
#include <ctime>

namespace hutong::pipeline {
namespace {

using namespace std::chrono_literals;
using model::EventRef;
using model::HeldState;
using model::OnRefusal;
using port::Receipt;
using port::Taken;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

EventRef ref(std::uint64_t offset, std::uint32_t ordinal = 0) {
  return {{}, offset, ordinal};
}

class LanesTest : public ::testing::Test {
 protected:
  LanesTest() { make(); }
  void make() { lanes = std::make_unique<Lanes>(policy, 1); }

  void read(std::uint64_t offset, std::vector<std::string> of) {
    Lanes::Task task;
    task.ref = ref(offset);
    task.lanes = std::move(of);
    task.appended = {static_cast<std::int64_t>(offset)};
    lanes->read(std::move(task));
    read_up_to = offset + 1;
  }
  // What is handed over now, by its offset; -1: nothing.
  std::int64_t next(std::size_t parallel = 8) {
    auto* task = lanes->next(now, parallel);
    if (!task) return -1;
    under_way[static_cast<std::int64_t>(task->ref.offset)] = task;
    return static_cast<std::int64_t>(task->ref.offset);
  }
  void answer(std::int64_t offset, Taken taken, std::optional<std::chrono::milliseconds> wait = {}) {
    auto* task = under_way.at(offset);
    under_way.erase(offset);
    lanes->settle(*task, {taken, std::string(to_string(taken)), wait}, now, Timestamp{wall()});
  }
  void deliver(std::int64_t offset) {
    ASSERT_EQ(next(), offset);
    answer(offset, Taken::delivered);
  }
  std::int64_t wall() const { return std::chrono::duration_cast<std::chrono::microseconds>(now).count(); }
  model::SubscriberProgress changes() { return lanes->take_changes("s", {{{}, 0, read_up_to}}); }
  void pass(std::chrono::nanoseconds time) { now += time; }
  static std::vector<std::string> held_of(const model::SubscriberProgress& progress) {
    std::vector<std::string> all;
    for (const auto& held : progress.held)
      all.push_back(to_string(held.ref) + " " + std::string(to_string(held.state)));
    return all;
  }

  std::vector<std::uint64_t> numbers() {
    std::vector<std::uint64_t> all;
    for (const auto& done : changes().done) all.push_back(done.number);
    return all;
  }

  LanePolicy policy;
  std::unique_ptr<Lanes> lanes;
  std::map<std::int64_t, Lanes::Task*> under_way;
  Lanes::Ticks now{1h};
  std::uint64_t read_up_to = 0;
};

// A number is an event's place: it stays whatever is tried, overtaken or recorded meanwhile, also by a restart.
TEST_F(LanesTest, an_event_keeps_its_number) {
  policy.numbered = true;
  policy.attempts = 2;
  make();
  read(10, {"a"});
  read(11, {"b"});
  ASSERT_EQ(next(), 10);
  answer(10, Taken::refused);
  deliver(11);
  EXPECT_THAT(numbers(), ElementsAre(2U));
  const auto recorded = changes();
  EXPECT_EQ(recorded.numbers, 2U);
  make();
  lanes->restore(recorded);
  read(10, {"a"});
  read(12, {"c"});
  deliver(10);
  deliver(12);
  EXPECT_THAT(numbers(), ElementsAre(1U, 3U));
  const auto idle = changes();
  EXPECT_TRUE(idle.open.empty());
  make();
  lanes->restore(idle);
  read(13, {"d"});
  deliver(13);
  EXPECT_THAT(numbers(), ElementsAre(4U)) << "nothing was open that would have told";
}

TEST_F(LanesTest, one_patients_events_go_one_after_the_other_and_another_patients_beside_them) {
  read(0, {"a"});
  read(1, {"a"});
  read(2, {"b"});
  EXPECT_EQ(next(), 0);
  EXPECT_EQ(next(), 2);
  EXPECT_EQ(next(), -1) << "the second of a patient whose first is under way";
  answer(2, Taken::delivered);
  EXPECT_EQ(next(), -1);
  answer(0, Taken::delivered);
  EXPECT_EQ(next(), 1);
}

TEST_F(LanesTest, no_more_are_under_way_than_the_sink_takes) {
  read(0, {"a"});
  read(1, {"b"});
  EXPECT_EQ(next(1), 0);
  EXPECT_EQ(next(1), -1);
}

TEST_F(LanesTest, a_merge_waits_for_both_numbers_and_both_wait_for_it) {
  read(0, {"a"});
  read(1, {"b"});
  read(2, {"a", "b"});
  read(3, {"b"});
  read(4, {"a"});
  EXPECT_EQ(next(), 0);
  EXPECT_EQ(next(), 1);
  answer(0, Taken::delivered);
  EXPECT_EQ(next(), -1) << "b is not done";
  answer(1, Taken::delivered);
  EXPECT_EQ(next(), 2);
  EXPECT_EQ(next(), -1);
  answer(2, Taken::delivered);
  const std::set<std::int64_t> both{next(), next()};
  EXPECT_THAT(both, ElementsAre(3, 4));
}

TEST_F(LanesTest, the_cursor_stays_below_what_is_open_and_says_what_is) {
  for (std::uint64_t i = 0; i < 4; ++i) read(i, {"p" + std::to_string(i)});
  EXPECT_EQ(next(), 0);
  EXPECT_EQ(next(), 1);
  answer(1, Taken::delivered);
  auto progress = changes();
  EXPECT_EQ(progress.cursors, (std::vector<model::StreamCursor>{{{}, 0, 4}}));
  EXPECT_THAT(progress.open,
              ElementsAre(model::OpenEvent{ref(0), 1}, model::OpenEvent{ref(2), 3}, model::OpenEvent{ref(3), 4}));
  EXPECT_THAT(progress.done, SizeIs(1));
  EXPECT_FALSE(progress.idle);
  answer(0, Taken::delivered);
  deliver(2);
  deliver(3);
  progress = changes();
  EXPECT_EQ(progress.cursors, (std::vector<model::StreamCursor>{{{}, 4, 4}}));
  EXPECT_THAT(progress.open, IsEmpty());
  EXPECT_TRUE(progress.idle);
  EXPECT_FALSE(lanes->changed());
}

TEST_F(LanesTest, a_refused_event_rests_longer_each_time_and_then_is_a_dead_letter_that_holds_its_patient) {
  policy.attempts = 3;
  make();
  read(0, {"a"});
  read(1, {"a"});
  read(2, {"b"});
  EXPECT_EQ(next(), 0);
  answer(0, Taken::refused);
  EXPECT_EQ(next(), 2) << "another patient's goes on";
  answer(2, Taken::delivered);
  EXPECT_EQ(next(), -1);
  std::chrono::nanoseconds last{0};
  for (int attempt = 2; attempt <= 3; ++attempt) {
    const auto at = lanes->next_at();
    ASSERT_TRUE(at);
    EXPECT_GT(*at - now, last) << "attempt " << attempt;
    last = *at - now;
    pass(*at - now - 1ns);
    EXPECT_EQ(next(), -1) << "before its pause is over";
    pass(1ns);
    ASSERT_EQ(next(), 0) << "attempt " << attempt;
    answer(0, Taken::refused);
  }
  EXPECT_EQ(lanes->dead(), 1U);
  EXPECT_EQ(lanes->held(), 1U);
  EXPECT_EQ(next(), -1);
  pass(1000h);
  EXPECT_EQ(next(), -1) << "a dead letter waits for an operator, its patient with it";
  const auto progress = changes();
  EXPECT_THAT(held_of(progress), ElementsAre("0-0.0 dead", "0-1.0 behind"));
  EXPECT_EQ(progress.cursors.front().next, 3U) << "the cursor goes past what is held";
  read(3, {"a"});
  EXPECT_EQ(next(), -1);
  EXPECT_THAT(held_of(changes()), ElementsAre("0-3.0 behind"));

  EXPECT_EQ(lanes->retry({ref(0)}), 1U);
  EXPECT_EQ(lanes->retry({ref(0)}), 0U) << "it is none any more";
  deliver(0);
  deliver(1);
  deliver(3);
  EXPECT_THAT(changes().released, ElementsAre(ref(0), ref(1), ref(3)));
}

TEST_F(LanesTest, a_dead_letter_may_be_skipped_and_goes_before_what_waits_when_it_is_retried) {
  policy.attempts = 1;
  policy.on_refusal = OnRefusal::skip;
  make();
  read(0, {"a"});
  read(1, {"a"});
  read(2, {"a"});
  read(3, {"a"});
  EXPECT_EQ(next(), 0);
  answer(0, Taken::refused);
  EXPECT_EQ(next(), 1);
  answer(1, Taken::refused);
  EXPECT_THAT(held_of(changes()), ElementsAre("0-0.0 dead", "0-1.0 dead"));
  EXPECT_EQ(lanes->retry_all(), 2U);
  deliver(0);
  EXPECT_EQ(next(), 1) << "oldest first";
  EXPECT_EQ(next(), -1);
  answer(1, Taken::delivered);
  deliver(2);
  EXPECT_EQ(next(), 3);
}

TEST_F(LanesTest, a_retried_letter_does_not_go_beside_one_of_its_patient_that_is_under_way) {
  policy.attempts = 1;
  policy.on_refusal = OnRefusal::skip;
  make();
  read(0, {"a"});
  read(1, {"a"});
  read(2, {"a"});
  EXPECT_EQ(next(), 0);
  answer(0, Taken::refused);
  EXPECT_EQ(next(), 1);
  EXPECT_EQ(lanes->retry_all(), 1U);
  EXPECT_EQ(next(), -1);
  answer(1, Taken::delivered);
  EXPECT_EQ(next(), 0);
  EXPECT_EQ(next(), -1);
}

TEST_F(LanesTest, discarding_frees_the_patient) {
  policy.attempts = 1;
  make();
  read(0, {"a"});
  read(1, {"a"});
  EXPECT_EQ(next(), 0);
  answer(0, Taken::refused);
  EXPECT_EQ(lanes->discard({ref(0)}, Timestamp{7}), 1U);
  const auto progress = changes();
  ASSERT_THAT(progress.done, SizeIs(1));
  EXPECT_TRUE(progress.done[0].discarded);
  deliver(1);
}

TEST_F(LanesTest, what_is_discarded_while_it_is_under_way_does_not_come_back) {
  policy.attempts = 1;
  for (const auto taken : {Taken::delivered, Taken::refused, Taken::broken, Taken::not_now, Taken::unreachable}) {
    SCOPED_TRACE(to_string(taken));
    make();
    read(0, {"a"});
    read(1, {"a"});
    ASSERT_EQ(next(), 0);
    answer(0, Taken::refused);
    changes();
    ASSERT_EQ(lanes->retry({ref(0)}), 1U);
    ASSERT_EQ(next(), 0);
    EXPECT_EQ(lanes->discard({ref(0)}, Timestamp{7}), 1U);
    EXPECT_EQ(lanes->held(), 2U) << "until its answer is there";
    answer(0, taken);
    EXPECT_EQ(lanes->dead(), 0U);
    const auto progress = changes();
    EXPECT_THAT(progress.released, ElementsAre(ref(0)));
    ASSERT_THAT(progress.done, SizeIs(1));
    EXPECT_TRUE(progress.done[0].discarded);
    pass(2min);
    EXPECT_EQ(next(), 1) << "its patient goes on";
  }
}

TEST_F(LanesTest, only_what_is_held_can_be_discarded) {
  policy.attempts = 2;
  make();
  read(0, {"a"});
  ASSERT_EQ(next(), 0);
  answer(0, Taken::refused);
  EXPECT_EQ(lanes->discard({ref(0)}, Timestamp{7}), 0U);
  EXPECT_EQ(lanes->open(), 1U);
}

TEST_F(LanesTest, a_receiver_that_is_away_is_probed_and_nothing_counts_against_the_events) {
  read(0, {"a"});
  read(1, {"b"});
  std::chrono::nanoseconds longest{0};
  for (int i = 0; i < 20; ++i) {
    ASSERT_EQ(next(i == 0 ? 1 : 8), 0);
    if (i > 0) EXPECT_EQ(next(), -1) << "a probe is one";
    answer(0, Taken::unreachable);
    EXPECT_EQ(next(), -1);
    ASSERT_TRUE(lanes->next_at());
    longest = std::max(longest, *lanes->next_at() - now);
    pass(*lanes->next_at() - now);
  }
  EXPECT_LE(longest, policy.longest_probe);
  EXPECT_GT(longest, policy.longest_probe / 2);
  EXPECT_TRUE(lanes->is_shut());
  EXPECT_EQ(lanes->trouble(), "unreachable");
  ASSERT_EQ(next(), 0);
  answer(0, Taken::delivered);
  EXPECT_FALSE(lanes->is_shut());
  EXPECT_EQ(lanes->trouble(), "");
  deliver(1);
  const auto progress = changes();
  EXPECT_EQ(progress.done.front().attempts, 1U);
}

TEST_F(LanesTest, a_receiver_that_says_when_is_asked_then) {
  read(0, {"a"});
  ASSERT_EQ(next(), 0);
  answer(0, Taken::not_now, 90s);
  pass(90s - 1ms);
  EXPECT_EQ(next(), -1);
  pass(1ms);
  EXPECT_EQ(next(), 0);
}

TEST_F(LanesTest, a_receiver_that_asks_for_no_pause_is_not_flooded) {
  read(0, {"a"});
  std::chrono::nanoseconds last{0};
  for (int i = 0; i < 5; ++i) {
    ASSERT_EQ(next(), 0);
    answer(0, Taken::not_now, 0s);
    EXPECT_EQ(next(), -1);
    ASSERT_TRUE(lanes->next_at());
    EXPECT_GT(*lanes->next_at() - now, 100ms);
    last = *lanes->next_at() - now;
    pass(last);
  }
  EXPECT_GT(last, 1s) << "longer each time";
}

TEST_F(LanesTest, attempts_through_an_outage_do_not_count_against_an_event_that_is_refused_afterwards) {
  policy.attempts = 2;
  make();
  read(0, {"a"});
  for (int i = 0; i < 6; ++i) {
    ASSERT_EQ(next(), 0);
    answer(0, i % 2 ? Taken::not_now : Taken::broken);
    ASSERT_TRUE(lanes->next_at());
    pass(*lanes->next_at() - now);
  }
  ASSERT_EQ(next(), 0);
  answer(0, Taken::refused);
  EXPECT_EQ(lanes->dead(), 0U) << "refused once";
  ASSERT_TRUE(lanes->next_at());
  EXPECT_LE(*lanes->next_at() - now, policy.first_pause);
  pass(*lanes->next_at() - now);
  ASSERT_EQ(next(), 0);
  answer(0, Taken::refused);
  EXPECT_EQ(lanes->dead(), 1U);
}

TEST_F(LanesTest, an_event_that_never_gets_an_answer_is_told_from_a_receiver_that_gives_none) {
  read(0, {"poison"});
  ASSERT_EQ(next(), 0);
  answer(0, Taken::not_now);
  ASSERT_TRUE(lanes->is_shut());
  read(1, {"b"});
  pass(policy.first_probe);
  ASSERT_EQ(next(), 1) << "the probe is another patient's";
  answer(1, Taken::delivered);
  ASSERT_EQ(next(), 0);
  answer(0, Taken::not_now);
  EXPECT_FALSE(lanes->is_shut()) << "others get through: it is this one";
  for (std::uint64_t i = 2; i < 50; ++i) {
    read(i, {"b"});
    deliver(static_cast<std::int64_t>(i));
  }
  EXPECT_EQ(lanes->dead(), 0U) << "it is tried for days";
}

TEST_F(LanesTest, an_event_that_others_overtake_for_too_long_is_a_dead_letter) {
  policy.retry_for = 10min;
  make();
  read(0, {"poison"});
  std::uint64_t offset = 1;
  const auto began = now;
  while (lanes->dead() == 0) {
    ASSERT_LT(now - began, 2h);
    const auto at = next();
    if (at == 0) {
      answer(0, Taken::broken);
    } else if (at > 0) {
      answer(at, Taken::delivered);
    } else {
      read(offset++, {"b"});
      pass(1s);
    }
  }
  EXPECT_GE(now - began, 10min);
}

TEST_F(LanesTest, silence_shuts_the_door_after_some_of_it) {
  for (std::uint64_t i = 0; i < 5; ++i) read(i, {"p" + std::to_string(i)});
  for (int i = 0; i < 3; ++i) {
    ASSERT_EQ(next(), i);
    EXPECT_FALSE(lanes->is_shut());
    answer(i, Taken::broken);
  }
  EXPECT_TRUE(lanes->is_shut());
}

TEST_F(LanesTest, the_window_full_of_what_rests_is_emptied_by_holding_it) {
  policy.window = 4;
  policy.attempts = 1000;
  make();
  for (std::uint64_t i = 0; i < 4; ++i) read(i, {i < 2 ? "a" : "p" + std::to_string(i)});
  EXPECT_FALSE(lanes->has_room());
  for (int i : {0, 2, 3}) {
    ASSERT_EQ(next(), i);
    answer(i, Taken::refused);
  }
  EXPECT_EQ(next(), -1);
  EXPECT_TRUE(lanes->has_room());
  EXPECT_THAT(held_of(changes()), ElementsAre("0-0.0 retrying", "0-1.0 behind", "0-2.0 retrying", "0-3.0 retrying"));
  read(4, {"b"});
  deliver(4);
}

TEST_F(LanesTest, too_much_that_is_held_stops_the_reading_and_nothing_else) {
  policy.held_max = 2;
  policy.attempts = 1;
  make();
  for (std::uint64_t i = 0; i < 2; ++i) {
    read(i, {"p" + std::to_string(i)});
    ASSERT_EQ(next(), static_cast<std::int64_t>(i));
    answer(static_cast<std::int64_t>(i), Taken::refused);
  }
  EXPECT_FALSE(lanes->has_room());
  EXPECT_TRUE(lanes->is_full());
  lanes->discard({ref(0)}, Timestamp{1});
  EXPECT_TRUE(lanes->has_room());
}

TEST_F(LanesTest, a_rate_is_kept) {
  policy.rate = 10;
  make();
  for (std::uint64_t i = 0; i < 100; ++i) read(i, {"p" + std::to_string(i)});
  int handed = 0;
  for (int tick = 0; tick < 500; ++tick) {
    for (auto at = next(); at >= 0; at = next()) {
      answer(at, Taken::delivered);
      ++handed;
    }
    pass(10ms);
  }
  EXPECT_NEAR(handed, 50, 2);
}

TEST_F(LanesTest, paused_it_hands_over_nothing_and_takes_what_is_under_way) {
  read(0, {"a"});
  read(1, {"b"});
  ASSERT_EQ(next(), 0);
  lanes->pause(true);
  EXPECT_EQ(next(), -1);
  EXPECT_FALSE(lanes->next_at());
  answer(0, Taken::delivered);
  EXPECT_EQ(next(), -1);
  lanes->pause(false);
  EXPECT_EQ(next(), 1);
}

TEST_F(LanesTest, what_was_held_is_restored_in_its_order) {
  policy.attempts = 1;
  make();
  for (std::uint64_t i = 0; i < 4; ++i) read(i, {i % 2 ? "b" : "a"});
  ASSERT_EQ(next(), 0);
  answer(0, Taken::refused);
  deliver(1);
  const auto progress = changes();
  make();
  for (const auto& held : progress.held) lanes->restore(held);
  read(3, {"b"});
  read(5, {"a"});
  EXPECT_EQ(next(), 3);
  EXPECT_EQ(next(), -1) << "0 is dead, 2 and 5 stand behind it";
  lanes->retry_all();
  deliver(0);
  deliver(2);
  EXPECT_EQ(next(), 5);
}

TEST_F(LanesTest, what_is_held_is_not_read_again_wherever_the_cursor_stands) {
  model::SubscriberProgress recorded;
  recorded.cursors = {{{}, 3, 5}};
  recorded.open = {{ref(3), 1}, {ref(4), 2}};
  lanes->restore(recorded);
  model::HeldEvent held;
  held.lanes = {"a"};
  held.place = 1;
  held.state = HeldState::dead;
  for (const auto at : {3, 7}) {  // open before, and not read yet (of a replay that was carried over)
    held.ref = ref(static_cast<std::uint64_t>(at));
    lanes->restore(held);
  }
  EXPECT_FALSE(lanes->wants(ref(3)));
  EXPECT_TRUE(lanes->wants(ref(4)));
  EXPECT_FALSE(lanes->wants(ref(7)));
  read(4, {"b"});
  EXPECT_TRUE(lanes->wants(ref(5)));
  EXPECT_EQ(next(), 4) << "nothing is awaited";
}

TEST_F(LanesTest, the_oldest_is_told_of_all_streams) {
  EXPECT_FALSE(lanes->oldest_open());
  for (const std::uint32_t partition : {0U, 1U, 2U}) {
    for (std::uint64_t offset = 5; offset < 8; ++offset) {
      Lanes::Task task;
      task.ref = {{0, 0, partition}, offset, 0};
      task.lanes = {"p" + std::to_string(partition)};
      task.appended = {static_cast<std::int64_t>((3 - partition) * 100 + offset)};
      lanes->read(std::move(task));
    }
  }
  EXPECT_EQ(lanes->oldest_open(), Timestamp{105});
  EXPECT_FALSE(lanes->oldest_held());
}

// Each is read at its own cost, not at that of all that stand before it.
TEST_F(LanesTest, behind_a_dead_letter_as_many_may_stand_as_there_is_room_for) {
  policy.attempts = 1;
  make();
  read(0, {"a"});
  ASSERT_EQ(next(), 0);
  answer(0, Taken::refused);
  const auto cost_of = [&](std::uint64_t from, std::uint64_t to) {
    const auto began = std::clock();
    for (std::uint64_t i = from; i < to; ++i) read(i, {"a"});
    return std::clock() - began;
  };
  const auto first = cost_of(1, 10'000);
  cost_of(10'000, 80'000);
  EXPECT_LT(cost_of(80'000, 90'000), 4 * first + CLOCKS_PER_SEC / 20);
  EXPECT_EQ(lanes->held(), 89'999U);
  EXPECT_EQ(lanes->oldest_held(), Timestamp{0});
}

// --- the game ---

// A subscriber with everything around it: a log, what is recorded, a receiver with its moods, and a broker that is
// killed now and then. The receiver holds what happened against what may happen. Events are told apart by their number
// in the order of their time; they lie in two streams (a partition, and one that is read again), of which after a kill
// one may come late.
class Game {
 public:
  Game(std::uint32_t seed, OnRefusal on_refusal) : random_(seed) {
    policy_.on_refusal = on_refusal;
    policy_.window = 2 + chance(30);
    policy_.attempts = static_cast<unsigned>(1 + chance(3));
    parallel_ = 1 + chance(4);
    for (std::uint64_t event = 0; event < 400; ++event) {
      std::vector<std::string> lanes{"p" + std::to_string(chance(12))};
      if (chance(15) == 0) {
        auto other = "p" + std::to_string(chance(12));
        if (other != lanes[0]) lanes.push_back(std::move(other));
      }
      log_.push_back(std::move(lanes));
      auto& stream = streams_[chance(2)];
      refs_.push_back({stream.name, stream.events.size(), 0});
      stream.events.push_back(event);
    }
    for (const auto& stream : streams_) recorded_.cursors.push_back({stream.name, 0, 0});
    poison_ = chance(log_.size());
    start();
  }

  void play() {
    for (int step = 0; step < 6'000; ++step) {
      if (chance(400) == 0) mood_ = static_cast<Mood>(chance(4));
      if (chance(600) == 0) crash();
      if (chance(300) == 0) lanes_->retry_all();
      turn();
    }
    // In the end the receiver takes everything.
    mood_ = Mood::well;
    poison_ = log_.size();
    for (int step = 0; step < 200'000 && !is_over(); ++step) {
      lanes_->retry_all();
      turn();
    }
    flush();
    for (std::size_t event = 0; event < log_.size(); ++event) {
      EXPECT_GE(received_[event], 1) << "lost: " << event;
    }
    for (std::size_t i = 0; i < streams_.size(); ++i) EXPECT_EQ(recorded_.cursors[i].next, streams_[i].events.size());
    EXPECT_TRUE(held_.empty());
  }

 private:
  enum class Mood { well, refuses_some, away, silent };
  struct Of {
    model::Stream name;
    std::vector<std::uint64_t> events = {};
    std::uint64_t read = 0;
  };

  std::size_t chance(std::size_t below) { return random_() % below; }
  std::uint64_t event_of(const EventRef& ref) const {
    return streams_[ref.stream == streams_[0].name ? 0 : 1].events.at(ref.offset);
  }
  bool is_over() const {
    return std::all_of(streams_.begin(), streams_.end(), [](const auto& of) { return of.read == of.events.size(); }) &&
           lanes_->open() + lanes_->held() + lanes_->dead() == 0;
  }

  void start() {
    lanes_ = std::make_unique<Lanes>(policy_, random_());
    std::vector<model::HeldEvent> held;
    for (const auto& [ref, each] : held_) held.push_back(each);
    std::sort(held.begin(), held.end(), [](const auto& a, const auto& b) { return a.place < b.place; });
    lanes_->restore(recorded_);
    for (const auto& each : held) lanes_->restore(each);
    for (std::size_t i = 0; i < streams_.size(); ++i) streams_[i].read = recorded_.cursors[i].next;
    late_ = chance(2) == 0 ? &streams_[chance(2)] : nullptr;
    late_for_ = 200;
    under_way_.clear();
  }

  // Whichever has the earlier event.
  Of* to_read() {
    if (!lanes_->awaits() || late_for_ == 0) late_ = nullptr;
    Of* first = nullptr;
    for (auto& of : streams_) {
      if (&of == late_) continue;
      const auto end = lanes_->awaits() ? lanes_->read_before(of.name) : of.events.size();
      if (of.read >= end) continue;
      if (!first || of.events[of.read] < first->events[first->read]) first = &of;
    }
    return first;
  }

  void turn() {
    now_ += std::chrono::milliseconds(chance(200));
    late_for_ -= late_for_ > 0;
    while (lanes_->has_room() && chance(3) != 0) {
      auto* of = to_read();
      if (!of) break;
      Lanes::Task task;
      task.ref = refs_[of->events[of->read++]];
      task.lanes = log_[event_of(task.ref)];
      if (lanes_->wants(task.ref)) lanes_->read(std::move(task));
      lanes_->passed(of->name, of->read);
    }
    if (auto* task = lanes_->next(now_, parallel_)) {
      under_way_.push_back(task);
      arrive(*task);
    }
    if (!under_way_.empty() && chance(2) == 0) {
      const auto which = chance(under_way_.size());
      auto* task = under_way_[which];
      under_way_.erase(under_way_.begin() + static_cast<std::ptrdiff_t>(which));
      const auto event = event_of(task->ref);
      const auto receipt = answers_.at(event);
      if (receipt.taken == Taken::refused && task->refusals + 1 >= policy_.attempts) was_refused_.insert(event);
      lanes_->settle(*task, receipt, now_,
                     Timestamp{std::chrono::duration_cast<std::chrono::microseconds>(now_).count()});
    }
    if (chance(4) == 0) flush();
  }

  // The receiver gets it, or not, and will answer so.
  void arrive(const Lanes::Task& task) {
    const auto event = event_of(task.ref);
    Receipt receipt{Taken::delivered, "AA", {}};
    if (event == poison_ || (mood_ == Mood::refuses_some && chance(5) == 0)) receipt = {Taken::refused, "AE", {}};
    if (mood_ == Mood::away) receipt = {Taken::unreachable, "refused", {}};
    if (mood_ == Mood::silent && chance(3) != 0) receipt = {Taken::broken, "timeout", {}};
    answers_[event] = receipt;
    const bool reached = receipt.taken == Taken::delivered || (receipt.taken == Taken::broken && chance(2) == 0);
    if (!reached) return;
    if (received_[event] > 0) {
      EXPECT_TRUE(unsure_.contains(event)) << "repeated without a reason: " << event;
    } else {
      for (std::size_t earlier = 0; earlier < event; ++earlier) {
        if (received_[earlier] > 0 || !share_a_lane(earlier, event)) continue;
        // A letter that was skipped is overtaken, that is what it means; nothing else is.
        EXPECT_TRUE(policy_.on_refusal == OnRefusal::skip && was_refused_.contains(earlier))
            << event << " overtook " << earlier;
      }
    }
    ++received_[event];
    if (receipt.taken == Taken::broken) unsure_.insert(event);
    recent_.insert(event);
  }
  bool share_a_lane(std::size_t a, std::size_t b) const {
    return std::any_of(log_[a].begin(), log_[a].end(), [&](const auto& lane) {
      return std::find(log_[b].begin(), log_[b].end(), lane) != log_[b].end();
    });
  }

  void flush() {
    std::vector<model::StreamCursor> cursors;
    bool moved = lanes_->changed();
    for (std::size_t i = 0; i < streams_.size(); ++i) {
      cursors.push_back({streams_[i].name, 0, streams_[i].read});
      moved = moved || recorded_.cursors[i].read < streams_[i].read;
    }
    if (!moved) return;
    recorded_ = lanes_->take_changes("s", cursors);
    for (const auto& held : recorded_.held) held_[held.ref] = held;
    for (const auto& ref : recorded_.released) held_.erase(ref);
    recent_.clear();
    for (auto* task : under_way_) recent_.insert(event_of(task->ref));
  }

  // What was delivered since the last record, and what is under way, may come again.
  void crash() {
    unsure_.insert(recent_.begin(), recent_.end());
    start();
  }

  std::minstd_rand random_;
  LanePolicy policy_;
  std::size_t parallel_ = 1;
  std::vector<std::vector<std::string>> log_;
  std::vector<EventRef> refs_;
  std::array<Of, 2> streams_{Of{{}}, Of{{7, 0, 0}}};
  Of* late_ = nullptr;
  std::size_t late_for_ = 0;
  std::unique_ptr<Lanes> lanes_;
  Lanes::Ticks now_{1h};
  Mood mood_ = Mood::well;
  std::size_t poison_ = 0;
  std::vector<Lanes::Task*> under_way_;
  std::map<std::uint64_t, Receipt> answers_;
  std::map<std::uint64_t, int> received_;
  std::set<std::uint64_t> unsure_, recent_, was_refused_;
  // What is recorded.
  model::SubscriberProgress recorded_;
  std::map<EventRef, model::HeldEvent> held_;
};

TEST(LanesGame, nothing_is_lost_overtaken_or_repeated_without_a_reason) {
  for (std::uint32_t seed = 1; seed <= 200 && !::testing::Test::HasFailure(); ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Game(seed, seed % 2 ? OnRefusal::hold : OnRefusal::skip).play();
  }
}

}  // namespace
}  // namespace hutong::pipeline
