// Reads a whole segment from memory and decides where its log ends. This is the judgement that a start after a
// crash rests on: what verifies is kept; damage below a place that is proved durable is refused, because acknowledged
// records would be lost; damage at or above it is the torn tail of a write that nobody was told about, and is cut.
// Threads: any; no state.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "adapters/log/journal/layout.h"
#include "broker/base/error.h"

namespace hutong::journal {

struct IndexEntry {
  Offset offset;
  std::uint64_t position;
};
// A sparse index names a batch about every so many bytes; a reader hops over the headers between two entries.
inline constexpr std::uint64_t index_step_bytes = 64 * 1024;

struct Tail {
  std::uint64_t end = block_bytes;    // file position of the next batch
  Offset next = 0;                    // its first offset
  std::uint64_t sequence = 0;         // its sequence
  std::uint32_t previous = 0;         // what its `previous` must be
  std::uint64_t proved_position = 0;  // every byte below was synced: a later header says so; at most `end`
  std::uint64_t unproved_from = 0;    // first batch with records at or above it; `end` when there is none
  std::uint64_t garbage_end = 0;      // bytes in [end, garbage_end) are left of a torn write; `end` when clean
  Timestamp last_appended;
  bool closed = false;  // goes on in a next segment
  std::uint64_t batches = 0, records = 0;
  std::vector<IndexEntry> index;
};

// `file` is all of the segment's file, `name` is for messages. Errors: corrupt.
Result<Tail> scan_segment(std::string_view file, const SegmentHeader& header, std::string_view name);

// "log damaged: segment NAME, byte P, offset O: WHAT. …what to do"
Error damage(std::string_view name, std::uint64_t position, Offset offset, std::string_view what);

}  // namespace hutong::journal
