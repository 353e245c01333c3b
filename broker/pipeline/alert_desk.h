// Tells operators what is wrong (docs/adr/0017-alerts.md): reads what the broker, its feeds and its deliveries look
// like, asks the rules (alerts/watch.h) what is new in that, and hands it to webhooks. Whose projector writes the views
// tells of feeds and deliveries; each broker tells of its own machine.
//
// A webhook that does not answer is tried again with growing pauses. What waits for it is the last word on each
// condition, not a queue: however long it is away, what waits is as much as can be wrong at once.
//
// Threads: watch() and tell() on one executor, where nothing that is urgent waits behind them; stop() and alerts() from
// any. Lifetime: everything in Deps outlives it.
#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "broker/alerts/watch.h"
#include "broker/pipeline/recorded_time.h"
#include "broker/pipeline/rules.h"
#include "broker/port/alerts.h"
#include "broker/port/control.h"
#include "broker/port/deliveries.h"
#include "broker/port/metrics.h"
#include "broker/port/sink.h"
#include "broker/port/store.h"

namespace hutong::pipeline {

struct AlertDeps {
  port::Store& store;
  port::Metrics& metrics;
  const Clock& clock;
  RecordedTime& time;
  const CurrentRules& rules;
  std::string broker;  // its name among others
  std::function<port::StatusView()> status;
  // This broker's projector writes the views, and has applied what the log held when it began.
  std::function<bool()> ours;
  // nullopt: this broker does not deliver yet.
  std::function<std::optional<std::vector<port::SubscriptionStatus>>()> subscriptions;
  std::function<void(std::string_view level, std::string what)> on_event;
};

struct AlertTarget {
  std::string origin;
  std::shared_ptr<port::Sink> sink;
};

class AlertDesk final : public port::Alerts {
 public:
  AlertDesk(AlertDeps deps, alerts::Policy policy, std::vector<AlertTarget> targets);
  ~AlertDesk() override;

  // Reads everything once; what is to be told of it waits for tell().
  net::awaitable<void> look();
  // Until stop(). tell(): once for each target.
  net::awaitable<void> watch();
  net::awaitable<void> tell(std::size_t target);
  void stop() { stopping_ = true; }

  port::AlertsView alerts() const override;

 private:
  struct Waiting;
  struct Target;
  using Readings = std::vector<alerts::Reading>;

  net::awaitable<void> tell(Target& target);
  Readings read_broker();
  net::awaitable<std::optional<Readings>> read_feeds(alerts::Moment now);
  Readings read_deliveries(const std::vector<port::SubscriptionStatus>& subscriptions, alerts::Moment now);
  void take(alerts::Source source, const Readings& readings, alerts::Moment now);
  void forget(alerts::Source source);
  void show(alerts::Moment now);
  alerts::Watch& watch_of(alerts::Source source) { return watches_[static_cast<std::size_t>(source)]; }

  AlertDeps deps_;
  alerts::Policy policy_;
  std::vector<alerts::Watch> watches_;  // in the order of alerts::Source
  std::map<std::pair<alerts::Kind, std::string>, alerts::Share> shares_;
  std::map<std::string, alerts::Ear> ears_;  // by facility
  std::vector<std::unique_ptr<Target>> targets_;
  std::map<std::string, Timestamp> told_;  // when last, of what stands
  std::uint64_t said_ = 0;                 // what was said so far, to tell one word from the next
  std::map<alerts::Kind, port::Gauge*> gauges_;
  std::atomic<bool> stopping_{false};
  mutable std::mutex mutex_;
  port::AlertsView view_;
};

}  // namespace hutong::pipeline
