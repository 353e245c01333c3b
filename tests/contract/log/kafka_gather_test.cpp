// What gathers on its way to Kafka: nothing on an idle line, and on a busy one everything for a moment, in order.
#include <gmock/gmock.h>

#include <boost/asio/detached.hpp>

#include "tests/contract/log/log_fixture.h"
#include "tests/contract/log/mock_cluster.h"

namespace hutong::contract {
namespace {

using port::Topic;
using std::chrono::steady_clock;
using tests::await;

constexpr std::chrono::milliseconds gather{600};  // long enough to be told from a journey to the cluster

struct KafkaGather : ::testing::Test {
  KafkaGather() {
    auto options = cluster.options();
    options.gather = gather;
    options.append_deadline = std::chrono::seconds(5);
    log = cluster.open(options);
    EXPECT_TRUE(await(log->append(Topic::events, {record("connects")})));
    std::this_thread::sleep_for(gather);
  }
  // An append of `count` records whose answer is kept.
  void start(const std::string& name, int count) {
    net::co_spawn(
        shard,
        [this, name, count]() -> net::awaitable<void> {
          std::vector<port::Record> records;
          for (int i = 0; i < count; ++i) records.push_back(record(name + std::to_string(i)));
          auto positions = co_await log->append(Topic::events, std::move(records));
          EXPECT_TRUE(positions) << name;
          if (positions) offsets.push_back(positions->front().offset);
        },
        net::detached);
  }
  std::chrono::milliseconds taken() const {
    return std::chrono::duration_cast<std::chrono::milliseconds>(steady_clock::now() - began);
  }

  MockCluster cluster{1};
  std::unique_ptr<kafka::KafkaLog> log;
  net::io_context shard{1};
  std::vector<port::Offset> offsets;  // of the answers as they came
  steady_clock::time_point began = steady_clock::now();
};

TEST_F(KafkaGather, who_waits_for_each_answer_never_waits_for_others) {
  began = steady_clock::now();
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(await(log->append(Topic::events, {record(std::to_string(i))})));
  EXPECT_LT(taken(), gather);
}

TEST_F(KafkaGather, the_first_of_many_goes_at_once_and_what_follows_goes_together_in_order) {
  began = steady_clock::now();
  start("first", 5);
  for (int i = 0; i < 10; ++i) start("a" + std::to_string(i), 5);
  while (offsets.empty()) shard.run_one();
  EXPECT_LT(taken(), gather);
  shard.run();
  EXPECT_GE(taken(), gather);
  EXPECT_LT(taken(), 2 * gather);
  ASSERT_EQ(offsets.size(), 11u);
  for (std::size_t i = 1; i < offsets.size(); ++i) EXPECT_EQ(offsets[i], offsets[i - 1] + 5);
}

TEST_F(KafkaGather, what_has_gathered_is_appended_by_close) {
  began = steady_clock::now();
  start("first", 5);
  start("gathers", 5);
  shard.poll();
  EXPECT_TRUE(await(log->close()));
  shard.restart();
  shard.run();
  EXPECT_EQ(offsets.size(), 2u);
  EXPECT_LT(taken(), gather);
}

}  // namespace
}  // namespace hutong::contract
