#include "broker/model/recognition.h"

#include "broker/model/json_document.h"

namespace hutong::model {
namespace {

void put(Out& out, const std::vector<OfferedResult>& results) {
  if (results.empty()) return;
  out.open_list("results");
  for (const auto& result : results) {
    out.open().text("item", result.item).text("report", result.report).text("observation", result.observation);
    out.number("version", static_cast<std::int64_t>(result.version)).text("facility", result.facility);
    out.text("laboratory", result.laboratory).text("mark", result.mark).close();
  }
  out.close_list();
}

std::vector<OfferedResult> results_of(const In& in) {
  std::vector<OfferedResult> results;
  in.each("results", [&](const rapidjson::Value& element) {
    if (!element.IsObject()) return;
    const In one(element);
    results.push_back({one.text("item"), one.text("report"), one.text("observation"),
                       static_cast<std::uint64_t>(one.number("version", 1)), one.text("facility"),
                       one.text("laboratory"), one.text("mark")});
  });
  return results;
}

tl::unexpected<Error> broken() {
  return fail(ErrorCode::corrupt, "a record of mutual recognition does not read");
}

}  // namespace

std::string_view to_string(OutcomeKind kind) {
  switch (kind) {
    case OutcomeKind::viewed: return "viewed";
    case OutcomeKind::recognised: return "recognised";
    case OutcomeKind::refused: return "refused";
    case OutcomeKind::undone: return "undone";
  }
  return "viewed";
}

std::optional<OutcomeKind> outcome_of(std::string_view text) {
  using enum OutcomeKind;
  for (const auto each : {viewed, recognised, refused, undone}) {
    if (to_string(each) == text) return each;
  }
  return std::nullopt;
}

RecordId placed_order_id(const OrderId& order) {
  return RecordId(PartsHash().add("recognition-of-order").add(order.view()).finish());
}

std::string write(const PlacedOrder& placed) {
  Out out;
  out.open().number("at", placed.at.micros).text("facility", placed.facility);
  out.text("patientOf", placed.patient_of).text("patient", placed.patient);
  out.text("number", placed.number).text("group", placed.group);
  out.text("department", placed.department).text("practitioner", placed.practitioner);
  out.text("encounter", placed.encounter);
  if (placed.preoperative) out.flag("preoperative", true);
  out.text("code", placed.code).text("name", placed.name).text("loinc", placed.loinc);
  return out.close().take();
}

std::string write(const RecognitionDecided& decided) {
  Out out;
  out.open().text("kind", recognition_decided_kind).text("id", decided.id.hex()).text("at", to_iso(decided.at));
  out.text("facility", decided.facility)
      .text("department", decided.department)
      .text("practitioner", decided.practitioner);
  out.text("encounter", decided.encounter)
      .text("purpose", decided.purpose)
      .text("order", decided.order)
      .text("person", decided.person);
  out.text("rules", decided.rules).text("day", decided.day).text("extent", decided.extent).text("door", decided.door);
  if (decided.follows) out.text("follows", decided.follows->hex());
  out.text("client", decided.client).text("countsOn", decided.zone_day).open_list("lines");
  for (const auto& line : decided.lines) {
    out.open().text("code", line.code).text("reference", line.reference).text("item", line.item);
    out.text("verdict", line.verdict).open_list("reasons");
    for (const auto& reason : line.reasons) out.element(reason);
    out.close_list();
    put(out, line.results);
    if (line.price_fen >= 0) out.number("priceFen", line.price_fen);
    out.close();
  }
  return out.close_list().close().take();
}

std::string write(const RecognitionOutcome& outcome) {
  Out out;
  out.open()
      .text("kind", recognition_outcome_kind)
      .text("id", outcome.id.hex())
      .text("decision", outcome.decision.hex());
  out.text("at", to_iso(outcome.at)).text("facility", outcome.facility).text("practitioner", outcome.practitioner);
  if (outcome.claimed) out.flag("claimed", true);
  out.text("door", outcome.door).open_list("lines");
  for (const auto& line : outcome.lines) {
    out.open()
        .number("line", line.line)
        .text("outcome", to_string(line.outcome))
        .text("reason", line.reason)
        .text("text", line.text);
    if (line.outcome == OutcomeKind::refused) out.flag("counted", line.counted);
    if (line.told) out.flag("told", *line.told);
    put(out, line.results);
    out.close();
  }
  return out.close_list().close().take();
}

Result<PlacedOrder> read_placed_order(std::string_view json, RecordId id) {
  rapidjson::Document document;
  document.Parse<rapidjson::kParseIterativeFlag>(json.data(), json.size());
  if (document.HasParseError() || !document.IsObject()) return broken();
  const In in(document);
  PlacedOrder placed;
  placed.id = id;
  placed.at = {in.number("at", 0)};
  placed.facility = in.text("facility");
  placed.patient_of = in.text("patientOf");
  placed.patient = in.text("patient");
  placed.number = in.text("number");
  placed.group = in.text("group");
  placed.department = in.text("department");
  placed.practitioner = in.text("practitioner");
  placed.encounter = in.text("encounter");
  placed.preoperative = in.flag("preoperative").value_or(false);
  placed.code = in.text("code");
  placed.name = in.text("name");
  placed.loinc = in.text("loinc");
  return placed;
}

Result<RecognitionDecided> read_recognition_decided(std::string_view json) {
  rapidjson::Document document;
  if (!read_document(document, json, recognition_decided_kind)) return broken();
  const In in(document);
  RecognitionDecided decided;
  const auto id = RecordId::from_hex(in.text("id"));
  if (!id) return broken();
  decided.id = *id;
  decided.at = in.time("at").value_or(Timestamp());
  decided.facility = in.text("facility");
  decided.department = in.text("department");
  decided.practitioner = in.text("practitioner");
  decided.encounter = in.text("encounter");
  decided.purpose = in.text("purpose");
  decided.order = in.text("order");
  decided.person = in.text("person");
  decided.rules = in.text("rules");
  decided.day = in.text("day");
  decided.extent = in.text("extent");
  decided.door = in.text("door");
  if (const auto follows = RecordId::from_hex(in.text("follows"))) decided.follows = *follows;
  decided.client = in.text("client");
  decided.zone_day = in.text("countsOn");
  in.each("lines", [&](const rapidjson::Value& element) {
    if (!element.IsObject()) return;
    const In one(element);
    DecidedLine line;
    line.code = one.text("code");
    line.reference = one.text("reference");
    line.item = one.text("item");
    line.verdict = one.text("verdict");
    one.each("reasons", [&](const rapidjson::Value& reason) {
      if (reason.IsString()) line.reasons.emplace_back(reason.GetString(), reason.GetStringLength());
    });
    line.results = results_of(one);
    line.price_fen = one.number("priceFen", -1);
    decided.lines.push_back(std::move(line));
  });
  return decided;
}

Result<RecognitionOutcome> read_recognition_outcome(std::string_view json) {
  rapidjson::Document document;
  if (!read_document(document, json, recognition_outcome_kind)) return broken();
  const In in(document);
  RecognitionOutcome outcome;
  const auto id = RecordId::from_hex(in.text("id")), decision = RecordId::from_hex(in.text("decision"));
  if (!id || !decision) return broken();
  outcome.id = *id;
  outcome.decision = *decision;
  outcome.at = in.time("at").value_or(Timestamp());
  outcome.facility = in.text("facility");
  outcome.practitioner = in.text("practitioner");
  outcome.claimed = in.flag("claimed").value_or(false);
  outcome.door = in.text("door");
  bool good = true;
  in.each("lines", [&](const rapidjson::Value& element) {
    if (!element.IsObject()) return;
    const In one(element);
    LineOutcome line;
    line.line = static_cast<std::uint32_t>(one.number("line", 0));
    const auto kind = outcome_of(one.text("outcome"));
    good = good && kind;
    line.outcome = kind.value_or(OutcomeKind::viewed);
    line.reason = one.text("reason");
    line.text = one.text("text");
    line.counted = one.flag("counted").value_or(true);
    line.told = one.flag("told");
    line.results = results_of(one);
    outcome.lines.push_back(std::move(line));
  });
  if (!good) return broken();
  return outcome;
}

}  // namespace hutong::model
