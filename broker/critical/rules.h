// What is critical and who is told of it after how long, as dated tables under schemas/critical. Loaded whole,
// immutable. Threads: any, concurrently.
#pragma once

#include <chrono>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "broker/model/critical.h"
#include "broker/terminology/dated.h"

namespace hutong::critical {

using std::chrono::microseconds;
using Text = std::string_view;

struct Limit {
  std::string facility, loinc, ucum;  // facility "*": everybody without rows of its own for the item
  std::optional<int> age_from, age_to;
  std::string low, high;  // exact decimals; "" none
  terminology::Validity valid;
};

struct Level {  // of the chain
  std::string role;
  microseconds after{};
  std::optional<microseconds> again;  // of the last
};

class Rules {
 public:
  // A table in a later folder replaces the same table of the earlier ones. Throws std::runtime_error with file and
  // line: what does not read, a chain with a gap.
  static std::shared_ptr<const Rules> load(const std::vector<std::filesystem::path>& folders);

  const std::string& version() const { return version_; }
  std::optional<model::Degree> flagged(Text facility, Text flag, Text day) const;
  // Of the laboratory, or else everybody's; an age that is not known meets only rows without ages.
  const Limit* limit(Text laboratory, Text loinc, Text ucum, std::optional<int> age_days, Text day) const;
  std::vector<Level> chain(Text day) const;  // level 0 first; never empty

 private:
  friend class RulesLoader;
  struct Flag {
    std::string facility, flag;
    model::Degree degree;
    terminology::Validity valid;
  };
  struct DatedLevel {
    std::size_t number;
    Level level;
    terminology::Validity valid;
  };
  std::vector<const DatedLevel*> levels_on(Text day) const;

  std::string version_;
  std::vector<Flag> flags_;
  std::map<std::string, std::vector<Limit>, std::less<>> limits_;  // by loinc: every result is held against them
  std::vector<DatedLevel> chain_;
};

}  // namespace hutong::critical
