// Reading schemas/terminology into a Terminology. At start and at SIGHUP only.
#include <algorithm>
#include <charconv>
#include <fstream>
#include <map>
#include <set>
#include <stdexcept>

#include "broker/base/hash.h"
#include "broker/terminology/spelling.h"
#include "broker/terminology/table.h"
#include "broker/terminology/terminology.h"

namespace hutong::terminology {
namespace {

namespace fs = std::filesystem;

std::vector<std::string_view> split(std::string_view text) {
  std::vector<std::string_view> parts;
  for (std::size_t from = 0;;) {
    const std::size_t end = text.find(';', from);
    parts.push_back(text.substr(from, end - from));
    if (end == std::string_view::npos) return parts;
    from = end + 1;
  }
}

Decimal decimal(const CsvTable& table, std::size_t row, const std::string& text) {
  auto value = Decimal::parse(text);
  if (!value) table.complain(row, "\"" + text + "\" is no decimal number");
  // "1000" as 1 × 10^3: a power of ten is known by its coefficient.
  for (; value->coefficient != 0 && value->coefficient % 10 == 0; ++value->exponent) value->coefficient /= 10;
  return *value;
}

// By the words of the LOINC name, which say the system ("in Blood", "in Serum or Plasma").
Material material_in(std::string_view name) {
  const auto has = [name](std::string_view word) { return name.find(word) != std::string_view::npos; };
  if (has("Urine")) return Material::urine;
  if (has("Respiratory")) return Material::airway;
  return Material::blood;
}

}  // namespace

class Loader {
 public:
  explicit Loader(const std::vector<fs::path>& folders) : folders_(folders) {}

  std::shared_ptr<const Terminology> load() {
    units();
    items();
    conversions();
    names();
    findings();
    placeholders();
    sensitivity();
    sort_words();
    maps();
    version();
    return out_;
  }

 private:
  // The last folder that has the file.
  fs::path find(const fs::path& name) const {
    for (auto folder = folders_.rbegin(); folder != folders_.rend(); ++folder)
      if (fs::exists(*folder / name)) return *folder / name;
    throw std::runtime_error((folders_.empty() ? fs::path("schemas/terminology") : folders_.front()).string() + "/" +
                             name.string() + ": not found");
  }
  CsvTable read(const fs::path& name) {
    CsvTable table = CsvTable::read(find(name));
    hash_.add(name.generic_string()).add(table.text());
    return table;
  }
  std::string_view keep(std::string_view text) { return out_->texts_.emplace_back(text); }

  // The list under `key`, which is kept.
  template <class T>
  std::vector<T>& list_at(TextIndex<std::vector<T>>& index, std::string_view key) {
    if (!index.find(key)) index.insert(keep(key), {});
    return *index.find(key);
  }

  void units() {
    const CsvTable table = read("units.csv");
    const auto ucum = table.column("ucum"), dimension = table.column("dimension"), factor = table.column("factor"),
               spellings = table.column("spellings");
    for (std::size_t row = 0; row < table.size(); ++row) {
      Unit& unit = out_->units_.emplace_back();
      unit.ucum = table.at(row, ucum);
      unit.dimension = table.at(row, dimension);
      if (!table.at(row, factor).empty()) unit.factor = decimal(table, row, table.at(row, factor));
      if (!units_.emplace(unit.ucum, &unit).second) table.complain(row, "unit " + unit.ucum + " is listed twice");
      spell(unit.ucum, &unit);
      if (!table.at(row, spellings).empty())
        for (std::string_view spelling : split(table.at(row, spellings))) spell(spelling, &unit);
    }
  }
  void spell(std::string_view spelling, const Unit* unit) {
    const auto add = [&](auto& index, std::string_view key) {
      auto& units = list_at(index, key);
      if (std::find(units.begin(), units.end(), unit) == units.end()) units.push_back(unit);
    };
    Folded folded;
    fold_unit(spelling, folded);
    add(out_->spellings_, spelling);
    add(out_->spellings_, folded.view());
    folded.to_lower();
    add(out_->lower_spellings_, folded.view());
  }
  const Unit* unit(const CsvTable& table, std::size_t row, const std::string& ucum) {
    const auto found = units_.find(ucum);
    if (found == units_.end()) table.complain(row, "unit " + ucum + " is not in units.csv");
    return found->second;
  }

