// POST /api/v1/recognition/check: a whole order in, a verdict for each item and for the order out.
// schemas/api/openapi.json.
#include "adapters/api/recognition_handlers.h"

namespace hutong::api {
namespace {

using query::AskedOrder;
using query::JudgedItem;
using query::JudgedLine;
using query::JudgedOrder;
using query::ShownResult;
using recognition::Reason;
using recognition::Verdict;

Result<AskedOrder> asked_of(const JsonTree& body, const Request& request, int zone_minutes) {
  if (!body.is_object()) return fail(ErrorCode::invalid, "the body must be a JSON object");
  AskedOrder asked;
  const auto& patient = body["patient"];
  for (const auto& identifier : patient["identifiers"].elements()) {
    query::Token token;
    token.system = identifier["system"].text();
    token.value = identifier["value"].text();
    asked.identifiers.push_back(std::move(token));
  }
  if (asked.identifiers.size() > 20) return fail(ErrorCode::invalid, "patient.identifiers: at most 20");
  if (const auto& id = patient["id"].text(); !id.empty()) {
    asked.person = PersonId::from_hex(id);
    if (!asked.person) return fail(ErrorCode::invalid, "patient.id: expected a Patient's id, 32 hex digits");
  }
  const auto& requester = body["requester"];
  asked.facility = requester.is_object() ? requester["facility"].text() : requester.text();
  const auto& practitioner = requester["practitioner"];
  asked.practitioner = practitioner.is_object() ? practitioner["code"].text() : practitioner.text();
  asked.practitioner_name = practitioner["name"].text();
  asked.department =
      !requester["department"].text().empty() ? requester["department"].text() : body["department"].text();
  asked.order = body["order"].text();
  asked.diagnosis = body["diagnosis"].text();
  const auto encounter = encounter_of(body["encounterClass"].text());
  if (!encounter) {
    return fail(ErrorCode::invalid, "encounterClass: expected AMB (outpatient), EMER (emergency) or IMP (inpatient)");
  }
  asked.encounter = *encounter;
  const auto purpose = recognition::purpose_of(body["purpose"].text());
  if (!purpose)
    return fail(ErrorCode::invalid, "purpose: expected care, pre-operative, pre-transfusion, forensic or monitoring");
  asked.purpose = *purpose;
  asked.purpose_said = request.header("x-purpose-of-use");
  if (const auto& as_of = body["asOf"].text(); !as_of.empty()) {
    const auto span = parse_iso(as_of, zone_minutes);
    if (!span || as_of.size() < 16)
      return fail(ErrorCode::invalid, "asOf: expected a moment such as 2026-03-01T08:00:00+08:00");
    asked.as_of = span->first;
  }
  for (const auto& item : body["items"].elements()) {
    query::AskedLine line;
    if (item.is_object()) {
      line.code = item["code"].text();
      line.name = item["name"].text();
      line.loinc = item["loinc"].text();
      line.laterality = item["laterality"].text();
      line.contrast = item["contrast"].text();
      line.reference = item["id"].text();
    } else {
      line.code = item.text();
    }
    if (line.code.empty() && line.loinc.empty())
      return fail(ErrorCode::invalid, "items: each needs the code of what is ordered");
    asked.lines.push_back(std::move(line));
  }
  asked.door = "api";
  asked.client = request.principal ? request.principal->client : "";
  return asked;
}

void write(JsonText& json, const JudgedOrder& order, const std::vector<Reason>& reasons) {
  json.begin_array("reasons");
  for (const auto reason : reasons) {
    json.begin_object().add("code", recognition::to_string(reason));
    const auto* clause = order.clause(reason);
    json.add("clause", clause ? std::string_view(clause->clause) : std::string_view());
    json.begin_object("text");
    json.add("zh", clause ? std::string_view(clause->text_zh) : recognition::to_string(reason));
    json.add("en", clause ? std::string_view(clause->text_en) : recognition::to_string(reason)).end_object();
    json.add("rules", order.by.catalogue->version()).end_object();
  }
  json.end_array();
}

void text_pair(JsonText& json, std::string_view name, const std::string& zh, const std::string& en) {
  json.begin_object(name).add("zh", zh).add("en", en).end_object();
}

void write(JsonText& json, const JudgedOrder& order, const ShownResult& result) {
  json.begin_object().add("item", result.item).add("observation", result.observation).add("report", result.report);
  json.add("version", result.version).add("facility", result.facility).add("laboratory", result.laboratory);
  json.add("laboratoryStated", result.laboratory_said);
  text_pair(json, "facilityName", result.facility_zh, result.facility_en);
  if (result.mark_code.empty()) {
    json.add_null("mark");
  } else {
    json.add("mark", result.mark_zh).add("markCode", result.mark_code);
  }
  if (result.mark_differs) json.add("markDiffers", true);
  json.add("sampledAt", result.sampled);
  if (!result.reported.empty()) json.add("reportedAt", result.reported);
  if (result.window_days) {
    json.add("windowDays", static_cast<std::uint64_t>(*result.window_days));
  } else {
    json.add_null("windowDays");
  }
  json.add("windowAssumed", result.window_assumed);
  if (result.age_seconds && *result.age_seconds >= 0)
    json.add("ageSeconds", static_cast<std::uint64_t>(*result.age_seconds));
  if (!result.value.empty()) json.add("value", result.value);
  if (!result.unit.empty()) json.add("unit", result.unit);
  if (result.is_exam) {
    json.add("images", result.images);
    if (!result.accession.empty()) json.add("accession", result.accession);
  }
  json.add("verdict", recognition::to_string(result.verdict));
  write(json, order, result.reasons);
  json.end_object();
}

void candidates(JsonText& json, const JudgedOrder& order, const std::vector<JudgedItem>& items) {
  json.begin_array("candidates");
  for (const auto& item : items) {
    for (const auto& candidate : item.candidates) write(json, order, candidate);
  }
  json.end_array();
}

// What has to be ordered all the same: of a panel the components that are missing, else the line itself.
void remaining(JsonText& json, const JudgedOrder& order) {
  json.begin_array("remaining");
  for (const auto& line : order.lines) {
    if (line.verdict == Verdict::recognisable) continue;
    bool part = false;
    if (line.is_panel) {
      for (const auto& item : line.items) part = part || (item.required && item.verdict == Verdict::recognisable);
    }
    if (!part) {
      json.begin_object()
          .add("code", line.asked.code)
          .add("verdict", recognition::to_string(line.verdict))
          .end_object();
      continue;
    }
    for (const auto& item : line.items) {
      if (!item.required || item.verdict == Verdict::recognisable) continue;
      json.begin_object().add("code", line.asked.code).add("item", item.code);
      text_pair(json, "name", item.name_zh, item.name_en);
      json.add("verdict", recognition::to_string(item.verdict)).end_object();
    }
  }
  json.end_array();
}

}  // namespace

RecognitionAnswer check_recognition(const RecognitionDeps& deps, const Request& request) {
  const auto body = JsonTree::read(request.body);
  auto asked =
      body ? asked_of(*body, request, deps.recognition.rules().zone_minutes) : tl::unexpected<Error>(body.error());
  if (!asked) co_return co_await answer_unread(deps, request, fault(request.path, asked.error()));
  const auto& language = (*body)["language"].text();
  const auto told = co_await tell(deps, request, std::move(*asked), language == "en" ? "en" : "zh");
  if (!told) co_return fault(request.path, told.error());
  const auto& order = told->order;

  JsonText json;
  json.begin_object();
  if (!order.decision.empty()) json.add("decisionId", order.decision.hex());
  json.begin_object("rules").add("version", order.by.catalogue->version()).add("day", order.day).end_object();
  json.add("at", order.asked.as_of.value_or(order.at)).add("recorded", !order.decision.empty());
  json.add("verdict", recognition::to_string(order.extent)).add("interrupt", order.interrupts());
  json.add("patients", static_cast<std::uint64_t>(order.persons.size()));
  if (order.persons.size() == 1) json.add("patient", order.persons.front().hex());
  remaining(json, order);
  json.begin_array("items");
  for (const auto& line : order.lines) {
    json.begin_object().add("code", line.asked.code);
    if (!line.asked.reference.empty()) json.add("id", line.asked.reference);
    if (!line.item.empty()) json.add("item", line.item);
    text_pair(json, "name", line.name_zh, line.name_en);
    json.add("verdict", recognition::to_string(line.verdict));
    write(json, order, line.reasons);
    candidates(json, order, line.items);
    std::size_t more = 0;
    for (const auto& item : line.items) more += item.more;
    if (more > 0) json.add("moreCandidates", static_cast<std::uint64_t>(more));
    if (line.is_panel) {
      json.begin_array("components");
      for (const auto& item : line.items) {
        json.begin_object().add("item", item.code);
        text_pair(json, "name", item.name_zh, item.name_en);
        json.add("required", item.required).add("verdict", recognition::to_string(item.verdict));
        write(json, order, item.reasons);
        json.end_object();
      }
      json.end_array();
    }
    json.end_object();
  }
  json.end_array();
  if (!told->ticket.empty()) json.add("link", page_link(deps, request, told->ticket));
  json.end_object();
  auto response = json_response(json.take());
  response.headers.emplace_back("X-Hutong-Offset", std::to_string(order.offset));
  co_return response;
}

}  // namespace hutong::api
