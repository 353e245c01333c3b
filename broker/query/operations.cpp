#include "broker/query/operations.h"

#include <rapidjson/document.h>

#include <algorithm>
#include <map>

#include "broker/base/hash.h"
#include "broker/base/limits.h"
#include "broker/port/tables.h"

namespace hutong::query {
namespace {

namespace tables = port::tables;

constexpr std::size_t feeds_most = 100'000;

std::int64_t number(const port::Row& row, std::size_t column) {
  return std::get<std::int64_t>(row[column]);
}
const std::string& word(const port::Row& row, std::size_t column) {
  return std::get<std::string>(row[column]);
}

std::uint64_t count(const rapidjson::Value& object, const char* name) {
  const auto member = object.FindMember(name);
  return member != object.MemberEnd() && member->value.IsUint64() ? member->value.GetUint64() : 0;
}

std::optional<Timestamp> moment(const rapidjson::Value& object, const char* name) {
  const auto member = object.FindMember(name);
  if (member == object.MemberEnd() || !member->value.IsInt64() || member->value.GetInt64() == 0) return std::nullopt;
  return Timestamp{member->value.GetInt64()};
}

void read_state(Feed& feed) {
  rapidjson::Document state;
  state.Parse<rapidjson::kParseIterativeFlag>(feed.state.data(), feed.state.size());
  if (state.HasParseError() || !state.IsObject()) return;
  feed.first = moment(state, "firstReceived");
  feed.last = moment(state, "lastReceived");
  feed.total = count(state, "records");
  feed.warnings = count(state, "warnings");
  feed.duplicates = count(state, "duplicates");
  feed.conflicts = count(state, "controlIdConflicts");
  feed.unmapped = count(state, "unmapped");
  feed.rejected = count(state, "rejected");
  const auto rejects = state.FindMember("rejects");
  if (rejects == state.MemberEnd() || !rejects->value.IsObject()) return;
  for (const auto& reason : rejects->value.GetObject()) {
    if (!reason.value.IsUint64()) continue;
    feed.rejects.emplace_back(std::string(reason.name.GetString(), reason.name.GetStringLength()),
                              reason.value.GetUint64());
  }
  std::sort(feed.rejects.begin(), feed.rejects.end(), [](const auto& a, const auto& b) { return a.second > b.second; });
}

void describe(Feed& feed, const model::Facility& facility) {
  feed.registered = !facility.provisional;
  feed.provisional = facility.provisional;
  feed.name_zh = facility.name_zh;
  feed.name_en = facility.name_en;
  feed.level = facility.level;
  feed.kind = facility.kind;
}

Feed feed_of(const port::Row& row) {
  Feed feed;
  feed.facility = word(row, 0);
  feed.provisional = feed.facility.starts_with("x-");
  feed.state = word(row, 1);
  read_state(feed);
  return feed;
}

std::optional<std::string> bytes_of(std::string_view hex) {
  std::string bytes;
  const auto digit = [](char c) { return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1; };
  if (hex.size() != 64) return std::nullopt;
  for (std::size_t i = 0; i < hex.size(); i += 2) {
    if (digit(hex[i]) < 0 || digit(hex[i + 1]) < 0) return std::nullopt;
    bytes += static_cast<char>(digit(hex[i]) * 16 + digit(hex[i + 1]));
  }
  return bytes;
}

}  // namespace

Quarantined Operations::quarantined_of(const port::Row& row) const {
  const Repetition repetition = repetitions_ ? repetitions_(word(row, 0), word(row, 1)) : Repetition{};
  return {word(row, 0),
          to_hex(word(row, 1)),
          static_cast<port::Offset>(number(row, 2)),
          word(row, 3),
          word(row, 4),
          word(row, 5),
          word(row, 6),
          word(row, 7),
          word(row, 9),
          Timestamp{number(row, 8)},
          repetition.times,
          repetition.last};
}

net::awaitable<Result<std::vector<Feed>>> Operations::feeds(const access::Permit&) {
  port::Scan scan;
  scan.limit = feeds_most;
  auto rows = co_await store_.scan(tables::feeds, std::move(scan));
  if (!rows) co_return tl::unexpected<Error>(rows.error());
  std::map<std::string, Feed> by_code;
  for (const auto& row : *rows) by_code[word(row, 0)] = feed_of(row);
  if (const auto directory = facilities_()) {
    for (const model::Facility* facility : directory->all()) {
      auto& feed = by_code[facility->code];
      feed.facility = facility->code;
      describe(feed, *facility);
    }
  }
  std::vector<Feed> feeds;
  for (auto& [code, feed] : by_code) feeds.push_back(std::move(feed));
  co_return feeds;
}

net::awaitable<Result<Feed>> Operations::feed(const access::Permit&, std::string facility) {
  const auto directory = facilities_();
  const model::Facility* registered = directory ? directory->find(facility) : nullptr;
  auto row = co_await store_.get(tables::feeds, port::Key{facility});
  if (!row) co_return tl::unexpected<Error>(row.error());
  if (!registered && !*row)
    co_return fail(ErrorCode::not_found, "no facility of this code is registered or has sent anything");
  Feed feed;
  if (*row) feed = feed_of(**row);
  feed.facility = facility;
  if (registered) describe(feed, *registered);
  co_return feed;
}

net::awaitable<Result<std::vector<UnmappedCode>>> Operations::unmapped(const access::Permit&, std::string facility,
                                                                       std::size_t limit) {
  port::Scan scan;
  scan.limit = limit;
  if (!facility.empty()) scan.prefix.emplace_back(std::move(facility));
  auto rows = co_await store_.scan(tables::unmapped, std::move(scan));
  if (!rows) co_return tl::unexpected<Error>(rows.error());
  std::vector<UnmappedCode> codes;
  for (const auto& row : *rows) {
    codes.push_back({word(row, 0), word(row, 1), word(row, 2), static_cast<std::uint64_t>(number(row, 3)),
                     Timestamp{number(row, 4)}, Timestamp{number(row, 5)}});
  }
  std::sort(codes.begin(), codes.end(), [](const auto& a, const auto& b) { return a.count > b.count; });
  co_return codes;
}

net::awaitable<Result<std::vector<Quarantined>>> Operations::quarantine(
    const access::Permit&, std::string facility, std::optional<std::pair<std::string, std::string>> after,
    std::size_t limit) {
  port::Scan scan;
  scan.limit = limit;
  if (!facility.empty()) scan.prefix.emplace_back(std::move(facility));
  if (after) {
    auto bytes = bytes_of(after->second);
    if (!bytes)
      co_return fail(ErrorCode::invalid, "after is not FACILITY/<64 hex digits>: take it from the page before");
    scan.after = port::Key{after->first, std::move(*bytes)};
  }
  auto rows = co_await store_.scan(tables::quarantine, std::move(scan));
  if (!rows) co_return tl::unexpected<Error>(rows.error());
  std::vector<Quarantined> found;
  for (const auto& row : *rows) found.push_back(quarantined_of(row));
  co_return found;
}

net::awaitable<Result<Quarantined>> Operations::quarantined(const access::Permit&, std::string facility,
                                                            std::string raw_hash) {
  auto bytes = bytes_of(raw_hash);
  if (!bytes) co_return fail(ErrorCode::invalid, "a quarantined message is named by FACILITY and 64 hex digits");
  port::Key key;
  key.emplace_back(std::move(facility));
  key.emplace_back(std::move(*bytes));
  auto row = co_await store_.get(tables::quarantine, std::move(key));
  if (!row) co_return tl::unexpected<Error>(row.error());
  if (!*row)
    co_return fail(ErrorCode::not_found, "no such message is in quarantine: list them with hutong quarantine list");
  co_return quarantined_of(**row);
}

net::awaitable<Result<std::string>> Operations::quarantined_raw(const access::Permit& permit, std::string facility,
                                                                std::string raw_hash) {
  if (permit.demand().resource != "quarantine/raw")
    co_return fail(ErrorCode::forbidden, "this permit is not for quarantined bytes");
  auto item = co_await quarantined(permit, std::move(facility), std::move(raw_hash));
  if (!item) co_return tl::unexpected<Error>(item.error());
  port::ReadLimit limit;
  limit.records = 1;
  auto slice = co_await log_.read({port::Topic::quarantine, 0}, item->offset, limit);
  if (!slice) co_return tl::unexpected<Error>(slice.error());
  if (slice->records.empty() || slice->records.front().offset != item->offset) {
    co_return fail(ErrorCode::gone, "retention has removed the bytes of this message");
  }
  co_return std::move(slice->records.front().record.raw);
}

}  // namespace hutong::query
