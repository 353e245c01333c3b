#include "adapters/api/operate.h"

#include <algorithm>
#include <charconv>

#include "adapters/api/operate_handlers.h"
#include "broker/access/gate.h"
#include "broker/base/limits.h"

namespace hutong::api {

net::awaitable<Result<access::Permit>> permit_for(const OperateDeps& deps, const Request& request, std::string resource,
                                                  std::string subject) {
  if (!request.principal)
    co_return fail(ErrorCode::forbidden, "this needs a token: run hutong token --client operator");
  std::vector<std::string> names;
  for (const auto& [name, value] : request.query) names.push_back(name);
  std::sort(names.begin(), names.end());
  std::string parameters;
  for (const auto& name : names) parameters += (parameters.empty() ? "" : ",") + name;
  access::Demand demand{access::Action::operate,
                        std::move(resource),
                        std::move(subject),
                        std::move(parameters),
                        std::string(request.header("x-purpose-of-use")),
                        request.peer};
  co_return co_await deps.gate.decide(*request.principal, std::move(demand));
}

Result<std::optional<std::uint64_t>> whole_number(const Request& request, std::string_view name, std::uint64_t least,
                                                  std::uint64_t most) {
  const auto text = request.parameter(name);
  if (text.empty()) return std::nullopt;
  std::uint64_t value = 0;
  const auto [at, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error == std::errc() && at == text.data() + text.size() && value >= least && value <= most) return value;
  return fail(ErrorCode::invalid, std::string(name) + " must be a whole number from " + std::to_string(least) + " to " +
                                      std::to_string(most));
}

std::vector<Route> operate_routes(OperateDeps given) {
  const auto deps = std::make_shared<const OperateDeps>(std::move(given));
  using Function = Answering (*)(const OperateDeps&, const Request&);
  const auto with = [&](Function function) {
    return [deps, function](const Request& request) { return function(*deps, request); };
  };
  const std::string anyone, operate = "hutong/operate", identity = "hutong/identity", subscriber = "fhir";
  std::vector<Route> routes{
      {"GET", "/healthz", anyone, with(healthz)},
      {"GET", "/readyz", anyone, with(readyz)},
      {"GET", "/version", anyone, with(version)},
      {"GET", "/metrics", anyone, with(metrics)},
      {"POST", "/api/v1/messages", anyone, with(take_message), limits::message_bytes, true, refuse_sender},
      {"GET", "/api/v1/status", operate, with(status)},
      {"GET", "/api/v1/feeds", operate, with(feeds)},
      {"GET", "/api/v1/feeds/{facility}", operate, with(feed)},
      {"GET", "/api/v1/unmapped", operate, with(unmapped)},
      {"GET", "/api/v1/quarantine", operate, with(quarantine)},
      {"GET", "/api/v1/quarantine/{facility}/{hash}", operate, with(quarantined)},
      {"GET", "/api/v1/quarantine/{facility}/{hash}/raw", operate, with(quarantined_raw)},
      {"POST", "/api/v1/quarantine/{facility}/{hash}/retry", operate, with(retry_quarantined)},
      {"GET", "/api/v1/trace/{id}", operate, with(trace)},
      {"GET", "/api/v1/trace/{facility}/{control}", operate, with(trace)},
      {"GET", "/api/v1/alerts", operate, with(alerts)},
      {"GET", "/api/v1/subscriptions", operate, with(subscriptions)},
      {"POST", "/api/v1/subscriptions/{name}/pause", operate, with(steer_subscription)},
      {"POST", "/api/v1/subscriptions/{name}/resume", operate, with(steer_subscription)},
      {"POST", "/api/v1/subscriptions/{name}/replay", operate, with(replay_subscription)},
      {"GET", "/api/v1/subscriptions/{name}/events", subscriber, with(subscriber_events)},
      {"POST", "/api/v1/subscriptions/{name}/acknowledge", subscriber, with(acknowledge_events)},
      {"GET", "/api/v1/deadletters", operate, with(dead_letters)},
      {"GET", "/api/v1/deadletters/{subscription}/{id}", operate, with(dead_letter)},
      {"GET", "/api/v1/deadletters/{subscription}/{id}/body", operate, with(dead_letter_body)},
      {"POST", "/api/v1/deadletters/{subscription}/retry", operate, with(retry_dead_letters)},
      {"POST", "/api/v1/deadletters/{subscription}/discard", operate, with(discard_dead_letter)},
      {"GET", "/api/v1/identity/questions", identity, with(identity_questions)},
      {"POST", "/api/v1/identity/person", identity, with(identity_person)},
      {"POST", "/api/v1/identity/decisions", identity, with(decide_identity)},
      {"POST", "/api/v1/renormalize", operate, with(renormalize)},
      {"POST", "/api/v1/backup", operate, with(backup)},
      {"POST", "/api/v1/reload", operate, with(reload)},
      {"POST", "/api/v1/signin", operate, with(issue_sign_in)},
      {"POST", "/api/v1/session", anyone, with(begin_session)},
      {"GET", "/api/v1/session", operate, with(who_am_i)},
      {"DELETE", "/api/v1/session", operate, with(end_session)},
      {"GET", "/api/v1/live", operate, with(live)},
  };
  return routes;
}

}  // namespace hutong::api
