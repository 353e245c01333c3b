// Identity decisions as documents of the identity topic, and what they make of persons. A decision is made once, where
// an event is projected, from local patients alone (never from persons); it is applied where it is met in the identity
// topic, from persons alone. So a rebuild may read the topics in any order and ends where the first run did.
// Threads: the projector's.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "broker/base/error.h"
#include "broker/base/id.h"
#include "broker/base/time.h"
#include "broker/pipeline/overlay.h"

namespace hutong::pipeline {

enum class DecisionKind { linked, merged, conflict };
std::string_view to_string(DecisionKind kind);  // "identity.linked"

struct LocalKey {
  std::string facility, number;
  auto operator<=>(const LocalKey&) const = default;
};

struct IdentityDecision {
  RecordId id;  // from the cause, see below
  DecisionKind kind = DecisionKind::linked;
  LocalKey patient;  // whose person stays: the older one; of a merge the surviving number
  LocalKey other;
  std::vector<std::string> reasons;  // from a fixed set; no personal data
  std::string cause;                 // event id
  Timestamp at;                      // when the cause was appended
};

// A pair is linked, or reported to a steward, once, whichever message shows it first and however often.
RecordId pair_id(DecisionKind kind, const LocalKey& a, const LocalKey& b);
// Each merge message is a decision of its own: after a steward's unlink a new one counts.
RecordId merge_id(const RecordId& record, const LocalKey& surviving, const LocalKey& prior);

std::string write(const IdentityDecision& decision);
// Errors: corrupt.
Result<IdentityDecision> read_identity_decision(std::string_view json);

// Writes the row of the person that a local patient is until it is linked: an id is a hash, so only this row leads from
// it back to the patient. Nothing where the row stands already (a decision may be read before the event).
net::awaitable<void> found_person(Overlay& overlay, LocalKey local, Timestamp at);

// Puts the decision among the pending ones unless it is known already. True: it is new.
net::awaitable<bool> propose(Overlay& overlay, IdentityDecision decision);

// The decision was met in the log. True: it was not known yet and persons (or conflicts) changed.
net::awaitable<bool> apply(Overlay& overlay, IdentityDecision decision);

}  // namespace hutong::pipeline
