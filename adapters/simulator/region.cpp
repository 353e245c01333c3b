#include "adapters/simulator/region.h"

#include <toml++/toml.h>

#include <cstdlib>
#include <fstream>
#include <initializer_list>
#include <set>
#include <stdexcept>

namespace hutong::simulator {
namespace {

using std::filesystem::path;

[[noreturn]] void refuse(const path& file, std::size_t line, const std::string& what) {
  throw std::runtime_error(file.string() + ":" + std::to_string(line) + ": " + what);
}

std::vector<std::string> csv_fields(const std::string& line) {
  std::vector<std::string> fields(1);
  bool quoted = false;
  for (const char c : line) {
    if (c == '"')
      quoted = !quoted;
    else if (c == ',' && !quoted)
      fields.emplace_back();
    else if (c != '\r')
      fields.back() += c;
  }
  return fields;
}

// Calls row(line number, fields) for every line below the header.
template <class Row>
void read_csv(const path& file, std::size_t columns, Row row) {
  std::ifstream input(file);
  if (!input) throw std::runtime_error(file.string() + ": cannot be read; give the folder that holds terminology/");
  std::string line;
  for (std::size_t number = 1; std::getline(input, line); ++number) {
    if (number == 1 || line.empty()) continue;
    auto fields = csv_fields(line);
    if (fields.size() < columns) refuse(file, number, "expected " + std::to_string(columns) + " columns");
    row(number, fields);
  }
}

// canonical = local * factor, by (LOINC, local unit)
using Factors = std::map<std::pair<std::string, std::string>, double>;

Factors read_factors(const path& file) {
  Factors factors;
  read_csv(file, 6, [&](std::size_t, const std::vector<std::string>& row) {
    const double factor = std::strtod(row[3].c_str(), nullptr);
    if (row[5] == "linear" && factor > 0) factors.emplace(std::pair(row[2], row[1]), factor);
  });
  return factors;
}

CodeMap read_map(const path& file, const Factors& factors) {
  CodeMap map;
  read_csv(file, 4, [&](std::size_t, const std::vector<std::string>& row) {
    LocalCode code{row[0], row[1], row[2], row[3]};
    if (const auto found = factors.find({code.loinc, code.unit}); found != factors.end()) code.factor = found->second;
    if (code.loinc.empty())
      map.unmapped.push_back(std::move(code));
    else
      map.by_loinc.emplace(code.loinc, std::move(code));
  });
  return map;
}

class Table {
 public:
  Table(const toml::table& table, const path& file) : table_(table), file_(file) {}
  void known(std::initializer_list<const char*> keys) const {
    const std::set<std::string> names(keys.begin(), keys.end());
    for (const auto& [key, value] : table_) {
      if (!names.contains(std::string(key.str()))) {
        refuse(file_, value.source().begin.line, "unknown key '" + std::string(key.str()) + "'");
      }
    }
  }
  std::string text(const char* key, const char* fallback = nullptr) const {
    if (const auto value = table_[key].value<std::string>()) return *value;
    if (table_.contains(key) || !fallback) refuse(file_, line(key), std::string("a text is expected at '") + key + "'");
    return fallback;
  }
  bool flag(const char* key) const {
    if (table_.contains(key) && !table_[key].is_boolean()) {
      refuse(file_, line(key), std::string("true or false is expected at '") + key + "'");
    }
    return table_[key].value_or(false);
  }
  double number(const char* key, double fallback, double low, double high) const {
    if (!table_.contains(key)) return fallback;
    const auto value = table_[key].value<double>();
    if (!value || *value < low || *value > high) {
      refuse(file_, line(key),
             std::string("'") + key + "' is a number from " + std::to_string(low) + " to " + std::to_string(high));
    }
    return *value;
  }
  std::size_t line(const char* key) const {
    const auto* node = table_.get(key);
    return node ? node->source().begin.line : table_.source().begin.line;
  }
  const toml::table& raw() const { return table_; }

