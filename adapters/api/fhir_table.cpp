#include "adapters/api/fhir_table.h"

#include "adapters/api/fhir_referral.h"

namespace hutong::api {
namespace {

using model::ViewKind;
using Parameter = port::Offer::Parameter;
using Include = FhirKind::Include;

constexpr std::string_view date_rule =
    "prefixes eq ne lt le gt ge sa eb; may be repeated. A time without zone is read as +08:00";
constexpr std::string_view clinical_date =
    "effective time; where none was sent, the time of issue, else of the request; prefixes eq ne lt le gt ge sa eb; "
    "may be "
    "repeated. A time without zone is read as +08:00";
constexpr std::string_view of_patient =
    "the patient; this or _id is required. A merged patient's id finds who it is now";
constexpr std::string_view code_rule = "system|code, or a bare code of any system: LOINC or the sender's own";

constexpr Parameter id{"_id", "token", "up to 200 ids"};
constexpr Parameter updated{"_lastUpdated", "date", date_rule};
constexpr Parameter patient{"patient", "reference", of_patient};
constexpr Parameter subject{"subject", "reference", of_patient};

constexpr Parameter patient_parameters[] = {
    id,
    {"identifier", "token", "system|value, or a bare value of any system; POST _search keeps it out of the address"},
    {"name", "string", "beginning of the whole name, family or given name; :exact; :contains with another parameter"},
    {"birthdate", "date", date_rule},
    {"gender", "token", "beside another parameter"},
};
constexpr Parameter result_parameters[] = {
    id,
    updated,
    patient,
    subject,
    {"code", "token", code_rule},
    {"category", "token", "laboratory, imaging, procedure; for reports HL7 table 0074: LAB, RAD, …"},
    {"date", "date", clinical_date},
    {"status", "token", "as in the resource"},
};
constexpr Parameter study_parameters[] = {
    id,
    updated,
    patient,
    subject,
    {"modality", "token", "DICOM: CT, MR, US, …"},
    {"started", "date", clinical_date},
    {"status", "token", "as in the resource"},
};
constexpr Parameter part_parameters[] = {id, updated, patient};
constexpr Parameter specimen_parameters[] = {id, updated, patient, subject, {"type", "token", code_rule}};
constexpr Parameter order_parameters[] = {
    id,
    updated,
    patient,
    subject,
    {"identifier", "token",
     "system|value, or a bare number: of orders that were placed by a message, and beside patient of those behind "
     "reports, too"},
    {"code", "token", code_rule},
    {"authored", "date", clinical_date},
    {"status", "token", "as in the resource"},
};
constexpr Parameter encounter_parameters[] = {
    id,
    updated,
    patient,
    subject,
    {"class", "token", "AMB, EMER, IMP, OBSENC, HH, VR"},
    {"date", "date", "from admission to discharge; prefixes as usual"},
    {"status", "token", "as in the resource"},
};
constexpr Parameter organization_parameters[] = {
    {"_id", "token", "facility code"},
    {"identifier", "token", "urn:hutong:facility|code, or the code"},
    {"name", "string", "beginning of a name; :exact, :contains"},
};

constexpr Include observation_includes[] = {
    {"Observation:subject", ViewKind::person},    {"Observation:patient", ViewKind::person},
    {"Observation:specimen", ViewKind::specimen}, {"Observation:performer", ViewKind::facility},
    {"Observation:based-on", ViewKind::order},    {"Observation:derived-from", ViewKind::study},
};
constexpr Include report_includes[] = {
    {"DiagnosticReport:subject", ViewKind::person},     {"DiagnosticReport:patient", ViewKind::person},
    {"DiagnosticReport:result", ViewKind::observation}, {"DiagnosticReport:specimen", ViewKind::specimen},
    {"DiagnosticReport:performer", ViewKind::facility}, {"DiagnosticReport:based-on", ViewKind::order},
};
constexpr Include study_includes[] = {
    {"ImagingStudy:subject", ViewKind::person},
    {"ImagingStudy:patient", ViewKind::person},
    {"ImagingStudy:endpoint", ViewKind::image_access},
    {"ImagingStudy:basedon", ViewKind::order},
};
constexpr Include encounter_includes[] = {
    {"Encounter:subject", ViewKind::person},
    {"Encounter:patient", ViewKind::person},
    {"Encounter:service-provider", ViewKind::facility},
};

constexpr std::pair<std::string_view, std::string_view> patient_operations[] = {
    {"everything", "http://hl7.org/fhir/OperationDefinition/Patient-everything"},
    {"match", "http://hl7.org/fhir/OperationDefinition/Patient-match"},
    {"ihe-pix", "https://profiles.ihe.net/ITI/PIXm/OperationDefinition/IHE.PIXm.pix"}};
constexpr std::pair<std::string_view, std::string_view> observation_operations[] = {
    {"lastn", "http://hl7.org/fhir/OperationDefinition/Observation-lastn"}};

constexpr FhirKind kinds[] = {
    {"Patient",
     ViewKind::person,
     false,
     patient_parameters,
     {},
     patient_operations,
     "A person with the identifiers of all facilities. The current state only, which vread and _history "
     "show; versionId is a tag, not a count."},
    {"DiagnosticReport",
     ViewKind::report,
     true,
     result_parameters,
     report_includes,
     {},
     "A laboratory or examination report; a correction makes a new version, all stay readable."},
    {"Observation", ViewKind::observation, true, result_parameters, observation_includes, observation_operations,
     "An item of a report. versionId is its report's; _history lists the versions in which the item differs."},
    {"Encounter",
     ViewKind::encounter,
     false,
     encounter_parameters,
     encounter_includes,
     {},
     "A visit or stay. The current state only, which vread and _history show."},
    {"Organization",
     ViewKind::facility,
     false,
     organization_parameters,
     {},
     {},
     "A registered facility; its id and identifier are the facility code. The current state only."},
    {"ImagingStudy",
     ViewKind::study,
     true,
     study_parameters,
     study_includes,
     {},
     "An examination; images are reached through its endpoints. versionId is its report's."},
    {"Endpoint",
     ViewKind::image_access,
     true,
     part_parameters,
     {},
     {},
     "A way to the images of an examination. versionId is its report's."},
    {"Specimen",
     ViewKind::specimen,
     true,
     specimen_parameters,
     {},
     {},
     "The specimen of a report. versionId is its report's."},
    {"ServiceRequest",
     ViewKind::order,
     true,
     order_parameters,
     {},
     {},
     "An order as a message placed it, in its last word (the current state only), and the order behind a report "
     "(<report>-r, with its report's versions); their identifiers say where both are one. Also what a referral asks "
     "for, which is what can be created; its Task has the same id."},
};

}  // namespace

std::span<const FhirKind> fhir_kinds() {
  return kinds;
}

const FhirKind* find_fhir_kind(std::string_view type) {
  for (const auto& each : kinds) {
    if (each.type == type) return &each;
  }
  return nullptr;
}

std::string_view fhir_type(ViewKind kind) {
  for (const auto& each : kinds) {
    if (each.kind == kind) return each.type;
  }
  return "Basic";
}

std::vector<Include> fhir_reverse_includes(const FhirKind& kind) {
  std::vector<Include> found;
  if (kind.kind == ViewKind::facility) return found;
  for (const auto& each : kinds) {
    for (const auto& include : each.includes) {
      if (include.target == kind.kind) found.push_back({include.name, each.kind});
    }
  }
  return found;
}

std::vector<port::Offer> fhir_offers() {
  std::vector<port::Offer> offers;
  for (const auto& each : kinds) {
    port::Offer offer;
    offer.type = each.type;
    offer.interactions = {"read", "vread", "history-instance", "search-type"};
    offer.past_versions = each.past_versions;
    offer.parameters.assign(each.parameters.begin(), each.parameters.end());
    for (const auto& include : each.includes) offer.includes.push_back(include.name);
    for (const auto& include : fhir_reverse_includes(each)) offer.reverse_includes.push_back(include.name);
    offer.operations.assign(each.operations.begin(), each.operations.end());
    offer.documentation = each.documentation;
    if (each.kind == ViewKind::order) offer.interactions.insert(offer.interactions.begin() + 2, "create");
    offers.push_back(std::move(offer));
  }
  offers.push_back(task_offer());
  return offers;
}

}  // namespace hutong::api
