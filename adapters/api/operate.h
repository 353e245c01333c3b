// The routes beyond FHIR: health, metrics, raw messages, and what operators and the live page ask under /api/v1.
// schemas/api/openapi.json describes them; a test holds the two together.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "adapters/api/live.h"
#include "adapters/api/route.h"
#include "broker/access/clients.h"
#include "broker/access/sessions.h"
#include "broker/access/sign_in.h"
#include "broker/port/alerts.h"
#include "broker/port/control.h"
#include "broker/port/deliveries.h"
#include "broker/port/event_streams.h"
#include "broker/port/inbox.h"
#include "broker/port/metrics.h"
#include "broker/query/operations.h"

namespace hutong::api {

// All must outlive the server.
struct OperateDeps {
  port::Control& control;
  std::function<port::Inbox&()> inbox;  // of the shard that asks
  query::Operations& operations;
  port::Metrics& metrics;
  access::Gate& gate;
  access::Sessions& sessions;
  access::SignIns& sign_ins;
  const access::ClientRegistry& clients;
  Live& live;
  const Clock& clock;
  bool secure_cookies = false;             // where the door speaks TLS
  port::Deliveries* deliveries = nullptr;  // nullptr: no broker runs
  port::EventStreams* events = nullptr;    // nullptr: likewise
  port::Alerts* alerts = nullptr;          // nullptr: likewise
};

std::vector<Route> operate_routes(OperateDeps deps);

}  // namespace hutong::api
