#include "adapters/api/referral.h"

#include <algorithm>
#include <charconv>
#include <memory>

#include "adapters/api/referral_handlers.h"
#include "broker/base/hash.h"
#include "broker/referral/words.h"

namespace hutong::api {
namespace {

using referral::Referral;

void words(JsonText& json, std::string_view name, std::string_view zh, std::string_view en) {
  json.begin_object(name).add("zh", zh).add("en", en).end_object();
}
void words(JsonText& json, std::string_view name, referral::Words said) {
  words(json, name, said.zh, said.en);
}

void put(JsonText& json, std::string_view name, std::string_view value) {
  if (!value.empty()) json.add(name, value);
}
void put(JsonText& json, std::string_view name, const std::optional<Timestamp>& moment) {
  if (moment) json.add(name, *moment);
}

void write_party(JsonText& json, std::string_view name, const query::ReferralRules& by, const std::string& code,
                 const std::string& department) {
  const auto* facility = by.facilities->find(code);
  json.begin_object(name).add("facility", code);
  if (facility) words(json, "name", facility->name_zh, facility->name_en);
  put(json, "department", department);
  json.end_object();
}

void write(JsonText& json, std::string_view name, const std::vector<model::ReferralDocument>& documents) {
  if (documents.empty()) return;
  json.begin_array(name);
  for (const auto& document : documents) {
    json.begin_object().add("kind", document.kind).add("id", document.id).add("version", document.version);
    json.end_object();
  }
  json.end_array();
}

void write_steps(JsonText& json, const Referral& referral) {
  json.begin_array("steps");
  std::optional<Timestamp> before;
  for (const auto& step : referral.steps) {
    json.begin_object().add("command", step.command.hex()).add("action", to_string(step.action));
    words(json, "text", referral::words(step.action));
    json.add("role", to_string(step.role));
    put(json, "facility", step.facility);
    json.add("state", to_string(step.state)).add("version", step.version).add("at", step.at);
    put(json, "happened", step.happened);
    if (before) json.add("seconds", std::chrono::duration<double>(step.at - *before).count());
    before = step.at;
    json.end_object();
  }
  json.end_array();
}

// What those who read may do now.
void write_actions(JsonText& json, const Referral& referral, const std::vector<std::string>& who) {
  json.begin_array("actions");
  for (const auto role : {referral::Role::sender, referral::Role::receiver}) {
    const auto& facility = role == referral::Role::sender ? referral.sender : referral.receiver;
    if (!who.empty() && std::find(who.begin(), who.end(), facility) == who.end()) continue;
    for (const auto action : referral::actions_of(referral.state, role)) {
      json.begin_object().add("action", to_string(action)).add("facility", facility);
      words(json, "text", referral::words(action));
      json.end_object();
    }
  }
  json.end_array();
}

}  // namespace

net::awaitable<Result<access::Permit>> referral_permit(const ReferralDeps& deps, const Request& request,
                                                       access::Action action, std::string resource, std::string subject,
                                                       std::string parameters) {
  if (!request.principal) co_return fail(ErrorCode::forbidden, "this needs a token: run hutong token --client NAME");
  access::Demand demand{action,
                        std::move(resource),
                        std::move(subject),
                        std::move(parameters),
                        std::string(request.header("x-purpose-of-use")),
                        request.peer};
  co_return co_await deps.gate.decide(*request.principal, std::move(demand));
}

void write(JsonText& json, const query::Referrals& referrals, const query::ShownReferral& shown,
           const std::vector<std::string>& who, bool with_patient) {
  const auto& referral = shown.referral;
  const auto by = referrals.rules();
  json.begin_object().add("id", referral.id.hex()).add("version", referral.version);
  json.add("state", to_string(referral.state));
  words(json, "text", referral::words(referral.state));
  json.add("open", referral::is_open(referral.state));
  json.add("direction", to_string(referral.direction)).add("urgency", to_string(referral.urgency));
  write_party(json, "sender", by, referral.sender, referral.sender_department);
  write_party(json, "receiver", by, referral.receiver, referral.receiver_department);
  if (with_patient) {
    json.add("number", referral.number).begin_object("patient").add("id", referral.person);
    put(json, "facility", referral.patient_of);
    put(json, "number", referral.patient);
    json.end_object();
    put(json, "insuranceFiling", referral.insurance_filing);
    put(json, "outside", referral.outside);  // free words may say more than they should
    write(json, "documents", referral.documents);
    write(json, "reports", referral.reports);
  }
  put(json, "choice", to_string(referral.choice));
  put(json, "proposed", referral.proposed);
  for (const auto& [name, reason] :
       {std::pair("indication", &referral.indication), std::pair("reason", &referral.reason)}) {
    if (!reason->said() || (reason == &referral.indication && !with_patient)) continue;
    json.begin_object(name);
    put(json, "code", reason->code);
    if (with_patient) put(json, "text", reason->text);
    json.end_object();
  }
  if (referral.slot) {
    json.begin_object("slot").add("start", referral.slot->start).add("end", referral.slot->end);
    put(json, "department", referral.slot->department);
    put(json, "place", referral.slot->place);
    json.end_object();
  }
  if (referral.follows) json.add("follows", referral.follows->hex());
  if (referral.downward) json.add("downward", referral.downward->hex());
  json.add("askedAt", referral.asked_at).add("since", referral.since);
  put(json, "arrivedAt", referral.arrived_at);
  if (referral.came_unaccepted()) json.add("cameUnaccepted", true);
  if (const auto wait = referral::wait_of(referral.state)) {
    json.begin_object("waitingFor").add("wait", referral::to_string(*wait));
    words(json, "text", referral::words(*wait));
    json.add("role", to_string(referral::waited_for(*wait)));
    put(json, "due", shown.due);
    json.add("overdue", shown.overdue).end_object();
  }
  if (shown.next) {
    json.begin_object("clock").add("action", to_string(shown.next->action)).add("at", shown.next->at).end_object();
  }
  const auto& told = referral.told;
  if (told.reminded || told.first_escalated) {
    json.begin_object("told");
    put(json, "reminded", told.reminded);
    put(json, "firstEscalated", told.first_escalated);
    put(json, "lastEscalated", told.last_escalated);
    json.end_object();
  }
  if (with_patient) write_actions(json, referral, who);
  write_steps(json, referral);
  json.end_object();
}

query::Verdict told(query::Verdict verdict) {
  auto& answer = verdict.answer;
  if (!answer || answer->refusal != model::Refusal::not_a_party) return verdict;
  answer->refusal = model::Refusal::unknown_referral;
  answer->from = answer->to = model::ReferralState::none;
  answer->version = 0;
  return verdict;
}

void write(JsonText& json, const query::Verdict& verdict) {
  json.begin_object("command").add("id", verdict.command.hex()).add("referral", verdict.referral.hex());
  if (!verdict.answer) {
    json.add("outcome", "waiting").end_object();
    return;
  }
  const auto& answer = *verdict.answer;
  json.add("action", to_string(answer.action)).add("outcome", to_string(answer.outcome));
  json.add("role", to_string(answer.role)).add("state", to_string(answer.to)).add("version", answer.version);
  json.add("at", answer.at).add("rules", answer.rules);
  if (answer.refusal) {
    const auto why = referral::explain(answer);
    json.add("refusal", to_string(*answer.refusal));
    words(json, "text", why.zh, why.en);
  }
  json.end_object();
}

int status_of(const query::Verdict& verdict) {
  if (!verdict.answer) return 202;
  const auto& answer = *verdict.answer;
  if (!answer.refusal) return answer.action == model::ReferralAction::request ? 201 : 200;
  switch (*answer.refusal) {
    case model::Refusal::unknown_referral:
    case model::Refusal::not_a_party: return 404;
    case model::Refusal::version_conflict: return 412;
    default: return 409;
  }
}

Result<std::optional<std::uint64_t>> expected_version(const Request& request) {
  std::string_view text = request.header("if-match");
  if (text.empty() || text == "*") return std::nullopt;
  if (text.starts_with("W/")) text.remove_prefix(2);
  if (text.size() >= 2 && text.front() == '"' && text.back() == '"') text = text.substr(1, text.size() - 2);
  std::uint64_t version = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), version);
  if (error != std::errc() || end != text.data() + text.size())
    return fail(ErrorCode::invalid, "If-Match: expected the ETag that the referral was read with, such as W/\"3\"");
  return version;
}

