// What every Log promises (broker/port/log.h), over every implementation.
#include <gmock/gmock.h>

#include <atomic>
#include <boost/asio/detached.hpp>
#include <map>
#include <thread>

#include "broker/base/limits.h"
#include "tests/contract/log/log_fixture.h"

namespace hutong::contract {
namespace {

using port::Partition;
using port::Record;
using port::Topic;
using ::testing::ElementsAre;
using tests::await;

constexpr Partition events{Topic::events, 0};

class LogContract : public ::testing::TestWithParam<Kind> {
 protected:
  port::Log& log() { return under_test_->log(); }

  Result<std::vector<port::Position>> append(Topic topic, std::vector<Record> batch) {
    return await(log().append(topic, std::move(batch)));
  }
  Result<port::Slice> read(Partition partition, port::Offset from, port::ReadLimit limit = {}) {
    return await(log().read(partition, from, limit));
  }
  std::vector<std::string> names(Partition partition, port::Offset from = 0) {
    std::vector<std::string> names;
    for (;;) {
      const auto slice = read(partition, from);
      if (!slice) {
        ADD_FAILURE() << slice.error().message;
        return names;
      }
      if (slice->records.empty()) return names;
      for (const auto& stored : slice->records) names.push_back(stored.record.key.substr(9));
      from = slice->next;
    }
  }

