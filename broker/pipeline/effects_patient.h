// How what a message says of a patient or a stay changes what is known of them already. Pure; threads: one owner;
// what is returned lives as long as the arena and the arguments.
#pragma once

#include "broker/model/event.h"

namespace hutong::pipeline {

inline constexpr std::size_t identifiers_max = 64;  // of one local patient; further ones are not kept

// A message says only what it knows: what it leaves out stays, what it deletes on purpose goes. Identifiers are united,
// but a person has one resident card, so a new valid number takes the place of the old.
model::Subject merge_subject(Arena& arena, const model::Subject& stored, const model::Subject& said);

// A stay after one more event about it. Events are ordered by when they occurred: one that occurred strictly before the
// newest only adds what is still unknown, so that a late admission does not reopen a discharged stay. `updated` (A08)
// changes no status once the stay is cancelled; a cancelled discharge (A13) reopens it, a cancelled transfer (A12)
// leads back to the prior place.
model::Encounter change_encounter(const model::Encounter& stored, const model::Encounter& said);
// The first event of a stay, brought into the same form.
model::Encounter first_encounter(const model::Encounter& said);

}  // namespace hutong::pipeline
