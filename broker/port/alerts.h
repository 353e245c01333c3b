// What is wrong with the installation now, and whether somebody has been told. Implementation: pipeline/alert_desk.h;
// asked for by GET /api/v1/alerts. Nothing here names a patient. Threads: any.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "broker/base/time.h"

namespace hutong::port {

struct StandingAlert {
  std::string id, kind, subject;  // "lag:ward", "lag", "ward"
  Timestamp since;
  double seconds = 0;  // that it lasts
  double value = 0, limit = 0;
  std::string detail, zh, en;
  std::optional<Timestamp> told;  // last, to any of the webhooks
};

struct AlertWebhook {
  std::string origin;
  std::string answer;           // the last one, in the wire's words; "" not asked yet
  std::optional<Timestamp> at;  // of that
  std::uint64_t untold = 0;     // alerts that wait for it
};

struct AlertsView {
  bool all = false;  // false: another broker watches feeds and deliveries
  std::vector<StandingAlert> alerts;
  std::vector<AlertWebhook> webhooks;
};

class Alerts {
 public:
  virtual ~Alerts() = default;
  virtual AlertsView alerts() const = 0;
};

}  // namespace hutong::port
