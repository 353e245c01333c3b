// Traffic while faults come by a seeded schedule: on librdkafka's mock cluster here, on a real one by
// tests/integration/kafka_nodes_test.py, which kills and freezes its nodes meanwhile.
// HUTONG_SCHEDULES: how many schedules (a campaign: 500); HUTONG_SEED: where they begin; HUTONG_APPENDS: of each
// session on the real cluster.
#include <gtest/gtest.h>

#include <iostream>

#include "tests/contract/log/mock_cluster.h"
#include "tests/contract/log/traffic.h"

namespace hutong::contract {
namespace {

constexpr std::uint32_t partitions = 3;

int number(const char* name, int usual) {
  const char* given = std::getenv(name);
  return given == nullptr ? usual : std::atoi(given);
}

// One fault, somewhere, for a while; faults overlap.
class Disturber {
 public:
  Disturber(MockCluster& cluster, unsigned seed) : cluster_(cluster), random_(seed) {}

  void disturb() {
    static constexpr rd_kafka_resp_err_t answers[] = {
        RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT,           RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION,
        RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS,         RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS_AFTER_APPEND,
        RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE,        RD_KAFKA_RESP_ERR_KAFKA_STORAGE_ERROR,
        RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART,       RD_KAFKA_RESP_ERR__TRANSPORT,
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
    std::this_thread::sleep_for(std::chrono::milliseconds(any(1, 60)));
    if (any(0, 2) == 0) cluster_.up(any(1, MockCluster::brokers));
    if (any(0, 4) == 0) cluster_.heal();
  }

 private:
  int any(int least, int most) { return std::uniform_int_distribution<int>(least, most)(random_); }

  MockCluster& cluster_;
  std::mt19937 random_;
};

TEST(KafkaSchedules, nothing_acknowledged_is_lost_whatever_the_cluster_does) {
  const int schedules = number("HUTONG_SCHEDULES", 2), first = number("HUTONG_SEED", 1);
  constexpr int appends = 25;  // of each session: about 2000 records a schedule
  int acknowledged = 0, refused = 0, twice = 0;
  for (int seed = first; seed < first + schedules && !HasFatalFailure(); ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    MockCluster cluster(partitions);
    const auto log = cluster.open(cluster.options());
    Disturber disturber(cluster, static_cast<unsigned>(seed));
    Traffic traffic(*log, appends);
    while (traffic.writes()) disturber.disturb();
    cluster.heal();
    traffic.finish();
    acknowledged += traffic.acknowledged;
    refused += traffic.refused;
    twice += traffic.twice;
  }
  std::cout << schedules << " schedules from seed " << first << ": " << acknowledged << " appends acknowledged, "
            << refused << " refused, " << twice << " records in the log more than once\n";
  EXPECT_GT(acknowledged, 0);
}

class KafkaNodes : public ::testing::TestWithParam<Kind> {};

TEST_P(KafkaNodes, keep_what_was_acknowledged_in_order) {
  const auto under_test = make_kafka(partitions);
  Traffic traffic(under_test->log(), number("HUTONG_APPENDS", 25));
  traffic.finish();
  traffic.expect_order();
  std::cout << traffic.acknowledged << " appends acknowledged, " << traffic.refused << " refused, " << traffic.twice
            << " records in the log more than once\n";
  EXPECT_GT(traffic.acknowledged, 0);
}

GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(KafkaNodes);  // where no cluster is
INSTANTIATE_TEST_SUITE_P(All, KafkaNodes, ::testing::ValuesIn(only_with_kafka()),
                         [](const auto& kind) { return std::string(kind.param.name); });

}  // namespace
}  // namespace hutong::contract
