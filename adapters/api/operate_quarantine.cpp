#include "adapters/api/operate_handlers.h"
#include "adapters/api/operate_json.h"
#include "broker/base/limits.h"

namespace hutong::api {
namespace {

void add_item(JsonText& json, const query::Quarantined& item) {
  json.begin_object()
      .add("facility", item.facility)
      .add("hash", item.raw_hash)
      .add("offset", item.offset)
      .add("answer", item.answer)
      .add("reason", item.reason)
      .add("path", item.path)
      .add("type", item.type)
      .add("controlId", item.control_id)
      .add("received", item.received)
      .add("retried", item.retried)
      .add("repeated", item.repeated);
  if (item.repeated > 0) json.add("repeatedLast", item.repeated_last);
  json.end_object();
}

std::string name_of(const Request& request) {
  return request.captures[0] + "/" + request.captures[1];
}

}  // namespace

Answering quarantine(const OperateDeps& deps, const Request& request) {
  const std::string facility(request.parameter("facility"));
  const auto before = whole_number(request, "before", 0, INT64_MAX);
  if (!before) co_return fault(request.path, before.error());
  const auto limit = whole_number(request, "limit", 1, limits::page_items_max);
  if (!limit) co_return fault(request.path, limit.error());
  auto permit = co_await permit_for(deps, request, "quarantine", facility);
  if (!permit) co_return fault(request.path, permit.error());
  auto found =
      co_await deps.operations.quarantine(*permit, facility, *before, limit->value_or(limits::page_items_default));
  if (!found) co_return fault(request.path, found.error());
  JsonText json;
  json.begin_object().begin_array("messages");
  for (const auto& item : found->messages) add_item(json, item);
  json.end_array();
  if (found->next) json.add("next", *found->next);
  json.end_object();
  co_return json_response(json.take());
}

Answering quarantined(const OperateDeps& deps, const Request& request) {
  auto permit = co_await permit_for(deps, request, "quarantine", name_of(request));
  if (!permit) co_return fault(request.path, permit.error());
  auto found = co_await deps.operations.quarantined(*permit, request.captures[0], request.captures[1]);
  if (!found) co_return fault(request.path, found.error());
  JsonText json;
  add_item(json, *found);
  co_return json_response(json.take());
}

Answering quarantined_raw(const OperateDeps& deps, const Request& request) {
  auto permit = co_await permit_for(deps, request, "quarantine/raw", name_of(request));
  if (!permit) co_return fault(request.path, permit.error());
  auto found = co_await deps.operations.quarantined_raw(*permit, request.captures[0], request.captures[1]);
  if (!found) co_return fault(request.path, found.error());
  Response response;
  response.content_type = "application/octet-stream";
  response.headers.emplace_back("Content-Disposition", "attachment; filename=\"message.hl7\"");
  response.body = std::move(*found);
  co_return response;
}

Answering retry_quarantined(const OperateDeps& deps, const Request& request) {
  auto permit = co_await permit_for(deps, request, "quarantine/retry", name_of(request));
  if (!permit) co_return fault(request.path, permit.error());
  auto reply = co_await deps.control.retry_quarantined(request.captures[0], request.captures[1]);
  if (!reply) co_return fault(request.path, reply.error());
  JsonText json;
  json.begin_object()
      .add("answer", model::to_string(reply->answer))
      .add("duplicate", reply->duplicate)
      .begin_array("records");
  for (const auto& record : reply->records) json.add({}, record.hex());
  json.end_array().end_object();
  co_return json_response(json.take());
}

}  // namespace hutong::api
