// What a FHIR Subscription's receiver is sent, after the R5 backport for R4 (hl7.org/fhir/uv/subscriptions-backport): a
// Bundle (history) whose first entry says which subscription and event this is, then the resources, their names, or
// nothing. Pure; threads: any.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "broker/port/payload.h"

namespace hutong::fhir {

// `base_url` of the FHIR service. `kind`: fhir, id_only, empty.
std::shared_ptr<const port::Payload> fhir_notification(model::PayloadKind kind, std::string base_url);

struct SubscriptionStatus {
  std::string_view subscription;  // id
  std::string_view state, type;   // "active"; "handshake", "event-notification"
  std::uint64_t events = 0;       // since it began, this one included
  std::string_view error = {};
};
// The types of resources that one may be told of with events of these kinds: whoever is, must be allowed to read them.
std::vector<std::string_view> resources_of(const std::vector<std::string>& kinds);
// The Bundle that asks a receiver whether it is the one.
port::Letter fhir_handshake(std::string_view subscription, std::string_view base_url);

}  // namespace hutong::fhir
