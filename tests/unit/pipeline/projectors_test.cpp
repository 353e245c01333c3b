// Several brokers' projectors over one log and one store, and a log of several partitions: one writes, the others stand
// by and take over; nothing happens twice.
#include <boost/asio/co_spawn.hpp>

#include "tests/unit/pipeline/projector_fixture.h"

namespace hutong::pipeline {
namespace {

using testing::IsEmpty;

class Projectors : public ProjectorTest {
 protected:
  // One broker's: runs on an io_context that the test lets go on as it likes.
  struct Broker {
    Broker(port::Log& log, port::Store& store, const Clock& clock, ProjectorOptions options)
        : projector(log, store, metrics, clock, std::move(options)) {
      net::co_spawn(io, projector.run(), [](std::exception_ptr failed) { EXPECT_FALSE(failed); });
    }
    bool projects() { return metrics.gauge("hutong_projecting", "").value() == 1; }
    double created() { return metrics.counter("hutong_effects_total", "", {{"effect", "report_created"}}).value(); }
    // Lets it go on in real time for a moment.
    void go() { io.run_for(std::chrono::milliseconds(120)); }

    PrometheusMetrics metrics;
    net::io_context io{1};
    Projector projector;
  };
  std::unique_ptr<Broker> broker(std::string name = {}) {
    auto with = options();
    with.patience = std::chrono::milliseconds(1);
    with.take_over = std::chrono::seconds(5);
    with.name = name.empty() ? "broker " + std::to_string(++brokers) : std::move(name);
    return std::make_unique<Broker>(log, *store, clock, with);
  }
  int brokers = 0;
};

TEST_F(Projectors, who_starts_beside_a_living_one_stands_by_and_sees_what_it_applies) {
  auto a = broker(), b = broker();
  a->go();
  b->go();
  EXPECT_TRUE(a->projects());
  EXPECT_FALSE(b->projects());
  append(Message("c1").report({}));
  b->go();
  EXPECT_EQ(b->projector.projected(), 0U);
  a->go();
  b->go();
  EXPECT_EQ(b->projector.projected(), 1U) << "as the store says";
  EXPECT_EQ(a->created() + b->created(), 1) << "once";
}

TEST_F(Projectors, one_that_was_frozen_is_fenced_and_sure_of_nothing) {
  auto a = broker(), b = broker();
  a->go();
  b->go();
  append(Message("c1").report({}));
  a->go();
  b->go();
  EXPECT_TRUE(a->projector.confirmed());
  clock.advance(std::chrono::seconds(6));
  EXPECT_FALSE(a->projector.confirmed());
  b->go();
  ASSERT_TRUE(b->projects());
  EXPECT_TRUE(b->projector.confirmed());
  append(Message("c2", {.number = "P2"}).report({.number = "R2"}));
  a->go();  // its cursors are from before
  EXPECT_FALSE(a->projects());
  EXPECT_FALSE(a->projector.confirmed());
  b->go();
  a->go();
  EXPECT_EQ(a->projector.projected(), 2U);
  EXPECT_TRUE(b->projects());
  EXPECT_EQ(a->created() + b->created(), 2) << "once each";
}

// What it was about to write rests on the turn, too: the first step of whoever takes it moves nothing else.
TEST_F(Projectors, a_write_of_one_whose_turn_was_taken_meanwhile_is_refused) {
  auto a = broker(), b = broker();
  a->go();
  b->go();
  clock.advance(std::chrono::seconds(6));
  b->go();
  ASSERT_TRUE(b->projects());
  append(Message("c1").report({}));
  a->go();
  EXPECT_EQ(a->created(), 0);
  EXPECT_FALSE(a->projects());
}

TEST_F(Projectors, one_that_stands_by_takes_over_when_nothing_moves_though_something_waits) {
  auto a = broker(), b = broker();
  a->go();
  b->go();
  append(Message("c1").report({}));
  a->go();
  b->go();
  append(Message("c2", {.number = "P2"}).report({.number = "R2"}));
  b->go();
  ASSERT_FALSE(b->projects());
  a.reset();  // killed
  append(Message("c3", {.number = "P3"}).report({.number = "R3"}));
  b->go();
  EXPECT_FALSE(b->projects()) << "it might only be slow";
  EXPECT_EQ(b->projector.projected(), 1U);
  clock.advance(std::chrono::seconds(6));
  b->go();
  EXPECT_TRUE(b->projects());
  EXPECT_EQ(b->projector.projected(), 3U);
  EXPECT_EQ(rows(tables::reports).size(), 3U);
  expect_rebuild_is_equal();
}

TEST_F(Projectors, a_pause_in_the_traffic_changes_no_turn) {
  auto a = broker(), b = broker();
  a->go();
  b->go();
  for (int i = 0; i < 10; ++i) {
    clock.advance(std::chrono::seconds(2));
    a->go();  // a sign of life
    b->go();
    ASSERT_FALSE(b->projects()) << i;
  }
  EXPECT_TRUE(a->projects());
}

// Reminders, alerts and what is delivered again wait for no message.
TEST_F(Projectors, the_turn_of_a_dead_one_is_taken_though_nothing_waits) {
  auto a = broker(), b = broker();
  a->go();
  b->go();
  a.reset();
  clock.advance(std::chrono::seconds(6));
  b->go();
  EXPECT_TRUE(b->projects());
}

TEST_F(Projectors, one_that_was_killed_does_not_wait_for_itself) {
  auto a = broker("a");
  a->go();
  ASSERT_TRUE(a->projects());
  a.reset();
  a = broker("a");
  append(Message("c1").report({}));
  a->go();
  EXPECT_TRUE(a->projects());
  EXPECT_EQ(a->projector.projected(), 1U);
}

TEST_F(Projectors, one_that_leaves_is_not_waited_for) {
  auto a = broker(), b = broker();
  a->go();
  b->go();
  a->projector.stop();
  a->go();
  await(a->projector.leave());
  b->go();
  EXPECT_TRUE(b->projects());
}

TEST_F(Projectors, what_a_dead_one_had_decided_but_not_told_is_told_by_its_successor) {
  auto with = options();
  with.emit = false;  // killed between its write and its append
  Projector first(log, *store, metrics, clock, with);
  auto b = broker();
  b->go();
  const auto card = "110101198001021234";
  append(Message("c1", {.number = "P1", .facility = "h1", .card = card}));
  append(Message("c2", {.number = "P2", .facility = "h2", .card = card}));
  ASSERT_TRUE(await(first.catch_up()));
  ASSERT_EQ(rows(tables::pending).size(), 1U);
  b->go();  // nothing of the log waits, but the decision does
  for (int i = 0; i < 2 && !b->projects(); ++i) {
    clock.advance(std::chrono::seconds(6));
    b->go();
  }
  EXPECT_TRUE(same_person("h1", "P1", "h2", "P2"));
  EXPECT_EQ(in_log(port::Topic::identity).size(), 1U) << "one decision";
  EXPECT_THAT(rows(tables::pending), IsEmpty());
}

class Partitions : public ProjectorTest {
 protected:
  Partitions() { projector = std::make_unique<Projector>(spread, *store, metrics, clock, options()); }
  memory::MemoryLog spread{clock, 4};
};

TEST_F(Partitions, every_partition_is_applied_and_counted) {
  std::map<std::uint32_t, port::Offset> told;
  auto with = options();
  with.on_projected = [&](port::Partition partition, port::Offset next) {
    if (partition.topic == port::Topic::events) told[partition.number] = next;
  };
  Projector all(spread, *store, metrics, clock, with);
  const auto card = "110101198001021234";
  for (int i = 0; i < 20; ++i) {
    std::vector<port::Record> batch;
    Message message("c" + std::to_string(i), {.number = "P" + std::to_string(i), .card = i < 2 ? card : ""});
    batch.push_back(message.report({.number = "R" + std::to_string(i)}).record());
    ASSERT_TRUE(await(spread.append(port::Topic::events, std::move(batch))));
  }
  ASSERT_TRUE(await(all.catch_up()));
  EXPECT_EQ(rows(tables::reports).size(), 20U);
  EXPECT_EQ(all.projected(), 20U);
  EXPECT_EQ(all.lag_records(), 0U);
  EXPECT_GT(told.size(), 1U) << "the keys went to one partition only";
  port::Offset sum = 0;
  for (const auto& [number, next] : told) {
    sum += next;
    EXPECT_EQ((*await(store->cursor({port::Topic::events, number})))->next, next);
  }
  EXPECT_EQ(sum, 20U);
  EXPECT_TRUE(same_person("h1", "P0", "h1", "P1"));

  store::MemoryStore fresh;
  PrometheusMetrics other;
  ASSERT_TRUE(await(rebuild(spread, fresh, other, clock, options())));
  const auto now = everything(*store), again = everything(fresh);
  for (const auto& [table, expected] : now) EXPECT_EQ(again.at(table), expected) << table;
}

TEST_F(Partitions, a_record_in_any_partition_wakes_the_projector) {
  auto with = options();
  with.patience = std::chrono::hours(1);
  Projector tailing(spread, *store, metrics, clock, with);
  net::io_context context{1};
  net::co_spawn(context, tailing.run(), [](std::exception_ptr failed) { EXPECT_FALSE(failed); });
  context.run_for(std::chrono::milliseconds(20));
  for (int i = 0; i < 8; ++i) {
    std::vector<port::Record> batch;
    Message message("c" + std::to_string(i), {.number = "P" + std::to_string(i)});
    batch.push_back(message.record());
    net::co_spawn(context, spread.append(port::Topic::events, std::move(batch)), [](std::exception_ptr, auto) {});
    context.run_for(std::chrono::milliseconds(20));
    EXPECT_EQ(tailing.projected(), static_cast<port::Offset>(i + 1));
  }
}

}  // namespace
}  // namespace hutong::pipeline
