#include "broker/pipeline/effects_delivery.h"

#include <algorithm>

#include "broker/port/tables.h"

namespace hutong::pipeline {
namespace {

namespace tables = port::tables;
constexpr std::size_t rows_at_once = 1'000;
using model::EventRef;
using port::Row;

// Columns of tables::held.
namespace column {
enum : std::size_t {
  subscription,
  replay,
  topic,
  partition,
  offset,
  ordinal,
  state,
  lanes,
  place,
  attempts,
  appended,
  first_failed,
  last,
  answer
};
}

std::int64_t whole(std::uint64_t number) {
  return static_cast<std::int64_t>(number);
}

Row row_of(const std::string& subscription, const model::HeldEvent& held) {
  Row row = held_key(subscription, held.ref);
  row.emplace_back(std::string(to_string(held.state)));
  row.emplace_back(model::write_lanes(held.lanes));
  row.emplace_back(whole(held.place));
  row.emplace_back(whole(held.attempts));
  row.emplace_back(held.appended.micros);
  row.emplace_back(held.first_failed.micros);
  row.emplace_back(held.last.micros);
  row.emplace_back(held.answer);
  return row;
}

Row ended_row(const std::string& subscription, const EventRef& ref, std::string state, std::uint32_t attempts,
              Timestamp at, std::string answer, std::string by, std::string reason) {
  Row row = held_key(subscription, ref);
  row.emplace_back(std::move(state));
  row.emplace_back(whole(attempts));
  row.emplace_back(at.micros);
  row.emplace_back(std::move(answer));
  row.emplace_back(std::move(by));
  row.emplace_back(std::move(reason));
  return row;
}

// Of what a client has deleted nothing is kept any more, whatever is still said of it.
net::awaitable<bool> is_deleted(Overlay& overlay, std::string name) {
  const auto id = model::declared_in_name(name);
  co_return !id.empty() && !co_await overlay.get(tables::declared_subscriptions, {std::string(id)});
}

net::awaitable<void> erase_all(Overlay& overlay, const port::Table& table, std::string name) {
  for (bool more = true; more;) {
    const auto rows = co_await overlay.scan(table, {name}, rows_at_once);
    for (const auto& row : rows)
      overlay.erase(table, port::Key(row.begin(), row.begin() + static_cast<std::ptrdiff_t>(table.key_columns)));
    more = rows.size() == rows_at_once;
  }
}

net::awaitable<std::int64_t> is_paused(Overlay& overlay, std::string name) {
  const Row* row = co_await overlay.get(tables::subscribers, {std::move(name)});
  co_return row ? std::get<std::int64_t>((*row)[2]) : 0;
}

}  // namespace

port::Key held_key(const std::string& subscription, const EventRef& ref) {
  return {subscription,      whole(ref.stream.replay), whole(ref.stream.topic), whole(ref.stream.partition),
          whole(ref.offset), whole(ref.ordinal)};
}

EventRef ref_of(const Row& row) {
  const auto number = [&](std::size_t at) { return static_cast<std::uint64_t>(std::get<std::int64_t>(row[at])); };
  EventRef ref;
  ref.stream.replay = static_cast<std::uint32_t>(number(column::replay));
  ref.stream.topic = static_cast<std::uint8_t>(number(column::topic));
  ref.stream.partition = static_cast<std::uint32_t>(number(column::partition));
  ref.offset = number(column::offset);
  ref.ordinal = static_cast<std::uint32_t>(number(column::ordinal));
  return ref;
}

model::HeldEvent held_of(const Row& row) {
  const auto number = [&](std::size_t at) { return std::get<std::int64_t>(row[at]); };
  model::HeldEvent held;
  held.ref = ref_of(row);
  held.state = model::held_state_of(std::get<std::string>(row[column::state])).value_or(model::HeldState::dead);
  held.lanes = model::read_lanes(std::get<std::string>(row[column::lanes])).value_or(std::vector<std::string>());
  held.place = static_cast<std::uint64_t>(number(column::place));
  held.attempts = static_cast<std::uint32_t>(number(column::attempts));
  held.appended = {number(column::appended)};
  held.first_failed = {number(column::first_failed)};
  held.last = {number(column::last)};
  held.answer = std::get<std::string>(row[column::answer]);
  return held;
}

net::awaitable<void> apply(Overlay& overlay, model::DeliveryProgressed progressed, std::string log_id) {
  if (progressed.log != log_id) co_return;
  if (const Row* before = co_await overlay.get(tables::subscribers, {std::string()})) {
    const auto router = model::read_standing(std::get<std::string>((*before)[1]));
    if (router && router->term > progressed.term) co_return;
    if (router && progressed.router.empty()) progressed.router = router->cursors;
  }
  for (const auto& one : progressed.subscribers) {
    if (co_await is_deleted(overlay, one.name)) continue;
    const auto paused = co_await is_paused(overlay, one.name);
    overlay.put(tables::subscribers, {one.name, model::write_standing(one), paused, progressed.at.micros});
    for (const auto& held : one.held) overlay.put(tables::held, row_of(one.name, held));
    for (const auto& ref : one.released) {
      overlay.erase(tables::held, held_key(one.name, ref));
      const auto done =
          std::find_if(one.done.begin(), one.done.end(), [&](const auto& each) { return each.ref == ref; });
      // Who discarded it and why stands there already, by the command.
      if (done == one.done.end() || done->discarded) continue;
      overlay.put(tables::held_before,
                  ended_row(one.name, ref, "delivered", done->attempts, done->at, done->answer, {}, {}));
    }
    for (const auto& done : one.done) {
      if (!done.number) continue;
      overlay.put(tables::told_events, {one.name, whole(done.number), to_string(done.ref), done.at.micros});
    }
    for (const auto number : one.replayed) overlay.erase(tables::replays, {one.name, whole(number)});
  }
  // Without cursors of its own, too: whoever begins to deliver says so first, and by this what another says later does
  // not count any more.
  model::SubscriberProgress router;
  router.term = progressed.term;
  router.cursors = std::move(progressed.router);
  overlay.put(tables::subscribers,
              {std::string(), model::write_standing(router), std::int64_t{0}, progressed.at.micros});
}

net::awaitable<void> apply(Overlay& overlay, model::DeliveryCommanded commanded, std::string log_id) {
  if (commanded.log != log_id) co_return;
  const auto& name = commanded.subscription;
  const Row* subscriber = co_await overlay.get(tables::subscribers, {name});
  if (!subscriber) co_return;
  switch (commanded.action) {
    case model::DeliveryAction::pause:
    case model::DeliveryAction::resume: {
      Row row = *subscriber;
      row[2] = std::int64_t{commanded.action == model::DeliveryAction::pause};
      overlay.put(tables::subscribers, std::move(row));
      break;
    }
    case model::DeliveryAction::retry:
      for (const auto& ref : commanded.letters) {
        const Row* row = co_await overlay.get(tables::held, held_key(name, ref));
        if (!row) continue;
        auto held = held_of(*row);
        if (held.state != model::HeldState::dead) continue;
        held.state = model::HeldState::behind;
        held.attempts = 0;
        held.first_failed = {};
        overlay.put(tables::held, row_of(name, held));
      }
      break;
    case model::DeliveryAction::discard:
      for (const auto& ref : commanded.letters) {
        const Row* row = co_await overlay.get(tables::held, held_key(name, ref));
        if (!row) continue;
        const auto held = held_of(*row);
        overlay.erase(tables::held, held_key(name, ref));
        overlay.put(tables::held_before, ended_row(name, ref, "discarded", held.attempts, commanded.at, held.answer,
                                                   commanded.by, commanded.reason));
      }
      break;
    case model::DeliveryAction::replay:
      overlay.put(tables::replays,
                  {name, whole(model::replay_number(commanded.id)), model::write_ranges(commanded.ranges),
                   commanded.patient, commanded.by, commanded.at.micros});
      break;
  }
}

net::awaitable<void> apply(Overlay& overlay, model::SubscriptionDeclared declared) {
  const Row* row = co_await overlay.get(tables::declared_subscriptions, {declared.subscription});
  const auto before = row ? static_cast<std::uint64_t>(std::get<std::int64_t>((*row)[1])) : 0;
  if (declared.version != before + 1) co_return;  // another was first, or it is known
  if (declared.state != model::DeclaredState::deleted) {
    overlay.put(tables::declared_subscriptions,
                {declared.subscription, whole(declared.version), model::write(declared)});
    co_return;
  }
  overlay.erase(tables::declared_subscriptions, {declared.subscription});
  const auto name = model::subscription_of(declared).name;
  for (const auto* table : {&tables::subscribers, &tables::held, &tables::replays})
    co_await erase_all(overlay, *table, name);
}

}  // namespace hutong::pipeline
