#include "broker/pipeline/overlay.h"

namespace hutong::pipeline {
namespace {

bool begins_with(const port::Key& key, const port::Key& prefix) {
  for (std::size_t i = 0; i < prefix.size(); ++i) {
    if (key[i] != prefix[i]) return false;
  }
  return true;
}

}  // namespace

net::awaitable<void> Overlay::foresee(std::vector<port::Lookup> lookups) {
  std::vector<port::Lookup> wanted;
  std::vector<std::optional<port::Row>*> places;
  for (auto& lookup : lookups) {
    auto [place, fresh] = foreseen_[lookup.table->number].try_emplace(lookup.key);
    if (!fresh) continue;
    places.push_back(&place->second);
    wanted.push_back(std::move(lookup));
  }
  if (wanted.empty()) co_return;
  auto rows = co_await store_.get_many(std::move(wanted));
  if (!rows) {
    if (!failed_) failed_ = rows.error();
    co_return;
  }
  for (std::size_t i = 0; i < places.size(); ++i) *places[i] = std::move((*rows)[i]);
}

net::awaitable<std::optional<port::Row>> Overlay::get(const port::Table& table, port::Key key) {
  if (auto changes = tables_.find(table.number); changes != tables_.end()) {
    if (auto found = changes->second.rows.find(key); found != changes->second.rows.end()) co_return found->second;
  }
  if (auto foreseen = foreseen_.find(table.number); foreseen != foreseen_.end()) {
    if (auto found = foreseen->second.find(key); found != foreseen->second.end()) co_return found->second;
  }
  auto row = co_await store_.get(table, std::move(key));
  if (!row) {
    if (!failed_) failed_ = row.error();
    co_return std::nullopt;
  }
  co_return std::move(*row);
}

net::awaitable<std::vector<port::Row>> Overlay::scan(const port::Table& table, port::Key prefix, std::size_t limit) {
  auto changes = tables_.find(table.number);
  std::map<port::Key, std::optional<port::Row>> changed;
  std::size_t erased = 0;
  if (changes != tables_.end()) {
    auto& rows = changes->second.rows;
    for (auto at = rows.lower_bound(prefix); at != rows.end() && begins_with(at->first, prefix); ++at) {
      erased += !at->second;
      changed.insert(*at);
    }
  }
  port::Scan scan;
  scan.prefix = std::move(prefix);
  scan.limit = limit + erased;
  auto stored = co_await store_.scan(table, std::move(scan));
  if (!stored) {
    if (!failed_) failed_ = stored.error();
    co_return std::vector<port::Row>();
  }
  for (auto& row : *stored) {
    port::Key key(row.begin(), row.begin() + static_cast<std::ptrdiff_t>(table.key_columns));
    changed.try_emplace(std::move(key), std::move(row));
  }
  std::vector<port::Row> out;
  for (auto& [key, row] : changed) {
    if (out.size() == limit) break;
    if (row) out.push_back(std::move(*row));
  }
  co_return out;
}

void Overlay::put(const port::Table& table, port::Row row) {
  auto& changes = tables_[table.number];
  changes.table = &table;
  port::Key key(row.begin(), row.begin() + static_cast<std::ptrdiff_t>(table.key_columns));
  changes.rows[std::move(key)] = std::move(row);
}

void Overlay::erase(const port::Table& table, port::Key key) {
  auto& changes = tables_[table.number];
  changes.table = &table;
  changes.rows[std::move(key)] = std::nullopt;
}

std::size_t Overlay::changes() const {
  std::size_t count = 0;
  for (const auto& [number, changes] : tables_) count += changes.rows.size();
  return count;
}

port::StoreBatch Overlay::take() {
  port::StoreBatch batch;
  batch.changes.reserve(changes());
  for (auto& [number, changes] : tables_) {
    for (auto& [key, row] : changes.rows) {
      if (row) {
        batch.put(*changes.table, std::move(*row));
      } else {
        batch.erase(*changes.table, key);
      }
    }
  }
  tables_.clear();
  return batch;
}

}  // namespace hutong::pipeline
