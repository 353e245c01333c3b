// The log on Apache Kafka: what outgrows one machine. Durable means replicated: acks=all with min.insync.replicas met
// (docs/adr/0009-kafka-log.md). An idempotent producer's delivery report resumes the append; a consumer without group
// stands where each partition's readers read.
//
// Topics are <prefix>events, <prefix>quarantine, ...; a record's key decides its partition (murmur2, as Kafka's own
// clients do) over the partition count fixed at creation. How a record becomes a Kafka message: record_message.h.
//
// Threads: every method from any thread; awaitables resume on the caller's executor, which must be a shard (one
// thread) or a strand. Own threads: one that serves delivery reports, one for each partition that is read, and
// librdkafka's. Lifetime: close() before the io_contexts of waiting callers are destroyed; the destructor closes, too,
// and blocks for it.
#pragma once

#include <chrono>
#include <map>
#include <memory>
#include <string>

#include "broker/port/log.h"

namespace hutong::kafka {

struct KafkaOptions {
  std::string bootstrap;  // "host:port,host:port": where the cluster is first asked
  std::string topic_prefix = "hutong.";
  std::uint32_t partitions = 12;  // of events, fixed when the topic is made; the other topics have one each
  int replicas = 3;
  int insync_replicas = 2;  // that confirm before an append returns
  // UNSAFE: opens on topics that may lose what was acknowledged (few replicas, finite retention, unclean elections),
  // or that may not be looked into. Alarmed. For trying out on one node.
  bool unsafe_topics = false;
  std::chrono::milliseconds open_deadline{15'000};
  std::chrono::milliseconds append_deadline{8'000};  // shorter than the intake's: it is to hear what happened
  std::chrono::milliseconds read_deadline{5'000};
  std::chrono::milliseconds gather{10};  // on a busy line records are handed over at most this often
  std::size_t queue_bytes = 64 * 1024 * 1024;  // appends not yet confirmed; beyond: overloaded
  // Further settings of librdkafka by its own names, for producer and consumers: security.protocol, sasl.*, ssl.*,
  // compression.type. What the log's promises rest on cannot be set here.
  std::map<std::string, std::string> settings;
};

class KafkaLog final : public port::Log {
 public:
  // Makes missing topics and checks the others; blocks up to open_deadline. Errors: unavailable (no broker answers, or
  // one refuses), conflict (a topic is not fit to be the log: names it, the setting, and what to do), invalid
  // (settings).
  static Result<std::unique_ptr<KafkaLog>> open(KafkaOptions options);

  ~KafkaLog() override;

  using Log::append;
  net::awaitable<Result<std::vector<port::Position>>> append(port::Topic topic,
                                                             std::span<const port::RecordView> batch) override;
  net::awaitable<Result<port::Slice>> read(port::Partition partition, port::Offset from,
                                           port::ReadLimit limit) override;
  net::awaitable<Result<port::Offset>> end(port::Partition partition) override;
  port::Offset first(port::Partition partition) const override;
  net::awaitable<void> wait_beyond(port::Partition partition, port::Offset seen,
                                   std::chrono::milliseconds patience) override;
  std::uint32_t partitions(port::Topic topic) const override;
  // The cluster's id and the prefix. Not the topics' own ids: librdkafka 2.0 cannot ask for those, so topics that were
  // deleted and made again under the same names look like the same log, only shorter.
  std::string id() const override;
  Health health() const override;
  net::awaitable<Result<void>> close() override;

 private:
  struct State;
  explicit KafkaLog(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace hutong::kafka
