#include "adapters/log/memory/memory_log.h"

#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <functional>

#include "broker/base/limits.h"

namespace hutong::memory {

// One suspended caller; woken by cancelling its timer on its own executor.
struct MemoryLog::Waiter {
  explicit Waiter(const net::any_io_executor& executor) : timer(executor) {}
  static void wake(const std::weak_ptr<Waiter>& weak) {
    auto waiter = weak.lock();
    if (!waiter) return;
    const auto work = net::make_work_guard(waiter->timer.get_executor());  // until post() has returned
    net::post(work.get_executor(), [waiter = std::move(waiter)] { waiter->timer.cancel(); });
  }
  net::steady_timer timer;
  port::Partition partition;
  port::Offset seen = 0;
};

MemoryLog::MemoryLog(const Clock& clock, std::uint32_t partitions)
    : clock_(clock), partitions_(partitions), id_(to_hex(random_bytes(16))) {}

net::awaitable<Result<std::vector<port::Position>>> MemoryLog::append(port::Topic topic,
                                                                      std::span<const port::RecordView> batch) {
  if (batch.empty()) co_return std::vector<port::Position>();
  if (batch.size() > limits::batch_records) co_return fail(ErrorCode::too_large, "an append has too many records");
  for (const auto& record : batch) {
    if (record.bytes() > limits::record_bytes) {
      co_return fail(ErrorCode::too_large, "a record is too large");
    }
  }
  const auto waiter = std::make_shared<Waiter>(co_await net::this_coro::executor);
  waiter->timer.expires_at(net::steady_timer::time_point::max());
  bool wait = false;
  {
    const std::lock_guard lock(mutex_);
    wait = holding_;
    if (wait) held_.push_back(waiter);
  }
  if (wait) co_await waiter->timer.async_wait(net::as_tuple(net::use_awaitable));
  co_return store(topic, batch);
}

Result<std::vector<port::Position>> MemoryLog::store(port::Topic topic, std::span<const port::RecordView> batch) {
  const std::lock_guard lock(mutex_);
  if (closed_) return fail(ErrorCode::unavailable, "the log is closed");
  if (failures_ > 0) {
    --failures_;
    return tl::unexpected(failure_);
  }
  std::vector<port::Position> positions;
  for (const auto& record : batch) {
    const auto number = static_cast<std::uint32_t>(std::hash<std::string_view>()(record.key) % partitions(topic));
    auto& stored = records_[{topic, number}];
    Timestamp appended = record.carried ? record.carried->appended : clock_.now();
    if (!stored.empty()) appended = std::max(appended, stored.back().appended);
    bytes_ += record.bytes();
    positions.push_back({{topic, number}, stored.size()});
    stored.push_back({stored.size(), appended,
                      {record.id, std::string(record.key), std::string(record.kinds), std::string(record.json),
                       std::string(record.raw), record.carried}});
  }
  std::erase_if(tailing_, [this](const std::weak_ptr<Waiter>& weak) {
    const auto waiter = weak.lock();
    if (!waiter) return true;
    if (records_[waiter->partition].size() <= waiter->seen) return false;
    Waiter::wake(waiter);
    return true;
  });
  return positions;
}

net::awaitable<Result<port::Slice>> MemoryLog::read(port::Partition partition, port::Offset from,
                                                    port::ReadLimit limit) {
  const std::lock_guard lock(mutex_);
  if (closed_) co_return fail(ErrorCode::unavailable, "the log is closed");
  const auto& stored = records_[partition];
  port::Slice slice;
  slice.next = from;
  std::size_t bytes = 0;
  for (port::Offset offset = from; offset < stored.size(); ++offset) {
    const port::Record& record = stored[offset].record;
    bytes += record.key.size() + record.kinds.size() + record.json.size() + (limit.with_raw ? record.raw.size() : 0);
    if (!slice.records.empty() && (slice.records.size() >= limit.records || bytes > limit.bytes)) break;
    slice.records.push_back(stored[offset]);
    if (!limit.with_raw) slice.records.back().record.raw.clear();
    slice.next = offset + 1;
  }
  co_return slice;
}

net::awaitable<Result<port::Offset>> MemoryLog::end(port::Partition partition) {
  const std::lock_guard lock(mutex_);
  co_return records_[partition].size();
}

net::awaitable<void> MemoryLog::wait_beyond(port::Partition partition, port::Offset seen,
                                            std::chrono::milliseconds patience) {
  const auto waiter = std::make_shared<Waiter>(co_await net::this_coro::executor);
  waiter->partition = partition;
  waiter->seen = seen;
  waiter->timer.expires_after(patience);
  {
    const std::lock_guard lock(mutex_);
    if (closed_ || records_[partition].size() > seen) co_return;
    tailing_.push_back(waiter);
  }
  co_await waiter->timer.async_wait(net::as_tuple(net::use_awaitable));
}

std::uint32_t MemoryLog::partitions(port::Topic topic) const {
  return topic == port::Topic::events ? partitions_ : 1;
}

std::string MemoryLog::id() const {
  return id_;
}

port::Log::Health MemoryLog::health() const {
  const std::lock_guard lock(mutex_);
  Health health;
  health.bytes = bytes_;
  for (const auto& [partition, records] : records_) {
    if (partition.topic == port::Topic::events) health.end += records.size();
  }
  if (closed_ || failures_ > 0) {
    health.writable = false;
    health.reason = closed_ ? "the log is closed" : failure_.message;
  }
  return health;
}

net::awaitable<Result<void>> MemoryLog::close() {
  release_appends();
  const std::lock_guard lock(mutex_);
  closed_ = true;
  for (const auto& waiter : tailing_) Waiter::wake(waiter);
  tailing_.clear();
  co_return Result<void>();
}

void MemoryLog::fail_appends(std::size_t count, Error error) {
  const std::lock_guard lock(mutex_);
  failures_ = count;
  failure_ = std::move(error);
}

void MemoryLog::hold_appends() {
  const std::lock_guard lock(mutex_);
  holding_ = true;
}

void MemoryLog::release_appends() {
  const std::lock_guard lock(mutex_);
  holding_ = false;
  for (const auto& waiter : held_) Waiter::wake(waiter);
  held_.clear();
}

std::size_t MemoryLog::held() const {
  const std::lock_guard lock(mutex_);
  return held_.size();
}

}  // namespace hutong::memory
