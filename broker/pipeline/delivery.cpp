#include "broker/pipeline/delivery.h"

#include <algorithm>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "broker/pipeline/delivery_inherit.h"
#include "broker/pipeline/delivery_state.h"
#include "broker/pipeline/effects_delivery.h"
#include "broker/port/tables.h"

namespace hutong::pipeline {
namespace {

namespace tables = port::tables;
using model::StreamCursor;
using port::Topic;

constexpr std::size_t rows_at_once = 1'000;
constexpr std::size_t subscribers_per_record = 256;
constexpr std::chrono::milliseconds look_every{50}, again{200}, tell_every{1'000};
constexpr port::Partition operations{Topic::operations, 0};

net::awaitable<Result<std::vector<port::Row>>> all_rows(port::Store& store, const port::Table& table,
                                                        port::Key prefix) {
  std::vector<port::Row> all;
  port::Scan scan;
  scan.prefix = std::move(prefix);
  scan.limit = rows_at_once;
  for (;;) {
    auto rows = co_await store.scan(table, scan);
    if (!rows) co_return tl::unexpected(rows.error());
    const bool more = rows->size() == scan.limit;
    for (auto& row : *rows) all.push_back(std::move(row));
    if (!more) co_return all;
    scan.after = port::Key(all.back().begin(), all.back().begin() + static_cast<std::ptrdiff_t>(table.key_columns));
  }
}

// In the place of one that cannot be made: says why, until the declaration is another.
class NoSink final : public port::Sink {
 public:
  explicit NoSink(std::string why) : why_(std::move(why)) {}
  std::size_t parallel() const override { return 1; }
  net::awaitable<port::Receipt> hand_over(port::Parcel) override {
    co_return port::Receipt{port::Taken::unreachable, why_, {}};
  }
  void close() override {}

 private:
  std::string why_;
};

port::Partition partition_of(const model::Stream& stream) {
  return {static_cast<Topic>(stream.topic), stream.partition};
}

void put(std::vector<StreamCursor>& cursors, const Positions& positions, std::uint32_t replay) {
  for (const auto& [partition, next] : positions) cursors.push_back({stream_of(partition, replay), next, next});
}

}  // namespace

std::vector<port::Partition> delivered_partitions(const port::Log& log) {
  std::vector<port::Partition> all;
  for (std::uint32_t number = 0; number < log.partitions(Topic::events); ++number)
    all.push_back({Topic::events, number});
  all.push_back({Topic::identity, 0});
  all.push_back(operations);
  return all;
}

Delivery::State::State(DeliveryDeps deps, DeliveryOptions options, std::vector<model::Subscription> subscriptions)
    : declared(std::make_shared<const std::vector<model::Subscription>>(subscriptions)),
      own(std::move(subscriptions)),
      deps_(std::move(deps)),
      options_(options),
      scope_([this](std::string_view name, std::string_view what) {
        deps_.on_event("error", std::string(name) + ": " + std::string(what));
      }),
      run_(to_hex(random_bytes(8))) {
  latency_ =
      &deps_.metrics.histogram("hutong_delivery_seconds", "From the append of an event to the receiver's answer");
  withheld_ = &deps_.metrics.counter("hutong_deliveries_withheld_total",
                                     "Events with a sensitivity label, which nobody is told of");
}

void Delivery::State::spawn(std::string_view name, net::awaitable<void> work) {
  scope_.spawn(executor_, name, std::move(work));
}

void Delivery::State::trouble(const std::string& what) {
  if (what == trouble_) return;
  trouble_ = what;
  deps_.on_event(what.empty() ? "info" : "error", what.empty() ? "delivery: goes on" : "delivery: " + what);
}

net::awaitable<void> Delivery::State::pause(std::chrono::milliseconds time) {
  net::steady_timer timer(executor_, time);
  co_await timer.async_wait(net::use_awaitable);
}

void Delivery::State::projected(port::Partition partition, port::Offset next) {
  views_moved_.fetch_add(1);
  if (partition.topic == Topic::quarantine) return;
  {
    const std::lock_guard lock(bounds_mutex_);
    auto& bound = bounds_[partition];
    bound = std::max(bound, next);
  }
  if (!delivering || woken_.exchange(true)) return;
  net::post(executor_, [self = shared_from_this()] {
    self->woken_ = false;
    if (self->projected_) self->projected_->cancel();
  });
}

Positions Delivery::State::bounds() const {
  const std::lock_guard lock(bounds_mutex_);
  return bounds_;
}

// --- beginning and ending ---

net::awaitable<Result<void>> Delivery::State::prepare() {
  for (const auto& partition : delivered_partitions(deps_.log)) {
    auto end = co_await deps_.log.end(partition);
    if (!end) co_return tl::unexpected(end.error());
    const std::lock_guard lock(bounds_mutex_);
    since_[partition] = *end;
  }
  co_return Result<void>();
}

net::awaitable<void> Delivery::State::run() {
  const auto self = shared_from_this();
  executor_ = co_await net::this_coro::executor;
  projected_ = std::make_unique<net::steady_timer>(executor_);
  recorder_ = std::make_unique<net::steady_timer>(executor_);
  while (!stopping) {
    if (!deps_.ours() || !deps_.confirmed()) {  // its term would end that of who has the turn
      co_await pause(look_every);
      continue;
    }
    beginning = true;  // what it reads of commands may be from before the last
    if (auto begun = co_await begin(); !begun) {
      beginning = false;
      if (stopping) break;
      trouble(begun.error().message);
      co_await pause(again);
      continue;
    }
    trouble("");
    delivering = true;
    beginning = false;
    spawn("delivery", route());
    spawn("delivery record", record());
    spawn("delivery commands", watch_commands());
    spawn("delivery status", tell());
    for (const auto& [name, one] : clients_) see_to(one);
    for (const auto& [name, subscriber] : subscribers_) {
      start_reading(subscriber);
      pump(subscriber);
    }
    for (; !stopping && !anew_ && deps_.ours(); co_await pause(look_every)) {
      end_clients();
      if (!unsure_ || !deps_.confirmed()) continue;
      unsure_ = false;
      for (const auto& [name, subscriber] : subscribers_) pump(subscriber);
    }
    co_await end();
  }
}

net::awaitable<Result<void>> Delivery::State::applied(port::Offset end) {
  for (;;) {
    auto cursor = co_await deps_.store.cursor(operations);
    if (!cursor) co_return tl::unexpected(cursor.error());
    obeyed = *cursor ? (*cursor)->next : 0;
    if (obeyed >= end) co_return Result<void>();
    auto rest = co_await deps_.log.read(operations, obeyed, {1, 1, false});
    if (!rest) co_return tl::unexpected(rest.error());
    if (rest->records.empty() || rest->records.front().offset >= end) co_return Result<void>();  // a gap
    if (stopping || !deps_.ours()) co_return fail(ErrorCode::unavailable, "stopped before it began");
    co_await pause(std::chrono::milliseconds(10));
  }
}

// Its term, in the log and in the store: what another appends from now on changes no row any more, and what it appended
// before stands in them.
net::awaitable<Result<void>> Delivery::State::begin_term() {
  auto end = co_await deps_.log.end(operations);
  if (!end) co_return tl::unexpected(end.error());
  // Two that begin at the same offset are told apart: of equal terms both would count.
  term_ = *end << 16U | (std::hash<std::string>()(run_) & 0xFFFFU);
  if (auto known = co_await applied(*end); !known) co_return known;
  auto former = co_await deps_.store.get(tables::subscribers, {std::string()});
  if (!former) co_return tl::unexpected(former.error());
  if (*former) {
    auto standing = model::read_standing(std::get<std::string>((**former)[1]));
    if (!standing) co_return tl::unexpected(standing.error());
    term_ = std::max(term_, standing->term + 1);
  }
  std::vector<port::Record> begun;
  begun.push_back(record_of({}));
  auto appended = co_await deps_.log.append(Topic::operations, std::move(begun));
  if (!appended) co_return tl::unexpected(appended.error());
  co_return co_await applied(appended->front().offset + 1);
}

port::Record Delivery::State::record_of(model::DeliveryProgressed progressed) {
  progressed.log = deps_.log.id();
  progressed.term = term_;
  progressed.at = deps_.clock.now();
  progressed.id =
      RecordId(PartsHash().add(model::delivery_progressed_kind).add(run_).add(std::to_string(++sequence_)).finish());
  port::Record record;
  record.id = progressed.id;
  record.key = "delivery";
  record.kinds = model::delivery_progressed_kind;
  record.json = write(progressed);
  return record;
}

net::awaitable<Result<void>> Delivery::State::begin() {
  if (auto begun = co_await begin_term(); !begun) co_return begun;
  for (const auto& partition : delivered_partitions(deps_.log)) {
    auto cursor = co_await deps_.store.cursor(partition);
    if (!cursor) co_return tl::unexpected(cursor.error());
    const std::lock_guard lock(bounds_mutex_);
    auto& bound = bounds_[partition];
    bound = std::max(bound, *cursor ? (*cursor)->next : 0);
  }
  auto standings = co_await all_rows(deps_.store, tables::subscribers, {});
  if (!standings) co_return tl::unexpected(standings.error());
  auto held = co_await all_rows(deps_.store, tables::held, {});
  if (!held) co_return tl::unexpected(held.error());
  auto replays = co_await all_rows(deps_.store, tables::replays, {});
  if (!replays) co_return tl::unexpected(replays.error());

  subscribers_.clear();
  left_behind_.clear();
  {
    const std::lock_guard lock(bounds_mutex_);
    router_ = since_.empty() ? bounds_ : since_;
  }
  const Positions fresh = router_;
  bool begun_before = false, is_new = false;
  // One that was recorded before something was told of this partition begins there with what comes from now on.
  const auto knows_all = [&](const std::vector<StreamCursor>& cursors) {
    return std::all_of(fresh.begin(), fresh.end(), [&](const auto& place) {
      return std::any_of(cursors.begin(), cursors.end(),
                         [&](const auto& cursor) { return cursor.stream == stream_of(place.first); });
    });
  };
  std::map<std::string, std::pair<model::SubscriberProgress, bool>> known;
  for (auto& row : *standings) {
    auto standing = model::read_standing(std::get<std::string>(row[1]));
    if (!standing) co_return tl::unexpected(standing.error());
    const auto& name = std::get<std::string>(row[0]);
    if (name.empty()) {
      if (standing->term > term_) co_return fail(ErrorCode::unavailable, "another has begun to deliver meanwhile");
      begun_before = !standing->cursors.empty();
      is_new = begun_before && !knows_all(standing->cursors);
      for (const auto& cursor : standing->cursors) router_[partition_of(cursor.stream)] = cursor.next;
    } else {
      known[name] = {std::move(*standing), std::get<std::int64_t>(row[2]) != 0};
    }
  }
  if (!begun_before) {
    auto inherited = co_await inherited_deliveries(deps_.log, deps_.clock.now(), term_);
    if (!inherited) co_return tl::unexpected(inherited.error());
    if (!inherited->empty()) {
      auto appended = co_await deps_.log.append(Topic::operations, std::move(*inherited));
      if (!appended) co_return tl::unexpected(appended.error());
      co_return co_await begin();  // from the rows that come of it
    }
  }
  std::map<std::string, std::vector<model::HeldEvent>> held_by;
  for (const auto& row : *held) held_by[std::get<std::string>(row[0])].push_back(held_of(row));

  anew_ = false;
  if (auto good = co_await read_clients(); !good) co_return good;
  auto all = [this] {
    const std::lock_guard lock(mutex);
    return own;
  }();
  for (const auto& [name, client] : clients_) all.push_back(model::subscription_of(client));
  for (const auto& one : all) {
    const auto found = known.find(one.name);
    const auto client = clients_.find(one.name);
    const bool dormant = client != clients_.end() && client->second.state != model::DeclaredState::active;
    if (dormant && found == known.end()) continue;  // it was never active
    auto subscriber = make(one);
    subscriber->dormant = dormant;
    if (found == known.end()) {
      if (!one.from_beginning) subscriber->read = fresh;
      if (client != clients_.end()) begin_client(*subscriber, client->second);
      subscriber->live = subscriber->read == router_;
      is_new = true;
      continue;
    }
    auto [standing, paused] = std::move(found->second);
    known.erase(found);
    subscriber->read = router_;
    std::map<std::uint32_t, Positions> read_again;
    for (const auto& cursor : standing.cursors) {
      const auto partition = partition_of(cursor.stream);
      if (cursor.stream.replay) {
        read_again[cursor.stream.replay][partition] = cursor.next;
      } else {
        subscriber->read[partition] = standing.idle ? std::max(cursor.next, router_[partition]) : cursor.next;
      }
    }
    const bool begins_there = !standing.idle && !knows_all(standing.cursors);
    is_new = is_new || begins_there;
    subscriber->has_read = dormant || begins_there;  // dormant: the router moves on without it
    std::vector<std::uint32_t> going_on;
    for (const auto& row : *replays) {
      if (std::get<std::string>(row[0]) != one.name) continue;
      auto ranges = model::read_ranges(std::get<std::string>(row[2]));
      if (!ranges) co_return tl::unexpected(ranges.error());
      const auto number = static_cast<std::uint32_t>(std::get<std::int64_t>(row[1]));
      going_on.push_back(number);
      add_replay(*subscriber, number, std::move(*ranges), std::get<std::string>(row[3]));
      for (const auto& [partition, next] : read_again[number]) subscriber->replays.back().read[partition] = next;
    }
    const auto is_over = [&](const model::Stream& stream) {
      return stream.replay && std::find(going_on.begin(), going_on.end(), stream.replay) == going_on.end();
    };
    std::erase_if(standing.cursors, [&](const auto& cursor) { return is_over(cursor.stream); });
    std::erase_if(standing.open, [&](const auto& open) { return is_over(open.ref.stream); });
    subscriber->lanes->restore(standing);
    auto& of_it = held_by[one.name];
    std::sort(of_it.begin(), of_it.end(), [](const auto& a, const auto& b) { return a.place < b.place; });
    for (const auto& each : of_it) subscriber->lanes->restore(each);
    subscriber->lanes->pause(paused);
    subscriber->live = !dormant && subscriber->read == router_ && standing.open.empty();
  }
  // Who is not declared any more stays where it is: the router moves on without it.
  for (auto& [name, standing] : known) {
    auto& progress = standing.first;
    if (!progress.idle) continue;
    progress.name = name;
    progress.idle = false;
    progress.cursors.clear();
    put(progress.cursors, router_, 0);
    left_behind_.push_back(std::move(progress));
  }
  compile();
  dirty_ = true;
  // Killed before this is known, a new one would begin where the log ends by then, and what it was to get be passed
  // over.
  if (is_new && !co_await append_progress(false)) {
    taken_.clear();
    co_return fail(ErrorCode::unavailable, trouble_);
  }
  co_return Result<void>();
}

net::awaitable<void> Delivery::State::end() {
  delivering = false;
  const auto until = deps_.clock.ticks() + options_.drain;
  const auto under_way = [&] {
    return std::any_of(subscribers_.begin(), subscribers_.end(),
                       [](const auto& one) { return one.second->lanes->under_way() > 0; });
  };
  while (under_way() && deps_.clock.ticks() < until) co_await pause(std::chrono::milliseconds(5));
  for (const auto& [name, subscriber] : subscribers_) part_with(*subscriber);
  for (const auto& [subscription, seen] : seen_to_) {
    if (seen.sink) seen.sink->close();
  }
  projected_->cancel();
  recorder_->cancel();
  for (const auto& timer : waiting_readers_) timer->cancel();
  // What goes on is of this run, and must not meet the next one.
  for (bool drained = false, warned = false; !drained && !(warned && stopping); warned = true) {
    drained = co_await scope_.drained(options_.drain);
    if (!drained && !warned) deps_.on_event("warning", "delivery: something is still under way at the end");
  }
  // Another broker's is the word from now on, where it took over. Nor may ours come before what is being appended
  // still.
  if (!appending_) {
    if (deps_.ours()) co_await append_progress(true);
    taken_.clear();  // whoever begins from what is recorded delivers it again
  }
  subscribers_.clear();
  places_.clear();
  shown_.clear();
  seen_to_.clear();
  const std::lock_guard lock(mutex);
  told.clear();
}

// --- who subscribes ---

SubscriberPtr Delivery::State::make(const model::Subscription& subscription) {
  auto subscriber = std::make_shared<Subscriber>();
  const auto seed = std::hash<std::string>()(run_ + subscription.name);
  subscriber->lanes = std::make_unique<Lanes>(lane_policy(subscription), seed);
  subscriber->timer = std::make_unique<net::steady_timer>(executor_);
  subscriber->room = std::make_unique<net::steady_timer>(executor_);
  subscriber->read = router_;
  if (subscription.from_beginning) {
    for (auto& [partition, next] : subscriber->read) next = deps_.log.first(partition);
  }
  subscriber->live = subscriber->read == router_;
  subscriber->has_read = true;  // where it begins is recorded at once
  const port::Labels labels{{"subscription", subscription.name}};
  const auto outcome = [&](const char* name) {
    return &deps_.metrics.counter("hutong_deliveries_total", "Attempts to deliver an event, by what became of them",
                                  {{"subscription", subscription.name}, {"outcome", name}});
  };
  subscriber->delivered = outcome("delivered");
  subscriber->refused = outcome("refused");
  subscriber->broken = outcome("failed");
  subscriber->lag = &deps_.metrics.gauge("hutong_delivery_lag_records",
                                         "Records of the log that a subscriber has not read yet", labels);
  subscriber->oldest =
      &deps_.metrics.gauge("hutong_delivery_oldest_seconds",
                           "Age of the oldest event that a subscriber waits for, dead letters apart", labels);
  subscriber->held = &deps_.metrics.gauge(
      "hutong_delivery_held", "Events that are tried again by themselves, or stand behind a dead letter", labels);
  subscriber->dead = &deps_.metrics.gauge("hutong_dead_letters", "Events that wait for an operator", labels);
  equip(*subscriber, subscription);
  subscribers_[subscription.name] = subscriber;
  return subscriber;
}

void Delivery::State::equip(Subscriber& subscriber, const model::Subscription& subscription) {
  subscriber.declared = subscription;
  try {
    subscriber.sink = deps_.sink(subscription);
  } catch (const std::exception& e) {  // its files are gone or broken: nobody else waits for that
    deps_.on_event("error", "delivery: " + subscription.name + ": " + e.what());
    subscriber.sink = std::make_shared<NoSink>(e.what());
  }
  subscriber.payload = deps_.payload(subscription);
  subscriber.own = routing::Matcher(std::span(&subscription.filter, 1));
}

void Delivery::State::compile() {
  std::vector<model::SubscriptionFilter> filters;
  places_.clear();
  for (const auto& [name, subscriber] : subscribers_) {
    if (subscriber->dormant) continue;
    filters.push_back(subscriber->declared.filter);
    places_.push_back(subscriber);
  }
  matcher_ = routing::Matcher(filters);
}

void Delivery::State::reload(std::vector<model::Subscription> subscriptions) {
  {
    // Beginning anew cuts off what is slow: not where all is as it was. In a file may stand something else by now.
    const auto names_files = [](const auto& one) {
      return !one.authority.empty() || !one.certificate.empty() || !one.settings.empty();
    };
    const std::lock_guard lock(mutex);
    if (subscriptions == own && std::none_of(own.begin(), own.end(), names_files)) return;
  }
  const auto since = bounds();
  {
    const std::lock_guard lock(bounds_mutex_);
    for (const auto& [partition, next] : since) since_[partition] = std::max(since_[partition], next);
  }
  const std::lock_guard lock(mutex);
  own = std::move(subscriptions);
  join_declared();
  anew_ = true;
}

void Delivery::State::add_replay(Subscriber& subscriber, std::uint32_t number,
                                 std::vector<model::DeliveryCommanded::Range> ranges, std::string patient) {
  const auto same = [&](const Replay& replay) { return replay.number == number; };
  if (std::any_of(subscriber.replays.begin(), subscriber.replays.end(), same)) return;
  Replay replay;
  replay.number = number;
  replay.patient = std::move(patient);
  for (const auto& range : ranges) {
    replay.read[partition_of(range.stream)] = range.from;
    replay.to[partition_of(range.stream)] = range.to;
  }
  subscriber.replays.push_back(std::move(replay));
}

// --- what operators ask for ---

net::awaitable<void> Delivery::State::watch_commands() {
  while (going()) {
    auto slice = co_await deps_.log.read(operations, obeyed, {500, 4 * 1024 * 1024, false});
    if (!slice) {
      co_await pause(again);
      continue;
    }
    for (const auto& stored : slice->records) {
      if (!going()) break;
      if (stored.record.kinds == model::delivery_progressed_kind) heed_another(stored.record);
      if (stored.record.kinds != model::delivery_commanded_kind) continue;
      if (auto command = model::read_delivery_commanded(stored.record.json);
          command && command->log == deps_.log.id()) {
        obey(*command);
      }
    }
    obeyed = slice->next;
    if (slice->records.empty()) co_await deps_.log.wait_beyond(operations, obeyed, again);
  }
}

// Another broker that began to deliver and may not have kept the turn: since it said so, nothing counts that is said
// in the term here, and whoever comes next would deliver all of it again.
void Delivery::State::heed_another(const port::Record& record) {
  if (model::read_term(record.json) <= term_ || anew_.exchange(true)) return;
  deps_.on_event("info", "delivery: another broker had begun to deliver; this one begins again from what is recorded");
}

void Delivery::State::obey(const model::DeliveryCommanded& command) {
  const auto found = subscribers_.find(command.subscription);
  if (found == subscribers_.end()) return;
  auto& subscriber = *found->second;
  switch (command.action) {
    case model::DeliveryAction::pause: subscriber.lanes->pause(true); break;
    case model::DeliveryAction::resume: subscriber.lanes->pause(false); break;
    case model::DeliveryAction::retry: subscriber.lanes->retry(command.letters); break;
    case model::DeliveryAction::discard: subscriber.lanes->discard(command.letters, deps_.clock.now()); break;
    case model::DeliveryAction::replay:
      add_replay(subscriber, model::replay_number(command.id), command.ranges, command.patient);
      break;
  }
  dirty_ = true;
  start_reading(found->second);
  made_room(subscriber);
  pump(found->second);
}

// --- recording ---

std::vector<StreamCursor> Delivery::State::streams_of(const Subscriber& subscriber) const {
  std::vector<StreamCursor> streams;
  put(streams, subscriber.live ? router_ : subscriber.read, 0);
  for (const auto& replay : subscriber.replays) put(streams, replay.read, replay.number);
  return streams;
}

net::awaitable<void> Delivery::State::record() {
  auto read_at = deps_.clock.ticks();
  while (going()) {
    recorder_->expires_after(options_.record_every);
    boost::system::error_code cancelled;
    co_await recorder_->async_wait(net::redirect_error(net::use_awaitable, cancelled));
    if (!going()) break;
    const auto now = deps_.clock.ticks();
    const bool has_read = router_moved_ && now - read_at >= options_.reading_every;
    if (!dirty_ && !has_read) continue;
    if (has_read) read_at = now;
    co_await append_progress(false);
  }
}

net::awaitable<bool> Delivery::State::append_progress(bool finally) {
  // A later cursor passes what an earlier record says is held: in the log none may come without the one before.
  if (!taken_.empty() && !co_await append_taken(finally)) co_return false;
  take_progress();
  co_return co_await append_taken(finally);
}

// Into records, since the last time.
void Delivery::State::take_progress() {
  std::vector<model::DeliveryProgressed> all(1);
  const auto add = [&](model::SubscriberProgress progress) {
    if (all.back().subscribers.size() >= subscribers_per_record) all.emplace_back();
    all.back().subscribers.push_back(std::move(progress));
  };
  for (const auto& [name, one] : subscribers_) {
    auto& subscriber = *one;
    for (auto replay = subscriber.replays.begin(); replay != subscriber.replays.end();) {
      const bool open = std::any_of(replay->read.begin(), replay->read.end(), [&](const auto& read) {
        return subscriber.lanes->has_open(stream_of(read.first, replay->number));
      });
      if (!replay->done_reading || open) {
        ++replay;
        continue;
      }
      subscriber.replayed.push_back(replay->number);
      replay = subscriber.replays.erase(replay);
    }
    if (!subscriber.lanes->changed() && !subscriber.has_read && subscriber.replayed.empty()) continue;
    subscriber.has_read = false;
    auto progress = subscriber.lanes->take_changes(name, streams_of(subscriber));
    progress.replayed = std::exchange(subscriber.replayed, {});
    progress.idle = progress.idle && subscriber.live && subscriber.replays.empty();
    add(std::move(progress));
  }
  for (auto& progress : std::exchange(left_behind_, {})) add(std::move(progress));
  // What idle subscribers have read is said last: whoever is not idle any more has been named by then.
  put(all.back().router, router_, 0);
  dirty_ = router_moved_ = false;
  for (auto& progressed : all) taken_.push_back(record_of(std::move(progressed)));
}

net::awaitable<bool> Delivery::State::append_taken(bool finally) {
  const std::size_t deliveries = std::exchange(unrecorded_, 0);
  const std::vector<port::RecordView> views(taken_.begin(), taken_.end());
  for (int attempt = 1;; ++attempt) {
    appending_ = true;
    auto appended = co_await deps_.log.append(Topic::operations, std::span(views));
    appending_ = false;
    if (appended) break;
    log_away_ = true;
    trouble("what was delivered cannot be recorded, nothing is handed over until it can: " + appended.error().message);
    unrecorded_ = std::max(unrecorded_, deliveries);
    if ((finally && attempt >= 3) || (!finally && !going())) co_return false;
    co_await pause(again);
  }
  taken_.clear();
  const bool was_away = std::exchange(log_away_, false);
  if (was_away) {
    trouble("");
    unrecorded_ = 0;
  }
  if (was_away || deliveries >= options_.unrecorded_max) {
    for (const auto& [name, subscriber] : subscribers_) pump(subscriber);
  }
  co_return true;
}

// --- telling ---

net::awaitable<void> Delivery::State::tell() {
  while (going()) {
    const auto bound = bounds();
    const auto now = deps_.clock.now();
    const auto ticks = deps_.clock.ticks();
    const auto age = [&](const std::optional<Timestamp>& since) {
      return since && *since < now ? std::chrono::duration<double>(now - *since).count() : 0;
    };
    std::vector<port::SubscriptionStatus> all;
    for (const auto& [name, one] : subscribers_) {
      if (one->dormant) continue;  // its row says why
      const auto& lanes = *one->lanes;
      port::SubscriptionStatus status;
      status.name = name;
      status.sink = to_string(one->declared.sink);
      status.target = one->declared.target;
      status.payload = to_string(one->declared.payload);
      status.paused = lanes.paused();
      status.state = lanes.paused()    ? "paused"
                     : lanes.is_shut() ? "waiting"
                     : lanes.is_full() ? "full"
                     : one->live       ? "live"
                                       : "behind";
      status.trouble = lanes.trouble();
      status.delivered = lanes.delivered();
      status.refused = lanes.refused();
      status.broken = lanes.broken();
      status.open = lanes.open();
      status.held = lanes.held();
      status.dead = lanes.dead();
      for (const auto& [partition, read] : one->live ? router_ : one->read) {
        const auto end = bound.find(partition);
        if (end != bound.end() && end->second > read) status.lag_records += end->second - read;
      }
      status.oldest_seconds = age(lanes.oldest_open());
      status.oldest_held_seconds = age(lanes.oldest_held());
      status.last_delivered = lanes.last_delivered();
      if (const auto shut = lanes.shut_until(); shut && *shut > ticks) {
        status.next_attempt = now + std::chrono::duration_cast<std::chrono::microseconds>(*shut - ticks);
      }
      status.replaying = one->replays.size();
      one->lag->set(static_cast<double>(status.lag_records));
      one->oldest->set(status.oldest_seconds);
      one->held->set(static_cast<double>(status.held));
      one->dead->set(static_cast<double>(status.dead));
      all.push_back(std::move(status));
    }
    {
      const std::lock_guard lock(mutex);
      told = std::move(all);
    }
    for (std::chrono::milliseconds waited{0}; going() && waited < tell_every; waited += look_every)
      co_await pause(look_every);
  }
}

// --- from outside ---

Delivery::Delivery(DeliveryDeps deps, DeliveryOptions options, std::vector<model::Subscription> subscriptions)
    : state_(std::make_shared<State>(std::move(deps), options, std::move(subscriptions))) {}
Delivery::~Delivery() = default;

net::awaitable<Result<void>> Delivery::prepare() {
  co_return co_await state_->prepare();
}
net::awaitable<void> Delivery::run() {
  co_await state_->run();
}
void Delivery::stop() {
  state_->stop();
}
void Delivery::reload(std::vector<model::Subscription> subscriptions) {
  state_->reload(std::move(subscriptions));
}
void Delivery::projected(port::Partition partition, port::Offset next) {
  state_->projected(partition, next);
}
std::vector<port::SubscriptionStatus> Delivery::status() const {
  const std::lock_guard lock(state_->mutex);
  return state_->told;
}
std::string Delivery::trouble(std::string_view subscription) const {
  const std::lock_guard lock(state_->mutex);
  const auto& told = state_->told;
  const auto found =
      std::find_if(told.begin(), told.end(), [&](const auto& each) { return each.name == subscription; });
  return found == told.end() ? std::string() : found->trouble;
}
bool Delivery::delivering() const {
  return state_->delivering;
}
bool Delivery::has_obeyed(port::Offset command) const {
  return !(state_->beginning || state_->delivering) || state_->obeyed > command;
}
std::shared_ptr<const std::vector<model::Subscription>> Delivery::subscriptions() const {
  const std::lock_guard lock(state_->mutex);
  return state_->declared;
}
net::awaitable<Result<port::Letter>> Delivery::letter(model::Subscription subscription, model::EventRef ref,
                                                      std::uint64_t number) {
  co_return co_await state_->letter(std::move(subscription), ref, number);
}

}  // namespace hutong::pipeline
