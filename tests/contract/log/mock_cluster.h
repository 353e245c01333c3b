// librdkafka's mock cluster: three brokers in this process whose answers a test chooses. It proves how the log speaks
// the protocol under faults, never durability: a real Kafka does (tests/support/kafka.py).
#pragma once

#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>

#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "adapters/log/kafka/kafka_log.h"

namespace hutong::contract {

class MockCluster {
 public:
  static constexpr int brokers = 3;
  static constexpr std::int16_t produce = 0, fetch = 1;  // the protocol's keys of requests

  explicit MockCluster(std::uint32_t partitions) {
    char why[256] = "";
    rd_kafka_conf_t* quiet = rd_kafka_conf_new();
    rd_kafka_conf_set_log_cb(quiet, [](const rd_kafka_t*, int, const char*, const char*) {});
    client_.reset(rd_kafka_new(RD_KAFKA_PRODUCER, quiet, why, sizeof why));
    if (!client_) throw std::runtime_error(why);
    cluster_.reset(rd_kafka_mock_cluster_new(client_.get(), brokers));
    for (const port::Topic topic : port::all_topics) {
      const std::string name = options().topic_prefix + std::string(to_string(topic));
      rd_kafka_mock_topic_create(cluster_.get(), name.c_str(),
                                 topic == port::Topic::events ? static_cast<int>(partitions) : 1, brokers);
    }
    partitions_ = partitions;
  }

  // Impatient, so that a schedule is over in seconds.
  kafka::KafkaOptions options() const {
    kafka::KafkaOptions options;
    options.bootstrap = rd_kafka_mock_cluster_bootstraps(cluster_.get());
    options.partitions = partitions_;
    options.unsafe_topics = true;  // the mock cannot say how its topics are set
    options.append_deadline = std::chrono::milliseconds(1500);
    options.read_deadline = std::chrono::milliseconds(1000);
    options.settings = {{"socket.timeout.ms", "300"}};
    return options;
  }

  std::unique_ptr<kafka::KafkaLog> open(const kafka::KafkaOptions& options) const {
    auto opened = kafka::KafkaLog::open(options);
    if (!opened) throw std::runtime_error(opened.error().message);
    return std::move(*opened);
  }

  // The next requests of that kind are answered so.
  void answer(std::int16_t request, const std::vector<rd_kafka_resp_err_t>& errors) {
    rd_kafka_mock_push_request_errors_array(cluster_.get(), request, errors.size(), errors.data());
  }
  void down(int broker) { rd_kafka_mock_broker_set_down(cluster_.get(), broker); }
  void up(int broker) { rd_kafka_mock_broker_set_up(cluster_.get(), broker); }
  // Goes down with its answers under way: what it was asked is done, and nobody hears so.
  void lose_answers(int broker) {
    rd_kafka_mock_broker_set_rtt(cluster_.get(), broker, 100);
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    down(broker);
    rd_kafka_mock_broker_set_rtt(cluster_.get(), broker, 0);
  }
  void lead(std::uint32_t partition, int broker) {
    rd_kafka_mock_partition_set_leader(cluster_.get(), (options().topic_prefix + "events").c_str(),
                                       static_cast<std::int32_t>(partition), broker);
  }
  void heal() {
    for (int broker = 1; broker <= brokers; ++broker) {
      up(broker);
    }
    rd_kafka_mock_clear_request_errors(cluster_.get(), produce);
    rd_kafka_mock_clear_request_errors(cluster_.get(), fetch);
  }

 private:
  std::unique_ptr<rd_kafka_t, decltype(&rd_kafka_destroy)> client_{nullptr, &rd_kafka_destroy};
  std::unique_ptr<rd_kafka_mock_cluster_t, decltype(&rd_kafka_mock_cluster_destroy)> cluster_{
      nullptr, &rd_kafka_mock_cluster_destroy};
  std::uint32_t partitions_ = 1;
};

}  // namespace hutong::contract
