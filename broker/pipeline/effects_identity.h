// Identity decisions as documents of the identity topic, and what they make of persons. A decision is made once, where
// an event is projected, from what local patients say; it is applied where it is met in the identity topic, from the
// decisions before it alone (broker/identity/persons.h). So a rebuild may read the topics in any order and ends where
// the first run did. Threads: the projector's.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "broker/base/error.h"
#include "broker/base/id.h"
#include "broker/base/time.h"
#include "broker/identity/candidate.h"
#include "broker/pipeline/overlay.h"

namespace hutong::pipeline {

using identity::DecisionKind;
using identity::IdentityDecision;
using identity::LocalKey;
using identity::to_string;

// A pair is linked, or reported to a steward, once, whichever message shows it first and however often.
RecordId pair_id(DecisionKind kind, const LocalKey& a, const LocalKey& b);
// What is pending is appended in the order of its ids. So the ids of what facilities say begin with zeroes and the
// time: what forbids a link must stand in the topic before the links that it forbids, and a merge before the unlinking
// that follows it.
//
// Each merge, link or unlink message is a decision of its own: after a steward's unlink a new one counts. `record`, as
// its events name it, and `received` stay the same when the message is read again with better maps: that decides
// nothing again.
RecordId merge_id(DecisionKind kind, const RecordId& record, Timestamp received, const LocalKey& patient,
                  const LocalKey& other);
RecordId guard_id(const LocalKey& local, const identity::Guard& guard);
// A card that too many share is one question, however many more come with it.
RecordId crowd_id(std::string_view card_key);

// The question that a person is in itself: it holds what no machine would have joined.
RecordId question_id(const PersonId& person);

std::string write(const IdentityDecision& decision);
// Errors: corrupt.
Result<IdentityDecision> read_identity_decision(std::string_view json);

// A valid card as decisions carry it: half of the key that the identifiers table has, enough to tell cards apart, of no
// use to find one.
std::string card_key(const std::string& hmac_key, std::string_view card);
// What a local patient says of itself that keeps it apart from others. `as_of`: when its facility last described it.
identity::Guard guard_of(const std::string& hmac_key, const identity::Candidate& patient, Timestamp as_of);
// What decisions have said of that so far; nullopt: none names the patient.
net::awaitable<std::optional<identity::Guard>> known_guard(Overlay& overlay, LocalKey local);

// Everyone who is one person with a local patient, itself too.
net::awaitable<std::vector<LocalKey>> members_of(Overlay& overlay, LocalKey local);

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
  no_effect,  // noted only
};
std::string_view to_string(Applied applied);  // as the table of decisions says it: "stands"
// `offset`: its place in the topic of the log `log_id`.
net::awaitable<Applied> apply(Overlay& overlay, IdentityDecision decision, port::Offset offset,
                              std::string_view log_id);

// Up to which offset of a partition of events everything is decided, as the identity topic says.
net::awaitable<port::Offset> decided_up_to(Overlay& overlay, std::uint32_t partition);

}  // namespace hutong::pipeline
