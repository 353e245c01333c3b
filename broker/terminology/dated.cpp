#include "broker/terminology/dated.h"

#include <fstream>
#include <stdexcept>

#include "broker/base/hash.h"

namespace hutong::terminology {

namespace fs = std::filesystem;

namespace {

bool is_day(std::string_view text) {
  return text.size() == 10 && parse_iso(text, 0).has_value();
}

}  // namespace

Validity validity_of(const CsvTable& table, std::size_t row) {
  Validity valid{table.at(row, table.column("valid_from")), table.at(row, table.column("valid_to"))};
  if (!is_day(valid.from)) table.complain(row, "valid_from must be a day, 2026-01-31");
  if (!valid.to.empty() && !is_day(valid.to)) table.complain(row, "valid_to must be a day, 2026-01-31, or empty");
  if (!valid.to.empty() && valid.to < valid.from) table.complain(row, "ends before it begins");
  return valid;
}

std::string day_of(Timestamp at, int zone_minutes) {
  return to_iso(at, zone_minutes).substr(0, 10);
}

fs::path place_of(const std::vector<fs::path>& folders, const std::string& name) {
  for (auto folder = folders.rbegin(); folder != folders.rend(); ++folder) {
    if (fs::exists(*folder / name)) return *folder / name;
  }
  throw std::runtime_error((folders.empty() ? fs::path(name) : folders.front() / name).string() + ": cannot be read");
}

std::string version_of(const std::vector<fs::path>& folders, const std::vector<CsvTable>& tables) {
  const auto file = place_of(folders, "VERSION");
  std::ifstream in(file);
  std::string day;
  in >> day;
  if (!is_day(day)) throw std::runtime_error(file.string() + ": expected a day, 2026-01-31");
  PartsHash hash;
  for (const auto& table : tables) hash.add(table.text());
  return day + "+" + to_hex(as_view(hash.finish()).substr(0, 4));
}

std::vector<std::string> split(std::string_view text, char separator) {
  std::vector<std::string> parts;
  while (!text.empty()) {
    const auto end = text.find(separator);
    if (end != 0) parts.emplace_back(text.substr(0, end));
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  }
  return parts;
}

}  // namespace hutong::terminology
