// A referral as ServiceRequest (what is asked for, hl7.org/fhir/R4/servicerequest.html) and Task (how it goes,
// hl7.org/fhir/R4/task.html), both under the referral's id. Task.status says what FHIR has words for, businessStatus
// how it stands. And the code systems of our own. schemas/fhir/README.md.
#include "adapters/format/fhir/fhir_rendering.h"
#include "adapters/format/fhir/fhir_writer.h"
#include "broker/model/referral_view.h"

namespace hutong::fhir {
namespace {

using model::ReferralState;
using model::ReferralView;
using port::ReferralPart;

constexpr std::string_view input_system = "urn:hutong:referral-detail";

std::string_view task_status(ReferralState state) {
  switch (state) {
    case ReferralState::none:
    case ReferralState::requested:
    case ReferralState::redirected: return "requested";
    case ReferralState::received: return "received";
    case ReferralState::accepted: return "accepted";
    case ReferralState::declined: return "rejected";
    case ReferralState::no_show: return "on-hold";
    case ReferralState::arrived:
    case ReferralState::in_treatment:
    case ReferralState::report_returned: return "in-progress";
    case ReferralState::closed: return "completed";
    case ReferralState::cancelled: return "cancelled";
    case ReferralState::expired: return "failed";
  }
  return "requested";
}

std::string_view request_status(ReferralState state) {
  switch (state) {
    case ReferralState::closed: return "completed";
    case ReferralState::cancelled:
    case ReferralState::expired: return "revoked";
    default: return "active";
  }
}

std::string_view type_of(std::string_view kind) {
  if (kind == "report") return "DiagnosticReport";
  if (kind == "medication") return "MedicationRequest";
  return "DocumentReference";
}

std::string_view type_of(ReferralPart part) {
  return part == ReferralPart::task ? "Task" : "ServiceRequest";
}

void write_organization(Writer& out, std::string_view key, const std::string& code, const std::string& name,
                        const std::string& department) {
  out.open(key);
  out.member("reference", "Organization/" + code);
  out.open("identifier");
  out.member("system", model::facility_system);
  out.member("value", code);
  out.close();
  out.member("display", department.empty() ? name : name + " " + department);
  out.close();
}

void write_number(Writer& out, const ReferralView& referral) {
  out.open_list("identifier");
  out.open();
  out.member("system", "urn:hutong:facility:" + referral.sender + ":referral");
  out.member("value", referral.number);
  out.close();
  out.close_list();
}

void write_head(Writer& out, const ReferralView& referral) {
  out.open("meta");
  out.member("versionId", std::to_string(referral.version));
  out.member("lastUpdated", to_iso(referral.updated));
  out.close();
  write_number(out, referral);
}

void write_reason(Writer& out, const model::CodedReason& reason) {
  out.open();
  if (!reason.code.empty()) {
    out.open_list("coding");
    write_coding(out, {}, reason.code, {});
    out.close_list();
  }
  out.member("text", reason.text);
  out.close();
}

// One of Task.input or Task.output: what, and a value that `write` writes.
template <class Write>
void detail(Writer& out, std::string_view code, Write write) {
  out.open();
  out.open("type");
  out.open_list("coding");
  write_coding(out, input_system, code, {});
  out.close_list();
  out.close();
  write();
  out.close();
}

void text_detail(Writer& out, std::string_view code, std::string_view member, std::string_view value) {
  if (!value.empty()) detail(out, code, [&] { out.member(member, value); });
}

void document_details(Writer& out, const std::vector<model::ReferralDocument>& documents) {
  for (const auto& document : documents) {
    detail(out, document.kind, [&] {
      const std::string reference =
          std::string(type_of(document.kind)) + "/" + document.id + "/_history/" + std::to_string(document.version);
      out.open("valueReference");
      out.member("reference", reference);
      out.close();
    });
  }
}

void write_task(Writer& out, const ReferralView& referral) {
  write_head(out, referral);
  out.open_list("basedOn");
  write_reference_body(out, "ServiceRequest", referral.id.hex());
  out.close_list();
  out.member("status", task_status(referral.state));
  if (referral.reason.said() && model::shows_reason(referral.state)) {
    out.name("statusReason");
    write_reason(out, referral.reason);
  }
  out.open("businessStatus");
  out.open_list("coding");
  write_coding(out, "urn:hutong:referral-state", to_string(referral.state), referral.state_en);
  out.close_list();
  out.member("text", referral.state_zh);
  out.close();
  out.member("intent", "order");
  out.member("priority", to_string(referral.urgency));
  out.open("code");
  out.open_list("coding");
  write_coding(out, "http://hl7.org/fhir/CodeSystem/task-code", "fulfill", "Fulfill the focal request");
  out.close_list();
  out.close();
  write_reference(out, "focus", "ServiceRequest", referral.id.hex());
  if (!referral.person.empty()) write_reference(out, "for", "Patient", referral.person);
  if (referral.arrived) {
    out.open("executionPeriod");
    out.member("start", to_iso(*referral.arrived));
    out.close();
  }
  out.member("authoredOn", to_iso(referral.asked));
  out.member("lastModified", to_iso(referral.updated));
  write_organization(out, "requester", referral.sender, referral.sender_name, referral.sender_department);
  write_organization(out, "owner", referral.receiver, referral.receiver_name, referral.receiver_department);
  if (referral.due) {  // by when whoever is waited for must have acted
    out.open("restriction");
    out.open("period");
    out.member("end", to_iso(*referral.due));
    out.close();
    out.close();
  }
  out.open_list("input");
  text_detail(out, "direction", "valueCode", to_string(referral.direction));
  // The patient's choice and why this pair are of this receiver: they stand in the ServiceRequest, not here, where
  // whoever puts the Task back for another receiver would say them of that one.
  text_detail(out, "insurance-filing", "valueString", referral.insurance_filing);
  document_details(out, referral.documents);
  out.close_list();
  if (!referral.slot && referral.reports.empty() && referral.proposed.empty()) return;
  out.open_list("output");
  if (const auto& slot = referral.slot) {
    detail(out, "slot", [&] {
      out.open("valuePeriod");
      out.member("start", to_iso(slot->start));
      out.member("end", to_iso(slot->end));
      out.close();
    });
    text_detail(out, "slot-department", "valueString", slot->department);
    text_detail(out, "slot-place", "valueString", slot->place);
  }
  if (!referral.proposed.empty()) {
    detail(out, "proposed-receiver",
           [&] { write_reference(out, "valueReference", "Organization", referral.proposed); });
  }
  document_details(out, referral.reports);
  out.close_list();
}

void write_request(Writer& out, const ReferralView& referral) {
  out.open("meta");
  out.member("versionId", std::to_string(referral.version));
  out.member("lastUpdated", to_iso(referral.updated));
  out.close();
  out.open_list("extension");
  const auto extension = [&](std::string_view url, std::string_view type, std::string_view value) {
    if (value.empty()) return;
    out.open();
    out.member("url", url);
    out.member(type, value);
    out.close();
  };
  extension("urn:hutong:referral-direction", "valueCode", to_string(referral.direction));
  extension("urn:hutong:referral-choice", "valueCode", to_string(referral.choice));
  extension("urn:hutong:referral-outside", "valueString", referral.outside);
  extension("urn:hutong:insurance-filing", "valueString", referral.insurance_filing);
  out.close_list();
  write_number(out, referral);
  if (referral.follows) {
    out.open_list("basedOn");
    write_reference_body(out, "ServiceRequest", referral.follows->hex());
    out.close_list();
  }
  out.member("status", request_status(referral.state));
  out.member("intent", "order");
  out.open_list("category");
  out.open();
  out.open_list("coding");
  write_coding(out, "http://snomed.info/sct", "3457005", "Patient referral");
  out.close_list();
  out.member("text", "双向转诊");
  out.close();
  out.close_list();
  out.member("priority", to_string(referral.urgency));
  out.open("code");
  out.open_list("coding");
  write_coding(out, "http://snomed.info/sct", "3457005", "Patient referral");
  out.close_list();
  out.close();
  if (!referral.person.empty()) write_reference(out, "subject", "Patient", referral.person);
  out.member("authoredOn", to_iso(referral.asked));
  write_organization(out, "requester", referral.sender, referral.sender_name, referral.sender_department);
  out.open_list("performer");
  write_reference_body(out, "Organization", referral.receiver, referral.receiver_name);
  out.close_list();
  if (referral.indication.said()) {
    out.open_list("reasonCode");
    write_reason(out, referral.indication);
    out.close_list();
  }
  if (!referral.documents.empty()) {
    out.open_list("supportingInfo");
    for (const auto& document : referral.documents) {
      write_reference_body(out, type_of(document.kind), document.id);
    }
    out.close_list();
  }
}

void write_part(Writer& out, const ReferralView& referral, ReferralPart part) {
  out.open();
  out.member("resourceType", type_of(part));
  out.member("id", referral.id.hex());
  part == ReferralPart::task ? write_task(out, referral) : write_request(out, referral);
  out.close();
}

}  // namespace

std::string FhirRendering::referral(const ReferralView& referral, ReferralPart part) const {
  Writer out;
  write_part(out, referral, part);
  return out.take();
}

std::string FhirRendering::referrals(const port::ReferralSheaf& sheaf) const {
  Writer out;
  out.open();
  out.member("resourceType", "Bundle");
  out.member("type", sheaf.type);
  if (sheaf.total) out.count("total", *sheaf.total);
  if (!sheaf.links.empty()) {
    out.open_list("link");
    for (const auto& [relation, url] : sheaf.links) {
      out.open();
      out.member("relation", relation);
      out.member("url", url);
      out.close();
    }
    out.close_list();
  }
  if (!sheaf.entries.empty()) {
    out.open_list("entry");
    for (const auto& entry : sheaf.entries) {
      const std::string path = std::string(type_of(entry.part)) + "/" + entry.referral->id.hex();
      out.open();
      out.member("fullUrl", std::string(sheaf.base_url) + "/" + path);
      out.name("resource");
      write_part(out, *entry.referral, entry.part);
      if (!entry.mode.empty()) {
        out.open("search");
        out.member("mode", entry.mode);
        out.close();
      }
      if (!entry.status.empty()) {
        const std::string version = std::to_string(entry.referral->version);
        out.open("response");
        out.member("status", entry.status);
        out.member("location", path + "/_history/" + version);
        out.member("etag", "W/\"" + version + "\"");
        out.member("lastModified", to_iso(entry.referral->updated));
        out.close();
      }
      out.close();
    }
    out.close_list();
  }
  out.close();
  return out.take();
}

std::string FhirRendering::codes(const port::CodeList& list) const {
  Writer out;
  out.open();
  out.member("resourceType", "CodeSystem");
  out.member("id", list.id);
  out.member("url", list.url);
  out.member("version", "1");
  out.member("name", list.name);
  out.member("title", std::string(list.zh) + " " + std::string(list.en));
  out.member("status", "active");
  out.flag("experimental", false);
  out.member("publisher", "Hutong");
  out.flag("caseSensitive", true);
  out.member("content", "complete");
  out.count("count", list.codes.size());
  out.open_list("concept");
  for (const auto& code : list.codes) {
    out.open();
    out.member("code", code.code);
    out.member("display", code.en);
    out.open_list("designation");
    out.open();
    out.member("language", "zh-CN");
    out.member("value", code.zh);
    out.close();
    out.close_list();
    out.close();
  }
  out.close_list();
  out.close();
  return out.take();
}

}  // namespace hutong::fhir
