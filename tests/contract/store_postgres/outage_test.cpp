// Two writers, busy and frozen servers, and servers that die in mid-step.
#include <atomic>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/use_future.hpp>
#include <future>
#include <thread>

#include "tests/contract/store_postgres/server.h"

namespace hutong::store {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;

constexpr port::Partition events{port::Topic::events, 0};

class Outage : public ::testing::Test {
 protected:
  Schema schema;
  Psql psql{schema.name()};

  // A hundred rows that bear the step's name, from one cursor to the next.
  static StoreBatch step(port::Cursor from) {
    StoreBatch batch;
    for (std::int64_t n = 0; n < 100; ++n) batch.put(numbers, {n, std::to_string(from.next + 1)});
    batch.cursor = port::Cursor{events, from.next + 1, "log"};
    batch.expected = {std::move(from)};
    return batch;
  }
  static port::Cursor cursor(port::Store& store) {
    for (;;) {
      auto found = await(store.cursor(events));
      if (found) return found->value_or(port::Cursor{events, 0, ""});
      EXPECT_EQ(found.error().code, ErrorCode::unavailable) << found.error().message;
      std::this_thread::yield();
    }
  }
  static Result<std::optional<Row>> look(port::Store& store) { return await(store.get(numbers, {std::int64_t{1}})); }
};

TEST_F(Outage, of_two_writers_each_step_is_written_by_one) {
  std::atomic<int> written{0}, refused{0};
  auto writer = [&] {
    auto store = open(schema.options());
    for (auto at = cursor(*store); at.next < 50; at = cursor(*store)) {
      auto done = await(store->write(step(at)));
      written += done.has_value();
      refused += !done && done.error().code == ErrorCode::conflict;
    }
  };
  std::thread first(writer), second(writer);
  first.join();
  second.join();
  EXPECT_EQ(written, 50);
  EXPECT_THAT(psql.run("SELECT DISTINCT what FROM numbers"), ::testing::ElementsAre("50"));
  RecordProperty("refused", refused);
}

TEST_F(Outage, a_server_killed_in_mid_step_is_found_again_and_shows_whole_steps) {
  auto store = open(schema.options());
  std::atomic<bool> stop{false};
  std::atomic<std::uint64_t> written{0};
  std::thread writer([&] {
    auto at = cursor(*store);
    while (!stop) {
      auto done = await(store->write(step(at)));
      written += done.has_value();
      if (done) ++at.next, at.log_id = "log";
      if (!done) at = cursor(*store);
    }
  });
  for (int round = 0; round < 5; ++round) {
    for (const auto before = written.load(); written < before + 20;) std::this_thread::yield();
    server("kill");
    server("start");
    for (const auto before = written.load(); written == before;) std::this_thread::yield();
    auto rows = await(store->scan(numbers, {}));
    ASSERT_TRUE(rows) << rows.error().message;
    ASSERT_EQ(rows->size(), 100u);
    for (const auto& row : *rows) ASSERT_EQ(row[1], rows->front()[1]);
  }
  stop = true;
  writer.join();
  EXPECT_THAT(Psql(schema.name()).run("SELECT count(*) FROM numbers, cursors WHERE what = next::text"),
              ::testing::ElementsAre("100"));
}

TEST_F(Outage, while_the_server_is_away_calls_are_told_so_at_once) {
  auto store = open(schema.options());
  server("stop");
  auto away = look(*store);
  ASSERT_FALSE(away);
  EXPECT_EQ(away.error().code, ErrorCode::unavailable);
  EXPECT_EQ(await(store->write(step({events, 0, ""}))).error().code, ErrorCode::unavailable);
  server("start");
  cursor(*store);
  EXPECT_TRUE(look(*store));
}

TEST_F(Outage, a_server_that_was_restarted_in_a_quiet_moment_is_not_noticed) {
  auto store = open(schema.options());
  ASSERT_TRUE(look(*store));
  ASSERT_TRUE(await(store->write(step({events, 0, ""}))));
  server("stop");
  server("start");
  EXPECT_TRUE(look(*store));
  EXPECT_TRUE(await(store->write(step({events, 1, "log"}))));
}

TEST_F(Outage, a_statement_that_takes_too_long_is_given_up_and_the_next_one_works) {
  auto options = schema.options();
  options.read_timeout = options.write_timeout = 100ms;
  auto store = open(options);
  psql.run("BEGIN; LOCK TABLE numbers IN ACCESS EXCLUSIVE MODE");
  auto read = look(*store);
  ASSERT_FALSE(read);
  EXPECT_EQ(read.error().code, ErrorCode::timeout);
  EXPECT_EQ(await(store->write(step({events, 0, ""}))).error().code, ErrorCode::timeout);
  psql.run("ROLLBACK");
  EXPECT_TRUE(look(*store));
  EXPECT_TRUE(await(store->write(step({events, 0, ""}))));
}

TEST_F(Outage, a_frozen_server_costs_a_deadline_and_no_thread) {
  auto options = schema.options();
  options.read_timeout = 100ms;
  options.connect_timeout = 200ms;
  auto store = open(options);
  ASSERT_TRUE(look(*store));
  server("freeze");
  auto read = look(*store);
  server("thaw");
  ASSERT_FALSE(read);
  EXPECT_EQ(read.error().code, ErrorCode::timeout);
  cursor(*store);
  EXPECT_TRUE(look(*store));
}

TEST_F(Outage, when_all_readers_are_busy_a_bounded_number_waits_a_bounded_time) {
  auto options = schema.options();
  options.readers = 1;
  options.waiting = 1;
  options.wait = 200ms;
  auto store = open(options);
  psql.run("BEGIN; LOCK TABLE numbers IN ACCESS EXCLUSIVE MODE");
  net::io_context shard{1};
  auto ask = [&] { return net::co_spawn(shard, store->get(numbers, {std::int64_t{1}}), net::use_future); };
  auto busy = ask(), waits = ask(), one_too_many = ask();
  std::thread thread([&] { shard.run(); });
  auto refused = one_too_many.get();
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::overloaded);
  EXPECT_EQ(waits.wait_for(0ms), std::future_status::timeout);  // refused at once, the other still waits
  auto waited = waits.get();
  ASSERT_FALSE(waited);
  EXPECT_EQ(waited.error().code, ErrorCode::overloaded);
  EXPECT_THAT(waited.error().message, HasSubstr("all 1 connections"));
  psql.run("ROLLBACK");
  EXPECT_TRUE(busy.get());
  thread.join();
  EXPECT_TRUE(look(*store));
}

TEST_F(Outage, a_closed_store_says_so) {
  auto store = open(schema.options());
  ASSERT_TRUE(await(store->close()));
  ASSERT_TRUE(await(store->close()));
  EXPECT_EQ(look(*store).error().code, ErrorCode::unavailable);
  EXPECT_EQ(await(store->write(StoreBatch())).error().code, ErrorCode::unavailable);
}

}  // namespace
}  // namespace hutong::store
