// Subscriptions that clients declared over FHIR. Their rows are the projector's; whoever delivers asks the receiver of
// a new one whether it is the one (the handshake), and says in the log what came of it, and where the subscription
// begins. The router meets each such record and does what the row says by then: nobody else's deliveries are touched.
#include <algorithm>
#include <boost/asio/use_awaitable.hpp>

#include "broker/pipeline/delivery_state.h"
#include "broker/port/tables.h"

namespace hutong::pipeline {
namespace {

namespace tables = port::tables;
using model::DeclaredState;
constexpr std::chrono::milliseconds handshake_timeout{4'000}, again{1'000}, look_every{50};
constexpr int handshakes = 3;
constexpr std::size_t rows_at_once = 1'000;

port::Partition partition_of(const model::Stream& stream) {
  return {static_cast<port::Topic>(stream.topic), stream.partition};
}

}  // namespace

// For other threads, whenever one of them is another.
void Delivery::State::declare_all() {
  next_end_.reset();
  std::vector<model::Subscription> active;
  for (const auto& [name, one] : clients_) {
    if (one.state == DeclaredState::active) active.push_back(model::subscription_of(one));
    const bool ends = one.end && (one.state == DeclaredState::active || one.state == DeclaredState::requested);
    if (ends && (!next_end_ || *one.end < *next_end_)) next_end_ = one.end;
  }
  const std::lock_guard lock(mutex);
  clients = std::move(active);
  join_declared();
}

void Delivery::State::join_declared() {
  auto all = own;
  all.insert(all.end(), clients.begin(), clients.end());
  declared = std::make_shared<const std::vector<model::Subscription>>(std::move(all));
}

net::awaitable<Result<void>> Delivery::State::read_clients() {
  clients_.clear();
  port::Scan scan;
  scan.limit = rows_at_once;
  for (;;) {
    auto rows = co_await deps_.store.scan(tables::declared_subscriptions, scan);
    if (!rows) co_return tl::unexpected(rows.error());
    for (const auto& row : *rows) {
      auto one = model::read_subscription_declared(std::get<std::string>(row[2]));
      if (!one) co_return tl::unexpected(one.error());
      auto name = model::subscription_of(*one).name;
      clients_[std::move(name)] = std::move(*one);
    }
    if (rows->size() < scan.limit) break;
    scan.after = port::Key{rows->back()[0]};
  }
  declare_all();
  co_return Result<void>();
}

// Where one begins that was not told anything yet.
void Delivery::State::begin_client(Subscriber& subscriber, const model::SubscriptionDeclared& one) const {
  if (one.log != deps_.log.id()) return;
  for (const auto& cursor : one.begins) subscriber.read[partition_of(cursor.stream)] = cursor.next;
}

// The router has met a record of one, in the order of the log. Errors: the store's.
net::awaitable<Result<void>> Delivery::State::heed_client(std::string json) {
  const auto said = model::read_subscription_declared(json);
  if (!said) co_return Result<void>();  // the projector has counted it
  auto row = co_await deps_.store.get(tables::declared_subscriptions, {said->subscription});
  if (!row) co_return tl::unexpected(row.error());
  const auto name = model::subscription_of(*said).name;
  if (!*row) {
    clients_.erase(name);
    if (const auto asked = seen_to_.find(said->subscription); asked != seen_to_.end()) {
      if (asked->second.sink) asked->second.sink->close();
      seen_to_.erase(asked);
    }
    if (const auto found = subscribers_.find(name); found != subscribers_.end()) {
      const auto subscriber = found->second;
      subscribers_.erase(found);
      let_rest(*subscriber);
      part_with(*subscriber);
    }
    declare_all();
    co_return Result<void>();
  }
  auto stands = model::read_subscription_declared(std::get<std::string>((**row)[2]));
  if (!stands) co_return tl::unexpected(stands.error());
  clients_[name] = *stands;
  declare_all();
  const auto found = subscribers_.find(name);
  if (stands->state != DeclaredState::active) {
    if (found != subscribers_.end()) let_rest(*found->second);
    see_to(*stands);
    co_return Result<void>();
  }
  // By an earlier record, too, the row may have been what it is by now: then it is awake already.
  const bool awakes = found == subscribers_.end() || found->second->dormant;
  SubscriberPtr subscriber;
  if (found == subscribers_.end()) {
    subscriber = make(model::subscription_of(*stands));
    begin_client(*subscriber, *stands);
  } else {  // it goes on where it was
    subscriber = found->second;
    if (auto now = model::subscription_of(*stands); !(now == subscriber->declared)) {
      subscriber->sink->close();
      equip(*subscriber, now);
    }
    subscriber->dormant = false;
  }
  if (awakes) subscriber->live = subscriber->read == router_ && !subscriber->lanes->awaits();
  compile();
  see_to(*stands);
  start_reading(subscriber);
  pump(subscriber);
  co_return Result<void>();
}

// It is told nothing, and keeps its place.
void Delivery::State::let_rest(Subscriber& subscriber) {
  if (subscriber.dormant) return;
  subscriber.dormant = true;
  if (subscriber.live) subscriber.read = router_;
  subscriber.live = false;
  subscriber.has_read = dirty_ = true;
  subscriber.timer->cancel();
  subscriber.room->cancel();
  compile();
}

void Delivery::State::part_with(Subscriber& subscriber) {
  subscriber.sink->close();
  subscriber.timer->cancel();
  subscriber.room->cancel();
  for (auto* gauge : {subscriber.lag, subscriber.oldest, subscriber.held, subscriber.dead}) gauge->set(0);
}

// What a row asks for: a handshake, or an end because its client may not read this any more.
void Delivery::State::see_to(const model::SubscriptionDeclared& one) {
  if (one.state != DeclaredState::requested && one.state != DeclaredState::active) return;
  auto& seen = seen_to_[one.subscription];
  if (seen.version >= one.version && seen.concluded) return;
  if (one.end && *one.end <= deps_.clock.now()) return conclude(one, DeclaredState::off, {});
  if (const auto may = deps_.may_be_told(one); !may) return conclude(one, DeclaredState::error, may.error().message);
  if (seen.version >= one.version) return;
  if (seen.sink) seen.sink->close();  // it has changed since that was asked
  seen = {one.version, false, nullptr};
  if (one.state == DeclaredState::requested) spawn("handshake", shake_hands(one));
}

// Those whose time is over.
void Delivery::State::end_clients() {
  if (!next_end_ || deps_.clock.now() < *next_end_) return;
  next_end_.reset();  // until something is declared: what ends is said in the log
  for (const auto& [name, one] : clients_) see_to(one);
  const auto later = [&](const auto& each) { return each.second.end && deps_.clock.now() < *each.second.end; };
  for (const auto& each : clients_) {
    if (later(each) && (!next_end_ || *each.second.end < *next_end_)) next_end_ = each.second.end;
  }
}

void Delivery::State::conclude(model::SubscriptionDeclared one, DeclaredState state, std::string error) {
  auto& seen = seen_to_[one.subscription];
  seen.version = one.version;
  seen.concluded = true;
  seen.sink.reset();
  const auto found = subscribers_.find(model::subscription_of(one).name);
  if (state != DeclaredState::active && found != subscribers_.end()) let_rest(*found->second);
  one.state = state;
  one.error = std::move(error);
  spawn("subscription", say(std::move(one)));
}

// The next version, in the log: it stands if nobody was first.
net::awaitable<void> Delivery::State::say(model::SubscriptionDeclared one) {
  ++one.version;
  one.id = model::declared_id(one.subscription, one.version, run_);
  while (going() && deps_.ours()) {
    one.at = deps_.clock.now();
    port::Record record;
    record.id = one.id;
    record.key = "delivery";
    record.kinds = model::subscription_declared_kind;
    record.json = write(one);
    std::vector<port::Record> batch;
    batch.push_back(std::move(record));
    auto appended = co_await deps_.log.append(port::Topic::operations, std::move(batch));
    if (appended) break;
    trouble("what became of a client's subscription cannot be recorded: " + appended.error().message);
    co_await pause(again);
  }
}

net::awaitable<void> Delivery::State::shake_hands(model::SubscriptionDeclared asked) {
  auto one = model::subscription_of(asked);
  one.timeout = handshake_timeout;
  std::shared_ptr<port::Sink> sink;
  port::Receipt receipt;
  // Another version is asked for, or it is deleted, or has ended.
  const auto is_over = [&] {
    const auto seen = seen_to_.find(asked.subscription);
    return !going() || seen == seen_to_.end() || seen->second.version != asked.version || seen->second.concluded;
  };
  if (is_over()) co_return;
  try {
    sink = seen_to_[asked.subscription].sink = deps_.sink(one);
  } catch (const std::exception& e) {
    receipt.answer = e.what();
  }
  for (int attempt = 1; sink && attempt <= handshakes; ++attempt) {
    auto letter = deps_.handshake(one);
    port::Parcel parcel;
    parcel.body = std::move(letter.body);
    parcel.content_type = std::move(letter.content_type);
    parcel.event_id = asked.id.hex() + ".0";
    parcel.kind = "handshake";
    parcel.subscription = one.name;
    parcel.attempt = static_cast<unsigned>(attempt);
    receipt = co_await sink->hand_over(std::move(parcel));
    if (receipt.taken == port::Taken::delivered) break;
    for (auto waited = again * 0; !is_over() && attempt < handshakes && waited < again; waited += look_every)
      co_await pause(look_every);
    if (is_over()) co_return sink->close();  // who begins next asks again
  }
  if (sink) sink->close();
  if (is_over() || !deps_.ours()) co_return;
  if (receipt.taken != port::Taken::delivered) {
    conclude(std::move(asked), DeclaredState::error,
             "the endpoint did not answer the handshake with 2xx: " + receipt.answer);
    co_return;
  }
  if (asked.log != deps_.log.id()) {
    asked.log = deps_.log.id();
    asked.begins.clear();
    for (const auto& partition : delivered_partitions(deps_.log)) {
      auto end = co_await deps_.log.end(partition);
      if (!end) co_return trouble("a client's subscription cannot begin: " + end.error().message);
      asked.begins.push_back({{0, static_cast<std::uint8_t>(partition.topic), partition.number}, *end, *end});
    }
  }
  conclude(std::move(asked), DeclaredState::active, {});
}

}  // namespace hutong::pipeline
