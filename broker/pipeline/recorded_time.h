// The time that commands are stamped and deadlines held against, one for the process: it follows the wall clock while
// the machine's ticks agree with it, and begins no earlier than what the log holds (referral/clocks.h, SteadyTime).
// Threads: any. Lifetime: the clock outlives it.
#pragma once

#include <mutex>

#include "broker/base/time.h"
#include "broker/port/log.h"
#include "broker/referral/clocks.h"

namespace hutong::pipeline {

class RecordedTime {
 public:
  RecordedTime(const Clock& clock, Timestamp newest_recorded);
  Timestamp now();  // in whole milliseconds, as records keep it
  // The wall clock was set by more than a minute since the start: it is not followed. As of the last now().
  bool jumped() const;

 private:
  const Clock& clock_;
  mutable std::mutex mutex_;
  referral::SteadyTime time_;
};

// When the newest record of all topics was appended, deliveries aside, or what time the last commands, answers and
// steps were given, where that is later; zero where there is none.
net::awaitable<Result<Timestamp>> newest_recorded(port::Log& log);

}  // namespace hutong::pipeline
