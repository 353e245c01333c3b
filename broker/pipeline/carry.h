// From one log into another: hutong migrate. What is carried keeps its append time, so that FHIR shows the same bytes
// afterwards.
#pragma once

#include <array>
#include <functional>

#include "broker/port/log.h"

namespace hutong::pipeline {

struct CarryReport {
  struct Topic {
    std::uint64_t records = 0;  // in the log that is left
    std::uint64_t carried = 0;  // of these, now; the others were there from an interrupted run
    std::uint64_t found = 0;    // counted in the other log afterwards, each once
  };
  std::array<Topic, 4> topics;  // by port::Topic
  std::uint64_t records() const;
  // Every record of every topic is there.
  bool complete() const;
};

// Appends every record of `from` to `to`, goes on behind what an interrupted run had carried, and counts in the end. An
// interruption may leave a record twice in `to`; no reader shows it twice. `progress`: records looked at, and of how
// many. Errors: conflict (`to` holds records that were not carried: it is in service, or another installation's), those
// of the logs.
net::awaitable<Result<CarryReport>> carry(port::Log& from, port::Log& to,
                                          std::function<void(std::uint64_t, std::uint64_t)> progress);

}  // namespace hutong::pipeline
