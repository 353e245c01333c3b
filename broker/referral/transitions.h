// The state machine of referral as one table: who may do what in which state, what it must say, and where it leads.
// Whatever no row names is refused. tests/golden/referral/transitions.csv is the whole of it, cell by cell, for
// medical administrators. Threads: any (constant).
//
// Two kinds of commands. A decision (accept, decline, redirect, cancel, close) is guarded: by state, by who may, by the
// version that its maker saw; it can come too late. A fact (arrive, treat, report) has happened: whoever treats the
// patient may say so in any open state, no version holds it back, and one that comes late or twice only fills the
// ledger. So a critical patient waits for no acceptance, and messages of the receiving hospital may overtake each
// other.
#pragma once

#include <concepts>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "broker/model/referral.h"

namespace hutong::referral {

using Action = model::ReferralAction;
using State = model::ReferralState;
using Role = model::ReferralRole;

template <class Enum>
class Set {
 public:
  template <std::same_as<Enum>... Each>
  constexpr Set(Each... each)  // NOLINT: a value is a set of one
      : bits_((0U | ... | (1U << static_cast<unsigned>(each)))) {}
  constexpr bool has(Enum value) const { return bits_ >> static_cast<unsigned>(value) & 1U; }
  friend constexpr Set operator|(Set a, Set b) { return a.bits_ |= b.bits_, a; }

 private:
  std::uint32_t bits_;
};

enum class Need {  // that a command must say, or that must be so
  route,           // a receiver, and a pair that was agreed on or a reason
  choice,          // the patient's, of this receiver
  filing,          // 医保转诊备案, where the area asks for it
  link,            // a referral that it follows, if it names one
  slot,
  reason,
  report,     // what is returned
  downward,   // of an upward one: its downward referral is accepted, or a reason why there is none
  slot_over,  // the slot has begun
  due,        // the deadline of this action has passed
};

struct Transition {
  Set<State> from;
  Action action;
  Set<Role> by;
  std::optional<State> to;  // nothing: the state stays
  Set<Need> needs;
  std::string_view source;
};

std::span<const Transition> transitions();
const Transition* transition(State from, Action action, Role role);  // nullptr: not legal
bool is_open(State state);                                           // somebody is waited for
bool is_end(State state);
bool is_fact(Action action);
// The receiver has the patient, or has said that it will take him.
bool is_taken(State state);
std::vector<Action> actions_of(State state, Role role);  // what is legal, in the order of ReferralAction

inline State state_at(std::size_t index) {
  return static_cast<State>(index);
}

}  // namespace hutong::referral
