// Reads DIR/schemas/subscriptions/*.toml: whom this installation delivers to (docs/delivery.md explains every key).
// Strict as the configuration is; read at start and at SIGHUP. And makes of each what hands over its events.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <memory>
#include <vector>

#include "adapters/sink/sse/event_desk.h"
#include "broker/access/clients.h"
#include "broker/access/permit.h"
#include "broker/app/config.h"
#include "broker/model/facility.h"
#include "broker/model/subscription.h"
#include "broker/model/subscription_declared.h"
#include "broker/port/payload.h"
#include "broker/port/sink.h"

namespace hutong::app {

// By file, then as they stand in it. Throws ConfigError with file and line.
std::vector<model::Subscription> read_subscriptions(const Config& config, const model::FacilityDirectory& facilities);

// Throw std::runtime_error where files that a subscription names cannot be used.
std::shared_ptr<port::Sink> sink_for(const model::Subscription& subscription, const Config& config,
                                     const net::any_io_executor& executor, sse::EventDesk& desk);
std::shared_ptr<const port::Payload> payload_for(const model::Subscription& subscription, const Config& config);
// What a client's receiver is asked first.
port::Letter handshake_for(const model::Subscription& subscription, const Config& config);
// Whether a webhook may go there. Errors: invalid, forbidden.
Result<void> may_go_to(const std::string& target, const Config& config);
// Whether a client may be told of what it asks for: it must be allowed to read that. Errors: forbidden.
Result<void> may_be_told(const model::SubscriptionDeclared& one, const access::Principal& client,
                         const access::ClientRegistry& clients);

}  // namespace hutong::app
