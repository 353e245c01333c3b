#include "broker/query/timeline.h"

#include <algorithm>
#include <charconv>
#include <tuple>

#include "broker/base/hash.h"
#include "broker/base/id.h"

namespace hutong::query {
namespace {

// The first rows are often enough; whoever goes on gets larger pieces.
constexpr std::size_t rows_first = 16, rows_most = 64;
constexpr char separator = '\x1f';

auto order_of(const Place& place) {
  return std::tie(place.newest, place.facility, place.number, place.id);
}

std::optional<std::string_view> take(std::string_view& text) {
  const auto at = text.find(separator);
  if (at == std::string_view::npos) return std::nullopt;
  const auto part = text.substr(0, at);
  text.remove_prefix(at + 1);
  return part;
}

template <class Number>
bool read_number(std::string_view text, Number& number) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc() && end == text.data() + text.size();
}

}  // namespace

std::string to_text(const Place& place) {
  std::string text = std::to_string(place.newest);
  for (const auto& part : {place.facility, place.number, to_hex(place.id)}) {
    text.push_back(separator);
    text += part;
  }
  text.push_back(separator);
  return text + std::to_string(place.sub);
}

std::optional<Place> read_place(std::string_view text) {
  Place place;
  const auto newest = take(text), facility = take(text), number = take(text), id = take(text);
  if (!newest || !facility || !number || !id) return std::nullopt;
  const auto bytes = HashId<Place>::from_hex(*id);
  if (!bytes || !read_number(*newest, place.newest) || !read_number(text, place.sub)) return std::nullopt;
  place.facility = *facility;
  place.number = *number;
  place.id = bytes->view();
  return place;
}

Place place_of(const port::Row& row) {
  return {std::get<std::int64_t>(row[2]), std::get<std::string>(row[0]), std::get<std::string>(row[1]),
          std::get<std::string>(row[3]), 0};
}

void Timeline::add(const port::Table& table, std::string facility, std::string number) {
  lanes_.push_back({&table, std::move(facility), std::move(number), {}, std::nullopt, rows_first, false});
}

net::awaitable<Result<void>> Timeline::fill(Lane& lane) {
  while (lane.rows.empty() && !lane.done) {
    port::Scan scan;
    scan.prefix = {lane.facility, lane.number};
    const std::size_t limit = lane.next_limit;
    lane.next_limit = std::min(2 * limit, rows_most);
    scan.limit = limit;
    scan.backward = oldest_first_;
    scan.after = lane.last;
    if (start_) (oldest_first_ ? scan.to : scan.from) = port::Cell(start_->newest);
    auto rows = co_await store_.scan(*lane.table, std::move(scan));
    if (!rows) co_return tl::unexpected<Error>(rows.error());
    lane.done = rows->size() < limit;
    for (auto& row : *rows) {
      lane.last = port::Key(row.begin(), row.begin() + 4);
      if (start_) {
        const Place place = place_of(row);
        if (oldest_first_ ? order_of(place) > order_of(*start_) : order_of(place) < order_of(*start_)) continue;
      }
      lane.rows.push_back(std::move(row));
    }
  }
  co_return Result<void>();
}

net::awaitable<Result<std::optional<port::Row>>> Timeline::next() {
  Lane* best = nullptr;
  for (auto& lane : lanes_) {
    if (auto filled = co_await fill(lane); !filled) co_return tl::unexpected<Error>(filled.error());
    if (lane.rows.empty()) continue;
    if (best) {
      const Place here = place_of(lane.rows.front()), there = place_of(best->rows.front());
      if (oldest_first_ ? order_of(here) < order_of(there) : order_of(there) < order_of(here)) continue;
    }
    best = &lane;
  }
  if (!best) co_return std::optional<port::Row>();
  table_ = best->table;
  std::optional<port::Row> row(std::move(best->rows.front()));
  best->rows.pop_front();
  co_return row;
}

}  // namespace hutong::query
