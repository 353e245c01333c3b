#include "adapters/format/fhir/resources.h"

#include <algorithm>

namespace hutong::fhir {

using model::ViewKind;

std::string_view type_of(ViewKind kind) {
  switch (kind) {
    case ViewKind::person: return "Patient";
    case ViewKind::encounter: return "Encounter";
    case ViewKind::report: return "DiagnosticReport";
    case ViewKind::observation: return "Observation";
    case ViewKind::specimen: return "Specimen";
    case ViewKind::order: return "ServiceRequest";
    case ViewKind::study: return "ImagingStudy";
    case ViewKind::image_access: return "Endpoint";
    case ViewKind::facility: return "Organization";
  }
  return "Basic";
}

void write_resource(Writer& out, const model::View& view) {
  out.open();
  out.member("resourceType", type_of(view.kind));
  out.member("id", model::id_of(view));
  switch (view.kind) {
    case ViewKind::person: write_patient(out, *view.person); break;
    case ViewKind::encounter: write_encounter(out, *view.encounter); break;
    case ViewKind::report: write_diagnostic_report(out, *view.report); break;
    case ViewKind::observation: write_observation(out, *view.report, view.item); break;
    case ViewKind::specimen: write_specimen(out, *view.report); break;
    case ViewKind::order:
      view.order ? write_service_request(out, *view.order) : write_service_request(out, *view.report);
      break;
    case ViewKind::study: write_imaging_study(out, *view.report); break;
    case ViewKind::image_access: write_endpoint(out, *view.report, view.item); break;
    case ViewKind::facility: write_organization(out, *view.facility); break;
  }
  out.close();
}

void write_numbers(Writer& out, const model::View& order) {
  const auto numbers = model::order_numbers(order);
  if (numbers.empty()) return;
  out.open_list("identifier");
  for (const auto& number : numbers) write_identifier(out, number.type, number.system, number.value);
  out.close_list();
}

void write_subject(Writer& out, std::string_view key, const PersonId& person) {
  if (!person.empty()) write_reference(out, key, "Patient", person.hex());
}

namespace {
void add(std::vector<Text>& all, const List<Text>& labels) {
  for (Text label : labels) {
    if (std::find(all.begin(), all.end(), label) == all.end()) all.push_back(label);
  }
}
}  // namespace

std::vector<Text> labels_of(const model::Report& report) {
  std::vector<Text> all;
  add(all, report.labels);
  for (const auto& item : report.observations) add(all, item.labels);
  return all;
}

std::vector<Text> labels_of(const model::Report& report, const model::Observation& item) {
  std::vector<Text> all;
  add(all, item.labels);
  add(all, report.labels);
  return all;
}

}  // namespace hutong::fhir
