// The tables of schemas/terminology as rows of columns by name (RFC 4180; a header line, "#" lines are comments).
// Read at start and at SIGHUP only; a fault throws with file and line.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace hutong::terminology {

class CsvTable {
 public:
  // Throws std::runtime_error: file not readable, a row with another number of columns, an open quote.
  static CsvTable read(const std::filesystem::path& file);

  std::size_t size() const { return rows_.size(); }
  // Throws when the column is not in the header.
  std::size_t column(std::string_view name) const;
  const std::string& at(std::size_t row, std::size_t column) const { return rows_[row].cells[column]; }
  // Throws with the row's place.
  [[noreturn]] void complain(std::size_t row, std::string_view what) const;
  const std::string& text() const { return text_; }
  const std::vector<std::string>& header() const { return header_; }
  const std::vector<std::string>& cells(std::size_t row) const { return rows_[row].cells; }
  std::string place(std::size_t row) const { return file_ + ":" + std::to_string(rows_[row].line); }

 private:
  struct Row {
    std::size_t line;
    std::vector<std::string> cells;
  };
  std::string file_, text_;
  std::vector<std::string> header_;
  std::vector<Row> rows_;
};

}  // namespace hutong::terminology
