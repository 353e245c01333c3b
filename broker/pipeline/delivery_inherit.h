// Where subscribers stood in the log that this one was carried from (hutong migrate): offsets there are others, but
// each carried record remembers its own. Said anew in this log's offsets, so that nobody is told twice and nothing is
// passed over. Asked once, before anything was delivered from this log. Threads: any.
#pragma once

#include <vector>

#include "broker/port/log.h"

namespace hutong::pipeline {

// Records for the topic operations; none: nothing was delivered from another log. Errors: the log's.
net::awaitable<Result<std::vector<port::Record>>> inherited_deliveries(port::Log& log, Timestamp now,
                                                                       std::uint64_t term);

}  // namespace hutong::pipeline
