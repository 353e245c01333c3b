// The watch over the installation, from [alerts] in hutong.toml.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <string>
#include <vector>

#include "adapters/sink/sse/event_desk.h"
#include "broker/app/config.h"
#include "broker/model/facility.h"
#include "broker/pipeline/alert_desk.h"

namespace hutong::app {

// Throws ConfigError where [alerts.silence] names a facility that there is not.
void check_alerts(const Config& config, const model::FacilityDirectory& facilities);

// Whom alerts are told; by the same rules as subscriptions' webhooks. Throws std::runtime_error where the authority's
// file cannot be used.
std::vector<pipeline::AlertTarget> alert_targets(const Config& config, const boost::asio::any_io_executor& executor,
                                                 sse::EventDesk& desk);

// What this broker is called in its alerts: [http] own_url, else the machine's name.
std::string broker_name(const Config& config);

}  // namespace hutong::app
