// What a record of `operations` tells subscribers: that a referral has taken a step, or a critical value has. The
// record says little on purpose; whose matter it is, the views know. Threads: the deliverer's.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "broker/model/critical.h"
#include "broker/model/referral.h"
#include "broker/port/log.h"
#include "broker/port/store.h"
#include "broker/referral/referral.h"
#include "broker/routing/facts.h"

namespace hutong::pipeline {

struct Matter {
  std::string kind;                       // "referral.answered"
  std::string facility;                   // who acted, or measured
  std::string patient_facility, patient;  // the local patient; both "" not known
  std::string person;                     // Patient.id
  std::vector<std::string> parties;       // as they are now, and who has lost it by this step
  bool labelled = false;

  std::optional<model::ReferralAnswered> answered;
  std::optional<model::ReferralCommand> command;  // that it answers
  std::optional<referral::Referral> referral;     // as it stands now
  std::string follows_sender, follows_number;     // the referral that this one answers
  std::string former;                             // who has lost it by this step: told that, and no more
  Timestamp updated;
  std::optional<Timestamp> due;

  std::optional<model::CriticalOpened> critical;

  routing::Patient local() const { return {patient_facility, patient}; }
  // In whose order it stands: its patient's.
  std::string lane() const { return local().lane(); }
};

// Nothing: it tells nobody anything (most of the topic; a command that was refused or repeated, an answer that does not
// stand). Errors: the store's.
net::awaitable<Result<std::optional<Matter>>> matter_of(port::Store& store, const port::StoredRecord& stored);

// Views into the matter. Centres are the caller's.
routing::Facts facts_of(const Matter& matter, const model::FacilityDirectory& facilities);

}  // namespace hutong::pipeline