 private:
  const toml::table& table_;
  const path& file_;
};

Institution read_institution(const Table& t, const path& file) {
  t.known({"code",          "name",        "level",       "kind",    "msh4",
           "his",           "lis",         "ris",         "charset", "msh18",
           "version",       "map",         "laboratory",  "imaging", "card_type",
           "number_format", "range_style", "split_names", "zone",    "specimen_segment",
           "share"});
  Institution i;
  i.code = t.text("code");
  i.name = t.text("name");
  i.level = t.text("level");
  i.kind = t.text("kind");
  i.msh4 = t.text("msh4", i.code.c_str());
  i.his = t.text("his", "HIS");
  i.lis = t.text("lis", "LIS");
  i.ris = t.text("ris", "RIS");
  const std::string charset = t.text("charset", "UTF-8");
  if (charset != "UTF-8" && charset != "GB18030")
    refuse(file, t.line("charset"), "charset is \"UTF-8\" or \"GB18030\"");
  i.charset = charset == "GB18030" ? Charset::gb18030 : Charset::utf8;
  i.msh18 = t.text("msh18");
  i.version = t.text("version");
  i.map = t.text("map", "");
  i.laboratory = t.text("laboratory", "");
  i.imaging = t.text("imaging", "");
  i.card_type = t.text("card_type", "NI");
  i.number_format = t.text("number_format", "");
  i.range_style = t.text("range_style", "-");
  i.split_names = t.flag("split_names");
  i.zone = t.flag("zone");
  i.specimen_segment = t.flag("specimen_segment");
  i.share = t.number("share", 0, 0, 1);
  return i;
}

}  // namespace

const char* to_string(Correction correction) {
  static constexpr const char* names[] = {"C", "second-F", "retrigger", "X", "D", "W", "late-P"};
  return names[static_cast<std::size_t>(correction)];
}
const char* to_string(Fault fault) {
  static constexpr const char* names[] = {"no-control-id", "bad-version", "no-patient",
                                          "broken-escape", "wrong-label", "truncated"};
  return names[static_cast<std::size_t>(fault)];
}

std::size_t Region::index_of(const std::string& code) const {
  for (std::size_t i = 0; i < institutions.size(); ++i) {
    if (institutions[i].code == code) return i;
  }
  throw std::runtime_error("region " + name + ": no institution has the code '" + code + "'");
}
const Institution& Region::institution(const std::string& code) const {
  return institutions[index_of(code)];
}

Region load_region(const path& file, const path& schemas) {
  toml::table parsed;
  try {
    parsed = toml::parse_file(file.string());
  } catch (const toml::parse_error& error) {
    refuse(file, error.source().begin.line, std::string(error.description()));
  }
  const Table t(parsed, file);
  t.known({"name", "residents", "visits_per_day", "rhythm", "odd_cards", "resends", "malformed", "merges",
           "preliminary", "unmapped", "imaging", "corrections", "institution"});
  Region region;
  region.name = t.text("name");
  region.residents = static_cast<std::uint32_t>(t.number("residents", 50'000, 100, 1'800'000));
  region.visits_per_day = t.number("visits_per_day", 6'000, 1, 10'000'000);
  region.odd_cards = t.number("odd_cards", 0.003, 0, 1);
  region.resends = t.number("resends", 0.01, 0, 0.5);
  region.malformed = t.number("malformed", 0.003, 0, 0.5);
  region.merges = t.number("merges", 0.004, 0, 1);
  region.preliminary = t.number("preliminary", 0.05, 0, 1);
  region.unmapped = t.number("unmapped", 0.04, 0, 1);
  region.imaging = t.number("imaging", 0.12, 0, 1);
  const auto* rhythm = parsed["rhythm"].as_array();
  if (!rhythm || rhythm->size() != 24) refuse(file, t.line("rhythm"), "rhythm is 24 numbers, one for each hour");
  double sum = 0;
  for (std::size_t i = 0; i < 24; ++i) sum += region.rhythm[i] = (*rhythm)[i].value_or(-1e9);
  if (sum <= 0) refuse(file, t.line("rhythm"), "rhythm holds what is not a number, or no visit at all");
  if (const auto* corrections = parsed["corrections"].as_table()) {
    const Table c(*corrections, file);
    c.known({"C", "second-F", "retrigger", "X", "D", "W", "late-P"});
    for (std::size_t i = 0; i < correction_kinds; ++i) {
      region.corrections[i] = c.number(to_string(static_cast<Correction>(i)), 0, 0, 0.14);
    }
  }
  const auto* institutions = parsed["institution"].as_array();
  if (!institutions) refuse(file, 1, "no [[institution]]");
  for (const auto& node : *institutions) {
    if (!node.is_table()) refuse(file, node.source().begin.line, "[[institution]] is a table");
    region.institutions.push_back(read_institution(Table(*node.as_table(), file), file));
  }
  const Factors factors = read_factors(schemas / "terminology" / "conversions.csv");
  for (const Institution& institution : region.institutions) {
    for (const std::string& performer : {institution.laboratory, institution.imaging}) {
      if (!performer.empty() && region.institution(performer).map.empty()) {
        throw std::runtime_error(file.string() + ": " + performer + " performs for " + institution.code +
                                 " and has no 'map' of local codes");
      }
    }
    if (institution.map.empty() || region.maps.contains(institution.map)) continue;
    region.maps.emplace(institution.map,
                        read_map(schemas / "terminology" / "maps" / (institution.map + ".csv"), factors));
  }
  return region;
}

}  // namespace hutong::simulator
