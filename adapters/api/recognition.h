// Mutual recognition at the point of ordering: POST /api/v1/recognition/check, the decision page under /d, CDS Hooks
// under /cds-services, and what a health commission asks (statistics, corrections to tell).
#pragma once

#include <vector>

#include "adapters/api/route.h"
#include "broker/access/clients.h"
#include "broker/access/gate.h"
#include "broker/query/decision_desk.h"
#include "broker/query/recognition.h"

namespace hutong::api {

// All must outlive the server.
struct RecognitionDeps {
  query::Recognition& recognition;
  query::DecisionDesk& desk;
  access::Gate& gate;
  const access::ClientRegistry& clients;
  std::string own_url;  // of this broker, which holds its tickets; "": as the request came
};

std::vector<Route> recognition_routes(RecognitionDeps deps);

}  // namespace hutong::api
