// A simulated year of a city in events of mutual recognition: who asked what, what was offered, what the doctors did,
// what came by message besides; asked again, clicked twice, written twice. Everything of order i follows from the seed
// and i, so that a run may stop anywhere and go on. Pure.
#pragma once

#include <random>
#include <string>
#include <vector>

#include "broker/model/recognition.h"
#include "broker/port/log.h"

namespace hutong::tests {

class Year {
 public:
  Year(std::uint64_t seed, std::uint64_t orders) : seed_(seed), orders_(orders) {}

  Timestamp at(std::uint64_t order) const {
    constexpr std::int64_t first = 1'767'196'800'000'000, year = 365LL * 86'400'000'000;  // 2026-01-01 in China
    return {first + static_cast<std::int64_t>(static_cast<double>(order) / static_cast<double>(orders_) *
                                              static_cast<double>(year))};
  }
  // The records of one order, in the order in which they happen; how many orders that makes, one or two.
  std::uint64_t tell(std::uint64_t order, std::vector<port::Record>& records) const;

 private:
  std::uint64_t seed_, orders_;
};

}  // namespace hutong::tests
