#include "adapters/log/journal/topic_journal.h"

#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/this_coro.hpp>
#include <limits>

#include "broker/base/hash.h"

namespace hutong::journal {
namespace {

// What an append needs in a batch, or why it is refused.
Result<std::size_t> measure(std::span<const port::RecordView> batch) {
  if (batch.size() > limits::batch_records) {
    return fail(ErrorCode::too_large,
                "an append has more than " + std::to_string(limits::batch_records) + " records; split it");
  }
  std::size_t bytes = 0;
  for (const port::RecordView& record : batch) {
    constexpr std::size_t name_bytes = std::numeric_limits<std::uint16_t>::max();
    const std::size_t size = encoded_bytes(record);
    if (record.key.size() > name_bytes || record.kinds.size() > name_bytes ||
        size - record_header_bytes > limits::record_bytes) {
      return fail(ErrorCode::too_large, "a record is larger than " + std::to_string(limits::record_bytes) + " bytes");
    }
    bytes += size;
  }
  if (bytes > append_bytes_max) {
    return fail(ErrorCode::too_large,
                "an append is larger than " + std::to_string(append_bytes_max) + " bytes; split it");
  }
  return bytes;
}

}  // namespace

TopicJournal::TopicJournal(Shared& shared, TopicPlace place, Recovered recovered)
    : shared_(shared),
      place_(std::move(place)),
      last_queued_(recovered.tail.last_appended),
      segments_(std::move(recovered.segments)),
      durable_{recovered.tail.end, recovered.tail.next, recovered.tail.sequence, recovered.tail.previous},
      file_(std::move(recovered.file)),
      active_(segments_.back()),
      cursor_(durable_),
      last_written_(last_queued_) {}

net::awaitable<Result<std::vector<port::Position>>> TopicJournal::append(std::span<const port::RecordView> batch) {
  std::vector<port::Position> positions;
  if (batch.empty()) co_return positions;
  const auto bytes = measure(batch);
  if (!bytes) co_return tl::unexpected(bytes.error());
  auto first = co_await await_completion<Offset>([this, batch, &bytes](std::shared_ptr<Completion<Offset>> completion) {
    enqueue(batch, *bytes, std::move(completion));
  });
  if (!first) co_return tl::unexpected(std::move(first.error()));
  positions.reserve(batch.size());
  for (std::size_t i = 0; i < batch.size(); ++i) positions.push_back({{place_.topic, 0}, *first + i});
  co_return positions;
}

void TopicJournal::enqueue(std::span<const port::RecordView> batch, std::size_t bytes,
                           std::shared_ptr<Completion<Offset>> completion) {
  if (auto refusal = shared_.disk.failed() ? shared_.disk.refusal() : std::nullopt) {
    return completion->finish(tl::unexpected(std::move(*refusal)));
  }
  const Timestamp now = shared_.clock.now();
  std::unique_lock lock(mutex_);
  if (stopping_) {
    lock.unlock();
    return completion->finish(fail(ErrorCode::unavailable, "the log is closed: the broker is stopping"));
  }
  if (queued_bytes_ > 0 && queued_bytes_ + bytes > shared_.options.queue_bytes) {
    lock.unlock();
    return completion->finish(fail(ErrorCode::overloaded,
                                   "the log's queue is full; the disk is slower than what "
                                   "arrives. Send again later"));
  }
  const bool idle = pending_.empty();
  queued_bytes_ += bytes;
  last_queued_ = std::max(last_queued_, now);
  Pending& pending = room_for(bytes);
  char* const begin = pending.buffer->data() + pending.used;
  char* at = begin;
  for (const port::RecordView& record : batch) at = encode_record(record, last_queued_, at);
  pending.checksum = crc32c({begin, bytes}, pending.checksum);
  pending.waiting.push_back({std::move(completion), pending.records});
  pending.used += bytes;
  pending.records += static_cast<std::uint32_t>(batch.size());
  pending.last_appended = last_queued_;
  if (!writer_.joinable()) writer_ = std::thread([this] { run(); });
  const bool wanted = idle || pending_.back().used >= large_batch_bytes || pending_.size() > 1;
  lock.unlock();
  if (wanted) wake_.notify_one();  // else the writer is at work, or gathers until a time of its own
}

TopicJournal::Pending& TopicJournal::room_for(std::size_t bytes) {
  if (pending_.empty() || pending_.back().used + bytes > shared_.options.batch_bytes) {
    pending_.push_back({});
    pending_.back().buffer = shared_.buffers->take(whole_blocks(batch_header_bytes + bytes));
    return pending_.back();
  }
  Pending& pending = pending_.back();
  const std::size_t needed = whole_blocks(pending.used + bytes);
  if (needed > pending.buffer->capacity()) {
    pending.buffer->grow(whole_blocks(std::max(needed, pending.buffer->capacity() * 2)), pending.used);
  }
  return pending;
}

Offset TopicJournal::end() const {
  const std::lock_guard lock(mutex_);
  return durable_.next;
}

Offset TopicJournal::first() const {
  const std::lock_guard lock(mutex_);
  return segments_.front()->header.first_offset;
}

bool TopicJournal::stopped() const {
  const std::lock_guard lock(mutex_);
  return stopping_;
}

TopicJournal::Snapshot TopicJournal::snapshot() const {
  const std::lock_guard lock(mutex_);
  return {segments_, durable_};
}

void TopicJournal::Tailing::wake() const {
  auto sleeping = timer.lock();
  if (!sleeping) return;
  const auto work = net::make_work_guard(sleeping->get_executor());  // until post() has returned, as in completion.h
  net::post(work.get_executor(), [sleeping = std::move(sleeping)] { sleeping->cancel(); });
}

net::awaitable<void> TopicJournal::wait_beyond(Offset seen, std::chrono::milliseconds patience) {
  const auto timer = std::make_shared<net::steady_timer>(co_await net::this_coro::executor, patience);
  {
    const std::lock_guard lock(mutex_);
    if (durable_.next > seen || stopping_) co_return;
    std::erase_if(tailing_, [](const Tailing& other) { return other.timer.expired(); });
    tailing_.push_back({seen, timer});
  }
  co_await timer->async_wait(net::as_tuple(net::use_awaitable));
}

void TopicJournal::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    for (const Tailing& tailing : tailing_) tailing.wake();
    tailing_.clear();
  }
  wake_.notify_one();
  if (writer_.joinable()) writer_.join();
}

}  // namespace hutong::journal
