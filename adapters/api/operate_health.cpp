#include "adapters/api/operate_handlers.h"
#include "adapters/api/operate_json.h"
#include "adapters/api/session.h"
#include "broker/access/flat_object.h"

namespace hutong::api {
namespace {

void add_dependencies(JsonText& json, const port::StatusView& view) {
  json.begin_array("dependencies");
  for (const auto& dependency : view.dependencies) {
    json.begin_object().add("name", dependency.name).add("ready", dependency.ready);
    if (!dependency.reason.empty()) json.add("reason", dependency.reason);  // a warning, where it is ready
    json.end_object();
  }
  json.end_array();
}

}  // namespace

Answering healthz(const OperateDeps&, const Request&) {
  co_return json_response("{\"status\":\"alive\"}\n");
}

Answering readyz(const OperateDeps& deps, const Request&) {
  const auto view = deps.control.status();
  bool ready = true;
  for (const auto& dependency : view.dependencies) ready = ready && dependency.ready;
  JsonText json;
  json.begin_object().add("ready", ready);
  add_dependencies(json, view);
  json.end_object();
  auto response = json_response(json.take(), ready ? 200 : 503);
  if (!ready) response.headers.emplace_back("Retry-After", "5");
  co_return response;
}

Answering version(const OperateDeps& deps, const Request&) {
  const auto view = deps.control.status();
  JsonText json;
  json.begin_object().add("version", view.version).add("schemaVersion", view.schema_version).end_object();
  co_return json_response(json.take());
}

Answering metrics(const OperateDeps& deps, const Request& request) {
  const bool granted = request.principal && request.principal->has("hutong/metrics");
  if (!granted && !free_on_loopback(request)) {
    co_return fault(request.path, request.principal ? 403 : 401, "forbidden",
                    "beyond this machine /metrics needs a token with the scope hutong/metrics");
  }
  auto response = json_response(deps.metrics.text());
  response.content_type = "text/plain; version=0.0.4; charset=utf-8";
  co_return response;
}

Answering status(const OperateDeps& deps, const Request& request) {
  auto permit = co_await permit_for(deps, request, "status");
  if (!permit) co_return fault(request.path, permit.error());
  const auto view = deps.control.status();
  JsonText json;
  json.begin_object()
      .add("version", view.version)
      .add("schemaVersion", view.schema_version)
      .add("started", view.started)
      .add("now", view.now)
      .add("mllp", view.mllp_address)
      .add("http", view.http_address)
      .add("logEnd", view.log_end)
      .add("projected", view.projected)
      .add("lagSeconds", view.lag_seconds)
      .add("logBytes", view.log_bytes)
      .add("storeBytes", view.store_bytes)
      .add("diskFreeBytes", view.disk_free_bytes)
      .add("diskTotalBytes", view.disk_total_bytes)
      .add("diskDaysLeft", view.disk_days_left)
      .add("connections", view.connections)
      .add("inflightBytes", view.inflight_bytes)
      .add("residentBytes", view.resident_bytes)
      .add("unknownSendersAccepted", view.unknown_senders_accepted)
      .add("plainBeyondLoopback", view.plain_beyond_loopback);
  add_dependencies(json, view);
  json.end_object();
  co_return json_response(json.take());
}

Answering reload(const OperateDeps& deps, const Request& request) {
  auto permit = co_await permit_for(deps, request, "reload");
  if (!permit) co_return fault(request.path, permit.error());
  if (auto done = deps.control.reload(); !done) co_return fault(request.path, done.error());
  co_return json_response("{\"reloaded\":true}\n");
}

Answering backup(const OperateDeps& deps, const Request& request) {
  // A path on the broker's machine: only for whoever can open its socket.
  if (request.peer != "unix")
    co_return fault(request.path, 403, "forbidden", "a backup is ordered on the broker's machine: hutong backup DIR");
  const auto body = access::FlatObject::read(request.body);
  const std::string* directory = body ? body->text("directory") : nullptr;
  if (!directory || !directory->starts_with('/')) {
    co_return fault(request.path, 400, "invalid", "the body must be {\"directory\":\"/absolute/path\"}");
  }
  auto permit = co_await permit_for(deps, request, "backup");
  if (!permit) co_return fault(request.path, permit.error());
  auto done = co_await deps.control.backup(*directory);
  if (!done) co_return fault(request.path, done.error());
  JsonText json;
  json.begin_object().add("directory", *directory).add("elsewhere", *done).end_object();
  co_return json_response(json.take());
}

Answering renormalize(const OperateDeps& deps, const Request& request) {
  const auto body =
      access::FlatObject::read(request.body.empty() ? std::string_view("{}") : std::string_view(request.body));
  const auto from = body && body->find("from") ? body->integer("from") : std::optional<std::int64_t>(0);
  const auto since = body && body->text("since") ? parse_iso(*body->text("since"), 0) : std::nullopt;
  if (!body || !from || *from < 0 || (body->find("since") && !since))
    co_return fault(request.path, 400, "invalid",
                    "the body must be {\"from\":OFFSET,\"sender\":\"CODE\"}, or \"since\":TIME instead of from; all may be left out");
  const std::string sender = body->text("sender") ? *body->text("sender") : "";
  auto permit = co_await permit_for(deps, request, "renormalize", sender);
  if (!permit) co_return fault(request.path, permit.error());
  if (!sender.empty()) {
    // A code mistyped would else read the whole log and heal nothing.
    if (auto known = co_await deps.operations.feed(*permit, sender); !known) co_return fault(request.path, known.error());
  }
  auto first = static_cast<port::Offset>(*from);
  if (since) {
    auto found = co_await deps.operations.offset_since(*permit, since->first);
    if (!found) co_return fault(request.path, found.error());
    first = *found;
  }
  auto done = co_await deps.control.renormalize(first, sender);
  if (!done) co_return fault(request.path, done.error());
  JsonText json;
  json.begin_object().add("read", done->read).add("changed", done->changed).end_object();
  co_return json_response(json.take());
}

}  // namespace hutong::api
