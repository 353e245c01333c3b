// The audit chain: who asked what, on disk before anything is read. DIR/audit/audit-<first sequence>.jsonl, appended
// only, mode 0600; DIR/audit/head.json is the last signed checkpoint, to be shipped off this machine.
//
// Threads: record() from any shard, resumes on the caller's executor; one writer thread commits groups. Lifetime:
// close() before the io_contexts of the waiting callers are destroyed.
#pragma once

#include <boost/asio/associated_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <chrono>
#include <condition_variable>
#include <filesystem>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

#include "broker/access/audit_line.h"
#include "broker/access/key_file.h"
#include "broker/base/error.h"
#include "broker/base/time.h"
#include "broker/port/net.h"

namespace hutong::access {

struct AuditOptions {
  std::filesystem::path directory;
  std::uint64_t rotate_bytes = 64ULL * 1024 * 1024;
  std::uint64_t checkpoint_records = 1000;
  std::chrono::milliseconds checkpoint_every{60'000};
  std::chrono::milliseconds retry_every{5'000};  // of a disk that was full
  std::size_t queue = 10'000;                    // waiting records; further ones: overloaded
  // The two calls that a disk can fail. Replaced by tests.
  std::function<ssize_t(int, const void*, std::size_t)> write;
  std::function<int(int)> sync;
};

class AuditChain {
 public:
  // Opens or begins the chain. Cuts an unfinished last line that was never promised. Throws std::runtime_error: the
  // folder cannot be written, or a promised record is damaged (names file, line and sequence).
  AuditChain(AuditOptions options, SigningKey key, const Clock& clock);
  ~AuditChain();
  AuditChain(const AuditChain&) = delete;
  AuditChain& operator=(const AuditChain&) = delete;

  // Resumes with the record's sequence once it is synced. Errors: unavailable (the disk failed), overloaded.
  net::awaitable<Result<std::uint64_t>> record(AuditEntry entry);
  // The same of several, which wait for one sync: the sequence of the last.
  net::awaitable<Result<std::uint64_t>> record(std::vector<AuditEntry> entries);
  // For readiness: whether records can be written, else why and what to do.
  Result<void> health() const;
  AuditHead head() const;                                 // the last synced line
  std::uint64_t cut_bytes() const { return cut_bytes_; }  // at open
  // Writes what waits and a last checkpoint. Later records: unavailable.
  void close();

 private:
  using Answer = std::function<void(Result<std::uint64_t>)>;
  struct Waiting {
    std::vector<AuditEntry> entries;
    Answer answer;
  };
  void push(std::vector<AuditEntry> entries, Answer answer);
  void open();
  void run();
  void commit(std::vector<Waiting> batch, bool closing);
  bool checkpoint_due(std::uint64_t records) const;
  Result<void> put(std::string_view bytes);
  Result<void> rotate();

  AuditOptions options_;
  SigningKey key_;
  const Clock& clock_;
  int file_ = -1;
  std::uint64_t file_bytes_ = 0, cut_bytes_ = 0, since_checkpoint_ = 0;
  std::chrono::nanoseconds last_checkpoint_{};

  mutable std::mutex mutex_;
  std::condition_variable wake_;
  std::vector<Waiting> queue_;
  AuditHead head_;
  bool closing_ = false, failed_ = false;
  std::string trouble_;  // of the last commit, empty when it went well
  std::thread writer_;
};

}  // namespace hutong::access
