// Mutual recognition folded into views: how each offered line stands, the counters behind the statistics, and whom to
// tell when a result that was offered is corrected. Counters move by what changed of a line (recognised, undone,
// refused), so they tally with the events whatever the order of clicks; an outcome met twice changes nothing.
//
// Events and operations are two topics, read in any order by a rebuild. So notices are made from both sides: a
// correction looks who had used the report, a use looks which corrections had come already; the row is the same.
// Threads: the projector's.
#pragma once

#include "broker/model/recognition.h"
#include "broker/pipeline/overlay.h"

namespace hutong::pipeline {

net::awaitable<void> apply(Overlay& overlay, model::RecognitionDecided decided);
net::awaitable<void> apply(Overlay& overlay, model::RecognitionOutcome outcome);

// `report` (16 bytes) got this version by a correction (not by better maps).
net::awaitable<void> notify_uses(Overlay& overlay, std::string report, std::int64_t version, std::string status,
                                 std::int64_t at);

}  // namespace hutong::pipeline
