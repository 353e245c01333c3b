#include "broker/critical/critical.h"

#include <algorithm>
#include <charconv>

#include "broker/base/hash.h"

namespace hutong::critical {
namespace {

using model::CriticalAction;
using model::CriticalStep;
using model::Degree;

std::optional<double> decimal(Text text) {
  double value = 0;
  if (text.starts_with('+')) text.remove_prefix(1);
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size() ? std::optional(value) : std::nullopt;
}

std::optional<Found> beyond(const model::Value& value, Text number, const Limit& limit) {
  const auto measured = decimal(number);
  if (!measured) return std::nullopt;
  const auto low = decimal(limit.low), high = decimal(limit.high);
  const bool less = value.comparator.starts_with('<'), more = value.comparator.starts_with('>');
  // "<2.8" is below 2.8, "<=2.8" need not be; "<5" proves nothing of 2.8.
  const bool strict = value.comparator.size() == 1;
  if (low && !more && (*measured < *low || (less && strict && *measured == *low)))
    return Found{Degree::low, "limit low " + limit.low + " " + limit.ucum};
  if (high && !less && (*measured > *high || (more && strict && *measured == *high)))
    return Found{Degree::high, "limit high " + limit.high + " " + limit.ucum};
  return std::nullopt;
}

bool earlier(const CriticalStep& a, const CriticalStep& b) {
  return std::pair(a.at, a.id) < std::pair(b.at, b.id);
}

bool is_telling(CriticalAction action) {
  return action == CriticalAction::told || action == CriticalAction::escalated;
}

}  // namespace

std::optional<Found> detect(const model::Observation& observation, Text laboratory, std::optional<int> age_days,
                            Text day, const Rules& rules) {
  using enum model::ResultStatus;
  if (observation.status == cancelled || observation.status == entered_in_error || observation.status == registered)
    return std::nullopt;
  for (const auto flag : observation.flags) {
    if (const auto degree = rules.flagged(laboratory, flag, day)) return Found{*degree, "flag " + std::string(flag)};
  }
  const auto& value = observation.value;
  if (value.kind != model::ValueKind::number) return std::nullopt;
  const Text loinc = observation.code.mapped_code;
  for (const auto& [number, ucum] :
       {std::pair(value.number, value.ucum), std::pair(value.canonical, value.canonical_unit)}) {
    if (number.empty() || ucum.empty()) continue;
    if (const Limit* limit = rules.limit(laboratory, loinc, ucum, age_days, day)) return beyond(value, number, *limit);
  }
  return std::nullopt;
}

const CriticalStep* CriticalValue::confirmed() const {
  const auto found = std::find_if(steps.begin(), steps.end(),
                                  [](const auto& step) { return step.action == CriticalAction::confirmed; });
  return found == steps.end() ? nullptr : &*found;
}

bool CriticalValue::withdrawn() const {
  return std::any_of(steps.begin(), steps.end(),
                     [](const auto& step) { return step.action == CriticalAction::withdrawn; });
}

const CriticalStep* CriticalValue::told(std::int64_t level) const {
  const auto found = std::find_if(steps.rbegin(), steps.rend(),
                                  [&](const auto& step) { return is_telling(step.action) && step.level == level; });
  return found == steps.rend() ? nullptr : &*found;
}

bool apply(CriticalValue& value, const CriticalStep& step) {
  auto& steps = value.steps;
  if (std::any_of(steps.begin(), steps.end(), [&](const auto& other) { return other.id == step.id; })) return false;
  steps.insert(std::lower_bound(steps.begin(), steps.end(), step, earlier), step);
  // Bounded, in any order of arrival: of each level the first and the last telling, of the rest the first.
  std::vector<std::size_t> alike;
  for (std::size_t i = 0; i < steps.size(); ++i) {
    const bool same = is_telling(step.action) ? is_telling(steps[i].action) && steps[i].level == step.level
                                              : steps[i].action == step.action;
    if (same) alike.push_back(i);
  }
  if (alike.size() <= (is_telling(step.action) ? 2U : 1U)) return true;
  const auto dropped = steps.begin() + static_cast<std::ptrdiff_t>(alike[1]);
  const bool added = dropped->id != step.id;
  steps.erase(dropped);
  return added;
}

std::optional<Objection> object(const CriticalValue& value, const CriticalStep& confirmation) {
  if (confirmation.practitioner.empty()) return Objection::practitioner_missing;
  if (confirmation.name.empty()) return Objection::name_missing;
  const bool told_here = confirmation.facility == value.opened.facility ||
                         std::any_of(value.steps.begin(), value.steps.end(), [&](const auto& step) {
                           return is_telling(step.action) && step.facility == confirmation.facility;
                         });
  if (!told_here) return Objection::not_told_here;
  if (value.withdrawn()) return Objection::withdrawn;
  const auto* stands = value.confirmed();
  if (stands && stands->id != confirmation.id) return Objection::confirmed;
  return std::nullopt;
}

Sentence explain(Objection objection) {
  switch (objection) {
    case Objection::name_missing: return {"请填写确认人姓名。", "Say the name of who confirms."};
    case Objection::practitioner_missing: return {"请填写确认人工号。", "Say the staff number of who confirms."};
    case Objection::not_told_here:
      return {"该危急值未通知贵机构，不能确认。",
              "Your facility was not told of this critical value and cannot confirm it."};
    case Objection::withdrawn:
      return {"结果已更正或撤回，请查看新结果。", "The result was corrected or withdrawn since: read the new one."};
    case Objection::confirmed: return {"该危急值已由他人确认。", "Somebody has confirmed this critical value already."};
  }
  return {};
}

std::optional<Deadline> next(const CriticalValue& value, const Rules& rules, int zone_minutes) {
  if (!value.open()) return std::nullopt;
  const auto chain = rules.chain(terminology::day_of(value.opened.at, zone_minutes));
  const auto last = static_cast<std::int64_t>(chain.size()) - 1;
  std::int64_t reached = -1;
  for (const auto& step : value.steps) {
    if (is_telling(step.action)) reached = std::max(reached, step.level);
  }
  if (reached < last) {
    const auto& level = chain[static_cast<std::size_t>(reached + 1)];
    return Deadline{reached + 1, level.role, value.opened.at + level.after};
  }
  // Beyond the chain its last level is told again. A chain that became shorter since ends where it was.
  return Deadline{reached, chain.back().role,
                  value.told(reached)->at + chain.back().again.value_or(std::chrono::minutes(10))};
}

CriticalStep tell(const CriticalValue& value, const Deadline& deadline, Text facility, Timestamp now) {
  CriticalStep step;
  step.id = RecordId(PartsHash()
                         .add("critical-tell")
                         .add(value.opened.value.view())
                         .add(std::to_string(deadline.level))
                         .add(std::to_string(deadline.at.micros))
                         .finish());
  step.value = value.opened.value;
  step.action = deadline.level == 0 ? CriticalAction::told : CriticalAction::escalated;
  step.at = now;
  step.level = deadline.level;
  step.role = deadline.role;
  step.facility = facility;
  return step;
}

}  // namespace hutong::critical
