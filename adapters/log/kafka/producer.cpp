#include "adapters/log/kafka/producer.h"

#include <librdkafka/rdkafka.h>

#include "adapters/log/kafka/generation.h"
#include "broker/base/limits.h"

namespace hutong::kafka {
namespace {

constexpr std::size_t message_overhead_bytes = 512;  // what librdkafka keeps beside a record's own bytes
constexpr std::size_t few_records = 2;               // while as many are confirmed: not yet a busy line

// What an append holds in memory until it is confirmed, or why it is refused.
Result<std::size_t> measure(std::span<const port::RecordView> batch) {
  if (batch.size() > limits::batch_records) {
    return fail(ErrorCode::too_large,
                "an append has more than " + std::to_string(limits::batch_records) + " records; split it");
  }
  std::size_t total = 0;
  for (const port::RecordView& record : batch) {
    const std::size_t bytes = record.bytes();
    if (bytes > limits::record_bytes) {
      return fail(ErrorCode::too_large, "a record is larger than " + std::to_string(limits::record_bytes) + " bytes");
    }
    total += bytes;
  }
  if (total > message_bytes_max) {
    return fail(ErrorCode::too_large,
                "an append is larger than " + std::to_string(message_bytes_max) + " bytes; split it");
  }
  return total + batch.size() * message_overhead_bytes;
}

}  // namespace

// One append on its way: shared by its messages, finished and deleted by the last of their delivery reports.
struct Producer::Appending {
  struct Slot {  // what a message carries through librdkafka and back
    Appending* append;
    std::size_t index;
  };

  Appending(std::size_t records, std::size_t reserved, Appended answer)
      : appended(std::move(answer)), bytes(reserved), positions(records), slots(records), unsettled(records + 1) {
    for (std::size_t i = 0; i < records; ++i) slots[i] = {this, i};
  }
  void note(int code) {  // the first error is what is told
    int none = 0;
    error.compare_exchange_strong(none, code);
  }

