#include "broker/terminology/table.h"

#include <algorithm>
#include <fstream>
#include <sstream>
#include <stdexcept>

namespace hutong::terminology {

CsvTable CsvTable::read(const std::filesystem::path& file) {
  CsvTable table;
  table.file_ = file.string();
  std::ifstream in(file, std::ios::binary);
  if (!in) throw std::runtime_error(table.file_ + ": cannot be read");
  std::ostringstream whole;
  whole << in.rdbuf();
  table.text_ = whole.str();
  std::string_view rest = table.text_;
  if (rest.starts_with("\xEF\xBB\xBF")) rest.remove_prefix(3);  // spreadsheets write one
  std::size_t line = 1;
  while (!rest.empty()) {
    const std::size_t first_line = line;
    if (rest.front() == '\n' || rest.front() == '\r' || rest.front() == '#') {
      const std::size_t end = rest.find('\n');
      rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
      ++line;
      continue;
    }
    std::vector<std::string> cells(1);
    bool quoted = false;
    std::size_t i = 0;
    for (; i < rest.size(); ++i) {
      const char c = rest[i];
      if (c == '\n') ++line;
      if (quoted) {
        if (c != '"') {
          cells.back() += c;
        } else if (i + 1 < rest.size() && rest[i + 1] == '"') {
          cells.back() += rest[++i];
        } else {
          quoted = false;
        }
      } else if (c == '"') {
        quoted = true;
      } else if (c == ',') {
        cells.emplace_back();
      } else if (c == '\n') {
        ++i;
        break;
      } else if (c != '\r') {
        cells.back() += c;
      }
    }
    const std::string place = table.file_ + ":" + std::to_string(first_line) + ": ";
    if (quoted) throw std::runtime_error(place + "a quote is not closed");
    rest.remove_prefix(i);
    if (table.header_.empty()) {
      table.header_ = std::move(cells);
    } else if (cells.size() != table.header_.size()) {
      throw std::runtime_error(place + std::to_string(cells.size()) + " columns, the header has " +
                               std::to_string(table.header_.size()));
    } else {
      table.rows_.push_back({first_line, std::move(cells)});
    }
  }
  if (table.header_.empty()) throw std::runtime_error(table.file_ + ": empty, a header line is expected");
  return table;
}

std::size_t CsvTable::column(std::string_view name) const {
  const auto at = std::find(header_.begin(), header_.end(), name);
  if (at == header_.end()) throw std::runtime_error(file_ + ":1: column \"" + std::string(name) + "\" is missing");
  return static_cast<std::size_t>(at - header_.begin());
}

void CsvTable::complain(std::size_t row, std::string_view what) const {
  throw std::runtime_error(file_ + ":" + std::to_string(rows_[row].line) + ": " + std::string(what));
}

}  // namespace hutong::terminology
