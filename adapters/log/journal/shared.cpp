#include "adapters/log/journal/shared.h"

#include "broker/base/thread.h"

namespace hutong::journal {

bool Worker::post(std::function<void()> job) {
  {
    const std::lock_guard lock(mutex_);
    if (stopping_) return false;
    jobs_.push_back(std::move(job));
    if (!thread_.joinable()) thread_ = std::thread([this] { run(); });
  }
  wake_.notify_one();
  return true;
}

void Worker::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_one();
  if (thread_.joinable()) thread_.join();
}

void Worker::run() {
  name_this_thread(name_);
  std::unique_lock lock(mutex_);
  for (;;) {
    wake_.wait(lock, [this] { return stopping_ || !jobs_.empty(); });
    if (jobs_.empty()) return;
    auto job = std::move(jobs_.front());
    jobs_.pop_front();
    lock.unlock();
    job();
    job = nullptr;  // what it holds is let go of outside the lock
    lock.lock();
  }
}

Error DiskState::note(const DiskFault& fault) {
  const std::lock_guard lock(mutex_);
  if (fault.passes()) {
    fullness_ = "the log cannot grow (" + fault.what +
                "); nothing is acknowledged until there is room again. Free "
                "space on this disk; no restart is needed";
    full_.store(true, std::memory_order_release);
    return {ErrorCode::unavailable, fullness_};
  }
  if (!failed_.load(std::memory_order_relaxed)) {
    failure_ = "the log has failed (" + fault.what +
               "); nothing more is acknowledged, because what was written is in "
               "doubt. Check the disk, then restart the broker: it verifies the log";
    failed_.store(true, std::memory_order_release);
  }
  return {ErrorCode::unavailable, failure_};
}

void DiskState::clear_full() {
  const std::lock_guard lock(mutex_);
  full_.store(false, std::memory_order_release);
}

Error DiskState::error_of_failure() const {
  const std::lock_guard lock(mutex_);
  return {ErrorCode::unavailable, failure_};
}

Error DiskState::error_of_low_space() const {
  return {ErrorCode::unavailable, "less than " + std::to_string(min_free_) + " bytes are free below " + directory_ +
                                      ": the log takes no more until there is room again. Free space on this disk; no "
                                      "restart is needed"};
}

std::optional<Error> DiskState::refusal() {
  if (failed()) return error_of_failure();
  if (min_free_ == 0) return std::nullopt;
  const std::int64_t now = clock_.ticks().count();
  if (low_.load(std::memory_order_relaxed) || now >= next_look_.load(std::memory_order_relaxed)) {
    next_look_.store(now + 1'000'000'000, std::memory_order_relaxed);
    low_.store(low(min_free_), std::memory_order_relaxed);
  }
  if (low_.load(std::memory_order_relaxed)) return error_of_low_space();
  return std::nullopt;
}

std::string DiskState::reason() const {
  if (failed()) return error_of_failure().message;
  if (min_free_ > 0 && low(min_free_)) return error_of_low_space().message;
  if (full_.load(std::memory_order_acquire)) {
    const std::lock_guard lock(mutex_);
    return fullness_;
  }
  return {};
}

Shared::Shared(JournalOptions chosen)
    : options(std::move(chosen)),
      ops(options.file_ops != nullptr ? *options.file_ops : system_file_ops()),
      clock(options.clock != nullptr ? *options.clock : system_clock()),
      disk(ops, clock, options.directory.string(), options.min_free_bytes),
      buffers(std::make_shared<BufferPool>(std::size_t{32} * 1024 * 1024)) {}

}  // namespace hutong::journal
