// One producer of librdkafka and what belongs to it, from start or recreation to a fatal error.
// Threads: send() from any; poll() from the Producer's own. Lifetime: shared by the Producer and the appends that are
// just handing it their records; drained before it dies.
#pragma once

#include <array>

#include "adapters/log/kafka/producer.h"

namespace hutong::kafka {

struct Producer::Generation {
  static Result<std::shared_ptr<Generation>> make(const KafkaOptions& options, ProducerEvents& events);

  // The partition of a key over a count that is fixed, so that a topic grown behind our back does not split a key's
  // records: Kafka's own murmur2, which its Java clients use, too.
  static std::uint32_t partition_of(std::string_view key, std::uint32_t partitions);
  // 0, or librdkafka's error code: then the record was not taken. Copies the record.
  int send(const port::Partition& partition, const port::RecordView& record, void* slot);
  void poll(std::chrono::milliseconds patience);  // calls back; returns early after wake()
  void wake();
  bool empty() const;         // nothing on its way and nothing to report
  void give_up();             // what is on its way is reported as an error
  std::string fatal() const;  // why it cannot go on; empty: it can

  Client client;
  std::array<TopicHandle, std::size(port::all_topics)> topics;
  Queue events;
};

}  // namespace hutong::kafka
