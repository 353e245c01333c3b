#include "broker/identity/matching.h"

#include <algorithm>
#include <charconv>
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

// How far the two names are one: the worse of their parts. A family name alone is a household's. Of words in letters
// nobody says which part of a name the only one is.
Level of_names(const Comparison& comparison) {
  const Level family = comparison[Field::family_name], given = comparison[Field::given_name];
  if (given == Level::unknown) return comparison.in_letters && family <= Level::sounds ? Level::sounds : Level::unknown;
  return family == Level::unknown ? given : std::max(family, given);
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

bool is_newborn(const Candidate& candidate) {
  return !candidate.mother_number.empty();
}

// A mother and the child that is registered under her, or two children of one mother at one facility: relations, never
// one person.
bool of_one_family(const Candidate& a, const Candidate& b) {
  if (a.facility != b.facility) return false;
  return (is_newborn(a) && (a.mother_number == b.number || a.mother_number == b.mother_number)) ||
         (is_newborn(b) && b.mother_number == a.number);
}

constexpr int grown_years = 18;

bool is_grown(std::string_view birth_date, std::string_view today) {
  if (birth_date.size() < 10 || today.size() < 10) return false;
  const auto year = [](std::string_view date) {
    int value = 0;
    std::from_chars(date.data(), date.data() + 4, value);
    return value;
  };
  const int years = year(today) - year(birth_date) - (today.substr(4) < birth_date.substr(4) ? 1 : 0);
  return years >= grown_years;
}

// Whether what agrees can be one person's alone. A household shares phone, street and family name, twins the birth date
// and nearly the given name, too, and so does who lends an insurance card: without the given name, as it is written,
// that is for a steward, unless a number of their own says more. Of grown people twins do not share a phone and a home
// any more, but clerks still write names by ear. A newborn has its mother's phone and street, often her name, and its
// twin the birth date: only a number of its own is its alone. A name is nobody's alone, however rare it is.
bool may_link(const Candidate& a, const Candidate& b, const Comparison& comparison, std::string_view today) {
  const Level family = comparison[Field::family_name], given = comparison[Field::given_name];
  const Level birth = comparison[Field::birth_date], number = comparison[Field::number];
  const bool own_number = number <= Level::close || comparison[Field::card] <= Level::close;
  if (is_newborn(a) || is_newborn(b)) return birth == Level::same && own_number;
  const bool more =
      birth <= Level::part || comparison[Field::phone] <= Level::close || comparison[Field::street] <= Level::part;
  if (!own_number && !more) return false;
  if (comparison.in_letters) {  // a slip in letters is a slip
    const bool alike = std::max(family, given) <= Level::close;
    if (alike || own_number) return true;
    return given <= Level::close && birth <= Level::part;
  }
  const bool born_alike = birth <= Level::part, one_family = family <= Level::sounds;
  if (own_number) {
    const bool other_given = given > Level::sounds && given != Level::unknown;
    if (one_family && other_given) return birth == Level::part;
    return born_alike || (one_family && given <= Level::sounds);
  }
  if (given == Level::sounds && one_family) return birth == Level::same && is_grown(a.birth_date, today);
  // The family name was mistyped, or changed.
  return given == Level::same && (one_family || born_alike);
}

}  // namespace

Decision compare(const Candidate& newcomer, const Candidate& other, const Weights& weights, std::string_view today) {
  if (of_one_family(newcomer, other)) return {};
  const Comparison comparison = compare_fields(newcomer, other);
  // Its mother elsewhere, under whose name it is registered: nothing to ask a steward about.
  if ((is_newborn(newcomer) || is_newborn(other)) && comparison[Field::birth_date] == Level::other) return {};
  if (intersect(newcomer.cards, other.cards)) return guard(newcomer, other, comparison);
  Decision decision;
  if (weights.empty() ||
      (comparison[Field::family_name] == Level::unknown && comparison[Field::given_name] == Level::unknown)) {
    return decision;
  }
  const bool other_card = !newcomer.cards.empty() && !other.cards.empty();
  Comparison weighed = comparison;
  if (other_card) weighed[Field::card] = Level::unknown;  // it forbids; that the rest agrees is what a steward is told
  const Score scored = score(weights, weighed);
  if (scored.chance < weights.steward) return decision;
  if (other_card) {
    if (scored.chance < weights.link || !may_link(newcomer, other, weighed, today)) return decision;
    decision.outcome = Outcome::conflict;
    decision.reasons.emplace_back("another-card");
  } else {
    decision.outcome =
        scored.chance >= weights.link && may_link(newcomer, other, weighed, today) ? Outcome::link : Outcome::possible;
  }
  explain(decision, weighed, scored);
  return decision;
}

std::vector<Decision> decide(const Candidate& newcomer, std::span<const Candidate> others, const Weights& weights,
                             std::string_view today) {
  std::vector<Decision> decisions;
  decisions.reserve(others.size());
  for (const auto& other : others) decisions.push_back(compare(newcomer, other, weights, today));
  return decisions;
}

}  // namespace hutong::identity
