#include "adapters/log/kafka/partition_reader.h"

#include <librdkafka/rdkafka.h>

#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/this_coro.hpp>

#include "adapters/log/kafka/record_message.h"

namespace hutong::kafka {
namespace {

using std::chrono::steady_clock;

constexpr std::size_t requests_max = 1024;
constexpr std::chrono::milliseconds follow_patience{500}, ask_again_after{50};

std::chrono::milliseconds until(steady_clock::time_point deadline) {
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - steady_clock::now());
  return std::max(left, std::chrono::milliseconds(0));
}

tl::unexpected<Error> closed() {
  return fail(ErrorCode::unavailable, "the log is closed: the broker is stopping");
}

}  // namespace

PartitionReader::PartitionReader(const KafkaOptions& options, port::Partition partition,
                                 std::array<std::unique_ptr<Cursor>, 2> cursors, rd_kafka_s* consumer)
    : options_(options),
      partition_(partition),
      consumer_(consumer),
      name_(topic_name(options, partition.topic)),
      cursors_(std::move(cursors)) {}

net::awaitable<Result<port::Slice>> PartitionReader::read(port::Offset from, port::ReadLimit limit) {
  return on_thread<port::Slice>([this, from, limit] { return read_now(from, limit); });
}

net::awaitable<Result<port::Offset>> PartitionReader::end() {
  return on_thread<port::Offset>([this] { return ask_end().map([this] { return end_known(); }); });
}

template <class T>
net::awaitable<Result<T>> PartitionReader::on_thread(std::function<Result<T>()> work) {
  co_return co_await port::await_completion<T>([this, &work](std::shared_ptr<port::Completion<T>> completion) {
    std::unique_lock lock(mutex_);
    const bool room = requests_.size() < requests_max;
    if (room && !stopping_) {
      requests_.push_back(
          [completion, work = std::move(work)](bool stopping) { completion->finish(stopping ? closed() : work()); });
      return wake();
    }
    lock.unlock();
    completion->finish(room ? closed() : fail(ErrorCode::overloaded, "too many reads wait for Kafka. Try again later"));
  });
}

net::awaitable<void> PartitionReader::wait_beyond(port::Offset seen, std::chrono::milliseconds patience) {
  const auto timer = std::make_shared<net::steady_timer>(co_await net::this_coro::executor, patience);
  {
    const std::lock_guard lock(mutex_);
    if (end_known() > seen || stopping_) co_return;
    tailing_.push_back({seen, timer});
    wake();
  }
  co_await timer->async_wait(net::as_tuple(net::use_awaitable));
}

void PartitionReader::Tailing::wake() const {
  auto sleeping = timer.lock();
  if (!sleeping) return;
  const auto work = net::make_work_guard(sleeping->get_executor());  // until post() has returned, as in completion.h
  net::post(work.get_executor(), [sleeping = std::move(sleeping)] { sleeping->cancel(); });
}

void PartitionReader::extend(port::Offset end) {
  port::Offset known = end_.load(std::memory_order_relaxed);
  do {
    if (known >= end) return;
  } while (!end_.compare_exchange_weak(known, end, std::memory_order_acq_rel));
  const std::lock_guard lock(mutex_);
  std::erase_if(tailing_, [end](const Tailing& tailing) {
    if (tailing.seen < end) tailing.wake();
    return tailing.seen < end;
  });
}

void PartitionReader::wake() {
  if (!thread_.joinable()) thread_ = std::thread([this] { run(); });
  wake_.notify_one();
  if (following_ != nullptr) following_->wake();
}

void PartitionReader::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    for (const Tailing& tailing : tailing_) tailing.wake();
    tailing_.clear();
    wake_.notify_one();
    if (following_ != nullptr) following_->wake();
  }
  if (thread_.joinable()) thread_.join();
}

void PartitionReader::run() {
  std::unique_lock lock(mutex_);
  for (;;) {
    if (!requests_.empty()) {
      const auto answer = std::move(requests_.front());
      requests_.pop_front();
      const bool stopping = stopping_;
      lock.unlock();
      answer(stopping);
      lock.lock();
      continue;
    }
    if (stopping_) return;
    std::erase_if(tailing_, [](const Tailing& tailing) { return tailing.timer.expired(); });
    if (tailing_.empty()) {
      wake_.wait(lock);
    } else {
      follow(lock);
    }
  }
}

// Appends of ours extend the partition by themselves; those of other brokers are noticed by reading on.
void PartitionReader::follow(std::unique_lock<std::mutex>& lock) {
  lock.unlock();
  const auto cursor = cursor_at(end_known());
  lock.lock();
  if (!requests_.empty() || stopping_) return;
  bool troubled = !cursor;
  if (cursor) {
    following_ = *cursor;
    lock.unlock();
    const auto seen = (*cursor)->peek(follow_patience);
    troubled = !seen;
    if (seen && *seen != nullptr) extend(static_cast<port::Offset>((*seen)->offset) + 1);
    lock.lock();
    following_ = nullptr;
  }
  if (troubled) wake_.wait_for(lock, follow_patience, [this] { return !requests_.empty() || stopping_; });
}

