// The life of one message: found in the log, newest first, a bounded piece of it at a time.
#include <algorithm>

#include "broker/base/hash.h"
#include "broker/base/limits.h"
#include "broker/model/event_json.h"
#include "broker/port/tables.h"
#include "broker/query/operations.h"

namespace hutong::query {
namespace {

namespace tables = port::tables;

constexpr port::Offset window = 2'000;
constexpr port::Offset search_most = 50'000;  // records a call looks at: some tenths of a second
constexpr std::size_t found_most = 100;

}  // namespace

struct Operations::Wanted {
  std::optional<RecordId> record;
  std::string facility, control_id, quoted;
};

Result<Operations::Wanted> Operations::read_wanted(const std::string& id) {
  Wanted wanted;
  const auto slash = id.find('/');
  if (slash != std::string::npos && slash > 0 && slash + 1 < id.size()) {
    wanted.facility = id.substr(0, slash);
    wanted.control_id = id.substr(slash + 1);
    if (wanted.control_id.size() <= limits::control_id_chars) {
      // Escaped characters inside a control id are rare enough to be searched by its record id instead.
      wanted.quoted = '"' + wanted.control_id + '"';
      return wanted;
    }
  }
  wanted.record = RecordId::from_hex(id.substr(0, id.find('.')));
  if (!wanted.record) {
    return fail(ErrorCode::invalid,
                "trace takes a record id (32 hex digits), an event id (record id.ordinal) or FACILITY/control-id");
  }
  return wanted;
}

namespace {

TracedRecord describe(const port::StoredRecord& stored, const model::RecordView& view) {
  const auto text = [](model::Text sent) { return std::string(sent); };
  TracedRecord record;
  record.id = stored.record.id.hex();
  record.offset = stored.offset;
  record.appended = stored.appended;
  record.received = view.times.received;
  record.sent = text(view.times.sent.iso.empty() ? view.times.sent.sent : view.times.sent.iso);
  record.facility = text(view.source.facility);
  record.provisional = view.source.provisional;
  record.application = text(view.source.sender_application);
  record.sender_facility = text(view.source.sender_facility);
  record.control_id = text(view.source.control_id);
  record.type = text(view.source.type);
  record.version = text(view.source.version);
  record.charset = text(view.source.charset);
  record.protocol = text(view.source.protocol);
  record.connection = text(view.source.connection);
  record.map_version = text(view.map_version);
  for (const auto& event : view.events) {
    TracedEvent traced;
    traced.id = record.id + "." + std::to_string(event.ordinal);
    traced.kind = to_string(event.kind);
    traced.version = event.version;
    if (event.report) {
      traced.report = event.report->id.hex();
      traced.status = to_string(event.report->status);
    } else if (event.order) {
      traced.order = event.order->id.hex();
      traced.status = to_string(event.order->status);
    } else if (event.kind == model::EventKind::encounter_changed) {
      traced.encounter = event.encounter.id.hex();
      traced.status = to_string(event.encounter.status);
    }
    record.events.push_back(std::move(traced));
  }
  for (const auto& issue : view.issues.list()) {
    record.issues.push_back(
        {text(to_string(issue.severity)), text(issue.code), text(issue.path), text(issue.found), text(issue.expected)});
  }
  return record;
}

}  // namespace

net::awaitable<Result<void>> Operations::add_person(TracedRecord& record, std::string facility, std::string number) {
  if (number.empty()) co_return Result<void>();
  PersonId person = model::first_person_id(facility, number);
  port::Key key;
  key.emplace_back(std::move(facility));
  key.emplace_back(std::move(number));
  auto link = co_await store_.get(tables::person_of, std::move(key));
  if (!link) co_return tl::unexpected<Error>(link.error());
  record.person_members = 1;
  if (*link) {
    const auto& bytes = std::get<std::string>((**link)[2]);
    if (auto linked = PersonId::from_bytes(bytes)) person = *linked;
    port::Key of_person;
    of_person.emplace_back(bytes);
    auto row = co_await store_.get(tables::persons, std::move(of_person));
    if (!row) co_return tl::unexpected<Error>(row.error());
    if (*row) {
      // [["facility","number"],…]: one inner list a local patient; only how many is told.
      const auto& members = std::get<std::string>((**row)[1]);
      const auto lists = std::count(members.begin(), members.end(), '[');
      record.person_members = lists > 1 ? static_cast<std::uint64_t>(lists - 1) : 1;
    }
  }
  record.person = person.hex();
  co_return Result<void>();
}

net::awaitable<Result<void>> Operations::search_log(const std::string& id, std::optional<port::Offset> before,
                                                    Trace& trace) {
  auto wanted = read_wanted(id);
  if (!wanted) co_return tl::unexpected<Error>(wanted.error());
  // The same window of every partition: an operator looks further back in all of them at once.
  std::vector<port::Offset> ends(log_.partitions(port::Topic::events));
  for (std::uint32_t number = 0; number < ends.size(); ++number) {
    auto end = co_await log_.end({port::Topic::events, number});
    if (!end) co_return tl::unexpected<Error>(end.error());
    ends[number] = *end;
  }
  const port::Offset newest = *std::max_element(ends.begin(), ends.end());
  trace.searched_to = before ? std::min(*before, newest) : newest;
  trace.searched_from = trace.searched_to > search_most ? trace.searched_to - search_most : 0;
  port::Offset reached = 0;
  bool all = true;
  for (std::uint32_t number = 0; number < ends.size(); ++number) {
    const port::Partition events{port::Topic::events, number};
    const port::Offset first = std::max(log_.first(events), trace.searched_from);
    auto stopped =
        co_await search_partition(*wanted, events, first, std::min(trace.searched_to, ends[number]), trace.records);
    if (!stopped) co_return tl::unexpected<Error>(stopped.error());
    reached = std::max(reached, *stopped);
    all = all && *stopped <= log_.first(events);
    if (wanted->record && !trace.records.empty()) break;
  }
  trace.searched_from = reached;
  if (!all) trace.next = reached;
  if (ends.size() > 1) {
    std::stable_sort(trace.records.begin(), trace.records.end(),
                     [](const TracedRecord& a, const TracedRecord& b) { return a.appended > b.appended; });
  }
  for (auto& record : trace.records) {
    port::ReadLimit limit;
    limit.records = 1;
    auto slice = co_await log_.read({port::Topic::events, record.partition}, record.offset, limit);
    if (!slice || slice->records.empty()) continue;
    const auto& raw = slice->records.front().record.raw;
    const auto digest = sha256(raw);
    record.raw_bytes = raw.size();
    record.raw_sha256 = to_hex(as_view(digest));
  }
  co_return Result<void>();
}

// Newest first, into `found`; where it stopped looking.
net::awaitable<Result<port::Offset>> Operations::search_partition(const Wanted& wanted, port::Partition events,
                                                                  port::Offset first, port::Offset upper,
                                                                  std::vector<TracedRecord>& records) {
  Arena arena;
  while (upper > first && records.size() < found_most) {
    const port::Offset lower = upper - first > window ? upper - window : first;
    std::vector<TracedRecord> found;
    for (port::Offset from = lower; from < upper;) {
      port::ReadLimit limit;
      limit.records = window;
      limit.with_raw = false;
      auto slice = co_await log_.read(events, from, limit);
      if (!slice) co_return tl::unexpected<Error>(slice.error());
      if (slice->next <= from) break;
      from = slice->next;
      for (const auto& stored : slice->records) {
        if (stored.offset >= upper) break;
        if (wanted.record ? stored.record.id != *wanted.record
                          : stored.record.json.find(wanted.quoted) == std::string::npos) {
          continue;
        }
        arena.reset();
        model::RecordView view;
        if (!model::read_record(stored.record.json, arena, view)) continue;
        if (!wanted.record && (view.source.facility != wanted.facility || view.source.control_id != wanted.control_id))
          continue;
        TracedRecord record = describe(stored, view);
        record.partition = events.number;
        const std::string facility(view.subject.facility.empty() ? view.source.facility : view.subject.facility);
        const std::string number(view.subject.number);
        auto person = co_await add_person(record, facility, number);
        if (!person) co_return tl::unexpected<Error>(person.error());
        found.push_back(std::move(record));
      }
    }
    for (auto record = found.rbegin(); record != found.rend(); ++record) records.push_back(std::move(*record));
    upper = lower;
    if (wanted.record && !records.empty()) break;
  }
  co_return upper;
}

net::awaitable<Result<port::Offset>> Operations::offset_since(const access::Permit&, Timestamp time) {
  std::optional<port::Offset> least;
  for (std::uint32_t number = 0; number < log_.partitions(port::Topic::events); ++number) {
    auto here = co_await offset_since({port::Topic::events, number}, time);
    if (!here) co_return here;
    least = least ? std::min(*least, *here) : *here;
  }
  co_return least.value_or(0);
}

net::awaitable<Result<port::Offset>> Operations::offset_since(port::Partition events, Timestamp time) {
  auto end = co_await log_.end(events);
  if (!end) co_return tl::unexpected<Error>(end.error());
  port::Offset low = log_.first(events);
  port::Offset high = *end;
  while (low < high) {  // append times never fall within a partition
    const port::Offset middle = low + (high - low) / 2;
    port::ReadLimit one;
    one.records = 1;
    one.with_raw = false;
    auto slice = co_await log_.read(events, middle, one);
    if (!slice) co_return tl::unexpected<Error>(slice.error());
    if (!slice->records.empty() && slice->records.front().appended < time) {
      low = slice->records.front().offset + 1;
    } else {
      high = middle;
    }
  }
  co_return low;
}

net::awaitable<Result<Trace>> Operations::trace(const access::Permit&, std::string id,
                                                std::optional<port::Offset> before) {
  Trace trace;
  auto searched = co_await search_log(id, before, trace);
  if (!searched) co_return tl::unexpected<Error>(searched.error());
  if (const auto slash = id.find('/'); slash != std::string::npos && !before) {
    auto refused = co_await refusals(id.substr(0, slash), id.substr(slash + 1), std::nullopt, limits::page_items_max);
    if (!refused) co_return tl::unexpected<Error>(refused.error());
    trace.quarantined = std::move(refused->messages);
  }
  if (trace.records.empty() && trace.quarantined.empty() && !trace.next) {
    co_return fail(ErrorCode::not_found, "nothing of this name among the records " +
                                             std::to_string(trace.searched_from) + " to " +
                                             std::to_string(trace.searched_to) + (before ? "" : ", which are all"));
  }
  co_return trace;
}

}  // namespace hutong::query
