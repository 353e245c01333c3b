// What dated tables have in common: a row holds from one day to another, both inclusive, an empty end is open; a change
// is a new row. Read at start and at SIGHUP only. Threads: any.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "broker/base/time.h"
#include "broker/terminology/table.h"

namespace hutong::terminology {

struct Validity {
  std::string from, to;
  bool holds_on(std::string_view day) const { return day >= from && (to.empty() || day <= to); }
  bool meets(const Validity& other) const {
    return (to.empty() || other.from <= to) && (other.to.empty() || from <= other.to);
  }
};

// Columns valid_from and valid_to of a row. Throws std::runtime_error with file and line: what is no day.
Validity validity_of(const CsvTable& table, std::size_t row);

// The day of a moment in a zone, "2026-01-02".
std::string day_of(Timestamp at, int zone_minutes);

// A table by its file's name in the last folder that has it; throws when none has.
std::filesystem::path place_of(const std::vector<std::filesystem::path>& folders, const std::string& name);

// The set's day (file VERSION) and the hash of its tables' texts: "2026-01-01+1a2b3c4d". Throws: no day.
std::string version_of(const std::vector<std::filesystem::path>& folders, const std::vector<CsvTable>& tables);

std::vector<std::string> split(std::string_view text, char separator = ';');  // without empty parts

}  // namespace hutong::terminology
