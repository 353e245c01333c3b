#include "adapters/store/memory/memory_store.h"

#include <algorithm>
#include <mutex>

namespace hutong::store {
namespace {

using port::Cell;
using port::ColumnType;
using port::Key;
using port::Row;
using port::Table;

std::uint64_t size_of(const Row& row) {
  std::uint64_t size = 0;
  for (const auto& cell : row) {
    const auto* text = std::get_if<std::string>(&cell);
    size += text ? text->size() : 8;
  }
  return size;
}

// A row as its table is now: columns added since it was written hold nothing.
Row whole(const Table& table, Row row) {
  for (std::size_t i = row.size(); i < table.columns.size(); ++i) {
    row.push_back(table.columns[i].type == ColumnType::integer ? Cell(std::int64_t{0}) : Cell(std::string()));
  }
  return row;
}

// Key columns only: <0, 0, >0 as the leading part of `key` lies before, at or behind `part`.
int compare_leading(const Key& key, const Key& part) {
  for (std::size_t i = 0; i < part.size(); ++i) {
    if (key[i] < part[i]) return -1;
    if (part[i] < key[i]) return 1;
  }
  return 0;
}

}  // namespace

bool MemoryStore::forgotten(const Table& table, const Rows& rows, const Row& row) const {
  if (table.age_column < 0 || rows.newest == INT64_MIN) return false;
  return std::get<std::int64_t>(row[static_cast<std::size_t>(table.age_column)]) < rows.newest - table.keep_micros;
}

net::awaitable<Result<void>> MemoryStore::write(port::StoreBatch batch) {
  std::unique_lock lock(mutex_);
  for (const auto& expected : batch.expected) {
    auto stands = cursors_.find(expected.partition);
    if ((stands == cursors_.end() ? port::Cursor{expected.partition, 0, {}} : stands->second) != expected) {
      co_return fail(ErrorCode::conflict, "the store's cursor was moved by another writer");
    }
  }
  for (const auto& change : batch.changes) {
    if (const auto* put = std::get_if<port::StoreBatch::Put>(&change)) {
      if (auto right = port::check_row(*put->table, put->row); !right) co_return tl::unexpected(right.error());
    }
  }
  for (auto& change : batch.changes) {
    if (auto* put = std::get_if<port::StoreBatch::Put>(&change)) {
      const Table& table = *put->table;
      Rows& rows = tables_[table.number];
      put->row = whole(table, std::move(put->row));
      if (table.age_column >= 0) {
        rows.newest =
            std::max(rows.newest, std::get<std::int64_t>(put->row[static_cast<std::size_t>(table.age_column)]));
      }
      Key key(put->row.begin(), put->row.begin() + static_cast<std::ptrdiff_t>(table.key_columns));
      Row& row = rows.rows[std::move(key)];
      bytes_ += size_of(put->row);
      bytes_ -= size_of(row);
      row = std::move(put->row);
    } else {
      auto& erase = std::get<port::StoreBatch::Erase>(change);
      auto& rows = tables_[erase.table->number].rows;
      if (auto found = rows.find(erase.key); found != rows.end()) {
        bytes_ -= size_of(found->second);
        rows.erase(found);
      }
    }
  }
  if (batch.cursor) cursors_[batch.cursor->partition] = *batch.cursor;
  co_return Result<void>();
}

net::awaitable<Result<std::vector<std::optional<Row>>>> MemoryStore::get_many(std::vector<port::Lookup> lookups) {
  std::shared_lock lock(mutex_);
  std::vector<std::optional<Row>> out(lookups.size());
  for (std::size_t i = 0; i < lookups.size(); ++i) {
    const Table& table = *lookups[i].table;
    auto rows = tables_.find(table.number);
    if (rows == tables_.end()) continue;
    auto found = rows->second.rows.find(lookups[i].key);
    if (found == rows->second.rows.end() || forgotten(table, rows->second, found->second)) continue;
    out[i] = whole(table, found->second);
  }
  co_return out;
}

net::awaitable<Result<std::vector<Row>>> MemoryStore::scan(const Table& table, port::Scan scan) {
  std::shared_lock lock(mutex_);
  std::vector<Row> out;
  auto found = tables_.find(table.number);
  if (found == tables_.end()) co_return out;
  const auto& rows = found->second.rows;
  Key low = scan.prefix, high = scan.prefix;
  if (scan.from) low.push_back(*scan.from);
  if (scan.to) high.push_back(*scan.to);
  auto take = [&](const Row& row) {
    if (!forgotten(table, found->second, row)) out.push_back(whole(table, row));
  };
  if (!scan.backward) {
    auto at = rows.lower_bound(low);  // a shorter key sorts before every key that begins with it
    if (scan.after && !(*scan.after < low)) at = rows.upper_bound(*scan.after);
    for (; at != rows.end() && out.size() < scan.limit && compare_leading(at->first, high) <= 0; ++at) take(at->second);
  } else {
    auto at = std::partition_point(rows.begin(), rows.end(),
                                   [&](const auto& entry) { return compare_leading(entry.first, high) <= 0; });
    if (scan.after) {
      auto ahead = rows.lower_bound(*scan.after);
      if (ahead != rows.end() && (at == rows.end() || ahead->first < at->first)) at = ahead;
    }
    while (at != rows.begin() && out.size() < scan.limit) {
      --at;
      if (compare_leading(at->first, low) < 0) break;
      take(at->second);
    }
  }
  co_return out;
}

net::awaitable<Result<std::optional<port::Cursor>>> MemoryStore::cursor(port::Partition partition) {
  std::shared_lock lock(mutex_);
  auto found = cursors_.find(partition);
  if (found == cursors_.end()) co_return std::nullopt;
  co_return found->second;
}

net::awaitable<Result<void>> MemoryStore::checkpoint(const std::filesystem::path&) {
  co_return fail(ErrorCode::invalid, "the store in memory has nothing to copy; back up the log instead");
}

std::uint64_t MemoryStore::bytes() const {
  std::shared_lock lock(mutex_);
  return bytes_;
}

net::awaitable<Result<void>> MemoryStore::close() {
  co_return Result<void>();
}

}  // namespace hutong::store
