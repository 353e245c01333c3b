#include "broker/pipeline/projector.h"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/experimental/parallel_group.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <stdexcept>

#include "broker/pipeline/effects.h"
#include "broker/pipeline/effects_critical.h"
#include "broker/pipeline/effects_referral.h"
#include "broker/pipeline/recorded_time.h"
#include "broker/port/tables.h"

namespace hutong::pipeline {
namespace {

constexpr std::chrono::milliseconds watch_every{100};
constexpr std::size_t reckoned_at_once = 500;
// Whose turn it is stands in the store as one cursor more, of no partition: its log is the writer's name, "" nobody's,
// and it moves with each sign of life.
constexpr port::Partition turn_place{port::Topic::operations, 0xFFFF'FFFF};
constexpr port::Topic projected_topics[] = {port::Topic::events, port::Topic::quarantine, port::Topic::identity,
                                            port::Topic::operations};

// Everything decided so far comes before the events: what they gave rise to is not decided again.
bool decisions_first(const port::Partition& partition, bool caught_up) {
  return !caught_up && partition.topic == port::Topic::identity;
}

net::awaitable<void> pause(std::chrono::milliseconds time) {
  net::steady_timer timer(co_await net::this_coro::executor, time);
  co_await timer.async_wait(net::use_awaitable);
}

}  // namespace

struct Projector::Counters {
  port::Gauge& lag_records;
  port::Gauge& lag_seconds;
  port::Gauge& projecting;
  port::Counter& records;
  std::array<port::Counter*, effect_count> effects{};
};

Projector::Projector(port::Log& log, port::Store& store, port::Metrics& metrics, const Clock& clock,
                     ProjectorOptions options)
    : log_(log),
      store_(store),
      clock_(clock),
      options_(std::move(options)),
      turn_{turn_place, 0, {}},
      emitter_(log, store),
      counters_(new Counters{
          metrics.gauge("hutong_projector_lag_records", "Records in the log that the views do not show yet"),
          metrics.gauge("hutong_projector_lag_seconds", "Age of the oldest record that the views do not show yet"),
          metrics.gauge("hutong_projecting", "1: this broker's projector writes the views, 0: another broker's does"),
          metrics.counter("hutong_projected_records_total", "Records applied to the views"),
          {}}) {
  counters_->effects[static_cast<std::size_t>(Effect::duplicate)] = &metrics.counter(
      "hutong_projected_duplicates_total", "Records that the log holds again and the views passed over");
  counters_->effects[static_cast<std::size_t>(Effect::unreadable)] = &metrics.counter(
      "hutong_projector_unreadable_total", "Stored documents that did not read: a defect, see the feed's state");
  for (std::size_t i = 0; i < told_effect_count; ++i) {
    counters_->effects[i] = &metrics.counter("hutong_effects_total", "What records changed in the views",
                                             {{"effect", std::string(to_string(static_cast<Effect>(i)))}});
  }
  counters_->projecting.set(1);
}

Projector::~Projector() = default;

net::awaitable<Result<void>> Projector::prepare() {
  tails_.clear();
  for (port::Topic topic : projected_topics) {
    for (std::uint32_t number = 0; number < log_.partitions(topic); ++number) {
      Tail tail;
      tail.partition = {topic, number};
      tail.stored = {tail.partition, 0, {}};
      auto cursor = co_await store_.cursor(tail.partition);
      if (!cursor) co_return tl::unexpected(cursor.error());
      auto end = co_await log_.end(tail.partition);
      if (!end) co_return tl::unexpected(end.error());
      tail.end_at_start = *end;
      if (cursor->has_value()) {
        if ((*cursor)->log_id != log_.id()) {
          co_return fail(ErrorCode::conflict, "the store was made from log " + (*cursor)->log_id +
                                                  ", but the log here is " + log_.id() +
                                                  "; put the right log back or run: hutong rebuild");
        }
        tail.stored = **cursor;
        tail.next = tail.stored.next;
        if (tail.next > *end) {
          co_return fail(ErrorCode::conflict, "the store is ahead of the log: it has applied " +
                                                  std::string(to_string(topic)) + " up to offset " +
                                                  std::to_string(tail.next) + ", the log ends at " +
                                                  std::to_string(*end) + "; run: hutong rebuild");
        }
      }
      tails_.push_back(tail);
    }
  }
  show();
  emitter_.start_over();
  reckoned_.reset();
  prepared_ = true;
  if (shared()) {  // last: who has taken the turn since the cursors were read is seen here, or refuses the next write
    auto stands = co_await store_.cursor(turn_place);
    if (!stands) {
      prepared_ = false;
      co_return tl::unexpected(stands.error());
    }
    turn_ = stands->value_or(port::Cursor{turn_place, 0, {}});
    if (!turn_.log_id.empty() && turn_.log_id != options_.name) turn(false);
  }
  co_return Result<void>();
}

bool Projector::confirmed() const {
  if (standing_by_) return false;
  return !shared() || clock_.ticks().count() - confirmed_ < std::chrono::nanoseconds(options_.take_over / 2).count();
}

// A sign of life, or the turn itself: refused where anybody has moved a cursor since.
net::awaitable<Result<void>> Projector::say(std::string_view name) {
  const port::Cursor next{turn_place, turn_.next + 1, std::string(name)};
  port::StoreBatch batch;
  batch.cursor = next;
  batch.expected = fence();
  const auto asked = clock_.ticks();
  auto written = co_await store_.write(std::move(batch));
  fenced_ = !written && written.error().code == ErrorCode::conflict;
  if (!written) co_return tl::unexpected(written.error());
  turn_ = next;
  confirmed_ = asked.count();
  co_return Result<void>();
}

// Now and then where nothing is to be written: the others see that somebody lives, and this one that nobody else
// writes.
net::awaitable<void> Projector::confirm() {
  const auto since = clock_.ticks().count() - confirmed_;
  if (!shared() || since < std::chrono::nanoseconds(options_.take_over / 8).count()) co_return;
  if (auto said = co_await say(options_.name); said) co_return;
  if (fenced_) {
    turn(false);
  } else {
    prepared_ = false;  // perhaps it was written, and not heard
  }
}

net::awaitable<void> Projector::leave() {
  if (shared() && confirmed()) co_await say({});
}

net::awaitable<void> Projector::run() {
  if (!prepared_) {
    if (auto prepared = co_await prepare(); !prepared) {
      trouble(prepared.error().message);
      throw std::runtime_error(prepared.error().message);
    }
  }
  while (!stopping_) {
    if (standing_by_) {
      auto seen = co_await watch();
      trouble(seen ? "" : seen.error().message);
      if (standing_by_) co_await pause(watch_every);
      continue;
    }
    auto applied = co_await step();
    if (standing_by_) continue;
    if (!applied) {
      if (fenced_ && shared()) {
        turn(false);
        continue;
      }
      trouble(applied.error().message);
      co_await pause(options_.retry);
      continue;
    }
    trouble("");
    if (*applied == 0) co_await rest();
    co_await confirm();
  }
}

// Until events grow, or for `patience`: then the topics that are seldom written are looked at, too.
net::awaitable<void> Projector::rest() {
  if (log_.partitions(port::Topic::events) == 1) {
    co_await log_.wait_beyond(tails_.front().partition, tails_.front().next, options_.patience);
    co_return;
  }
  const auto executor = co_await net::this_coro::executor;
  const auto wait = [&](const Tail& tail) {
    return net::co_spawn(executor, log_.wait_beyond(tail.partition, tail.next, options_.patience), net::deferred);
  };
  std::vector<decltype(wait(tails_.front()))> waits;
  for (const auto& tail : tails_) waits.push_back(wait(tail));
  co_await net::experimental::make_parallel_group(std::move(waits))
      .async_wait(net::experimental::wait_for_one(), net::use_awaitable);
}

// Another broker's projector writes. What it has applied is seen in the store, whether it lives by the cursors: its own
// of the turn moves, too.
net::awaitable<Result<void>> Projector::watch() {
  const auto asked = clock_.ticks();  // before anything is looked at: to be slow oneself is no reason
  bool moved = false;
  const auto fault = [&](const Error& error) {
    still_since_ = clock_.ticks();  // nobody can have moved on meanwhile
    return tl::unexpected(error);
  };
  for (auto& tail : tails_) {
    auto cursor = co_await store_.cursor(tail.partition);
    if (!cursor) co_return fault(cursor.error());
    auto end = co_await log_.end(tail.partition);
    if (!end) co_return fault(end.error());
    const bool its_own = cursor->has_value() && **cursor != tail.stored;
    if (its_own) {
      tail.stored = **cursor;
      applied_up_to(tail, tail.stored.next);
    }
    moved = moved || its_own;
    tail.behind = *end > tail.next ? *end - tail.next : 0;
    if (tail.behind == 0 || its_own) tail.oldest = 0;
    if (tail.behind > 0 && tail.oldest == 0) tail.oldest = clock_.now().micros;
  }
  show();
  auto stands = co_await store_.cursor(turn_place);
  if (!stands) co_return fault(stands.error());
  if (*stands && **stands != turn_) {
    turn_ = **stands;
    moved = true;
  }
  if (moved) still_since_ = clock_.ticks();
  if (!turn_.log_id.empty() && (moved || asked - still_since_ < options_.take_over)) co_return Result<void>();
  if (auto taken = co_await say(options_.name); !taken) {
    if (!fenced_) co_return fault(taken.error());
    still_since_ = clock_.ticks();  // another was first
    co_return Result<void>();
  }
  turn(true);
  co_return Result<void>();
}

void Projector::turn(bool ours) {
  standing_by_ = !ours;
  still_since_ = clock_.ticks();
  prepared_ = !ours;  // who stands by needs only its tails; who takes over begins from what the store has
  caught_up_ = false;
  counters_->projecting.set(ours ? 1 : 0);
  if (options_.on_turn) options_.on_turn(ours);
}

net::awaitable<Result<std::size_t>> Projector::step() {
  fenced_ = false;
  if (!prepared_) {
    if (auto prepared = co_await prepare(); !prepared) co_return tl::unexpected(prepared.error());
  }
  if (standing_by_) co_return std::size_t{0};
  if (shared() && turn_.log_id != options_.name) {
    if (auto taken = co_await say(options_.name); !taken) co_return tl::unexpected(taken.error());
  }
  auto applied = co_await apply_topics();
  prepared_ = applied.has_value();
  co_return applied;
}

net::awaitable<Result<std::size_t>> Projector::apply_topics() {
  std::size_t applied = 0;
  bool all = true;
  for (auto& tail : tails_) {
    if (!decisions_first(tail.partition, caught_up_)) continue;
    while (tail.next < tail.end_at_start && !stopping_) {
      const auto before = tail.next;
      auto some = co_await step(tail);
      if (!some) co_return tl::unexpected(some.error());
      applied += *some;
      if (tail.next == before) break;
    }
  }
  for (auto& tail : tails_) {
    auto some = co_await step(tail);
    if (!some) co_return tl::unexpected(some.error());
    applied += *some;
    all = all && tail.next >= tail.end_at_start;
  }
  if (all) caught_up_ = true;
  if (auto reckoned = co_await reckon(); !reckoned) co_return tl::unexpected(reckoned.error());
  if (caught_up_ && options_.emit) {
    std::vector<std::pair<std::uint32_t, port::Offset>> projected;
    for (const auto& tail : tails_) {
      if (tail.partition.topic == port::Topic::events) projected.emplace_back(tail.partition.number, tail.stored.next);
    }
    auto emitted = co_await emitter_.emit(std::move(projected));
    if (!emitted) co_return tl::unexpected(emitted.error());
    applied += *emitted;  // they wait in the identity topic already
  }
  co_return applied;
}

net::awaitable<Result<std::size_t>> Projector::step(Tail& tail) {
  port::ReadLimit limit;
  limit.records = options_.batch_records;
  limit.bytes = options_.batch_bytes;
  limit.with_raw = false;
  auto slice = co_await log_.read(tail.partition, tail.next, limit);
  if (!slice) co_return tl::unexpected(slice.error());
  const std::size_t count = slice->records.size();
  if (count == 0) {
    if (slice->next > tail.next) applied_up_to(tail, slice->next);  // a gap
    co_return 0;
  }
  tail.oldest = slice->records.front().appended.micros;
  show();
  const Timestamp newest = slice->records.back().appended;
  auto written = co_await write(tail, std::move(*slice));
  if (!written) co_return tl::unexpected(written.error());
  if (tail.partition.topic == port::Topic::events) co_await observe_lag(tail, newest);
  co_return count;
}

net::awaitable<Result<void>> Projector::write(Tail& tail, port::Slice slice) {
  Effects effects(store_, aside_, log_.id(), options_.hmac_key, *options_.weights,
                  options_.rules ? options_.rules() : std::shared_ptr<const Rules>());
  co_await effects.apply(tail.partition, slice.records);
  if (effects.overlay().failed()) co_return tl::unexpected(*effects.overlay().failed());
  auto batch = effects.overlay().take();
  const port::Cursor next{tail.partition, slice.next, log_.id()};
  batch.cursor = next;
  batch.expected = fence();
  const auto asked = clock_.ticks();
  auto written = co_await store_.write(std::move(batch));
  fenced_ = !written && written.error().code == ErrorCode::conflict;
  if (!written) co_return tl::unexpected(written.error());
  confirmed_ = asked.count();

  tail.stored = next;
  for (const auto& id : effects.decisions_met()) emitter_.met(id);
  if (effects.proposed()) emitter_.wake();
  counters_->records.add(static_cast<double>(slice.records.size()));
  for (std::size_t i = 0; i < effect_count; ++i) {
    if (effects.counts()[i] > 0 && counters_->effects[i])
      counters_->effects[i]->add(static_cast<double>(effects.counts()[i]));
  }
  applied_up_to(tail, slice.next);
  co_return Result<void>();
}

std::vector<port::Cursor> Projector::fence() const {
  std::vector<port::Cursor> cursors;
  for (const auto& tail : tails_) cursors.push_back(tail.stored);
  if (shared()) cursors.push_back(turn_);
  return cursors;
}

// Deadlines that stand in the store were reckoned by the rules of their time: those of today may say otherwise.
net::awaitable<Result<void>> Projector::reckon() {
  auto by = options_.rules ? options_.rules() : std::shared_ptr<const Rules>();
  if (!by || by == reckoned_) co_return Result<void>();
  port::Scan scan;
  scan.limit = reckoned_at_once;
  for (bool more = true; more;) {
    auto rows = co_await store_.scan(port::tables::deadlines, scan);
    if (!rows) co_return tl::unexpected(rows.error());
    more = rows->size() == reckoned_at_once;
    if (more) scan.after = port::Key(rows->back().begin(), rows->back().begin() + 4);
    Overlay overlay(store_);
    for (const auto& row : *rows) {
      co_await pipeline::reckon(overlay, row, *by->referral);
      co_await pipeline::reckon_critical(overlay, row, *by->critical);
    }
    if (overlay.failed()) co_return tl::unexpected(*overlay.failed());
    if (overlay.changes() == 0) continue;
    auto batch = overlay.take();
    batch.expected = fence();
    auto written = co_await store_.write(std::move(batch));
    fenced_ = !written && written.error().code == ErrorCode::conflict;
    if (!written) co_return tl::unexpected(written.error());
  }
  reckoned_ = std::move(by);
  co_return Result<void>();
}

void Projector::applied_up_to(Tail& tail, port::Offset next) {
  tail.next = next;
  show();
  if (options_.on_projected) options_.on_projected(tail.partition, next);
}

net::awaitable<void> Projector::observe_lag(Tail& tail, Timestamp newest) {
  auto end = co_await log_.end(tail.partition);
  if (!end) co_return;
  // What follows was appended no earlier than what was just applied.
  tail.behind = *end > tail.next ? *end - tail.next : 0;
  tail.oldest = tail.behind > 0 ? newest.micros : 0;
  show();
}

// What others see of the events' tails, together.
void Projector::show() {
  port::Offset projected = 0;
  std::uint64_t behind = 0;
  std::int64_t oldest = 0;
  for (const auto& tail : tails_) {
    if (tail.partition.topic != port::Topic::events) continue;
    projected += tail.next;
    behind += tail.behind;
    if (tail.oldest != 0 && (oldest == 0 || tail.oldest < oldest)) oldest = tail.oldest;
  }
  projected_ = projected;
  lag_records_ = behind;
  oldest_unprojected_ = oldest;
  counters_->lag_records.set(static_cast<double>(behind));
  counters_->lag_seconds.set(lag_seconds());
}

double Projector::lag_seconds() const {
  const std::int64_t oldest = oldest_unprojected_;
  if (oldest == 0) return 0;
  const std::int64_t now = clock_.now().micros;
  return now > oldest ? static_cast<double>(now - oldest) / 1e6 : 0;
}

std::string Projector::trouble() const {
  std::lock_guard lock(trouble_mutex_);
  return trouble_;
}

void Projector::trouble(std::string what) {
  {
    std::lock_guard lock(trouble_mutex_);
    if (trouble_ == what) return;
    trouble_ = what;
  }
  if (options_.on_trouble) options_.on_trouble(what);
}

net::awaitable<bool> Projector::wait_until(port::Offset offset, std::chrono::milliseconds patience) const {
  const auto until = clock_.ticks() + patience;
  while (projected_ < offset) {
    if (clock_.ticks() >= until || stopping_) co_return false;
    co_await pause(std::chrono::milliseconds(1));
  }
  co_return true;
}

net::awaitable<Result<void>> Projector::catch_up(std::function<void(port::Offset, port::Offset)> progress) {
  for (;;) {
    auto applied = co_await step();
    if (!applied) co_return tl::unexpected(applied.error());
    port::Offset end = 0;
    for (const auto& tail : tails_) end += tail.partition.topic == port::Topic::events ? tail.end_at_start : 0;
    if (progress) progress(projected_, std::max(end, projected_.load()));
    if (*applied == 0) break;
  }
  if (options_.emit) co_return Result<void>();
  const auto newest = co_await newest_recorded(log_);
  if (!newest) co_return tl::unexpected(newest.error());
  co_return co_await mark_late(store_, *newest);
}

net::awaitable<Result<void>> rebuild(port::Log& log, port::Store& empty, port::Metrics& metrics, const Clock& clock,
                                     ProjectorOptions options,
                                     std::function<void(port::Offset, port::Offset)> progress) {
  for (port::Topic topic : projected_topics) {
    for (std::uint32_t number = 0; number < log.partitions(topic); ++number) {
      auto cursor = co_await empty.cursor({topic, number});
      if (!cursor) co_return tl::unexpected(cursor.error());
      if (cursor->has_value())
        co_return fail(ErrorCode::conflict, "a rebuild needs an empty store; this one has a cursor");
    }
  }
  options.emit = false;
  Projector projector(log, empty, metrics, clock, std::move(options));
  co_return co_await projector.catch_up(std::move(progress));
}

}  // namespace hutong::pipeline
