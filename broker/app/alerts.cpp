#include "broker/app/alerts.h"

#include <fmt/format.h>
#include <unistd.h>

#include <array>

#include "adapters/sink/http/target.h"
#include "broker/app/subscriptions.h"

namespace hutong::app {

void check_alerts(const Config& config, const model::FacilityDirectory& facilities) {
  for (const auto& [facility, line] : config.alerts.silence) {
    if (facility == "*" || facilities.find(facility)) continue;
    throw ConfigError(fmt::format("{}:{}: [alerts.silence] \"{}\": no facility has this code (schemas/facilities)",
                                  config.file.string(), line, facility));
  }
}

std::vector<pipeline::AlertTarget> alert_targets(const Config& config, const boost::asio::any_io_executor& executor,
                                                 sse::EventDesk& desk) {
  std::vector<pipeline::AlertTarget> targets;
  for (const auto& url : config.alerts.webhooks) {
    model::Subscription webhook;
    webhook.name = "alerts";
    webhook.sink = model::SinkKind::rest_hook;
    webhook.target = url;
    webhook.authorization = config.alerts.authorization;
    webhook.authority = config.alerts.authority;
    // Its path may hold a key, as the webhooks of chat programs do.
    targets.push_back({http_sink::read_target(url)->origin(), sink_for(webhook, config, executor, desk)});
  }
  return targets;
}

std::string broker_name(const Config& config) {
  if (!config.http.own_url.empty()) return config.http.own_url.substr(config.http.own_url.find("://") + 3);
  std::array<char, 256> name{};
  return gethostname(name.data(), name.size() - 1) == 0 ? name.data() : "broker";
}

}  // namespace hutong::app
