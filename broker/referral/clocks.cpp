#include "broker/referral/clocks.h"

#include "broker/base/hash.h"

namespace hutong::referral {
namespace {

Timestamp begins(const Referral& referral, Wait wait) {
  switch (wait) {
    case Wait::answer: return referral.asked_at;  // to have looked at it is no answer
    case Wait::arrival: return referral.slot ? std::max(referral.slot->start, referral.since) : referral.since;
    case Wait::report: return referral.arrived_at.value_or(referral.since);
    case Wait::decision:
    case Wait::closing: break;
  }
  return referral.since;
}

struct Running {  // the wait of a referral as its rules have it
  Wait wait;
  Pace pace;
  Timestamp began;
};

std::optional<Running> running(const Referral& referral, const Rules& rules) {
  const auto wait = wait_of(referral.state);
  if (!wait) return std::nullopt;
  const auto began = begins(referral, *wait);
  return Running{*wait, rules.pace(*wait, referral.urgency, rules.day_of(began)), began};
}

Timestamp after(const Referral& referral, const Rules& rules, const Running& now, Timestamp from, microseconds time) {
  if (!now.pace.working) return from + time;
  const auto& facility = waited_for(now.wait) == Role::sender ? referral.sender : referral.receiver;
  return rules.worked(from, time, facility);
}

}  // namespace

std::optional<Wait> wait_of(State state) {
  switch (state) {
    case State::requested:
    case State::redirected:
    case State::received: return Wait::answer;
    case State::accepted: return Wait::arrival;
    case State::declined:
    case State::no_show: return Wait::decision;
    case State::arrived:
    case State::in_treatment: return Wait::report;
    case State::report_returned: return Wait::closing;
    case State::none:
    case State::closed:
    case State::cancelled:
    case State::expired: break;
  }
  return std::nullopt;
}

Role waited_for(Wait wait) {
  return wait == Wait::decision || wait == Wait::closing ? Role::sender : Role::receiver;
}

std::optional<Deadline> next(const Referral& referral, const Rules& rules) {
  const auto now = running(referral, rules);
  if (!now) return std::nullopt;
  const auto& told = referral.told;
  const auto planned = [&](microseconds time) { return after(referral, rules, *now, now->began, time); };
  const auto escalation = [&](Timestamp at) { return Deadline{now->wait, Action::escalate, at, Role::coordinator}; };
  if (!told.first_escalated) {
    if (!told.reminded) return Deadline{now->wait, Action::remind, planned(now->pace.remind), waited_for(now->wait)};
    return escalation(planned(now->pace.escalate));
  }
  const auto again = escalation(after(referral, rules, *now, *told.last_escalated, now->pace.again));
  if (!now->pace.end) return again;
  const auto spared = after(referral, rules, *now, *told.first_escalated, *now->pace.end - now->pace.escalate);
  const Deadline end{now->wait, now->wait == Wait::arrival ? Action::no_show : Action::expire,
                     std::max(planned(*now->pace.end), spared), Role::sender};
  return again.at < end.at ? again : end;
}

std::optional<Timestamp> due_by(const Referral& referral, const Rules& rules) {
  const auto now = running(referral, rules);
  if (!now) return std::nullopt;
  return after(referral, rules, *now, now->began, now->pace.escalate);
}

ReferralCommand clock_command(const Referral& referral, const Deadline& deadline, Timestamp now) {
  ReferralCommand command;
  // The version names the wait (a new one begins with a change), the moment which of its deadlines this is.
  command.id = RecordId(PartsHash()
                            .add("referral-clock")
                            .add(referral.id.view())
                            .add(std::to_string(referral.version))
                            .add(model::to_string(deadline.action))
                            .add(std::to_string(deadline.at.micros))
                            .finish());
  command.referral = referral.id;
  command.action = deadline.action;
  command.at = now;
  command.capacity = model::Capacity::clock;
  return command;
}

Timestamp SteadyTime::at(Timestamp wall, std::chrono::nanoseconds ticks) {
  const auto steady = time_ + std::chrono::duration_cast<std::chrono::microseconds>(ticks - ticks_);
  jumped_ = wall - steady > tolerance || steady - wall > tolerance;
  time_ = jumped_ ? steady : std::max(time_, wall);
  ticks_ = ticks;
  return time_;
}

}  // namespace hutong::referral
