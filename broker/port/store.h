// The views' memory: rows in named tables, written in one atomic step together with the cursor of the log that
// they were made from. A table declares real columns, so that an SQL implementation shows an operator what its
// names say and a key-value one orders rows by their key. Implementations: adapters/store/rocksdb and memory.
// Threads: any; get and scan may run beside a write and see it whole or not at all. One writer (the projector).
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
};

using Cell = std::variant<std::int64_t, std::string>;
using Key = std::vector<Cell>;         // the key columns, or a leading part of them
using Row = std::vector<Cell>;         // all columns

struct Cursor {
  Partition partition;
  Offset next = 0;                     // first offset not applied yet
  std::string log_id;
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
  void put(const Table& table, Row row) { changes.push_back(Put{&table, std::move(row)}); }
  void erase(const Table& table, Key key) { changes.push_back(Erase{&table, std::move(key)}); }
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
  virtual net::awaitable<Result<void>> write(StoreBatch batch) = 0;
  virtual net::awaitable<Result<std::optional<Row>>> get(const Table& table, Key key) = 0;
  // Rows in key order: integers by value, texts and bytes by bytes.
  virtual net::awaitable<Result<std::vector<Row>>> scan(const Table& table, Scan scan) = 0;
  virtual net::awaitable<Result<std::optional<Cursor>>> cursor(Partition partition) = 0;
  // A consistent, synced copy of everything in `directory` (must not exist). While running.
  virtual net::awaitable<Result<void>> checkpoint(const std::filesystem::path& directory) = 0;
  virtual std::uint64_t bytes() const = 0;
  virtual net::awaitable<Result<void>> close() = 0;
};

}  // namespace hutong::port
