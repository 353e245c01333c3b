// Mutual recognition folded into views: how each offered line stands, the counters behind the statistics, and whom to
// tell when a result that was offered is corrected. What a decision counts as follows from how its lines stand, and the
// counters move by the difference: so they tally with the events whatever the order of clicks; what is met twice
// changes nothing, and an ordered line that is asked about again (a retry, signing after selecting) counts once.
//
// Events and operations are two topics, read in any order by a rebuild. So notices are made from both sides: a
// correction looks who had used the report, a use looks which corrections had come already; the row is the same.
// Threads: the projector's.
#pragma once

#include "broker/model/event.h"
#include "broker/model/recognition.h"
#include "broker/pipeline/overlay.h"

namespace hutong::pipeline {

net::awaitable<void> apply(Overlay& overlay, model::RecognitionDecided decided);
net::awaitable<void> apply(Overlay& overlay, model::RecognitionOutcome outcome);

// A report got this version by a correction (not by better maps): whoever was shown what it changes is told. `before`:
// the version that it replaces; nullptr: another patient's, or illegible, so that everything changed.
net::awaitable<void> notify_uses(Overlay& overlay, const model::Report* before, const model::Report& now,
                                 std::int64_t version, std::int64_t at);

}  // namespace hutong::pipeline
