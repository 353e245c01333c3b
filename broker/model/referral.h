// Two-way referral (双向转诊) as it stands in the log (topic operations): a command, which is what somebody asks for or
// says has happened, and the answer, which is what became of it. A referral is the fold of its commands with their
// answers (broker/referral); an answer that stands in the log is never made again. The records name patients by number
// only; what travels with a referral (results, documents) stands here as references. Schema: schemas/operations/v1.
// Plain values with an owner; threads: any.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "broker/base/error.h"
#include "broker/base/id.h"
#include "broker/base/time.h"
#include "broker/model/event.h"

namespace hutong::model {

inline constexpr std::string_view referral_commanded_kind = "referral.commanded";
inline constexpr std::string_view referral_answered_kind = "referral.answered";

// Its spelling ("report-returned") is FHIR's Task.businessStatus; `none`: nobody asked yet.
enum class ReferralState {
  none,
  requested,
  received,
  accepted,
  declined,
  redirected,
  no_show,
  arrived,
  in_treatment,
  report_returned,
  closed,
  cancelled,
  expired,
};
inline constexpr std::size_t referral_states = 13;

// HL7 v2: request REF^I12, amend I13, cancel I14; answers RRI^I12 to I14.
enum class ReferralAction {
  request,
  amend,
  receive,
  accept,
  decline,
  redirect,
  cancel,
  arrive,
  treat,
  report,
  close,
  no_show,
  remind,
  escalate,
  expire,
};
inline constexpr std::size_t referral_actions = 15;

// What somebody is to a referral. A command says only in which capacity it speaks; which of the parties a facility is
// follows from the referral.
enum class ReferralRole { sender, receiver, coordinator, clock, linked, outsider };
inline constexpr std::size_t referral_roles = 6;

enum class Capacity {
  facility,     // someone of the facility named
  coordinator,  // the duty role that referrals escalate to (转诊办, 总值班)
  clock,        // the broker, because a deadline passed
  linked,       // the broker, because of a referral that belongs to this one
};

enum class Direction { unknown, up, down, level };  // 上转, 下转, 平转

// The patient's informed choice. not_possible: of a stat referral, nobody could be asked in time.
enum class Choice { unknown, agreed, by_guardian, refused, not_possible };

// Why a command was refused; the words are in broker/referral/words.h.
enum class Refusal {
  unknown_referral,
  already_requested,
  not_a_party,
  version_conflict,
  ended,
  not_now,
  not_yours,
  too_many_changes,
  choice_missing,
  patient_refused,
  receiver_missing,
  receiver_unknown,
  receiver_same,
  direction_mismatch,
  route_outside,
  filing_missing,
  link_mismatch,
  slot_missing,
  slot_not_over,
  reason_missing,
  report_missing,
  downward_missing,
  not_due,
};
inline constexpr std::size_t refusals = 23;

enum class CommandOutcome {
  applied,
  repeated,  // it stood already: nothing changed, and no record says so again
  refused,
};

std::string_view to_string(ReferralState state);
std::string_view to_string(ReferralAction action);
std::string_view to_string(ReferralRole role);
std::string_view to_string(Capacity capacity);
std::string_view to_string(Direction direction);  // "" unknown
std::string_view to_string(Choice choice);        // "" unknown
std::string_view to_string(Refusal refusal);
std::string_view to_string(CommandOutcome outcome);
std::optional<ReferralState> referral_state_of(std::string_view text);
std::optional<ReferralAction> referral_action_of(std::string_view text);
std::optional<ReferralRole> referral_role_of(std::string_view text);
std::optional<Direction> direction_of(std::string_view text);
std::optional<Choice> choice_of(std::string_view text);
std::optional<Refusal> refusal_of(std::string_view text);

struct Slot {  // 床位 or 号源 that is kept for the patient
  Timestamp start, end;
  std::string department, place;  // place: bed, room, clinic
  auto operator<=>(const Slot&) const = default;
};

struct CodedReason {
  std::string code, text;
  bool said() const { return !code.empty() || !text.empty(); }
};

struct ReferralDocument {  // what travels along, or the report that comes back
  std::string kind;        // report | document | medication | referral-record | treatment-report
  std::string id;          // FHIR id
  std::uint64_t version = 1;
  auto operator<=>(const ReferralDocument&) const = default;
};

// referral.commanded. Beside what every command has, the fields of the actions that need them.
struct ReferralCommand {
  RecordId id;
  ReferralId referral;
  ReferralAction action = ReferralAction::request;
  Timestamp at;                       // when the broker took it: deadlines count from here
  std::optional<Timestamp> happened;  // arrive, treat, report: when it was so in the sender's words; for the ledger
  Capacity capacity = Capacity::facility;
  std::string facility, department, practitioner;
  std::string client;                    // who handed it in, as authenticated
  std::optional<std::uint64_t> version;  // the referral's as the sender saw it
  CodedReason reason;                    // decline, redirect, cancel, close
  // request; amend says anew what changed
  std::string number;               // the sender's own of the referral
  std::string person;               // Patient.id
  std::string patient_of, patient;  // facility and number of the local patient
  Direction direction = Direction::unknown;
  Priority urgency = Priority::unknown;
  std::optional<ReferralId> follows;  // request: the earlier one that it belongs to; close by linked: the downward one
  std::string insurance_filing;       // 医保转诊备案
  // request, redirect; decline: whom the receiver proposes instead
  std::string receiver, receiver_department;
  Choice choice = Choice::unknown;
  std::string outside;  // why this pair, outside the routes that were agreed on
  // accept
  std::optional<Slot> slot;
  std::vector<ReferralDocument> documents;
};

// referral.answered: what became of a command.
struct ReferralAnswered {
  RecordId id;  // from the command's
  RecordId command;
  ReferralId referral;
  ReferralAction action = ReferralAction::request;  // the command's; redirect, where an amend names another receiver
  Timestamp at;                                     // the command's
  CommandOutcome outcome = CommandOutcome::refused;
  ReferralRole role = ReferralRole::outsider;  // as which the command was taken
  ReferralState from = ReferralState::none, to = ReferralState::none;
  std::uint64_t version = 0;  // of the referral afterwards
  std::optional<Refusal> refusal;
  std::string rules;  // version of schemas/referral
};

// The facility and its number of it; for FHIR the number is Task.identifier or the Idempotency-Key.
ReferralId referral_id(std::string_view sender, std::string_view number);
RecordId answer_id(const RecordId& command);

std::string write(const ReferralCommand& command);
std::string write(const ReferralAnswered& answered);
// Errors: corrupt.
Result<ReferralCommand> read_referral_command(std::string_view json);
Result<ReferralAnswered> read_referral_answered(std::string_view json);

}  // namespace hutong::model
