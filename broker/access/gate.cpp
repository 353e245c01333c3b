#include "broker/access/gate.h"

#include <algorithm>
#include <boost/asio/experimental/awaitable_operators.hpp>

#include "broker/access/audit_chain.h"

namespace hutong::access {
namespace {

constexpr std::string_view system_prefix = "system/";

std::string_view to_string(Action action) {
  switch (action) {
    case Action::read: return "read";
    case Action::search: return "search";
    case Action::create: return "create";
    case Action::update: return "update";
    case Action::operate: return "operate";
  }
  return "unknown";
}

// "system/Observation.rs" → {"Observation", "rs"}; an empty resource: not of this form.
struct SystemScope {
  std::string_view resource, letters;
};
SystemScope split(std::string_view scope) {
  if (!scope.starts_with(system_prefix)) return {};
  scope.remove_prefix(system_prefix.size());
  const auto dot = scope.find('.');
  if (dot == 0 || dot == std::string_view::npos) return {};
  const std::string_view letters = scope.substr(dot + 1);
  // SMART 2.0: the letters of "cruds", each at most once, in this order.
  std::string_view order = "cruds";
  for (char letter : letters) {
    const auto at = order.find(letter);
    if (at == std::string_view::npos) return {};
    order.remove_prefix(at + 1);
  }
  return letters.empty() ? SystemScope{} : SystemScope{scope.substr(0, dot), letters};
}

AuditEntry entry_of(const Clock& clock, const Principal& principal, const Demand& demand, std::string outcome) {
  return {clock.now(),     principal.client,  principal.token_id, std::string(to_string(demand.action)),
          demand.resource, demand.subject,    demand.parameters,  demand.purpose,
          demand.peer,     std::move(outcome)};
}

}  // namespace

bool Principal::has(std::string_view scope) const {
  const SystemScope asked = split(scope);
  if (asked.resource.empty()) {
    return !scope.starts_with(system_prefix) && std::find(scopes.begin(), scopes.end(), scope) != scopes.end();
  }
  return std::all_of(asked.letters.begin(), asked.letters.end(), [&](char letter) {
    return std::any_of(scopes.begin(), scopes.end(), [&](const std::string& granted_scope) {
      const SystemScope granted = split(granted_scope);
      return (granted.resource == "*" || granted.resource == asked.resource) &&
             granted.letters.find(letter) != std::string_view::npos;
    });
  });
}

std::string required_scope(const Demand& demand) {
  // "Patient/$everything" is asked of the resource type in front.
  const std::string type = demand.resource.substr(0, demand.resource.find('/'));
  switch (demand.action) {
    case Action::read: return "system/" + type + ".r";
    case Action::search: return "system/" + type + ".s";
    case Action::create: return "system/" + type + ".c";
    case Action::update: return "system/" + type + ".u";
    case Action::operate:
      if (type == "identity") return "hutong/identity";
      if (type == "coordination") return "hutong/coordinate";
      return demand.resource.ends_with("/raw") ? "hutong/raw" : "hutong/operate";
  }
  return "none";
}

net::awaitable<Result<Permit>> Gate::begin(Principal principal, Demand demand) {
  const bool granted = !demand.grant.empty() && demand.action == Action::read && principal.has("system/Task.r");
  if (granted) demand.parameters += (demand.parameters.empty() ? "" : ",") + demand.grant;
  const std::string scope = required_scope(demand);
  if (granted || principal.has(scope)) co_return Permit(std::move(principal), std::move(demand), 0);
  auto written = co_await audit_.record(entry_of(clock_, principal, demand, "denied"));
  if (!written) co_return tl::unexpected<Error>(written.error());
  co_return fail(ErrorCode::forbidden, "the client \"" + principal.client + "\" lacks the scope " + scope +
                                           "; ask for a token of a client that has it");
}

net::awaitable<Result<Permit>> Gate::decide(Principal principal, Demand demand) {
  auto permit = co_await begin(std::move(principal), std::move(demand));
  if (!permit) co_return permit;
  auto written = co_await audit_.record(entry_of(clock_, permit->principal(), permit->demand(), "allowed"));
  if (!written) co_return tl::unexpected<Error>(written.error());
  permit->audit_sequence_ = *written;
  co_return permit;
}

net::awaitable<Result<void>> Gate::settle(const Permit& permit, std::vector<std::string> subjects,
                                          net::awaitable<Result<void>> keep) {
  if (subjects.empty()) subjects.push_back(permit.demand().subject);
  std::vector<AuditEntry> entries;
  for (auto& subject : subjects) {
    entries.push_back(entry_of(clock_, permit.principal(), permit.demand(), "allowed"));
    entries.back().subject = std::move(subject);
  }
  using namespace net::experimental::awaitable_operators;
  const auto [written, kept] = co_await (audit_.record(std::move(entries)) && std::move(keep));
  if (!written) co_return tl::unexpected<Error>(written.error());
  co_return kept;
}

net::awaitable<Result<void>> Gate::note(Principal principal, Demand demand, std::string outcome) {
  AuditEntry entry = entry_of(clock_, principal, demand, std::move(outcome));
  auto written = co_await audit_.record(std::move(entry));
  if (!written) co_return tl::unexpected<Error>(written.error());
  co_return Result<void>();
}

}  // namespace hutong::access
