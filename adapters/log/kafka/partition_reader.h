// All reading of one partition: slices, its end, and waiting for it to grow. One thread, started when first needed,
// does what librdkafka makes one wait for. Two cursors: one stays with whoever reads on from where it left off (a
// projector), the other goes where a single look is taken.
// Threads: every method from any thread. Lifetime: stop() before destruction, and before the consumers end.
#pragma once

#include <array>
#include <atomic>
#include <boost/asio/steady_timer.hpp>
#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

#include "adapters/log/kafka/cursor.h"
#include "broker/port/completion.h"

namespace hutong::kafka {

class PartitionReader {
 public:
  PartitionReader(const KafkaOptions& options, port::Partition partition,
                  std::array<std::unique_ptr<Cursor>, 2> cursors, rd_kafka_s* consumer);

  net::awaitable<Result<port::Slice>> read(port::Offset from, port::ReadLimit limit);
  net::awaitable<Result<port::Offset>> end();
  net::awaitable<void> wait_beyond(port::Offset seen, std::chrono::milliseconds patience);
  // The partition is known to reach at least to here: an append of ours was confirmed.
  void extend(port::Offset end);
  port::Offset first_known() const { return first_.load(std::memory_order_relaxed); }
  port::Offset end_known() const { return end_.load(std::memory_order_acquire); }
  // Ask the cluster where the partition begins, and ends; block up to read_deadline. Errors: unavailable.
  Result<void> ask_first();
  Result<void> ask_end();
  void stop();  // answers every reader and waiter, ends the thread

 private:
  // A reader that waits for the end to move past `seen`. Its timer is its coroutine's: only woken, never owned.
  struct Tailing {
    port::Offset seen;
    std::weak_ptr<net::steady_timer> timer;
    void wake() const;
  };

  template <class T>
  net::awaitable<Result<T>> on_thread(std::function<Result<T>()> work);
  void wake();  // with mutex_ held; starts the thread when it does not run yet
  void run();
  void follow(std::unique_lock<std::mutex>& lock);
  Result<port::Slice> read_now(port::Offset from, const port::ReadLimit& limit);
  Result<void> fill(port::Slice& slice, Cursor& cursor, const port::ReadLimit& limit, port::Offset end);
  Result<Cursor*> cursor_at(port::Offset offset);
  Result<port::Offset> ask(std::int64_t which);
  Error out_of_range(port::Offset offset);

  const KafkaOptions& options_;
  const port::Partition partition_;
  rd_kafka_s* const consumer_;
  const std::string name_;                          // of the topic
  std::array<std::unique_ptr<Cursor>, 2> cursors_;  // the thread's own; the one that was continued last comes first
  std::atomic<port::Offset> first_{0}, end_{0};

  std::mutex mutex_;  // guards what follows
  std::condition_variable wake_;
  std::deque<std::function<void(bool stopping)>> requests_;
  std::vector<Tailing> tailing_;
  const Cursor* following_ = nullptr;  // where the thread waits for the next record; null: on wake_
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace hutong::kafka
