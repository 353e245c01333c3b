// The FHIR R4 read side over HTTP: /fhir/... Parameters in, a decision by the Gate, a query under its permit, a
// document by the Rendering. Threads: handlers run on the connection's shard; what FhirDeps refers to outlives the
// routes.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "adapters/api/route.h"
#include "broker/access/gate.h"
#include "broker/port/rendering.h"
#include "broker/query/clinical.h"

namespace hutong::api {

struct FhirDeps {
  query::Clinical& clinical;
  access::Gate& gate;
  const port::Rendering& rendering;
  std::string version;      // of the build, shown by /fhir/metadata
  std::string page_secret;  // seals paging links; the installation's key
  // Answers the reading of a ServiceRequest where it is a referral's (fhir_referral.h); may be empty.
  std::function<net::awaitable<std::optional<Response>>(const Request&)> referral_request = {};
  // By what a client that lacks the scope may read a report (Demand::grant); may be empty.
  std::function<net::awaitable<std::string>(const Request&, std::string report)> grant = {};
};

// Every answer that read something carries X-Hutong-Offset: records of the log below it are reflected.
std::vector<Route> fhir_routes(FhirDeps deps);

}  // namespace hutong::api
