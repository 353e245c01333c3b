// How often a message that is in quarantine came again since the broker started. A repetition appends nothing
// (product.md §6.2), so the count lives here and a restart begins at none; hutong_repeated_refusals_total counts them
// all for whoever keeps metrics. Bounded: of the messages that repeat, the ones that did so last are remembered.
// Threads: any.
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

class RepeatedRefusals {
 public:
  explicit RepeatedRefusals(std::size_t most = 10'000) : most_(most) {}

  struct Count {
    std::uint64_t times = 0;
    Timestamp last;
  };
  // `raw_hash`: the 32 bytes, or any name that is always the same for the same message.
  void add(std::string_view facility, std::string_view raw_hash, Timestamp at);
  Count of(std::string_view facility, std::string_view raw_hash) const;

 private:
  struct Entry {
    std::string name;
    Count count;
  };
  const std::size_t most_;
  mutable std::mutex mutex_;
  std::list<Entry> entries_;  // the last to repeat first
  std::unordered_map<std::string, std::list<Entry>::iterator, TextHash, std::equal_to<>> by_name_;
};

}  // namespace hutong::pipeline
