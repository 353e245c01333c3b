// Delivers events to subscribers (docs/adr/0015-routing-and-delivery.md): reads the log behind the projector, asks the
// matcher, keeps each subscriber's lanes, hands over to sinks, and appends what became of it to the topic operations.
// A subscriber that has kept up is given events by the router; one that has not reads the log itself until it meets it.
//
// Of several brokers the one whose projector writes the views delivers. It begins from the rows that the projector made
// of the records of deliveries, once all of them are applied.
//
// Threads: run() on one io_context of its own, with everything it spawns and the sinks. projected(), reload(), stop()
// and the const members from any thread. Lifetime: everything in Deps must outlive it.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "broker/base/arena.h"
#include "broker/model/delivery.h"
#include "broker/model/facility.h"
#include "broker/model/subscription.h"
#include "broker/model/subscription_declared.h"
#include "broker/model/views.h"
#include "broker/port/deliveries.h"
#include "broker/port/log.h"
#include "broker/port/metrics.h"
#include "broker/port/payload.h"
#include "broker/port/sink.h"
#include "broker/port/store.h"

namespace hutong::pipeline {

// What subscribers are told of.
std::vector<port::Partition> delivered_partitions(const port::Log& log);

// A person as reading shows it; its texts may point into the arena. Errors: not_found; corrupt, the store's.
using PersonShown = std::function<net::awaitable<Result<model::PersonView>>(PersonId id, Arena& arena)>;

struct DeliveryDeps {
  port::Log& log;
  port::Store& store;
  port::Metrics& metrics;
  const Clock& clock;
  std::function<std::shared_ptr<const model::FacilityDirectory>()> facilities;
  std::function<std::shared_ptr<port::Sink>(const model::Subscription&)> sink;
  std::function<std::shared_ptr<const port::Payload>(const model::Subscription&)> payload;
  PersonShown person;
  // What a client's receiver is asked before it is told anything.
  std::function<port::Letter(const model::Subscription&)> handshake;
  // Whether a client may still read what it has asked to be told of. Errors: forbidden.
  std::function<Result<void>(const model::SubscriptionDeclared&)> may_be_told;
  // This broker's projector writes the views, and has applied what the log held when it began.
  std::function<bool()> ours;
  // And this is known to be so at this moment: else nothing is handed over, because another may.
  std::function<bool()> confirmed;
  std::function<void(std::string_view level, std::string what)> on_event;
};

struct DeliveryOptions {
  std::chrono::milliseconds record_every{50};      // progress, while there is some
  std::chrono::milliseconds reading_every{1'000};  // progress that is only having read
  std::chrono::milliseconds drain{5'000};          // at the end: what is under way
  std::size_t memory = 64 * 1024 * 1024;           // of records that are kept until they are handed over
  std::size_t catching_up = 4;                     // subscribers that read the log themselves at the same moment
  std::uint64_t far_behind = 10'000;               // records: who is further gives way to the others
  std::size_t unrecorded_max = 20'000;  // deliveries whose record is not durable: above it nothing is handed over
};

class Delivery {
 public:
  Delivery(DeliveryDeps deps, DeliveryOptions options, std::vector<model::Subscription> subscriptions);
  ~Delivery();

  // Before anything is accepted: whoever is new subscribes to what comes from here on. Errors: the log's.
  net::awaitable<Result<void>> prepare();
  // Until stop(): then hands over nothing more, waits for what is under way, and records it.
  net::awaitable<void> run();
  void stop();
  // Another set of subscriptions. Those of the same name keep their place.
  void reload(std::vector<model::Subscription> subscriptions);
  // Events below `next` are in the store.
  void projected(port::Partition partition, port::Offset next);

  // As of a moment ago. Empty where another broker delivers.
  std::vector<port::SubscriptionStatus> status() const;
  std::string trouble(std::string_view subscription) const;
  bool delivering() const;
  // What an operator asked for at this offset of operations is done; true also where another broker delivers.
  bool has_obeyed(port::Offset command) const;
  // The installation's, and those of clients that are active.
  std::shared_ptr<const std::vector<model::Subscription>> subscriptions() const;
  // What the subscriber would get of an event, for an operator's eyes or its own. Errors: not_found, forbidden (it is
  // sensitive by now), and the log's and store's.
  net::awaitable<Result<port::Letter>> letter(model::Subscription subscription, model::EventRef ref,
                                              std::uint64_t number = 0);

 private:
  class State;
  std::shared_ptr<State> state_;
};

}  // namespace hutong::pipeline
