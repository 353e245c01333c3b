// Critical values (危急值) over HTTP: the list of what somebody has to confirm, and the confirmation by name.
#pragma once

#include <vector>

#include "adapters/api/route.h"
#include "broker/access/clients.h"
#include "broker/access/gate.h"
#include "broker/query/criticals.h"

namespace hutong::api {

// All must outlive the server.
struct CriticalDeps {
  query::Criticals& criticals;
  access::Gate& gate;
  const access::ClientRegistry& clients;
};

std::vector<Route> critical_routes(CriticalDeps deps);

}  // namespace hutong::api
