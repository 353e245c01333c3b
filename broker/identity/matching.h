// Whether two local patients are one person. An equal resident card asks the question and is never the whole answer:
// children stand on a parent's card, insurance cards are lent, and placeholder numbers are shared by thousands
// (product.md §5), so it links only under a guard. Without one the evidence is weighed field by field (weights.h): from
// one threshold on it links, from a lower one a steward is asked. Two valid cards that differ never link, whatever
// else agrees. Pure; threads: any.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "broker/identity/candidate.h"
#include "broker/identity/weights.h"

namespace hutong::identity {

enum class Outcome {
  none,      // nothing in common
  link,      // one person
  conflict,  // a steward decides: the same card, but not plainly the same person; or other cards, but otherwise one
             // person
  possible,  // a steward decides: likely, but not surely one person
};

struct Decision {
  Outcome outcome = Outcome::none;
  // Why, as words from a fixed set ("same-card", "other-birth-date"; of a weighed field its level and its bits,
  // "given-name-sounds +7.1"): no personal data.
  std::vector<std::string> reasons;
  double chance = -1;  // that they are one person; -1: not weighed
};

// Without weights (Weights::empty) only cards are looked at. `today`: "2026-11-26", by which grown people are told from
// children, who share more with their twins; "": everybody may be a child.
Decision compare(const Candidate& newcomer, const Candidate& other, const Weights& weights,
                 std::string_view today = {});
// One decision for each of `others`, in its order.
std::vector<Decision> decide(const Candidate& newcomer, std::span<const Candidate> others, const Weights& weights,
                             std::string_view today = {});

}  // namespace hutong::identity
