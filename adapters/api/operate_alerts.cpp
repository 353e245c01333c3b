#include "adapters/api/operate_handlers.h"
#include "adapters/api/operate_json.h"

namespace hutong::api {

Answering alerts(const OperateDeps& deps, const Request& request) {
  auto permit = co_await permit_for(deps, request, "alerts");
  if (!permit) co_return fault(request.path, permit.error());
  if (!deps.alerts) co_return fault(request.path, 503, "unavailable", "start the broker: hutong serve");
  const auto view = deps.alerts->alerts();
  JsonText json;
  json.begin_object().add("watches", view.all ? "all" : "own").begin_array("alerts");
  for (const auto& one : view.alerts) {
    json.begin_object()
        .add("id", one.id)
        .add("kind", one.kind)
        .add("subject", one.subject)
        .add("since", one.since)
        .add("seconds", one.seconds)
        .add("value", one.value)
        .add("limit", one.limit)
        .add("detail", one.detail);
    if (one.told) json.add("told", *one.told);
    json.begin_object("text").add("zh", one.zh).add("en", one.en).end_object().end_object();
  }
  json.end_array().begin_array("webhooks");
  for (const auto& one : view.webhooks) {
    json.begin_object().add("origin", one.origin).add("answer", one.answer);
    if (one.at) json.add("at", *one.at);
    json.add("untold", one.untold).end_object();
  }
  json.end_array().end_object();
  co_return json_response(json.take());
}

}  // namespace hutong::api
