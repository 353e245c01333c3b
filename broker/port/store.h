// The views' memory: rows in named tables, written in one atomic step together with the cursor of the log that
// they were made from. A table declares real columns, so that an SQL implementation shows an operator what its
// names say and a key-value one orders rows by their key. Implementations: adapters/store/{rocksdb,postgres}, and memory.
// Threads: any; the awaitables resume on the caller's executor. A row or a scan read beside a write shows it whole or not
// at all. One writer (the projector); where a second one can exist, the fence of StoreBatch keeps the stale one out.
#pragma once

#include <compare>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "broker/base/error.h"
#include "broker/port/log.h"
#include "broker/port/net.h"

namespace hutong::port {

enum class ColumnType : std::uint8_t { integer, text, bytes, json };

struct Column {
  std::string_view name;
  ColumnType type;
};

struct Table {
  std::string_view name;
  std::uint8_t number;                 // stable for ever: part of the stored key
  std::span<const Column> columns;     // the first `key_columns` are the primary key, in order
  std::size_t key_columns;
  // Index into columns of an integer column (microseconds) after which the row may be forgotten once it is older
  // than `keep_micros` against the newest write; -1: kept for ever.
  int age_column = -1;
  std::int64_t keep_micros = 0;
  bool passing = false;  // rows are erased soon after they were put: whoever scans should not step over all that is gone
};

using Cell = std::variant<std::int64_t, std::string>;
using Key = std::vector<Cell>;         // the key columns, or a leading part of them
using Row = std::vector<Cell>;         // all columns

// What every implementation checks of a row before it takes it. Errors: internal, a defect of the caller.
Result<void> check_row(const Table& table, const Row& row);

struct Cursor {
  Partition partition;
  Offset next = 0;                     // first offset not applied yet
  std::string log_id;
  bool operator==(const Cursor&) const = default;
};

// State and cursor, all or nothing. Later puts and erases of the same key win.
struct StoreBatch {
  struct Put {
    const Table* table;
    Row row;
  };
  struct Erase {
    const Table* table;
    Key key;
  };
  std::vector<std::variant<Put, Erase>> changes;
  std::optional<Cursor> cursor;
  // The fence: cursors as they stood (next 0 and no log: none yet) before anything was read that this batch rests on.
  // Where one was moved since, by another writer or by a write of our own that had seemed lost, write() answers conflict.
  std::vector<Cursor> expected;
  void put(const Table& table, Row row) { changes.push_back(Put{&table, std::move(row)}); }
  void erase(const Table& table, Key key) { changes.push_back(Erase{&table, std::move(key)}); }
};

struct Lookup {
  const Table* table;
  Key key;                             // whole
};

struct Scan {
  Key prefix;                          // leading key columns that must be equal; may be empty
  std::optional<Key> after;            // whole key: start behind it (ahead of it when `backward`)
  std::optional<Cell> from;            // first value of the column after the prefix, inclusive (lower end, both directions)
  std::optional<Cell> to;              // last value of that column, inclusive (upper end)
  std::size_t limit = 1000;
  bool backward = false;
};

class Store {
 public:
  virtual ~Store() = default;
  // Errors: conflict (see StoreBatch::expected), unavailable, internal (a row that is not its table's). Nothing is written
  // then, but where the store's server was lost (unavailable, timeout) the outcome may be unknown: the cursor tells.
  virtual net::awaitable<Result<void>> write(StoreBatch batch) = 0;
  // The rows of these keys, in the same order: one journey to the store, however many they are.
  virtual net::awaitable<Result<std::vector<std::optional<Row>>>> get_many(std::vector<Lookup> lookups) = 0;
  net::awaitable<Result<std::optional<Row>>> get(const Table& table, Key key);  // one of them
  // Rows in key order: integers by value, texts (UTF-8) and bytes by bytes. Text that is not UTF-8 comes back as it was
  // put, and stands somewhere behind.
  virtual net::awaitable<Result<std::vector<Row>>> scan(const Table& table, Scan scan) = 0;
  virtual net::awaitable<Result<std::optional<Cursor>>> cursor(Partition partition) = 0;
  // A consistent, synced copy of everything in `directory` (must not exist). While running. Errors: invalid, with what to
  // do instead, where the store keeps nothing of its own (memory) or its server has its own backup (PostgreSQL).
  virtual net::awaitable<Result<void>> checkpoint(const std::filesystem::path& directory) = 0;
  // Whether rows are a journey away, over a connection: then many are worth asking for together.
  virtual bool is_far() const { return false; }
  virtual std::uint64_t bytes() const = 0;  // on disk, as last looked at
  virtual net::awaitable<Result<void>> close() = 0;
};

}  // namespace hutong::port
