// What a Log of several partitions promises: a key's records stay together and in order; the other topics stay whole.
#include <gtest/gtest.h>

#include <map>
#include <set>

#include "tests/contract/log/log_fixture.h"

namespace hutong::contract {
namespace {

using port::Topic;
using tests::await;

constexpr std::uint32_t spread = 4;

class SpreadLogContract : public ::testing::TestWithParam<Kind> {
 protected:
  port::Log& log() { return under_test_->log(); }

  std::vector<port::StoredRecord> all(port::Partition partition) {
    std::vector<port::StoredRecord> all;
    for (port::Offset from = 0;;) {
      auto slice = await(log().read(partition, from, {}));
      if (!slice) throw std::runtime_error(slice.error().message);
      if (slice->records.empty()) return all;
      std::move(slice->records.begin(), slice->records.end(), std::back_inserter(all));
      from = slice->next;
    }
  }

  std::unique_ptr<LogUnderTest> under_test_ = GetParam().make();
};

std::vector<port::Record> numbered(int round, int keys) {
  std::vector<port::Record> batch;
  for (int key = 0; key < keys; ++key) {
    batch.push_back(record(std::to_string(round) + "/" + std::to_string(key)));
    batch.back().key = "hospital/" + std::to_string(key);
    batch.back().kinds = std::to_string(round);
  }
  return batch;
}

TEST_P(SpreadLogContract, a_keys_records_keep_their_order_in_one_partition) {
  constexpr int rounds = 20, keys = 50;
  EXPECT_EQ(log().partitions(Topic::events), spread);
  std::map<std::pair<std::uint32_t, port::Offset>, RecordId> told;
  for (int round = 0; round < rounds; ++round) {
    if (round == rounds / 2 && under_test_->survives()) under_test_->reopen();  // a key keeps its partition
    const auto batch = numbered(round, keys);
    const auto positions = await(log().append(Topic::events, batch));
    ASSERT_TRUE(positions);
    for (std::size_t i = 0; i < batch.size(); ++i) {
      told[{(*positions)[i].partition.number, (*positions)[i].offset}] = batch[i].id;
    }
  }
  EXPECT_EQ(told.size(), static_cast<std::size_t>(rounds * keys));

  std::map<std::string, int> next;
  std::map<std::string, std::uint32_t> home;
  std::set<std::uint32_t> used;
  for (std::uint32_t number = 0; number < spread; ++number) {
    Timestamp newest;
    for (const auto& stored : all({Topic::events, number})) {
      EXPECT_EQ((told[{number, stored.offset}]), stored.record.id) << "a position leads to its record";
      EXPECT_EQ(std::stoi(stored.record.kinds), next[stored.record.key]++) << stored.record.key;
      EXPECT_EQ(home.try_emplace(stored.record.key, number).first->second, number) << stored.record.key;
      EXPECT_GE(stored.appended, newest);
      newest = stored.appended;
      used.insert(number);
    }
  }
  EXPECT_EQ(next.size(), static_cast<std::size_t>(keys));
  EXPECT_GT(used.size(), 1U);
}

TEST_P(SpreadLogContract, only_events_are_spread) {
  for (const Topic topic : {Topic::quarantine, Topic::identity, Topic::operations}) {
    EXPECT_EQ(log().partitions(topic), 1U);
    ASSERT_TRUE(await(log().append(topic, numbered(0, 10))));
    EXPECT_EQ(all({topic, 0}).size(), 10U);
  }
}

TEST_P(SpreadLogContract, a_partition_wakes_only_those_who_wait_for_it) {
  const auto positions = await(log().append(Topic::events, numbered(0, 1)));
  ASSERT_TRUE(positions);
  const port::Partition home = positions->front().partition;
  const port::Partition other{Topic::events, (home.number + 1) % spread};
  await(log().wait_beyond(home, 0, std::chrono::hours(1)));
  await(log().wait_beyond(other, 0, std::chrono::milliseconds(1)));
  EXPECT_EQ(await(log().end(home)), 1U);
  EXPECT_EQ(await(log().end(other)), 0U);
}

std::vector<Kind> kinds() {
  std::vector<Kind> kinds = {
      {"memory", [] { return std::unique_ptr<LogUnderTest>(std::make_unique<MemoryUnderTest>(spread)); }}};
  if (kafka_bootstrap()) kinds.push_back({"kafka", [] { return make_kafka(spread); }});
  return kinds;
}
INSTANTIATE_TEST_SUITE_P(All, SpreadLogContract, ::testing::ValuesIn(kinds()),
                         [](const auto& kind) { return std::string(kind.param.name); });

}  // namespace
}  // namespace hutong::contract
