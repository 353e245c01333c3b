#include "adapters/api/critical_values.h"

#include <charconv>
#include <memory>

#include "adapters/api/client_facilities.h"
#include "adapters/api/json_tree.h"
#include "adapters/api/operate_json.h"
#include "adapters/api/router_fault.h"
#include "broker/critical/document.h"

namespace hutong::api {
namespace {

using Answering = net::awaitable<Response>;
using query::ShownCritical;

net::awaitable<Result<access::Permit>> permit_for(const CriticalDeps& deps, const Request& request,
                                                  access::Action action, std::string resource, std::string subject) {
  if (!request.principal) co_return fail(ErrorCode::forbidden, "this needs a token: run hutong token --client NAME");
  access::Demand demand{action,
                        std::move(resource),
                        std::move(subject),
                        "critical-values",
                        std::string(request.header("x-purpose-of-use")),
                        request.peer};
  co_return co_await deps.gate.decide(*request.principal, std::move(demand));
}

// Clinical users see whose it is and what, where their facilities were told; who only operates, how long all took.
net::awaitable<Result<access::Permit>> look_permit(const CriticalDeps& deps, const Request& request,
                                                   access::Action action, std::string subject) {
  const bool operates =
      request.principal && request.principal->has("hutong/operate") && !request.principal->has("system/Observation.s");
  if (operates) action = access::Action::operate;
  co_return co_await permit_for(deps, request, action, operates ? "critical-values" : "Observation",
                                std::move(subject));
}
bool is_clinical(const access::Permit& permit) {
  return permit.demand().action != access::Action::operate;
}

void put(JsonText& json, std::string_view name, std::string_view value) {
  if (!value.empty()) json.add(name, value);
}

void words(JsonText& json, std::string_view state) {
  json.begin_object("text");
  if (state == "open") json.add("zh", "未确认").add("en", "not confirmed");
  if (state == "confirmed") json.add("zh", "已确认").add("en", "confirmed");
  if (state == "withdrawn") json.add("zh", "结果已更正或撤回").add("en", "the result was corrected or withdrawn");
  json.end_object();
}

void write(JsonText& json, const ShownCritical& shown, bool clinical) {
  const auto& value = shown.value;
  const auto& opened = value.opened;
  const auto state = critical::state_of(value);
  json.begin_object().add("id", opened.value.hex()).add("state", state);
  words(json, state);
  json.add("at", opened.at).add("laboratory", opened.laboratory).add("facility", opened.facility);
  put(json, "department", opened.department);
  if (clinical) {
    json.add("report", opened.report).add("observation", opened.observation).add("version", opened.version);
    json.add("patient", opened.person);
    put(json, "practitioner", opened.practitioner);
    json.add("labelled", opened.labelled);  // sensitive: what it is stands in the report alone
    put(json, "loinc", opened.loinc);
    if (opened.degree) json.add("degree", to_string(*opened.degree));
    put(json, "basis", opened.basis);
  }
  json.add("rules", opened.rules);
  json.begin_array("steps");
  for (const auto& step : value.steps) {
    json.begin_object().add("action", to_string(step.action)).add("at", step.at);
    json.add("seconds", std::chrono::duration<double>(step.at - opened.at).count());
    if (step.action == model::CriticalAction::told || step.action == model::CriticalAction::escalated)
      json.add("level", static_cast<std::uint64_t>(step.level));
    put(json, "role", step.role);
    put(json, "facility", step.facility);
    if (clinical) {
      put(json, "practitioner", step.practitioner);
      put(json, "name", step.name);
    }
    put(json, "reason", step.reason);
    json.end_object();
  }
  json.end_array();
  if (const auto& next = shown.next) {
    json.begin_object("next").add("level", static_cast<std::uint64_t>(next->level)).add("role", next->role);
    json.add("at", next->at).end_object();
  }
  json.end_object();
}

Answering list_values(const CriticalDeps& deps, const Request& request) {
  auto permit = co_await look_permit(deps, request, access::Action::search, "");
  if (!permit) co_return fault(request.path, permit.error());
  const bool clinical = is_clinical(*permit);
  query::CriticalSearch search;
  search.facility = request.parameter("facility");
  if (clinical) {
    const auto own = facilities_of(deps.clients, request);
    if (search.facility.empty() && own.size() == 1) search.facility = own.front();
    if (search.facility.empty() && own.size() > 1)
      co_return fault(request.path, 400, "invalid", "facility is needed: which of those that this client acts for");
    if (auto may = acts_for(deps.clients, request, search.facility); !may) co_return fault(request.path, may.error());
  }
  if (const auto open = request.parameter("open"); !open.empty()) {
    if (open != "true" && open != "false")
      co_return fault(request.path, 400, "invalid", "open: expected true or false");
    search.open = open == "true";
  }
  if (const auto text = request.parameter("limit"); !text.empty()) {
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), search.limit);
    if (error != std::errc() || end != text.data() + text.size() || search.limit == 0 ||
        search.limit > limits::page_items_max)
      co_return fault(request.path, 400, "invalid", "limit: a number from 1 to 1000");
  }
  search.position = request.parameter("page");
  const auto found = co_await deps.criticals.list(*permit, std::move(search));
  if (!found) co_return fault(request.path, found.error());
  JsonText json;
  json.begin_object();
  if (!found->next.empty()) json.add("next", found->next);
  json.begin_array("criticalValues");
  for (const auto& each : found->found) write(json, each, clinical);
  json.end_array().end_object();
  auto response = json_response(json.take());
  response.headers.emplace_back("X-Hutong-Offset", std::to_string(found->offset));
  co_return response;
}

