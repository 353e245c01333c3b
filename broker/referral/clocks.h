// The clocks of referral: what is due next, as a function of what is recorded. No timer runs: whoever looks asks next()
// of each open referral, and appends the command that clock_command() makes once its moment has come. So a restart
// loses nothing, and the command of a deadline has one id however often it is made. Threads: any (pure; SteadyTime:
// one).
//
// A reminder and an escalation are never late: after an outage they are due at once. An end (expiry, no-show) is never
// early: it comes no sooner after the first escalation than it was to, so nobody loses a referral to a broker that was
// down, or to a clock that was wrong.
#pragma once

#include <algorithm>
#include <chrono>
#include <optional>

#include "broker/referral/referral.h"

namespace hutong::referral {

struct Deadline {
  Wait wait;
  Action action;  // remind, escalate, expire or no_show
  Timestamp at;
  Role tell;  // remind: who is waited for; escalate: the coordinator; an end: the sender
};

std::optional<Wait> wait_of(State state);  // nullopt: nothing is waited for
// Whose turn it is: sender or receiver; while a patient is awaited, the receiver, who expects him.
Role waited_for(Wait wait);

// The next deadline; nullopt: ended. A deadline in the past is due.
std::optional<Deadline> next(const Referral& referral, const Rules& rules);

// By when whoever is waited for must have acted, before it escalates: FHIR Task.restriction.period.end.
std::optional<Timestamp> due_by(const Referral& referral, const Rules& rules);

ReferralCommand clock_command(const Referral& referral, const Deadline& deadline, Timestamp now);

// The time that commands are stamped and deadlines are held against. Wall clocks are set; this one follows the wall
// while it agrees with the machine's steady ticks, never goes back, and begins no earlier than what is recorded
// already. A wall clock that jumps is not followed until the next start: `jumped` is for an alarm.
class SteadyTime {
 public:
  static constexpr std::chrono::seconds tolerance{60};
  SteadyTime(Timestamp wall, std::chrono::nanoseconds ticks, Timestamp newest_recorded)
      : time_(std::max(wall, newest_recorded)), ticks_(ticks) {}
  Timestamp at(Timestamp wall, std::chrono::nanoseconds ticks);
  bool jumped() const { return jumped_; }

 private:
  Timestamp time_;
  std::chrono::nanoseconds ticks_;
  bool jumped_ = false;
};

}  // namespace hutong::referral
