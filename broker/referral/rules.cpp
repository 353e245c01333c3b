#include "broker/referral/rules.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <stdexcept>

namespace hutong::referral {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;
using terminology::CsvTable;

constexpr std::array<Text, waits> wait_names = {"answer", "arrival", "decision", "report", "closing"};
constexpr std::array urgencies = {model::Priority::routine, model::Priority::urgent, model::Priority::stat};
constexpr int days_ahead = 60;

std::optional<microseconds> clock_time(Text text) {  // "08:30"
  int hour = -1, minute = -1;
  if (text.size() != 5 || text[2] != ':') return std::nullopt;
  std::from_chars(text.data(), text.data() + 2, hour);
  std::from_chars(text.data() + 3, text.data() + 5, minute);
  if (hour < 0 || minute < 0 || minute > 59 || hour * 60 + minute > 24 * 60) return std::nullopt;
  return std::chrono::hours(hour) + std::chrono::minutes(minute);
}

template <class Dated>
const Dated* on(const std::vector<Dated>& rows, Text day) {
  for (const auto& row : rows) {
    if (row.valid.holds_on(day)) return &row;
  }
  return nullptr;
}

}  // namespace

std::string_view to_string(Wait wait) {
  return wait_names[static_cast<std::size_t>(wait)];
}

std::optional<microseconds> duration_of(Text text) {
  int count = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), count);
  if (error != std::errc() || end + 1 != text.data() + text.size() || count <= 0 || count > 100'000)
    return std::nullopt;
  switch (*end) {
    case 's': return std::chrono::seconds(count);
    case 'm': return std::chrono::minutes(count);
    case 'h': return std::chrono::hours(count);
    case 'd': return std::chrono::days(count);
    default: return std::nullopt;
  }
}

class RulesLoader {
 public:
  explicit RulesLoader(const std::vector<fs::path>& folders) : folders_(folders) {}

  std::shared_ptr<const Rules> load() {
    routes(read("routes"));
    clocks(read("clocks"));
    hours(read("hours"));
    calendar(read("calendar"));
    chronic(read("chronic"));
    parameters(read("parameters"));
    out_->version_ = terminology::version_of(folders_, tables_);
    return out_;
  }

 private:
  const CsvTable& read(const std::string& name) {
    tables_.push_back(CsvTable::read(terminology::place_of(folders_, name + ".csv")));
    return tables_.back();
  }

  void routes(const CsvTable& table) {
    for (std::size_t row = 0; row < table.size(); ++row) {
      const auto cell = [&](Text column) -> const std::string& { return table.at(row, table.column(column)); };
      const auto direction = model::direction_of(cell("direction"));
      if (!direction || *direction == model::Direction::unknown) table.complain(row, "direction is up, down or level");
      if (cell("alliance") != "same" && cell("alliance") != "any") table.complain(row, "alliance is same or any");
      if (cell("to_kinds").empty()) table.complain(row, "to_kinds is not said");
      out_->routes_.push_back({*direction, cell("from_level"), cell("to_level"), terminology::split(cell("to_kinds")),
                               cell("alliance") == "same", terminology::validity_of(table, row)});
    }
  }

