// Which local patients are one person, as a fold of the decisions in their order. A local patient nobody linked is its
// own person, whose id is a hash of (facility, number); of two persons that become one the id of `patient`'s stays.
//
// A split cuts every link between `apart` and the rest that was there before it; a decision that was undone is as if it
// had never been. Either way the persons are what the decisions that stand give from the beginning, so undoing is
// exact. Two things a machine may not do, whatever it weighed: put together persons whose cards have nothing in common,
// or what a steward has split. A facility's merge may do the second: it speaks of its own numbers, and later. Pure;
// threads: any.
#pragma once

#include <map>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "broker/base/id.h"
#include "broker/identity/decision.h"

namespace hutong::identity {

struct Person {
  PersonId id;
  std::vector<LocalKey> members;  // sorted
  std::set<std::string> cards;    // keys of the valid cards its members stood with when they were decided about
  bool separated = false;         // a split concerns one of its members
};

Person alone(const LocalKey& local);

enum class Refusal { none, other_cards, separated };
std::string_view to_string(Refusal refusal);  // "joins-two-cards"
// Whether `decision` (linked or merged) may make one person of its two. `splits`: those that stand and concern either.
Refusal refuses(const IdentityDecision& decision, const Person& patient, const Person& other,
                std::span<const IdentityDecision* const> splits);
// `stays` takes the members of `goes`.
void unite(Person& stays, const Person& goes, const IdentityDecision& decision);
// Cards that a decision about two members of one person brings along. True: it learned some.
bool learn_cards(Person& person, const IdentityDecision& decision);

struct Persons {
  std::map<LocalKey, PersonId> person_of;  // of every local patient that a decision names
  std::map<PersonId, Person> standing;
  std::map<PersonId, PersonId> replaced;  // which person a former one became part of
  std::map<RecordId, Refusal> refused;    // links that were not made
};
// `decisions`: all that name one of these local patients or what they were ever linked to, in the order of the topic.
Persons replay(std::span<const IdentityDecision* const> decisions);

}  // namespace hutong::identity
