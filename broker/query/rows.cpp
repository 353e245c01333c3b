#include "broker/query/rows.h"

#include <algorithm>

#include "broker/model/event_json.h"
#include "broker/port/tables.h"

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

net::awaitable<Result<model::PersonView>> load_person(port::Store& store, PersonId id, Arena& arena) {
  auto row = co_await store.get(port::tables::persons, {std::string(id.view())});
  if (!row) co_return tl::unexpected(row.error());
  if (!*row) co_return fail(ErrorCode::not_found, "no person is known under this id; search by identifier to find it");
  auto members = model::read_members(text(**row, 1));
  if (!members) co_return tl::unexpected(members.error());
  model::PersonView person;
  person.id = id;
  person.version = static_cast<std::uint64_t>(integer(**row, 2));
  person.updated = {integer(**row, 3)};
  if (auto next = PersonId::from_bytes(text(**row, 4))) person.replaced_by = *next;
  for (auto& [facility, number] : *members) {
    auto patient = co_await store.get(port::tables::patients, {facility, number});
    if (!patient) co_return tl::unexpected(patient.error());
    model::LocalPatient local;
    if (*patient) {
      if (auto read = read_patient_row(**patient, arena, local); !read) co_return tl::unexpected(read.error());
    } else {
      local.facility = arena.copy(facility);
      local.number = arena.copy(number);
    }
    person.updated = std::max(person.updated, local.updated);
    person.members.push_back(std::move(local));
  }
  std::sort(person.members.begin(), person.members.end(), [](const auto& a, const auto& b) {
    return std::tie(a.facility, a.number) < std::tie(b.facility, b.number);
  });
  co_return person;
}

}  // namespace hutong::query
