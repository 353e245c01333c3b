// A better map heals the past (product.md §6.7): reads stored raw bytes with today's facilities and maps, and where the
// event comes out differently appends message.renormalized: the same record and event ids, the next version. Nobody
// resends, nothing is changed in place. Threads: the caller's executor.
#pragma once

#include <cstdint>
#include <string>

#include "broker/pipeline/intake.h"

namespace hutong::pipeline {

inline constexpr std::string_view renormalized_kind = "message.renormalized";

struct RenormalizeReport {
  std::uint64_t read = 0, changed = 0;
};

// Every message at or after offset `from` of each partition, of `sender` (facility code) or of all (""). Errors: those
// of the log.
net::awaitable<Result<RenormalizeReport>> renormalize(port::Log& log, const port::Format& format, const Rules& rules,
                                                      const Clock& clock, port::Offset from, std::string sender);

}  // namespace hutong::pipeline