Result<void> PartitionReader::ask_first() {
  const auto first = ask(RD_KAFKA_OFFSET_BEGINNING);
  if (!first) return tl::unexpected(first.error());
  first_.store(*first, std::memory_order_relaxed);
  return {};
}

Result<void> PartitionReader::ask_end() {
  const auto end = ask(RD_KAFKA_OFFSET_END);
  if (!end) return tl::unexpected(end.error());
  extend(*end);
  return {};
}

// Not rd_kafka_query_watermark_offsets(), which does not come back before the brokers do. A leader that moves is asked
// again where it went.
Result<port::Offset> PartitionReader::ask(std::int64_t which) {
  const auto deadline = steady_clock::now() + options_.read_deadline;
  for (;;) {
    const std::unique_ptr<rd_kafka_topic_partition_list_t, decltype(&rd_kafka_topic_partition_list_destroy)> asked(
        rd_kafka_topic_partition_list_new(1), &rd_kafka_topic_partition_list_destroy);
    auto& place =
        *rd_kafka_topic_partition_list_add(asked.get(), name_.c_str(), static_cast<std::int32_t>(partition_.number));
    place.offset = which;
    auto code = rd_kafka_offsets_for_times(consumer_, asked.get(), static_cast<int>(until(deadline).count()));
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR) code = place.err;
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR && place.offset >= 0) return static_cast<port::Offset>(place.offset);
    std::unique_lock lock(mutex_);
    const bool stopped = wake_.wait_for(lock, ask_again_after, [this] { return stopping_; });
    if (stopped || steady_clock::now() >= deadline) {
      return tl::unexpected(as_error(code, "asking how far " + name_ + " reaches"));
    }
  }
}

Result<port::Slice> PartitionReader::read_now(port::Offset from, const port::ReadLimit& limit) {
  port::Slice slice;
  slice.next = from;
  if (from >= end_known()) {
    if (auto asked = ask_end(); !asked) return tl::unexpected(asked.error());
    if (from >= end_known()) return slice;
  }
  auto cursor = cursor_at(from);
  if (!cursor) return tl::unexpected(cursor.error());
  auto filled = fill(slice, **cursor, limit, end_known());
  if (filled || !slice.records.empty()) return slice;  // a fault behind what was read is met again by the next read
  return tl::unexpected(filled.error().code == ErrorCode::not_found ? out_of_range(from) : filled.error());
}

Result<void> PartitionReader::fill(port::Slice& slice, Cursor& cursor, const port::ReadLimit& limit, port::Offset end) {
  const auto deadline = steady_clock::now() + options_.read_deadline;
  std::size_t bytes = 0;
  while (slice.next < end) {
    const auto message = cursor.peek(until(deadline));
    if (!message) return tl::unexpected(message.error());
    if (*message == nullptr) {
      slice.next = std::max(slice.next, cursor.next());
      if (slice.next < end && steady_clock::now() >= deadline) {
        return fail(ErrorCode::unavailable, "Kafka did not give " + name_ + " from offset " +
                                                std::to_string(slice.next) +
                                                " in time; check that its brokers are up and reachable from here");
      }
      continue;
    }
    bytes += record_bytes(**message, limit.with_raw);
    if (!slice.records.empty() && (slice.records.size() >= limit.records || bytes > limit.bytes)) return {};
    auto stored = cursor.take(limit.with_raw);
    if (!stored) return tl::unexpected(stored.error());
    slice.records.push_back(std::move(*stored));
    slice.next = cursor.next();
  }
  return {};
}

Result<Cursor*> PartitionReader::cursor_at(port::Offset offset) {
  if (cursors_[1]->stands_at(offset)) std::swap(cursors_[0], cursors_[1]);
  if (cursors_[0]->stands_at(offset)) return cursors_[0].get();
  if (auto moved = cursors_[1]->move_to(offset); !moved) return tl::unexpected(moved.error());
  return cursors_[1].get();
}

Error PartitionReader::out_of_range(port::Offset offset) {
  if (auto asked = ask_first(); !asked) return asked.error();
  const std::string where = name_ + ", partition " + std::to_string(partition_.number);
  if (offset < first_known()) {
    return {ErrorCode::not_found, where + ": retention removed offset " + std::to_string(offset) +
                                      "; the first there is: " + std::to_string(first_known())};
  }
  return {ErrorCode::corrupt, where + ": offset " + std::to_string(offset) +
                                  " was there and is not any more; Kafka lost records (an unclean leader election?)"};
}

}  // namespace hutong::kafka
