// A referral is asked for, answered and followed: each command is appended and answered by what became of it.
#include "adapters/api/client_facilities.h"
#include "adapters/api/referral_handlers.h"
#include "broker/referral/words.h"

namespace hutong::api {
namespace {

using model::ReferralCommand;

std::optional<model::Priority> urgency_of(std::string_view text) {
  using enum model::Priority;
  if (text.empty()) return unknown;
  for (const auto each : {routine, urgent, asap, stat}) {
    if (to_string(each) == text) return each;
  }
  return std::nullopt;
}

Result<std::optional<Timestamp>> moment_in(const JsonTree& body, const char* name) {
  const auto& text = body[name].text();
  if (text.empty()) return std::nullopt;
  const auto span = parse_iso(text);
  if (!span || text.size() < 16)
    return fail(ErrorCode::invalid, std::string(name) + ": expected a moment such as 2026-03-01T08:00:00+08:00");
  return span->first;
}

// Whom the request is about, to be looked for.
Result<query::PersonSearch> patient_of(const JsonTree& patient) {
  query::PersonSearch search;
  if (const auto& id = patient["id"].text(); !id.empty()) {
    if (!PersonId::from_hex(id)) return fail(ErrorCode::invalid, "patient.id: expected a Patient's id, 32 hex digits");
    search.ids.push_back(id);
    return search;
  }
  for (const auto& identifier : patient["identifiers"].elements()) {
    query::Token token;
    token.system = identifier["system"].text();
    token.value = identifier["value"].text();
    if (token.system->empty() || token.value.empty())
      return fail(ErrorCode::invalid, "patient.identifiers: each needs a system and a value");
    search.identifiers.push_back(std::move(token));
  }
  if (search.identifiers.size() > 20) return fail(ErrorCode::invalid, "patient.identifiers: at most 20");
  const auto& facility = patient["facility"].text();
  const auto& number = patient["number"].text();
  if (!facility.empty() && !number.empty())
    search.identifiers.push_back({"urn:hutong:facility:" + facility + ":mrn", number});
  if (search.identifiers.empty()) {
    return fail(ErrorCode::invalid,
                "patient: expected {\"id\":…}, {\"identifiers\":[{\"system\":…,\"value\":…}]} or "
                "{\"facility\":…,\"number\":…}");
  }
  return search;
}

Result<std::vector<model::ReferralDocument>> documents_in(const JsonTree& body) {
  std::vector<model::ReferralDocument> documents;
  for (const auto& each : body["documents"].elements()) {
    const auto& kind = each["kind"].text();
    model::ReferralDocument document{kind, each["id"].text(), kind == "report" ? 0U : 1U};  // 0: the current one
    if (const auto& version = each["version"].text(); !version.empty()) {
      const auto number = std::atoll(version.c_str());
      if (number < 1) return fail(ErrorCode::invalid, "documents: version is a number from 1");
      document.version = static_cast<std::uint64_t>(number);
    }
    documents.push_back(std::move(document));
  }
  return documents;
}

// What every action may say; which of it one needs is the state machine's business.
Result<void> read_body(const JsonTree& body, const Request& request, ReferralCommand& command) {
  if (!body.is_object()) return fail(ErrorCode::invalid, "the body must be a JSON object");
  command.client = request.principal->client;
  command.facility = body["facility"].text();
  command.department = body["department"].text();
  command.practitioner = body["practitioner"].text();
  command.reason = {body["reason"]["code"].text(), body["reason"]["text"].text()};
  command.receiver = body["receiver"].text();
  command.receiver_department = body["receiverDepartment"].text();
  command.outside = body["outside"].text();
  command.insurance_filing = body["insuranceFiling"].text();
  const auto choice = model::choice_of(body["choice"].text());
  if (!choice) return fail(ErrorCode::invalid, "choice: expected agreed, by-guardian, refused or not-possible");
  command.choice = *choice;
  const auto urgency = urgency_of(body["urgency"].text());
  if (!urgency) return fail(ErrorCode::invalid, "urgency: expected routine, urgent, asap or stat");
  command.urgency = *urgency;
  const auto happened = moment_in(body, "happened");
  if (!happened) return tl::unexpected<Error>(happened.error());
  command.happened = *happened;
  if (const auto& slot = body["slot"]; slot.is_object()) {
    const auto start = moment_in(slot, "start"), end = moment_in(slot, "end");
    if (!start || !end || !*start || !*end)
      return fail(ErrorCode::invalid, "slot: start and end are moments such as 2026-03-01T08:00:00+08:00");
    command.slot = model::Slot{**start, **end, slot["department"].text(), slot["place"].text()};
  }
  auto documents = documents_in(body);
  if (!documents) return tl::unexpected<Error>(documents.error());
  command.documents = std::move(*documents);
  const auto version = expected_version(request);
  if (!version) return tl::unexpected<Error>(version.error());
  command.version = *version;
  if (const auto& said = body["version"].text(); !said.empty() && !command.version)
    command.version = static_cast<std::uint64_t>(std::atoll(said.c_str()));
  return {};
}

Response not_named(const Request& request, const Error& error) {
  return error.code == ErrorCode::invalid ? fault(request.path, 422, "document-unknown", error.message)
                                          : fault(request.path, error);
}

// `who`: in whose name it was said; none: in anybody's.
ReferralAnswer answered(const ReferralDeps& deps, const Request& request, const access::Permit& permit,
                        const query::Verdict& found, const std::vector<std::string>& who) {
  const auto verdict = told(found);
  const std::string referral = verdict.referral.hex();
  const int status = status_of(verdict);
  JsonText json;
  json.begin_object();
  if (verdict.answer && verdict.answer->refusal) {
    const auto why = referral::explain(*verdict.answer);
    json.begin_object("error").add("code", to_string(*verdict.answer->refusal));
    json.add("message", why.en + " " + why.zh).end_object();
  }
  write(json, verdict);
  std::optional<std::uint64_t> version;
  if (status != 404 && status != 202) {
    // Whoever has lost it since hears what became of its command, and not how it goes on.
    const auto shown = co_await deps.referrals.read(permit, verdict.referral, who);
    if (shown) {
      version = shown->referral.version;
      json.begin_object("now").add("state", to_string(shown->referral.state)).add("version", *version).end_object();
    }
  }
  auto response = json_response(json.end_object().take(), status);
  const std::string base = request.base_url + "/api/v1/referrals/";
  if (status == 202) response.headers.emplace_back("Location", base + "commands/" + verdict.command.hex());
  if (status == 201) response.headers.emplace_back("Location", base + referral);
  if (version) response.headers.emplace_back("ETag", "W/\"" + std::to_string(*version) + "\"");
  co_return response;
}

}  // namespace

ReferralAnswer request_referral(const ReferralDeps& deps, const Request& request) {
  auto permit = co_await referral_permit(deps, request, access::Action::create, "Task", "", "referral");
  if (!permit) co_return fault(request.path, permit.error());
  const auto body = JsonTree::read(request.body);
  if (!body) co_return fault(request.path, body.error());
  ReferralCommand command;
  command.action = model::ReferralAction::request;
  if (auto read = read_body(*body, request, command); !read) co_return fault(request.path, read.error());
  command.version.reset();  // there is none before
  command.number = (*body)["number"].text();
  if (command.facility.empty() || command.number.empty())
    co_return fault(request.path, 400, "invalid", "facility (who sends) and number (the sender's own) are needed");
  if (auto may = acts_for(deps.clients, request, command.facility); !may) co_return fault(request.path, may.error());
  const auto direction = model::direction_of((*body)["direction"].text());
  if (!direction || *direction == model::Direction::unknown)
    co_return fault(request.path, 400, "invalid", "direction: expected up, down or level");
  command.direction = *direction;
  if (const auto& follows = (*body)["follows"].text(); !follows.empty()) {
    command.follows = ReferralId::from_hex(follows);
    if (!command.follows) co_return fault(request.path, 400, "invalid", "follows: expected a referral's id");
  }
  auto search = patient_of((*body)["patient"]);
  if (!search) co_return fault(request.path, search.error());
  auto patient = co_await deps.referrals.patient(*permit, std::move(*search), command.facility);
  if (!patient) {
    const auto& error = patient.error();
    co_return error.code == ErrorCode::not_found ? fault(request.path, 422, "patient-unknown", error.message)
                                                 : fault(request.path, error);
  }
  command.person = patient->person.hex();
  command.patient_of = patient->facility;
  command.patient = patient->number;
  command.referral = model::referral_id(command.facility, command.number);
  command.id = command_id(request, command, deps.referrals.now());
  if (auto good = co_await deps.referrals.check_documents(*permit, command); !good)
    co_return not_named(request, good.error());
  const auto verdict = co_await deps.referrals.command(*permit, std::move(command));
  if (!verdict) co_return fault(request.path, verdict.error());
  co_return co_await answered(deps, request, *permit, *verdict, facilities_of(deps.clients, request));
}

ReferralAnswer command_referral(const ReferralDeps& deps, const Request& request) {
  const auto id = ReferralId::from_hex(request.captures.at(0));
  const auto body = JsonTree::read(request.body);
  const bool coordinates = body && (*body)["capacity"].text() == "coordinator";
  auto permit = co_await referral_permit(deps, request, coordinates ? access::Action::operate : access::Action::update,
                                         coordinates ? "coordination" : "Task", id ? id->hex() : "", "referral");
  if (!permit) co_return fault(request.path, permit.error());
  if (!body) co_return fault(request.path, body.error());
  if (!id) co_return fault(request.path, 404, "not-found", "a referral's id has 32 hexadecimal digits");
  ReferralCommand command;
  command.referral = *id;
  if (auto read = read_body(*body, request, command); !read) co_return fault(request.path, read.error());
  const auto action = model::referral_action_of((*body)["action"].text());
  using Action = model::ReferralAction;
  if (!action || *action == Action::request || *action == Action::remind || *action == Action::escalate ||
      *action == Action::expire) {
    co_return fault(request.path, 400, "invalid",
                    "action: expected amend, receive, accept, decline, redirect, cancel, arrive, treat, report, close "
                    "or no-show");
  }
  command.action = *action;
  if (coordinates) {
    command.capacity = model::Capacity::coordinator;
  } else {
    if (command.facility.empty())
      co_return fault(request.path, 400, "invalid", "facility is needed: in whose name this is said");
    if (auto may = acts_for(deps.clients, request, command.facility); !may) co_return fault(request.path, may.error());
  }
  command.id = command_id(request, command, deps.referrals.now());
  if (auto good = co_await deps.referrals.check_documents(*permit, command); !good)
    co_return not_named(request, good.error());
  const auto verdict = co_await deps.referrals.command(*permit, std::move(command));
  if (!verdict) co_return fault(request.path, verdict.error());
  const auto who = coordinates ? std::vector<std::string>() : facilities_of(deps.clients, request);
  co_return co_await answered(deps, request, *permit, *verdict, who);
}

}  // namespace hutong::api