  void items() {
    const CsvTable table = read("items.csv");
    const auto loinc = table.column("loinc"), zh = table.column("name_zh"), en = table.column("name_en"),
               scale = table.column("scale"), ucum = table.column("ucum"), group = table.column("group");
    for (std::size_t row = 0; row < table.size(); ++row) {
      Item& item = out_->items_.emplace_back();
      item.loinc = table.at(row, loinc);
      item.name_zh = table.at(row, zh);
      item.name_en = table.at(row, en);
      item.scale = table.at(row, scale);
      item.group = table.at(row, group);
      item.is_exam = item.group == "imaging";
      item.material = item.is_exam ? Material::any : material_in(item.name_en);
      if (!is_loinc(item.loinc)) table.complain(row, item.loinc + " has a wrong LOINC check digit");
      if (!table.at(row, ucum).empty()) item.unit = unit(table, row, table.at(row, ucum));
      if (!out_->items_by_loinc_.insert(item.loinc, &item)) table.complain(row, item.loinc + " is listed twice");
    }
  }
  void conversions() {
    const CsvTable table = read("conversions.csv");
    const auto source = table.column("source_loinc"), from = table.column("source_unit"),
               target = table.column("target_loinc"), factor = table.column("factor"), offset = table.column("offset"),
               kind = table.column("kind");
    for (std::size_t row = 0; row < table.size(); ++row) {
      const auto* found = out_->items_by_loinc_.find(table.at(row, target));
      if (!found) table.complain(row, table.at(row, target) + " is not in items.csv");
      const std::string& rule = table.at(row, kind);
      if (rule == "forbidden") continue;  // nothing converts: the source keeps its own LOINC
      if (rule != "linear" && rule != "affine") table.complain(row, "kind is linear, affine or forbidden");
      auto& item = const_cast<Item&>(**found);  // the loader's own
      if (const auto* spelled = out_->spellings_.find(table.at(row, from));
          !units_.contains(table.at(row, from)) && spelled &&
          std::find(spelled->begin(), spelled->end(), item.unit) != spelled->end() && table.at(row, factor) == "1")
        continue;  // another spelling of the item's own unit (G/L): units.csv says so already
      const Unit* its = unit(table, row, table.at(row, from));
      if (its != item.unit)
        item.conversions.push_back(
            {its, decimal(table, row, table.at(row, factor)), decimal(table, row, table.at(row, offset))});
      if (!table.at(row, source).empty()) out_->items_by_source_.insert(keep(table.at(row, source)), *found);
    }
  }
  void names() {
    const CsvTable table = read("names.csv");
    const auto name = table.column("name"), loinc = table.column("loinc");
    for (std::size_t row = 0; row < table.size(); ++row) {
      const auto* item = out_->items_by_loinc_.find(table.at(row, loinc));
      if (!item) table.complain(row, table.at(row, loinc) + " is not in items.csv");
      list_at(out_->names_, table.at(row, name)).push_back(*item);
    }
  }
  void findings() {
    const CsvTable table = read("qualitative.csv");
    const auto code = table.column("code"), zh = table.column("name_zh"), en = table.column("name_en"),
               spellings = table.column("spellings");
    for (std::size_t row = 0; row < table.size(); ++row) {
      Finding& finding =
          out_->findings_.emplace_back(Finding{table.at(row, code), table.at(row, zh), table.at(row, en)});
      for (std::string_view spelling : split(table.at(row, spellings))) {
        Folded folded;
        fold_finding(spelling, folded);
        if (const auto* known = out_->finding_spellings_.find(folded.view()); known && *known != &finding)
          table.complain(row, "\"" + std::string(spelling) + "\" is a spelling of " + (*known)->code + " already");
        out_->finding_spellings_.insert(keep(folded.view()), &finding);
        out_->finding_spellings_.insert(keep(spelling), &finding);
      }
    }
  }
  void placeholders() {
    const CsvTable table = read("placeholders.csv");
    const auto value = table.column("value"), match = table.column("match"), least = table.column("least");
    out_->repeated_least_.fill(0);
    for (std::size_t row = 0; row < table.size(); ++row) {
      const std::string& text = table.at(row, value);
      if (table.at(row, match) == "exact") {
        Folded folded;
        fold_finding(text, folded);
        out_->placeholders_.insert(keep(folded.view()), true);
      } else if (table.at(row, match) == "repeated" && text.size() == 1) {
        const std::string& digits = table.at(row, least);
        std::uint8_t count = 0;
        std::from_chars(digits.data(), digits.data() + digits.size(), count);
        if (count == 0) table.complain(row, "least is a number from 1");
        const char c = text[0] >= 'A' && text[0] <= 'Z' ? static_cast<char>(text[0] - 'A' + 'a') : text[0];
        out_->repeated_least_[static_cast<unsigned char>(c)] = count;
      } else {
        table.complain(row, "match is exact, or repeated with one character");
      }
    }
  }
  void sensitivity() {
    const CsvTable table = read("sensitivity.csv");
    const auto label = table.column("label"), kind = table.column("kind"), pattern = table.column("pattern"),
               from = table.column("valid_from"), to = table.column("valid_to");
    for (std::size_t row = 0; row < table.size(); ++row) {
      auto& names = out_->label_names_;
      auto name = std::find(names.begin(), names.end(), table.at(row, label));
      if (name == names.end()) name = names.insert(names.end(), table.at(row, label));
      if (names.size() > 32) table.complain(row, "more than 32 labels");
      Terminology::Rule rule;
      rule.label = static_cast<unsigned>(name - names.begin());
      rule.first = table.at(row, pattern);
      rule.from = table.at(row, from);
      rule.to = table.at(row, to);
      const std::string& by = table.at(row, kind);
      if (by == "loinc") {
        if (!is_loinc(rule.first)) table.complain(row, rule.first + " has a wrong LOINC check digit");
        list_at(out_->item_rules_, rule.first).push_back(rule);
        if (const auto* item = out_->items_by_loinc_.find(rule.first))
          const_cast<Item&>(**item).sensitive = true;  // the loader's own
      } else if (by == "word") {
        if (rule.first.size() < 2) table.complain(row, "a word has two bytes or more");
        for (char& c : rule.first)
          if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
        out_->word_starts_.set(Terminology::start_of(rule.first));
        out_->word_rules_.push_back(rule);
      } else if (by == "icd10") {
        const std::size_t dash = rule.first.find('-');
        rule.last = dash == std::string::npos ? rule.first : rule.first.substr(dash + 1);
        rule.first.resize(std::min(dash, rule.first.size()));
        out_->diagnosis_rules_.push_back(rule);
      } else if (by == "age") {
        std::from_chars(rule.first.data(), rule.first.data() + rule.first.size(), rule.years);
        out_->age_rules_.push_back(rule);
      } else {
        table.complain(row, "kind is loinc, word, icd10 or age");
      }
    }
  }
  void sort_words() {
    std::stable_sort(out_->word_rules_.begin(), out_->word_rules_.end(),
                     [](const auto& a, const auto& b) { return a.first < b.first; });
  }

