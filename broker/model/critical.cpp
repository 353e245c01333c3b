#include "broker/model/critical.h"

#include <array>

#include "broker/base/hash.h"
#include "broker/model/json_document.h"

namespace hutong::model {
namespace {

constexpr std::array<std::string_view, 3> degree_names = {"low", "high", "abnormal"};
constexpr std::array<std::string_view, 4> action_names = {"told", "escalated", "confirmed", "withdrawn"};
constexpr std::string_view prefix = "critical-value.";

tl::unexpected<Error> broken() {
  return fail(ErrorCode::corrupt, "a record of a critical value does not read");
}

template <class Enum, std::size_t count>
std::optional<Enum> of(const std::array<std::string_view, count>& names, std::string_view text) {
  for (std::size_t i = 0; i < count; ++i) {
    if (names[i] == text) return static_cast<Enum>(i);
  }
  return std::nullopt;
}

}  // namespace

std::string_view to_string(Degree degree) {
  return degree_names[static_cast<std::size_t>(degree)];
}
std::string_view to_string(CriticalAction action) {
  return action_names[static_cast<std::size_t>(action)];
}
std::optional<Degree> degree_of(std::string_view text) {
  return of<Degree>(degree_names, text);
}
std::optional<CriticalAction> critical_action_of(std::string_view text) {
  return of<CriticalAction>(action_names, text);
}

CriticalId critical_id(std::string_view report, std::string_view observation, std::uint64_t version) {
  return CriticalId(PartsHash().add("critical").add(report).add(observation).add(std::to_string(version)).finish());
}

RecordId opened_id(const CriticalId& value) {
  return RecordId(PartsHash().add("critical-opened").add(value.view()).finish());
}

RecordId withdrawn_id(const CriticalId& value) {
  return RecordId(PartsHash().add("critical-withdrawn").add(value.view()).finish());
}

std::string write(const CriticalOpened& opened) {
  Out out;
  out.open().text("kind", critical_opened_kind).text("id", opened.id.hex()).text("value", opened.value.hex());
  out.time("at", opened.at).text("report", opened.report).text("observation", opened.observation);
  out.number("version", static_cast<std::int64_t>(opened.version)).text("person", opened.person);
  out.text("laboratory", opened.laboratory).text("facility", opened.facility);
  out.text("department", opened.department).text("practitioner", opened.practitioner);
  if (opened.labelled) {
    out.flag("labelled", true);
  } else {
    out.text("loinc", opened.loinc);
    if (opened.degree) out.text("degree", to_string(*opened.degree));
    out.text("basis", opened.basis);
  }
  out.text("rules", opened.rules);
  if (opened.late) out.flag("late", true);
  return out.close().take();
}

std::string write(const CriticalStep& step) {
  Out out;
  out.open().text("kind", std::string(prefix) + std::string(to_string(step.action))).text("id", step.id.hex());
  out.text("value", step.value.hex()).time("at", step.at);
  if (step.action == CriticalAction::told || step.action == CriticalAction::escalated) out.number("level", step.level);
  out.text("role", step.role).text("facility", step.facility).text("practitioner", step.practitioner);
  return out.text("name", step.name).text("client", step.client).text("reason", step.reason).close().take();
}

Result<CriticalOpened> read_critical_opened(std::string_view json) {
  rapidjson::Document document;
  if (!read_document(document, json, critical_opened_kind)) return broken();
  const In in(document);
  const auto id = RecordId::from_hex(in.text("id"));
  const auto value = CriticalId::from_hex(in.text("value"));
  const auto at = in.time("at");
  if (!id || !value || !at) return broken();
  CriticalOpened opened;
  opened.id = *id;
  opened.value = *value;
  opened.at = *at;
  opened.report = in.text("report");
  opened.observation = in.text("observation");
  opened.version = static_cast<std::uint64_t>(in.number("version", 1));
  opened.person = in.text("person");
  opened.laboratory = in.text("laboratory");
  opened.facility = in.text("facility");
  opened.department = in.text("department");
  opened.practitioner = in.text("practitioner");
  opened.labelled = in.flag("labelled").value_or(false);
  opened.loinc = in.text("loinc");
  opened.degree = degree_of(in.text("degree"));
  opened.basis = in.text("basis");
  opened.rules = in.text("rules");
  opened.late = in.flag("late").value_or(false);
  return opened;
}

Result<CriticalStep> read_critical_step(std::string_view json) {
  rapidjson::Document document;
  document.Parse<rapidjson::kParseIterativeFlag>(json.data(), json.size());
  if (document.HasParseError() || !document.IsObject()) return broken();
  const In in(document);
  const auto kind = in.text("kind");
  const auto action = kind.starts_with(prefix) ? critical_action_of(kind.substr(prefix.size())) : std::nullopt;
  const auto id = RecordId::from_hex(in.text("id"));
  const auto value = CriticalId::from_hex(in.text("value"));
  const auto at = in.time("at");
  if (!action || !id || !value || !at) return broken();
  CriticalStep step;
  step.id = *id;
  step.value = *value;
  step.action = *action;
  step.at = *at;
  step.level = in.number("level", 0);
  step.role = in.text("role");
  step.facility = in.text("facility");
  step.practitioner = in.text("practitioner");
  step.name = in.text("name");
  step.client = in.text("client");
  step.reason = in.text("reason");
  return step;
}

}  // namespace hutong::model
