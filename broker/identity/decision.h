// What is decided about who is one person: by the matcher, by a facility's merge, by a steward. Each decision is a
// document of the identity topic, immutable; what stands of it follows from the decisions after it (persons.h). Pure
// data; threads: any.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "broker/base/id.h"
#include "broker/base/time.h"

namespace hutong::identity {

enum class DecisionKind {
  linked,    // two local patients are one person
  merged,    // the same, and `patient` is the one that goes on (A40, or a steward)
  conflict,  // for a steward: they share a card, or differ in it, and the rest says otherwise
  possible,  // for a steward: likely, but not surely one person
  split,     // `apart` are another person than `rest`, and the matcher shall not put them together again
  undone,    // the decision `of` no longer stands
  guarded,   // `patient` has other cards or another mother than it had: what a machine holds a link against
};
inline constexpr DecisionKind all_decision_kinds[] = {
    DecisionKind::linked, DecisionKind::merged, DecisionKind::conflict, DecisionKind::possible,
    DecisionKind::split,  DecisionKind::undone, DecisionKind::guarded};
std::string_view to_string(DecisionKind kind);  // "identity.linked"

struct LocalKey {
  std::string facility, number;
  auto operator<=>(const LocalKey&) const = default;
};

// What keeps a local patient apart from others, whatever else agrees: what its facility last said of it.
struct Guard {
  Timestamp as_of;                 // when that was appended; none: it says nothing
  std::vector<std::string> cards;  // valid resident cards, as keys
  std::string mother;              // a newborn: the mother's number at the same facility
  bool operator==(const Guard&) const = default;
};

struct IdentityDecision {
  RecordId id;  // from the cause
  DecisionKind kind = DecisionKind::linked;
  LocalKey patient;  // whose person stays: the older one; of a merge the surviving number
  LocalKey other;
  std::vector<std::string> reasons;   // from a fixed set; no personal data
  std::string cause;                  // event id; "" a steward's
  Timestamp at;                       // when the cause was appended
  double chance = -1;                 // that they are one person, where it was weighed
  Guard patient_guard, other_guard;   // as they were then
  std::string by, client, note;       // a steward's name, sign-in and words
  std::vector<LocalKey> apart, rest;  // of a split
  std::optional<RecordId> of;         // of an undone
  // Everything that the events below these offsets (partition, offset) gave rise to stands in the topic up to here: a
  // rebuild decides nothing about them. `decided_in`: the log that has these offsets; in a log that this record was
  // carried into they mean nothing.
  std::string decided_in;
  std::vector<std::pair<std::uint32_t, std::uint64_t>> decided;

  bool shapes() const { return kind != DecisionKind::conflict && kind != DecisionKind::possible; }
  bool of_steward() const { return !by.empty(); }
  // A facility's own A40, A47, A24 or A37: no machine merges or splits.
  bool of_facility() const { return by.empty() && (kind == DecisionKind::merged || kind == DecisionKind::split); }
};

}  // namespace hutong::identity
