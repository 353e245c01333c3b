#include "broker/referral/document.h"

#include "broker/model/json_document.h"

namespace hutong::referral {
namespace {

using model::In;
using model::Out;

constexpr std::string_view kind = "referral";

void write(Out& out, const char* name, const std::vector<model::ReferralDocument>& documents) {
  if (documents.empty()) return;
  out.open_list(name);
  for (const auto& document : documents) {
    out.open().text("kind", document.kind).text("id", document.id);
    out.number("version", static_cast<std::int64_t>(document.version)).close();
  }
  out.close_list();
}

std::vector<model::ReferralDocument> documents_in(const In& in, const char* name) {
  std::vector<model::ReferralDocument> documents;
  in.each(name, [&](const rapidjson::Value& element) {
    if (!element.IsObject()) return;
    const In one(element);
    documents.push_back({one.text("kind"), one.text("id"), static_cast<std::uint64_t>(one.number("version", 1))});
  });
  return documents;
}

void write(Out& out, const char* name, const std::optional<Timestamp>& moment) {
  if (moment) out.number(name, moment->micros);
}

std::optional<Timestamp> moment_in(const In& in, const char* name) {
  constexpr std::int64_t none = INT64_MIN;
  const auto micros = in.number(name, none);
  return micros == none ? std::nullopt : std::optional(Timestamp{micros});
}

std::optional<model::Priority> urgency_of(std::string_view text) {
  for (const auto each : {model::Priority::routine, model::Priority::urgent, model::Priority::stat}) {
    if (model::to_string(each) == text) return each;
  }
  return std::nullopt;
}

}  // namespace

// Times are microseconds: whoever reads back gets exactly what was counted from.
std::string write(const Referral& referral) {
  Out out;
  out.open().text("kind", kind).text("id", referral.id.hex()).text("state", to_string(referral.state));
  out.number("version", static_cast<std::int64_t>(referral.version)).text("number", referral.number);
  out.text("person", referral.person).text("patientOf", referral.patient_of).text("patient", referral.patient);
  out.text("direction", to_string(referral.direction)).text("urgency", to_string(referral.urgency));
  out.text("sender", referral.sender).text("senderDepartment", referral.sender_department);
  out.text("receiver", referral.receiver).text("receiverDepartment", referral.receiver_department);
  if (!referral.former_receivers.empty()) {
    out.open_list("formerReceivers");
    for (const auto& each : referral.former_receivers) out.element(each);
    out.close_list();
  }
  out.text("choice", to_string(referral.choice)).text("outside", referral.outside);
  out.text("insuranceFiling", referral.insurance_filing).text("proposed", referral.proposed);
  for (const auto& [name, reason] :
       {std::pair("indication", &referral.indication), std::pair("reason", &referral.reason)}) {
    if (reason->said()) out.open(name).text("code", reason->code).text("text", reason->text).close();
  }
  if (referral.slot) {
    out.open("slot").number("start", referral.slot->start.micros).number("end", referral.slot->end.micros);
    out.text("department", referral.slot->department).text("place", referral.slot->place).close();
  }
  write(out, "documents", referral.documents);
  write(out, "reports", referral.reports);
  if (referral.follows) out.text("follows", referral.follows->hex());
  if (referral.downward) out.text("downward", referral.downward->hex());
  out.number("askedAt", referral.asked_at.micros).number("since", referral.since.micros);
  write(out, "arrivedAt", referral.arrived_at);
  write(out, "reminded", referral.told.reminded);
  write(out, "firstEscalated", referral.told.first_escalated);
  write(out, "lastEscalated", referral.told.last_escalated);
  out.open_list("steps");
  for (const auto& step : referral.steps) {
    out.open().text("command", step.command.hex()).text("action", to_string(step.action));
    out.text("role", to_string(step.role)).text("state", to_string(step.state));
    out.number("version", static_cast<std::int64_t>(step.version)).number("at", step.at.micros);
    write(out, "happened", step.happened);
    out.text("facility", step.facility).close();
  }
  out.close_list();
  return out.close().take();
}

Result<Referral> read_referral(std::string_view json) {
  const auto broken = [] {
    return fail(ErrorCode::corrupt, "a referral in the store does not read; run hutong rebuild");
  };
  rapidjson::Document document;
  if (!model::read_document(document, json, kind)) return broken();
  const In in(document);
  const auto id = ReferralId::from_hex(in.text("id"));
  const auto state = model::referral_state_of(in.text("state"));
  const auto direction = model::direction_of(in.text("direction"));
  const auto urgency = urgency_of(in.text("urgency"));
  const auto choice = model::choice_of(in.text("choice"));
  const auto asked = moment_in(in, "askedAt"), since = moment_in(in, "since");
  if (!id || !state || !direction || !urgency || !choice || !asked || !since) return broken();
  Referral referral;
  referral.id = *id;
  referral.state = *state;
  referral.version = static_cast<std::uint64_t>(in.number("version", 0));
  referral.number = in.text("number");
  referral.person = in.text("person");
  referral.patient_of = in.text("patientOf");
  referral.patient = in.text("patient");
  referral.direction = *direction;
  referral.urgency = *urgency;
  referral.sender = in.text("sender");
  referral.sender_department = in.text("senderDepartment");
  referral.receiver = in.text("receiver");
  referral.receiver_department = in.text("receiverDepartment");
  in.each("formerReceivers", [&](const rapidjson::Value& each) {
    if (each.IsString()) referral.former_receivers.emplace_back(each.GetString(), each.GetStringLength());
  });
  referral.choice = *choice;
  referral.outside = in.text("outside");
  referral.insurance_filing = in.text("insuranceFiling");
  referral.proposed = in.text("proposed");
  for (const auto& [name, reason] :
       {std::pair("indication", &referral.indication), std::pair("reason", &referral.reason)})
    in.inside(name, [&](const In& said) { *reason = {said.text("code"), said.text("text")}; });
  in.inside("slot", [&](const In& slot) {
    const auto start = moment_in(slot, "start"), end = moment_in(slot, "end");
    if (start && end) referral.slot = model::Slot{*start, *end, slot.text("department"), slot.text("place")};
  });
  referral.documents = documents_in(in, "documents");
  referral.reports = documents_in(in, "reports");
  referral.follows = ReferralId::from_hex(in.text("follows"));
  referral.downward = ReferralId::from_hex(in.text("downward"));
  referral.asked_at = *asked;
  referral.since = *since;
  referral.arrived_at = moment_in(in, "arrivedAt");
  referral.told = {moment_in(in, "reminded"), moment_in(in, "firstEscalated"), moment_in(in, "lastEscalated")};
  bool good = true;
  in.each("steps", [&](const rapidjson::Value& element) {
    if (!element.IsObject()) return;
    const In one(element);
    const auto command = RecordId::from_hex(one.text("command"));
    const auto action = model::referral_action_of(one.text("action"));
    const auto role = model::referral_role_of(one.text("role"));
    const auto after = model::referral_state_of(one.text("state"));
    const auto at = moment_in(one, "at");
    good = good && command && action && role && after && at;
    if (!good) return;
    referral.steps.push_back({*command, *action, *role, *after, static_cast<std::uint64_t>(one.number("version", 0)),
                              *at, moment_in(one, "happened"), one.text("facility")});
  });
  if (!good) return broken();
  return referral;
}

}  // namespace hutong::referral
