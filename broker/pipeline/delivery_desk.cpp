#include "broker/pipeline/delivery_desk.h"

#include <algorithm>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <map>
#include <set>

#include "broker/base/limits.h"
#include "broker/model/event_json.h"
#include "broker/pipeline/effects_delivery.h"
#include "broker/port/tables.h"
#include "broker/routing/matcher.h"

namespace hutong::pipeline {
namespace {

namespace tables = port::tables;
using model::EventRef;
using port::Row;
using port::Topic;

constexpr port::Partition operations{Topic::operations, 0};
constexpr std::size_t retried_at_once = 10'000;  // dead letters that one command names
constexpr std::size_t records_searched = 2'000;  // of operations, for how an event was answered
constexpr std::size_t subscribers_listed = 10'000;

const std::string& text_in(const Row& row, std::size_t column) {
  return std::get<std::string>(row[column]);
}
std::int64_t number_in(const Row& row, std::size_t column) {
  return std::get<std::int64_t>(row[column]);
}

port::DeadLetter letter_of(const Row& row) {
  const auto held = held_of(row);
  port::DeadLetter letter;
  letter.subscription = text_in(row, 0);
  letter.id = to_string(held.ref);
  letter.state = to_string(held.state);
  letter.answer = held.answer;
  letter.attempts = held.attempts;
  letter.appended = held.appended;
  letter.first_failed = held.first_failed;
  letter.last = held.last;
  return letter;
}

// Columns of tables::held_before.
port::DeadLetter ended_letter_of(const Row& row) {
  port::DeadLetter letter;
  letter.subscription = text_in(row, 0);
  letter.id = to_string(ref_of(row));
  letter.state = text_in(row, 6);
  letter.attempts = static_cast<std::uint64_t>(number_in(row, 7));
  letter.last = {number_in(row, 8)};
  letter.answer = text_in(row, 9);
  letter.by = text_in(row, 10);
  letter.reason = text_in(row, 11);
  return letter;
}

port::Partition partition_of(const EventRef& ref) {
  return {static_cast<Topic>(ref.stream.topic), ref.stream.partition};
}

tl::unexpected<Error> no_such(const std::string& subscription) {
  return fail(ErrorCode::not_found,
              "there is no subscription \"" + subscription + "\"; see: hutong subscriptions list");
}

const model::Subscription* find(const std::vector<model::Subscription>& all, const std::string& name) {
  const auto found = std::find_if(all.begin(), all.end(), [&](const auto& one) { return one.name == name; });
  return found == all.end() ? nullptr : &*found;
}

}  // namespace

net::awaitable<Result<std::vector<port::SubscriptionStatus>>> DeliveryDesk::subscriptions() {
  const auto declared = declared_();
  std::vector<port::SubscriptionStatus> all;
  if (delivery_ && delivery_->delivering()) all = delivery_->status();
  std::set<std::string> known;
  for (const auto& one : all) known.insert(one.name);
  port::Scan scan;
  scan.limit = subscribers_listed;
  auto rows = co_await store_.scan(tables::subscribers, std::move(scan));
  if (!rows) co_return tl::unexpected(rows.error());
  std::map<std::string, const Row*> by_name;
  for (const auto& row : *rows) by_name[text_in(row, 0)] = &row;
  by_name.erase("");
  const auto add = [&](const std::string& name, const model::Subscription* one) {
    if (!known.insert(name).second) return;
    port::SubscriptionStatus status;
    status.name = name;
    status.state = one ? "elsewhere" : "undeclared";
    if (one) {
      status.sink = to_string(one->sink);
      status.target = one->target;
      status.payload = to_string(one->payload);
    }
    if (const auto row = by_name.find(name); row != by_name.end()) {
      status.paused = number_in(*row->second, 2) != 0;
      if (status.paused && one) status.state = "paused";
      if (auto standing = model::read_standing(text_in(*row->second, 1))) {
        status.delivered = standing->delivered;
        status.refused = standing->refused;
        status.broken = standing->broken;
        status.open = standing->open.size();
      }
    }
    all.push_back(std::move(status));
  };
  auto asked = co_await this->declared();
  if (!asked) co_return tl::unexpected(asked.error());
  for (const auto& one : *declared) add(one.name, &one);
  for (const auto& each : *asked) {
    const auto one = model::subscription_of(each);
    if (known.contains(one.name)) continue;
    add(one.name, &one);
    if (each.state == model::DeclaredState::active) continue;
    all.back().state = to_string(each.state);
    all.back().trouble = each.error;
  }
  for (const auto& [name, row] : by_name) add(name, nullptr);
  std::sort(all.begin(), all.end(), [](const auto& a, const auto& b) { return a.name < b.name; });
  co_return all;
}

// Which event it is, in words: read from the log.
net::awaitable<Result<void>> DeliveryDesk::describe(std::vector<port::DeadLetter>& letters) {
  Arena arena;
  for (auto& letter : letters) {
    const auto ref = model::event_ref_of(letter.id);
    if (!ref) continue;
    auto slice = co_await log_.read(partition_of(*ref), ref->offset, {1, 1, false});
    if (!slice) co_return tl::unexpected(slice.error());
    if (slice->records.empty() || slice->records.front().offset != ref->offset) continue;
    const auto& stored = slice->records.front();
    letter.appended = stored.appended;
    if (partition_of(*ref).topic != Topic::events) {
      letter.event_id = stored.record.id.hex() + ".0";
      letter.kind = stored.record.kinds;
      continue;
    }
    arena.reset();
    model::RecordView view;
    if (!model::read_record(stored.record.json, arena, view)) continue;
    if (view.id.empty()) view.id = stored.record.id;
    letter.event_id = view.id.hex() + "." + std::to_string(ref->ordinal);
    for (const auto& event : view.events) {
      if (event.ordinal == ref->ordinal) letter.kind = to_string(event.kind);
    }
  }
  co_return Result<void>();
}

net::awaitable<Result<port::DeadLetters>> DeliveryDesk::dead_letters(std::string subscription, std::string state,
                                                                     std::string after, std::size_t limit) {
  const bool ended = state == "delivered" || state == "discarded";
  const auto& table = ended ? tables::held_before : tables::held;
  port::Scan scan;
  if (!subscription.empty()) scan.prefix = {subscription};
  if (!after.empty()) {
    const auto slash = after.find('/');
    const auto ref =
        slash == std::string::npos ? std::nullopt : model::event_ref_of(std::string_view(after).substr(slash + 1));
    if (!ref) co_return fail(ErrorCode::invalid, "after: expected SUBSCRIPTION/ID, as the page before says it");
    scan.after = held_key(after.substr(0, slash), *ref);
  }
  port::DeadLetters found;
  scan.limit = limits::page_items_max;
  for (;;) {  // also where the page is full: whether another follows is seen in the rows behind it
    auto rows = co_await store_.scan(table, scan);
    if (!rows) co_return tl::unexpected(rows.error());
    for (const auto& row : *rows) {
      if (!state.empty() && text_in(row, 6) != state) continue;
      if (found.letters.size() == limit) {
        found.next = found.letters.back().subscription + "/" + found.letters.back().id;
        break;
      }
      found.letters.push_back(ended ? ended_letter_of(row) : letter_of(row));
    }
    if (!found.next.empty() || rows->size() < scan.limit) break;
    scan.after = port::Key(rows->back().begin(), rows->back().begin() + static_cast<std::ptrdiff_t>(table.key_columns));
  }
  if (auto described = co_await describe(found.letters); !described) co_return tl::unexpected(described.error());
  co_return found;
}

net::awaitable<Result<port::DeadLetter>> DeliveryDesk::dead_letter(std::string subscription, std::string id) {
  const auto ref = model::event_ref_of(id);
  if (!ref) co_return fail(ErrorCode::invalid, "expected an id such as 0-1234.0, as hutong deadletter list prints it");
  std::vector<port::DeadLetter> one;
  auto row = co_await store_.get(tables::held, held_key(subscription, *ref));
  if (!row) co_return tl::unexpected(row.error());
  if (*row) {
    one.push_back(letter_of(**row));
  } else {
    auto before = co_await store_.get(tables::held_before, held_key(subscription, *ref));
    if (!before) co_return tl::unexpected(before.error());
    if (!*before) co_return fail(ErrorCode::not_found, "no such dead letter; see: hutong deadletter list");
    one.push_back(ended_letter_of(**before));
  }
  if (auto described = co_await describe(one); !described) co_return tl::unexpected(described.error());
  co_return std::move(one.front());
}

net::awaitable<Result<std::string>> DeliveryDesk::letter(std::string subscription, std::string id) {
  auto known = co_await dead_letter(subscription, id);
  if (!known) co_return tl::unexpected(known.error());
  const auto declared = declared_();
  const auto* one = find(*declared, subscription);
  if (!one || !delivery_) co_return no_such(subscription);
  auto written = co_await delivery_->letter(*one, model::event_ref_of(id).value_or(EventRef()));
  if (!written) co_return tl::unexpected(written.error());
  co_return std::move(written->body);
}

// --- how one event went ---

net::awaitable<Result<std::vector<port::Delivered>>> DeliveryDesk::of_record(port::Position position,
                                                                             std::uint32_t ordinal) {
  std::vector<port::Delivered> found;
  auto slice = co_await log_.read(position.partition, position.offset, {1, 1, false});
  if (!slice) co_return tl::unexpected(slice.error());
  if (slice->records.empty() || slice->records.front().offset != position.offset) co_return found;
  const auto& stored = slice->records.front();
  Arena arena;
  model::RecordView view;
  if (!model::read_record(stored.record.json, arena, view)) co_return found;
  const auto event =
      std::find_if(view.events.begin(), view.events.end(), [&](const auto& each) { return each.ordinal == ordinal; });
  if (event == view.events.end()) co_return found;
  auto unchanged = co_await store_.get(
      tables::no_change, {std::int64_t{position.partition.number}, static_cast<std::int64_t>(position.offset)});
  if (!unchanged) co_return tl::unexpected(unchanged.error());
  if (*unchanged && (text_in(**unchanged, 2) == "*" ||
                     text_in(**unchanged, 2).find(" " + std::to_string(ordinal) + " ") != std::string::npos)) {
    co_return found;  // it said nothing new: nobody was told
  }
  const auto facilities = facilities_();
  auto facts = routing::facts_of(view, *event, *facilities);
  const model::Stream stream{0, static_cast<std::uint8_t>(position.partition.topic), position.partition.number};
  const EventRef ref{stream, position.offset, ordinal};
  const auto declared = declared_();
  for (const auto& one : *declared) {
    facts.centres = one.filter.centres;  // whose centre it was then is not looked up
    if (!routing::accepts(one.filter, facts)) continue;
    port::Delivered delivered;
    delivered.subscription = one.name;
    auto held = co_await store_.get(tables::held, held_key(one.name, ref));
    if (!held) co_return tl::unexpected(held.error());
    if (*held) {
      const auto letter = letter_of(**held);
      delivered.state = letter.state;
      delivered.answer = letter.answer;
      delivered.attempts = letter.attempts;
      if (letter.last.micros) delivered.at = letter.last;
      found.push_back(std::move(delivered));
      continue;
    }
    auto before = co_await store_.get(tables::held_before, held_key(one.name, ref));
    if (!before) co_return tl::unexpected(before.error());
    if (*before) {
      const auto letter = ended_letter_of(**before);
      delivered.state = letter.state;
      delivered.answer = letter.answer;
      delivered.attempts = letter.attempts;
      delivered.at = letter.last;
      found.push_back(std::move(delivered));
      continue;
    }
    auto row = co_await store_.get(tables::subscribers, {one.name});
    if (!row) co_return tl::unexpected(row.error());
    auto standing =
        *row ? model::read_standing(text_in(**row, 1)) : Result<model::SubscriberProgress>(model::SubscriberProgress());
    if (!standing) co_return tl::unexpected(standing.error());
    auto read = standing->cursors;
    if (standing->idle) {
      auto router = co_await store_.get(tables::subscribers, {std::string()});
      if (!router) co_return tl::unexpected(router.error());
      if (*router) {
        if (const auto router_standing = model::read_standing(text_in(**router, 1))) read = router_standing->cursors;
      }
    }
    const bool open =
        std::any_of(standing->open.begin(), standing->open.end(), [&](const auto& each) { return each.ref == ref; });
    const bool passed = std::any_of(read.begin(), read.end(), [&](const auto& cursor) {
      return cursor.stream == stream && cursor.read > position.offset;
    });
    delivered.state = passed && !open ? "delivered" : "waiting";
    found.push_back(std::move(delivered));
  }
  if (auto added = co_await add_answers(found, position, ordinal, stored.appended); !added)
    co_return tl::unexpected(added.error());
  co_return found;
}

// When it was delivered and how it was answered stands in the records of deliveries, soon after the event as a rule. A
// subscriber that was passed before it was declared was never told.
net::awaitable<Result<void>> DeliveryDesk::add_answers(std::vector<port::Delivered>& found, port::Position position,
                                                       std::uint32_t ordinal, Timestamp appended) {
  const auto missing = [&] {
    return std::any_of(found.begin(), found.end(), [](const auto& one) { return one.state == "delivered" && !one.at; });
  };
  if (!missing()) co_return Result<void>();
  const auto id = to_string(EventRef{
      {0, static_cast<std::uint8_t>(position.partition.topic), position.partition.number}, position.offset, ordinal});
  auto from = co_await offset_since(operations, appended);
  if (!from) co_return tl::unexpected(from.error());
  auto end = co_await log_.end(operations);
  if (!end) co_return tl::unexpected(end.error());
  for (std::size_t searched = 0; *from < *end && searched < records_searched && missing();) {
    auto slice = co_await log_.read(operations, *from, {200, 4 * 1024 * 1024, false});
    if (!slice) co_return tl::unexpected(slice.error());
    if (slice->next <= *from) break;
    *from = slice->next;
    searched += slice->records.size();
    for (const auto& stored : slice->records) {
      if (stored.record.kinds != model::delivery_progressed_kind ||
          stored.record.json.find('"' + id + '"') == std::string::npos)
        continue;
      const auto progressed = model::read_delivery_progressed(stored.record.json);
      if (!progressed || progressed->log != log_.id()) continue;
      for (const auto& one : progressed->subscribers) {
        const auto delivered =
            std::find_if(found.begin(), found.end(), [&](const auto& each) { return each.subscription == one.name; });
        if (delivered == found.end() || delivered->at) continue;
        for (const auto& done : one.done) {
          if (to_string(done.ref) != id) continue;
          delivered->at = done.at;
          delivered->answer = done.answer;
          delivered->attempts = done.attempts;
        }
      }
    }
  }
  co_return Result<void>();
}

net::awaitable<Result<port::Offset>> DeliveryDesk::offset_since(port::Partition partition, Timestamp time) {
  auto end = co_await log_.end(partition);
  if (!end) co_return tl::unexpected(end.error());
  port::Offset low = log_.first(partition), high = *end;
  while (low < high) {  // append times never fall within a partition
    const port::Offset middle = low + (high - low) / 2;
    auto slice = co_await log_.read(partition, middle, {1, 1, false});
    if (!slice) co_return tl::unexpected(slice.error());
    if (!slice->records.empty() && slice->records.front().appended < time) {
      low = slice->records.front().offset + 1;
    } else {
      high = middle;
    }
  }
  co_return low;
}

// --- commands ---

net::awaitable<Result<std::vector<EventRef>>> DeliveryDesk::dead_of(std::string subscription) {
  std::vector<std::pair<std::int64_t, EventRef>> dead;
  port::Scan scan;
  scan.prefix = {subscription};
  for (;;) {
    auto rows = co_await store_.scan(tables::held, scan);
    if (!rows) co_return tl::unexpected(rows.error());
    for (const auto& row : *rows) {
      if (text_in(row, 6) == to_string(model::HeldState::dead)) dead.emplace_back(number_in(row, 8), ref_of(row));
    }
    if (rows->size() < scan.limit || dead.size() >= retried_at_once) break;
    scan.after =
        port::Key(rows->back().begin(), rows->back().begin() + static_cast<std::ptrdiff_t>(tables::held.key_columns));
  }
  std::sort(dead.begin(), dead.end());  // in the order in which they were read
  if (dead.size() > retried_at_once) dead.resize(retried_at_once);
  std::vector<EventRef> refs;
  for (const auto& [place, ref] : dead) refs.push_back(ref);
  co_return refs;
}

net::awaitable<Result<std::vector<model::DeliveryCommanded::Range>>> DeliveryDesk::ranges_of(
    port::DeliveryCommand command) {
  std::vector<model::DeliveryCommanded::Range> ranges;
  auto partitions = delivered_partitions(log_);
  if (command.from || command.to)  // offsets are those of events
    std::erase_if(partitions, [](const auto& partition) { return partition.topic != Topic::events; });
  for (const auto& partition : partitions) {
    auto end = co_await log_.end(partition);
    if (!end) co_return tl::unexpected(end.error());
    port::Offset from = command.from.value_or(0), to = std::min(command.to.value_or(*end), *end);
    if (command.since) {
      auto since = co_await offset_since(partition, *command.since);
      if (!since) co_return tl::unexpected(since.error());
      from = *since;
    }
    if (command.until) {
      auto until = co_await offset_since(partition, *command.until);
      if (!until) co_return tl::unexpected(until.error());
      to = *until;
    }
    from = std::max(from, log_.first(partition));
    if (from < to) ranges.push_back({{0, static_cast<std::uint8_t>(partition.topic), partition.number}, from, to});
  }
  co_return ranges;
}

// Whether the subscription has a place in the log: one that was declared a moment ago is about to.
net::awaitable<Result<bool>> DeliveryDesk::is_known(std::string subscription) {
  if (subscription.empty()) co_return false;
  const bool declared = find(*declared_(), subscription) != nullptr;
  net::steady_timer timer(co_await net::this_coro::executor);
  for (const auto until = clock_.ticks() + limits::verdict_deadline;;) {
    auto row = co_await store_.get(tables::subscribers, {subscription});
    if (!row) co_return tl::unexpected(row.error());
    if (*row) co_return true;
    if (!declared || clock_.ticks() >= until) co_return false;
    timer.expires_after(std::chrono::milliseconds(10));
    co_await timer.async_wait(net::use_awaitable);
  }
}

net::awaitable<Result<std::uint64_t>> DeliveryDesk::command(port::DeliveryCommand command) {
  using Kind = port::DeliveryCommand::Kind;
  auto known = co_await is_known(command.subscription);
  if (!known) co_return tl::unexpected(known.error());
  if (!*known) co_return no_such(command.subscription);
  model::DeliveryCommanded said;
  said.subscription = command.subscription;
  said.by = command.by;
  said.client = command.client;
  said.reason = command.reason;
  std::uint64_t answer = 1;
  switch (command.kind) {
    case Kind::pause: said.action = model::DeliveryAction::pause; break;
    case Kind::resume: said.action = model::DeliveryAction::resume; break;
    case Kind::retry:
    case Kind::discard: {
      said.action = command.kind == Kind::retry ? model::DeliveryAction::retry : model::DeliveryAction::discard;
      if (command.letter.empty()) {
        if (command.kind == Kind::discard)
          co_return fail(ErrorCode::invalid, "which one is discarded? See: hutong deadletter list");
        auto dead = co_await dead_of(command.subscription);
        if (!dead) co_return tl::unexpected(dead.error());
        said.letters = std::move(*dead);
      } else {
        auto letter = co_await dead_letter(command.subscription, command.letter);
        if (!letter) co_return tl::unexpected(letter.error());
        const bool fits = letter->state == "dead" || (command.kind == Kind::discard && letter->state != "delivered" &&
                                                      letter->state != "discarded");
        if (!fits) co_return fail(ErrorCode::conflict, "it is \"" + letter->state + "\", no dead letter");
        said.letters.push_back(model::event_ref_of(command.letter).value_or(EventRef()));
      }
      if (command.kind == Kind::discard && command.reason.empty())
        co_return fail(ErrorCode::invalid, "a letter is discarded with a reason");
      answer = said.letters.size();
      if (said.letters.empty()) co_return answer;
      break;
    }
    case Kind::replay: {
      said.action = model::DeliveryAction::replay;
      said.patient = command.patient;
      auto ranges = co_await ranges_of(std::move(command));
      if (!ranges) co_return tl::unexpected(ranges.error());
      if (ranges->empty()) co_return fail(ErrorCode::invalid, "the log holds nothing in this range");
      said.ranges = std::move(*ranges);
      break;
    }
  }
  said.at = clock_.now();
  said.log = log_.id();
  said.id = RecordId(PartsHash().add(model::delivery_commanded_kind).add(random_bytes(16)).finish());
  if (said.action == model::DeliveryAction::replay) answer = model::replay_number(said.id);
  port::Record record;
  record.id = said.id;
  record.kinds = model::delivery_commanded_kind;
  record.json = write(said);
  if (auto appended = co_await append(std::move(record)); !appended) co_return tl::unexpected(appended.error());
  co_return answer;
}

// And waits a moment until the views show it and the deliverer of this broker has obeyed it: who looks next sees what
// was asked for, and after a pause nothing more is handed over.
net::awaitable<Result<void>> DeliveryDesk::append(port::Record record) {
  record.key = "delivery";
  std::vector<port::Record> batch;
  batch.push_back(std::move(record));
  auto appended = co_await log_.append(Topic::operations, std::move(batch));
  if (!appended) co_return tl::unexpected(appended.error());
  const auto offset = appended->front().offset;
  net::steady_timer timer(co_await net::this_coro::executor);
  const auto until = clock_.ticks() + limits::verdict_deadline;
  while (clock_.ticks() < until) {
    auto cursor = co_await store_.cursor(operations);
    if (!cursor) break;
    if (*cursor && (*cursor)->next > offset && (!delivery_ || delivery_->has_obeyed(offset))) break;
    timer.expires_after(std::chrono::milliseconds(5));
    co_await timer.async_wait(net::use_awaitable);
  }
  co_return Result<void>();
}

// --- what clients subscribe to ---

net::awaitable<Result<port::ToldEvents>> DeliveryDesk::told(std::string subscription, std::uint64_t since,
                                                            std::uint64_t until, std::size_t limit) {
  port::ToldEvents told;
  if (delivery_) told.trouble = delivery_->trouble(subscription);
  std::map<std::uint64_t, std::string> found;
  const auto add = [&](std::uint64_t number, const EventRef& ref) {
    if (number >= since && number <= until) found.emplace(number, to_string(ref));
  };
  auto row = co_await store_.get(tables::subscribers, {subscription});
  if (!row) co_return tl::unexpected(row.error());
  if (*row) {
    auto standing = model::read_standing(text_in(**row, 1));
    if (!standing) co_return tl::unexpected(standing.error());
    told.newest = standing->numbers;
    for (const auto& open : standing->open) add(open.place, open.ref);
  }
  port::Scan scan;
  scan.prefix = {subscription};
  scan.limit = limits::page_items_max;
  for (;;) {
    auto rows = co_await store_.scan(tables::held, scan);
    if (!rows) co_return tl::unexpected(rows.error());
    for (const auto& each : *rows) add(static_cast<std::uint64_t>(number_in(each, 8)), ref_of(each));
    if (rows->size() < scan.limit) break;
    scan.after =
        port::Key(rows->back().begin(), rows->back().begin() + static_cast<std::ptrdiff_t>(tables::held.key_columns));
  }
  port::Scan over;
  over.prefix = {subscription};
  over.from = static_cast<std::int64_t>(since);
  over.to = static_cast<std::int64_t>(until);
  over.limit = limit + 1;
  auto rows = co_await store_.scan(tables::told_events, std::move(over));
  if (!rows) co_return tl::unexpected(rows.error());
  for (const auto& each : *rows) {
    if (const auto ref = model::event_ref_of(text_in(each, 2)))
      add(static_cast<std::uint64_t>(number_in(each, 1)), *ref);
  }
  for (auto& [number, id] : found) {
    told.more = told.events.size() == limit;
    if (told.more) break;
    told.events.push_back({number, std::move(id)});
  }
  co_return told;
}

net::awaitable<Result<std::string>> DeliveryDesk::said(model::Subscription subscription, port::ToldEvent event) {
  const auto ref = model::event_ref_of(event.id);
  if (!ref || !delivery_) co_return no_such(subscription.name);
  auto written = co_await delivery_->letter(std::move(subscription), *ref, event.number);
  if (!written) co_return tl::unexpected(written.error());
  co_return std::move(written->body);
}

net::awaitable<Result<std::vector<model::SubscriptionDeclared>>> DeliveryDesk::declared() {
  std::vector<model::SubscriptionDeclared> all;
  port::Scan scan;
  scan.limit = limits::page_items_max;
  for (;;) {
    auto rows = co_await store_.scan(tables::declared_subscriptions, scan);
    if (!rows) co_return tl::unexpected(rows.error());
    for (const auto& row : *rows) {
      auto one = model::read_subscription_declared(text_in(row, 2));
      if (!one) co_return tl::unexpected(one.error());
      all.push_back(std::move(*one));
    }
    if (rows->size() < scan.limit) co_return all;
    scan.after = port::Key{rows->back()[0]};
  }
}

net::awaitable<Result<std::optional<model::SubscriptionDeclared>>> DeliveryDesk::declared(std::string subscription) {
  auto row = co_await store_.get(tables::declared_subscriptions, {std::move(subscription)});
  if (!row) co_return tl::unexpected(row.error());
  if (!*row) co_return std::nullopt;
  auto one = model::read_subscription_declared(text_in(**row, 2));
  if (!one) co_return tl::unexpected(one.error());
  co_return std::move(*one);
}

net::awaitable<Result<model::SubscriptionDeclared>> DeliveryDesk::declare(model::SubscriptionDeclared declared) {
  ++declared.version;
  declared.at = clock_.now();
  declared.id = model::declared_id(declared.subscription, declared.version, to_hex(random_bytes(8)));
  port::Record record;
  record.id = declared.id;
  record.kinds = model::subscription_declared_kind;
  record.json = write(declared);
  if (auto appended = co_await append(std::move(record)); !appended) co_return tl::unexpected(appended.error());
  auto stands = co_await this->declared(declared.subscription);
  if (!stands) co_return tl::unexpected(stands.error());
  if (!*stands && declared.state == model::DeclaredState::deleted) co_return declared;
  if (!*stands || (**stands).version < declared.version)
    co_return fail(ErrorCode::timeout, "appended and durable, not applied within two seconds: read it again");
  if ((**stands).version == declared.version && !((**stands).id == declared.id))
    co_return fail(ErrorCode::conflict, "it was changed meanwhile: read it again");
  co_return std::move(**stands);
}

}  // namespace hutong::pipeline
