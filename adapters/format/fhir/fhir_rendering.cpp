#include "adapters/format/fhir/fhir_rendering.h"

#include <algorithm>
#include <cstdio>
#include <set>

#include "adapters/format/fhir/patient_reader.h"
#include "adapters/format/fhir/resources.h"
#include "broker/model/identifier.h"
#include "broker/model/identifier_key.h"

namespace hutong::fhir {
namespace {

// OperationOutcome.issue.code, value set issue-type.
std::string_view issue_type(ErrorCode code) {
  switch (code) {
    case ErrorCode::invalid: return "invalid";
    case ErrorCode::not_found: return "not-found";
    case ErrorCode::gone: return "deleted";
    case ErrorCode::conflict: return "conflict";
    case ErrorCode::forbidden: return "forbidden";
    case ErrorCode::too_large: return "too-long";
    case ErrorCode::too_costly: return "too-costly";
    case ErrorCode::overloaded: return "throttled";
    case ErrorCode::unavailable: return "transient";
    case ErrorCode::corrupt: return "exception";
    case ErrorCode::timeout: return "timeout";
    case ErrorCode::internal: return "exception";
  }
  return "exception";
}

}  // namespace

std::string FhirRendering::one(const model::View& view) const {
  Writer out;
  write_resource(out, view);
  return out.take();
}

Result<port::MatchQuestion> FhirRendering::match_question(std::string_view body, Arena& arena) const {
  return read_match(body, arena);
}

std::string FhirRendering::cross_references(const model::PersonView& person, std::string_view source_system,
                                            std::string_view source_value, std::span<const std::string> systems) const {
  Arena arena(256);
  Writer out;
  out.open();
  out.member("resourceType", "Parameters");
  out.open_list("parameter");
  std::set<std::pair<std::string, model::Text>> seen;
  const auto write = [&](const model::Identifier& identifier) {
    const std::string system = model::identifier_system(identifier);
    const bool asked = systems.empty() || std::find(systems.begin(), systems.end(), system) != systems.end();
    if (!asked || system.empty() || identifier.value.empty() || identifier.placeholder || !identifier.valid) return;
    const bool is_source =
        system == source_system && identifier.value == model::normal_number(identifier.kind, source_value, arena);
    if (is_source || !seen.emplace(system, identifier.value).second) return;
    out.open();
    out.member("name", "targetIdentifier");
    out.open("valueIdentifier");
    out.member("system", system);
    out.member("value", identifier.value);
    out.close();
    out.close();
  };
  for (const auto& member : person.members) {
    model::Identifier own;
    own.kind = model::IdentifierKind::facility_number;
    own.facility = member.facility;
    own.value = member.subject.number;
    write(own);
    for (const auto& identifier : member.subject.identifiers) write(identifier);
  }
  out.open();
  out.member("name", "targetId");
  write_reference(out, "valueReference", "Patient", person.id.hex());
  out.close();
  out.close_list();
  out.close();
  return out.take();
}

std::string FhirRendering::many(const port::Sheaf& sheaf) const {
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
  if (!sheaf.matches.empty() || !sheaf.includes.empty()) {
    out.open_list("entry");
    const auto entry = [&](const model::View& view, std::string_view mode, const port::Grade* grade = nullptr) {
      const std::string path = std::string(type_of(view.kind)) + "/" + model::id_of(view);
      out.open();
      out.member("fullUrl", std::string(sheaf.base_url) + "/" + path);
      out.name("resource");
      write_resource(out, view);
      if (sheaf.type == "searchset") {
        out.open("search");
        if (grade) {
          out.open_list("extension");
          out.open();
          out.member("url", "http://hl7.org/fhir/StructureDefinition/match-grade");
          out.member("valueCode", grade->grade);
          out.close();
          out.close_list();
        }
        out.member("mode", mode);
        if (grade) {
          char score[16];
          std::snprintf(score, sizeof score, "%.4f", grade->score);
          out.decimal("score", score);
        }
        out.close();
      } else if (sheaf.type == "history") {
        const std::string version = std::to_string(model::version_of(view));
        out.open("request");
        out.member("method", "PUT");
        out.member("url", path);
        out.close();
        out.open("response");
        out.member("status", version == "1" ? "201" : "200");
        out.member("etag", "W/\"" + version + "\"");
        out.member("lastModified", to_iso(model::updated_of(view)));
        out.close();
      }
      out.close();
    };
    for (std::size_t i = 0; i < sheaf.matches.size(); ++i) {
      entry(sheaf.matches[i], "match", i < sheaf.grades.size() ? &sheaf.grades[i] : nullptr);
    }
    for (const auto& view : sheaf.includes) entry(view, "include");
    out.close_list();
  }
  out.close();
  return out.take();
}

std::string FhirRendering::outcome(ErrorCode code, std::string_view message, std::string_view where) const {
  Writer out;
  out.open();
  out.member("resourceType", "OperationOutcome");
  out.open_list("issue");
  out.open();
  out.member("severity", "error");
  out.member("code", issue_type(code));
  out.member("diagnostics", message);
  if (!where.empty()) {
    out.open_list("expression");
    out.text(where);
    out.close_list();
  }
  out.close();
  out.close_list();
  out.close();
  return out.take();
}

std::string FhirRendering::offers(std::span<const port::Offer> offers, std::string_view version,
                                  std::string_view base_url) const {
  Writer out;
  out.open();
  out.member("resourceType", "CapabilityStatement");
  out.member("status", "active");
  out.member("date", "2026-11-25");  // of this table's last change, not of the request
  out.member("publisher", "Hutong");
  out.member("kind", "instance");
  out.open("software");
  out.member("name", "Hutong");
  out.member("version", version);
  out.close();
  out.open("implementation");
  out.member("description", "Regional health information broker: shared results, read side");
  out.member("url", base_url);
  out.close();
  out.member("fhirVersion", "4.0.1");
  out.open_list("format");
  out.text("json");
  out.text("application/fhir+json");
  out.close_list();
  out.open_list("rest");
  out.open();
  out.member("mode", "server");
  out.open("security");
  out.open_list("service");
  out.open();
  out.open_list("coding");
  write_coding(out, "http://terminology.hl7.org/CodeSystem/restful-security-service", "SMART-on-FHIR", "SMART-on-FHIR");
  out.close_list();
  out.close();
  out.close_list();
  out.member("description", "OAuth2 client credentials with a signed JWT; every read is decided and audited first");
  out.close();
  out.open_list("resource");
  for (const auto& offer : offers) {
    out.open();
    out.member("type", offer.type);
    out.member("documentation", offer.documentation);
    out.open_list("interaction");
    for (auto interaction : offer.interactions) {
      out.open();
      out.member("code", interaction);
      out.close();
    }
    out.close_list();
    out.member("versioning", "versioned");
    out.flag("readHistory", offer.past_versions);
    const auto texts = [&](std::string_view name, const std::vector<std::string_view>& list) {
      if (list.empty()) return;
      out.open_list(name);
      for (auto each : list) out.text(each);
      out.close_list();
    };
    texts("searchInclude", offer.includes);
    texts("searchRevInclude", offer.reverse_includes);
    if (!offer.parameters.empty()) {
      out.open_list("searchParam");
      for (const auto& parameter : offer.parameters) {
        out.open();
        out.member("name", parameter.name);
        out.member("type", parameter.type);
        out.member("documentation", parameter.documentation);
        out.close();
      }
      out.close_list();
    }
    if (!offer.operations.empty()) {
      out.open_list("operation");
      for (const auto& [name, definition] : offer.operations) {
        out.open();
        out.member("name", name);
        out.member("definition", definition);
        out.close();
      }
      out.close_list();
    }
    out.close();
  }
  out.close_list();
  out.close();
  out.close_list();
  out.close();
  return out.take();
}

// Without a store each local patient is its own person; `.invalid` (RFC 2606) makes references resolve in the bundle.
std::string FhirRendering::record(const model::RecordView& record) const {
  const model::Subject& subject = record.subject;
  const Text facility = subject.facility.empty() ? record.source.facility : subject.facility;
  const std::string record_hex = record.id.hex();
  const Text number = subject.number.empty() ? Text(record_hex) : subject.number;
  const Timestamp updated = record.times.appended;
  std::vector<model::View> views;
  std::vector<model::PersonView> persons(2);
  std::vector<model::ReportView> reports(record.events.size());
  std::vector<model::EncounterView> encounters(record.events.size());
  std::vector<model::OrderView> orders(record.events.size());
  std::vector<std::string> event_ids(record.events.size());
  model::PersonView &person = persons[0], &prior = persons[1];
  person.id = model::first_person_id(facility, number);
  person.updated = updated;
  person.members.push_back({facility, number, subject, 1, updated});
  views.push_back({.kind = model::ViewKind::person, .person = &person});
  for (std::size_t i = 0; i < record.events.size(); ++i) {
    const model::Event& event = record.events[i];
    event_ids[i] = record_hex + "." + std::to_string(event.ordinal);
    if (event.kind == model::EventKind::patient_merged && !event.merge.prior_number.empty() && prior.id.empty()) {
      const Text prior_facility = event.merge.prior_facility.empty() ? facility : event.merge.prior_facility;
      prior.id = model::first_person_id(prior_facility, event.merge.prior_number);
      prior.updated = updated;
      model::Subject known;
      known.number = event.merge.prior_number;
      known.identifiers = event.merge.prior_identifiers;
      prior.members.push_back({prior_facility, event.merge.prior_number, known, 1, updated});
      prior.replaced_by = person.id;
      person.replaces.push_back(prior.id);
      views.push_back({.kind = model::ViewKind::person, .person = &prior});
    } else if (event.kind == model::EventKind::encounter_changed) {
      encounters[i] = {event.encounter, person.id, facility, number, event.version, updated};
      views.push_back({.kind = model::ViewKind::encounter, .encounter = &encounters[i]});
    } else if (event.order) {
      orders[i] = {*event.order, person.id, facility, number, event.version, updated, event_ids[i]};
      views.push_back({.kind = model::ViewKind::order, .order = &orders[i]});
    } else if (event.report) {
      reports[i] = {*event.report, person.id, facility,     number,
                    event.version, updated,   event_ids[i], model::item_ids(*event.report)};
      for (const auto& view : model::views_of(reports[i])) views.push_back(view);
    }
  }
  return many({.type = "collection",
               .base_url = "https://hutong.invalid/fhir",
               .matches = views,
               .includes = {},
               .total = std::nullopt,
               .links = {}});
}

std::string render_bundle(const model::RecordView& record) {
  return FhirRendering().record(record);
}

}  // namespace hutong::fhir
