// Patient (hl7.org/fhir/R4/patient.html): a person with what every facility says of them. Where they differ, lists hold
// all and single values are those of the record updated last.
#include <algorithm>
#include <set>

#include "adapters/format/fhir/resources.h"
#include "broker/model/identifier.h"
#include "broker/model/identifier_key.h"

namespace hutong::fhir {
namespace {

using model::IdentifierKind;
using model::LocalPatient;

// HL7 table 0203, FHIR's value set identifier-type.
std::string_view type_code(const model::Identifier& identifier) {
  switch (identifier.kind) {
    case IdentifierKind::facility_number: return "MR";
    case IdentifierKind::resident_card: return "NI";
    case IdentifierKind::health_card: return "HC";
    case IdentifierKind::social_security: return "SS";
    case IdentifierKind::insurance: return "MI";
    case IdentifierKind::passport: return "PPN";
    case IdentifierKind::permit: return "PRC";
    case IdentifierKind::visit: return "VN";
    case IdentifierKind::other: return "";
  }
  return "";
}

void write_period(Writer& out, const model::Identifier& identifier) {
  const auto start = date_time(identifier.effective), end = date_time(identifier.expires);
  if ((start.empty() && end.empty()) || model::expires_before_effective(identifier)) return;
  out.open("period");
  out.member("start", start);
  out.member("end", end);
  out.close();
}

void write_one_identifier(Writer& out, const model::Identifier& identifier) {
  const auto code = type_code(identifier);
  out.open();
  out.member("use", identifier.valid && !identifier.placeholder ? "official" : "temp");
  if (!code.empty() || !identifier.type.empty()) {
    out.open("type");
    if (!code.empty()) {
      out.open_list("coding");
      write_coding(out, "http://terminology.hl7.org/CodeSystem/v2-0203", code, {});
      out.close_list();
    }
    out.member("text", identifier.type);
    out.close();
  }
  out.member("system", model::identifier_system(identifier));
  out.member("value", identifier.value);
  write_period(out, identifier);
  if (!identifier.facility.empty()) write_reference(out, "assigner", "Organization", identifier.facility);
  out.close();
}

void write_identifiers(Writer& out, const std::vector<const LocalPatient*>& members) {
  std::set<std::pair<std::string, Text>> seen;
  bool open = false;
  const auto write = [&](const model::Identifier& identifier) {
    if (identifier.value.empty()) return;
    std::string space = model::identifier_system(identifier);
    if (space.empty()) space = model::to_string(identifier.kind);
    if (!seen.emplace(std::move(space), identifier.value).second) return;
    if (!open) out.open_list("identifier");
    open = true;
    write_one_identifier(out, identifier);
  };
  for (const auto* member : members) {
    // The number that the record is kept under comes first, whether or not it was sent as an identifier.
    if (!member->subject.number.empty() || member->subject.identifiers.empty()) {
      model::Identifier own;
      own.kind = IdentifierKind::facility_number;
      own.facility = member->facility;
      own.value = member->subject.number.empty() ? Text() : member->subject.number;
      for (const auto& sent : member->subject.identifiers) {
        if (sent.kind == own.kind && sent.value == own.value) own = sent;
      }
      if (own.facility.empty()) own.facility = member->facility;
      write(own);
    }
    for (const auto& identifier : member->subject.identifiers) write(identifier);
  }
  if (open) out.close_list();
}

std::string_view name_use(Text sent) {
  if (sent == "L") return "official";
  if (sent == "A" || sent == "N") return "nickname";
  if (sent == "M") return "maiden";
  if (sent == "T") return "temp";
  if (sent == "S") return "anonymous";
  return {};
}

void write_names(Writer& out, const std::vector<const LocalPatient*>& members) {
  std::set<std::string> seen;
  bool open = false;
  for (const auto* member : members) {
    for (const auto& name : member->subject.names) {
      std::string key = std::string(name.text) + "\n" + std::string(name.family) + "\n" + std::string(name.given);
      if (key.size() == 2 || !seen.insert(std::move(key)).second) continue;
      if (!open) out.open_list("name");
      open = true;
      out.open();
      out.member("use", name_use(name.use));
      out.member("text", name.text);
      out.member("family", name.family);
      if (!name.given.empty()) {
        out.open_list("given");
        out.text(name.given);
        out.close_list();
      }
      out.close();
    }
  }
  if (open) out.close_list();
}

void write_contacts(Writer& out, const std::vector<const LocalPatient*>& members) {
  std::set<Text> seen;
  bool open = false;
  for (const auto* member : members) {
    for (const auto& contact : member->subject.contacts) {
      if (contact.value.empty() || !seen.insert(contact.value).second) continue;
      if (!open) out.open_list("telecom");
      open = true;
      out.open();
      out.member("system", contact.use == "email" || contact.value.find('@') != Text::npos ? "email" : "phone");
      out.member("value", contact.value);
      if (contact.use == "home" || contact.use == "work" || contact.use == "mobile") out.member("use", contact.use);
      out.close();
    }
  }
  if (open) out.close_list();
}

void write_addresses(Writer& out, const std::vector<const LocalPatient*>& members) {
  std::set<std::string> seen;
  bool open = false;
  for (const auto* member : members) {
    for (const auto& address : member->subject.addresses) {
      std::string key;
      for (Text part : {address.text, address.street, address.district, address.city, address.province,
                        address.postcode, address.country}) {
        key.append(part).push_back('\n');
      }
      if (key.size() == 7 || !seen.insert(std::move(key)).second) continue;
      if (!open) out.open_list("address");
      open = true;
      out.open();
      out.member("text", address.text);
      if (!address.street.empty()) {
        out.open_list("line");
        out.text(address.street);
        out.close_list();
      }
      out.member("city", address.city);
      out.member("district", address.district);
      out.member("state", address.province);
      out.member("postalCode", address.postcode);
      out.member("country", address.country);
      out.close();
    }
  }
  if (open) out.close_list();
}

// A newborn's mother, of whom only her number at the facility is known. R4 says who a mother is with a RelatedPerson,
// which her own Patient may refer to in turn (patient.html, "Mother and newborn relationships"); Patient.link, also its
// seealso, joins records of one and the same person, which mother and child must never become. It is contained, because
// it has no life of its own: it says no more than the child's record does, and refers to that (dom-3).
void write_mothers(Writer& out, const std::vector<const LocalPatient*>& members) {
  std::set<std::pair<Text, Text>> seen;
  for (const auto* member : members) {
    const Text number = member->subject.mother_number;
    if (number.empty() || !seen.emplace(member->facility, number).second) continue;
    if (seen.size() == 1) out.open_list("contained");
    out.open();
    out.member("resourceType", "RelatedPerson");
    out.member("id", "mother" + (seen.size() == 1 ? std::string() : "-" + std::to_string(seen.size())));
    out.open_list("identifier");
    model::Identifier hers;
    hers.kind = IdentifierKind::facility_number;
    hers.facility = member->facility;
    hers.value = number;
    write_one_identifier(out, hers);
    out.close_list();
    out.open("patient");
    out.member("reference", "#");
    out.close();
    out.open_list("relationship");
    out.open();
    out.open_list("coding");
    write_coding(out, "http://terminology.hl7.org/CodeSystem/v3-RoleCode", "MTH", "mother");
    out.close_list();
    out.close();
    out.close_list();
    out.close();
  }
  if (!seen.empty()) out.close_list();
}

}  // namespace

void write_patient(Writer& out, const model::PersonView& person) {
  write_meta(out, model::version_of({.kind = model::ViewKind::person, .person = &person}), person.updated, {}, {}, {});
  std::vector<const LocalPatient*> members;
  for (const auto& member : person.members) members.push_back(&member);
  write_mothers(out, members);
  write_identifiers(out, members);
  out.flag("active", person.replaced_by.empty());
  write_names(out, members);
  write_contacts(out, members);

  // Single values: the latest record that says them; the order of members decides between equal times.
  std::stable_sort(members.begin(), members.end(),
                   [](const auto* a, const auto* b) { return a->updated > b->updated; });
  const auto latest = [&](auto says) -> const LocalPatient* {
    const auto found = std::find_if(members.begin(), members.end(), says);
    return found == members.end() ? nullptr : *found;
  };
  const auto* sexed = latest([](const auto* m) { return m->subject.sex != model::Sex::unknown; });
  out.member("gender", model::to_string(sexed ? sexed->subject.sex : model::Sex::unknown));
  if (const auto* born = latest([](const auto* m) { return !date(m->subject.born).empty(); })) {
    out.member("birthDate", date(born->subject.born));
    if (const std::string time = instant(born->subject.born); !time.empty()) {
      out.open("_birthDate");
      out.open_list("extension");
      out.open();
      out.member("url", "http://hl7.org/fhir/StructureDefinition/patient-birthTime");
      out.member("valueDateTime", time);
      out.close();
      out.close_list();
      out.close();
    }
  }
  if (const auto* dead = latest([](const auto* m) { return !date_time(m->subject.died).empty(); })) {
    out.member("deceasedDateTime", date_time(dead->subject.died));
  } else if (latest([](const auto* m) { return m->subject.deceased; })) {
    out.flag("deceasedBoolean", true);
  }
  std::sort(members.begin(), members.end(), [](const auto* a, const auto* b) {
    return std::tie(a->facility, a->number) < std::tie(b->facility, b->number);
  });
  write_addresses(out, members);
  if (const auto* married = latest([](const auto* m) { return !m->subject.marital.empty(); })) {
    write_concept(out, "maritalStatus", married->subject.marital, married->facility);
  }
  const bool one_facility = !members.empty() && std::all_of(members.begin(), members.end(), [&](const auto* m) {
    return m->facility == members.front()->facility;
  });
  if (one_facility) write_reference(out, "managingOrganization", "Organization", members.front()->facility);
  if (person.replaced_by.empty() && person.replaces.empty()) return;
  out.open_list("link");
  const auto link = [&](const PersonId& other, std::string_view type) {
    out.open();
    write_reference(out, "other", "Patient", other.hex());
    out.member("type", type);
    out.close();
  };
  if (!person.replaced_by.empty()) link(person.replaced_by, "replaced-by");
  for (const auto& other : person.replaces) link(other, "replaces");
  out.close_list();
}

}  // namespace hutong::fhir
