// The producer's own thread: serves delivery reports, replaces a producer that failed for good, and while appends fail
// asks the cluster every second whether they would still.
#include <librdkafka/rdkafka.h>

#include <algorithm>

#include "adapters/log/kafka/generation.h"

namespace hutong::kafka {
namespace {

constexpr std::chrono::milliseconds poll_patience{200}, probe_patience{200}, probe_interval{1000};
constexpr std::chrono::seconds close_patience{5};

using std::chrono::steady_clock;

// What keeps a partition of `topic` from taking appends; empty: nothing does.
std::string obstacle(const rd_kafka_metadata_topic& topic, int insync_replicas) {
  const std::string name = std::string("Kafka topic ") + topic.topic;
  if (topic.err != RD_KAFKA_RESP_ERR_NO_ERROR) return as_error(topic.err, name).message;
  for (int i = 0; i < topic.partition_cnt; ++i) {
    const auto& partition = topic.partitions[i];
    const std::string which = name + ", partition " + std::to_string(partition.id);
    if (partition.leader < 0) return which + " has no leader; bring the stopped Kafka brokers back";
    if (partition.isr_cnt < insync_replicas) {
      return which + " has " + std::to_string(partition.isr_cnt) + " replicas in sync and needs " +
             std::to_string(insync_replicas) + "; bring the stopped Kafka brokers back";
    }
  }
  return "";
}

}  // namespace

void Producer::run(std::shared_ptr<Generation> generation) {
  while (auto next = current()) {
    generation = std::move(next);
    generation->poll(std::min(poll_patience, hand_over_gathered(*generation, false)));
    if (const std::string why = generation->fatal(); !why.empty()) replace(generation, why);
    if (in_trouble_.load(std::memory_order_relaxed)) probe(*generation);
  }
  finish(std::move(generation));
}

void Producer::replace(std::shared_ptr<Generation>& failed, const std::string& why) {
  auto fresh = Generation::make(options_, *this);
  if (!fresh)
    return set_trouble("Kafka's producer failed (" + why + ") and cannot be replaced: " + fresh.error().message);
  {
    const std::lock_guard lock(mutex_);
    if (!current_) return;  // stopping: finish() sees to it
    current_ = *fresh;
  }
  drain(failed);
  failed = std::move(*fresh);
}

void Producer::drain(const std::shared_ptr<Generation>& generation) {
  // Appends that took it before may still be handing it their records.
  while (generation.use_count() > 1 || !generation->empty()) {
    generation->give_up();
    generation->poll(std::chrono::milliseconds(10));
  }
}

void Producer::probe(Generation& generation) {
  if (steady_clock::now() - probed_ < probe_interval) return;
  const auto& events = generation.topics.at(static_cast<std::size_t>(port::Topic::events));
  const rd_kafka_metadata_t* metadata = nullptr;
  const auto code =
      rd_kafka_metadata(generation.client.get(), 0, events.get(), &metadata, static_cast<int>(probe_patience.count()));
  if (code != RD_KAFKA_RESP_ERR_NO_ERROR) {
    set_trouble(as_error(code, "asking for its topics").message);
  } else {
    set_trouble(metadata->topic_cnt == 1
                    ? obstacle(metadata->topics[0], options_.unsafe_topics ? 1 : options_.insync_replicas)
                    : "Kafka does not know the topics any more");
    rd_kafka_metadata_destroy(metadata);
  }
  probed_ = steady_clock::now();
}

void Producer::stop(std::function<void()> stopped) {
  {
    const std::lock_guard lock(mutex_);
    if (!has_stopped_) {
      stopped_.push_back(std::move(stopped));
      if (const auto last = std::exchange(current_, nullptr)) last->wake();
      return;
    }
  }
  stopped();
}

void Producer::finish(std::shared_ptr<Generation> generation) {
  const auto deadline = steady_clock::now() + close_patience;
  while (steady_clock::now() < deadline) {
    hand_over_gathered(*generation, true);
    if (generation->empty()) break;
    generation->poll(std::chrono::milliseconds(20));
  }
  do {
    drain(generation);  // nobody appends any more
    hand_over_gathered(*generation, true);
  } while (!generation->empty());
  generation.reset();
  std::vector<std::function<void()>> stopped;
  {
    const std::lock_guard lock(mutex_);
    has_stopped_ = true;
    stopped.swap(stopped_);
  }
  for (const auto& call : stopped) call();
}

}  // namespace hutong::kafka
