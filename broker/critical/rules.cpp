#include "broker/critical/rules.h"

#include <algorithm>
#include <charconv>
#include <map>
#include <stdexcept>

namespace hutong::critical {
namespace {

namespace fs = std::filesystem;
using terminology::CsvTable;

std::optional<int> number_of(Text text) {
  int number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc() && end == text.data() + text.size() && number >= 0 ? std::optional(number) : std::nullopt;
}

bool is_decimal(Text text) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size();
}

bool age_meets(const Limit& a, const Limit& b) {
  return a.age_from.value_or(0) <= b.age_to.value_or(1'000'000) &&
         b.age_from.value_or(0) <= a.age_to.value_or(1'000'000);
}

}  // namespace

class RulesLoader {
 public:
  explicit RulesLoader(const std::vector<fs::path>& folders) : folders_(folders) {}

  std::shared_ptr<const Rules> load() {
    flags(read("flags"));
    limits(read("limits"));
    chain(read("chain"));
    out_->version_ = terminology::version_of(folders_, tables_);
    return out_;
  }

 private:
  const CsvTable& read(const std::string& name) {
    tables_.push_back(CsvTable::read(terminology::place_of(folders_, name + ".csv")));
    return tables_.back();
  }

  void flags(const CsvTable& table) {
    for (std::size_t row = 0; row < table.size(); ++row) {
      const auto cell = [&](Text column) -> const std::string& { return table.at(row, table.column(column)); };
      const auto degree = model::degree_of(cell("degree"));
      if (!degree) table.complain(row, "degree is low, high or abnormal");
      const Rules::Flag added{cell("facility"), cell("flag"), *degree, terminology::validity_of(table, row)};
      for (const auto& other : out_->flags_) {
        if (other.facility == added.facility && other.flag == added.flag && other.valid.meets(added.valid))
          table.complain(row, "a second row for this flag on one day");
      }
      out_->flags_.push_back(added);
    }
  }

  void limits(const CsvTable& table) {
    for (std::size_t row = 0; row < table.size(); ++row) {
      const auto cell = [&](Text column) -> const std::string& { return table.at(row, table.column(column)); };
      Limit limit{cell("facility"),
                  cell("loinc"),
                  cell("ucum"),
                  {},
                  {},
                  cell("low"),
                  cell("high"),
                  terminology::validity_of(table, row)};
      for (const auto& [column, age] : {std::pair("age_from", &limit.age_from), std::pair("age_to", &limit.age_to)}) {
        if (cell(column).empty()) continue;
        *age = number_of(cell(column));
        if (!*age) table.complain(row, std::string(column) + " is a number of days");
      }
      for (const auto& bound : {limit.low, limit.high}) {
        if (!bound.empty() && !is_decimal(bound)) table.complain(row, "\"" + bound + "\" is no number");
      }
      if (limit.low.empty() && limit.high.empty()) table.complain(row, "neither low nor high is said");
      if (limit.ucum.empty()) table.complain(row, "ucum is not said: a number without its unit means nothing");
      auto& rows = out_->limits_[limit.loinc];
      for (const auto& other : rows) {
        if (other.facility == limit.facility && other.ucum == limit.ucum && age_meets(other, limit) &&
            other.valid.meets(limit.valid))
          table.complain(row, "a second row for this item, unit and age on one day");
      }
      rows.push_back(std::move(limit));
    }
  }

  void chain(const CsvTable& table) {
    for (std::size_t row = 0; row < table.size(); ++row) {
      const auto cell = [&](Text column) -> const std::string& { return table.at(row, table.column(column)); };
      const auto duration = [&](Text column) {
        const auto& text = cell(column);
        const bool in_minutes = text.ends_with('m');
        const auto number =
            in_minutes || text.ends_with('s') ? number_of(Text(text).substr(0, text.size() - 1)) : std::nullopt;
        if (!number) table.complain(row, std::string(column) + " is minutes or seconds, 10m or 30s");
        return in_minutes ? microseconds(std::chrono::minutes(*number)) : microseconds(std::chrono::seconds(*number));
      };
      const auto number = number_of(cell("level"));
      if (!number) table.complain(row, "level is a number");
      if (cell("role").empty()) table.complain(row, "role is not said");
      Rules::DatedLevel added{static_cast<std::size_t>(*number),
                              {cell("role"), duration("after"), std::nullopt},
                              terminology::validity_of(table, row)};
      if (!cell("again").empty()) {
        added.level.again = duration("again");
        if (added.level.again->count() == 0) table.complain(row, "again must be longer than nothing");
      }
      for (const auto& other : out_->chain_) {
        if (other.number == added.number && other.valid.meets(added.valid))
          table.complain(row, "a second row for this level on one day");
      }
      out_->chain_.push_back(std::move(added));
    }
    std::stable_sort(out_->chain_.begin(), out_->chain_.end(),
                     [](const auto& a, const auto& b) { return a.number < b.number; });
    for (std::size_t row = 0; row < table.size(); ++row) {  // on every day on which something changes
      const auto day = terminology::validity_of(table, row).from;
      const auto levels = out_->levels_on(day);
      for (std::size_t i = 0; i < levels.size(); ++i) {
        if (levels[i]->number != i)
          table.complain(row, "the chain has a gap before level " + std::to_string(levels[i]->number));
        if (i > 0 && levels[i]->level.after <= levels[i - 1]->level.after)
          table.complain(row, "a later level is told later");
      }
      if (!levels.empty() && !levels.back()->level.again)
        table.complain(row, "the last level says `again`: nobody waits unseen");
    }
    if (out_->chain_.empty()) throw std::runtime_error("chain.csv: no level");
  }

  const std::vector<fs::path>& folders_;
  std::vector<CsvTable> tables_;
  std::shared_ptr<Rules> out_ = std::make_shared<Rules>();
};

std::shared_ptr<const Rules> Rules::load(const std::vector<fs::path>& folders) {
  return RulesLoader(folders).load();
}

std::optional<model::Degree> Rules::flagged(Text facility, Text flag, Text day) const {
  for (const Text whose : {facility, Text("*")}) {
    for (const auto& each : flags_) {
      if (each.facility == whose && each.flag == flag && each.valid.holds_on(day)) return each.degree;
    }
  }
  return std::nullopt;
}

const Limit* Rules::limit(Text laboratory, Text loinc, Text ucum, std::optional<int> age_days, Text day) const {
  const auto found = limits_.find(loinc);
  if (found == limits_.end()) return nullptr;
  for (const Text whose : {laboratory, Text("*")}) {
    bool own = false;
    for (const auto& each : found->second) {
      if (each.facility != whose || !each.valid.holds_on(day)) continue;
      own = true;
      const bool any_age = !each.age_from && !each.age_to;
      const bool of_age =
          age_days && *age_days >= each.age_from.value_or(0) && *age_days <= each.age_to.value_or(*age_days);
      if (each.ucum == ucum && (any_age || of_age)) return &each;
    }
    if (own) return nullptr;
  }
  return nullptr;
}

std::vector<const Rules::DatedLevel*> Rules::levels_on(Text day) const {
  std::vector<const DatedLevel*> levels;
  for (const auto& each : chain_) {
    if (each.valid.holds_on(day)) levels.push_back(&each);
  }
  return levels;
}

std::vector<Level> Rules::chain(Text day) const {
  auto levels = levels_on(day);
  if (levels.empty()) levels = levels_on(chain_.front().valid.from);  // better an old agreement than none
  std::vector<Level> chain;
  for (const auto* each : levels) chain.push_back(each->level);
  return chain;
}

}  // namespace hutong::critical