  void clocks(const CsvTable& table) {
    for (std::size_t row = 0; row < table.size(); ++row) {
      const auto cell = [&](Text column) -> const std::string& { return table.at(row, table.column(column)); };
      const auto* wait = std::find(wait_names.begin(), wait_names.end(), cell("wait"));
      if (wait == wait_names.end()) table.complain(row, "wait is answer, arrival, decision, report or closing");
      const auto urgency = std::find_if(urgencies.begin(), urgencies.end(),
                                        [&](auto each) { return model::to_string(each) == cell("urgency"); });
      if (urgency == urgencies.end()) table.complain(row, "urgency is routine, urgent or stat");
      const auto duration = [&](Text column) {
        const auto read = duration_of(cell(column));
        if (!read) table.complain(row, std::string(column) + " must be a duration, 15m, 2h or 3d");
        return *read;
      };
      Pace pace{duration("remind"), duration("escalate"), duration("again"), std::nullopt, cell("hours") == "working"};
      if (!cell("end").empty()) pace.end = duration("end");
      if (pace.end && (cell("wait") == "report" || cell("wait") == "closing"))
        table.complain(row, "a patient is there: such a wait never ends by itself");
      if (cell("hours") != "working" && cell("hours") != "always") table.complain(row, "hours is working or always");
      if (pace.remind >= pace.escalate || (pace.end && *pace.end <= pace.escalate))
        table.complain(row, "a reminder comes before the escalation, and that before the end");
      auto& rows = out_->paces_[{static_cast<Wait>(wait - wait_names.begin()), *urgency}];
      const auto valid = terminology::validity_of(table, row);
      for (const auto& other : rows) {
        if (other.valid.meets(valid)) table.complain(row, "a second row for this wait and urgency on one day");
      }
      rows.push_back({valid, pace});
    }
    for (std::size_t wait = 0; wait < waits; ++wait) {
      for (const auto urgency : urgencies) {
        if (!out_->paces_.contains({static_cast<Wait>(wait), urgency})) {
          throw std::runtime_error("clocks.csv: no row for " + std::string(wait_names[wait]) + ", " +
                                   std::string(model::to_string(urgency)));
        }
      }
    }
  }

  void hours(const CsvTable& table) {
    for (std::size_t row = 0; row < table.size(); ++row) {
      const auto cell = [&](Text column) -> const std::string& { return table.at(row, table.column(column)); };
      const auto opens = clock_time(cell("opens")), closes = clock_time(cell("closes"));
      if (!opens || !closes || *opens >= *closes) table.complain(row, "opens and closes are times of a day, 08:00");
      if (cell("weekdays").find_first_not_of("1234567") != std::string::npos || cell("weekdays").empty())
        table.complain(row, "weekdays are digits, 1 Monday to 7 Sunday");
      auto& rows = out_->hours_[cell("facility")];
      const Rules::Hours added{cell("weekdays"), *opens, *closes, terminology::validity_of(table, row)};
      for (const auto& other : rows) {
        const bool same_day = other.weekdays.find_first_of(added.weekdays) != std::string::npos;
        if (same_day && other.valid.meets(added.valid) && other.opens < added.closes && added.opens < other.closes)
          table.complain(row, "overlaps with other hours of the facility");
      }
      rows.push_back(added);
    }
    for (auto& [facility, rows] : out_->hours_)
      std::sort(rows.begin(), rows.end(), [](const auto& a, const auto& b) { return a.opens < b.opens; });
  }

  void calendar(const CsvTable& table) {
    for (std::size_t row = 0; row < table.size(); ++row) {
      const auto& day = table.at(row, table.column("day"));
      const auto& kind = table.at(row, table.column("kind"));
      if (day.size() != 10 || !parse_iso(day, 0)) table.complain(row, "\"" + day + "\" is no day, 2026-01-31");
      if (kind != "holiday" && kind != "workday") table.complain(row, "kind is holiday or workday");
      if (!out_->calendar_.emplace(day, kind == "workday").second) table.complain(row, "a second row for this day");
    }
  }

  void chronic(const CsvTable& table) {
    for (std::size_t row = 0; row < table.size(); ++row) {
      const auto cell = [&](Text column) -> const std::string& { return table.at(row, table.column(column)); };
      if (cell("code").empty()) table.complain(row, "code is not said");
      const auto valid = terminology::validity_of(table, row);
      for (const auto& other : out_->chronic_) {
        if (other.chronic.code == cell("code") && other.valid.meets(valid))
          table.complain(row, "a second row for this code on one day");
      }
      out_->chronic_.push_back({valid, {cell("code"), cell("name_zh"), cell("name_en")}});
    }
  }

