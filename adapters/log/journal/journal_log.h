// The embedded log: our own journal. One directory per installation, a sub-journal per topic (partition 0 each),
// segmented append-only files, group commit by one writer thread per topic, started with its first append: an idle
// topic costs nothing. Format: docs/journal-format.md.
//
// Threads: every method from any thread; awaitables resume on the caller's executor, which must be a shard (one
// thread) or a strand. Lifetime: close() before the io_contexts of waiting callers are destroyed; the destructor
// closes, too, and blocks for it.
#pragma once

#include <filesystem>
#include <memory>

#include "broker/base/limits.h"
#include "broker/port/log.h"

namespace hutong::journal {

class FileOps;

struct JournalOptions {
  std::filesystem::path directory;                 // DIR/log; made when missing
  std::uint64_t segment_bytes = 64 * 1024 * 1024;  // a batch larger than that gets a segment of its own
  std::size_t queue_bytes = 64 * 1024 * 1024;      // appends not yet on disk, per topic; beyond: overloaded
  std::size_t batch_bytes = 2 * 1024 * 1024;       // one write and sync; a single larger append is one batch, too
  std::chrono::microseconds gather{1000};          // small batches begin at most this often: what comes meanwhile
                                                   // shares their sync; the first after a pause does not wait
  std::size_t recent_bytes = 16 * 1024 * 1024;     // kept in memory per topic for readers at the tail
  std::uint64_t min_free_bytes = 0;                // below that the log refuses appends, until there is room again
  std::chrono::milliseconds seal_after{100};       // of quiet, a seal proves the last batch; negative: at close only
  bool direct_io = true;                           // O_DIRECT where the file system takes it
  std::size_t spare_segments = 3;                  // prepared ahead per busy topic: their blocks are written once
  // For the benchmark of what durability costs and for the test of the tests. Loses acknowledged records.
  bool unsafe_no_fdatasync = false;
  FileOps* file_ops = nullptr;   // null: the system's
  const Clock* clock = nullptr;  // null: the system's
};

// One append in all: its records and their headers.
inline constexpr std::size_t append_bytes_max = limits::record_bytes + 1024 * 1024;

struct VerifyReport {
  std::uint64_t segments = 0, batches = 0, records = 0;
  std::uint64_t torn_bytes = 0;  // behind the last whole batch: a write that nobody was told about
};

class JournalLog final : public port::Log {
 public:
  // Errors: conflict (another broker has it open), corrupt (damage below what was durable: names segment, byte and
  // offset), unavailable (the file system says no). Reads one segment per topic and the headers of the others.
  static Result<std::unique_ptr<JournalLog>> open(JournalOptions options);
  // Reads every byte without changing one; for `hutong` commands while no broker runs. Errors as open.
  static Result<VerifyReport> verify(const std::filesystem::path& directory);

  ~JournalLog() override;

  using Log::append;
  net::awaitable<Result<std::vector<port::Position>>> append(port::Topic topic,
                                                             std::span<const port::RecordView> batch) override;
  net::awaitable<Result<port::Slice>> read(port::Partition partition, port::Offset from,
                                           port::ReadLimit limit) override;
  net::awaitable<Result<port::Offset>> end(port::Partition partition) override;
  port::Offset first(port::Partition partition) const override;
  net::awaitable<void> wait_beyond(port::Partition partition, port::Offset seen,
                                   std::chrono::milliseconds patience) override;
  std::uint32_t partitions(port::Topic) const override { return 1; }
  std::string id() const override;
  Health health() const override;
  net::awaitable<Result<void>> close() override;

  // A synced copy of the durable log in `directory` (must not exist), consistent over the topics: what follows from an
  // event is never there without the event. Sealed segments are hard links where the file system allows. While
  // running; blocks, so call it off the shards.
  Result<void> copy_to(const std::filesystem::path& directory);

 private:
  struct State;
  explicit JournalLog(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace hutong::journal
