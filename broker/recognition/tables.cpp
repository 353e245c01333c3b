#include "broker/recognition/tables.h"

#include <algorithm>
#include <map>
#include <stdexcept>

#include "broker/base/time.h"
#include "broker/terminology/table.h"

namespace hutong::recognition {
namespace {

namespace fs = std::filesystem;
using terminology::CsvTable;
using sv = std::string_view;

constexpr sv items[] = {"item",   "valid_from",  "valid_to",      "name_zh",  "name_en",   "kind",
                        "loinc",  "similar",     "material",      "modality", "body_part", "contrast",
                        "window", "window_base", "window_status", "images",   "source"};
constexpr sv panels[] = {"panel", "component", "valid_from", "valid_to", "name_zh", "name_en", "required", "source"};
constexpr sv order_codes[] = {"facility", "code", "item", "valid_from", "valid_to", "source"};
constexpr sv marks[] = {"mark", "valid_from", "valid_to", "level", "areas", "text_zh", "text_en", "source"};
constexpr sv eqa[] = {"laboratory", "item", "mark", "round", "valid_from", "valid_to", "outcome", "source"};
constexpr sv alliances[] = {"alliance", "facility", "valid_from", "valid_to", "kind", "source"};
constexpr sv negative[] = {"item", "facility", "valid_from", "valid_to", "text_zh", "text_en", "source"};
constexpr sv reasons[] = {"code", "valid_from", "valid_to", "text_zh", "text_en", "counted", "requires_text", "source"};
constexpr sv prices[] = {"facility", "item", "valid_from", "valid_to", "price", "source"};
constexpr sv clauses[] = {"code", "valid_from", "valid_to", "clause", "text_zh", "text_en", "source"};
constexpr sv parameters[] = {"name", "valid_from", "valid_to", "value", "source"};

constexpr TableForm forms[] = {
    {"items", 1, items},   {"panels", 2, panels},       {"order_codes", 3, order_codes}, {"marks", 1, marks},
    {"eqa", 4, eqa},       {"alliances", 2, alliances}, {"negative", 2, negative},       {"reasons", 1, reasons},
    {"prices", 2, prices}, {"clauses", 1, clauses},     {"parameters", 1, parameters},
};

using Cells = std::map<std::string, std::string>;        // by column
using Rows = std::map<std::vector<std::string>, Cells>;  // by key and valid_from

std::vector<std::string> key_of(const TableForm& form, const Cells& cells) {
  std::vector<std::string> key;
  for (std::size_t i = 0; i <= form.keys; ++i) key.push_back(cells.at(std::string(form.columns[i])));
  return key;
}

Rows rows_of(const TableForm& form, const fs::path& file) {
  Rows rows;
  if (!fs::exists(file)) return rows;
  const auto table = CsvTable::read(file);
  for (std::size_t row = 0; row < table.size(); ++row) {
    Cells cells;
    for (const auto column : form.columns) cells[std::string(column)] = table.at(row, table.column(column));
    rows[key_of(form, cells)] = std::move(cells);
  }
  return rows;
}

std::string joined(const std::vector<std::string>& key) {
  std::string text;
  for (const auto& part : key) text += (text.empty() ? "" : " ") + (part.empty() ? std::string("-") : part);
  return text;
}

std::string quoted(const std::string& cell) {
  if (cell.find_first_of(",\"\n") == std::string::npos) return cell;
  std::string text = "\"";
  for (const char c : cell) text += c == '"' ? std::string("\"\"") : std::string(1, c);
  return text + "\"";
}

std::string day_before(const std::string& date) {
  const auto span = parse_iso(date, 0);
  return to_iso(span->first + std::chrono::hours(-24)).substr(0, 10);
}

bool is_day(std::string_view text) {
  return text.size() == 10 && parse_iso(text, 0).has_value();
}

}  // namespace

std::span<const TableForm> tables() {
  return forms;
}

const TableForm* table(std::string_view name) {
  const auto* found =
      std::find_if(std::begin(forms), std::end(forms), [&](const auto& form) { return form.name == name; });
  return found == std::end(forms) ? nullptr : found;
}

std::vector<std::string> differences(const fs::path& before, const fs::path& after) {
  std::vector<std::string> lines;
  for (const auto& form : forms) {
    const std::string file = std::string(form.name) + ".csv";
    const auto then = rows_of(form, before / file), now = rows_of(form, after / file);
    for (const auto& [key, cells] : then) {
      if (!now.contains(key)) lines.push_back("- " + std::string(form.name) + " " + joined(key));
    }
    for (const auto& [key, cells] : now) {
      const auto stood = then.find(key);
      if (stood == then.end()) {
        lines.push_back("+ " + std::string(form.name) + " " + joined(key));
        continue;
      }
      for (const auto& [column, value] : cells) {
        const auto& old = stood->second.at(column);
        if (old != value) {
          lines.push_back("~ " + std::string(form.name) + " " + joined(key) + ": " + column + " \"" + old + "\" → \"" +
                          value + "\"");
        }
      }
    }
  }
  return lines;
}

Imported import_rows(const TableForm& form, const fs::path& existing, const fs::path& file,
                     std::string_view valid_from) {
  Rows rows = rows_of(form, existing);
  const auto table = CsvTable::read(file);
  for (const auto& column : table.header()) {
    if (std::find(form.columns.begin(), form.columns.end(), column) == form.columns.end()) {
      throw std::runtime_error(file.string() + ":1: " + std::string(form.name) + " has no column \"" + column + "\"");
    }
  }
  Imported made;
  for (std::size_t row = 0; row < table.size(); ++row) {
    Cells cells;
    for (const auto column : form.columns) cells[std::string(column)];
    for (std::size_t i = 0; i < table.header().size(); ++i) cells[table.header()[i]] = table.at(row, i);
    if (cells["valid_from"].empty()) cells["valid_from"] = valid_from;
    if (cells["source"].empty()) cells["source"] = "unverified: imported from " + file.filename().string();
    for (std::size_t i = 0; i < form.keys; ++i) {
      if (cells[std::string(form.columns[i])].empty())
        table.complain(row, std::string(form.columns[i]) + " is not said");
    }
    if (!is_day(cells["valid_from"]))
      table.complain(row, "valid_from must be a day, 2026-01-31 (or give --valid-from)");
    if (!cells["valid_to"].empty() && !is_day(cells["valid_to"]))
      table.complain(row, "valid_to must be a day, 2026-01-31");
    const auto key = key_of(form, cells);
    if (const auto stood = rows.find(key); stood != rows.end()) {
      ++(stood->second == cells ? made.unchanged : made.changed);
      stood->second = std::move(cells);
      continue;
    }
    ++made.added;
    // What was in force until now ends on the day before, so that no day has two rows for one thing.
    for (auto& [other, earlier] : rows) {
      if (!std::equal(key.begin(), key.end() - 1, other.begin(), other.end() - 1) || other.back() >= key.back())
        continue;
      const auto end = day_before(key.back());
      if (earlier["valid_to"].empty() || earlier["valid_to"] > end) {
        earlier["valid_to"] = end;
        ++made.closed;
      }
    }
    rows.emplace(key, std::move(cells));
  }
  for (const auto column : form.columns) made.table += (made.table.empty() ? "" : ",") + std::string(column);
  made.table += "\n";
  for (const auto& [key, cells] : rows) {
    std::string line;
    for (std::size_t i = 0; i < form.columns.size(); ++i)
      line += (i ? "," : "") + quoted(cells.at(std::string(form.columns[i])));
    made.table += line + "\n";
  }
  return made;
}

}  // namespace hutong::recognition
