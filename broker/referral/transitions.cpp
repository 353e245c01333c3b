#include "broker/referral/transitions.h"

#include <algorithm>

namespace hutong::referral {
namespace {

using S = Set<State>;
using R = Set<Role>;
using N = Set<Need>;
using enum State;
using enum Role;

constexpr S asked(requested, redirected);  // of a receiver that has not looked yet
constexpr S unanswered = asked | S(received);
constexpr S undecided(declined, no_show);  // it is the sender's turn again
constexpr S before_arrival = unanswered | S(accepted) | undecided;
constexpr S at_receiver(arrived, in_treatment, report_returned);
constexpr S open = before_arrival | at_receiver;
constexpr R broker(clock);

// Sources: "states" and the order of the steps are domain.md 2.3 (proposed canonical); "issue" is what the project set
// itself; "assumed" is ours and was found in no rule.
constexpr Transition table[] = {
    {none, Action::request, sender, requested, N(Need::route, Need::choice, Need::filing, Need::link),
     "states; informed choice: issue"},
    {open, Action::amend, sender, std::nullopt, {}, "REF^I13; assumed: the sender may complete what it sent"},

    {asked, Action::receive, receiver, received, {}, "states"},
    {S(received, accepted) | undecided | at_receiver,
     Action::receive,
     receiver,
     std::nullopt,
     {},
     "assumed: late, noted"},
    {unanswered | S(accepted) | undecided, Action::accept, receiver, accepted, Need::slot,
     "states; another slot, another mind: assumed"},
    {at_receiver, Action::accept, receiver, std::nullopt, Need::slot, "assumed: late, noted; the patient is there"},
    {unanswered | S(accepted), Action::decline, receiver, declined, Need::reason,
     "states; after acceptance: assumed (the bed is gone)"},

    {before_arrival, Action::redirect, R(sender, coordinator), redirected, N(Need::route, Need::choice, Need::reason),
     "states; assumed: not the receiver, who declines and proposes, because the patient chooses"},
    {before_arrival, Action::cancel, R(sender, coordinator), cancelled, Need::reason, "states; REF^I14"},

    {before_arrival, Action::arrive, receiver, arrived, {}, "issue: legal from any open state"},
    {at_receiver, Action::arrive, receiver, std::nullopt, {}, "issue; late, noted"},
    {before_arrival | S(arrived), Action::treat, receiver, in_treatment, {}, "states; who is treated has arrived"},
    {S(in_treatment, report_returned), Action::treat, receiver, std::nullopt, {}, "assumed: late, noted"},
    {before_arrival | S(arrived, in_treatment), Action::report, receiver, report_returned, Need::report,
     "states; who is reported on was treated"},
    {report_returned, Action::report, receiver, std::nullopt, Need::report, "assumed: a corrected or further report"},

    {report_returned, Action::close, R(sender, receiver), closed, Need::downward,
     "states; issue: an upward one closes so"},
    {at_receiver, Action::close, coordinator, closed, Need::reason, "assumed: nothing stays open for ever"},
    {report_returned, Action::close, linked, closed, Need::downward, "issue: when the downward one is accepted"},
    {before_arrival | S(arrived, in_treatment), Action::close, linked, std::nullopt, Need::downward,
     "assumed: noted, closes with the report"},

    {accepted, Action::no_show, receiver, no_show, Need::slot_over, "states"},
    {accepted, Action::no_show, broker, no_show, Need::due, "states"},
    {open, Action::remind, broker, std::nullopt, Need::due, "issue: clocks"},
    {open, Action::escalate, broker, std::nullopt, Need::due, "issue: clocks; to the duty role: domain.md 2.3"},
    {unanswered | undecided, Action::expire, broker, expired, Need::due,
     "states; never where a patient is or is awaited"},
};

}  // namespace

std::span<const Transition> transitions() {
  return table;
}

const Transition* transition(State from, Action action, Role role) {
  const auto* found = std::find_if(std::begin(table), std::end(table), [&](const Transition& row) {
    return row.action == action && row.from.has(from) && row.by.has(role);
  });
  return found == std::end(table) ? nullptr : found;
}

bool is_open(State state) {
  return open.has(state);
}

bool is_end(State state) {
  return state != none && !open.has(state);
}

bool is_fact(Action action) {
  return action == Action::arrive || action == Action::treat || action == Action::report;
}

bool is_taken(State state) {
  return state == accepted || at_receiver.has(state);
}

std::vector<Action> actions_of(State state, Role role) {
  std::vector<Action> legal;
  for (std::size_t i = 0; i < model::referral_actions; ++i) {
    if (transition(state, static_cast<Action>(i), role)) legal.push_back(static_cast<Action>(i));
  }
  return legal;
}

}  // namespace hutong::referral