  std::unique_ptr<LogUnderTest> under_test_ = GetParam().make();
};

TEST_P(LogContract, gives_back_what_was_appended_in_order) {
  const auto first = append(Topic::events, {record("a"), record("b")});
  const auto second = append(Topic::events, {record("c")});
  ASSERT_TRUE(first && second);
  ASSERT_EQ(first->size(), 2U);
  EXPECT_LT((*first)[0].offset, (*first)[1].offset);
  EXPECT_LT((*first)[1].offset, (*second)[0].offset);
  EXPECT_EQ((*first)[0].partition, events);

  const auto slice = read(events, 0);
  ASSERT_TRUE(slice);
  ASSERT_EQ(slice->records.size(), 3U);
  for (std::size_t i = 0; i < 3; ++i) {
    const Record expected = record(std::string(1, static_cast<char>('a' + i)));
    const auto& stored = slice->records[i];
    EXPECT_EQ(stored.record.id, expected.id);
    EXPECT_EQ(stored.record.key, expected.key);
    EXPECT_EQ(stored.record.kinds, expected.kinds);
    EXPECT_EQ(stored.record.json, expected.json);
    EXPECT_EQ(stored.record.raw, expected.raw);
    EXPECT_EQ(stored.offset, i < 2 ? (*first)[i].offset : (*second)[0].offset);
    EXPECT_GE(stored.appended, slice->records[0].appended);
  }
  EXPECT_EQ(slice->next, (*second)[0].offset + 1);
}

TEST_P(LogContract, an_empty_append_changes_nothing) {
  const auto positions = append(Topic::events, {});
  ASSERT_TRUE(positions);
  EXPECT_TRUE(positions->empty());
  EXPECT_EQ(await(log().end(events)), 0U);
}

TEST_P(LogContract, empty_fields_and_any_bytes_survive) {
  Record odd;
  odd.raw = std::string("\0\x0b\x1c\r\xff\xfe", 6);
  odd.json = std::string(1, '\0');
  ASSERT_TRUE(append(Topic::quarantine, {odd}));
  const auto slice = read({Topic::quarantine, 0}, 0);
  ASSERT_TRUE(slice);
  ASSERT_EQ(slice->records.size(), 1U);
  EXPECT_EQ(slice->records[0].record.raw, odd.raw);
  EXPECT_EQ(slice->records[0].record.json, odd.json);
  EXPECT_TRUE(slice->records[0].record.key.empty());
  EXPECT_TRUE(slice->records[0].record.id.empty());
}

TEST_P(LogContract, topics_are_apart) {
  for (const Topic topic : port::all_topics) ASSERT_TRUE(append(topic, {record(std::string(to_string(topic)))}));
  for (const Topic topic : port::all_topics) {
    EXPECT_THAT(names({topic, 0}), ElementsAre(std::string(to_string(topic))));
    EXPECT_EQ(await(log().end({topic, 0})), 1U);
    EXPECT_GE(log().partitions(topic), 1U);
  }
}

TEST_P(LogContract, reading_past_the_end_is_empty_and_says_where_to_go_on) {
  ASSERT_TRUE(append(Topic::events, {record("a")}));
  const auto slice = read(events, 1);
  ASSERT_TRUE(slice);
  EXPECT_TRUE(slice->records.empty());
  EXPECT_EQ(slice->next, 1U);
  const auto far = read(events, 1000);
  ASSERT_TRUE(far);
  EXPECT_TRUE(far->records.empty());
  EXPECT_EQ(far->next, 1000U);
}

TEST_P(LogContract, read_limits_hold_and_one_record_is_always_given) {
  std::vector<Record> batch;
  for (int i = 0; i < 10; ++i) batch.push_back(record(std::to_string(i), 1000));
  ASSERT_TRUE(append(Topic::events, batch));
  EXPECT_EQ(read(events, 0, {.records = 3, .bytes = 1 << 20, .with_raw = true})->records.size(), 3U);
  EXPECT_EQ(read(events, 8, {.records = 3, .bytes = 1 << 20, .with_raw = true})->records.size(), 2U);
  const auto one = read(events, 4, {.records = 3, .bytes = 1, .with_raw = true});
  ASSERT_EQ(one->records.size(), 1U);
  EXPECT_EQ(one->records[0].offset, 4U);
  EXPECT_EQ(one->next, 5U);
  const auto two = read(events, 0, {.records = 100, .bytes = 2300, .with_raw = true});
  EXPECT_EQ(two->records.size(), 2U);
}

TEST_P(LogContract, raw_can_be_left_out) {
  ASSERT_TRUE(append(Topic::events, {record("a", 5000), record("b", 5000)}));
  const auto slice = read(events, 0, {.records = 10, .bytes = 1000, .with_raw = false});
  ASSERT_TRUE(slice);
  ASSERT_EQ(slice->records.size(), 2U);
  EXPECT_TRUE(slice->records[1].record.raw.empty());
  EXPECT_EQ(slice->records[1].record.json, record("b").json);
}

TEST_P(LogContract, large_records_between_small_ones) {
  ASSERT_TRUE(append(Topic::events, {record("a")}));
  ASSERT_TRUE(append(Topic::events, {record("large", 16 * 1024 * 1024)}));
  ASSERT_TRUE(append(Topic::events, {record("c")}));
  EXPECT_THAT(names(events), ElementsAre("a", "large", "c"));
  const auto slice = read(events, 1, {.records = 1, .bytes = 1, .with_raw = true});
  ASSERT_TRUE(slice);
  EXPECT_EQ(slice->records[0].record.raw, std::string(16 * 1024 * 1024, 'e'));
}

// The embedded journal is the one that is left; it keeps nothing of this.
TEST_P(LogContract, what_is_carried_keeps_its_append_time_and_its_place) {
  if (std::string_view(GetParam().name).starts_with("journal")) return;
  auto moved = record("a");
  moved.carried = {Timestamp{1'767'294'245'678'901}, 41};
  ASSERT_TRUE(append(Topic::events, {moved, record("b")}));
  const auto slice = read(events, 0);
  ASSERT_TRUE(slice);
  ASSERT_EQ(slice->records.size(), 2U);
  EXPECT_EQ(slice->records[0].appended.micros, 1'767'294'245'678'901);
  ASSERT_TRUE(slice->records[0].record.carried);
  EXPECT_EQ(slice->records[0].record.carried->offset, 41U);
  EXPECT_FALSE(slice->records[1].record.carried);
  EXPECT_GT(slice->records[1].appended, slice->records[0].appended);
}

TEST_P(LogContract, limits_refuse_at_plus_one) {
  std::vector<Record> batch(limits::batch_records, record("a", 0));
  EXPECT_TRUE(append(Topic::operations, batch));
  batch.push_back(record("a", 0));
  const auto many = append(Topic::operations, batch);
  ASSERT_FALSE(many);
  EXPECT_EQ(many.error().code, ErrorCode::too_large);

  Record limit;
  limit.raw.assign(limits::record_bytes, 'r');
  EXPECT_TRUE(append(Topic::operations, {limit}));
  limit.raw.push_back('r');
  const auto large = append(Topic::operations, {limit});
  ASSERT_FALSE(large);
  EXPECT_EQ(large.error().code, ErrorCode::too_large);
  EXPECT_EQ(await(log().end({Topic::operations, 0})), limits::batch_records + 1);
}

TEST_P(LogContract, waiting_ends_when_the_log_grows_or_patience_does) {
  using std::chrono::milliseconds;
  await(log().wait_beyond(events, 0, milliseconds(1)));  // nothing comes: returns all the same
  ASSERT_TRUE(append(Topic::events, {record("a")}));
  await(log().wait_beyond(events, 0, std::chrono::hours(1)));  // it is there already

  net::io_context shard{1};
  bool woken = false;
  port::Offset seen = 0;
  net::co_spawn(
      shard,
      [&]() -> net::awaitable<void> {
        co_await log().wait_beyond(events, 1, std::chrono::hours(1));
        woken = true;
        seen = *co_await log().end(events);
      },
      net::detached);
  net::co_spawn(
      shard, [&]() -> net::awaitable<void> { co_await log().append(Topic::events, {record("b")}); }, net::detached);
  shard.run();
  EXPECT_TRUE(woken);
  EXPECT_GE(seen, 2U);
}

TEST_P(LogContract, appends_from_many_shards_keep_each_ones_order) {
  constexpr int shards = 4, sessions = 8, appends = 25, size = 3;
  std::atomic<int> failures{0};
  std::vector<std::thread> threads;
  ASSERT_TRUE(append(Topic::events, {record("first")}));
  for (int s = 0; s < shards; ++s) {
    threads.emplace_back([&, s] {
      net::io_context shard{1};
      for (int c = 0; c < sessions; ++c) {
        net::co_spawn(
            shard,
            [&, s, c]() -> net::awaitable<void> {
              for (int i = 0; i < appends; ++i) {
                std::vector<Record> batch;
                for (int k = 0; k < size; ++k) {
                  batch.push_back(
                      record(std::to_string(s) + "." + std::to_string(c) + "." + std::to_string(i * size + k)));
                }
                const auto positions = co_await log().append(Topic::events, std::move(batch));
                if (!positions || positions->size() != size) failures++;
              }
            },
            net::detached);
      }
      shard.run();
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(failures, 0);
  std::map<std::string, int> next;
  const auto all = names(events, 1);
  EXPECT_EQ(all.size(), static_cast<std::size_t>(shards * sessions * appends * size));
  for (const std::string& name : all) {
    const auto dot = name.rfind('.');
    ASSERT_EQ(std::stoi(name.substr(dot + 1)), next[name.substr(0, dot)]++);
  }
}

TEST_P(LogContract, closing_answers_every_append_and_loses_none_that_was_acknowledged) {
  int acknowledged = 0, refused = 0;
  net::io_context shard{1};
  for (int i = 0; i < 20; ++i) {
    net::co_spawn(
        shard,
        [&, i]() -> net::awaitable<void> {
          const auto positions = co_await log().append(Topic::events, {record(std::to_string(i))});
          ++(positions ? acknowledged : refused);
          if (i == 10) EXPECT_TRUE(co_await log().close());
        },
        net::detached);
  }
  shard.run();
  EXPECT_EQ(acknowledged + refused, 20);
  const auto late = append(Topic::events, {record("late")});
  ASSERT_FALSE(late);
  EXPECT_EQ(late.error().code, ErrorCode::unavailable);
  EXPECT_FALSE(late.error().message.empty());
  EXPECT_TRUE(await(log().close())) << "closing twice is no error";
  if (!under_test_->survives()) return;
  under_test_->reopen();
}

TEST_P(LogContract, the_same_log_after_reopening) {
  if (!under_test_->survives()) return;  // a log in memory promises nothing beyond its own life
  const std::string id = log().id();
  EXPECT_FALSE(id.empty());
  std::vector<std::string> expected;
  Timestamp newest;
  for (int round = 0; round < 5; ++round) {
    for (int i = 0; i < 40; ++i) {
      expected.push_back(std::to_string(round) + "-" + std::to_string(i));
      ASSERT_TRUE(append(Topic::events, {record(expected.back(), 3000)}));
    }
    under_test_->reopen();
    EXPECT_EQ(log().id(), id);
    EXPECT_EQ(names(events), expected);
    const auto last = read(events, expected.size() - 1);
    EXPECT_GE(last->records[0].appended, newest);
    newest = last->records[0].appended;
  }
}

TEST_P(LogContract, health_speaks) {
  ASSERT_TRUE(append(Topic::events, {record("a")}));
  const auto health = log().health();
  EXPECT_TRUE(health.writable) << health.reason;
  EXPECT_EQ(health.bytes > 0, under_test_->measures_bytes());
  EXPECT_EQ(health.end, 1U);
  EXPECT_EQ(log().first({Topic::events, 0}), 0U);
}

std::vector<Kind> kinds() {
  std::vector<Kind> kinds = {
      {"memory", [] { return std::unique_ptr<LogUnderTest>(std::make_unique<MemoryUnderTest>()); }},
      {"journal", [] { return std::unique_ptr<LogUnderTest>(std::make_unique<JournalUnderTest>(true)); }},
      {"journal_buffered", [] { return std::unique_ptr<LogUnderTest>(std::make_unique<JournalUnderTest>(false)); }},
      {"journal_reopened", [] { return std::unique_ptr<LogUnderTest>(std::make_unique<ReopenedUnderTest>()); }},
  };
  if (kafka_bootstrap()) kinds.push_back({"kafka", [] { return make_kafka(1); }});
  return kinds;
}
INSTANTIATE_TEST_SUITE_P(All, LogContract, ::testing::ValuesIn(kinds()),
                         [](const auto& kind) { return std::string(kind.param.name); });

}  // namespace
}  // namespace hutong::contract
