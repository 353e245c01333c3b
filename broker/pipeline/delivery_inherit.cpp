#include "broker/pipeline/delivery_inherit.h"

#include <algorithm>
#include <limits>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include "broker/model/delivery.h"

namespace hutong::pipeline {
namespace {

using model::EventRef;
using model::HeldState;
using port::Offset;
using port::Topic;

constexpr port::Partition operations{Topic::operations, 0};

// What the records of deliveries say in the end, as the fold would have it.
struct Standing {
  model::SubscriberProgress progress;
  std::map<EventRef, model::HeldEvent> held;
  std::map<std::uint32_t, model::DeliveryCommanded> replays;
  bool paused = false;
};
struct Inheritance {
  std::string log;  // whose offsets these are
  std::uint64_t term = 0;
  std::vector<model::StreamCursor> router;
  std::map<std::string, Standing> subscribers;
};

void add(Inheritance& all, model::DeliveryProgressed progressed) {
  if (progressed.log != all.log) all = {};  // carried twice: what was said of the log before does not count
  all.log = progressed.log;
  if (progressed.term < all.term) return;
  all.term = progressed.term;
  if (!progressed.router.empty()) all.router = std::move(progressed.router);
  for (auto& one : progressed.subscribers) {
    auto& standing = all.subscribers[one.name];
    for (const auto& held : one.held) standing.held[held.ref] = held;
    for (const auto& ref : one.released) standing.held.erase(ref);
    for (const auto number : one.replayed) standing.replays.erase(number);
    standing.progress = std::move(one);
  }
}

void add(Inheritance& all, const model::DeliveryCommanded& commanded) {
  const auto found = all.subscribers.find(commanded.subscription);
  if (commanded.log != all.log || found == all.subscribers.end()) return;
  auto& standing = found->second;
  switch (commanded.action) {
    case model::DeliveryAction::pause: standing.paused = true; break;
    case model::DeliveryAction::resume: standing.paused = false; break;
    case model::DeliveryAction::retry:
      for (const auto& ref : commanded.letters) {
        if (const auto held = standing.held.find(ref); held != standing.held.end()) {
          held->second.state = HeldState::behind;
          held->second.attempts = 0;
        }
      }
      break;
    case model::DeliveryAction::discard:
      for (const auto& ref : commanded.letters) standing.held.erase(ref);
      break;
    case model::DeliveryAction::replay: standing.replays[model::replay_number(commanded.id)] = commanded; break;
  }
}

net::awaitable<Result<Inheritance>> read_inheritance(port::Log& log) {
  Inheritance all;
  for (Offset at = 0;;) {
    auto slice = co_await log.read(operations, at, {1'000, 8 * 1024 * 1024, false});
    if (!slice) co_return tl::unexpected(slice.error());
    if (slice->next == at) break;
    at = slice->next;
    for (const auto& stored : slice->records) {
      if (stored.record.kinds == model::delivery_progressed_kind) {
        auto progressed = model::read_delivery_progressed(stored.record.json);
        if (progressed && progressed->log != log.id()) add(all, std::move(*progressed));
      } else if (stored.record.kinds == model::delivery_commanded_kind) {
        if (auto commanded = model::read_delivery_commanded(stored.record.json)) add(all, *commanded);
      }
    }
  }
  co_return all;
}

// The offset in a partition of the first record that was carried from `old` on, or was not carried at all: carried ones
// come first and in their order.
net::awaitable<Result<Offset>> offset_of(port::Log& log, port::Partition partition, Offset old) {
  auto end = co_await log.end(partition);
  if (!end) co_return tl::unexpected(end.error());
  Offset low = log.first(partition), high = *end;
  while (low < high) {
    const Offset middle = low + (high - low) / 2;
    auto slice = co_await log.read(partition, middle, {1, 1, false});
    if (!slice) co_return tl::unexpected(slice.error());
    const auto* record = slice->records.empty() ? nullptr : &slice->records.front();
    if (record && record->record.carried && record->record.carried->offset < old) {
      low = record->offset + 1;
    } else {
      high = middle;
    }
  }
  co_return low;
}

class Translation {
 public:
  explicit Translation(port::Log& log) : log_(log) {}

  // An event's place here; nothing: it was not carried.
  net::awaitable<Result<std::optional<EventRef>>> ref(EventRef old) {
    const auto topic = static_cast<Topic>(old.stream.topic);
    for (std::uint32_t number = 0; number < log_.partitions(topic); ++number) {
      const port::Partition partition{topic, number};
      auto offset = co_await offset_of(log_, partition, old.offset);
      if (!offset) co_return tl::unexpected(offset.error());
      auto slice = co_await log_.read(partition, *offset, {1, 1, false});
      if (!slice) co_return tl::unexpected(slice.error());
      if (slice->records.empty()) continue;
      const auto& found = slice->records.front();
      if (!found.record.carried || found.record.carried->offset != old.offset) continue;
      EventRef here = old;
      here.stream.partition = number;
      here.stream.replay = 0;
      here.offset = found.offset;
      co_return here;
    }
    co_return std::nullopt;
  }
  // Of all partitions of a topic: where what lies below `old` ends.
  net::awaitable<Result<std::vector<model::StreamCursor>>> cursors(Topic topic, Offset old_next, Offset old_read) {
    std::vector<model::StreamCursor> all;
    for (std::uint32_t number = 0; number < log_.partitions(topic); ++number) {
      const port::Partition partition{topic, number};
      auto next = co_await offset_of(log_, partition, old_next);
      if (!next) co_return tl::unexpected(next.error());
      auto read = co_await offset_of(log_, partition, old_read);
      if (!read) co_return tl::unexpected(read.error());
      all.push_back({{0, static_cast<std::uint8_t>(topic), number}, *next, *read});
    }
    co_return all;
  }

 private:
  port::Log& log_;
};

constexpr Topic told_topics[] = {Topic::events, Topic::identity, Topic::operations};

const model::StreamCursor* cursor_in(const std::vector<model::StreamCursor>& cursors, Topic topic,
                                     std::uint32_t replay) {
  const auto found = std::find_if(cursors.begin(), cursors.end(), [&](const auto& cursor) {
    return cursor.stream.topic == static_cast<std::uint8_t>(topic) && cursor.stream.replay == replay;
  });
  return found == cursors.end() ? nullptr : &*found;
}

RecordId id_of(std::string_view kind, std::string_view log, std::string_view name, std::string_view what) {
  return RecordId(PartsHash().add("inherited").add(kind).add(log).add(name).add(what).finish());
}

port::Record record_of(RecordId id, std::string_view kind, std::string json) {
  port::Record record;
  record.id = id;
  record.key = "delivery";
  record.kinds = kind;
  record.json = std::move(json);
  return record;
}

}  // namespace

net::awaitable<Result<std::vector<port::Record>>> inherited_deliveries(port::Log& log, Timestamp now,
                                                                       std::uint64_t term) {
  std::vector<port::Record> records;
  auto all = co_await read_inheritance(log);
  if (!all) co_return tl::unexpected(all.error());
  if (all->subscribers.empty()) co_return records;
  Translation translation(log);
  // Who left nothing of a topic was not told of it: it begins behind everything that was carried.
  constexpr auto end = std::numeric_limits<Offset>::max();
  const auto routed = [&](Topic topic) {
    const auto* router = cursor_in(all->router, topic, 0);
    return router ? router->next : end;
  };

  model::DeliveryProgressed progressed;
  progressed.log = log.id();
  progressed.term = term;
  progressed.at = now;
  for (const auto topic : told_topics) {
    auto here = co_await translation.cursors(topic, routed(topic), routed(topic));
    if (!here) co_return tl::unexpected(here.error());
    progressed.router.insert(progressed.router.end(), here->begin(), here->end());
  }
  std::vector<port::Record> commands;
  for (auto& [name, standing] : all->subscribers) {
    const auto& before = standing.progress;
    model::SubscriberProgress progress;
    progress.name = name;
    progress.delivered = before.delivered;
    progress.refused = before.refused;
    progress.broken = before.broken;
    progress.numbers = before.numbers;
    for (const auto topic : told_topics) {
      const auto* cursor = cursor_in(before.cursors, topic, 0);
      if (!cursor) continue;
      const Offset next = before.idle ? std::max(cursor->next, routed(topic)) : cursor->next;
      auto cursors = co_await translation.cursors(topic, next, before.idle ? next : cursor->read);
      if (!cursors) co_return tl::unexpected(cursors.error());
      progress.cursors.insert(progress.cursors.end(), cursors->begin(), cursors->end());
    }
    for (const auto& open : before.open) {
      if (open.ref.stream.replay) continue;  // its replay begins at its cursor again
      auto ref = co_await translation.ref(open.ref);
      if (!ref) co_return tl::unexpected(ref.error());
      if (*ref) progress.open.push_back({**ref, open.place});
    }
    for (const auto& [old, held] : standing.held) {
      auto ref = co_await translation.ref(old);
      if (!ref) co_return tl::unexpected(ref.error());
      if (!*ref) continue;
      auto moved = held;
      moved.ref = **ref;
      progress.held.push_back(std::move(moved));
    }
    progressed.subscribers.push_back(std::move(progress));
    const auto command = [&](model::DeliveryCommanded commanded, std::string_view what) {
      commanded.id = id_of(model::delivery_commanded_kind, log.id(), name, what);
      commanded.log = log.id();
      commanded.at = now;
      commands.push_back(record_of(commanded.id, model::delivery_commanded_kind, write(commanded)));
    };
    if (standing.paused) {
      model::DeliveryCommanded pause;
      pause.subscription = name;
      pause.action = model::DeliveryAction::pause;
      pause.by = pause.client = "migrate";
      command(std::move(pause), "pause");
    }
    for (auto& [number, replay] : standing.replays) {
      if (replay.ranges.empty()) continue;
      for (const auto& range : std::exchange(replay.ranges, {})) {
        const auto topic = static_cast<Topic>(range.stream.topic);
        const auto* cursor = cursor_in(before.cursors, topic, number);
        auto ends = co_await translation.cursors(topic, cursor ? cursor->next : range.from, range.to);
        if (!ends) co_return tl::unexpected(ends.error());
        for (const auto& each : *ends) {
          if (each.next < each.read) replay.ranges.push_back({each.stream, each.next, each.read});
        }
      }
      if (!replay.ranges.empty()) command(std::move(replay), std::to_string(number));
    }
  }
  progressed.id = id_of(model::delivery_progressed_kind, log.id(), "", "");
  records.push_back(record_of(progressed.id, model::delivery_progressed_kind, write(progressed)));
  for (auto& each : commands) records.push_back(std::move(each));
  co_return records;
}

}  // namespace hutong::pipeline
