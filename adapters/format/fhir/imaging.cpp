// ImagingStudy and Endpoint (hl7.org/fhir/R4/imagingstudy.html, endpoint.html). No series is shown: a series needs a
// UID, and none is sent in a report; what is known of the body part stands in extensions of the study.
#include "adapters/format/fhir/resources.h"

namespace hutong::fhir {
namespace {

constexpr std::string_view dicom = "http://dicom.nema.org/resources/ontology/DCM";

bool is_uid(Text text) {
  return !text.empty() && text.size() <= 64 && text.find_first_not_of("0123456789.") == Text::npos;
}

void write_extensions(Writer& out, const model::Exam& exam, Text issuer) {
  if (exam.body_part.empty() && exam.laterality.empty() && exam.contrast.empty()) return;
  out.open_list("extension");
  if (!exam.body_part.empty()) {
    out.open();
    out.member("url", "urn:hutong:body-part");
    write_concept(out, "valueCodeableConcept", exam.body_part, issuer);
    out.close();
  }
  const struct {
    std::string_view url;
    Text value;
  } codes[] = {{"urn:hutong:laterality", exam.laterality}, {"urn:hutong:contrast", exam.contrast}};
  for (const auto& [url, value] : codes) {
    if (value.empty()) continue;
    out.open();
    out.member("url", url);
    out.member("valueCode", value);
    out.close();
  }
  out.close_list();
}

}  // namespace

void write_imaging_study(Writer& out, const model::ReportView& view) {
  const model::Report& report = view.report;
  const model::Exam& exam = report.exam;
  const std::string id = report.id.hex();
  write_meta(out, view.version, view.updated, view.event_id, report.path, labels_of(report));
  write_extensions(out, exam, report.issuer);
  if (is_uid(exam.study_uid) || !exam.accession.empty()) {
    out.open_list("identifier");
    if (is_uid(exam.study_uid)) {
      write_identifier(out, {}, "urn:dicom:uid", "urn:oid:" + std::string(exam.study_uid));
    }
    if (!exam.accession.empty()) {
      write_identifier(out, "ACSN", "urn:hutong:facility:" + std::string(report.issuer) + ":accession", exam.accession);
    }
    out.close_list();
  }
  out.member("status", model::status_of({.kind = model::ViewKind::study, .report = &view}));
  if (!exam.modality.empty()) {
    out.open_list("modality");
    write_coding(out, dicom, exam.modality, {});
    out.close_list();
  }
  write_subject(out, "subject", view.person);
  out.member("started", date_time(report.observed));
  if (model::has_order(report)) {
    out.open_list("basedOn");
    write_reference_body(out, "ServiceRequest", id + "-r");
    out.close_list();
  }
  if (is_named(report.interpreter)) {
    out.open_list("interpreter");
    write_party_body(out, report.interpreter, "Practitioner", report.issuer);
    out.close_list();
  }
  if (!exam.access.empty()) {
    out.open_list("endpoint");
    for (std::size_t i = 0; i < exam.access.size(); ++i) {
      write_reference_body(out, "Endpoint", id + "-e" + std::to_string(i + 1));
    }
    out.close_list();
  }
  if (!report.service.empty()) {
    out.open_list("procedureCode");
    out.open();
    write_concept_body(out, report.service, report.issuer);
    out.close();
    out.close_list();
  }
}

void write_endpoint(Writer& out, const model::ReportView& view, std::size_t index) {
  const model::Report& report = view.report;
  const model::ImageAccess& access = report.exam.access[index];
  write_meta(out, view.version, view.updated, view.event_id, report.path, labels_of(report));
  if (const std::string checked = date_time(access.checked); !checked.empty()) {
    out.open_list("extension");
    out.open();
    out.member("url", "urn:hutong:last-checked");
    out.member("valueDateTime", checked);
    out.close();
    out.close_list();
  }
  out.member("status", "active");
  out.name("connectionType");
  if (access.kind == "wado-rs") {
    write_coding(out, "http://terminology.hl7.org/CodeSystem/endpoint-connection-type", "dicom-wado-rs",
                 "DICOM WADO-RS");
  } else {
    write_coding(out, "urn:hutong:image-access", access.kind.empty() ? Text("viewer") : access.kind, {});
  }
  if (!report.issuer.empty()) write_reference(out, "managingOrganization", "Organization", report.issuer);
  out.open_list("payloadType");
  out.open();
  out.member("text", access.kind == "wado-rs"     ? "DICOM instances"
                     : access.kind == "key-image" ? "key image"
                                                  : "viewer");
  out.close();
  out.close_list();
  out.member("address", access.url);
}

}  // namespace hutong::fhir
