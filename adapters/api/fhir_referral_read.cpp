#include "adapters/api/fhir_referral_read.h"

#include <algorithm>
#include <array>

#include "adapters/api/fhir_search.h"
#include "broker/model/referral_view.h"

namespace hutong::api {
namespace {

using model::ReferralAction;
using model::ReferralCommand;
using model::ReferralState;
using referral::Referral;

constexpr std::array<std::pair<std::string_view, ReferralState>, 12> states_by_status = {{
    {"requested", ReferralState::requested},
    {"requested", ReferralState::redirected},
    {"received", ReferralState::received},
    {"accepted", ReferralState::accepted},
    {"rejected", ReferralState::declined},
    {"on-hold", ReferralState::no_show},
    {"in-progress", ReferralState::arrived},
    {"in-progress", ReferralState::in_treatment},
    {"in-progress", ReferralState::report_returned},
    {"completed", ReferralState::closed},
    {"cancelled", ReferralState::cancelled},
    {"failed", ReferralState::expired},
}};

std::string_view status_of_state(ReferralState state) {
  for (const auto& [status, each] : states_by_status) {
    if (each == state) return status;
  }
  return {};
}

// The id of a reference "Type/id[/_history/n]", relative or absolute.
std::string id_in(std::string_view reference, std::string_view type) {
  const auto history = reference.find("/_history/");
  return std::string(reference_id(reference.substr(0, history), type));
}
std::uint64_t version_in(std::string_view reference) {
  const auto at = reference.find("/_history/");
  return at == std::string_view::npos ? 1 : std::max(1LL, std::atoll(std::string(reference.substr(at + 10)).c_str()));
}

std::string practitioner_of(const JsonTree& reference) {
  const auto& text = reference["reference"].text();
  if (text.find("Practitioner/") != std::string::npos) return id_in(text, "Practitioner");
  return reference["type"].text() == "Practitioner" ? reference["identifier"]["value"].text() : "";
}

const JsonTree& first(const JsonTree& list) {
  static const JsonTree none;
  return list.elements().empty() ? none : list.elements().front();
}

model::CodedReason reason_of(const JsonTree& coded) {
  const auto& coding = first(coded["coding"]);
  const auto& text = coded["text"].text();
  return {coding["code"].text(), text.empty() ? coding["display"].text() : text};
}

Result<model::Priority> priority_of(const JsonTree& resource) {
  using enum model::Priority;
  const auto& text = resource["priority"].text();
  if (text.empty()) return unknown;
  for (const auto each : {routine, urgent, asap, stat}) {
    if (to_string(each) == text) return each;
  }
  return fail(ErrorCode::invalid, "priority: expected routine, urgent, asap or stat");
}

constexpr std::array<std::string_view, 5> document_kinds = {"report", "document", "medication", "referral-record",
                                                            "treatment-report"};

std::string kind_of(std::string_view reference, std::string_view named, bool comes_back) {
  if (std::find(document_kinds.begin(), document_kinds.end(), named) != document_kinds.end()) return std::string(named);
  if (reference.find("DiagnosticReport/") != std::string_view::npos) return "report";
  if (reference.find("Medication") != std::string_view::npos) return "medication";
  return comes_back ? "treatment-report" : "document";
}

std::optional<model::ReferralDocument> document_of(const JsonTree& reference, std::string_view named, bool comes_back) {
  const auto& text = reference["reference"].text();
  const auto history = text.find("/_history/");
  const auto path = std::string_view(text).substr(0, history);
  const auto slash = path.rfind('/');
  if (slash == std::string_view::npos || slash + 1 == path.size()) return std::nullopt;
  return model::ReferralDocument{kind_of(text, named, comes_back), std::string(path.substr(slash + 1)),
                                 version_in(text)};
}

// Task.input and Task.output: each says by a code of urn:hutong:referral-detail what its value is.
struct Details {
  std::string choice, direction, outside, filing, proposed;
  std::optional<model::Slot> slot;
  std::vector<model::ReferralDocument> documents;
};
Result<Details> details_of(const JsonTree& list, bool comes_back) {
  Details details;
  std::string department, place;
  const auto value = [](const JsonTree& each) {
    for (const char* name : {"valueCode", "valueString"}) {
      if (!each[name].text().empty()) return each[name].text();
    }
    return first(each["valueCodeableConcept"]["coding"])["code"].text();
  };
  for (const auto& each : list.elements()) {
    const auto& code = first(each["type"]["coding"])["code"].text();
    if (code == "choice")
      details.choice = value(each);
    else if (code == "direction")
      details.direction = value(each);
    else if (code == "outside")
      details.outside = value(each);
    else if (code == "insurance-filing")
      details.filing = value(each);
    else if (code == "slot-department")
      department = value(each);
    else if (code == "slot-place")
      place = value(each);
    else if (code == "proposed-receiver")
      details.proposed = organization_of(each["valueReference"]);
    else if (code == "slot") {
      const auto start = parse_iso(each["valuePeriod"]["start"].text());
      const auto end = parse_iso(each["valuePeriod"]["end"].text());
      if (!start || !end)
        return fail(ErrorCode::invalid,
                    "output slot: valuePeriod with start and end, such as 2026-03-01T08:00:00+08:00");
      details.slot = model::Slot{start->first, end->first, {}, {}};
    } else if (const auto& reference = each["valueReference"]; reference.is_object()) {
      auto document = document_of(reference, code, comes_back);
      if (!document)
        return fail(ErrorCode::invalid, "valueReference: expected a reference such as DiagnosticReport/<id>");
      details.documents.push_back(std::move(*document));
    }
  }
  if (details.slot) {
    details.slot->department = std::move(department);
    details.slot->place = std::move(place);
  }
  return details;
}

std::string extension_in(const JsonTree& resource, std::string_view url) {
  for (const auto& each : resource["extension"].elements()) {
    if (each["url"].text() != url) continue;
    return !each["valueCode"].text().empty() ? each["valueCode"].text() : each["valueString"].text();
  }
  return {};
}

// Where the client does not say it: as the levels of the two have it.
model::Direction direction_between(const model::FacilityDirectory& facilities, const std::string& from,
                                   const std::string& to) {
  const auto* sender = facilities.find(from);
  const auto* receiver = facilities.find(to);
  if (!sender || !receiver) return model::Direction::level;  // refused for another reason
  return referral::direction_between({sender->code, sender->level, sender->kind},
                                     {receiver->code, receiver->level, receiver->kind});
}

template <class Text>
void say(Text& field, const Text& said) {
  if (!said.empty()) field = said;
}

Result<void> read_patient(const JsonTree& reference, query::PersonSearch& search) {
  if (const auto id = id_in(reference["reference"].text(), "Patient"); !id.empty()) {
    if (!PersonId::from_hex(id))
      return fail(ErrorCode::invalid,
                  "subject: a Patient's id has 32 hexadecimal digits; find it with Patient?identifier=");
    search.ids.push_back(id);
    return {};
  }
  const auto& identifier = reference["identifier"];
  if (identifier["system"].text().empty() || identifier["value"].text().empty()) {
    return fail(ErrorCode::invalid,
                "subject: expected a reference Patient/<id>, or an identifier with system and value");
  }
  query::Token token;
  token.system = identifier["system"].text();
  token.value = identifier["value"].text();
  search.identifiers.push_back(std::move(token));
  return {};
}

// The action that leads to a business status.
std::optional<ReferralAction> action_to(ReferralState wanted) {
  switch (wanted) {
    case ReferralState::received: return ReferralAction::receive;
    case ReferralState::accepted: return ReferralAction::accept;
    case ReferralState::declined: return ReferralAction::decline;
    case ReferralState::redirected: return ReferralAction::redirect;
    case ReferralState::no_show: return ReferralAction::no_show;
    case ReferralState::arrived: return ReferralAction::arrive;
    case ReferralState::in_treatment: return ReferralAction::treat;
    case ReferralState::report_returned: return ReferralAction::report;
    case ReferralState::closed: return ReferralAction::close;
    case ReferralState::cancelled: return ReferralAction::cancel;
    case ReferralState::none:
    case ReferralState::requested:
    case ReferralState::expired: break;
  }
  return std::nullopt;
}

// Where only Task.status was changed.
std::optional<ReferralAction> action_to_status(std::string_view status) {
  if (status == "received") return ReferralAction::receive;
  if (status == "accepted") return ReferralAction::accept;
  if (status == "rejected") return ReferralAction::decline;
  if (status == "on-hold") return ReferralAction::no_show;
  if (status == "in-progress") return ReferralAction::arrive;
  if (status == "completed") return ReferralAction::close;
  if (status == "cancelled") return ReferralAction::cancel;
  return std::nullopt;
}

bool has_new(const std::vector<model::ReferralDocument>& said, const std::vector<model::ReferralDocument>& stands) {
  return std::any_of(said.begin(), said.end(), [&](const auto& each) {
    return std::none_of(stands.begin(), stands.end(),
                        [&](const auto& other) { return other.id == each.id && other.version >= each.version; });
  });
}

Result<std::optional<ReferralAction>> action_of(const JsonTree& task, const Referral& stands, const Details& in,
                                                const Details& out) {
  const auto& status = task["status"].text();
  const auto& business = first(task["businessStatus"]["coding"])["code"].text();
  if (!business.empty() && business != to_string(stands.state)) {
    const auto wanted = model::referral_state_of(business);
    const auto action = wanted ? action_to(*wanted) : std::nullopt;
    if (!action) {
      return fail(ErrorCode::invalid,
                  "businessStatus: expected a code of urn:hutong:referral-state that somebody can bring about; see "
                  "/fhir/CodeSystem/referral-state");
    }
    return action;
  }
  if (!status.empty() && status != status_of_state(stands.state)) {
    const auto action = action_to_status(status);
    if (!action) {
      return fail(ErrorCode::invalid,
                  "status: expected received, accepted, rejected, on-hold, in-progress, completed or cancelled");
    }
    return action;
  }
  const auto owner = organization_of(task["owner"]);
  if (!owner.empty() && owner != stands.receiver) return ReferralAction::redirect;
  if (has_new(out.documents, stands.reports)) return ReferralAction::report;
  if (out.slot && stands.state == ReferralState::accepted && out.slot != stands.slot) return ReferralAction::accept;
  const auto priority = priority_of(task);
  if (!priority) return tl::unexpected<Error>(priority.error());
  const bool urgency = *priority != model::Priority::unknown && *priority != stands.urgency &&
                       !(*priority == model::Priority::asap && stands.urgency == model::Priority::urgent);
  if (urgency || has_new(in.documents, stands.documents) ||
      (!in.filing.empty() && in.filing != stands.insurance_filing))
    return ReferralAction::amend;
  return std::nullopt;
}

bool same(const model::CodedReason& a, const model::CodedReason& b) {
  return a.code == b.code && a.text == b.text;
}

// What a Task that was put says of this action.
Result<ReferralCommand> command_of(const JsonTree& task, ReferralAction action, Details in, Details out) {
  ReferralCommand command;
  command.action = action;
  command.reason = reason_of(task["statusReason"]);
  switch (command.action) {
    case ReferralAction::accept: command.slot = out.slot; break;
    case ReferralAction::decline: command.receiver = out.proposed; break;
    case ReferralAction::redirect: {
      command.receiver = organization_of(task["owner"]);
      const auto choice = model::choice_of(in.choice);
      if (!choice) return fail(ErrorCode::invalid, "input choice: expected agreed, by-guardian or refused");
      command.choice = *choice;
      command.outside = in.outside;
      break;
    }
    case ReferralAction::arrive:
    case ReferralAction::treat:
      if (const auto span = parse_iso(task["executionPeriod"]["start"].text())) command.happened = span->first;
      break;
    case ReferralAction::report: command.documents = std::move(out.documents); break;
    case ReferralAction::amend: {
      command.reason = {};  // what stands there is an earlier decision's
      const auto priority = priority_of(task);
      if (!priority) return tl::unexpected<Error>(priority.error());
      command.urgency = *priority;
      command.documents = std::move(in.documents);
      command.insurance_filing = std::move(in.filing);
      break;
    }
    default: break;
  }
  return command;
}

}  // namespace

std::string organization_of(const JsonTree& reference) {
  if (const auto id = id_in(reference["reference"].text(), "Organization");
      !id.empty() && id.find('/') == std::string::npos &&
      reference["reference"].text().find("Organization/") != std::string::npos)
    return id;
  const auto& identifier = reference["identifier"];
  const auto& system = identifier["system"].text();
  return system == "urn:hutong:facility" || reference["type"].text() == "Organization" ? identifier["value"].text()
                                                                                       : "";
}

std::vector<ReferralState> states_of_status(std::string_view task_status) {
  std::vector<ReferralState> states;
  for (const auto& [status, state] : states_by_status) {
    if (status == task_status) states.push_back(state);
  }
  return states;
}

Result<AskedReferral> read_request(const JsonTree& request, const JsonTree& task,
                                   const model::FacilityDirectory& facilities) {
  if (!request.is_object()) return fail(ErrorCode::invalid, "focus: the ServiceRequest is missing");
  AskedReferral asked;
  auto& command = asked.command;
  command.action = ReferralAction::request;
  command.number = first(request["identifier"])["value"].text();
  if (command.number.empty()) command.number = first(task["identifier"])["value"].text();
  for (const auto* resource : {&request, &task}) {
    say(command.facility, organization_of((*resource)["requester"]));
    say(command.practitioner, practitioner_of((*resource)["requester"]));
  }
  for (const auto& performer : request["performer"].elements()) say(command.receiver, organization_of(performer));
  say(command.receiver, organization_of(task["owner"]));
  command.receiver_department = request["performerType"]["text"].text();
  for (const auto* resource : {&request, &task}) {
    const auto priority = priority_of(*resource);
    if (!priority) return tl::unexpected<Error>(priority.error());
    if (*priority != model::Priority::unknown) command.urgency = *priority;
  }
  command.reason = reason_of(first(request["reasonCode"]));
  if (!command.reason.said()) command.reason = reason_of(task["reasonCode"]);
  if (const auto& follows = first(request["basedOn"])["reference"].text(); !follows.empty()) {
    command.follows = ReferralId::from_hex(id_in(follows, "ServiceRequest"));
    if (!command.follows)
      return fail(ErrorCode::invalid, "basedOn: expected the ServiceRequest of the referral that this one answers");
  }
  for (const auto& each : request["supportingInfo"].elements()) {
    auto document = document_of(each, "", false);
    if (!document) return fail(ErrorCode::invalid, "supportingInfo: expected references such as DiagnosticReport/<id>");
    command.documents.push_back(std::move(*document));
  }
  auto in = details_of(task["input"], false);
  if (!in) return tl::unexpected<Error>(in.error());
  for (auto& document : in->documents) command.documents.push_back(std::move(document));
  std::string choice = extension_in(request, "urn:hutong:referral-choice");
  std::string direction = extension_in(request, "urn:hutong:referral-direction");
  command.outside = extension_in(request, "urn:hutong:referral-outside");
  command.insurance_filing = extension_in(request, "urn:hutong:insurance-filing");
  say(choice, in->choice);
  say(direction, in->direction);
  say(command.outside, in->outside);
  say(command.insurance_filing, in->filing);
  const auto chosen = model::choice_of(choice);
  if (!chosen) {
    return fail(ErrorCode::invalid, "input choice: expected agreed, by-guardian, refused or not-possible");
  }
  command.choice = *chosen;
  const auto said = model::direction_of(direction);
  if (!said) return fail(ErrorCode::invalid, "input direction: expected up, down or level");
  command.direction =
      *said == model::Direction::unknown ? direction_between(facilities, command.facility, command.receiver) : *said;
  const auto& subject = request["subject"].is_object() ? request["subject"] : task["for"];
  if (auto read = read_patient(subject, asked.patient); !read) return tl::unexpected<Error>(read.error());
  return asked;
}

Result<std::optional<ReferralCommand>> read_change(const JsonTree& task, const Referral& stands) {
  auto in = details_of(task["input"], false);
  if (!in) return tl::unexpected<Error>(in.error());
  auto out = details_of(task["output"], true);
  if (!out) return tl::unexpected<Error>(out.error());
  const auto action = action_of(task, stands, *in, *out);
  if (!action) return tl::unexpected<Error>(action.error());
  if (!*action) return std::nullopt;
  auto command = command_of(task, **action, std::move(*in), std::move(*out));
  if (!command) return tl::unexpected<Error>(command.error());
  command->referral = stands.id;
  if (stands.arrived_at) command->happened.reset();  // where it stands, it is put back as it was read
  if (model::shows_reason(stands.state) && same(command->reason, stands.reason))
    command->reason = {};  // and so is this
  return std::optional(std::move(*command));
}

bool says_again(const JsonTree& task, const ReferralCommand& said, ReferralState before, ReferralState after) {
  // The state that it names is the one that it was read with or the one that it led to; what names no other state moves
  // by its owner, its documents or its slot.
  const auto& status = task["status"].text();
  const auto& business = first(task["businessStatus"]["coding"])["code"].text();
  const auto is = [](std::string_view text, std::string_view name) { return text.empty() || text == name; };
  const bool stays = is(business, to_string(before)) && is(status, status_of_state(before));
  const bool leads = (is(business, to_string(after)) || is(business, to_string(before))) &&
                     (is(status, status_of_state(after)) || is(status, status_of_state(before)));
  using enum ReferralAction;
  const bool moves = said.action == redirect || said.action == report || said.action == accept || said.action == amend;
  if (!leads || (stays && !moves)) return false;
  auto in = details_of(task["input"], false);
  auto out = details_of(task["output"], true);
  if (!in || !out) return false;
  const auto put = command_of(task, said.action, std::move(*in), std::move(*out));
  return put && (same(put->reason, said.reason) || !said.reason.said()) &&
         (put->happened == said.happened || !said.happened) && put->slot == said.slot && put->choice == said.choice &&
         put->receiver == said.receiver && put->outside == said.outside && put->urgency == said.urgency &&
         put->insurance_filing == said.insurance_filing && !has_new(put->documents, said.documents) &&
         !has_new(said.documents, put->documents);
}

}  // namespace hutong::api
