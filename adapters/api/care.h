// What surrounds a referral over HTTP: the follow-up list of a centre, and beds and slots before anybody is sent.
#pragma once

#include <vector>

#include "adapters/api/route.h"
#include "broker/access/clients.h"
#include "broker/access/gate.h"
#include "broker/query/care.h"
#include "broker/referral/rules.h"

namespace hutong::api {

// All must outlive the server.
struct CareDeps {
  query::Care& care;
  access::Gate& gate;
  const access::ClientRegistry& clients;
  std::function<std::shared_ptr<const referral::Rules>()> rules;  // names of diseases
};

std::vector<Route> care_routes(CareDeps deps);

}  // namespace hutong::api
