// librdkafka's objects with owners, and how they are configured. Its header stays in the .cpp files of this folder.
// Threads: a Client may be used from any; make_* block only for as long as threads take to start.
#pragma once

#include <memory>
#include <string>

#include "adapters/log/kafka/kafka_log.h"
#include "broker/base/limits.h"

struct rd_kafka_s;
struct rd_kafka_topic_s;
struct rd_kafka_queue_s;
struct rd_kafka_message_s;

namespace hutong::kafka {

// One Kafka message carries one record: its parts and what Kafka adds to them.
inline constexpr std::size_t message_bytes_max = limits::record_bytes + 1024 * 1024;

struct Destroy {
  void operator()(rd_kafka_s* client) const;
  void operator()(rd_kafka_topic_s* topic) const;
  void operator()(rd_kafka_queue_s* queue) const;
  void operator()(rd_kafka_message_s* message) const;
};
using Client = std::unique_ptr<rd_kafka_s, Destroy>;
using TopicHandle = std::unique_ptr<rd_kafka_topic_s, Destroy>;  // destroyed before its client, as the two below
using Queue = std::unique_ptr<rd_kafka_queue_s, Destroy>;
using Message = std::unique_ptr<rd_kafka_message_s, Destroy>;

// What a producer calls back while it is polled.
class ProducerEvents {
 public:
  virtual ~ProducerEvents() = default;
  virtual void delivered(const rd_kafka_message_s& message) = 0;
  virtual void troubled(int code, const std::string& reason) = 0;  // not about one message; often passes by itself
};

// What a consumer calls back while it is polled.
class ConsumerEvents {
 public:
  virtual ~ConsumerEvents() = default;
  virtual void troubled(int code, const std::string& reason) = 0;
};

// Errors: invalid, with librdkafka's own words and the setting that it does not like.
Result<Client> make_producer(const KafkaOptions& options, ProducerEvents& events);
Result<Client> make_consumer(const KafkaOptions& options);
// One of a group that shares a topic's partitions, for what other systems write (adapters/source/kafka): its owner says
// what is done with by committing it, nothing else does.
Result<Client> make_group_consumer(const KafkaOptions& options, const std::string& group, ConsumerEvents& events);
Result<void> check_group_consumer(const KafkaOptions& options, const std::string& group);
// Whether make_producer would take the settings, without starting anything.
Result<void> check_producer(const KafkaOptions& options);

std::string topic_name(const KafkaOptions& options, port::Topic topic);
std::uint32_t partition_count(const KafkaOptions& options, port::Topic topic);
Result<TopicHandle> make_topic(rd_kafka_s* client, const std::string& name);

// librdkafka's error code as ours, saying what was tried and what an operator can do about it.
Error as_error(int code, const std::string& tried);

}  // namespace hutong::kafka
