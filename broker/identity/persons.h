// Which local patients are one person, as a fold of the decisions in their order. A local patient nobody linked is its
// own person, whose id is a hash of (facility, number); of two persons that become one the id of `patient`'s stays.
//
// A split cuts every link between `apart` and the rest that was there before it; a decision that was undone is as if it
// had never been. Either way the persons are what the decisions that stand give from the beginning, so undoing is
// exact. Three things a machine may not do, whatever it weighed, and they hold for whole persons: put together those
// whose valid cards differ, a mother and her child, or what a steward has split. A facility's merge may do the last: it
// speaks of its own numbers, and later. What each member's cards are and who its mother is, the decisions say (Guard);
// where a person comes to hold what no machine would have joined, a steward is asked (contradiction). Pure; threads:
// any.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "broker/base/id.h"
#include "broker/identity/decision.h"

namespace hutong::identity {

struct Person {
  PersonId id;
  std::vector<LocalKey> members;     // sorted
  std::map<LocalKey, Guard> guards;  // of those members of whom a decision says it
  std::set<std::string> vouched;     // cards, and children by name_of(), that a steward has put together
  bool separated = false;            // a split concerns one of its members
};

Person alone(const LocalKey& local);
std::string name_of(const LocalKey& local);  // "FACILITY/NUMBER"

enum class Refusal { none, other_cards, mother_and_child, same_mother, separated };
std::string_view to_string(Refusal refusal);  // "two-cards"

// Two members that no machine would have put together and no steward has.
struct Contradiction {
  Refusal why = Refusal::none;
  LocalKey one, other;
  Timestamp at;  // since when
};
std::optional<Contradiction> contradiction(const Person& person);

// What the decision says of those of its two that are members. True: that was news.
bool learn(Person& person, const IdentityDecision& decision);
// Whether `decision` (linked or merged) may make one person of its two, which have learned what it says. `splits`:
// those that stand and concern either.
Refusal refuses(const IdentityDecision& decision, const Person& patient, const Person& other,
                std::span<const IdentityDecision* const> splits);
// `stays` takes the members of `goes`.
void unite(Person& stays, const Person& goes, const IdentityDecision& decision);
// A steward says that two members of one person are one: what contradicts that is settled.
void vouch(Person& person);

struct Persons {
  std::map<LocalKey, PersonId> person_of;  // of every local patient that a decision names
  std::map<PersonId, Person> standing;
  std::map<PersonId, PersonId> replaced;  // which person a former one became part of
  std::map<RecordId, Refusal> refused;    // links that were not made
};
// `decisions`: all that name one of these local patients or what they were ever linked to, in the order of the topic.
Persons replay(std::span<const IdentityDecision* const> decisions);

}  // namespace hutong::identity
