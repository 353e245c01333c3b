#include "broker/query/rows.h"

#include <rapidjson/document.h>

#include "broker/model/event_json.h"

namespace hutong::query {
namespace {

model::ResultStatus status_of(std::string_view text, model::ResultStatus otherwise) {
  using enum model::ResultStatus;
  for (auto each : {registered, partial, preliminary, final, amended, corrected, cancelled, entered_in_error}) {
    if (model::to_string(each) == text) return each;
  }
  return otherwise;
}

}  // namespace

std::int64_t integer(const port::Row& row, std::size_t column) {
  return std::get<std::int64_t>(row.at(column));
}
const std::string& text(const port::Row& row, std::size_t column) {
  return std::get<std::string>(row.at(column));
}

Result<void> read_report_row(const port::Row& row, Arena& arena, model::ReportView& view) {
  if (auto read = model::read_report(arena.copy(text(row, 11)), arena, view.report); !read) return read;
  view.facility = arena.copy(text(row, 0));
  view.number = arena.copy(text(row, 1));
  view.report.id = ReportId::from_bytes(text(row, 3)).value_or(view.report.id);
  view.version = static_cast<std::uint64_t>(integer(row, 4));
  view.report.status = status_of(text(row, 5), view.report.status);
  view.updated = {integer(row, 7)};
  view.event_id = arena.copy(text(row, 9));
  view.item_ids = model::item_ids(view.report);
  return {};
}

Result<void> read_version_row(const port::Row& row, Arena& arena, model::ReportView& view) {
  if (auto read = model::read_report(arena.copy(text(row, 6)), arena, view.report); !read) return read;
  view.report.id = ReportId::from_bytes(text(row, 0)).value_or(view.report.id);
  view.version = static_cast<std::uint64_t>(integer(row, 1));
  view.report.status = status_of(text(row, 2), view.report.status);
  view.updated = {integer(row, 3)};
  view.event_id = arena.copy(text(row, 5));
  view.facility = arena.copy(text(row, 7));
  view.number = arena.copy(text(row, 8));
  view.item_ids = model::item_ids(view.report);
  return {};
}

Result<void> read_encounter_row(const port::Row& row, Arena& arena, model::EncounterView& view) {
  if (auto read = model::read_encounter(arena.copy(text(row, 8)), arena, view.encounter); !read) return read;
  view.facility = arena.copy(text(row, 0));
  view.number = arena.copy(text(row, 1));
  view.encounter.id = EncounterId::from_bytes(text(row, 3)).value_or(view.encounter.id);
  view.version = static_cast<std::uint64_t>(integer(row, 4));
  view.updated = {integer(row, 6)};
  return {};
}

Result<void> read_order_row(const port::Row& row, Arena& arena, model::OrderView& view) {
  if (auto read = model::read_order(arena.copy(text(row, 9)), arena, view.order); !read) return read;
  view.facility = arena.copy(text(row, 0));
  view.number = arena.copy(text(row, 1));
  view.order.id = OrderId::from_bytes(text(row, 3)).value_or(view.order.id);
  view.version = static_cast<std::uint64_t>(integer(row, 4));
  view.updated = {integer(row, 6)};
  view.event_id = arena.copy(text(row, 8));
  return {};
}

Result<void> read_patient_row(const port::Row& row, Arena& arena, model::LocalPatient& patient) {
  if (auto read = model::read_subject(arena.copy(text(row, 2)), arena, patient.subject); !read) return read;
  patient.facility = arena.copy(text(row, 0));
  patient.number = arena.copy(text(row, 1));
  patient.version = static_cast<std::uint64_t>(integer(row, 3));
  patient.updated = {integer(row, 5)};
  return {};
}

Result<std::vector<std::pair<std::string, std::string>>> read_members(std::string_view json) {
  std::vector<std::pair<std::string, std::string>> members;
  if (json.empty()) return members;
  rapidjson::Document document;
  document.Parse<rapidjson::kParseIterativeFlag>(json.data(), json.size());
  const auto broken = [] {
    return fail(ErrorCode::corrupt, "a person's list of local patients does not read; run hutong rebuild");
  };
  if (document.HasParseError() || !document.IsArray()) return broken();
  for (const auto& pair : document.GetArray()) {
    if (!pair.IsArray() || pair.Size() != 2 || !pair[0].IsString() || !pair[1].IsString()) return broken();
    members.emplace_back(std::string(pair[0].GetString(), pair[0].GetStringLength()),
                         std::string(pair[1].GetString(), pair[1].GetStringLength()));
  }
  return members;
}

}  // namespace hutong::query
