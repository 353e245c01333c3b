// What a record that is no event tells subscribers: that a referral has taken a step, or a critical value has (topic
// operations), or that two local patients are one person now, or two (topic identity). The record says little on
// purpose; whose matter it is, and whether it stands, the views know. Threads: the deliverer's.
#pragma once

#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "broker/identity/decision.h"
#include "broker/model/critical.h"
#include "broker/model/referral.h"
#include "broker/port/log.h"
#include "broker/port/store.h"
#include "broker/referral/referral.h"
#include "broker/routing/facts.h"

namespace hutong::pipeline {

struct ReferralMatter {
  model::ReferralAnswered answered;
  model::ReferralCommand command;              // that it answers
  referral::Referral referral;                 // as it stands now
  std::string follows_sender, follows_number;  // the referral that this one answers
  std::string former;                          // who has lost it by this step: told that, and no more
  Timestamp updated;
  std::optional<Timestamp> due;
};

struct DecisionMatter {
  identity::IdentityDecision decision;
  std::string undoes;  // of an undoing: the kind of what it undoes
  bool unites = true;  // it makes one person of its two sides; false: two
};

struct Matter {
  std::string kind;                        // "referral.answered"
  std::string facility;                    // who acted, or measured; of a decision: who knows its first patient
  std::vector<routing::Patient> patients;  // in whose order it stands: one at least, of a decision all that it names
  std::string person;                      // Patient.id, as the record has it; of a decision: ""
  std::vector<std::string> parties;        // as they are now, and who has lost it by this step
  bool labelled = false;
  std::variant<ReferralMatter, model::CriticalOpened, DecisionMatter> what;

  std::vector<std::string> lanes() const;
};

// Nothing: it tells nobody anything (most of operations; a command that was refused or repeated, an answer that does
// not stand; a question to a steward, a decision that changed nothing or that the log holds again, a facility's own,
// which is told as the event that it was). Errors: the store's.
net::awaitable<Result<std::optional<Matter>>> matter_of(port::Store& store, port::Partition partition,
                                                        const port::StoredRecord& stored);

// Views into the matter. Centres are the caller's.
routing::Facts facts_of(const Matter& matter, const model::FacilityDirectory& facilities);

}  // namespace hutong::pipeline
