// What a laboratory's next message under the same report key makes of the report: the rules of product.md §5
// ("Corrections as laboratories send them") and reliability.md F20, as one pure function.
//
//  1. The same content is no change, whatever its control id. Content is what the laboratory said: header and print
//     times (OBR-22), the place in the message, and what our own maps made of it do not count.
//  2. Late: registered < partial, preliminary < final < amended, corrected. A lower rank below final never replaces a
//     higher one (a late P after an F). An F after a C or a withdrawal is late when it was issued (OBR-22) strictly
//     before it; else the laboratory took its correction back, or reports anew under the old number. A P after a
//     withdrawal is late unless issued strictly later.
//  3. Whole: a final report replaces the earlier one as a whole, items that it does not name any more included (they
//     stay in the earlier version) …
//  4. By item: … but a report that is partial, preliminary, amended, corrected or withdrawn, an F whose items are all
//     C, D, X or W, and an F that shares no item with the stored one (laboratories that send a report in pieces)
//     changes the items that it names (OBX-3, OBX-4) and keeps the others. Fields of the report that it does not say
//     are kept. An item kept from an earlier message says which: its path is "EVENT#OBX[3]".
//  5. An item that is final or better is never replaced by a preliminary one.
//  6. D, X and W stay visible as items: W and D entered-in-error, X cancelled. A report all of whose items are so is
//     withdrawn itself; in a withdrawn report no item stays valid. Nothing is deleted: each version stays readable.
//
// Threads: one owner. Lifetime: what is returned lives as long as `arena`, `stored` and `incoming`.
#pragma once

#include <string>

#include "broker/base/hash.h"
#include "broker/model/event.h"

namespace hutong::pipeline {

enum class Correction { unchanged, late, superseded };

// Puts statuses in order that follow from others (rule 6, and a report without a status), in a report as it is to be
// shown. Not in a message that only corrects: that all of its items are taken back says nothing of the others.
void settle_statuses(Arena& arena, model::Report& report);

// Over the content of rule 1.
Sha256Digest content_hash(Arena& arena, const model::Report& report);

struct Corrected {
  Correction outcome = Correction::unchanged;
  model::Report report;  // superseded: the new version
  Sha256Digest hash{};
};

// `stored_hash`: content_hash of `stored`. `stored_event`: the event that its items came from.
Corrected correct(Arena& arena, const model::Report& stored, std::string_view stored_hash, model::Text stored_event,
                  const model::Report& message);

}  // namespace hutong::pipeline
