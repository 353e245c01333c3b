// Where a subscriber comes and gets its events itself (sink "sse"). Implementation: adapters/sink/sse; asked for by the
// HTTP routes under /api/v1/subscriptions. Threads: any.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "broker/base/error.h"
#include "broker/port/net.h"

namespace hutong::port {

// One client's connection. Whoever lets go of it has left. Threads: one.
class EventStream {
 public:
  virtual ~EventStream() = default;
  // What is to be written next, as text/event-stream; "" when a moment has passed without; nullopt: the end.
  virtual net::awaitable<std::optional<std::string>> next() = 0;
};

class EventStreams {
 public:
  virtual ~EventStreams() = default;
  // FHIR types that its events are about: whoever gets them must be allowed to read these. Errors: not_found (no such
  // subscription, or another sink's); forbidden, it is another client's.
  virtual Result<std::vector<std::string>> resources(const std::string& subscription,
                                                     const std::string& client) const = 0;
  // The connection that was there before ends and is told why. `last_event`: it has that one. Errors: as above;
  // unavailable, it is delivered to by another broker, or not yet.
  virtual Result<std::shared_ptr<EventStream>> connect(const std::string& subscription, const std::string& client,
                                                       const std::string& last_event) = 0;
  // The client has these. How many of them wait for that. Errors: as above.
  virtual Result<std::size_t> acknowledge(const std::string& subscription, const std::string& client,
                                          const std::vector<std::string>& events) = 0;
};

}  // namespace hutong::port
