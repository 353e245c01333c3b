// The door of a subscriber that connects itself (sink "sse"): its events as they come, and its word that it has them.
#include "adapters/api/json_tree.h"
#include "adapters/api/operate_handlers.h"
#include "adapters/api/operate_json.h"

namespace hutong::api {
namespace {

Response nobody_delivers(const Request& request) {
  return fault(request.path, 503, "unavailable", "start the broker: hutong serve");
}

access::Demand demand_of(const Request& request, const std::string& type) {
  return {
      access::Action::read, type + "/$events", request.captures[0], "", std::string(request.header("x-purpose-of-use")),
      request.peer};
}

// What is refused because it is another client's is on record, as every refusal of the Gate.
Answering refused(const OperateDeps& deps, const Request& request, const Error& error) {
  if (error.code == ErrorCode::forbidden) {
    const auto noted = co_await deps.gate.note(*request.principal, demand_of(request, "Subscription"), "denied");
    if (!noted) co_return fault(request.path, noted.error());
  }
  co_return fault(request.path, error);
}

}  // namespace

Answering subscriber_events(const OperateDeps& deps, const Request& request) {
  if (!deps.events) co_return nobody_delivers(request);
  const auto& name = request.captures[0];
  auto types = deps.events->resources(name, request.principal->client);
  if (!types) co_return co_await refused(deps, request, types.error());
  for (const auto& type : *types) {
    auto permit = co_await deps.gate.decide(*request.principal, demand_of(request, type));
    if (!permit) co_return fault(request.path, permit.error());
  }
  Response response;
  response.content_type = "text/event-stream; charset=utf-8";
  response.headers.emplace_back("X-Accel-Buffering", "no");
  if (request.method == "HEAD") co_return response;  // asked about, not connected: whoever is stays
  auto stream = deps.events->connect(name, request.principal->client, std::string(request.header("last-event-id")));
  if (!stream) co_return fault(request.path, stream.error());
  response.stream = [stream = std::move(*stream)] { return stream->next(); };
  co_return response;
}

Answering acknowledge_events(const OperateDeps& deps, const Request& request) {
  if (!deps.events) co_return nobody_delivers(request);
  const auto& client = request.principal->client;
  if (const auto own = deps.events->resources(request.captures[0], client); !own)
    co_return co_await refused(deps, request, own.error());
  const auto body = JsonTree::read(request.body);
  std::vector<std::string> events;
  if (body) {
    for (const auto& each : (*body)["events"].elements()) events.push_back(each.text());
  }
  if (events.empty()) {
    co_return fault(request.path, 400, "invalid", "the body must be {\"events\":[\"ID\", …]}, as they stood at id:");
  }
  auto count = deps.events->acknowledge(request.captures[0], client, events);
  if (!count) co_return fault(request.path, count.error());
  JsonText json;
  json.begin_object().add("events", static_cast<std::uint64_t>(*count)).end_object();
  co_return json_response(json.take());
}

}  // namespace hutong::api
