#include "broker/recognition/catalogue.h"

#include <algorithm>
#include <charconv>
#include <chrono>

namespace hutong::recognition {
namespace {

std::string pair_key(Text a, Text b) {
  std::string key;
  key.reserve(a.size() + b.size() + 1);
  return key.append(a).append(1, '\n').append(b);
}

template <class Index>
auto* newest(const Index& index, Text key, Text date) {
  const auto found = index.find(key);
  const typename Index::mapped_type::value_type* none = nullptr;
  if (found == index.end()) return none;
  for (const auto& row : found->second) {
    if (row.valid.holds_on(date)) return &row;
  }
  return none;
}

}  // namespace

bool Mark::covers(Text area) const {
  return national ||
         std::any_of(areas.begin(), areas.end(), [&](const auto& prefix) { return area.starts_with(prefix); });
}

std::string day_of(Timestamp at, int zone_minutes) {
  // Once for each earlier result: without formatting what is cut off.
  const std::chrono::microseconds local(at.micros + std::int64_t{zone_minutes} * 60'000'000);
  const std::chrono::year_month_day day(
      std::chrono::floor<std::chrono::days>(std::chrono::sys_time<std::chrono::microseconds>(local)));
  std::string text = "0000-00-00";
  const auto put = [&](std::size_t at_end, int value, int digits) {
    for (; digits > 0; --digits, value /= 10) text[at_end--] = static_cast<char>('0' + value % 10);
  };
  put(3, int(day.year()), 4);
  put(6, static_cast<int>(unsigned(day.month())), 2);
  put(9, static_cast<int>(unsigned(day.day())), 2);
  return text;
}

const Item* Catalogue::item(Text code, Text date) const {
  return newest(items_, code, date);
}

const Item* Catalogue::item_of_loinc(Text loinc, Text date) const {
  const auto found = item_by_loinc_.find(loinc);
  if (found == item_by_loinc_.end()) return nullptr;
  for (const auto& [code, valid] : found->second) {
    if (valid.holds_on(date)) return item(code, date);
  }
  return nullptr;
}

const Panel* Catalogue::panel(Text code, Text date) const {
  const auto* span = newest(panels_, code, date);
  return span ? &span->panel : nullptr;
}

std::vector<std::string> Catalogue::ordered_by(Text facility, Text code, Text date) const {
  std::vector<std::string> found;
  for (const Text whose : {facility, Text("*")}) {
    if (const auto rows = order_codes_.find(pair_key(whose, code)); rows != order_codes_.end()) {
      for (const auto& row : rows->second) {
        if (row.valid.holds_on(date)) found.push_back(row.value);
      }
    }
    if (!found.empty()) return found;
  }
  if (item(code, date) || panel(code, date)) found.emplace_back(code);
  return found;
}

const Mark* Catalogue::mark(Text code, Text date) const {
  return newest(marks_, code, date);
}

Standing Catalogue::standing(Text laboratory, Text item, Text date) const {
  Standing standing;
  const auto found = eqa_.find(pair_key(laboratory, item));
  if (found == eqa_.end()) return standing;
  std::vector<Text> seen;  // of each mark the newest round that counts on the day
  for (const auto& row : found->second) {
    if (!row.valid.holds_on(date) || std::find(seen.begin(), seen.end(), row.mark) != seen.end()) continue;
    seen.push_back(row.mark);
    if (!row.passed) {
      standing.failed = true;
    } else if (const auto* earned = mark(row.mark, date)) {
      standing.marks.push_back(earned);
    }
  }
  const auto width = [](const Mark* m) {  // a longer prefix is a smaller area
    std::size_t shortest = 6;
    for (const auto& area : m->areas) shortest = std::min(shortest, area.size());
    return m->national ? std::size_t{100} : shortest;
  };
  std::stable_sort(standing.marks.begin(), standing.marks.end(),
                   [&](const Mark* a, const Mark* b) { return width(a) > width(b); });
  return standing;
}

bool Catalogue::same_alliance(Text facility, Text other, Text date) const {
  const auto a = alliances_.find(facility), b = alliances_.find(other);
  if (a == alliances_.end() || b == alliances_.end()) return false;
  for (const auto& mine : a->second) {
    for (const auto& theirs : b->second) {
      if (mine.value == theirs.value && mine.valid.holds_on(date) && theirs.valid.holds_on(date)) return true;
    }
  }
  return false;
}

const Exclusion* Catalogue::excluded(Text item, Text facility, Text date) const {
  for (const Text which : {item, Text("*")}) {
    const auto found = negative_.find(which);
    if (found == negative_.end()) continue;
    for (const auto& row : found->second) {
      if (row.valid.holds_on(date) && (row.facility == "*" || row.facility == facility)) return &row;
    }
  }
  return nullptr;
}

const RefusalReason* Catalogue::refusal(Text code, Text date) const {
  return newest(reasons_, code, date);
}

std::vector<const RefusalReason*> Catalogue::refusals(Text date) const {
  std::vector<const RefusalReason*> all;
  for (const auto& [code, rows] : reasons_) {
    if (const auto* reason = newest(reasons_, code, date)) all.push_back(reason);
  }
  std::sort(all.begin(), all.end(), [](const auto* a, const auto* b) { return a->code < b->code; });
  return all;
}

const Clause* Catalogue::clause(Text code, Text date) const {
  return newest(clauses_, code, date);
}

std::optional<std::int64_t> Catalogue::price(Text facility, Text item, Text date) const {
  for (const Text whose : {facility, Text("*")}) {
    if (const auto* row = newest(prices_, pair_key(whose, item), date)) return row->fen;
  }
  return std::nullopt;
}

Text Catalogue::parameter(Text name, Text date) const {
  const auto* row = newest(parameters_, name, date);
  return row ? Text(row->value) : Text();
}

std::int64_t Catalogue::parameter(Text name, Text date, std::int64_t otherwise) const {
  const Text text = parameter(name, date);
  std::int64_t value = otherwise;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

}  // namespace hutong::recognition
