// Encounter and Organization (hl7.org/fhir/R4/encounter.html, organization.html).
#include "adapters/format/fhir/resources.h"

namespace hutong::fhir {
namespace {

std::string_view class_display(std::string_view code) {
  if (code == "AMB") return "ambulatory";
  if (code == "EMER") return "emergency";
  if (code == "IMP") return "inpatient encounter";
  if (code == "OBSENC") return "observation encounter";
  if (code == "HH") return "home health";
  if (code == "VR") return "virtual";
  return {};
}

}  // namespace

void write_encounter(Writer& out, const model::EncounterView& view) {
  const model::Encounter& encounter = view.encounter;
  write_meta(out, view.version, view.updated, {}, {}, {});
  if (!encounter.number.empty()) {
    out.open_list("identifier");
    write_identifier(out, "VN", "urn:hutong:facility:" + std::string(view.facility) + ":visit", encounter.number);
    out.close_list();
  }
  out.member("status", model::to_string(encounter.status));
  const auto kind = model::to_string(encounter.kind);
  out.name("class");
  if (kind.empty()) {
    write_coding(out, "http://terminology.hl7.org/CodeSystem/v3-NullFlavor", "UNK", encounter.class_sent);
  } else {
    write_coding(out, "http://terminology.hl7.org/CodeSystem/v3-ActCode", kind, class_display(kind));
  }
  write_subject(out, "subject", view.person);
  const struct {
    const model::Party& party;
    std::string_view role, display;
  } parties[] = {{encounter.attending, "ATND", "attender"},
                 {encounter.referring, "REF", "referrer"},
                 {encounter.admitting, "ADM", "admitter"}};
  bool open = false;
  for (const auto& [party, role, display] : parties) {
    if (!is_named(party)) continue;
    if (!open) out.open_list("participant");
    open = true;
    out.open();
    out.open_list("type");
    out.open();
    out.open_list("coding");
    write_coding(out, "http://terminology.hl7.org/CodeSystem/v3-ParticipationType", role, display);
    out.close_list();
    out.close();
    out.close_list();
    out.name("individual");
    write_party_body(out, party, "Practitioner", view.facility);
    out.close();
  }
  if (open) out.close_list();
  const std::string start = date_time(encounter.admitted), end = date_time(encounter.discharged);
  if (!start.empty() || !end.empty()) {
    out.open("period");
    out.member("start", start);
    out.member("end", end);
    out.close();
  }
  if (!encounter.reason.empty()) {
    out.open_list("reasonCode");
    out.open();
    write_concept_body(out, encounter.reason, view.facility);
    out.close();
    out.close_list();
  }
  if (!encounter.diagnoses.empty()) {
    out.open_list("diagnosis");
    for (const auto& diagnosis : encounter.diagnoses) {
      out.open();
      out.open("condition");
      out.member("type", "Condition");
      const auto codes = model::codings(diagnosis, view.facility);
      if (!codes.empty()) {
        out.open("identifier");
        out.member("system", codes.front().system);
        out.member("value", codes.front().code);
        out.close();
      }
      out.member("display", diagnosis.display.empty() ? diagnosis.code : diagnosis.display);
      out.close();
      out.close();
    }
    out.close_list();
  }
  if (!encounter.disposition.empty()) {
    out.open("hospitalization");
    write_text_concept(out, "dischargeDisposition", encounter.disposition);
    out.close();
  }
  if (!encounter.location.empty() || !encounter.department.empty()) {
    out.open_list("location");
    // Where the sender names no department it is the ward, with which the location begins: once is enough.
    const Text beginning = encounter.location.substr(0, encounter.department.size());
    const bool told = !beginning.empty() && beginning == encounter.department &&
                      (beginning.size() == encounter.location.size() || encounter.location[beginning.size()] == ' ');
    for (Text place : {encounter.location, told ? Text() : encounter.department}) {
      if (place.empty()) continue;
      out.open();
      out.open("location");
      out.member("display", place);
      out.close();
      out.close();
    }
    out.close_list();
  }
  write_reference(out, "serviceProvider", "Organization", view.facility);
}

void write_organization(Writer& out, const model::Facility& facility) {
  out.open_list("identifier");
  write_identifier(out, {}, model::facility_system, facility.code);
  if (!facility.uscc.empty()) write_identifier(out, "XX", model::uscc_system, facility.uscc);
  out.close_list();
  out.flag("active", true);
  if (!facility.kind.empty()) {
    out.open_list("type");
    out.open();
    out.open_list("coding");
    write_coding(out, "urn:hutong:facility-kind", facility.kind, {});
    out.close_list();
    out.close();
    out.close_list();
  }
  const std::string& name = facility.name_zh.empty() ? facility.name_en : facility.name_zh;
  out.member("name", name.empty() ? facility.code : name);
  if (!facility.name_zh.empty() && !facility.name_en.empty()) {
    out.open_list("alias");
    out.text(facility.name_en);
    out.close_list();
  }
}

}  // namespace hutong::fhir
