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
constexpr port::Offset refusals_window = 1'000, refusals_looked_at = 20'000;

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

// A SHA-256 in hex.
std::optional<std::string> bytes_of(std::string_view hex) {
  return hex.size() == 64 ? from_hex(hex) : std::nullopt;
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

net::awaitable<Result<Refusals>> Operations::refusals(std::string facility, std::string control_id,
                                                      std::optional<port::Offset> before, std::size_t limit) {
  const port::Partition topic{port::Topic::quarantine, 0};
  const auto end = co_await log_.end(topic);
  if (!end) co_return tl::unexpected<Error>(end.error());
  Refusals page;
  port::Offset upper = before ? std::min(*before, *end) : *end;
  const port::Offset lowest = upper > refusals_looked_at ? upper - refusals_looked_at : 0;
  while (upper > lowest) {
    const port::Offset lower = upper - lowest > refusals_window ? upper - refusals_window : lowest;
    std::vector<port::Offset> offsets;
    std::vector<port::Lookup> lookups;
    for (port::Offset from = lower; from < upper;) {
      port::ReadLimit window;
      window.records = refusals_window;
      window.with_raw = false;
      auto slice = co_await log_.read(topic, from, window);
      if (!slice && slice.error().code == ErrorCode::not_found) co_return page;  // retention removed what is older
      if (!slice) co_return tl::unexpected<Error>(slice.error());
      if (slice->next <= from) break;
      from = slice->next;
      for (const auto& stored : slice->records) {
        // "FACILITY/hash", of a refusal and of what a retry made of it: the row says which of them it came from.
        const std::string_view key = stored.record.key;
        const auto slash = key.rfind('/');
        auto hash = slash == std::string_view::npos ? std::nullopt : bytes_of(key.substr(slash + 1));
        if (!hash || stored.offset >= upper || (!facility.empty() && key.substr(0, slash) != facility)) continue;
        offsets.push_back(stored.offset);
        lookups.push_back({&tables::quarantine, {std::string(key.substr(0, slash)), std::move(*hash)}});
      }
    }
    upper = lower;
    if (lookups.empty()) continue;
    auto rows = co_await store_.get_many(std::move(lookups));
    if (!rows) co_return tl::unexpected<Error>(rows.error());
    for (std::size_t i = offsets.size(); i-- > 0;) {
      const auto& row = (*rows)[i];
      if (!row || static_cast<port::Offset>(number(*row, 2)) != offsets[i]) continue;
      if (!control_id.empty() && word(*row, 7) != control_id) continue;
      page.messages.push_back(quarantined_of(*row));
      if (page.messages.size() < limit) continue;
      if (offsets[i] > 0) page.next = offsets[i];
      co_return page;
    }
  }
  if (upper > 0) page.next = upper;
  co_return page;
}

net::awaitable<Result<Refusals>> Operations::quarantine(const access::Permit&, std::string facility,
                                                        std::optional<port::Offset> before, std::size_t limit) {
  co_return co_await refusals(std::move(facility), "", before, limit);
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
