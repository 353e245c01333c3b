#include "broker/pipeline/overlay.h"

#include <map>

namespace hutong::pipeline {
namespace {

bool begins_with(const port::Key& key, const port::Key& prefix) {
  for (std::size_t i = 0; i < prefix.size(); ++i) {
    if (key[i] != prefix[i]) return false;
  }
  return true;
}

}  // namespace

std::size_t Overlay::Hash::operator()(const port::Key& key) const {
  std::size_t sum = 0;
  for (const auto& cell : key) {
    const auto* text = std::get_if<std::string>(&cell);
    const std::size_t own = text ? std::hash<std::string_view>()(*text)
                                 : static_cast<std::size_t>(std::get<std::int64_t>(cell)) * 0x9E3779B97F4A7C15ULL;
    sum = (sum ^ own) * 0xFF51AFD7ED558CCDULL;
    sum ^= sum >> 32U;
  }
  return sum;
}

Overlay::Rows& Overlay::rows(const port::Table& table) {
  if (tables_.size() <= table.number) tables_.resize(table.number + 1U);
  auto& rows = tables_[table.number];
  rows.table = &table;
  return rows;
}

net::awaitable<void> Overlay::foresee(std::vector<port::Lookup> lookups) {
  std::vector<port::Lookup> wanted;
  std::vector<Entry*> places;
  for (auto& lookup : lookups) {
    auto [place, fresh] = rows(*lookup.table).entries.try_emplace(lookup.key);
    if (!fresh) continue;
    places.push_back(&place->second);
    wanted.push_back(std::move(lookup));
  }
  if (wanted.empty()) co_return;
  auto found = co_await store_.get_many(std::move(wanted));
  if (!found) {
    if (!failed_) failed_ = found.error();
    co_return;
  }
  for (std::size_t i = 0; i < places.size(); ++i) {
    if (auto& row = (*found)[i]) places[i]->row = &rows_.emplace_back(std::move(*row));
  }
}

void Overlay::adopt(Overlay fetched) {
  for (auto& theirs : fetched.tables_) {
    if (!theirs.table) continue;
    auto& own = rows(*theirs.table);
    own.entries.merge(theirs.entries);
    own.scanned.merge(theirs.scanned);
  }
  adopted_.push_back(std::move(fetched.rows_));
  if (!failed_) failed_ = fetched.failed_;
}

net::awaitable<const port::Row*> Overlay::get(const port::Table& table, port::Key key) {
  auto& entries = rows(table).entries;
  if (auto known = entries.find(key); known != entries.end()) co_return known->second.row;
  std::vector<port::Lookup> lookup;
  lookup.push_back({&table, key});
  co_await foresee(std::move(lookup));
  co_return rows(table).entries[std::move(key)].row;
}

net::awaitable<std::vector<port::Row>> Overlay::scan(const port::Table& table, port::Key prefix, std::size_t limit) {
  auto& own = rows(table);
  if (!own.ordered) {
    own.ordered.emplace();
    for (const auto& entry : own.entries) {
      if (entry.second.changed) own.ordered->insert(&entry);
    }
  }
  std::map<port::Key, std::optional<port::Row>> changed;  // nothing: erased
  std::size_t erased = 0;
  for (auto at = own.ordered->lower_bound(prefix); at != own.ordered->end() && begins_with((*at)->first, prefix);
       ++at) {
    const auto& [key, entry] = **at;
    erased += !entry.row;
    changed.emplace(key, entry.row ? std::optional(*entry.row) : std::nullopt);
  }
  std::vector<port::Row> stored;
  const auto known = own.scanned.find(prefix);
  if (known != own.scanned.end() && known->second.limit >= limit + erased) {
    stored = known->second.rows;
  } else {
    stored = co_await scan_store(table, std::move(prefix), limit + erased);
  }
  for (auto& row : stored) {
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

net::awaitable<std::vector<port::Row>> Overlay::scan_store(const port::Table& table, port::Key prefix,
                                                           std::size_t limit) {
  port::Scan scan;
  scan.prefix = std::move(prefix);
  scan.limit = limit;
  auto stored = co_await store_.scan(table, std::move(scan));
  if (!stored) {
    if (!failed_) failed_ = stored.error();
    co_return std::vector<port::Row>();
  }
  co_return std::move(*stored);
}

net::awaitable<void> Overlay::foresee(const port::Table& table, port::Key prefix, std::size_t limit) {
  if (const auto known = rows(table).scanned.find(prefix); known != rows(table).scanned.end()) {
    if (known->second.limit >= limit) co_return;
  }
  auto found = co_await scan_store(table, prefix, limit);
  rows(table).scanned.insert_or_assign(std::move(prefix), Scanned{limit, std::move(found)});
}

void Overlay::change(const port::Table& table, port::Key key, port::Row* row) {
  auto& own = rows(table);
  const auto place = own.entries.try_emplace(std::move(key)).first;
  Entry& entry = place->second;
  entry.row = row;
  if (entry.changed) return;
  entry.changed = true;
  ++changes_;
  if (own.ordered) own.ordered->insert(&*place);
}

void Overlay::put(const port::Table& table, port::Row row) {
  port::Key key(row.begin(), row.begin() + static_cast<std::ptrdiff_t>(table.key_columns));
  change(table, std::move(key), &rows_.emplace_back(std::move(row)));
}

void Overlay::erase(const port::Table& table, port::Key key) {
  change(table, std::move(key), nullptr);
}

port::StoreBatch Overlay::take() {
  port::StoreBatch batch;
  batch.changes.reserve(changes_);
  for (auto& own : tables_) {
    for (auto& [key, entry] : own.entries) {
      if (!entry.changed) continue;
      if (entry.row) {
        batch.put(*own.table, std::move(*entry.row));
      } else {
        batch.erase(*own.table, key);
      }
    }
  }
  tables_.clear();
  rows_.clear();
  adopted_.clear();
  changes_ = 0;
  return batch;
}

}  // namespace hutong::pipeline
