#include "broker/referral/referral.h"

#include <algorithm>

#include "broker/base/hash.h"
#include "broker/base/invariant.h"
#include "broker/base/limits.h"
#include "broker/referral/clocks.h"

namespace hutong::referral {
namespace {

using model::Capacity;
using model::Choice;
using model::CommandOutcome;
using model::Direction;
using model::Priority;
using model::Refusal;

int rank(const std::string& level) {
  return level.size() == 1 && level[0] >= '1' && level[0] <= '9' ? level[0] - '0' : 0;
}

Direction direction_of(const Referral* referral, const ReferralCommand& command) {
  return referral ? referral->direction : command.direction;
}

// A downward referral of this upward one whose centre has said that it takes the patient.
bool sent_down(const Referral& upward, const Referral* downward) {
  return downward && downward->direction == Direction::down && downward->follows == upward.id &&
         (is_taken(downward->state) || downward->state == State::closed);
}

std::optional<Refusal> route(const Referral* referral, const ReferralCommand& command, const Rules& rules,
                             const Surroundings& around) {
  if (command.receiver.empty()) return Refusal::receiver_missing;
  const auto& sender = referral ? referral->sender : command.facility;
  if (command.receiver == sender || (referral && command.receiver == referral->receiver)) return Refusal::receiver_same;
  if (!around.sender || !around.receiver) return Refusal::receiver_unknown;
  const auto direction = direction_of(referral, command);
  if (direction != direction_between(*around.sender, *around.receiver)) return Refusal::direction_mismatch;
  if (command.outside.empty() &&
      !rules.agreed(direction, *around.sender, *around.receiver, around.same_alliance, rules.day_of(command.at)))
    return Refusal::route_outside;
  return std::nullopt;
}

std::optional<Refusal> choice(const Referral* referral, const ReferralCommand& command) {
  switch (command.choice) {
    case Choice::agreed:
    case Choice::by_guardian: return std::nullopt;
    case Choice::refused: return Refusal::patient_refused;
    case Choice::not_possible:
      if ((referral ? referral->urgency : command.urgency) == Priority::stat) return std::nullopt;
      break;
    case Choice::unknown: break;
  }
  return Refusal::choice_missing;
}

bool filing_asked(const ReferralCommand& command, const Rules& rules) {
  const auto asked = terminology::split(rules.parameter("insurance_filing", rules.day_of(command.at)));
  return std::find(asked.begin(), asked.end(), model::to_string(command.direction)) != asked.end();
}

// Who follows a referral is one of its parties, about the same person.
bool link_holds(const ReferralCommand& command, const Referral* linked) {
  if (!command.follows) return true;
  return linked && linked->id == *command.follows && linked->person == command.person &&
         (linked->receiver == command.facility || linked->sender == command.facility);
}

std::optional<Refusal> lacking(Need need, const Referral* referral, const ReferralCommand& command, const Rules& rules,
                               const Surroundings& around) {
  const auto unless = [](bool holds, Refusal refusal) { return holds ? std::nullopt : std::optional(refusal); };
  switch (need) {
    case Need::route: return route(referral, command, rules, around);
    case Need::choice: return choice(referral, command);
    case Need::filing:
      return unless(!command.insurance_filing.empty() || !filing_asked(command, rules), Refusal::filing_missing);
    case Need::link: return unless(link_holds(command, around.linked), Refusal::link_mismatch);
    case Need::slot: return unless(command.slot && command.slot->start <= command.slot->end, Refusal::slot_missing);
    case Need::reason: return unless(command.reason.said(), Refusal::reason_missing);
    case Need::report: return unless(!command.documents.empty(), Refusal::report_missing);
    case Need::downward:
      if (command.capacity == Capacity::linked)
        return unless(sent_down(*referral, around.linked), Refusal::link_mismatch);
      return unless(
          referral->direction != Direction::up || command.reason.said() || sent_down(*referral, around.linked),
          Refusal::downward_missing);
    case Need::slot_over: return unless(referral->slot && command.at >= referral->slot->start, Refusal::slot_not_over);
    case Need::due: {
      const auto deadline = next(*referral, rules);
      return unless(deadline && deadline->action == command.action && command.at >= deadline->at, Refusal::not_due);
    }
  }
  return std::nullopt;
}

constexpr Need needs_in_order[] = {Need::route,  Need::choice, Need::filing,   Need::link,      Need::slot,
                                   Need::reason, Need::report, Need::downward, Need::slot_over, Need::due};

bool is_telling(Action action) {
  return action == Action::remind || action == Action::escalate;
}

// An arrival, a report, an end and whatever a clock does come through however often slots and papers were changed
// before.
bool leads_on(const Transition& rule) {
  return rule.by.has(Role::clock) ||
         (rule.to && (is_end(*rule.to) || (is_taken(*rule.to) && *rule.to != State::accepted)));
}

// What a command does to the referral as it stands: who amends it for another receiver redirects it. HL7 has one
// message for both, and which it is only the log's order tells.
Action meant(const Referral* referral, const ReferralCommand& command) {
  const bool moves = command.action == Action::amend && referral && !command.receiver.empty() &&
                     command.receiver != referral->receiver;
  return moves ? Action::redirect : command.action;
}

}  // namespace

Direction direction_between(const Party& from, const Party& to) {
  const int difference = rank(to.level) - rank(from.level);
  return difference > 0 ? Direction::up : difference < 0 ? Direction::down : Direction::level;
}

std::uint64_t version_after(const Referral* before, Action action) {
  const auto version = before ? before->version : 0;
  return is_telling(action) ? version : version + 1;
}

Role Referral::role_of(const ReferralCommand& command) const {
  switch (command.capacity) {
    case Capacity::coordinator: return Role::coordinator;
    case Capacity::clock: return Role::clock;
    case Capacity::linked: return Role::linked;
    case Capacity::facility: break;
  }
  if (command.facility == sender) return Role::sender;
  return command.facility == receiver ? Role::receiver : Role::outsider;
}

const Step* Referral::step_of(const RecordId& command) const {
  const auto found =
      std::find_if(steps.begin(), steps.end(), [&](const Step& step) { return step.command == command; });
  return found == steps.end() ? nullptr : &*found;
}

bool Referral::came_unaccepted() const {
  if (!arrived_at) return false;
  bool agreed = false;
  for (const auto& step : steps) {
    if (is_taken(step.state) && step.state != State::accepted) return !agreed;
    agreed = step.state == State::accepted;
  }
  return false;
}

ReferralAnswered decide(const Referral* referral, const ReferralCommand& command, const Rules& rules,
                        const Surroundings& around) {
  ReferralAnswered answered;
  answered.id = model::answer_id(command.id);
  answered.command = command.id;
  answered.referral = command.referral;
  answered.action = meant(referral, command);
  answered.at = command.at;
  answered.rules = rules.version();
  if (referral) {
    answered.from = answered.to = referral->state;
    answered.version = referral->version;
  }
  const auto refuse = [&](Refusal why) {
    answered.outcome = CommandOutcome::refused;
    answered.refusal = why;
    return answered;
  };

  if (referral) {
    answered.role = referral->role_of(command);
    if (const Step* step = referral->step_of(command.id)) {
      answered.outcome = CommandOutcome::repeated;
      answered.role = step->role;
      return answered;
    }
    if (answered.role == Role::outsider) return refuse(Refusal::not_a_party);
    if (answered.action == Action::request) return refuse(Refusal::already_requested);
    if (is_end(referral->state)) return refuse(Refusal::ended);
    if (!is_fact(answered.action) && command.version && *command.version != referral->version)
      return refuse(Refusal::version_conflict);
  } else {
    if (answered.action != Action::request) return refuse(Refusal::unknown_referral);
    answered.role = command.capacity == Capacity::facility ? Role::sender : Role::outsider;
    if (answered.role == Role::outsider || command.facility.empty()) return refuse(Refusal::not_a_party);
  }

  const Transition* rule = transition(answered.from, answered.action, answered.role);
  if (!rule) {
    for (const auto person : {Role::sender, Role::receiver, Role::coordinator}) {
      if (transition(answered.from, answered.action, person)) return refuse(Refusal::not_yours);
    }
    return refuse(Refusal::not_now);
  }
  if (referral && referral->steps.size() >= limits::referral_steps && !leads_on(*rule))
    return refuse(Refusal::too_many_changes);
  for (const auto need : needs_in_order) {
    if (!rule->needs.has(need)) continue;
    if (const auto why = lacking(need, referral, command, rules, around)) return refuse(*why);
  }
  answered.outcome = CommandOutcome::applied;
  answered.to = rule->to.value_or(answered.from);
  answered.version = version_after(referral, answered.action);
  return answered;
}

Referral apply(const Referral* before, const ReferralCommand& command, const ReferralAnswered& answered) {
  HUTONG_INVARIANT(answered.outcome == CommandOutcome::applied, "only what was applied changes a referral");
  const Action action = answered.action;
  HUTONG_INVARIANT(before || action == Action::request, "a referral begins with its request");
  Referral after = before ? *before : Referral();
  if (is_telling(action)) {  // no change of the referral: its version, and so everybody's If-Match, stands
    if (action == Action::remind) {
      after.told.reminded = command.at;
    } else {
      if (!after.told.first_escalated) after.told.first_escalated = command.at;
      after.told.last_escalated = command.at;
    }
    return after;
  }

  const auto take = [](std::string& to, const std::string& from) {
    if (!from.empty()) to = from;
  };
  const auto wait_before = wait_of(after.state);
  const bool asks = action == Action::request || action == Action::amend;
  if (command.reason.said()) (asks ? after.indication : after.reason) = command.reason;
  switch (action) {
    case Action::request:
      after.id = command.referral;
      after.number = command.number;
      after.person = command.person;
      after.patient_of = command.patient_of;
      after.patient = command.patient;
      after.direction = command.direction;
      after.sender = command.facility;
      after.sender_department = command.department;
      after.receiver = command.receiver;
      after.receiver_department = command.receiver_department;
      after.choice = command.choice;
      after.outside = command.outside;
      after.follows = command.follows;
      after.asked_at = command.at;
      [[fallthrough]];
    case Action::amend:
      if (command.urgency != Priority::unknown)
        after.urgency = command.urgency == Priority::asap ? Priority::urgent : command.urgency;
      take(after.insurance_filing, command.insurance_filing);
      if (!command.documents.empty()) after.documents = command.documents;
      break;
    case Action::redirect:
      after.former_receivers.push_back(after.receiver);
      std::erase(after.former_receivers, command.receiver);
      after.receiver = command.receiver;
      after.receiver_department = command.receiver_department;
      after.choice = command.choice;
      after.outside = command.outside;
      after.proposed.clear();
      after.slot.reset();
      after.downward.reset();
      after.asked_at = command.at;
      break;
    case Action::accept: after.slot = command.slot; break;
    case Action::decline: after.proposed = command.receiver; break;
    case Action::report:
      for (const auto& document : command.documents) {
        std::erase_if(after.reports, [&](const auto& other) {
          return other.kind == document.kind && other.id == document.id && other.version <= document.version;
        });
        after.reports.push_back(document);
      }
      std::sort(after.reports.begin(), after.reports.end());
      break;
    case Action::close:
      if (command.capacity == Capacity::linked) after.downward = command.follows;
      break;
    default: break;
  }
  if (!after.arrived_at && is_fact(action)) after.arrived_at = command.at;
  if (answered.to != after.state) after.since = command.at;
  after.state = answered.to;
  after.version = answered.version;
  // Another wait, another receiver or another slot is waited for anew.
  const bool anew = action == Action::redirect || (action == Action::accept && answered.to == State::accepted);
  if (anew || wait_of(after.state) != wait_before) after.told = {};
  after.steps.push_back(
      {command.id, action, answered.role, after.state, after.version, command.at, command.happened, command.facility});
  return after;
}

bool may_read(const Referral& referral, Text facility, Text document_kind, Text document_id, const Rules& rules,
              Timestamp now) {
  const bool receives = facility == referral.receiver && referral.state != State::declined;
  if (facility != referral.sender && !receives) return false;
  const auto holds = [&](const std::vector<model::ReferralDocument>& list) {
    return std::any_of(list.begin(), list.end(),
                       [&](const auto& each) { return each.kind == document_kind && each.id == document_id; });
  };
  if (!holds(referral.documents) && !holds(referral.reports)) return false;
  if (is_open(referral.state)) return true;
  if (referral.state != State::closed) return false;
  const auto readable = duration_of(rules.parameter("readable_for", rules.day_of(referral.since)));
  return readable && now <= referral.since + *readable;
}

std::optional<ReferralCommand> follow_up(const Referral& after, const ReferralCommand& cause,
                                         const ReferralAnswered& answered) {
  if (answered.outcome != CommandOutcome::applied) return std::nullopt;
  ReferralCommand made;
  if (after.direction == Direction::down && after.follows && is_taken(answered.to) && !is_taken(answered.from)) {
    made.referral = *after.follows;
    made.follows = after.id;
  } else if (after.downward && answered.to == State::report_returned && answered.from != State::report_returned) {
    made.referral = after.id;
    made.follows = after.downward;
  } else {
    return std::nullopt;
  }
  made.id = RecordId(PartsHash().add("referral-follow-up").add(cause.id.view()).finish());
  made.action = Action::close;
  made.at = cause.at;
  made.capacity = Capacity::linked;
  return made;
}

}  // namespace hutong::referral
