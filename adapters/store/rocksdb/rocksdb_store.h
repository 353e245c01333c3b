// The embedded store: RocksDB, one column family per table, one WriteBatch per step with its cursor inside.
// The write-ahead log is on but unsynced: a killed process loses nothing (the page cache survives it), a loss of power
// loses the newest steps whole and in order, and the projector reads them again from the log. checkpoint() and a clean
// close() are synced.
// Memory: one block cache and one budget for everything not yet flushed, shared by all tables.
// Threads: any. get, scan and write run on the calling thread (µs; a write stalls where the disk cannot follow).
// After a full disk it resumes by itself with the next write.
#pragma once

#include <cstddef>
#include <filesystem>
#include <memory>
#include <span>

#include "broker/port/store.h"

namespace hutong::store {

struct RocksdbOptions {
  std::filesystem::path directory;
  std::span<const port::Table* const> tables;         // must outlive the store; new ones are created
  std::size_t cache_bytes = 16 * 1024 * 1024;         // blocks, indexes and filters
  std::size_t write_buffer_bytes = 32 * 1024 * 1024;  // all tables together, before they are flushed
  int background_jobs = 2;
};

class RocksdbStore final : public port::Store {
 public:
  // Errors: unavailable (locked by another process, disk), corrupt, invalid (two tables with one number).
  static Result<std::unique_ptr<RocksdbStore>> open(RocksdbOptions options);
  ~RocksdbStore() override;

  net::awaitable<Result<void>> write(port::StoreBatch batch) override;
  net::awaitable<Result<std::vector<std::optional<port::Row>>>> get_many(std::vector<port::Lookup> lookups) override;
  net::awaitable<Result<std::vector<port::Row>>> scan(const port::Table& table, port::Scan scan) override;
  net::awaitable<Result<std::optional<port::Cursor>>> cursor(port::Partition partition) override;
  net::awaitable<Result<void>> checkpoint(const std::filesystem::path& directory) override;
  std::uint64_t bytes() const override;
  net::awaitable<Result<void>> close() override;

 private:
  struct State;
  explicit RocksdbStore(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace hutong::store
