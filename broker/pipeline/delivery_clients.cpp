// Subscriptions that clients declared over FHIR. Their rows are the projector's; whoever delivers asks the receiver of a
// new one whether it is the one (the handshake), and says in the log what came of it. The router meets each such record
// and begins anew with the rows as they are then.
#include <boost/asio/use_awaitable.hpp>

#include "broker/pipeline/delivery_state.h"
#include "broker/port/tables.h"

namespace hutong::pipeline {
namespace {

namespace tables = port::tables;
constexpr std::chrono::milliseconds handshake_timeout{4'000}, again{1'000};
constexpr int handshakes = 3;
constexpr std::size_t rows_at_once = 1'000;

port::Partition partition_of(const model::Stream& stream) {
  return {static_cast<port::Topic>(stream.topic), stream.partition};
}

}  // namespace

std::vector<port::Partition> delivered_partitions(const port::Log& log) {
  std::vector<port::Partition> all;
  for (std::uint32_t number = 0; number < log.partitions(port::Topic::events); ++number)
    all.push_back({port::Topic::events, number});
  all.push_back({port::Topic::operations, 0});
  return all;
}

void Delivery::State::declare_all() {
  auto all = own;
  all.insert(all.end(), clients.begin(), clients.end());
  declared = std::make_shared<const std::vector<model::Subscription>>(std::move(all));
}

// Where those begin that are active; those that are asked for are asked.
net::awaitable<Result<std::map<std::string, Positions>>> Delivery::State::read_clients() {
  std::map<std::string, Positions> begins;
  std::vector<model::Subscription> active;
  port::Scan scan;
  scan.limit = rows_at_once;
  for (;;) {
    auto rows = co_await deps_.store.scan(tables::declared_subscriptions, scan);
    if (!rows) co_return tl::unexpected(rows.error());
    for (const auto& row : *rows) {
      auto one = model::read_subscription_declared(std::get<std::string>(row[2]));
      if (!one) co_return tl::unexpected(one.error());
      if (one->state == model::DeclaredState::requested) spawn("handshake", shake_hands(*one));
      if (one->state != model::DeclaredState::active) continue;
      active.push_back(model::subscription_of(*one));
      auto& places = begins[active.back().name];
      if (one->log != deps_.log.id()) continue;
      for (const auto& cursor : one->begins) places[partition_of(cursor.stream)] = cursor.next;
    }
    if (rows->size() < scan.limit) break;
    scan.after = port::Key{rows->back()[0]};
  }
  const std::lock_guard lock(mutex);
  clients = std::move(active);
  declare_all();
  co_return begins;
}

net::awaitable<void> Delivery::State::shake_hands(model::SubscriptionDeclared asked) {
  auto one = model::subscription_of(asked);
  one.timeout = handshake_timeout;
  std::shared_ptr<port::Sink> sink;
  port::Receipt receipt;
  try {
    sink = deps_.sink(one);
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
    if (stopping || anew_) co_return sink->close();  // who begins next asks again
    if (attempt < handshakes) co_await pause(again);
  }
  if (sink) sink->close();
  if (stopping || !deps_.ours()) co_return;
  ++asked.version;
  asked.id = model::declared_id(asked.subscription, asked.version, run_);
  asked.at = deps_.clock.now();
  asked.state = model::DeclaredState::active;
  asked.error.clear();
  if (receipt.taken != port::Taken::delivered) {
    asked.state = model::DeclaredState::error;
    asked.error = "the endpoint did not answer the handshake with 200: " + receipt.answer;
  }
  asked.log = deps_.log.id();
  asked.begins.clear();
  for (const auto& partition : delivered_partitions(deps_.log)) {
    auto end = co_await deps_.log.end(partition);
    if (!end) co_return trouble("a client's subscription cannot begin: " + end.error().message);
    asked.begins.push_back({{0, static_cast<std::uint8_t>(partition.topic), partition.number}, *end, *end});
  }
  port::Record record;
  record.id = asked.id;
  record.key = "delivery";
  record.kinds = model::subscription_declared_kind;
  record.json = write(asked);
  std::vector<port::Record> batch;
  batch.push_back(std::move(record));
  auto appended = co_await deps_.log.append(port::Topic::operations, std::move(batch));
  if (!appended) trouble("a client's subscription cannot begin: " + appended.error().message);
}

}  // namespace hutong::pipeline
