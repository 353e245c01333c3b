// Two-way referral over FHIR R4: Task and ServiceRequest created (alone, contained, or together in a transaction), a
// Task put with If-Match, both read, Tasks searched; the code systems that they speak in. What became of a command is
// the answer's status (product.md §6.8).
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "adapters/api/referral.h"
#include "broker/port/rendering.h"

namespace hutong::api {

// All must outlive the server.
struct FhirReferralDeps {
  ReferralDeps referral;
  const port::Rendering& rendering;
  std::string page_secret;  // seals paging links; the installation's key
};

std::vector<Route> fhir_referral_routes(FhirReferralDeps deps);

// Of GET /fhir/ServiceRequest/{id}: where the id is a referral's; nothing: an order's.
using ReadRequest = std::function<net::awaitable<std::optional<Response>>(const Request&)>;
ReadRequest read_referral_request(FhirReferralDeps deps);

// By what a client that lacks the scope may read this report all the same (Demand::grant); "": by nothing.
using ReadGrant = std::function<net::awaitable<std::string>(const Request&, std::string report)>;
ReadGrant read_grant(FhirReferralDeps deps);

// What is offered of Task, and beside reading of ServiceRequest.
port::Offer task_offer();

}  // namespace hutong::api
