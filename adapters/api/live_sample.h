// What the live page shows, computed from what was counted. Pure: the clock is an argument. Threads: one owner.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <vector>

#include "broker/base/time.h"
#include "broker/port/control.h"
#include "broker/port/metrics.h"
#include "broker/query/operations.h"

namespace hutong::api {

// Everything counted since start, read at one moment.
struct Counted {
  std::chrono::nanoseconds at{};
  double accepted = 0, duplicate = 0, rejected = 0, try_again = 0, bytes = 0;
  port::HistogramView acknowledgements;
};

struct LiveRates {
  double accepted = 0, duplicate = 0, rejected = 0, try_again = 0, bytes = 0;  // per second, over the last two samples
  double p50 = 0, p99 = 0;                                                     // seconds, over the last ten seconds
  std::uint64_t acknowledged = 0;                                              // in those ten seconds
};

// The value below which `part` (0…1) of what was counted between two views lies; straight lines inside a bucket.
double percentile(const port::HistogramView& before, const port::HistogramView& after, double part);

struct FeedRate {
  double per_minute = 0;
  double silence_seconds = -1, usual_seconds = -1;  // -1: nothing received yet; too few to say
  bool silent = false;
};

class LiveWindow {
 public:
  static constexpr std::size_t history_most = 300;
  LiveRates add(Counted counted);
  // Silence is judged against the feed's own habit: twenty usual intervals and at least a minute without a message.
  FeedRate feed(const query::Feed& feed, Timestamp now);
  const std::deque<double>& history() const { return history_; }  // accepted messages a second, oldest first

 private:
  struct FeedPast {
    std::deque<std::pair<Timestamp, std::uint64_t>> totals;  // of the last minute
  };
  std::deque<Counted> window_;
  std::deque<double> history_;
  std::map<std::string, FeedPast> feeds_;
};

// One event's JSON. `history` empty: left out.
std::string write_live(const port::StatusView& status, const LiveRates& rates, const std::vector<query::Feed>& feeds,
                       const std::vector<FeedRate>& feed_rates, const std::deque<double>& history);
// Puts the history into a document made without one.
std::string with_history(const std::string& document, const std::deque<double>& history);

}  // namespace hutong::api