  void parameters(const CsvTable& table) {
    for (std::size_t row = 0; row < table.size(); ++row) {
      auto& rows = out_->parameters_[table.at(row, table.column("name"))];
      const auto valid = terminology::validity_of(table, row);
      for (const auto& other : rows) {
        if (other.valid.meets(valid)) table.complain(row, "a second value on one day");
      }
      rows.push_back({valid, table.at(row, table.column("value"))});
      if (table.at(row, table.column("name")) == "zone") out_->zone_minutes_ = zone_of(table, row);
    }
  }

  static int zone_of(const CsvTable& table, std::size_t row) {
    const auto& value = table.at(row, table.column("value"));
    const auto offset = value.empty() ? std::nullopt : clock_time(Text(value).substr(1));
    if (!offset || (value[0] != '+' && value[0] != '-')) table.complain(row, "zone is +08:00");
    const auto minutes = static_cast<int>(std::chrono::duration_cast<std::chrono::minutes>(*offset).count());
    return value[0] == '-' ? -minutes : minutes;
  }

  const std::vector<fs::path>& folders_;
  std::vector<CsvTable> tables_;
  std::shared_ptr<Rules> out_ = std::make_shared<Rules>();
};

std::shared_ptr<const Rules> Rules::load(const std::vector<fs::path>& folders) {
  return RulesLoader(folders).load();
}

bool Rules::agreed(model::Direction direction, const Party& from, const Party& to, bool same_alliance, Text day) const {
  return std::any_of(routes_.begin(), routes_.end(), [&](const Route& route) {
    return route.direction == direction && route.from_level == from.level && route.to_level == to.level &&
           std::find(route.to_kinds.begin(), route.to_kinds.end(), to.kind) != route.to_kinds.end() &&
           (same_alliance || !route.same_alliance) && route.valid.holds_on(day);
  });
}

Pace Rules::pace(Wait wait, model::Priority urgency, Text day) const {
  const auto& rows = paces_.at({wait, urgency});
  if (const auto* found = on(rows, day)) return found->pace;
  return rows.back().pace;  // a day that no row speaks of: better the last agreed than none
}

std::string Rules::day_of(Timestamp at) const {
  return terminology::day_of(at, zone_minutes_);
}

Timestamp Rules::worked(Timestamp from, microseconds time, Text facility) const {
  auto found = hours_.find(facility);
  if (found == hours_.end()) found = hours_.find("*");
  if (found == hours_.end()) return from + time;
  const microseconds zone = std::chrono::minutes(zone_minutes_);
  auto midnight = std::chrono::floor<std::chrono::days>(microseconds(from.micros) + zone);
  auto left = time;
  for (int day = 0; day < days_ahead; ++day, midnight += std::chrono::days(1)) {
    const Timestamp begins{(microseconds(midnight) - zone).count()};
    const auto name = day_of(begins);
    char weekday = static_cast<char>('1' + ((midnight.count() % 7 + 10) % 7));  // day 0 of 1970 was a Thursday
    if (const auto special = calendar_.find(name); special != calendar_.end()) {
      if (!special->second) continue;
      weekday = '1';
    }
    for (const auto& hours : found->second) {
      if (hours.weekdays.find(weekday) == std::string::npos || !hours.valid.holds_on(name)) continue;
      const auto start = std::max(from, begins + hours.opens), end = begins + hours.closes;
      if (start >= end) continue;
      if (left <= end - start) return start + left;
      left -= end - start;
    }
  }
  return from + time;
}

const Chronic* Rules::chronic(Text code, Text day) const {
  const Chronic* found = nullptr;
  for (const auto& each : chronic_) {
    if (!code.starts_with(each.chronic.code) || !each.valid.holds_on(day)) continue;
    if (!found || each.chronic.code.size() > found->code.size()) found = &each.chronic;
  }
  return found;
}

Text Rules::parameter(Text name, Text day) const {
  const auto found = parameters_.find(name);
  const auto* value = found == parameters_.end() ? nullptr : on(found->second, day);
  return value ? Text(value->value) : Text();
}

}  // namespace hutong::referral