  const Appended appended;
  const std::size_t bytes;
  std::vector<port::Position> positions;
  std::vector<Slot> slots;
  std::atomic<std::size_t> unsettled;  // records without a report, and one while the caller still hands them over
  std::atomic<int> error{0};
};

Producer::Producer(const KafkaOptions& options, Confirmed confirmed)
    : options_(options), confirmed_(std::move(confirmed)) {}

Result<std::unique_ptr<Producer>> Producer::start(const KafkaOptions& options, Confirmed confirmed) {
  std::unique_ptr<Producer> producer(new Producer(options, std::move(confirmed)));
  auto generation = Generation::make(options, *producer);
  if (!generation) return tl::unexpected(generation.error());
  producer->current_ = *generation;
  producer->thread_ = std::thread(&Producer::run, producer.get(), std::move(*generation));
  return producer;
}

Producer::~Producer() {
  if (!thread_.joinable()) return;
  stop([] {});
  thread_.join();
}

void Producer::append(port::Topic topic, std::span<const port::RecordView> batch, Appended appended) {
  const auto bytes = measure(batch);
  if (!bytes) return appended->finish(tl::unexpected(bytes.error()));
  const auto generation = current();
  if (!generation) {
    return appended->finish(fail(ErrorCode::unavailable, "the log is closed: the broker is stopping"));
  }
  if (!reserve(*bytes)) {
    return appended->finish(
        fail(ErrorCode::overloaded,
             "the log's queue is full; Kafka confirms slower than messages arrive. Send again later"));
  }
  auto& append = *new Appending(batch.size(), *bytes, std::move(appended));  // deleted by settle()
  const Waiting waiting{topic, batch, &append};
  if (gathers(waiting)) return generation->wake();
  hand_over(*generation, waiting);
}

bool Producer::gathers(const Waiting& waiting) {
  const std::lock_guard lock(gather_mutex_);
  const auto now = std::chrono::steady_clock::now();
  if (!handing_ && gathered_.empty() && due(now, waiting.batch.size())) {
    handed_ = now;
    handed_records_ = waiting.batch.size();
    ++under_way_;
    return false;
  }
  gathered_.push_back(waiting);
  gathered_records_ += waiting.batch.size();
  return true;
}

bool Producer::due(std::chrono::steady_clock::time_point now, std::size_t records) const {
  return now - handed_ >= options_.gather ||
         (under_way_ == 0 && handed_records_ <= few_records && records <= few_records);
}

// Hands over what has gathered, when it is time. Returns how long the next may wait.
std::chrono::milliseconds Producer::hand_over_gathered(Generation& generation, bool all) {
  std::vector<Waiting> now_due;
  {
    const std::lock_guard lock(gather_mutex_);
    if (gathered_.empty()) return std::chrono::milliseconds::max();
    const auto now = std::chrono::steady_clock::now();
    if (!all && !due(now, gathered_records_)) {
      return std::chrono::ceil<std::chrono::milliseconds>(handed_ + options_.gather - now);
    }
    now_due.swap(gathered_);
    handed_ = now;
    handed_records_ = std::exchange(gathered_records_, 0);
    under_way_ += now_due.size();
    handing_ = true;
  }
  for (const Waiting& waiting : now_due) hand_over(generation, waiting);
  const std::lock_guard lock(gather_mutex_);
  handing_ = false;
  return gathered_.empty() ? std::chrono::milliseconds::max() : options_.gather;
}

void Producer::hand_over(Generation& generation, const Waiting& waiting) {
  const auto& [topic, batch, append] = waiting;
  const std::uint32_t partitions = partition_count(options_, topic);
  std::size_t sent = 0;
  for (; sent < batch.size(); ++sent) {
    const port::Partition partition{topic, Generation::partition_of(batch[sent].key, partitions)};
    append->positions[sent].partition = partition;
    const int code = generation.send(partition, batch[sent], &append->slots[sent]);
    if (code == 0) continue;
    append->note(code);
    break;
  }
  settle(*append, batch.size() - sent + 1);
}

bool Producer::reserve(std::size_t bytes) {
  std::size_t queued = queued_bytes_.load(std::memory_order_relaxed);
  do {
    if (queued > 0 && queued + bytes > options_.queue_bytes) return false;  // one alone is taken, however large
  } while (!queued_bytes_.compare_exchange_weak(queued, queued + bytes, std::memory_order_relaxed));
  return true;
}

void Producer::delivered(const rd_kafka_message_s& message) {
  const auto& [append, index] = *static_cast<Appending::Slot*>(message._private);
  if (message.err != RD_KAFKA_RESP_ERR_NO_ERROR) {
    append->note(message.err);
  } else if (message.offset < 0) {
    append->note(RD_KAFKA_RESP_ERR__NO_OFFSET);  // stored by an earlier try whose answer was lost: where, nobody says
  } else {
    append->positions[index].offset = static_cast<port::Offset>(message.offset);
  }
  settle(*append, 1);
}

void Producer::settle(Appending& append, std::size_t records) {
  if (append.unsettled.fetch_sub(records, std::memory_order_acq_rel) != records) return;
  const std::unique_ptr<Appending> last(&append);
  --under_way_;
  queued_bytes_.fetch_sub(append.bytes, std::memory_order_relaxed);
  if (const int code = append.error.load(std::memory_order_relaxed)) {
    Error error = as_error(code, "appending (whether it was stored is unknown; a resend is safe)");
    if (error.code == ErrorCode::unavailable && current()) set_trouble(error.message);
    return append.appended->finish(tl::unexpected(std::move(error)));
  }
  if (in_trouble_.load(std::memory_order_relaxed)) set_trouble("");
  confirmed_(append.positions);
  append.appended->finish(std::move(append.positions));
}

std::shared_ptr<Producer::Generation> Producer::current() const {
  const std::lock_guard lock(mutex_);
  return current_;
}

std::string Producer::trouble() const {
  const std::lock_guard lock(mutex_);
  return trouble_;
}

void Producer::set_trouble(std::string reason) {
  const std::lock_guard lock(mutex_);
  trouble_ = std::move(reason);
  in_trouble_ = !trouble_.empty();
}

void Producer::troubled(int code, const std::string& reason) {
  switch (static_cast<rd_kafka_resp_err_t>(code)) {
    case RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN:
    case RD_KAFKA_RESP_ERR__AUTHENTICATION:
    case RD_KAFKA_RESP_ERR__SSL: return set_trouble(as_error(code, reason).message);
    default: return;  // one broker of several, or fatal: run() sees to that
  }
}

}  // namespace hutong::kafka