  void maps() {
    std::set<fs::path> files;
    for (const auto& folder : folders_) {
      std::error_code none;
      for (const auto& entry : fs::directory_iterator(folder / "maps", none))
        if (entry.path().extension() == ".csv") files.insert(entry.path().filename());
    }
    for (const auto& file : files) {
      const CsvTable table = read("maps" / file);
      const auto code = table.column("code"), name = table.column("name"), loinc = table.column("loinc"),
                 from = table.column("valid_from");
      auto map = std::make_unique<CodeMap>();
      for (std::size_t row = 0; row < table.size(); ++row) {
        if (table.at(row, loinc).empty()) continue;  // known to be unmapped: it waits on the worklist
        if (!is_loinc(table.at(row, loinc)))
          table.complain(row, table.at(row, loinc) + " has a wrong LOINC check digit");
        const auto* item = out_->items_by_loinc_.find(table.at(row, loinc));
        list_at(map->entries_, table.at(row, code))
            .push_back({table.at(row, loinc), item ? *item : nullptr, table.at(row, from), table.at(row, name)});
      }
      for (auto& [key, entries] : map->entries_.entries())
        std::stable_sort(entries.begin(), entries.end(),
                         [](const auto& a, const auto& b) { return a.valid_from > b.valid_from; });
      out_->maps_.insert(keep(file.stem().string()), std::move(map));
    }
  }
  void version() {
    std::ifstream in(find("VERSION"));
    std::string date;
    in >> date;
    if (date.size() != 10) throw std::runtime_error(find("VERSION").string() + ":1: a date, 2026-01-01, is expected");
    out_->version_ = date + "+" + to_hex(as_view(hash_.finish()).substr(0, 4));
  }

  const std::vector<fs::path>& folders_;
  std::shared_ptr<Terminology> out_ = std::make_shared<Terminology>();
  std::map<std::string, const Unit*, std::less<>> units_;
  PartsHash hash_;
};

std::shared_ptr<const Terminology> Terminology::load(const std::vector<fs::path>& folders) {
  return Loader(folders).load();
}

}  // namespace hutong::terminology