Answering one_value(const CriticalDeps& deps, const Request& request) {
  const auto id = CriticalId::from_hex(request.captures.at(0));
  auto permit = co_await look_permit(deps, request, access::Action::read, id ? id->hex() : "");
  if (!permit) co_return fault(request.path, permit.error());
  if (!id) co_return fault(request.path, 404, "not-found", "a critical value's id has 32 hexadecimal digits");
  const bool clinical = is_clinical(*permit);
  const auto own = clinical ? facilities_of(deps.clients, request) : std::vector<std::string>();
  const auto found = co_await deps.criticals.read(*permit, *id, own);
  if (!found) co_return fault(request.path, found.error());
  JsonText json;
  write(json, *found, clinical);
  co_return json_response(json.take());
}

Answering confirm_value(const CriticalDeps& deps, const Request& request) {
  const auto id = CriticalId::from_hex(request.captures.at(0));
  const auto body = JsonTree::read(request.body);
  const bool coordinates = body && (*body)["capacity"].text() == "coordinator";
  auto permit = co_await permit_for(deps, request, coordinates ? access::Action::operate : access::Action::update,
                                    coordinates ? "coordination" : "Task", id ? id->hex() : "");
  if (!permit) co_return fault(request.path, permit.error());
  if (!body) co_return fault(request.path, body.error());
  if (!id) co_return fault(request.path, 404, "not-found", "a critical value's id has 32 hexadecimal digits");
  model::CriticalStep confirmation;
  confirmation.value = *id;
  confirmation.client = request.principal->client;
  confirmation.practitioner = (*body)["practitioner"].text();
  confirmation.name = (*body)["name"].text();
  if (!coordinates) {
    confirmation.facility = (*body)["facility"].text();
    if (confirmation.facility.empty())
      co_return fault(request.path, 400, "invalid", "facility is needed: where it is confirmed");
    if (auto may = acts_for(deps.clients, request, confirmation.facility); !may)
      co_return fault(request.path, may.error());
  }
  const auto own = coordinates ? std::vector<std::string>() : facilities_of(deps.clients, request);
  auto confirmed = co_await deps.criticals.confirm(*permit, std::move(confirmation), own);
  if (!confirmed) co_return fault(request.path, confirmed.error());
  if (confirmed->objection) {
    const auto why = critical::explain(*confirmed->objection);
    const bool lacks = *confirmed->objection == critical::Objection::name_missing ||
                       *confirmed->objection == critical::Objection::practitioner_missing;
    co_return fault(request.path, lacks ? 400 : 409, lacks ? "invalid" : "conflict",
                    std::string(why.en) + " " + std::string(why.zh));
  }
  JsonText json;
  write(json, confirmed->shown, true);
  auto response = json_response(json.take(), confirmed->stands ? 200 : 202);
  if (!confirmed->stands)
    response.headers.emplace_back("Location", request.base_url + "/api/v1/critical-values/" + id->hex());
  co_return response;
}

}  // namespace

std::vector<Route> critical_routes(CriticalDeps given) {
  const auto deps = std::make_shared<const CriticalDeps>(given);
  using Function = Answering (*)(const CriticalDeps&, const Request&);
  const auto with = [&](Function function) {
    return [deps, function](const Request& request) { return function(*deps, request); };
  };
  // The handlers ask the Gate.
  const std::string look = "system/Observation hutong/operate", act = "system/Task hutong/coordinate";
  return {
      {"GET", "/api/v1/critical-values", look, with(list_values)},
      {"GET", "/api/v1/critical-values/{id}", look, with(one_value)},
      {"POST", "/api/v1/critical-values/{id}/confirmation", act, with(confirm_value)},
  };
}

}  // namespace hutong::api
