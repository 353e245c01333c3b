#include "adapters/log/kafka/kafka_log.h"

#include <librdkafka/rdkafka.h>

#include "adapters/log/kafka/partition_reader.h"
#include "adapters/log/kafka/producer.h"
#include "adapters/log/kafka/topics.h"

namespace hutong::kafka {

struct KafkaLog::State {
  explicit State(KafkaOptions given) : options(std::move(given)) {}
  ~State() {
    producer.reset();  // tells the readers of what it stored, to its end
    stop_readers();
  }

  Result<void> open_reader(port::Partition partition) {
    std::array<std::unique_ptr<Cursor>, 2> cursors;
    for (std::size_t i = 0; i < cursors.size(); ++i) {
      auto topic = make_topic(consumers.at(i).get(), topic_name(options, partition.topic));
      if (!topic) return tl::unexpected(topic.error());
      cursors.at(i) = std::make_unique<Cursor>(consumers.at(i).get(), std::move(*topic), partition);
    }
    auto reader = std::make_unique<PartitionReader>(options, partition, std::move(cursors), consumers[0].get());
    if (auto asked = reader->ask_first(); !asked) return asked;
    if (auto asked = reader->ask_end(); !asked) return asked;
    readers.emplace(partition, std::move(reader));
    return {};
  }
  PartitionReader* reader(port::Partition partition) const {
    const auto found = readers.find(partition);
    return found == readers.end() ? nullptr : found->second.get();
  }
  void stop_readers() {
    for (auto& [partition, reader] : readers) reader->stop();
  }

  const KafkaOptions options;
  std::string id;
  std::array<Client, 2> consumers;  // one cannot stand at two places of a partition
  std::map<port::Partition, std::unique_ptr<PartitionReader>> readers;
  std::unique_ptr<Producer> producer;
  std::atomic<bool> closed{false};
};

KafkaLog::KafkaLog(std::unique_ptr<State> state) : state_(std::move(state)) {}
KafkaLog::~KafkaLog() = default;

Result<std::unique_ptr<KafkaLog>> KafkaLog::open(KafkaOptions options) {
  if (options.partitions == 0 || options.insync_replicas < 1 || options.insync_replicas > options.replicas) {
    return fail(ErrorCode::invalid, "Kafka: needs at least one partition, and as many replicas as are to be in sync");
  }
  if (options.insync_replicas < 2 && !options.unsafe_topics) {
    return fail(ErrorCode::invalid,
                "Kafka: one replica in sync is one machine whose loss loses records; set two, or "
                "unsafe_topics to try it out");
  }
  auto state = std::make_unique<State>(std::move(options));
  for (Client& consumer : state->consumers) {
    auto made = make_consumer(state->options);
    if (!made) return tl::unexpected(made.error());
    consumer = std::move(*made);
  }
  rd_kafka_s* const asking = state->consumers[0].get();
  if (auto prepared = prepare_topics(asking, state->options); !prepared) return tl::unexpected(prepared.error());
  const std::unique_ptr<char, void (*)(char*)> cluster(
      rd_kafka_clusterid(asking, static_cast<int>(state->options.open_deadline.count())),
      [](char* text) { rd_kafka_mem_free(nullptr, text); });
  if (!cluster)
    return fail(ErrorCode::unavailable, "Kafka at " + state->options.bootstrap + " did not say its cluster's id");
  state->id = std::string(cluster.get()) + "/" + state->options.topic_prefix;
  for (const port::Topic topic : port::all_topics) {
    for (std::uint32_t number = 0; number < partition_count(state->options, topic); ++number) {
      if (auto opened = state->open_reader({topic, number}); !opened) return tl::unexpected(opened.error());
    }
  }
  auto producer = Producer::start(state->options, [state = state.get()](const std::vector<port::Position>& positions) {
    for (const auto& position : positions) state->reader(position.partition)->extend(position.offset + 1);
  });
  if (!producer) return tl::unexpected(producer.error());
  state->producer = std::move(*producer);
  return std::unique_ptr<KafkaLog>(new KafkaLog(std::move(state)));
}

net::awaitable<Result<std::vector<port::Position>>> KafkaLog::append(port::Topic topic,
                                                                     std::span<const port::RecordView> batch) {
  using Positions = std::vector<port::Position>;
  if (batch.empty()) co_return Positions();
  co_return co_await port::await_completion<Positions>([this, topic, batch](Producer::Appended appended) {
    state_->producer->append(topic, batch, std::move(appended));  // librdkafka keeps copies
  });
}

net::awaitable<Result<port::Slice>> KafkaLog::read(port::Partition partition, port::Offset from,
                                                   port::ReadLimit limit) {
  PartitionReader* const reader = state_->reader(partition);
  if (reader == nullptr) co_return fail(ErrorCode::not_found, "the log has no such partition");
  co_return co_await reader->read(from, limit);
}

net::awaitable<Result<port::Offset>> KafkaLog::end(port::Partition partition) {
  PartitionReader* const reader = state_->reader(partition);
  if (reader == nullptr) co_return fail(ErrorCode::not_found, "the log has no such partition");
  co_return co_await reader->end();
}

port::Offset KafkaLog::first(port::Partition partition) const {
  const PartitionReader* const reader = state_->reader(partition);
  return reader ? reader->first_known() : 0;
}

net::awaitable<void> KafkaLog::wait_beyond(port::Partition partition, port::Offset seen,
                                           std::chrono::milliseconds patience) {
  if (PartitionReader* const reader = state_->reader(partition)) co_await reader->wait_beyond(seen, patience);
}

std::uint32_t KafkaLog::partitions(port::Topic topic) const {
  return partition_count(state_->options, topic);
}

std::string KafkaLog::id() const {
  return state_->id;
}

port::Log::Health KafkaLog::health() const {
  Health health;
  health.reason = state_->closed ? "the log is closed" : state_->producer->trouble();
  health.writable = health.reason.empty();
  for (std::uint32_t number = 0; number < state_->options.partitions; ++number) {
    health.end += state_->reader({port::Topic::events, number})->end_known();
  }
  return health;
}

net::awaitable<Result<void>> KafkaLog::close() {
  co_return co_await port::await_completion<void>([this](std::shared_ptr<port::Completion<void>> completion) {
    state_->closed = true;
    state_->producer->stop([this, completion = std::move(completion)] {
      state_->stop_readers();
      completion->finish({});
    });
  });
}

}  // namespace hutong::kafka
