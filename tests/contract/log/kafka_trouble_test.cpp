// What the log on Kafka says when the cluster does not do what it should: one fault at a time.
#include <gmock/gmock.h>

#include <thread>

#include "tests/contract/log/log_fixture.h"
#include "tests/contract/log/mock_cluster.h"

namespace hutong::contract {
namespace {

using port::Topic;
using std::chrono::steady_clock;
using ::testing::HasSubstr;
using tests::await;

constexpr port::Partition events{Topic::events, 0};

template <class Condition>
bool soon(Condition condition) {
  const auto deadline = steady_clock::now() + std::chrono::seconds(20);
  while (!condition()) {
    if (steady_clock::now() > deadline) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  return true;
}

TEST(KafkaTrouble, a_producer_that_failed_for_good_is_replaced) {
  MockCluster cluster(1);
  const auto log = cluster.open(cluster.options());
  ASSERT_TRUE(await(log->append(Topic::events, {record("before")})));
  cluster.answer(MockCluster::produce, {RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER});
  const auto failed = await(log->append(Topic::events, {record("failed")}));
  ASSERT_FALSE(failed) << "librdkafka calls that a fatal error";
  EXPECT_EQ(failed.error().code, ErrorCode::unavailable);
  Result<std::vector<port::Position>> after;
  EXPECT_TRUE(soon([&] { return (after = await(log->append(Topic::events, {record("after")}))).has_value(); }));
  const auto slice = await(log->read(events, after->front().offset, {}));
  ASSERT_TRUE(slice);
  EXPECT_EQ(slice->records.at(0).record.id, record("after").id);
  EXPECT_TRUE(log->health().writable);
}

TEST(KafkaTrouble, an_append_that_nobody_confirms_is_answered_in_time_and_readiness_says_why) {
  MockCluster cluster(1);
  const auto log = cluster.open(cluster.options());
  ASSERT_TRUE(await(log->append(Topic::events, {record("before")})));
  for (int broker = 1; broker <= MockCluster::brokers; ++broker) cluster.down(broker);
  const auto began = steady_clock::now();
  const auto failed = await(log->append(Topic::events, {record("unheard")}));
  EXPECT_LT(steady_clock::now() - began, cluster.options().append_deadline + std::chrono::milliseconds(1500));
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().code, ErrorCode::unavailable);
  EXPECT_FALSE(log->health().writable);
  EXPECT_THAT(log->health().reason, HasSubstr("Kafka"));
  const auto unread = await(log->read(events, 1, {}));
  ASSERT_FALSE(unread);
  EXPECT_EQ(unread.error().code, ErrorCode::unavailable);
  cluster.heal();
  EXPECT_TRUE(soon([&] { return log->health().writable; })) << "nobody needs to append for that";
  EXPECT_TRUE(soon([&] { return await(log->append(Topic::events, {record("after")})).has_value(); }));
}

TEST(KafkaTrouble, a_full_queue_is_overloaded_and_one_large_append_is_always_taken) {
  MockCluster cluster(1);
  auto options = cluster.options();
  options.queue_bytes = 1000;
  const auto log = cluster.open(options);
  for (int broker = 1; broker <= MockCluster::brokers; ++broker) cluster.down(broker);
  net::io_context shard{1};
  std::vector<ErrorCode> codes;
  for (int i = 0; i < 3; ++i) {
    net::co_spawn(
        shard,
        [&]() -> net::awaitable<void> {
          const auto positions = co_await log->append(Topic::events, {record("a", 2000)});
          codes.push_back(positions ? ErrorCode::internal : positions.error().code);
        },
        [](std::exception_ptr) {});
  }
  shard.run();
  EXPECT_THAT(codes, ::testing::ElementsAre(ErrorCode::overloaded, ErrorCode::overloaded, ErrorCode::unavailable));
}

TEST(KafkaTrouble, another_brokers_records_wake_a_waiting_reader) {
  MockCluster cluster(1);
  const auto reading = cluster.open(cluster.options()), writing = cluster.open(cluster.options());
  std::thread writer([&] { EXPECT_TRUE(await(writing->append(Topic::events, {record("a")}))); });
  await(reading->wait_beyond(events, 0, std::chrono::hours(1)));
  writer.join();
  EXPECT_EQ(await(reading->read(events, 0, {}))->records.at(0).record.id, record("a").id);
  EXPECT_EQ(reading->id(), writing->id());
}

TEST(KafkaTrouble, a_single_look_leaves_the_follower_where_it_stands) {
  MockCluster cluster(1);
  const auto log = cluster.open(cluster.options());
  for (int i = 0; i < 30; ++i) ASSERT_TRUE(await(log->append(Topic::events, {record(std::to_string(i))})));
  port::Offset next = 0;
  for (int i = 0; i < 30; ++i) {
    const auto slice = await(log->read(events, next, {.records = 1}));
    ASSERT_TRUE(slice);
    EXPECT_EQ(slice->records.at(0).record.id, record(std::to_string(i)).id);
    next = slice->next;
    const port::Offset elsewhere = static_cast<port::Offset>(i * 7 % 30);
    EXPECT_EQ(await(log->read(events, elsewhere, {.records = 1}))->records.at(0).offset, elsewhere);
  }
}

TEST(KafkaTrouble, another_partition_count_refuses_to_open) {
  const MockCluster cluster(3);
  auto options = cluster.options();
  options.partitions = 4;
  const auto opened = kafka::KafkaLog::open(options);
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code, ErrorCode::conflict);
  EXPECT_THAT(opened.error().message, HasSubstr("hutong.events has 3 partitions, expected 4"));
}

TEST(KafkaTrouble, one_confirming_replica_must_be_called_unsafe) {
  const MockCluster cluster(1);
  auto options = cluster.options();
  options.unsafe_topics = false;
  options.insync_replicas = 1;
  const auto opened = kafka::KafkaLog::open(options);
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code, ErrorCode::invalid);
  EXPECT_THAT(opened.error().message, HasSubstr("unsafe"));
}

TEST(KafkaTrouble, settings_that_undo_a_promise_or_mean_nothing_are_refused) {
  const MockCluster cluster(1);
  for (const auto& [name, value] : std::map<std::string, std::string>{{"acks", "1"},
                                                                      {"request.required.acks", "1"},
                                                                      {"enable.idempotence", "false"},
                                                                      {"linger.msec", "5"},
                                                                      {"compression.type", "yes please"}}) {
    auto options = cluster.options();
    options.settings = {{name, value}};
    const auto opened = kafka::KafkaLog::open(options);
    ASSERT_FALSE(opened) << name;
    EXPECT_EQ(opened.error().code, ErrorCode::invalid);
    EXPECT_THAT(opened.error().message, HasSubstr(name));
  }
}

TEST(KafkaTrouble, nobody_at_the_address_is_said_in_time) {
  kafka::KafkaOptions options;
  options.bootstrap = "127.0.0.1:1";
  options.open_deadline = std::chrono::milliseconds(500);
  const auto opened = kafka::KafkaLog::open(options);
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code, ErrorCode::unavailable);
  EXPECT_THAT(opened.error().message, HasSubstr("127.0.0.1:1"));
}

}  // namespace
}  // namespace hutong::contract
