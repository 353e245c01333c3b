// The ledger of referrals (转诊台账): who waits where since when, with the time of every step.
#include <charconv>

#include "adapters/api/client_facilities.h"
#include "adapters/api/referral_handlers.h"

namespace hutong::api {
namespace {

// Clinical users see the patients of the facilities they act for; who only operates, the course of all.
net::awaitable<Result<access::Permit>> look_permit(const ReferralDeps& deps, const Request& request,
                                                   access::Action action, std::string subject, std::string parameters) {
  const bool operates =
      request.principal && request.principal->has("hutong/operate") && !request.principal->has("system/Task.s");
  if (operates) action = access::Action::operate;
  co_return co_await referral_permit(deps, request, action, operates ? "referrals" : "Task", std::move(subject),
                                     std::move(parameters));
}
bool sees_patients(const access::Permit& permit) {
  return permit.demand().action != access::Action::operate;
}
// In whose name somebody looks; none: in anybody's.
std::vector<std::string> looks_for(const ReferralDeps& deps, const Request& request, const access::Permit& permit) {
  return sees_patients(permit) ? facilities_of(deps.clients, request) : std::vector<std::string>();
}

Result<std::optional<bool>> yes_or_no(const Request& request, std::string_view name) {
  const auto text = request.parameter(name);
  if (text.empty()) return std::nullopt;
  if (text == "true") return true;
  if (text == "false") return false;
  return fail(ErrorCode::invalid, std::string(name) + ": expected true or false");
}

Result<query::LedgerSearch> search_of(const ReferralDeps& deps, const Request& request, const access::Permit& permit) {
  query::LedgerSearch search;
  search.facility = request.parameter("facility");
  if (sees_patients(permit)) {
    const auto own = facilities_of(deps.clients, request);
    if (search.facility.empty() && own.size() == 1) search.facility = own.front();
    if (auto may = acts_for(deps.clients, request, search.facility); !may) {
      return search.facility.empty()
                 ? fail(ErrorCode::invalid, "facility is needed: which of those that this client acts for")
                 : tl::unexpected<Error>(may.error());
    }
  }
  search.part = request.parameter("part");
  if (!search.part.empty() && search.part != "sender" && search.part != "receiver")
    return fail(ErrorCode::invalid, "part: expected sender or receiver");
  if (!search.part.empty() && search.facility.empty())
    return fail(ErrorCode::invalid, "part goes with facility: whose part");
  std::string_view states = request.parameter("state");
  while (!states.empty()) {
    const auto one = states.substr(0, states.find(','));
    states.remove_prefix(std::min(states.size(), one.size() + 1));
    const auto state = model::referral_state_of(one);
    if (!state || *state == model::ReferralState::none) {
      return fail(ErrorCode::invalid,
                  "state: expected requested, received, accepted, declined, redirected, no-show, arrived, "
                  "in-treatment, report-returned, closed, cancelled or expired; several with commas");
    }
    search.states.push_back(*state);
  }
  if (const auto text = request.parameter("direction"); !text.empty()) {
    const auto direction = model::direction_of(text);
    if (!direction) return fail(ErrorCode::invalid, "direction: expected up, down or level");
    search.direction = *direction;
  }
  const auto open = yes_or_no(request, "open"), overdue = yes_or_no(request, "overdue");
  if (!open) return tl::unexpected<Error>(open.error());
  if (!overdue) return tl::unexpected<Error>(overdue.error());
  search.open = *open;
  search.overdue = overdue->value_or(false);
  if (const auto text = request.parameter("patient"); !text.empty()) {
    search.person = PersonId::from_hex(text);
    if (!search.person) return fail(ErrorCode::invalid, "patient: expected a Patient's id, 32 hex digits");
  }
  for (const auto& [name, moment] : {std::pair("from", &search.from), std::pair("to", &search.to)}) {
    const auto text = request.parameter(name);
    if (text.empty()) continue;
    const auto span = parse_iso(text);
    if (!span)
      return fail(ErrorCode::invalid,
                  std::string(name) + ": expected a day or a moment such as 2026-03-01T08:00:00+08:00");
    *moment = name == std::string_view("to") && text.size() == 10 ? span->last : span->first;
  }
  if (const auto text = request.parameter("limit"); !text.empty()) {
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), search.limit);
    if (error != std::errc() || end != text.data() + text.size() || search.limit == 0 ||
        search.limit > limits::page_items_max)
      return fail(ErrorCode::invalid, "limit: a number from 1 to " + std::to_string(limits::page_items_max));
  }
  search.position = request.parameter("page");
  return search;
}

}  // namespace

