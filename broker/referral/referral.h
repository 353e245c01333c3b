// A referral as it stands, and how a command changes it: decide() says what becomes of a command, apply() carries that
// out, follow_up() says what it means for the referral it belongs to. Pure: times are those of the commands, rules
// those of their day. A fold calls decide() for a command that has no answer in the log yet, else apply() alone: what
// was answered is never judged again. Threads: any.
//
// Up and down are referrals of their own (上转, 下转), each with its own acceptance and clocks. A downward one names
// the upward one that it `follows`. Nobody is sent down to a centre that has not accepted: until then the upward one
// stays open, unless somebody says why there is no downward one.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "broker/model/referral.h"
#include "broker/referral/rules.h"
#include "broker/referral/transitions.h"

namespace hutong::referral {

using model::ReferralAnswered;
using model::ReferralCommand;

struct Step {  // of the ledger
  RecordId command;
  Action action;
  Role role;
  State state;  // afterwards
  std::uint64_t version;
  Timestamp at;
  std::optional<Timestamp> happened;
  std::string facility;
};

struct Told {  // by the clocks, in the present wait
  std::optional<Timestamp> reminded, first_escalated, last_escalated;
};

struct Referral {
  ReferralId id;
  State state = State::none;
  std::uint64_t version = 0;  // counts changes; reminders and escalations are none
  std::string number, person, patient_of, patient;
  model::Direction direction = model::Direction::unknown;
  model::Priority urgency = model::Priority::routine;
  std::string sender, sender_department, receiver, receiver_department;
  std::vector<std::string> former_receivers;  // that declined or lost it: they may not read any more
  model::Choice choice = model::Choice::unknown;
  std::string outside, insurance_filing, proposed;  // proposed: by who declined
  model::CodedReason indication;                    // why the patient is referred (转诊原因)
  model::CodedReason reason;                        // of the last decision that had one
  std::optional<model::Slot> slot;
  std::vector<model::ReferralDocument> documents, reports;
  std::optional<ReferralId> follows;   // the upward one that this one answers
  std::optional<ReferralId> downward;  // that has accepted while this one was still open
  Timestamp asked_at;                  // when the present receiver was asked
  Timestamp since;                     // when the state was reached
  std::optional<Timestamp> arrived_at;
  Told told;
  std::vector<Step> steps;

  // What the command's maker is to this referral. A receiver that declined still is one, until the sender redirects: it
  // may change its mind, and the patient may come.
  Role role_of(const ReferralCommand& command) const;
  const Step* step_of(const RecordId& command) const;
  // The patient came before anybody had agreed to take him: for the ledger.
  bool came_unaccepted() const;
};

// As the levels of the two have it.
model::Direction direction_between(const Party& from, const Party& to);

// What a decision has to know beside the referral; what is not known is left out.
struct Surroundings {
  const Party* sender = nullptr;    // request, redirect: nullptr not registered
  const Party* receiver = nullptr;  // that the command names
  bool same_alliance = false;
  const Referral* linked = nullptr;  // request: the one it `follows`; close: the one that the command `follows` or, by
                                     // hand, that stands as `downward`
};

// Of a referral to which this was applied: reminders and escalations do not move it. `before`: nullptr for a request.
std::uint64_t version_after(const Referral* before, Action action);

// `referral`: nullptr, nobody asked yet.
// The answer's action is what the command meant then: an amendment that names another receiver is a redirect.
ReferralAnswered decide(const Referral* referral, const ReferralCommand& command, const Rules& rules,
                        const Surroundings& around);

// For answers that were applied only. `before`: nullptr for a request.
Referral apply(const Referral* before, const ReferralCommand& command, const ReferralAnswered& answered);

// Whether this facility may read, by the referral alone, what travels along or came back: its sender and its present
// receiver, unless that has declined; until it is closed and so long after (parameter readable_for); cancelled or
// expired, nobody.
bool may_read(const Referral& referral, Text facility, Text document_kind, Text document_id, const Rules& rules,
              Timestamp now);

// A command to a referral that belongs to this one, to be decided next: an upward one closes when its downward one is
// taken, or as soon as its report is there. Its id comes from the cause, so it is made once.
std::optional<ReferralCommand> follow_up(const Referral& after, const ReferralCommand& cause,
                                         const ReferralAnswered& answered);

}  // namespace hutong::referral
