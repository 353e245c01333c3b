// What was sent, counted: the answer sheet for tests that look at what a broker made of it.
// Threads: one owner.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <unordered_set>

#include "adapters/simulator/simulation.h"

namespace hutong::simulator {

class Truth {
 public:
  void add(const Message& message, const Region& region);
  // One JSON object; see truth_test.cpp for its fields.
  std::string json() const;

  std::uint64_t messages() const { return messages_; }
  std::uint64_t malformed() const { return malformed_; }

 private:
  using Counts = std::map<std::string, std::uint64_t>;
  Counts types_, senders_, corrections_, resends_, faults_, expected_;
  std::uint64_t messages_ = 0, laboratory_ = 0, examinations_ = 0, preliminary_ = 0, merges_ = 0, items_ = 0;
  std::uint64_t unmapped_ = 0, malformed_ = 0;
  std::unordered_set<std::uint32_t> residents_;
  std::uint64_t placeholder_ = 0, borrowed_ = 0;  // of the residents
};

}  // namespace hutong::simulator