ReferralAnswer referral_ledger(const ReferralDeps& deps, const Request& request) {
  const auto patient = PersonId::from_hex(request.parameter("patient"));  // the audit takes nothing that is none
  auto permit =
      co_await look_permit(deps, request, access::Action::search, patient ? patient->hex() : "", "referral-ledger");
  if (!permit) co_return fault(request.path, permit.error());
  auto search = search_of(deps, request, *permit);
  if (!search) co_return fault(request.path, search.error());
  const bool with_patient = sees_patients(*permit);
  if (search->person && !with_patient)
    co_return fault(request.path, 403, "forbidden", "patient needs a token with the scope system/Task.s");
  const auto ledger = co_await deps.referrals.ledger(*permit, std::move(*search));
  if (!ledger) co_return fault(request.path, ledger.error());
  const auto who = looks_for(deps, request, *permit);
  JsonText json;
  json.begin_object().add("at", deps.referrals.now());
  if (!ledger->next.empty()) json.add("next", ledger->next);
  json.begin_array("referrals");
  for (const auto& shown : ledger->found) write(json, deps.referrals, shown, who, with_patient);
  json.end_array().end_object();
  auto response = json_response(json.take());
  response.headers.emplace_back("X-Hutong-Offset", std::to_string(ledger->offset));
  co_return response;
}

ReferralAnswer one_referral(const ReferralDeps& deps, const Request& request) {
  const auto id = ReferralId::from_hex(request.captures.at(0));
  auto permit = co_await look_permit(deps, request, access::Action::read, id ? id->hex() : "", "referral");
  if (!permit) co_return fault(request.path, permit.error());
  if (!id) co_return fault(request.path, 404, "not-found", "a referral's id has 32 hexadecimal digits");
  const auto who = looks_for(deps, request, *permit);
  const auto shown = co_await deps.referrals.read(*permit, *id, who);
  if (!shown) co_return fault(request.path, shown.error());
  JsonText json;
  write(json, deps.referrals, *shown, who, sees_patients(*permit));
  auto response = json_response(json.take());
  response.headers.emplace_back("ETag", "W/\"" + std::to_string(shown->referral.version) + "\"");
  response.headers.emplace_back("X-Hutong-Offset", std::to_string(shown->offset));
  co_return response;
}

// What may travel with a referral of this patient: the sender looks, and says which.
ReferralAnswer referral_proposals(const ReferralDeps& deps, const Request& request) {
  const auto person = PersonId::from_hex(request.parameter("patient"));
  auto permit = co_await referral_permit(deps, request, access::Action::search, "DiagnosticReport",
                                         person ? person->hex() : "", "referral-proposals");
  if (!permit) co_return fault(request.path, permit.error());
  if (!person) co_return fault(request.path, 400, "invalid", "patient: expected a Patient's id, 32 hex digits");
  const auto found = co_await deps.referrals.proposals(*permit, *person);
  if (!found) co_return fault(request.path, found.error());
  JsonText json;
  json.begin_object().begin_array("documents");
  for (const auto& each : *found) {
    json.begin_object().add("kind", "report").add("id", each.id).add("version", each.version);
    json.add("title", each.title).add("facility", each.facility).add("status", each.status).add("at", each.at);
    json.add("isExam", each.is_exam).add("recognisable", each.recognisable).end_object();
  }
  json.end_array().end_object();
  co_return json_response(json.take());
}

// The status address of a command that was not decided within two seconds.
ReferralAnswer referral_verdict(const ReferralDeps& deps, const Request& request) {
  const auto id = RecordId::from_hex(request.captures.at(0));
  auto permit = co_await look_permit(deps, request, access::Action::read, id ? id->hex() : "", "referral-command");
  if (!permit) co_return fault(request.path, permit.error());
  const auto verdict =
      id ? co_await deps.referrals.verdict(*permit, *id) : fail(ErrorCode::not_found, "no such command");
  if (!verdict) co_return fault(request.path, verdict.error());
  if (verdict->client != request.principal->client && sees_patients(*permit))
    co_return fault(request.path, 404, "not-found", "no such command of this client");
  JsonText json;
  json.begin_object();
  write(json, told(*verdict));
  json.end_object();
  co_return json_response(json.take(), verdict->answer ? 200 : 202);
}

}  // namespace hutong::api
