// What the statistics of mutual recognition must count, from the documents in the log alone and by another way than the
// fold: first which questions were one order, then how each ordered line ended, then what that counts. A year of a city
// does not fit into memory, so the log is dealt out into files by decision, and then by day: a day is counted at a
// time. What is of one order counts on one day; an outcome counts on the day of its decision.
#pragma once

#include <array>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "broker/port/log.h"

namespace hutong::tests {

// Of one day: facility, department, item, measure → count. The counters of whole orders have the item "".
using DayCounts = std::map<std::array<std::string, 4>, std::int64_t>;

class Recount {
 public:
  // Deals out the log's topic operations into files below `folder`; where they lie there already, of the whole log,
  // they are taken. Throws std::runtime_error.
  Recount(port::Log& log, std::filesystem::path folder);
  const std::vector<std::string>& days() const { return days_; }  // "2026-01-01", in their order
  DayCounts of(const std::string& day) const;

 private:
  std::filesystem::path folder_;
  std::vector<std::string> days_;
};

}  // namespace hutong::tests
