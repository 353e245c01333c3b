// A steward's decisions about persons: checked against what stands, appended to the identity topic with the steward's
// name and words, and answered once the projector has made them of it. Nothing is changed here: one path a fact.
// Threads: any; runs on the caller's executor. Lifetime: log, store and clock outlive it.
#pragma once

#include <chrono>
#include <string>

#include "broker/base/time.h"
#include "broker/identity/decision.h"
#include "broker/port/control.h"
#include "broker/port/log.h"
#include "broker/port/store.h"

namespace hutong::pipeline {

class Steward {
 public:
  Steward(port::Log& log, port::Store& store, std::string hmac_key, const Clock& clock)
      : log_(log), store_(store), hmac_key_(std::move(hmac_key)), clock_(clock) {}

  // Errors: invalid (what the command lacks), not_found (a patient or decision that nobody knows), conflict (they are
  // one person already, or are not; it was undone already; or it is kept and what it says is not so, because another
  // decision came before it), and those of log and store.
  net::awaitable<Result<port::IdentityVerdict>> decide(port::IdentityCommand command);

 private:
  net::awaitable<Result<identity::IdentityDecision>> decision_of(const port::IdentityCommand& command);
  struct Found {
    PersonId id;
    std::vector<identity::LocalKey> members;
    identity::Guard guard;  // of the patient itself
  };
  // `place`: of the patient in the command.
  net::awaitable<Result<Found>> person_of(identity::LocalKey local, std::size_t place);
  net::awaitable<Result<void>> undoing(std::string id, identity::IdentityDecision& decision);

  port::Log& log_;
  port::Store& store_;
  std::string hmac_key_;
  const Clock& clock_;
};

}  // namespace hutong::pipeline
