// One batch of the projector in the making: reads see what the batch has written so far, over what the store holds.
// What is known beforehand to be read is fetched together: a store may be a network away.
// A read that the store could not answer spoils the batch: failed() says so, nothing of it may be written, and the
// same records are applied again later. So the effects need not ask after every look.
// Threads: one at a time, the projector's or the one aside. Lifetime: one batch.
#pragma once

#include <deque>
#include <optional>
#include <set>
#include <unordered_map>
#include <vector>

#include "broker/port/store.h"

namespace hutong::pipeline {

class Overlay {
 public:
  explicit Overlay(port::Store& store) : store_(store) {}

  // Fetches these rows in one journey; get() finds them here. What was not foreseen it fetches itself, one at a time.
  net::awaitable<void> foresee(std::vector<port::Lookup> lookups);
  // The same for scans, of which each is a journey.
  net::awaitable<void> foresee(const port::Table& table, port::Key prefix, std::size_t limit);
  // What another one has fetched and not changed. Of a row that is known here, too, this one knows better.
  void adopt(Overlay fetched);
  // nullptr: no such row. The row stays as it is until take(), whatever is put or erased meanwhile.
  net::awaitable<const port::Row*> get(const port::Table& table, port::Key key);
  // Rows whose key begins with `prefix`, in key order.
  net::awaitable<std::vector<port::Row>> scan(const port::Table& table, port::Key prefix, std::size_t limit);
  void put(const port::Table& table, port::Row row);
  void erase(const port::Table& table, port::Key key);

  const std::optional<Error>& failed() const { return failed_; }
  std::size_t changes() const { return changes_; }
  // Everything, as one step. The overlay is empty afterwards.
  port::StoreBatch take();

 private:
  struct Hash {
    std::size_t operator()(const port::Key& key) const;
  };
  struct Entry {
    port::Row* row = nullptr;  // in rows_; nullptr: no such row, or erased
    bool changed = false;
  };
  using Entries = std::unordered_map<port::Key, Entry, Hash>;
  struct Before {
    bool operator()(const Entries::value_type* a, const Entries::value_type* b) const { return a->first < b->first; }
    bool operator()(const Entries::value_type* a, const port::Key& b) const { return a->first < b; }
    using is_transparent = void;
  };
  struct Scanned {
    std::size_t limit = 0;
    std::vector<port::Row> rows;  // as the store has them
  };
  struct Rows {
    const port::Table* table = nullptr;
    Entries entries;
    std::unordered_map<port::Key, Scanned, Hash> scanned;  // by prefix
    // The changed ones in key order, from the first scan on: few tables are scanned.
    std::optional<std::set<const Entries::value_type*, Before>> ordered;
  };
  Rows& rows(const port::Table& table);
  net::awaitable<std::vector<port::Row>> scan_store(const port::Table& table, port::Key prefix, std::size_t limit);
  void change(const port::Table& table, port::Key key, port::Row* row);

  port::Store& store_;
  std::vector<Rows> tables_;                   // by Table::number
  std::deque<port::Row> rows_;                 // also those that were put anew since
  std::deque<std::deque<port::Row>> adopted_;  // theirs: entries refer to them, so they never move
  std::size_t changes_ = 0;
  std::optional<Error> failed_;
};

}  // namespace hutong::pipeline
