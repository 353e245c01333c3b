#include "broker/query/criticals.h"

#include <algorithm>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <charconv>

#include "broker/base/hash.h"
#include "broker/critical/document.h"
#include "broker/port/tables.h"
#include "broker/query/rows.h"

namespace hutong::query {
namespace {

namespace tables = port::tables;

constexpr std::chrono::milliseconds look_every_near{10}, look_every_far{50};
constexpr std::size_t name_bytes = 200;

tl::unexpected<Error> pass(const Error& error) {
  return tl::unexpected<Error>(error);
}

// Where a page ended: "CLOSED-MICROS-VALUE".
std::string to_text(const port::Row& row) {
  return std::to_string(integer(row, 1)) + "-" + std::to_string(-integer(row, 2)) + "-" + to_hex(text(row, 3));
}
std::optional<port::Key> read_place(const std::string& facility, std::string_view text) {
  const auto first = text.find('-'), second = text.find('-', first == std::string_view::npos ? first : first + 1);
  if (second == std::string_view::npos) return std::nullopt;
  std::int64_t closed = 0, micros = 0;
  std::from_chars(text.data(), text.data() + first, closed);
  const auto [end, error] = std::from_chars(text.data() + first + 1, text.data() + second, micros);
  const auto id = CriticalId::from_hex(text.substr(second + 1));
  if (error != std::errc() || end != text.data() + second || !id || closed < 0 || closed > 1) return std::nullopt;
  return port::Key{facility, closed, -micros, std::string(id->view())};
}

}  // namespace

Result<ShownCritical> Criticals::shown(const port::Row& row) const {
  auto value = critical::read_critical_value(text(row, 8));
  if (!value) return pass(value.error());
  ShownCritical shown{std::move(*value), std::nullopt};
  shown.next = critical::next(shown.value, *rules_());
  return shown;
}

net::awaitable<Result<ShownCritical>> Criticals::find(CriticalId id, const std::vector<std::string>& facilities) {
  auto row = co_await store_.get(tables::critical_values, {std::string(id.view())});
  if (!row) co_return pass(row.error());
  const auto nobody = [] {
    return fail(ErrorCode::not_found, "no such critical value, or your facility was not told of it");
  };
  if (!*row) co_return nobody();
  auto found = shown(**row);
  if (!found) co_return pass(found.error());
  const auto& value = found->value;
  const auto is_told = [&](const std::string& facility) {
    return facility == value.opened.facility || facility == value.opened.laboratory ||
           std::any_of(value.steps.begin(), value.steps.end(),
                       [&](const auto& step) { return step.facility == facility; });
  };
  if (!facilities.empty() && std::none_of(facilities.begin(), facilities.end(), is_told)) co_return nobody();
  co_return found;
}

net::awaitable<Result<ShownCritical>> Criticals::read(const access::Permit&, CriticalId id,
                                                      std::vector<std::string> facilities) {
  co_return co_await find(id, facilities);
}

net::awaitable<Result<CriticalList>> Criticals::list(const access::Permit&, CriticalSearch search) {
  CriticalList list;
  const auto cursor = co_await store_.cursor({port::Topic::operations, 0});
  if (!cursor) co_return pass(cursor.error());
  list.offset = *cursor ? (*cursor)->next : 0;
  port::Scan scan;
  scan.prefix = {search.facility};
  if (search.open) scan.prefix.emplace_back(std::int64_t{*search.open ? 0 : 1});
  if (!search.position.empty()) {
    scan.after = read_place(search.facility, search.position);
    if (!scan.after) co_return fail(ErrorCode::invalid, "page: expected what the answer before gave as next");
  }
  scan.limit = search.limit + 1;
  auto rows = co_await store_.scan(tables::critical_ledger, std::move(scan));
  if (!rows) co_return pass(rows.error());
  if (rows->size() > search.limit) {
    rows->pop_back();
    list.next = to_text(rows->back());
  }
  std::vector<port::Lookup> lookups;
  for (const auto& row : *rows) lookups.push_back({&tables::critical_values, {row[3]}});
  auto values = co_await store_.get_many(std::move(lookups));
  if (!values) co_return pass(values.error());
  for (const auto& row : *values) {
    if (!row) continue;
    auto found = shown(*row);
    if (!found) co_return pass(found.error());
    list.found.push_back(std::move(*found));
  }
  co_return list;
}

net::awaitable<Result<Criticals::Confirmed>> Criticals::confirm(const access::Permit&, model::CriticalStep confirmation,
                                                                std::vector<std::string> facilities) {
  for (const auto* text : {&confirmation.name, &confirmation.practitioner, &confirmation.facility}) {
    const bool plain =
        std::none_of(text->begin(), text->end(), [](char c) { return static_cast<unsigned char>(c) < 0x20; });
    if (text->size() > name_bytes || !plain)
      co_return fail(ErrorCode::invalid, "name, practitioner, facility: at most 200 bytes, no control characters");
  }
  auto found = co_await find(confirmation.value, facilities);
  if (!found) co_return pass(found.error());
  confirmation.action = model::CriticalAction::confirmed;
  // To confirm again changes nothing: it is one confirmation of this person, whenever it comes.
  confirmation.id = RecordId(PartsHash()
                                 .add("critical-confirmed")
                                 .add(confirmation.value.view())
                                 .add(confirmation.facility)
                                 .add(confirmation.practitioner)
                                 .add(confirmation.name)
                                 .finish());
  if (const auto objection = critical::object(found->value, confirmation))
    co_return Confirmed{std::move(*found), objection, true};
  if (found->value.confirmed()) co_return Confirmed{std::move(*found), std::nullopt, true};
  confirmation.at = now_();
  port::Record record;
  record.id = confirmation.id;
  record.key = found->value.opened.facility + "/" + confirmation.value.hex();
  record.kinds = "critical-value.confirmed";
  record.json = model::write(confirmation);
  std::vector<port::Record> batch;
  batch.push_back(std::move(record));
  auto appended = co_await log_.append(port::Topic::operations, std::move(batch));
  if (!appended) co_return pass(appended.error());
  net::steady_timer timer(co_await net::this_coro::executor);
  const auto look_every = store_.is_far() ? look_every_far : look_every_near;
  for (std::chrono::milliseconds waited{0}; waited < limits::verdict_deadline; waited += look_every) {
    auto now = co_await find(confirmation.value, {});
    if (now && now->value.confirmed()) {
      // Somebody may have been faster by a moment: then theirs stands.
      const auto objection = critical::object(now->value, confirmation);
      co_return Confirmed{std::move(*now), objection, true};
    }
    timer.expires_after(look_every);
    co_await timer.async_wait(net::use_awaitable);
  }
  co_return Confirmed{std::move(*found), std::nullopt, false};
}

}  // namespace hutong::query
