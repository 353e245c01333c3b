// Reading the log for subscribers: the router at its head, and those who read for themselves until they meet it.
#include <algorithm>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "broker/model/event_json.h"
#include "broker/model/views.h"
#include "broker/pipeline/delivery_matter.h"
#include "broker/pipeline/delivery_state.h"
#include "broker/port/tables.h"

namespace hutong::pipeline {
namespace {

namespace tables = port::tables;
using port::Topic;

constexpr std::size_t routed_records = 500, routed_bytes = 4 * 1024 * 1024;
constexpr std::size_t own_records = 128, own_bytes = 1024 * 1024;  // as much as there is room for when it is read
constexpr std::chrono::microseconds one_go{300};
constexpr std::chrono::milliseconds late{6}, late_for{10};
constexpr std::size_t open_for_replay = 64;  // open events above which a replay waits: what is new goes first
constexpr std::chrono::milliseconds rest{100}, again{200};

// Whether the fold found that this event changed nothing ("*", " 0 2 ").
bool says_nothing_new(const std::string* no_change, std::uint32_t ordinal) {
  if (!no_change) return false;
  return *no_change == "*" || no_change->find(" " + std::to_string(ordinal) + " ") != std::string::npos;
}

// Whether anyone hears of them is whether it matters that one is under way.
constexpr std::string_view told_decisions = "identity.linked identity.merged identity.split identity.undone";

}  // namespace

// A record counts against the memory for records as long as anything refers to it.
std::shared_ptr<const port::StoredRecord> Delivery::State::counted(port::StoredRecord record) {
  const std::size_t bytes = sizeof record + record.record.json.size() + record.record.key.size();
  *kept_ += bytes;
  return {new port::StoredRecord(std::move(record)), [bytes, kept = kept_](const port::StoredRecord* gone) {
            *kept -= bytes;
            delete gone;
          }};
}

net::awaitable<Result<Read>> Delivery::State::read(Positions from, Positions to, std::size_t records,
                                                   std::size_t bytes) {
  Read out;
  out.next = from;
  std::optional<Timestamp> safe;  // of what lies behind it another partition may have more to come before
  for (const auto& [partition, first] : from) {
    const auto end = to.find(partition);
    if (end == to.end() || first >= end->second) continue;
    auto slice = co_await deps_.log.read(partition, first, {records, bytes, false});
    if (!slice) co_return tl::unexpected(slice.error());
    while (!slice->records.empty() && slice->records.back().offset >= end->second) slice->records.pop_back();
    if (slice->records.empty()) {
      out.next[partition] = std::min(std::max(slice->next, first), end->second);  // a gap
      continue;
    }
    const bool more = slice->next < end->second;
    out.next[partition] = std::min(slice->next, end->second);
    if (const auto last = slice->records.back().appended; more && (!safe || last < *safe)) safe = last;
    port::Scan scan;
    scan.prefix = {std::int64_t{partition.number}};
    scan.from = static_cast<std::int64_t>(slice->records.front().offset);
    scan.to = static_cast<std::int64_t>(slice->records.back().offset);
    scan.limit = slice->records.size();
    if (partition.topic == Topic::events) {
      auto rows = co_await deps_.store.scan(tables::no_change, std::move(scan));
      if (!rows) co_return tl::unexpected(rows.error());
      for (auto& row : *rows) {
        out.no_change[{partition, static_cast<port::Offset>(std::get<std::int64_t>(row[1]))}] =
            std::move(std::get<std::string>(row[2]));
      }
    }
    for (auto& record : slice->records) {
      // That something was delivered is recorded there, too: to have read that is not worth a record.
      out.says_something = out.says_something || record.record.kinds != model::delivery_progressed_kind;
      out.records.emplace_back(partition, counted(std::move(record)));
    }
  }
  if (from.size() == 1) co_return out;
  // A merge may name a number whose records lie in another partition: all are looked at in the order of their time.
  std::stable_sort(out.records.begin(), out.records.end(), [](const auto& a, const auto& b) {
    return std::tie(a.second->appended, a.first, a.second->offset) <
           std::tie(b.second->appended, b.first, b.second->offset);
  });
  if (safe) give_back(out, *safe);
  co_return out;
}

// What is of a later time than this.
void Delivery::State::give_back(Read& some, Timestamp safe) {
  while (!some.records.empty() && some.records.back().second->appended > safe) {
    const auto& [partition, record] = some.records.back();
    some.next[partition] = record->offset;
    some.records.pop_back();
  }
}

// Nor before what the projector has not reached in another partition.
net::awaitable<Result<void>> Delivery::State::keep_order(Read& some, Positions applied) {
  if (some.records.empty() || some.next.size() == 1) co_return Result<void>();
  for (const auto& [partition, next] : applied) {
    auto slice = co_await deps_.log.read(partition, next, {1, 1, false});
    if (!slice) co_return tl::unexpected(slice.error());
    if (!slice->records.empty()) give_back(some, slice->records.front().appended);
  }
  co_return Result<void>();
}

Lanes::Task Delivery::State::task_of(const port::Partition& partition,
                                     const std::shared_ptr<const port::StoredRecord>& record, std::uint32_t ordinal,
                                     std::vector<std::string> lanes) const {
  Lanes::Task task;
  task.ref = {stream_of(partition), record->offset, ordinal};
  task.lanes = std::move(lanes);
  task.appended = record->appended;
  if (*kept_ <= options_.memory) task.record = record;
  return task;
}

void Delivery::State::take(Subscriber& subscriber, Lanes::Task task) {
  if (!subscriber.lanes->wants(task.ref)) return;
  subscriber.lanes->read(std::move(task));
  dirty_ = true;
}

// --- the router ---

net::awaitable<void> Delivery::State::route() {
  while (going()) {
    auto some = co_await route_some();
    if (!some) {
      trouble("cannot be routed: " + some.error().message);
      co_await pause(again);
      continue;
    }
    if (!log_away_) trouble("");
    if (*some > 0) {
      co_await net::post(executor_, net::use_awaitable);  // sockets first
      continue;
    }
    projected_->expires_after(rest);
    boost::system::error_code cancelled;
    co_await projected_->async_wait(net::redirect_error(net::use_awaitable, cancelled));
  }
}

net::awaitable<Result<std::size_t>> Delivery::State::route_some() {
  const auto to = bounds();
  for (const auto& [partition, next] : to) router_.try_emplace(partition, 0);
  auto some = co_await read(router_, to, routed_records, routed_bytes);
  if (!some) co_return tl::unexpected(some.error());
  auto in_order = to;
  if (matcher_.wants_none_of(told_decisions)) {
    std::erase_if(in_order, [](const auto& each) { return each.first.topic == Topic::identity; });
  }
  if (auto kept = co_await keep_order(*some, std::move(in_order)); !kept) co_return tl::unexpected(kept.error());
  const bool centres = matcher_.asks_for_centres();  // no client's criteria do
  if (centres && !some->records.empty()) {
    if (auto known = co_await identities_known(to); !known) co_return tl::unexpected(known.error());
  }
  auto since = deps_.clock.ticks();
  for (const auto& [partition, record] : some->records) {
    co_await give_way(since);
    if (!going()) co_return std::size_t{0};
    note_how_late(*record);
    if (!matcher_.wants_none_of(record->record.kinds)) {
      auto matter = co_await matter_in(partition, *record);
      if (!matter) co_return tl::unexpected(matter.error());
      arena_.reset();
      model::RecordView view;
      const bool is_event = partition.topic == Topic::events &&
                            model::read_record(record->record.json, arena_, view);  // else the projector has counted it
      std::vector<std::string> who;
      if (centres && (is_event || *matter)) {
        auto found = co_await centres_of(*matter ? (**matter).patients
                                                 : std::vector{routing::patient_of(view, record->record.id)});
        if (!found) co_return tl::unexpected(found.error());
        who = std::move(*found);
      }
      if (is_event) {
        const auto no_change = some->no_change.find({partition, record->offset});
        look_at(partition, record, view, no_change == some->no_change.end() ? nullptr : &no_change->second, who);
      } else if (*matter) {
        look_at(partition, record, **matter, who);
      }
    }
    if (record->record.kinds == model::subscription_declared_kind) {
      if (auto heeded = co_await heed_client(record->record.json); !heeded) co_return tl::unexpected(heeded.error());
    }
    router_[partition] = record->offset + 1;
  }
  if (router_ != some->next) router_ = some->next;
  router_moved_ = router_moved_ || some->says_something;
  co_return some->records.size();
}

net::awaitable<Result<std::optional<Matter>>> Delivery::State::matter_in(port::Partition partition,
                                                                         const port::StoredRecord& record) {
  if (partition.topic == Topic::events) co_return std::nullopt;
  co_return co_await matter_of(deps_.store, partition, record);
}

// One record, at one go: nothing of it is recorded as read before all of it was given.
void Delivery::State::look_at(const port::Partition& partition, const std::shared_ptr<const port::StoredRecord>& record,
                              const model::RecordView& view, const std::string* no_change,
                              const std::vector<std::string>& centres) {
  const auto facilities = deps_.facilities();
  const auto patient = routing::patient_of(view, record->record.id);
  std::vector<SubscriberPtr> touched;
  for (const auto& event : view.events) {
    if (says_nothing_new(no_change, event.ordinal)) continue;
    auto facts = routing::facts_of(view, event, *facilities);
    facts.centres = centres;
    if (!is_for_anybody(facts)) continue;
    offer(task_of(partition, record, event.ordinal, routing::lanes_of(event, patient)), touched);
  }
  offered(touched);
}

void Delivery::State::look_at(const port::Partition& partition, const std::shared_ptr<const port::StoredRecord>& record,
                              const Matter& matter, const std::vector<std::string>& centres) {
  const auto facilities = deps_.facilities();
  auto facts = facts_of(matter, *facilities);
  facts.centres = centres;
  if (!is_for_anybody(facts)) return;
  std::vector<SubscriberPtr> touched;
  offer(task_of(partition, record, 0, matter.lanes()), touched);
  offered(touched);
}

bool Delivery::State::is_for_anybody(const routing::Facts& facts) {
  matched_.clear();
  if (facts.labelled) {
    withheld_->add();
  } else {
    matcher_.match(facts, scratch_, matched_);
  }
  return !matched_.empty();
}

// To those who were matched.
void Delivery::State::offer(const Lanes::Task& task, std::vector<SubscriberPtr>& touched) {
  for (const auto place : matched_) {
    const auto& subscriber = places_[place];
    if (!subscriber->live) continue;
    if (!subscriber->looked_at) {
      subscriber->looked_at = true;
      if (!subscriber->lanes->has_room()) {
        subscriber->read = router_;  // from this record on it reads for itself
        subscriber->live = false;
        subscriber->looked_at = false;
        subscriber->has_read = dirty_ = true;
        start_reading(subscriber);
        continue;
      }
      touched.push_back(subscriber);
    }
    take(*subscriber, task);
  }
}

void Delivery::State::offered(const std::vector<SubscriberPtr>& touched) {
  for (const auto& subscriber : touched) {
    subscriber->looked_at = false;
    pump(subscriber);
  }
}

// --- who the patient is ---

// Until what the projector decided about the persons of these events is applied, too: a link may make somebody's
// centre.
net::awaitable<Result<void>> Delivery::State::identities_known(Positions up_to) {
  while (going()) {
    port::Scan pending;
    pending.prefix = {static_cast<std::int64_t>(Topic::identity)};
    pending.limit = 1;
    auto waiting = co_await deps_.store.scan(tables::pending, std::move(pending));
    if (!waiting) co_return tl::unexpected(waiting.error());
    bool known = waiting->empty();
    if (!known) {
      known = true;
      for (const auto& [partition, next] : up_to) {
        if (partition.topic != Topic::events) continue;
        auto decided = co_await deps_.store.get(tables::decided, {std::int64_t{partition.number}});
        if (!decided) co_return tl::unexpected(decided.error());
        known = known && *decided && static_cast<port::Offset>(std::get<std::int64_t>((**decided)[1])) >= next;
      }
    }
    if (known) break;
    co_await pause(std::chrono::milliseconds(5));
  }
  co_return Result<void>();
}

net::awaitable<Result<std::vector<std::string>>> Delivery::State::centres_of(std::vector<routing::Patient> patients) {
  const auto directory = deps_.facilities();
  std::vector<std::string> centres;
  const auto add = [&](const std::string& code) {
    const auto* known = directory->find(code);
    if (known && routing::is_centre(*known) && std::find(centres.begin(), centres.end(), code) == centres.end()) {
      centres.push_back(code);
    }
  };
  for (const auto& patient : patients) {
    add(patient.facility);
    auto link = co_await deps_.store.get(tables::person_of, {patient.facility, patient.number});
    if (!link) co_return tl::unexpected(link.error());
    if (!*link) continue;
    auto person = co_await deps_.store.get(tables::persons, {std::get<std::string>((**link)[2])});
    if (!person) co_return tl::unexpected(person.error());
    if (!*person) continue;
    const auto members = model::read_members(std::get<std::string>((**person)[1]));
    if (!members) continue;  // who reads the person is told
    for (const auto& [code, number] : *members) add(code);
  }
  co_return centres;
}

// --- those who read for themselves ---

void Delivery::State::start_reading(const SubscriberPtr& subscriber) {
  const bool replays = std::any_of(subscriber->replays.begin(), subscriber->replays.end(),
                                   [](const auto& replay) { return !replay.done_reading; });
  if (subscriber->reading || subscriber->dormant || (subscriber->live && !replays) || !going()) return;
  subscriber->reading = true;
  spawn("delivery reader", read_behind(subscriber));
}

net::awaitable<void> Delivery::State::read_behind(SubscriberPtr subscriber) {
  // Never within the router's look at a record, which it has not passed yet.
  co_await net::post(executor_, net::use_awaitable);
  while (going() && !subscriber->dormant) {
    bool worked = false;
    if (!subscriber->live && subscriber->lanes->has_room()) {
      const auto before = subscriber->read;
      auto caught_up = co_await catch_up_some(*subscriber);
      if (!caught_up) {
        trouble("cannot be read for " + subscriber->declared.name + ": " + caught_up.error().message);
        co_await pause(again);
        continue;
      }
      worked = subscriber->read != before;  // else it is ahead of the router, which comes
    }
    bool replaying = false;
    std::vector<std::uint32_t> numbers;
    for (const auto& replay : subscriber->replays) {
      if (!replay.done_reading) numbers.push_back(replay.number);
    }
    for (const auto number : numbers) {
      replaying = true;
      const auto& lanes = *subscriber->lanes;
      if (!lanes.has_room() || (lanes.open() >= open_for_replay && !lanes.awaits())) continue;
      auto some = co_await replay_some(*subscriber, number);
      if (!some) {
        trouble("cannot be read again for " + subscriber->declared.name + ": " + some.error().message);
        co_await pause(again);
        continue;
      }
      worked = worked || *some;
    }
    if (subscriber->live && !replaying) break;
    pump(subscriber);
    if (worked && subscriber->lanes->has_room()) continue;
    subscriber->room->expires_after(std::chrono::seconds(1));
    boost::system::error_code cancelled;
    co_await subscriber->room->async_wait(net::redirect_error(net::use_awaitable, cancelled));
  }
  subscriber->reading = false;
  pump(subscriber);
}

void Delivery::State::made_room(Subscriber& subscriber) {
  // Not for each single place: a read is worth some.
  if (subscriber.reading && subscriber.lanes->open() <= lane_policy(subscriber.declared).window / 2)
    subscriber.room->cancel();
}

net::awaitable<void> Delivery::State::turn_to_read() {
  while (readers_ >= options_.catching_up && going()) {
    auto timer = std::make_shared<net::steady_timer>(executor_, std::chrono::seconds(1));
    waiting_readers_.push_back(timer);
    boost::system::error_code cancelled;
    co_await timer->async_wait(net::redirect_error(net::use_awaitable, cancelled));
    std::erase(waiting_readers_, timer);
  }
  ++readers_;
}

void Delivery::State::give_turn() {
  --readers_;
  if (waiting_readers_.empty()) return;
  waiting_readers_.front()->cancel();
  waiting_readers_.pop_front();
}

void Delivery::State::note_how_late(const port::StoredRecord& record) {
  if (deps_.clock.now() - record.appended > late) late_until_ = deps_.clock.ticks() + late_for;
}

bool Delivery::State::is_far_behind(const Subscriber& subscriber) const {
  port::Offset behind = 0;
  for (const auto& [partition, next] : router_) {
    const auto read = subscriber.read.find(partition);
    if (read != subscriber.read.end() && read->second < next) behind += next - read->second;
  }
  return behind > options_.far_behind;
}

net::awaitable<void> Delivery::State::give_way(Lanes::Ticks& since) {
  if (deps_.clock.ticks() - since < one_go) co_return;
  co_await net::post(executor_, net::use_awaitable);
  since = deps_.clock.ticks();
}

// Gives the subscriber what it wants of a record that it reads by itself.
net::awaitable<Result<void>> Delivery::State::take_own(Subscriber& subscriber, port::Partition partition,
                                                       std::shared_ptr<const port::StoredRecord> record,
                                                       const std::string* no_change, std::uint32_t replay,
                                                       std::string patient) {
  if (subscriber.own.wants_none_of(record->record.kinds)) co_return Result<void>();
  auto matter = co_await matter_in(partition, *record);
  if (!matter) co_return tl::unexpected(matter.error());
  if (partition.topic != Topic::events && !*matter) co_return Result<void>();
  Arena arena;
  model::RecordView view;
  if (!*matter && !model::read_record(record->record.json, arena, view))
    co_return Result<void>();  // the projector has counted it
  const auto whose = *matter ? (**matter).patients : std::vector{routing::patient_of(view, record->record.id)};
  const auto is_asked_for = [&](const routing::Patient& one) { return one.lane() == patient; };
  if (!patient.empty() && std::none_of(whose.begin(), whose.end(), is_asked_for)) co_return Result<void>();
  std::vector<std::string> centres;
  if (subscriber.own.asks_for_centres()) {
    auto found = co_await centres_of(whose);
    if (!found) co_return tl::unexpected(found.error());
    centres = std::move(*found);
  }
  const auto facilities = deps_.facilities();
  const auto offer_own = [&](routing::Facts facts, std::uint32_t ordinal, std::vector<std::string> lanes) {
    facts.centres = centres;
    if (!routing::accepts(subscriber.declared.filter, facts)) return;
    auto task = task_of(partition, record, ordinal, std::move(lanes));
    task.ref.stream.replay = replay;
    take(subscriber, std::move(task));
  };
  if (*matter) {
    offer_own(facts_of(**matter, *facilities), 0, (**matter).lanes());
    co_return Result<void>();
  }
  for (const auto& event : view.events) {
    if (says_nothing_new(no_change, event.ordinal)) continue;
    offer_own(routing::facts_of(view, event, *facilities), event.ordinal, routing::lanes_of(event, whose.front()));
  }
  co_return Result<void>();
}

namespace {
const std::string* found_in(const Read& read, const port::Partition& partition, port::Offset offset) {
  const auto found = read.no_change.find({partition, offset});
  return found == read.no_change.end() ? nullptr : &found->second;
}
}  // namespace

// While something is awaited: to where it was read before.
Positions Delivery::State::not_beyond(Positions to, const Lanes& lanes, std::uint32_t replay) {
  if (!lanes.awaits()) return to;
  for (auto& [partition, end] : to) end = std::min(end, lanes.read_before(stream_of(partition, replay)));
  return to;
}

// Whether it has met the router and goes on with it.
net::awaitable<Result<bool>> Delivery::State::catch_up_some(Subscriber& subscriber) {
  co_await turn_to_read();
  auto some = co_await read(subscriber.read, not_beyond(router_, *subscriber.lanes, 0), own_records, own_bytes);
  give_turn();
  if (!some) co_return tl::unexpected(some.error());
  bool all = true;
  auto since = deps_.clock.ticks();
  for (const auto& [partition, record] : some->records) {
    co_await give_way(since);
    if (!going()) co_return false;
    if (!subscriber.lanes->has_room()) {
      all = false;
      break;
    }
    if (!is_far_behind(subscriber)) note_how_late(*record);
    auto taken = co_await take_own(subscriber, partition, record, found_in(*some, partition, record->offset), 0, {});
    if (!taken) co_return tl::unexpected(taken.error());
    subscriber.read[partition] = record->offset + 1;
    if (some->says_something) subscriber.has_read = router_moved_ = true;
  }
  if (all && subscriber.read != some->next) {
    subscriber.read = some->next;
    if (some->says_something) subscriber.has_read = router_moved_ = true;
  }
  for (const auto& [partition, next] : subscriber.read) subscriber.lanes->passed(stream_of(partition), next);
  subscriber.live = !subscriber.dormant && subscriber.read == router_ && !subscriber.lanes->awaits();
  if (subscriber.live) subscriber.has_read = dirty_ = true;
  co_return subscriber.live;
}

// Whether anything was read.
net::awaitable<Result<bool>> Delivery::State::replay_some(Subscriber& subscriber, std::uint32_t number) {
  const auto find = [&]() -> Replay* {
    for (auto& replay : subscriber.replays) {
      if (replay.number == number) return &replay;
    }
    return nullptr;
  };
  const auto* before = find();
  if (!before) co_return false;
  const auto from = before->read;
  auto to = before->to;
  // What lies beyond is not known to the views yet: whether it is sensitive, or says nothing new.
  Positions short_of;
  for (const auto& [partition, applied] : bounds()) {
    const auto end = to.find(partition);
    if (end != to.end() && applied < end->second) short_of[partition] = end->second = applied;
  }
  to = not_beyond(std::move(to), *subscriber.lanes, number);
  co_await turn_to_read();
  auto some = co_await read(from, to, own_records, own_bytes);
  give_turn();
  if (!some) co_return tl::unexpected(some.error());
  if (auto kept = co_await keep_order(*some, std::move(short_of)); !kept) co_return tl::unexpected(kept.error());
  bool all = true;
  auto since = deps_.clock.ticks();
  for (const auto& [partition, record] : some->records) {
    co_await give_way(since);
    auto* replay = find();
    if (!replay || !going()) co_return false;
    if (!subscriber.lanes->has_room()) {
      all = false;
      break;
    }
    auto taken = co_await take_own(subscriber, partition, record, found_in(*some, partition, record->offset), number,
                                   replay->patient);
    if (!taken) co_return tl::unexpected(taken.error());
    replay = find();
    if (!replay) co_return false;
    replay->read[partition] = record->offset + 1;
  }
  auto* replay = find();
  if (!replay) co_return false;
  if (all) replay->read = some->next;
  for (const auto& [partition, next] : replay->read) subscriber.lanes->passed(stream_of(partition, number), next);
  replay->done_reading = std::all_of(replay->to.begin(), replay->to.end(), [&](const auto& to_here) {
    return replay->read[to_here.first] >= to_here.second;
  });
  if (replay->read == from && !replay->done_reading) co_return false;
  subscriber.has_read = dirty_ = true;
  co_return true;
}

}  // namespace hutong::pipeline
