// Reads DIR/schemas/subscriptions/*.toml: whom this installation delivers to (docs/delivery.md explains every key).
// Strict as the configuration is; read at start and at SIGHUP. And makes of each what hands over its events.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <memory>
#include <vector>

#include "adapters/sink/sse/event_desk.h"
#include "broker/app/config.h"
#include "broker/model/facility.h"
#include "broker/model/subscription.h"
#include "broker/port/payload.h"
#include "broker/port/sink.h"

namespace hutong::app {

// By file, then as they stand in it. Throws ConfigError with file and line.
std::vector<model::Subscription> read_subscriptions(const Config& config, const model::FacilityDirectory& facilities);

// Throw std::runtime_error where files that a subscription names cannot be used.
std::shared_ptr<port::Sink> sink_for(const model::Subscription& subscription, const Config& config,
                                     const net::any_io_executor& executor, sse::EventDesk& desk);
std::shared_ptr<const port::Payload> payload_for(const model::Subscription& subscription, const Config& config);

}  // namespace hutong::app
