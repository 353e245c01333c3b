// The record's JSON form, schemas/event/v1/*.schema.json: a compact document of our own. Written straight from the
// message's views into an Arena, read in place; absent members are not said. FHIR is rendered from it at the edge.
#pragma once

#include <string_view>

#include "broker/base/arena.h"
#include "broker/base/error.h"
#include "broker/model/record.h"

namespace hutong::model {

// The record's document for part `part` of `draft`, in `arena`. Does not end with a newline.
Text write_record(Arena& arena, const RecordId& id, const Draft& draft, const Part& part);

// Reads a document written by write_record (or by another version of it: unknown members are skipped).
// `json` and `arena` must outlive `record`. Errors: corrupt, with the byte offset.
Result<void> read_record(std::string_view json, Arena& arena, RecordView& record);

// Single nouns, as they stand in the store's rows; the same spelling as inside a record.
Text write_subject(Arena& arena, const Subject& subject);
Text write_report(Arena& arena, const Report& report);
Text write_encounter(Arena& arena, const Encounter& encounter);
Text write_order(Arena& arena, const Order& order);
Result<void> read_subject(std::string_view json, Arena& arena, Subject& subject);
Result<void> read_report(std::string_view json, Arena& arena, Report& report);
Result<void> read_encounter(std::string_view json, Arena& arena, Encounter& encounter);
Result<void> read_order(std::string_view json, Arena& arena, Order& order);

}  // namespace hutong::model
