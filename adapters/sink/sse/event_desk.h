// Server-sent events: the subscriber connects to us, its connection is where the sink of its subscription hands over.
// What is written to a socket may be lost with it, so an event counts as delivered only when the client says that it
// has it: an acknowledgement, or its Last-Event-ID. Until then it is written again to each new connection.
//
//   id: <event id>                     stays the same however often it comes
//   event: result.reported             the kind
//   data: …                            the payload, line by line
//
// One connection holds; a newer one takes over, and the older is told ("event: replaced").
// Threads: any; a sink is the deliverer's. Lifetime: outlives its sinks and connections.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <functional>
#include <map>
#include <memory>
#include <mutex>

#include "broker/model/subscription.h"
#include "broker/port/event_streams.h"
#include "broker/port/sink.h"

namespace hutong::sse {

class Stand;  // of one subscription: who is connected, what waits

class EventDesk final : public port::EventStreams {
 public:
  using Declared = std::function<std::shared_ptr<const std::vector<model::Subscription>>()>;
  explicit EventDesk(Declared declared) : declared_(std::move(declared)) {}

  std::shared_ptr<port::Sink> sink(net::any_io_executor executor, const model::Subscription& subscription);
  // The broker stops: what waits for a client, or for its word, waits no more.
  void stop();

  Result<std::vector<std::string>> resources(const std::string& subscription, const std::string& client) const override;
  Result<std::shared_ptr<port::EventStream>> connect(const std::string& subscription, const std::string& client,
                                                     const std::string& last_event) override;
  Result<std::size_t> acknowledge(const std::string& subscription, const std::string& client,
                                  const std::vector<std::string>& events) override;

 private:
  Result<model::Subscription> declared(const std::string& subscription, const std::string& client) const;
  std::shared_ptr<Stand> stand(const std::string& subscription);

  Declared declared_;
  std::mutex mutex_;
  std::map<std::string, std::shared_ptr<Stand>> stands_;
};

// FHIR types that events of these kinds (none: of all) are about.
std::vector<std::string> resources_of(const std::vector<std::string>& kinds);
// As it is written.
std::string event_text(const port::Parcel& parcel);

}  // namespace hutong::sse
