// What the topics of one journal share: options, the two helper threads, and the verdict on the disk. Threads: any.
#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "adapters/log/journal/buffer.h"
#include "adapters/log/journal/file_ops.h"
#include "adapters/log/journal/journal_log.h"
#include "adapters/log/journal/layout.h"

namespace hutong::journal {

// One thread that does jobs in order; started with the first job.
class Worker {
 public:
  explicit Worker(const char* name) : name_(name) {}
  ~Worker() { stop(); }
  // False once stopping: the job was not taken.
  bool post(std::function<void()> job);
  void stop();  // does what is queued, then ends; from another thread

 private:
  void run();
  const char* const name_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<std::function<void()>> jobs_;
  std::thread thread_;
  bool stopping_ = false;
};

// May the log be written? A failed sync or a disk error is final until restart; a full disk passes by itself.
class DiskState {
 public:
  DiskState(FileOps& ops, const Clock& clock, std::string directory, std::uint64_t min_free_bytes)
      : ops_(ops), clock_(clock), directory_(std::move(directory)), min_free_(min_free_bytes) {}

  // Notes a fault of a write; returns what waiting appends are told.
  Error note(const DiskFault& fault);
  // A write that a full disk may have refused before went through.
  void wrote() {
    if (full_.load(std::memory_order_relaxed)) clear_full();
  }
  bool failed() const { return failed_.load(std::memory_order_acquire); }
  // Why the next append must be refused, if it must. Asks the file system at most once a second while all is well.
  std::optional<Error> refusal();
  // Empty when writable.
  std::string reason() const;

 private:
  void clear_full();
  bool low(std::uint64_t needed) const { return ops_.free_bytes(directory_.c_str()) < needed; }
  Error error_of_failure() const;
  Error error_of_low_space() const;

  FileOps& ops_;
  const Clock& clock_;
  const std::string directory_;
  const std::uint64_t min_free_;
  std::atomic<bool> failed_{false};
  std::atomic<bool> full_{false};
  std::atomic<bool> low_{false};
  std::atomic<std::int64_t> next_look_{0};
  mutable std::mutex mutex_;
  std::string failure_, fullness_;
};

struct Shared {
  explicit Shared(JournalOptions chosen);
  const JournalOptions options;
  FileOps& ops;
  const Clock& clock;
  LogId log{};
  DiskState disk;
  std::shared_ptr<BufferPool> buffers;
  std::atomic<std::uint64_t> bytes{0};  // of all segment files
  Worker reader{"log reader"};
  Worker preparer{"log preparer"};
};

}  // namespace hutong::journal
