// Identity decisions as documents of the identity topic, and what they make of persons. A decision is made once, where
// an event is projected, from what local patients say; it is applied where it is met in the identity topic, from the
// decisions before it alone (broker/identity/persons.h). So a rebuild may read the topics in any order and ends where
// the first run did. Threads: the projector's.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "broker/base/error.h"
#include "broker/base/id.h"
#include "broker/base/time.h"
#include "broker/identity/decision.h"
#include "broker/pipeline/overlay.h"

namespace hutong::pipeline {

using identity::DecisionKind;
using identity::IdentityDecision;
using identity::LocalKey;
using identity::to_string;

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

// What became of a decision that was met in the log.
enum class Applied {
  known,      // nothing: it was met before
  shaped,     // persons changed
  queued,     // a steward is asked
  no_effect,  // noted only: they are one person already, or a steward has parted them
};
// `offset`: its place in the topic of the log `log_id`.
net::awaitable<Applied> apply(Overlay& overlay, IdentityDecision decision, port::Offset offset,
                              std::string_view log_id);

// Up to which offset of a partition of events everything is decided, as the identity topic says.
net::awaitable<port::Offset> decided_up_to(Overlay& overlay, std::uint32_t partition);

}  // namespace hutong::pipeline
