// A log in memory, for tests: keeps the port's promises but durability, and can be told to fail or to stall, so that
// what stands on a log is tested against its bad days. Threads: as the port says. Lifetime: dies with its process.
#pragma once

#include <boost/asio/steady_timer.hpp>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

#include "broker/port/log.h"

namespace hutong::memory {

class MemoryLog final : public port::Log {
 public:
  // `partitions` of the topic events; the others have one. Records are spread by their key.
  explicit MemoryLog(const Clock& clock = system_clock(), std::uint32_t partitions = 1);

  using Log::append;
  net::awaitable<Result<std::vector<port::Position>>> append(port::Topic topic,
                                                             std::span<const port::RecordView> batch) override;
  net::awaitable<Result<port::Slice>> read(port::Partition partition, port::Offset from,
                                           port::ReadLimit limit) override;
  net::awaitable<Result<port::Offset>> end(port::Partition partition) override;
  port::Offset first(port::Partition) const override { return 0; }
  net::awaitable<void> wait_beyond(port::Partition partition, port::Offset seen,
                                   std::chrono::milliseconds patience) override;
  std::uint32_t partitions(port::Topic topic) const override;
  std::string id() const override;
  Health health() const override;
  net::awaitable<Result<void>> close() override;

  // The next `count` appends fail with `error` and store nothing.
  void fail_appends(std::size_t count, Error error);
  // Appends wait, unstored, until release(); then they go on in the order in which they came.
  void hold_appends();
  void release_appends();
  std::size_t held() const;  // how many wait

 private:
  struct Waiter;
  Result<std::vector<port::Position>> store(port::Topic topic, std::span<const port::RecordView> batch);

  const Clock& clock_;
  const std::uint32_t partitions_;
  const std::string id_;
  mutable std::mutex mutex_;
  std::map<port::Partition, std::vector<port::StoredRecord>> records_;
  std::uint64_t bytes_ = 0;
  std::size_t failures_ = 0;
  Error failure_;
  bool holding_ = false;
  bool closed_ = false;
  std::vector<std::weak_ptr<Waiter>> held_;  // weak: a waiter dies with its coroutine
  std::vector<std::weak_ptr<Waiter>> tailing_;
};

}  // namespace hutong::memory
