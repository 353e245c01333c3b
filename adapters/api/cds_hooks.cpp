// CDS Hooks 2.0, the second door: service mutual-recognition on order-select and order-sign. A card for each draft
// order that an earlier result may stand in for; its suggestion deletes the draft order, its override reasons are the
// area's own, and /feedback is kept by the card's uuid. https://cds-hooks.hl7.org/2.0/
#include <algorithm>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "adapters/api/recognition_handlers.h"
#include "broker/base/limits.h"

namespace hutong::api {
namespace {

using query::AskedOrder;
using query::JudgedLine;
using query::JudgedOrder;
using recognition::Verdict;

constexpr std::string_view reason_system = "urn:hutong:recognition:reasons";
constexpr std::size_t summary_characters = 140;
constexpr std::size_t feedback_most = 100;

// "Organization/cc-east", "http://x/fhir/Organization/cc-east" → "cc-east".
std::string id_in(const std::string& reference, std::string_view type) {
  const std::string wanted = std::string(type) + "/";
  const auto at = reference.rfind(wanted);
  if (at == std::string::npos) return {};
  const auto id = reference.substr(at + wanted.size());
  return id.substr(0, id.find('/'));
}

// A prefetched resource, or the first one of a prefetched search.
const JsonTree& resource_of(const JsonTree& prefetched) {
  if (prefetched["resourceType"].text() != "Bundle") return prefetched;
  const auto& entries = prefetched["entry"].elements();
  return entries.empty() ? prefetched["entry"] : entries.front()["resource"];
}

const JsonTree& encounter_in(const JsonTree& body) {
  return resource_of(body["prefetch"]["encounter"]);
}

// Who orders: said by an extension of the host, the encounter's organisation, or the order's requester.
std::string facility_of(const JsonTree& body) {
  const auto& said = body["extension"]["hutong.facility"].text();
  if (!said.empty()) return said;
  const auto& provider = encounter_in(body)["serviceProvider"];
  if (const auto& code = provider["identifier"]["value"].text(); !code.empty()) return code;
  if (auto id = id_in(provider["reference"].text(), "Organization"); !id.empty()) return id;
  for (const auto& entry : body["context"]["draftOrders"]["entry"].elements()) {
    if (auto id = id_in(entry["resource"]["requester"]["reference"].text(), "Organization"); !id.empty()) return id;
  }
  return {};
}

Result<AskedOrder> asked_of(const JsonTree& body, const Request& request) {
  const auto& hook = body["hook"].text();
  if (hook != "order-select" && hook != "order-sign")
    return fail(ErrorCode::invalid, "hook: this service answers order-select and order-sign");
  if (body["hookInstance"].text().empty()) return fail(ErrorCode::invalid, "hookInstance is missing");
  const auto& context = body["context"];
  AskedOrder asked;
  asked.door = "cds-hooks";
  asked.client = request.principal ? request.principal->client : "";
  asked.purpose_said = request.header("x-purpose-of-use");
  asked.facility = facility_of(body);
  if (asked.facility.empty()) {
    return fail(ErrorCode::not_found,
                "who orders? give prefetch.encounter with serviceProvider, or extension \"hutong.facility\"");
  }
  for (const auto* type : {"PractitionerRole", "Practitioner"}) {
    if (asked.practitioner.empty()) asked.practitioner = id_in(context["userId"].text(), type);
  }
  asked.department = body["extension"]["hutong.department"].text();
  const auto& kind = encounter_in(body)["class"];
  // A host that has no encounter to prefetch may say the class itself.
  const auto& said = body["extension"]["hutong.encounterClass"].text();
  const auto& code = !said.empty() ? said
                     : kind.is_array() && !kind.elements().empty()
                         ? kind.elements().front()["coding"].elements().empty()
                               ? kind.elements().front()["code"].text()
                               : kind.elements().front()["coding"].elements().front()["code"].text()
                         : kind["code"].text();
  asked.encounter = encounter_of(code).value_or(model::EncounterClass::unknown);
  for (const auto& identifier : resource_of(body["prefetch"]["patient"])["identifier"].elements()) {
    // A number without a system names nobody.
    if (identifier["value"].text().empty() || identifier["system"].text().empty() || asked.identifiers.size() >= 20)
      continue;
    query::Token token;
    token.system = identifier["system"].text();
    token.value = identifier["value"].text();
    asked.identifiers.push_back(std::move(token));
  }
  if (asked.identifiers.empty()) {
    asked.person = PersonId::from_hex(context["patientId"].text());  // a Patient of this broker
    if (!asked.person)
      return fail(ErrorCode::not_found, "who is the patient? give prefetch.patient with identifiers and their systems");
  }
  std::vector<std::string> selected;
  for (const auto& selection : context["selections"].elements()) selected.push_back(selection.text());
  for (const auto& entry : context["draftOrders"]["entry"].elements()) {
    const auto& resource = entry["resource"];
    const auto& type = resource["resourceType"].text();
    if (type != "ServiceRequest") continue;
    query::AskedLine line;
    line.reference = type + "/" + resource["id"].text();
    if (!selected.empty() && std::find(selected.begin(), selected.end(), line.reference) == selected.end()) continue;
    // Urgent by its own word: not interrupted, whatever the encounter is.
    if (resource["priority"].text() == "stat") asked.encounter = model::EncounterClass::emergency;
    for (const auto& coding : resource["code"]["coding"].elements()) {
      if (coding["system"].text() == "http://loinc.org") {
        line.loinc = coding["code"].text();
      } else if (line.code.empty()) {
        line.code = coding["code"].text();
      }
      if (line.name.empty()) line.name = coding["display"].text();
    }
    if (line.name.empty()) line.name = resource["code"]["text"].text();
    if (line.code.empty() && line.loinc.empty()) line.code = line.name;
    if (!line.code.empty() || !line.loinc.empty()) asked.lines.push_back(std::move(line));
  }
  return asked;
}

// A card's uuid is its decision's id with the line's number in the last byte.
std::string uuid_of(const RecordId& decision, std::size_t line) {
  std::string bytes(decision.view());
  bytes.back() = static_cast<char>(line + 1);
  const auto hex = to_hex(bytes);
  return hex.substr(0, 8) + "-" + hex.substr(8, 4) + "-" + hex.substr(12, 4) + "-" + hex.substr(16, 4) + "-" +
         hex.substr(20);
}

struct CardName {
  RecordId decision;
  std::size_t line = 0;
};
std::optional<CardName> card_of(std::string uuid) {
  std::erase(uuid, '-');
  auto bytes = from_hex(uuid);
  if (!bytes || bytes->size() != 16 || bytes->back() == 0) return std::nullopt;
  CardName name;
  name.line = static_cast<std::uint8_t>(bytes->back()) - 1;
  bytes->back() = 0;
  name.decision = *RecordId::from_bytes(*bytes);
  return name;
}

// The card may have been answered before the views have caught up with it.
net::awaitable<Result<model::RecognitionDecided>> decided_soon(const RecognitionDeps& deps,
                                                               const access::Permit& permit, RecordId id) {
  net::steady_timer timer(co_await net::this_coro::executor);
  for (const auto until = std::chrono::steady_clock::now() + limits::verdict_deadline;;) {
    auto decided = co_await deps.recognition.decision(permit, id);
    if (decided || decided.error().code != ErrorCode::not_found || std::chrono::steady_clock::now() >= until)
      co_return decided;
    timer.expires_after(std::chrono::milliseconds(20));
    co_await timer.async_wait(net::use_awaitable);
  }
}

// At most so many characters.
std::string cut(const std::string& text, std::size_t characters) {
  std::size_t at = 0;
  for (; at < text.size(); ++at) {
    const bool starts = (static_cast<unsigned char>(text[at]) & 0xC0) != 0x80;
    if (starts && characters-- == 0) break;
  }
  return text.substr(0, at);
}

void card(JsonText& json, const JudgedOrder& order, std::size_t index, const std::string& link) {
  const JudgedLine& line = order.lines[index];
  const bool recognisable = line.verdict == Verdict::recognisable;
  const query::ShownResult* best = nullptr;
  std::string detail;
  for (const auto& item : line.items) {
    if (item.candidates.empty() || item.candidates.front().verdict == Verdict::not_recognisable) continue;
    const auto& shown = item.candidates.front();
    if (!best) best = &shown;
    detail += "- " + item.name_zh + " " +
              (shown.is_exam ? std::string("影像与数据") : "**" + shown.value + "** " + shown.unit) + " · " +
              query::area_time(shown.sampled, order.by.zone_minutes) + " · " + shown.facility_zh +
              (shown.mark_zh.empty() ? "" : " · " + shown.mark_zh) + "\n";
  }
  for (const auto reason : line.reasons) {
    if (const auto* clause = order.clause(reason))
      detail += "\n" + clause->text_zh + "（" + clause->clause + "）  \n" + clause->text_en + "\n";
  }
  json.begin_object().add("uuid", uuid_of(order.decision, index));
  json.add("summary",
           cut((recognisable ? "可互认：" : "由医师判断：") + line.name_zh + (best ? "，" + best->facility_zh : ""),
               summary_characters));
  json.add("detail", detail).add("indicator", recognisable ? "warning" : "info");
  json.begin_object("source").add("label", "互通 Hutong · 检查检验结果互认 " + order.by.catalogue->version());
  json.begin_object("topic")
      .add("system", "urn:hutong:recognition:verdicts")
      .add("code", recognition::to_string(line.verdict))
      .end_object();
  json.end_object();
  if (!line.asked.reference.empty()) {
    json.begin_array("suggestions").begin_object();
    json.add("label", "互认既往结果，删除此医嘱")
        .add("uuid", uuid_of(order.decision, index))
        .add("isRecommended", recognisable);
    json.begin_array("actions").begin_object().add("type", "delete");
    json.add("description", "删除草稿医嘱 " + line.name_zh)
        .add("resourceId", line.asked.reference)
        .end_object()
        .end_array();
    json.end_object().end_array().add("selectionBehavior", "at-most-one");
  }
  json.begin_array("overrideReasons");
  for (const auto* reason : order.by.catalogue->refusals(order.day)) {
    json.begin_object()
        .add("code", reason->code)
        .add("system", reason_system)
        .add("display", reason->text_zh)
        .end_object();
  }
  json.end_array();
  if (!link.empty()) {
    json.begin_array("links")
        .begin_object()
        .add("label", "打开互认页面")
        .add("url", link)
        .add("type", "absolute")
        .end_object()
        .end_array();
  }
  json.end_object();
}

}  // namespace

RecognitionAnswer cds_discovery(const RecognitionDeps&, const Request&) {
  JsonText json;
  json.begin_object().begin_array("services");
  for (const auto* hook : {"order-select", "order-sign"}) {
    json.begin_object()
        .add("hook", hook)
        .add("id", "mutual-recognition")
        .add("title", "检查检验结果互认 Mutual recognition of results");
    json.add("description",
             "Earlier results of other institutions that may stand in for what is being ordered, and why.");
    json.begin_object("prefetch")
        .add("patient", "Patient/{{context.patientId}}")
        .add("encounter", "Encounter/{{context.encounterId}}")
        .end_object();
    json.end_object();
  }
  json.end_array().end_object();
  co_return json_response(json.take());
}

RecognitionAnswer cds_service(const RecognitionDeps& deps, const Request& request) {
  const auto body = JsonTree::read(request.body);
  auto asked = body ? asked_of(*body, request) : tl::unexpected<Error>(body.error());
  if (!asked) {
    // What the host could not prefetch: CDS Hooks 2.0, "HTTP status codes".
    const bool missing = asked.error().code == ErrorCode::not_found;
    auto refusal =
        missing ? fault(request.path, 412, "not-found", asked.error().message) : fault(request.path, asked.error());
    co_return co_await answer_unread(deps, request, std::move(refusal));
  }
  JsonText json;
  json.begin_object().begin_array("cards");
  if (asked->lines.empty()) {
    json.end_array().end_object();
    co_return co_await answer_unread(deps, request, json_response(json.take()));
  }
  const auto told = co_await tell(deps, request, std::move(*asked), "zh");
  if (!told) co_return fault(request.path, told.error());
  const std::string link = told->ticket.empty() ? "" : page_link(deps, request, told->ticket);
  for (std::size_t i = 0; told->order.interrupts() && i < told->order.lines.size(); ++i) {
    if (told->order.lines[i].offers()) card(json, told->order, i, link);
  }
  json.end_array().end_object();
  co_return json_response(json.take());
}

RecognitionAnswer cds_feedback(const RecognitionDeps& deps, const Request& request) {
  const auto permit = co_await recognition_permit(deps, request, "cds-feedback");
  if (!permit) co_return fault(request.path, permit.error());
  const auto body = JsonTree::read(request.body);
  if (!body) co_return fault(request.path, body.error());
  const auto& list = (*body)["feedback"].elements();
  if (list.empty() || list.size() > feedback_most)
    co_return fault(request.path, 400, "invalid", "feedback: from 1 to 100 entries");
  for (const auto& entry : list) {
    const auto card = card_of(entry["card"].text());
    if (!card) co_return fault(request.path, 400, "invalid", "feedback.card: no card of this service has this uuid");
    auto decided = co_await decided_soon(deps, *permit, card->decision);
    if (!decided) co_return fault(request.path, decided.error());
    const bool shown = card->line < decided->lines.size() && !decided->lines[card->line].results.empty() &&
                       decided->encounter != "emergency" && decided->door == "cds-hooks";
    if (!shown || decided->client != request.principal->client)
      co_return fault(request.path, 404, "not-found", "no card of yours has this uuid");
    AskedOrder asked;
    asked.practitioner = decided->practitioner;
    asked.purpose_said = request.header("x-purpose-of-use");
    auto noted = co_await deps.gate.note(
        *request.principal,
        query::demand_of(asked, access::Action::read, "Observation", decided->person, "cds-feedback", request.peer),
        "allowed");
    if (!noted) co_return fault(request.path, noted.error());
    model::RecognitionOutcome outcome;
    outcome.decision = card->decision;
    outcome.facility = decided->facility;
    outcome.practitioner = decided->practitioner;
    outcome.door = "cds-hooks";
    model::LineOutcome line;
    line.line = static_cast<std::uint32_t>(card->line);
    line.results = decided->lines[card->line].results;
    const auto& said = entry["outcome"].text();
    if (said == "accepted") {
      line.outcome = model::OutcomeKind::recognised;
    } else if (said == "overridden") {
      const auto& code = entry["overrideReason"]["reason"]["code"].text();
      line.text = cut(entry["overrideReason"]["userComment"].text(), 100);
      const auto rules = deps.recognition.rules();
      const auto* reason = rules.catalogue->refusal(code, decided->day);
      if (!code.empty() && !reason)
        co_return fault(request.path, 400, "invalid", "feedback.overrideReason: this code is none of the card's");
      if (reason && reason->requires_text && line.text.empty()) {
        co_return fault(request.path, 400, "invalid",
                        "feedback.overrideReason.userComment: this reason needs a line of text");
      }
      // Overridden without a reason: looked at, and not decided.
      line.outcome = reason ? model::OutcomeKind::refused : model::OutcomeKind::viewed;
      line.reason = code;
      line.counted = reason ? reason->counted : true;
    } else {
      co_return fault(request.path, 400, "invalid", "feedback.outcome: expected accepted or overridden");
    }
    outcome.lines.push_back(std::move(line));
    if (auto recorded = co_await deps.recognition.record(std::move(outcome)); !recorded)
      co_return fault(request.path, recorded.error());
  }
  Response response;
  response.body = "{}\n";
  co_return response;
}

}  // namespace hutong::api
