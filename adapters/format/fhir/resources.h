// One function per FHIR R4 resource type. Each writes the members of an open object; the caller opens and closes it.
#pragma once

#include "adapters/format/fhir/fhir_writer.h"

namespace hutong::fhir {

std::string_view type_of(model::ViewKind kind);
void write_resource(Writer& out, const model::View& view);  // opens, writes by kind, closes

void write_patient(Writer& out, const model::PersonView& person);
void write_encounter(Writer& out, const model::EncounterView& encounter);
void write_organization(Writer& out, const model::Facility& facility);
void write_diagnostic_report(Writer& out, const model::ReportView& report);
void write_observation(Writer& out, const model::ReportView& report, std::size_t item);
void write_specimen(Writer& out, const model::ReportView& report);
void write_service_request(Writer& out, const model::ReportView& report);  // the order behind a report
void write_service_request(Writer& out, const model::OrderView& order);
void write_imaging_study(Writer& out, const model::ReportView& report);
void write_endpoint(Writer& out, const model::ReportView& report, std::size_t access);

// value[x] or dataAbsentReason of an item.
void write_value(Writer& out, const model::Observation& item, Text facility);
// "identifier": the numbers of an order.
void write_numbers(Writer& out, const model::View& order);
// "subject": the person.
void write_subject(Writer& out, std::string_view key, const PersonId& person);
// The sensitivity labels of a report: its own and those of all its items, each once.
std::vector<Text> labels_of(const model::Report& report);
std::vector<Text> labels_of(const model::Report& report, const model::Observation& item);

}  // namespace hutong::fhir
