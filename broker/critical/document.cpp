#include "broker/critical/document.h"

namespace hutong::critical {

std::string write(const CriticalValue& value) {
  std::string lines = model::write(value.opened);
  for (const auto& step : value.steps) lines += "\n" + model::write(step);
  return lines;
}

Result<CriticalValue> read_critical_value(std::string_view lines) {
  const auto next = [&] {
    const auto line = lines.substr(0, lines.find('\n'));
    lines.remove_prefix(std::min(lines.size(), line.size() + 1));
    return line;
  };
  auto opened = model::read_critical_opened(next());
  if (!opened) return tl::unexpected<Error>(opened.error());
  CriticalValue value{std::move(*opened), {}};
  while (!lines.empty()) {
    auto step = model::read_critical_step(next());
    if (!step) return tl::unexpected<Error>(step.error());
    value.steps.push_back(std::move(*step));
  }
  return value;
}

std::string_view state_of(const CriticalValue& value) {
  return value.withdrawn() ? "withdrawn" : value.confirmed() ? "confirmed" : "open";
}

}  // namespace hutong::critical
