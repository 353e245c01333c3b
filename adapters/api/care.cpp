#include "adapters/api/care.h"

#include <charconv>
#include <memory>

#include "adapters/api/client_facilities.h"
#include "adapters/api/json_tree.h"
#include "adapters/api/operate_json.h"
#include "adapters/api/router_fault.h"

namespace hutong::api {
namespace {

using Answering = net::awaitable<Response>;

net::awaitable<Result<access::Permit>> permit_for(const CareDeps& deps, const Request& request, access::Action action,
                                                  std::string parameters) {
  if (!request.principal) co_return fail(ErrorCode::forbidden, "this needs a token: run hutong token --client NAME");
  access::Demand demand{action,      "Task", "", std::move(parameters), std::string(request.header("x-purpose-of-use")),
                        request.peer};
  co_return co_await deps.gate.decide(*request.principal, std::move(demand));
}

Answering list_followups(const CareDeps& deps, const Request& request) {
  auto permit = co_await permit_for(deps, request, access::Action::search, "followups");
  if (!permit) co_return fault(request.path, permit.error());
  std::string facility(request.parameter("facility"));
  const auto own = facilities_of(deps.clients, request);
  if (facility.empty() && own.size() == 1) facility = own.front();
  if (facility.empty()) co_return fault(request.path, 400, "invalid", "facility is needed: whose list");
  if (auto may = acts_for(deps.clients, request, facility); !may) co_return fault(request.path, may.error());
  std::size_t limit = limits::page_items_default;
  if (const auto text = request.parameter("limit"); !text.empty()) {
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), limit);
    if (error != std::errc() || end != text.data() + text.size() || limit == 0 || limit > limits::page_items_max)
      co_return fault(request.path, 400, "invalid", "limit: a number from 1 to 1000");
  }
  const auto found = co_await deps.care.followups(*permit, facility, limit, std::string(request.parameter("page")));
  if (!found) co_return fault(request.path, found.error());
  const auto rules = deps.rules();
  JsonText json;
  json.begin_object().add("facility", facility);
  if (!found->next.empty()) json.add("next", found->next);
  json.begin_array("followups");
  for (const auto& each : found->found) {
    json.begin_object().add("referral", each.referral.hex()).add("at", each.at).add("from", each.from);
    json.begin_object("patient").add("id", each.person).add("facility", each.patient_of).add("number", each.patient);
    json.end_object().add("code", each.code).add("disease", each.disease);
    if (const auto* disease = rules->chronic(each.code, rules->day_of(each.at)))
      json.begin_object("text").add("zh", disease->name_zh).add("en", disease->name_en).end_object();
    json.end_object();
  }
  json.end_array().end_object();
  co_return json_response(json.take());
}

void write(JsonText& json, const model::ResourceUpdated& updated) {
  json.begin_object().add("facility", updated.facility).add("department", updated.department);
  json.add("at", updated.at);
  if (updated.beds) json.add("beds", static_cast<std::uint64_t>(*updated.beds));
  json.begin_array("slots");
  for (const auto& slot : updated.slots) {
    json.begin_object().add("start", slot.start).add("end", slot.end);
    if (!slot.place.empty()) json.add("place", slot.place);
    json.end_object();
  }
  json.end_array().end_object();
}

Answering list_resources(const CareDeps& deps, const Request& request) {
  auto permit = co_await permit_for(deps, request, access::Action::search, "resources");
  if (!permit) co_return fault(request.path, permit.error());
  const auto found = co_await deps.care.resources(*permit, std::string(request.parameter("facility")),
                                                  std::string(request.parameter("department")));
  if (!found) co_return fault(request.path, found.error());
  JsonText json;
  json.begin_object().add("at", deps.care.now()).begin_array("resources");
  for (const auto& each : *found) write(json, each);
  json.end_array().end_object();
  co_return json_response(json.take());
}

std::optional<Timestamp> moment_of(const std::string& text) {
  const auto span = text.size() < 16 ? std::nullopt : parse_iso(text);
  return span ? std::optional(span->first) : std::nullopt;
}

Answering put_resources(const CareDeps& deps, const Request& request) {
  auto permit = co_await permit_for(deps, request, access::Action::update, "resources");
  if (!permit) co_return fault(request.path, permit.error());
  const auto body = JsonTree::read(request.body);
  if (!body) co_return fault(request.path, body.error());
  model::ResourceUpdated updated;
  updated.client = request.principal->client;
  updated.facility = (*body)["facility"].text();
  updated.department = (*body)["department"].text();
  if (updated.facility.empty())
    co_return fault(request.path, 400, "invalid", "facility is needed: whose beds and slots");
  if (auto may = acts_for(deps.clients, request, updated.facility); !may) co_return fault(request.path, may.error());
  if (const auto& beds = (*body)["beds"].text(); !beds.empty()) {
    std::int64_t count = -1;
    const auto [end, error] = std::from_chars(beds.data(), beds.data() + beds.size(), count);
    if (error != std::errc() || end != beds.data() + beds.size() || count < 0)
      co_return fault(request.path, 400, "invalid", "beds: a whole number from 0");
    updated.beds = count;
  }
  for (const auto& each : (*body)["slots"].elements()) {
    const auto start = moment_of(each["start"].text()), end = moment_of(each["end"].text());
    if (!start || !end) {
      co_return fault(request.path, 400, "invalid",
                      "slots: start and end are moments such as 2026-03-01T08:00:00+08:00");
    }
    updated.slots.push_back({*start, *end, updated.department, each["place"].text()});
  }
  const auto done = co_await deps.care.update(*permit, std::move(updated));
  if (!done) co_return fault(request.path, done.error());
  JsonText json;
  write(json, *done);
  co_return json_response(json.take());
}

}  // namespace

std::vector<Route> care_routes(CareDeps given) {
  const auto deps = std::make_shared<const CareDeps>(std::move(given));
  using Function = Answering (*)(const CareDeps&, const Request&);
  const auto with = [&](Function function) {
    return [deps, function](const Request& request) { return function(*deps, request); };
  };
  return {
      {"GET", "/api/v1/followups", "system/Task.s", with(list_followups)},
      {"GET", "/api/v1/resources", "system/Task.s", with(list_resources)},
      {"PUT", "/api/v1/resources", "system/Task.u", with(put_resources)},
  };
}

}  // namespace hutong::api
