#include "broker/query/placed_orders.h"

#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "broker/port/tables.h"
#include "broker/query/rows.h"

namespace hutong::query {
namespace {

namespace tables = port::tables;

constexpr std::size_t judged_at_once = 256;
constexpr std::chrono::milliseconds look_every{100};
constexpr auto waiting = static_cast<std::int64_t>(port::Topic::operations);

port::Scan pending(port::Topic topic, std::size_t limit) {
  port::Scan scan;
  scan.prefix = {static_cast<std::int64_t>(topic)};
  scan.limit = limit;
  return scan;
}

}  // namespace

net::awaitable<Result<bool>> PlacedOrders::may_judge() {
  for (std::uint32_t number = 0; number < log_.partitions(port::Topic::operations); ++number) {
    const port::Partition partition{port::Topic::operations, number};
    auto cursor = co_await store_.cursor(partition);
    if (!cursor) co_return tl::unexpected(cursor.error());
    const port::Offset next = *cursor ? (*cursor)->next : 0;
    auto end = co_await log_.end(partition);
    if (!end) co_return tl::unexpected(end.error());
    if (next >= *end) continue;
    auto rest = co_await log_.read(partition, next, {1, 1, false});
    if (!rest) co_return tl::unexpected(rest.error());
    if (!rest->records.empty()) co_return false;  // else a gap
  }
  auto persons = co_await store_.scan(tables::pending, pending(port::Topic::identity, 1));
  if (!persons) co_return tl::unexpected(persons.error());
  co_return persons->empty();
}

net::awaitable<Result<std::size_t>> PlacedOrders::judge() {
  if (!ours_()) co_return std::size_t{0};
  auto rows = co_await store_.scan(tables::pending, pending(port::Topic::operations, judged_at_once));
  if (!rows) co_return tl::unexpected(rows.error());
  if (rows->empty()) co_return std::size_t{0};
  // After the rows were seen: what was told before these orders came stands in the log by now.
  auto may = co_await may_judge();
  if (!may) co_return tl::unexpected(may.error());
  if (!*may) co_return std::size_t{0};
  std::vector<port::Record> answers;
  for (const auto& row : *rows) {
    // What was answered before is met by now: then the row is gone.
    auto still = co_await store_.get(tables::pending, {waiting, text(row, 1)});
    if (!still) co_return tl::unexpected(still.error());
    if (!*still) continue;
    auto placed = model::read_placed_order(text(row, 3), RecordId::from_bytes(text(row, 1)).value_or(RecordId()));
    if (!placed) co_return tl::unexpected(placed.error());
    auto decided = co_await recognition_.judge(std::move(*placed));
    if (!decided) co_return tl::unexpected(decided.error());
    port::Record record;
    record.id = decided->id;
    record.key = text(row, 2);
    record.kinds = model::recognition_decided_kind;
    record.json = model::write(*decided);
    answers.push_back(std::move(record));
  }
  const std::size_t count = answers.size();
  if (count == 0) co_return std::size_t{0};
  auto appended = co_await log_.append(port::Topic::operations, std::move(answers));
  if (!appended) co_return tl::unexpected(appended.error());
  co_return count;
}

net::awaitable<void> PlacedOrders::run(std::function<void(std::string_view)> on_trouble) {
  net::steady_timer timer(co_await net::this_coro::executor);
  std::string trouble;
  while (!stopping_) {
    const auto judged = co_await judge();
    if (const std::string now = judged ? "" : judged.error().message; now != trouble) on_trouble(trouble = now);
    timer.expires_after(look_every);
    co_await timer.async_wait(net::use_awaitable);
  }
}

}  // namespace hutong::query
