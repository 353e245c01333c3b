// What was refused since the broker started: which messages are in quarantine though the projector may not have seen
// them yet, and how often each came again. A repetition appends nothing (product.md §6.2), so the count lives here and
// a restart begins at none; hutong_repeated_refusals_total counts them all for whoever keeps metrics.
// Bounded: the last ones are remembered. One that is forgotten before the projector saw it is appended a second time,
// which changes no row. Threads: any.
#pragma once

#include <cstdint>
#include <list>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>

#include "broker/base/text_hash.h"
#include "broker/base/time.h"

namespace hutong::pipeline {

class RecentRefusals {
 public:
  explicit RecentRefusals(std::size_t most = 20'000) : most_(most) {}

  struct Count {
    std::uint64_t times = 0;
    Timestamp last;
  };
  // `raw_hash`: the 32 bytes, or any name that is always the same for the same message.
  // It is durable in the quarantine topic.
  void kept(std::string_view facility, std::string_view raw_hash);
  // It came again, and is in quarantine already.
  void came_again(std::string_view facility, std::string_view raw_hash, Timestamp at);
  // Whether it is known to be in quarantine.
  bool known(std::string_view facility, std::string_view raw_hash) const;
  Count count(std::string_view facility, std::string_view raw_hash) const;

 private:
  struct Entry {
    std::string name;
    Count count;
  };
  Entry& touch(std::string_view facility, std::string_view raw_hash);  // the first of entries_ afterwards
  const Entry* find(std::string_view facility, std::string_view raw_hash) const;

  const std::size_t most_;
  mutable std::mutex mutex_;
  std::list<Entry> entries_;  // the last to come first
  std::unordered_map<std::string, std::list<Entry>::iterator, TextHash, std::equal_to<>> by_name_;
};

}  // namespace hutong::pipeline
