// FHIR R4 Subscription: a client declares what it wants to be told of and where, and sees what became of it. Criteria
// are the filter of subscriptions (model/subscription.h) in FHIR's words; what it cannot say is refused by name. Each
// client sees its own only. What is handed over is format/fhir/fhir_notification.h's, by whoever delivers.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "adapters/api/route.h"
#include "broker/access/clients.h"
#include "broker/access/permit.h"
#include "broker/model/facility.h"
#include "broker/port/deliveries.h"
#include "broker/port/rendering.h"

namespace hutong::api {

// All must outlive the server.
struct FhirSubscriptionDeps {
  port::Deliveries& deliveries;
  access::Gate& gate;
  const access::ClientRegistry& clients;
  const port::Rendering& rendering;
  std::function<std::shared_ptr<const model::FacilityDirectory>()> facilities;
  const Clock& clock;
  std::function<Result<void>(const std::string& endpoint)> may_go_to;
  // Whether who asks may be told of it. Errors: forbidden.
  std::function<Result<void>(const model::SubscriptionDeclared& one, const access::Principal& principal)> may_be_told;
};

std::vector<Route> fhir_subscription_routes(FhirSubscriptionDeps deps);

port::Offer subscription_offer();

}  // namespace hutong::api
