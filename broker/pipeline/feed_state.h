// What an operator and the data-quality table see of one facility's feed: the `state` document of its `feeds` row.
// A fold of the log: sums and extremes only, so that the order in which topics are read does not matter.
// Pure; threads: one owner.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "broker/base/error.h"
#include "broker/base/time.h"

namespace hutong::pipeline {

// A sender could otherwise invent as many message types or reasons as it likes; what comes after is counted "other".
inline constexpr std::size_t feed_words_max = 64;

struct FeedState {
  Timestamp first_received, last_received;  // zero: nothing accepted yet
  std::uint64_t records = 0;                // one per patient in a message (product.md §5), duplicates not counted
  std::map<std::string, std::uint64_t> by_kind;  // "result.reported"
  std::map<std::string, std::uint64_t> by_type;  // "ORU^R01"
  std::uint64_t warnings = 0;                    // issues of severity warning or error in accepted records
  std::uint64_t duplicates = 0;                  // record ids that the log holds again
  std::uint64_t control_id_conflicts = 0;
  std::uint64_t unmapped = 0;                    // observations whose code has no map
  std::uint64_t unreadable = 0;                  // stored documents that did not parse: a defect of ours, never hidden
  std::uint64_t rejected = 0;                    // different messages in quarantine
  std::map<std::string, std::uint64_t> rejects;  // by reason
  struct Reject {
    Timestamp at;
    std::string reason, path;
    std::uint64_t offset = 0;  // in the quarantine topic
  } last_reject;

  static void count(std::map<std::string, std::uint64_t>& by, std::string_view word, std::uint64_t times = 1);
};

std::string write(const FeedState& state);
// Errors: corrupt.
Result<FeedState> read_feed_state(std::string_view json);

}  // namespace hutong::pipeline
