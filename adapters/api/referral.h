// Two-way referral over HTTP: the ledger and the commands under /api/v1/referrals.
#pragma once

#include <vector>

#include "adapters/api/route.h"
#include "broker/access/clients.h"
#include "broker/access/gate.h"
#include "broker/query/referrals.h"

namespace hutong::api {

// All must outlive the server.
struct ReferralDeps {
  query::Referrals& referrals;
  access::Gate& gate;
  const access::ClientRegistry& clients;
};

std::vector<Route> referral_routes(ReferralDeps deps);

}  // namespace hutong::api
