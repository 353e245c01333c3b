// The reports, stays or orders of several local patients in one order of time: each lane is one patient's rows of one
// table as the store keeps them, the heads are merged. A place in it is a position, not a number, so rows that arrive
// between two pages shift nothing. One reader; lives for one query.
#pragma once

#include <deque>
#include <optional>
#include <string>
#include <vector>

#include "broker/port/store.h"

namespace hutong::query {

// Where a row stands: negated time, facility, number, id (16 bytes); `sub` counts inside the row.
struct Place {
  std::int64_t newest = 0;
  std::string facility, number, id;
  std::size_t sub = 0;
};
std::string to_text(const Place& place);
std::optional<Place> read_place(std::string_view text);
Place place_of(const port::Row& row);

class Timeline {
 public:
  // `start`: the first row given is that one or the next behind it.
  Timeline(port::Store& store, bool oldest_first, std::optional<Place> start)
      : store_(store), oldest_first_(oldest_first), start_(std::move(start)) {}
  // `table` has the key (facility, number, newest, id).
  void add(const port::Table& table, std::string facility, std::string number);
  // nullopt: no further row.
  net::awaitable<Result<std::optional<port::Row>>> next();
  // Whose row next() gave last.
  const port::Table& table() const { return *table_; }

 private:
  struct Lane {
    const port::Table* table;
    std::string facility, number;
    std::deque<port::Row> rows;
    std::optional<port::Key> last;
    std::size_t next_limit;
    bool done = false;
  };
  net::awaitable<Result<void>> fill(Lane& lane);

  port::Store& store_;
  const port::Table* table_ = nullptr;
  bool oldest_first_;
  std::optional<Place> start_;
  std::vector<Lane> lanes_;
};

}  // namespace hutong::query
