// Rows of the store as views. The bodies are copied into the arena first: the views point into it.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "broker/base/error.h"
#include "broker/model/views.h"
#include "broker/port/net.h"
#include "broker/port/store.h"

namespace hutong::query {

std::int64_t integer(const port::Row& row, std::size_t column);
const std::string& text(const port::Row& row, std::size_t column);

// Columns of port::tables::reports.
Result<void> read_report_row(const port::Row& row, Arena& arena, model::ReportView& view);
// Columns of port::tables::report_versions.
Result<void> read_version_row(const port::Row& row, Arena& arena, model::ReportView& view);
Result<void> read_encounter_row(const port::Row& row, Arena& arena, model::EncounterView& view);
// Columns of port::tables::orders.
Result<void> read_order_row(const port::Row& row, Arena& arena, model::OrderView& view);
Result<void> read_patient_row(const port::Row& row, Arena& arena, model::LocalPatient& patient);
// A person with its local patients. Errors: not_found; corrupt, the store's.
net::awaitable<Result<model::PersonView>> load_person(port::Store& store, PersonId id, Arena& arena);

}  // namespace hutong::query
