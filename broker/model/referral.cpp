#include "broker/model/referral.h"

#include <array>

#include "broker/base/hash.h"
#include "broker/model/json_document.h"

namespace hutong::model {
namespace {

constexpr std::array<std::string_view, referral_states> state_names = {
    "none",    "requested",    "received",        "accepted", "declined",  "redirected", "no-show",
    "arrived", "in-treatment", "report-returned", "closed",   "cancelled", "expired"};
constexpr std::array<std::string_view, referral_actions> action_names = {
    "request", "amend",  "receive", "accept",  "decline", "redirect", "cancel", "arrive",
    "treat",   "report", "close",   "no-show", "remind",  "escalate", "expire"};
constexpr std::array<std::string_view, referral_roles> role_names = {"sender", "receiver", "coordinator",
                                                                     "clock",  "linked",   "outsider"};
constexpr std::array<std::string_view, 4> capacity_names = {"facility", "coordinator", "clock", "linked"};
constexpr std::array<std::string_view, 4> direction_names = {"", "up", "down", "level"};
constexpr std::array<std::string_view, 5> choice_names = {"", "agreed", "by-guardian", "refused", "not-possible"};
constexpr std::array<std::string_view, refusals> refusal_names = {
    "unknown-referral", "already-requested", "not-a-party",      "version-conflict",   "ended",
    "not-now",          "not-yours",         "too-many-changes", "choice-missing",     "patient-refused",
    "receiver-missing", "receiver-unknown",  "receiver-same",    "direction-mismatch", "route-outside",
    "filing-missing",   "link-mismatch",     "slot-missing",     "slot-not-over",      "reason-missing",
    "report-missing",   "downward-missing",  "not-due"};
static_assert(refusal_names.back() == "not-due");
constexpr std::array<std::string_view, 3> outcome_names = {"applied", "repeated", "refused"};
constexpr std::array<std::string_view, 5> priority_names = {"", "routine", "urgent", "asap", "stat"};

template <class Enum, std::size_t count>
std::optional<Enum> of(const std::array<std::string_view, count>& names, std::string_view text) {
  for (std::size_t i = 0; i < count; ++i) {
    if (names[i] == text) return static_cast<Enum>(i);
  }
  return std::nullopt;
}

tl::unexpected<Error> broken() {
  return fail(ErrorCode::corrupt, "a record of referral does not read");
}

}  // namespace

std::string_view to_string(ReferralState state) {
  return state_names[static_cast<std::size_t>(state)];
}
std::string_view to_string(ReferralAction action) {
  return action_names[static_cast<std::size_t>(action)];
}
std::string_view to_string(ReferralRole role) {
  return role_names[static_cast<std::size_t>(role)];
}
std::string_view to_string(Capacity capacity) {
  return capacity_names[static_cast<std::size_t>(capacity)];
}
std::string_view to_string(Direction direction) {
  return direction_names[static_cast<std::size_t>(direction)];
}
std::string_view to_string(Choice choice) {
  return choice_names[static_cast<std::size_t>(choice)];
}
std::string_view to_string(Refusal refusal) {
  return refusal_names[static_cast<std::size_t>(refusal)];
}
std::string_view to_string(CommandOutcome outcome) {
  return outcome_names[static_cast<std::size_t>(outcome)];
}

std::optional<ReferralState> referral_state_of(std::string_view text) {
  return of<ReferralState>(state_names, text);
}
std::optional<ReferralAction> referral_action_of(std::string_view text) {
  return of<ReferralAction>(action_names, text);
}
std::optional<ReferralRole> referral_role_of(std::string_view text) {
  return of<ReferralRole>(role_names, text);
}
std::optional<Direction> direction_of(std::string_view text) {
  return of<Direction>(direction_names, text);
}
std::optional<Choice> choice_of(std::string_view text) {
  return of<Choice>(choice_names, text);
}
std::optional<Refusal> refusal_of(std::string_view text) {
  return of<Refusal>(refusal_names, text);
}

ReferralId referral_id(std::string_view sender, std::string_view number) {
  return ReferralId(PartsHash().add("referral").add(sender).add(number).finish());
}

RecordId answer_id(const RecordId& command) {
  return RecordId(PartsHash().add("referral-answer").add(command.view()).finish());
}

std::string write(const ReferralCommand& command) {
  Out out;
  out.open().text("kind", referral_commanded_kind).text("id", command.id.hex());
  out.text("referral", command.referral.hex()).text("action", to_string(command.action)).time("at", command.at);
  if (command.happened) out.time("happened", *command.happened);
  out.text("capacity", to_string(command.capacity)).text("facility", command.facility);
  out.text("department", command.department).text("practitioner", command.practitioner).text("client", command.client);
  if (command.version) out.number("version", static_cast<std::int64_t>(*command.version));
  if (command.reason.said()) {
    out.open("reason").text("code", command.reason.code).text("text", command.reason.text).close();
  }
  out.text("number", command.number).text("person", command.person);
  out.text("patientOf", command.patient_of).text("patient", command.patient);
  out.text("direction", to_string(command.direction)).text("urgency", to_string(command.urgency));
  if (command.follows) out.text("follows", command.follows->hex());
  out.text("insuranceFiling", command.insurance_filing);
  out.text("receiver", command.receiver).text("receiverDepartment", command.receiver_department);
  out.text("choice", to_string(command.choice)).text("outside", command.outside);
  if (command.slot) {
    out.open("slot").time("start", command.slot->start).time("end", command.slot->end);
    out.text("department", command.slot->department).text("place", command.slot->place).close();
  }
  if (!command.documents.empty()) {
    out.open_list("documents");
    for (const auto& document : command.documents) {
      out.open().text("kind", document.kind).text("id", document.id);
      out.number("version", static_cast<std::int64_t>(document.version)).close();
    }
    out.close_list();
  }
  return out.close().take();
}

std::string write(const ReferralAnswered& answered) {
  Out out;
  out.open().text("kind", referral_answered_kind).text("id", answered.id.hex());
  out.text("command", answered.command.hex()).text("referral", answered.referral.hex());
  out.text("action", to_string(answered.action)).time("at", answered.at);
  out.text("outcome", to_string(answered.outcome)).text("role", to_string(answered.role));
  out.text("from", to_string(answered.from)).text("to", to_string(answered.to));
  out.number("version", static_cast<std::int64_t>(answered.version));
  if (answered.refusal) out.text("refusal", to_string(*answered.refusal));
  return out.text("rules", answered.rules).close().take();
}

Result<ReferralCommand> read_referral_command(std::string_view json) {
  rapidjson::Document document;
  if (!read_document(document, json, referral_commanded_kind)) return broken();
  const In in(document);
  const auto id = RecordId::from_hex(in.text("id"));
  const auto referral = ReferralId::from_hex(in.text("referral"));
  const auto action = referral_action_of(in.text("action"));
  const auto at = in.time("at");
  const auto capacity = of<Capacity>(capacity_names, in.text("capacity"));
  const auto direction = direction_of(in.text("direction"));
  const auto urgency = of<Priority>(priority_names, in.text("urgency"));
  const auto choice = choice_of(in.text("choice"));
  if (!id || !referral || !action || !at || !capacity || !direction || !urgency || !choice) return broken();
  ReferralCommand command;
  command.id = *id;
  command.referral = *referral;
  command.action = *action;
  command.at = *at;
  command.happened = in.time("happened");
  command.capacity = *capacity;
  command.facility = in.text("facility");
  command.department = in.text("department");
  command.practitioner = in.text("practitioner");
  command.client = in.text("client");
  if (const auto version = in.number("version", -1); version >= 0) command.version = version;
  in.inside("reason", [&](const In& reason) { command.reason = {reason.text("code"), reason.text("text")}; });
  command.number = in.text("number");
  command.person = in.text("person");
  command.patient_of = in.text("patientOf");
  command.patient = in.text("patient");
  command.direction = *direction;
  command.urgency = *urgency;
  command.follows = ReferralId::from_hex(in.text("follows"));
  command.insurance_filing = in.text("insuranceFiling");
  command.receiver = in.text("receiver");
  command.receiver_department = in.text("receiverDepartment");
  command.choice = *choice;
  command.outside = in.text("outside");
  in.inside("slot", [&](const In& slot) {
    const auto start = slot.time("start"), end = slot.time("end");
    if (start && end) command.slot = Slot{*start, *end, slot.text("department"), slot.text("place")};
  });
  in.each("documents", [&](const rapidjson::Value& element) {
    if (!element.IsObject()) return;
    const In one(element);
    command.documents.push_back(
        {one.text("kind"), one.text("id"), static_cast<std::uint64_t>(one.number("version", 1))});
  });
  return command;
}

Result<ReferralAnswered> read_referral_answered(std::string_view json) {
  rapidjson::Document document;
  if (!read_document(document, json, referral_answered_kind)) return broken();
  const In in(document);
  const auto id = RecordId::from_hex(in.text("id")), command = RecordId::from_hex(in.text("command"));
  const auto referral = ReferralId::from_hex(in.text("referral"));
  const auto action = referral_action_of(in.text("action"));
  const auto at = in.time("at");
  const auto outcome = of<CommandOutcome>(outcome_names, in.text("outcome"));
  const auto role = referral_role_of(in.text("role"));
  const auto from = referral_state_of(in.text("from")), to = referral_state_of(in.text("to"));
  const auto refusal = refusal_of(in.text("refusal"));
  if (!id || !command || !referral || !action || !at || !outcome || !role || !from || !to) return broken();
  if ((*outcome == CommandOutcome::refused) != refusal.has_value()) return broken();
  return ReferralAnswered{
      *id,      *command,        *referral, *action, *at,
      *outcome, *role,           *from,     *to,     static_cast<std::uint64_t>(in.number("version", 0)),
      refusal,  in.text("rules")};
}

}  // namespace hutong::model
