// The store in memory, for tests and for commands that need a view only while they run. Nothing survives the process;
// checkpoint() says so. Same order and same forgetting as every other implementation (tests/contract/store).
// Threads: any, readers beside one writer.
#pragma once

#include <map>
#include <memory>
#include <shared_mutex>

#include "broker/port/store.h"

namespace hutong::store {

class MemoryStore final : public port::Store {
 public:
  net::awaitable<Result<void>> write(port::StoreBatch batch) override;
  net::awaitable<Result<std::vector<std::optional<port::Row>>>> get_many(std::vector<port::Lookup> lookups) override;
  net::awaitable<Result<std::vector<port::Row>>> scan(const port::Table& table, port::Scan scan) override;
  net::awaitable<Result<std::optional<port::Cursor>>> cursor(port::Partition partition) override;
  net::awaitable<Result<void>> checkpoint(const std::filesystem::path& directory) override;
  std::uint64_t bytes() const override;
  net::awaitable<Result<void>> close() override;

 private:
  struct Rows {
    std::map<port::Key, port::Row> rows;
    std::int64_t newest = INT64_MIN;  // of the age column
  };
  bool forgotten(const port::Table& table, const Rows& rows, const port::Row& row) const;

  mutable std::shared_mutex mutex_;
  std::map<std::uint8_t, Rows> tables_;  // by Table::number
  std::map<port::Partition, port::Cursor> cursors_;
  std::uint64_t bytes_ = 0;
};

}  // namespace hutong::store
