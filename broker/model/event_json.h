// The record's JSON form, schemas/event/v1/*.schema.json: a compact document of our own. Written straight from the
// message's views into RapidJSON's buffer, read by RapidJSON in place; absent members are not said. FHIR is rendered
// from it at the edge.
#pragma once

#include <rapidjson/stringbuffer.h>

#include <string_view>

#include "broker/base/error.h"
#include "broker/model/record.h"

namespace hutong::model {

// Appends the record's document for part `part` of `draft` to `out`. Does not end it with a newline.
void write_record(rapidjson::StringBuffer& out, const RecordId& id, const Draft& draft, const Part& part);

// Reads a document written by write_record (or by another version of it: unknown members are skipped).
// `json` and `arena` must outlive `record`. Errors: corrupt, with the byte offset.
Result<void> read_record(std::string_view json, Arena& arena, RecordView& record);

// Single nouns, as they stand in the store's rows; the same spelling as inside a record.
void write_subject(rapidjson::StringBuffer& out, const Subject& subject);
void write_report(rapidjson::StringBuffer& out, const Report& report);
void write_encounter(rapidjson::StringBuffer& out, const Encounter& encounter);
Result<void> read_subject(std::string_view json, Arena& arena, Subject& subject);
Result<void> read_report(std::string_view json, Arena& arena, Report& report);
Result<void> read_encounter(std::string_view json, Arena& arena, Encounter& encounter);

}  // namespace hutong::model
