#include "broker/identity/matching.h"

#include <algorithm>
#include <cstdio>

#include "broker/identity/comparison.h"

namespace hutong::identity {
namespace {

using model::Sex;

bool intersect(const std::vector<std::string>& a, const std::vector<std::string>& b) {
  return std::any_of(a.begin(), a.end(), [&](const auto& x) { return std::find(b.begin(), b.end(), x) != b.end(); });
}

void note(Decision& decision, bool known, bool same, std::string_view what) {
  decision.reasons.push_back((!known ? "no-" : same ? "same-" : "other-") + std::string(what));
}

// How far the two names are one: the worse of their parts.
Level of_names(const Comparison& comparison) {
  const Level family = comparison[Field::family_name], given = comparison[Field::given_name];
  if (family == Level::unknown) return given;
  return given == Level::unknown ? family : std::max(family, given);
}

// The guard of an equal card. A name that only sounds the same is a clerk's, not another person's: the number beside it
// is equal in all its digits. A child on a parent's card shares the family name alone.
Decision guard(const Candidate& a, const Candidate& b, const Comparison& comparison) {
  Decision decision;
  decision.reasons.emplace_back("same-card");
  const bool further_card = a.cards != b.cards;
  if (further_card) decision.reasons.emplace_back("another-card");
  const Level name = of_names(comparison);
  const bool names = name != Level::unknown, births = !a.birth_date.empty() && !b.birth_date.empty();
  const bool sexes = a.sex != Sex::unknown && b.sex != Sex::unknown;
  const bool same_name = names && name <= Level::sounds, same_birth = births && a.birth_date == b.birth_date;
  const bool same_sex = sexes && a.sex == b.sex;
  if (same_name && name != Level::same) {
    decision.reasons.emplace_back("name-sounds-same");
  } else {
    note(decision, names, same_name, "name");
  }
  note(decision, births, same_birth, "birth-date");
  note(decision, sexes, same_sex, "sex");
  const bool agree = same_name && (same_birth || (same_sex && (name == Level::same || !births)));
  decision.outcome = agree && !further_card ? Outcome::link : Outcome::conflict;
  return decision;
}

void explain(Decision& decision, const Comparison& comparison, const Score& scored) {
  decision.chance = scored.chance;
  for (Field field : all_fields) {
    if (comparison[field] == Level::unknown) continue;
    char bits[16];
    std::snprintf(bits, sizeof bits, " %+.1f", scored.bits[static_cast<std::size_t>(field)]);
    decision.reasons.push_back(std::string(to_string(field)) + "-" + std::string(to_string(comparison[field])) + bits);
  }
}

// A mother and the child that is registered under her: a relation, never one person.
bool mother_and_child(const Candidate& a, const Candidate& b) {
  return a.facility == b.facility && ((!a.mother_number.empty() && a.mother_number == b.number) ||
                                      (!b.mother_number.empty() && b.mother_number == a.number));
}

// Whether what agrees can be one person's alone. A household shares phone and street, twins the birth date and the
// family name too, and so does who lends an insurance card: without the given name that is for a steward.
bool may_link(const Comparison& comparison) {
  const Level family = comparison[Field::family_name], given = comparison[Field::given_name];
  const Level birth = comparison[Field::birth_date], number = comparison[Field::number];
  // Syllables that are nearly one are what twins are called; a slip in letters is a slip.
  const Level alike = comparison.in_letters ? Level::close : Level::sounds;
  if (of_names(comparison) <= alike) return true;
  const bool own_number = number <= Level::close || comparison[Field::card] <= Level::close;
  if (comparison.in_letters && own_number) return true;
  const bool given_differs = given > alike && given != Level::unknown;
  if (family <= alike && given_differs && birth <= Level::close) return false;
  if (given <= alike) return birth <= Level::part || own_number;  // the family name was mistyped, or changed
  return own_number && birth <= Level::part;
}

}  // namespace

Decision compare(const Candidate& newcomer, const Candidate& other, const Weights& weights) {
  if (mother_and_child(newcomer, other)) return {};
  const Comparison comparison = compare_fields(newcomer, other);
  if (intersect(newcomer.cards, other.cards)) return guard(newcomer, other, comparison);
  Decision decision;
  if (weights.empty() || of_names(comparison) == Level::unknown) return decision;
  const bool other_card = !newcomer.cards.empty() && !other.cards.empty();
  Comparison weighed = comparison;
  if (other_card) weighed[Field::card] = Level::unknown;  // it forbids; that the rest agrees is what a steward is told
  const Score scored = score(weights, weighed);
  if (scored.chance < weights.steward) return decision;
  if (other_card) {
    if (scored.chance < weights.link || !may_link(weighed)) return decision;
    decision.outcome = Outcome::conflict;
    decision.reasons.emplace_back("another-card");
  } else {
    decision.outcome = scored.chance >= weights.link && may_link(weighed) ? Outcome::link : Outcome::possible;
  }
  explain(decision, weighed, scored);
  return decision;
}

std::vector<Decision> decide(const Candidate& newcomer, std::span<const Candidate> others, const Weights& weights) {
  std::vector<Decision> decisions;
  decisions.reserve(others.size());
  for (const auto& other : others) decisions.push_back(compare(newcomer, other, weights));
  return decisions;
}

}  // namespace hutong::identity
