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
  Steward(port::Log& log, port::Store& store, const Clock& clock) : log_(log), store_(store), clock_(clock) {}

  // Errors: invalid (what the command lacks), not_found (a patient or decision that nobody knows), conflict (they are
  // one person already, or are not; it was undone already), and those of log and store.
  net::awaitable<Result<port::IdentityVerdict>> decide(port::IdentityCommand command);

 private:
  net::awaitable<Result<identity::IdentityDecision>> decision_of(const port::IdentityCommand& command);
  net::awaitable<Result<std::vector<identity::LocalKey>>> person_of(identity::LocalKey local);  // its members
  net::awaitable<Result<void>> undoing(std::string id, identity::IdentityDecision& decision);

  port::Log& log_;
  port::Store& store_;
  const Clock& clock_;
};

}  // namespace hutong::pipeline
