// Whether two local patients are one person. For now only an equal resident card asks the question, and it is never
// the whole answer: children stand on a parent's card, insurance cards are lent, and placeholder numbers are shared by
// thousands (product.md §5). Evidence is compared attribute by attribute, so that fuller matching later adds attributes
// and a threshold here, and callers keep.
// Pure; threads: any.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "broker/model/event.h"

namespace hutong::identity {

// What of a local patient bears on who they are. Texts are owned: candidates outlive the rows they come from.
struct Candidate {
  std::string facility, number;
  std::vector<std::string> cards;  // valid resident cards that are no placeholders, sorted
  std::vector<std::string> names;  // as model::name_key folds them
  std::string birth_date;          // "1980-01-02"; empty: not known to the day
  model::Sex sex = model::Sex::unknown;
};

Candidate candidate(std::string_view facility, std::string_view number, const model::Subject& subject);

// A card number that may link at all.
bool links(const model::Identifier& identifier);

enum class Outcome {
  none,      // nothing in common
  link,      // one person
  conflict,  // a steward decides: the same card, but not plainly the same person
};

struct Decision {
  Outcome outcome = Outcome::none;
  // Why, as words from a fixed set ("same-card", "same-name", "other-birth-date"…): no personal data.
  std::vector<std::string_view> reasons;
};

Decision compare(const Candidate& newcomer, const Candidate& other);
// One decision for each of `sharing_card`, in its order.
std::vector<Decision> decide(const Candidate& newcomer, std::span<const Candidate> sharing_card);

}  // namespace hutong::identity
