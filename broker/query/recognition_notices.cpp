// What is read of the projector's folds: the counters behind the statistics, and what a facility is to be told.
#include <array>
#include <boost/asio/post.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <charconv>

#include "broker/port/tables.h"
#include "broker/query/recognition.h"
#include "broker/query/rows.h"

namespace hutong::query {
namespace {

namespace tables = port::tables;

// Notices of a facility that one look goes through, newest first.
constexpr std::size_t notices_per_look = 10'000;

tl::unexpected<Error> pass(const Error& error) {
  return tl::unexpected<Error>(error);
}

// Where a page of notices ended: "MICROS-REPORT-VERSION-DECISION".
std::string notice_position(const port::Row& row) {
  return std::to_string(-integer(row, 1)) + "-" + to_hex(text(row, 2)) + "-" + std::to_string(integer(row, 3)) + "-" +
         to_hex(text(row, 4));
}
std::optional<port::Key> notice_key(const std::string& facility, const std::string& position) {
  std::array<std::string, 4> parts;
  std::size_t from = 0;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    const auto end = i + 1 < parts.size() ? position.find('-', from) : position.size();
    if (end == std::string::npos) return std::nullopt;
    parts[i] = position.substr(from, end - from);
    from = end + 1;
  }
  std::int64_t micros = 0, version = 0;
  const auto read = [](const std::string& digits, std::int64_t& into) {
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), into);
    return error == std::errc() && end == digits.data() + digits.size();
  };
  const auto report = from_hex(parts[1]), decision = from_hex(parts[3]);
  if (!read(parts[0], micros) || !read(parts[2], version) || !report || !decision) return std::nullopt;
  return port::Key{facility, -micros, *report, version, *decision};
}

}  // namespace

net::awaitable<Result<void>> Recognition::counts(const access::Permit&, CountSearch search,
                                                 std::function<void(const Counted&)> take) {
  const auto executor = co_await net::this_coro::executor;
  const auto fits = [](const std::string& asked, const std::string& is) { return asked.empty() || asked == is; };
  for (std::optional<port::Key> after;;) {
    port::Scan scan;
    scan.after = after;
    scan.from = port::Cell(search.from);
    scan.to = port::Cell(search.to);
    auto rows = co_await store_.scan(tables::recognition_counts, std::move(scan));
    if (!rows) co_return pass(rows.error());
    for (const auto& row : *rows) {
      const Counted one{text(row, 0), text(row, 1), text(row, 2), text(row, 3), text(row, 4), integer(row, 5)};
      if (fits(search.facility, one.facility) && fits(search.department, one.department) && fits(search.item, one.item))
        take(one);
    }
    if (rows->size() < 1000) co_return Result<void>();
    after = port::Key(rows->back().begin(), rows->back().begin() + 5);
    co_await net::post(executor, net::use_awaitable);
  }
}

net::awaitable<Result<Notices>> Recognition::notices(const access::Permit&, std::string facility, NoticeSearch search) {
  port::Scan scan;
  scan.prefix = {facility};
  scan.limit = search.limit + 1;
  if (search.since) scan.to = port::Cell(-search.since->micros - 1);
  if (!search.position.empty()) {  // hex of what follows the facility in the key of the last row shown
    auto after = notice_key(facility, search.position);
    if (!after) co_return fail(ErrorCode::invalid, "page: expected what the answer before gave as next");
    scan.after = std::move(*after);
  }
  Notices answer;
  std::string last;
  for (std::size_t looked_at = 0;;) {
    auto rows = co_await store_.scan(tables::recognition_notices, scan);
    if (!rows) co_return pass(rows.error());
    for (const auto& row : *rows) {
      const bool repeated = text(row, 5) == "repeated";
      if (search.kind.empty() || repeated == (search.kind == "repeated")) {
        if (answer.found.size() == search.limit) {
          answer.next = last;
          co_return answer;
        }
        auto notice = co_await notice_of(row, repeated);
        if (!notice) co_return pass(notice.error());
        answer.found.push_back(std::move(*notice));
      }
      last = notice_position(row);
    }
    looked_at += rows->size();
    if (rows->size() < scan.limit) co_return answer;
    if (looked_at >= notices_per_look) {  // of another kind, most of them
      answer.next = last;
      co_return answer;
    }
    scan.after = port::Key(rows->back().begin(), rows->back().begin() + 5);
  }
}

net::awaitable<Result<Notice>> Recognition::notice_of(const port::Row& row, bool repeated) {
  Notice notice;
  notice.repeated = repeated;
  notice.facility = text(row, 0);
  notice.at = {-integer(row, 1)};
  notice.report = to_hex(text(row, 2));
  notice.version = static_cast<std::uint64_t>(integer(row, 3));
  notice.decision = to_hex(text(row, 4));
  std::vector<port::Lookup> lookups;
  lookups.push_back({&tables::recognition_uses, {text(row, 2), text(row, 4)}});
  lookups.push_back({&tables::recognition_decisions, {text(row, 4)}});
  auto more = co_await store_.get_many(std::move(lookups));
  if (!more) co_return pass(more.error());
  if (repeated) {  // nobody was shown it
    notice.use = "repeated";
    notice.shown = notice.version;
  } else {
    notice.status = text(row, 5);
    if (const auto& use = (*more)[0]) {
      notice.use = text(*use, 4);
      notice.shown = static_cast<std::uint64_t>(integer(*use, 2));
    }
  }
  if (const auto& decision = (*more)[1]) {
    if (auto decided = model::read_recognition_decided(text(*decision, 1))) {
      notice.practitioner = decided->practitioner;
      notice.department = decided->department;
      notice.order = decided->order;
      for (const auto& line : decided->lines) {
        for (const auto& result : line.results) {
          if (result.report == notice.report && notice.item.empty()) notice.item = result.item;
        }
      }
    }
  }
  co_return notice;
}

}  // namespace hutong::query
