// Seeded schedules of faults against librdkafka's mock cluster, with writers and followers at work throughout: what was
// acknowledged is where its position says, with its bytes; what is there twice is there twice the same; a follower sees
// all of it. HUTONG_SCHEDULES says how many schedules (a campaign: 500), HUTONG_SEED where they begin.
#include <gtest/gtest.h>

#include <boost/asio/steady_timer.hpp>
#include <iostream>
#include <map>
#include <mutex>
#include <random>
#include <thread>

#include "tests/contract/log/log_fixture.h"
#include "tests/contract/log/mock_cluster.h"

namespace hutong::contract {
namespace {

using port::Topic;
using std::chrono::milliseconds;

constexpr std::uint32_t partitions = 3;
constexpr int sessions = 8, appends = 25, batch_most = 20;  // about 2000 records a schedule

int number(const char* name, int usual) {
  const char* given = std::getenv(name);
  return given == nullptr ? usual : std::atoi(given);
}

using Place = std::pair<std::uint32_t, port::Offset>;

port::Record numbered(int session, int index) {
  port::Record made = record(std::to_string(session) + "." + std::to_string(index), 100);
  made.key = "hospital/" + std::to_string(session);
  return made;
}

class Schedule {
 public:
  explicit Schedule(unsigned seed) : random_(seed), log_(cluster_.open(cluster_.options())) {}

  void play() {
    std::thread following([this] { follow(); });
    std::thread writing([this] { write(); });
    while (writers_ > 0) disturb();
    writing.join();
    cluster_.heal();
    for (std::uint32_t each = 0; each < partitions; ++each) ends_[each] = end_of(each);
    healed_ = true;
    following.join();
    check();
  }

  int acknowledged = 0, refused = 0, twice = 0;

 private:
  int any(int least, int most) { return std::uniform_int_distribution<int>(least, most)(random_); }

  // One fault, somewhere, for a while; faults overlap.
  void disturb() {
    static constexpr rd_kafka_resp_err_t answers[] = {
        RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT,     RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION,
        RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS,   RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS_AFTER_APPEND,
        RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE,  RD_KAFKA_RESP_ERR_KAFKA_STORAGE_ERROR,
        RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART, RD_KAFKA_RESP_ERR__TRANSPORT,
        RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER};
    const int broker = any(1, MockCluster::brokers);
    const auto answer = answers[any(0, static_cast<int>(std::size(answers)) - 1)];
    switch (any(0, 5)) {
      case 0:
      case 1: cluster_.answer(MockCluster::produce, std::vector(static_cast<std::size_t>(any(1, 3)), answer)); break;
      case 2: cluster_.answer(MockCluster::fetch, {answer}); break;
      case 3: cluster_.lead(static_cast<std::uint32_t>(any(0, partitions - 1)), broker); break;
      case 4: cluster_.lose_answers(broker); break;
      default: cluster_.down(broker); break;
    }
    std::this_thread::sleep_for(milliseconds(any(1, 60)));
    if (any(0, 2) == 0) cluster_.up(any(1, MockCluster::brokers));
    if (any(0, 4) == 0) cluster_.heal();
  }

  void write() {
    net::io_context shard{1};
    for (int session = 0; session < sessions; ++session) {
      net::co_spawn(shard, write_session(session), [this](std::exception_ptr) { --writers_; });
    }
    shard.run();
  }

  net::awaitable<void> write_session(int session) {
    std::mt19937 sizes(static_cast<unsigned>(session));
    int index = 0;
    for (int i = 0; i < appends; ++i) {
      std::vector<port::Record> batch(1 + sizes() % batch_most);
      for (port::Record& each : batch) {
        each = numbered(session, index++);
        sent_[each.id] = each;
      }
      const auto kept = batch;
      const auto positions = co_await log_->append(Topic::events, std::move(batch));
      ++(positions ? acknowledged : refused);
      if (!positions) continue;
      for (std::size_t k = 0; k < kept.size(); ++k) {
        told_[{(*positions)[k].partition.number, (*positions)[k].offset}] = kept[k].id;
      }
    }
  }

  void follow() {
    net::io_context shard{1};
    for (std::uint32_t each = 0; each < partitions; ++each) {
      net::co_spawn(shard, follow_partition({Topic::events, each}), [](std::exception_ptr) {});
    }
    shard.run();
  }

  net::awaitable<void> follow_partition(port::Partition partition) {
    port::Offset next = 0;
    while (!healed_ || next < ends_[partition.number]) {
      const auto slice = co_await log_->read(partition, next, {.records = 100});
      if (!slice) {
        if (slice.error().code != ErrorCode::unavailable) ADD_FAILURE() << slice.error().message;
        continue;
      }
      for (const auto& stored : slice->records) {
        EXPECT_TRUE(followed_.try_emplace({partition.number, stored.offset}, stored.record).second) << "seen twice";
      }
      next = slice->next;
      if (slice->records.empty()) co_await log_->wait_beyond(partition, next, milliseconds(100));
    }
  }

  port::Offset end_of(std::uint32_t partition) {
    for (;;) {
      if (const auto end = tests::await(log_->end({Topic::events, partition}))) return *end;
    }
  }

  void check() {
    for (const auto& [place, id] : told_) {
      const auto found = followed_.find(place);
      ASSERT_NE(found, followed_.end()) << "lost: partition " << place.first << ", offset " << place.second;
      EXPECT_EQ(found->second.id, id);
    }
    std::map<RecordId, int> times;
    for (const auto& [place, stored] : followed_) {
      const auto original = sent_.find(stored.id);
      ASSERT_NE(original, sent_.end());
      EXPECT_EQ(stored.key, original->second.key);
      EXPECT_EQ(stored.kinds, original->second.kinds);
      EXPECT_EQ(stored.json, original->second.json);
      EXPECT_EQ(stored.raw, original->second.raw);
      if (times[stored.id]++ == 1) ++twice;
    }
    EXPECT_EQ(followed_.size(), ends_[0] + ends_[1] + ends_[2]);
  }

  std::mt19937 random_;
  MockCluster cluster_{partitions};
  std::unique_ptr<kafka::KafkaLog> log_;
  std::map<RecordId, port::Record> sent_;           // the writers' thread's, as told_ and the counts
  std::map<Place, RecordId> told_;                  // what an append answered
  std::map<Place, port::Record> followed_;          // the followers' thread's: what was read
  std::atomic<int> writers_{sessions};
  port::Offset ends_[partitions] = {};
  std::atomic<bool> healed_{false};
};

TEST(KafkaSchedules, nothing_acknowledged_is_lost_whatever_the_cluster_does) {
  const int schedules = number("HUTONG_SCHEDULES", 2);
  const int first = number("HUTONG_SEED", 1);
  int acknowledged = 0, refused = 0, twice = 0;
  for (int seed = first; seed < first + schedules; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Schedule schedule(static_cast<unsigned>(seed));
    schedule.play();
    acknowledged += schedule.acknowledged;
    refused += schedule.refused;
    twice += schedule.twice;
    if (HasFatalFailure()) break;
  }
  std::cout << schedules << " schedules from seed " << first << ": " << acknowledged << " appends acknowledged, " << refused
            << " refused, " << twice << " records in the log more than once\n";
  EXPECT_GT(acknowledged, 0);
}

}  // namespace
}  // namespace hutong::contract
