#include "broker/model/issue.h"

#include "broker/base/limits.h"

namespace hutong::model {

std::string_view to_string(Severity severity) {
  switch (severity) {
    case Severity::information: return "information";
    case Severity::warning: return "warning";
    case Severity::error: return "error";
  }
  return "error";
}

void Issues::add(Arena& arena, const Issue& issue) {
  ++total_;
  if (list_.size() < limits::issues_per_message) {
    list_.push(arena, issue);
    return;
  }
  if (issue.severity != Severity::error) return;
  for (std::size_t i = list_.size(); i-- > 0;) {
    if (list_[i].severity == Severity::error) continue;
    list_[i] = issue;
    return;
  }
}

}  // namespace hutong::model
