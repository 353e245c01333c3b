// The tables of a catalogue by name: which columns each has, in the order of its file, and which of them say what a row
// is about. The loader, the difference of two versions and the import of a published list all go by this.
// Threads: any (pure).
#pragma once

#include <array>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace hutong::recognition {

// Behind the key columns every table has valid_from and valid_to, and source as its last column.
struct TableForm {
  std::string_view name;  // "items": items.csv
  std::size_t keys;
  std::span<const std::string_view> columns;
};
std::span<const TableForm> tables();
const TableForm* table(std::string_view name);

// What differs between two folders of tables, one line a change, in words for a person: "+ items GLU 2026-01-01 …".
// Throws std::runtime_error: a table does not read.
std::vector<std::string> differences(const std::filesystem::path& before, const std::filesystem::path& after);

struct Imported {
  std::string table;  // the whole new table
  std::size_t added = 0, changed = 0, closed = 0, unchanged = 0;
};
// `rows` (a CSV with some of the table's columns, in any order) laid over `existing` (the table's text, "" none): a row
// with the key and valid_from of one that stands replaces it; a later one ends the earlier on the day before. Throws
// std::runtime_error with file and line: an unknown column, a key that is not said, a date that is none.
Imported import_rows(const TableForm& form, const std::filesystem::path& existing, const std::filesystem::path& rows,
                     std::string_view valid_from);

}  // namespace hutong::recognition