RecordId command_id(const Request& request, const model::ReferralCommand& command, Timestamp moment) {
  PartsHash hash;
  hash.add("referral-command").add(command.client).add(command.referral.view());
  const auto key = request.header("idempotency-key");
  const bool once = command.action == model::ReferralAction::request || referral::is_fact(command.action);
  hash.add(key);
  if (key.empty() && !command.version && !once) hash.add(std::to_string(moment.micros));
  model::ReferralCommand said = command;  // everything but what is given here
  said.id = {};
  said.at = {};
  return RecordId(hash.add(model::write(said)).finish());
}

std::vector<Route> referral_routes(ReferralDeps given) {
  const auto deps = std::make_shared<const ReferralDeps>(given);
  using Function = ReferralAnswer (*)(const ReferralDeps&, const Request&);
  const auto with = [&](Function function) {
    return [deps, function](const Request& request) { return function(*deps, request); };
  };
  // The handlers ask the Gate: a look is a clinical user's or an operator's, a command a clinical user's or the duty
  // role's.
  const std::string look = "system/Task hutong/operate", act = "system/Task hutong/coordinate";
  return {
      {"GET", "/api/v1/referrals", look, with(referral_ledger)},
      {"POST", "/api/v1/referrals", act, with(request_referral)},
      {"GET", "/api/v1/referrals/proposals", "system/DiagnosticReport.s", with(referral_proposals)},
      {"GET", "/api/v1/referrals/{id}", look, with(one_referral)},
      {"POST", "/api/v1/referrals/{id}/commands", act, with(command_referral)},
      {"GET", "/api/v1/referrals/commands/{id}", look, with(referral_verdict)},
  };
}

}  // namespace hutong::api
