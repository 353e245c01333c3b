// DiagnosticReport and what hangs on it: Specimen, ServiceRequest (hl7.org/fhir/R4/diagnosticreport.html, …).
#include "adapters/format/fhir/resources.h"

namespace hutong::fhir {
namespace {

std::string numbers_of(const model::Report& report, std::string_view what) {
  return "urn:hutong:facility:" + std::string(report.issuer) + ":" + std::string(what);
}

std::string from_hex(Text text) {
  std::string bytes;
  int high = -1;
  for (char c : text) {
    const int digit = c >= '0' && c <= '9'   ? c - '0'
                      : c >= 'a' && c <= 'f' ? c - 'a' + 10
                      : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                             : -1;
    if (digit < 0) continue;
    if (high < 0) {
      high = digit;
    } else {
      bytes.push_back(static_cast<char>(high << 4 | digit));
      high = -1;
    }
  }
  return bytes;
}

// base64Binary without the line breaks of mail.
std::string without_breaks(Text text) {
  std::string out;
  out.reserve(text.size());
  for (char c : text) {
    if (c != '\r' && c != '\n' && c != ' ' && c != '\t') out.push_back(c);
  }
  return out;
}

void write_attachment(Writer& out, const model::Attachment& attachment) {
  out.open();
  out.member("contentType", attachment.mime);
  if (attachment.encoding.empty()) {
    out.member("url", attachment.data);
  } else if (attachment.encoding == "base64") {
    out.member("data", without_breaks(attachment.data));
  } else {
    out.member("data", base64(attachment.encoding == "hex" ? from_hex(attachment.data) : std::string(attachment.data)));
  }
  out.member("title", attachment.title);
  out.close();
}

void write_extensions(Writer& out, const model::Report& report) {
  if (report.notes.empty() && report.exam.findings.empty()) return;
  out.open_list("extension");
  for (Text note : report.notes) {  // R5's element: R4 has no place for a comment on a report
    if (note.empty()) continue;
    out.open();
    out.member("url", "http://hl7.org/fhir/5.0/StructureDefinition/extension-DiagnosticReport.note");
    out.open("valueAnnotation");
    out.member("text", note);
    out.close();
    out.close();
  }
  if (!report.exam.findings.empty()) {
    out.open();
    out.member("url", "urn:hutong:findings");
    out.member("valueString", report.exam.findings);
    out.close();
  }
  out.close_list();
}

}  // namespace

void write_diagnostic_report(Writer& out, const model::ReportView& view) {
  const model::Report& report = view.report;
  const std::string id = report.id.hex();
  const model::View self{.kind = model::ViewKind::report, .report = &view};
  write_meta(out, view.version, view.updated, view.event_id, report.path, labels_of(report));
  write_extensions(out, report);
  if (!report.filler_number.empty() || !report.order_number.empty()) {
    out.open_list("identifier");
    if (!report.filler_number.empty())
      write_identifier(out, "FILL", numbers_of(report, "filler"), report.filler_number);
    if (!report.order_number.empty()) write_identifier(out, "PLAC", numbers_of(report, "placer"), report.order_number);
    out.close_list();
  }
  if (model::has_order(report)) {
    out.open_list("basedOn");
    write_reference_body(out, "ServiceRequest", id + "-r");
    out.close_list();
  }
  out.member("status", model::to_string(report.status));
  out.open_list("category");
  for (const auto& category : model::categories(self)) {
    out.open();
    out.open_list("coding");
    write_coding(out, category.system, category.code, category.display);
    out.close_list();
    out.close();
  }
  out.close_list();
  out.open("code");
  write_concept_body(out, report.service, report.issuer);
  if (report.service.empty()) out.member("text", report.is_exam ? "examination" : "laboratory report");
  out.close();
  write_subject(out, "subject", view.person);
  out.member("effectiveDateTime", date_time(report.observed));
  out.member("issued", instant(report.issued));
  if (!report.issuer.empty() || is_named(report.performer)) {
    out.open_list("performer");
    if (!report.issuer.empty()) write_reference_body(out, "Organization", report.issuer);
    if (is_named(report.performer)) write_party_body(out, report.performer, "Practitioner", report.issuer);
    out.close_list();
  }
  if (is_named(report.interpreter)) {
    out.open_list("resultsInterpreter");
    write_party_body(out, report.interpreter, "Practitioner", report.issuer);
    out.close_list();
  }
  if (model::has_specimen(report)) {
    out.open_list("specimen");
    write_reference_body(out, "Specimen", id + "-s");
    out.close_list();
  }
  if (!report.observations.empty()) {
    out.open_list("result");
    for (std::size_t i = 0; i < view.item_ids.size(); ++i) {
      const auto& code = report.observations[i].code;
      write_reference_body(out, "Observation", view.item_ids[i], code.display.empty() ? code.code : code.display);
    }
    out.close_list();
  }
  if (report.is_exam) {
    out.open_list("imagingStudy");
    write_reference_body(out, "ImagingStudy", id + "-i");
    out.close_list();
  }
  out.member("conclusion", report.exam.impression);
  bool open = false;
  for (const auto& item : report.observations) {
    if (item.value.kind != model::ValueKind::attachment || item.value.attachment.data.empty()) continue;
    if (!open) out.open_list("presentedForm");
    open = true;
    write_attachment(out, item.value.attachment);
  }
  if (open) out.close_list();
}

void write_specimen(Writer& out, const model::ReportView& view) {
  const model::Report& report = view.report;
  const model::Specimen& specimen = report.specimen;
  write_meta(out, view.version, view.updated, view.event_id, {}, labels_of(report));
  if (!specimen.number.empty()) {
    out.open_list("identifier");
    write_identifier(out, "SNO", numbers_of(report, "specimen"), specimen.number);
    out.close_list();
  }
  write_concept(out, "type", specimen.type, report.issuer);
  write_subject(out, "subject", view.person);
  const std::string received = date_time(specimen.received), collected = date_time(specimen.collected);
  out.member("receivedTime", received.empty() ? date_time(report.received) : received);
  if (model::has_order(report)) {
    out.open_list("request");
    write_reference_body(out, "ServiceRequest", report.id.hex() + "-r");
    out.close_list();
  }
  if (!collected.empty() || !specimen.method.empty() || !specimen.site.empty()) {
    out.open("collection");
    out.member("collectedDateTime", collected);
    write_concept(out, "method", specimen.method, report.issuer);
    write_concept(out, "bodySite", specimen.site, report.issuer);
    out.close();
  }
  if (!specimen.conditions.empty()) {
    out.open_list("condition");
    for (Text condition : specimen.conditions) {
      out.open();
      out.member("text", condition);
      out.close();
    }
    out.close_list();
  }
}

void write_service_request(Writer& out, const model::ReportView& view) {
  const model::Report& report = view.report;
  const model::View self{.kind = model::ViewKind::order, .report = &view};
  write_meta(out, view.version, view.updated, view.event_id, report.path, labels_of(report));
  write_numbers(out, self);
  out.member("status", model::status_of(self));
  out.member("intent", "order");
  write_concept(out, "code", report.service, report.issuer);
  write_subject(out, "subject", view.person);
  out.member("authoredOn", date_time(report.requested));
  if (is_named(report.orderer)) {
    out.name("requester");
    write_party_body(out, report.orderer, "Practitioner", report.issuer);
  } else if (is_named(report.department)) {  // the ward that asked, never one that performed
    out.name("requester");
    write_party_body(out, report.department, "Organization", report.issuer);
  }
  if (!report.issuer.empty()) {
    out.open_list("performer");
    write_reference_body(out, "Organization", report.issuer);
    out.close_list();
  }
  if (!report.reason.empty() || !report.diagnoses.empty()) {
    out.open_list("reasonCode");
    const auto reason = [&](const model::Coded& coded) {
      if (coded.empty()) return;
      out.open();
      write_concept_body(out, coded, report.issuer);
      out.close();
    };
    reason(report.reason);
    for (const auto& diagnosis : report.diagnoses) reason(diagnosis);
    out.close_list();
  }
}

}  // namespace hutong::fhir
