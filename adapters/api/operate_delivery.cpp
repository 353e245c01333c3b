// Subscriptions and dead letters. Bodies are flat: {"letter":"0-12.0","reason":"…","by":"…"}.
#include "adapters/api/operate_handlers.h"
#include "adapters/api/operate_json.h"
#include "broker/access/flat_object.h"
#include "broker/base/limits.h"

namespace hutong::api {
namespace {

using port::DeliveryCommand;

Response nobody_delivers(const Request& request) {
  return fault(request.path, 503, "unavailable", "start the broker: hutong serve");
}

std::string text_in(const access::FlatObject& body, std::string_view name) {
  const auto* text = body.text(name);
  return text ? *text : std::string();
}

void add_letter(JsonText& json, const port::DeadLetter& letter) {
  json.begin_object()
      .add("subscription", letter.subscription)
      .add("id", letter.id)
      .add("event", letter.event_id)
      .add("kind", letter.kind)
      .add("state", letter.state)
      .add("answer", letter.answer)
      .add("attempts", letter.attempts)
      .add("appended", letter.appended);
  if (letter.first_failed.micros) json.add("firstFailed", letter.first_failed);
  if (letter.last.micros) json.add("last", letter.last);
  if (!letter.by.empty()) json.add("by", letter.by);
  if (!letter.reason.empty()) json.add("reason", letter.reason);
  json.end_object();
}

void add_subscription(JsonText& json, const port::SubscriptionStatus& one) {
  json.begin_object()
      .add("name", one.name)
      .add("sink", one.sink)
      .add("target", one.target)
      .add("payload", one.payload)
      .add("state", one.state)
      .add("trouble", one.trouble)
      .add("paused", one.paused)
      .add("delivered", one.delivered)
      .add("refused", one.refused)
      .add("failed", one.broken)
      .add("open", one.open)
      .add("held", one.held)
      .add("dead", one.dead)
      .add("lagRecords", one.lag_records)
      .add("oldestSeconds", one.oldest_seconds)
      .add("oldestHeldSeconds", one.oldest_held_seconds)
      .add("replaying", one.replaying);
  if (one.last_delivered) json.add("lastDelivered", *one.last_delivered);
  if (one.next_attempt) json.add("nextAttempt", *one.next_attempt);
  json.end_object();
}

// A command of an operator, who is audited and may.
Answering obey(const OperateDeps& deps, const Request& request, DeliveryCommand command, const char* counted) {
  command.client = request.principal->client;
  if (command.by.empty()) command.by = command.client;
  auto done = co_await deps.deliveries->command(std::move(command));
  if (!done) co_return fault(request.path, done.error());
  JsonText json;
  json.begin_object().add(counted, *done).end_object();
  co_return json_response(json.take());
}

std::optional<access::FlatObject> body_of(const Request& request) {
  return access::FlatObject::read(request.body.empty() ? std::string_view("{}") : std::string_view(request.body));
}

}  // namespace

Answering subscriptions(const OperateDeps& deps, const Request& request) {
  auto permit = co_await permit_for(deps, request, "subscriptions");
  if (!permit) co_return fault(request.path, permit.error());
  if (!deps.deliveries) co_return nobody_delivers(request);
  auto found = co_await deps.deliveries->subscriptions();
  if (!found) co_return fault(request.path, found.error());
  JsonText json;
  json.begin_object().begin_array("subscriptions");
  for (const auto& one : *found) add_subscription(json, one);
  json.end_array().end_object();
  co_return json_response(json.take());
}

Answering steer_subscription(const OperateDeps& deps, const Request& request) {
  auto permit = co_await permit_for(deps, request,
                                    request.path.ends_with("/pause") ? "subscriptions/pause" : "subscriptions/resume",
                                    request.captures[0]);
  if (!permit) co_return fault(request.path, permit.error());
  if (!deps.deliveries) co_return nobody_delivers(request);
  const auto body = body_of(request);
  if (!body)
    co_return fault(request.path, 400, "invalid", "the body must be {\"by\":\"who\",\"reason\":\"why\"}, or nothing");
  const bool pause = request.path.ends_with("/pause");
  DeliveryCommand command;
  command.kind = pause ? DeliveryCommand::Kind::pause : DeliveryCommand::Kind::resume;
  command.subscription = request.captures[0];
  command.reason = text_in(*body, "reason");
  command.by = text_in(*body, "by");
  co_return co_await obey(deps, request, std::move(command), "subscriptions");
}

Answering replay_subscription(const OperateDeps& deps, const Request& request) {
  auto permit = co_await permit_for(deps, request, "subscriptions/replay", request.captures[0]);
  if (!permit) co_return fault(request.path, permit.error());
  if (!deps.deliveries) co_return nobody_delivers(request);
  const auto body = body_of(request);
  DeliveryCommand command;
  command.subscription = request.captures[0];
  const auto whole = [&](const char* name, std::optional<port::Offset>& value) {
    if (!body || !body->find(name)) return true;
    const auto number = body->integer(name);
    if (!number || *number < 0) return false;
    value = static_cast<port::Offset>(*number);
    return true;
  };
  const auto time = [&](const char* name, std::optional<Timestamp>& value) {
    if (!body || !body->find(name)) return true;
    const auto span = parse_iso(text_in(*body, name), 0);
    if (!span) return false;
    value = span->first;
    return true;
  };
  command.kind = DeliveryCommand::Kind::replay;
  if (!body || !whole("from", command.from) || !whole("to", command.to) || !time("since", command.since) ||
      !time("until", command.until) || (!command.from && !command.since)) {
    co_return fault(
        request.path, 400, "invalid",
        "the body must be {\"from\":OFFSET} or {\"since\":TIME}, with \"to\":OFFSET or \"until\":TIME where it ends "
        "before now, and \"patient\":\"FACILITY/NUMBER\" for one patient");
  }
  command.patient = text_in(*body, "patient");
  command.by = text_in(*body, "by");
  command.reason = text_in(*body, "reason");
  co_return co_await obey(deps, request, std::move(command), "replay");
}

Answering dead_letters(const OperateDeps& deps, const Request& request) {
  const std::string subscription(request.parameter("subscription")), state(request.parameter("state")),
      after(request.parameter("after"));
  const auto limit = whole_number(request, "limit", 1, limits::page_items_max);
  if (!limit) co_return fault(request.path, limit.error());
  for (std::string_view known : {"", "dead", "retrying", "behind", "delivered", "discarded"}) {
    if (known != state) continue;
    auto permit = co_await permit_for(deps, request, "deadletters", subscription);
    if (!permit) co_return fault(request.path, permit.error());
    if (!deps.deliveries) co_return nobody_delivers(request);
    auto found =
        co_await deps.deliveries->dead_letters(subscription, state, after, limit->value_or(limits::page_items_default));
    if (!found) co_return fault(request.path, found.error());
    JsonText json;
    json.begin_object().begin_array("letters");
    for (const auto& letter : found->letters) add_letter(json, letter);
    json.end_array();
    if (!found->next.empty()) json.add("next", found->next);
    json.end_object();
    co_return json_response(json.take());
  }
  co_return fault(request.path, 400, "invalid", "state: dead, retrying, behind, delivered or discarded");
}

Answering dead_letter(const OperateDeps& deps, const Request& request) {
  auto permit = co_await permit_for(deps, request, "deadletters", request.captures[0] + "/" + request.captures[1]);
  if (!permit) co_return fault(request.path, permit.error());
  if (!deps.deliveries) co_return nobody_delivers(request);
  auto found = co_await deps.deliveries->dead_letter(request.captures[0], request.captures[1]);
  if (!found) co_return fault(request.path, found.error());
  JsonText json;
  add_letter(json, *found);
  co_return json_response(json.take());
}

Answering dead_letter_body(const OperateDeps& deps, const Request& request) {
  auto permit = co_await permit_for(deps, request, "deadletters/raw", request.captures[0] + "/" + request.captures[1]);
  if (!permit) co_return fault(request.path, permit.error());
  if (!deps.deliveries) co_return nobody_delivers(request);
  auto found = co_await deps.deliveries->letter(request.captures[0], request.captures[1]);
  if (!found) co_return fault(request.path, found.error());
  Response response;
  response.content_type = "application/octet-stream";
  response.headers.emplace_back("Content-Disposition", "attachment; filename=\"letter\"");
  response.body = std::move(*found);
  co_return response;
}

Answering retry_dead_letters(const OperateDeps& deps, const Request& request) {
  auto permit = co_await permit_for(deps, request, "deadletters/retry", request.captures[0]);
  if (!permit) co_return fault(request.path, permit.error());
  if (!deps.deliveries) co_return nobody_delivers(request);
  const auto body = body_of(request);
  if (!body) {
    co_return fault(request.path, 400, "invalid",
                    "the body must be {\"letter\":\"ID\"}, or nothing for all of the subscription, oldest first");
  }
  DeliveryCommand command;
  command.kind = DeliveryCommand::Kind::retry;
  command.subscription = request.captures[0];
  command.letter = text_in(*body, "letter");
  command.by = text_in(*body, "by");
  co_return co_await obey(deps, request, std::move(command), "letters");
}

Answering discard_dead_letter(const OperateDeps& deps, const Request& request) {
  auto permit = co_await permit_for(deps, request, "deadletters/discard", request.captures[0]);
  if (!permit) co_return fault(request.path, permit.error());
  if (!deps.deliveries) co_return nobody_delivers(request);
  const auto body = body_of(request);
  DeliveryCommand command;
  command.kind = DeliveryCommand::Kind::discard;
  command.subscription = request.captures[0];
  if (body) {
    command.letter = text_in(*body, "letter");
    command.reason = text_in(*body, "reason");
    command.by = text_in(*body, "by");
  }
  if (command.letter.empty() || command.reason.empty()) {
    co_return fault(request.path, 400, "invalid", "the body must be {\"letter\":\"ID\",\"reason\":\"why\"}");
  }
  co_return co_await obey(deps, request, std::move(command), "letters");
}

}  // namespace hutong::api
