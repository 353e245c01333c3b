#include "adapters/api/operate_handlers.h"
#include "adapters/api/operate_json.h"
#include "broker/base/limits.h"

namespace hutong::api {
namespace {

// A resend leaves nothing in the log, so no view knows of it: intake's counter does, since the start.
std::uint64_t resends_of(const port::Metrics& metrics, const std::string& facility) {
  return static_cast<std::uint64_t>(
      metrics.sum("hutong_messages_total", {{"facility", facility}, {"answer", "duplicate"}}));
}

void add_feed(JsonText& json, const query::Feed& feed, std::uint64_t resends) {
  json.begin_object()
      .add("facility", feed.facility)
      .add("nameZh", feed.name_zh)
      .add("nameEn", feed.name_en)
      .add("level", feed.level)
      .add("kind", feed.kind)
      .add("registered", feed.registered)
      .add("provisional", feed.provisional);
  if (feed.first) json.add("first", *feed.first);
  if (feed.last) json.add("last", *feed.last);
  json.add("total", feed.total)
      .add("warnings", feed.warnings)
      .add("duplicates", feed.duplicates)
      .add("resends", resends)
      .add("conflicts", feed.conflicts)
      .add("unmapped", feed.unmapped)
      .add("rejected", feed.rejected)
      .add_document("state", feed.state)
      .end_object();
}

using Deliveries = std::vector<std::pair<std::string, port::Delivered>>;  // by event

void add_record(JsonText& json, const query::TracedRecord& record, const Deliveries& deliveries) {
  json.begin_object().add("record", record.id).add("partition", record.partition).add("offset", record.offset);
  json.begin_object("source")
      .add("facility", record.facility)
      .add("provisional", record.provisional)
      .add("application", record.application)
      .add("senderFacility", record.sender_facility)
      .add("controlId", record.control_id)
      .add("type", record.type)
      .add("version", record.version)
      .add("charset", record.charset)
      .add("protocol", record.protocol)
      .add("connection", record.connection)
      .end_object();
  json.begin_object("times")
      .add("sent", record.sent)
      .add("received", record.received)
      .add("appended", record.appended)
      .end_object();
  json.begin_object("raw").add("bytes", record.raw_bytes).add("sha256", record.raw_sha256).end_object();
  json.add("acknowledgement", "accepted").add("mapVersion", record.map_version);
  json.begin_array("events");
  for (const auto& event : record.events) {
    json.begin_object().add("id", event.id).add("kind", event.kind).add("version", event.version);
    if (!event.report.empty()) json.add("report", event.report);
    if (!event.order.empty()) json.add("order", event.order);
    if (!event.encounter.empty()) json.add("encounter", event.encounter);
    if (!event.status.empty()) json.add("status", event.status);
    json.end_object();
  }
  json.end_array().begin_array("issues");
  for (const auto& issue : record.issues) {
    json.begin_object()
        .add("severity", issue.severity)
        .add("code", issue.code)
        .add("path", issue.path)
        .add("found", issue.found)
        .add("expected", issue.expected)
        .end_object();
  }
  json.end_array();
  json.begin_object("identity").add("person", record.person).add("localRecords", record.person_members).end_object();
  json.begin_array("deliveries");
  for (const auto& [event, delivered] : deliveries) {
    json.begin_object()
        .add("event", event)
        .add("subscription", delivered.subscription)
        .add("state", delivered.state)
        .add("answer", delivered.answer)
        .add("attempts", delivered.attempts);
    if (delivered.at) json.add("at", *delivered.at);
    json.end_object();
  }
  json.end_array().end_object();
}

// Of each event of a record, to whom it went.
net::awaitable<Result<Deliveries>> deliveries_of(const OperateDeps& deps, const query::TracedRecord& record) {
  Deliveries all;
  if (!deps.deliveries) co_return all;
  for (std::uint32_t ordinal = 0; ordinal < record.events.size(); ++ordinal) {
    auto some = co_await deps.deliveries->of_record({{port::Topic::events, record.partition}, record.offset}, ordinal);
    if (!some) co_return tl::unexpected(some.error());
    for (auto& one : *some) all.emplace_back(record.events[ordinal].id, std::move(one));
  }
  co_return all;
}

}  // namespace

Answering feeds(const OperateDeps& deps, const Request& request) {
  auto permit = co_await permit_for(deps, request, "feeds");
  if (!permit) co_return fault(request.path, permit.error());
  auto found = co_await deps.operations.feeds(*permit);
  if (!found) co_return fault(request.path, found.error());
  JsonText json;
  json.begin_object().begin_array("feeds");
  for (const auto& one : *found) add_feed(json, one, resends_of(deps.metrics, one.facility));
  json.end_array().end_object();
  co_return json_response(json.take());
}

Answering feed(const OperateDeps& deps, const Request& request) {
  auto permit = co_await permit_for(deps, request, "feeds", request.captures[0]);
  if (!permit) co_return fault(request.path, permit.error());
  auto found = co_await deps.operations.feed(*permit, request.captures[0]);
  if (!found) co_return fault(request.path, found.error());
  JsonText json;
  add_feed(json, *found, resends_of(deps.metrics, found->facility));
  co_return json_response(json.take());
}

Answering unmapped(const OperateDeps& deps, const Request& request) {
  const std::string facility(request.parameter("facility"));
  auto permit = co_await permit_for(deps, request, "unmapped", facility);
  if (!permit) co_return fault(request.path, permit.error());
  auto found = co_await deps.operations.unmapped(*permit, facility, 10 * limits::page_items_max);
  if (!found) co_return fault(request.path, found.error());
  JsonText json;
  json.begin_object().begin_array("codes");
  for (const auto& code : *found) {
    json.begin_object()
        .add("facility", code.facility)
        .add("code", code.code)
        .add("display", code.display)
        .add("count", code.count)
        .add("firstSeen", code.first_seen)
        .add("lastSeen", code.last_seen)
        .end_object();
  }
  json.end_array().end_object();
  co_return json_response(json.take());
}

Answering trace(const OperateDeps& deps, const Request& request) {
  std::string id = request.captures[0];
  if (request.captures.size() == 2) id += "/" + request.captures[1];
  const auto before = whole_number(request, "before", 0, INT64_MAX);
  if (!before) co_return fault(request.path, before.error());
  auto permit = co_await permit_for(deps, request, "trace", id);
  if (!permit) co_return fault(request.path, permit.error());
  auto found = co_await deps.operations.trace(*permit, id, *before);
  if (!found) co_return fault(request.path, found.error());
  JsonText json;
  json.begin_object().add("id", id).begin_array("records");
  for (const auto& record : found->records) {
    auto deliveries = co_await deliveries_of(deps, record);
    if (!deliveries) co_return fault(request.path, deliveries.error());
    add_record(json, record, *deliveries);
  }
  json.end_array().begin_array("quarantine");
  for (const auto& item : found->quarantined) {
    json.begin_object()
        .add("facility", item.facility)
        .add("hash", item.raw_hash)
        .add("answer", item.answer)
        .add("reason", item.reason)
        .add("path", item.path)
        .add("received", item.received)
        .add("retried", item.retried)
        .end_object();
  }
  json.end_array().add("searchedFrom", found->searched_from).add("searchedTo", found->searched_to);
  if (found->next) json.add("next", *found->next);
  json.end_object();
  co_return json_response(json.take());
}

}  // namespace hutong::api
