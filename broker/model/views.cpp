#include "broker/model/views.h"

#include <rapidjson/document.h>

#include <algorithm>
#include <limits>
#include <unordered_map>

#include "broker/base/hash.h"

namespace hutong::model {
namespace {

bool all_digits(Text text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

// A version that changes with what a person is made of: links and local records count on their own, and a record
// that moves away lowers a plain sum, so the tag is a hash.
std::uint64_t person_version(const PersonView& person) {
  PartsHash hash;
  hash.add("person").add(std::to_string(person.version)).add(person.replaced_by.view());
  for (const auto& member : person.members) {
    hash.add(member.facility).add(member.number).add(std::to_string(member.version));
  }
  const Sha256Digest digest = hash.finish();
  std::uint64_t tag = 0;
  for (std::size_t i = 0; i < 6; ++i) tag = tag << 8 | digest[i];
  return tag;
}

std::optional<TimeSpan> span_of(const Moment& moment) {
  return moment.iso.empty() ? std::nullopt : parse_iso(moment.iso);
}

std::string encoded(Text text) {
  std::string out;
  for (char c : text) {
    const bool plain =
        (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_';
    if (plain) {
      out.push_back(c);
    } else {
      out.append("%").append(to_hex({&c, 1}));
    }
  }
  return out;
}

}  // namespace

Result<std::vector<std::pair<std::string, std::string>>> read_members(std::string_view json) {
  std::vector<std::pair<std::string, std::string>> members;
  if (json.empty()) return members;
  rapidjson::Document document;
  document.Parse<rapidjson::kParseIterativeFlag>(json.data(), json.size());
  const auto broken = [] {
    return fail(ErrorCode::corrupt, "a person's list of local patients does not read; run hutong rebuild");
  };
  if (document.HasParseError() || !document.IsArray()) return broken();
  for (const auto& pair : document.GetArray()) {
    if (!pair.IsArray() || pair.Size() != 2 || !pair[0].IsString() || !pair[1].IsString()) return broken();
    members.emplace_back(std::string(pair[0].GetString(), pair[0].GetStringLength()),
                         std::string(pair[1].GetString(), pair[1].GetStringLength()));
  }
  return members;
}

std::string id_of(const View& view) {
  switch (view.kind) {
    case ViewKind::person: return view.person->id.hex();
    case ViewKind::encounter: return view.encounter->encounter.id.hex();
    case ViewKind::report: return view.report->report.id.hex();
    case ViewKind::observation: return view.report->item_ids[view.item];
    case ViewKind::specimen: return view.report->report.id.hex() + "-s";
    case ViewKind::order: return view.order ? view.order->order.id.hex() : view.report->report.id.hex() + "-r";
    case ViewKind::study: return view.report->report.id.hex() + "-i";
    case ViewKind::image_access: return view.report->report.id.hex() + "-e" + std::to_string(view.item + 1);
    case ViewKind::facility: return view.facility->code;
  }
  return {};
}

std::uint64_t version_of(const View& view) {
  if (view.person) return person_version(*view.person);
  if (view.encounter) return view.encounter->version;
  if (view.report) return view.report->version;
  if (view.order) return view.order->version;
  return 1;
}

Timestamp updated_of(const View& view) {
  if (view.person) return view.person->updated;
  if (view.encounter) return view.encounter->updated;
  if (view.report) return view.report->updated;
  if (view.order) return view.order->updated;
  return {};
}

std::vector<std::string> item_ids(const Report& report) {
  std::vector<std::string> ids;
  ids.reserve(report.observations.size());
  std::unordered_map<std::string, int> seen;
  for (const auto& observation : report.observations) {
    std::string id = observation_id(report.id, observation);
    const int count = ++seen[id];
    if (count > 1) id += "-" + std::to_string(count);
    ids.push_back(std::move(id));
  }
  return ids;
}

bool has_order(const Report& report) {
  return !report.order_number.empty() || !report.requested.iso.empty() || !report.orderer.name.empty() ||
         !report.orderer.code.empty();
}

bool has_specimen(const Report& report) {
  return report.specimen.present;
}

std::vector<View> views_of(const ReportView& report) {
  std::vector<View> views;
  views.push_back({.kind = ViewKind::report, .report = &report});
  if (has_order(report.report)) views.push_back({.kind = ViewKind::order, .report = &report});
  if (has_specimen(report.report)) views.push_back({.kind = ViewKind::specimen, .report = &report});
  if (report.report.is_exam) {
    views.push_back({.kind = ViewKind::study, .report = &report});
    for (std::size_t i = 0; i < report.report.exam.access.size(); ++i) {
      views.push_back({.kind = ViewKind::image_access, .report = &report, .item = i});
    }
  }
  for (std::size_t i = 0; i < report.report.observations.size(); ++i) {
    views.push_back({.kind = ViewKind::observation, .report = &report, .item = i});
  }
  return views;
}

std::optional<TimeSpan> clinical_span(const View& view) {
  if (view.encounter) {
    const Encounter& encounter = view.encounter->encounter;
    const auto first = span_of(encounter.admitted.iso.empty() ? encounter.occurred : encounter.admitted);
    const auto last = span_of(encounter.discharged);
    if (!first && !last) return std::nullopt;
    const Timestamp never{std::numeric_limits<std::int64_t>::max()}, ever{std::numeric_limits<std::int64_t>::min()};
    return TimeSpan{first ? first->first : ever, last ? last->last : never};
  }
  if (view.order) {
    const auto placed = span_of(view.order->order.placed);
    return placed ? placed : span_of(view.order->order.requested);
  }
  if (!view.report) return std::nullopt;
  const Report& report = view.report->report;
  if (view.kind == ViewKind::observation) {
    if (auto span = span_of(report.observations[view.item].observed)) return span;
  }
  if (view.kind == ViewKind::order) {
    if (auto span = span_of(report.requested)) return span;
  }
  for (const Moment* moment : {&report.observed, &report.issued, &report.requested}) {
    if (auto span = span_of(*moment)) return span;
  }
  return std::nullopt;
}

std::string code_system(Text sent, Text facility) {
  if (sent == "LN" || sent == "LOINC" || sent == "LNC") return std::string(loinc_system);
  if (sent == "SCT" || sent == "SNM") return "http://snomed.info/sct";
  if (sent == "I10" || sent == "ICD10" || sent == "ICD-10") return "http://hl7.org/fhir/sid/icd-10";
  if (sent == "DCM") return "http://dicom.nema.org/resources/ontology/DCM";
  if (sent.starts_with("HL7") && sent.size() == 7 && all_digits(sent.substr(3))) {
    return "http://terminology.hl7.org/CodeSystem/v2-" + std::string(sent.substr(3));
  }
  if (sent.starts_with("urn:") || sent.starts_with("http://") || sent.starts_with("https://")) {
    if (sent.find(' ') == Text::npos) return std::string(sent);
  }
  if (sent.starts_with("2.16.") || sent.starts_with("1.2.") || sent.starts_with("1.3.")) {
    const bool oid = std::all_of(sent.begin(), sent.end(), [](char c) { return c == '.' || (c >= '0' && c <= '9'); });
    if (oid) return "urn:oid:" + std::string(sent);
  }
  std::string system = "urn:hutong:facility:" + encoded(facility) + ":codes";
  if (!sent.empty() && sent != "L") system += ":" + encoded(sent);
  return system;
}

std::vector<Coding> codings(const Coded& coded, Text facility) {
  std::vector<Coding> all;
  const auto add = [&](std::string system, Text code, Text display) {
    if (code.empty()) return;
    for (const auto& each : all) {
      if (each.code == code && each.system == system) return;
    }
    all.push_back({std::move(system), code, display});
  };
  if (!coded.mapped_code.empty()) {
    add(std::string(coded.mapped_system.empty() ? loinc_system : coded.mapped_system), coded.mapped_code,
        coded.mapped_display);
  }
  if (!coded.code.empty()) add(code_system(coded.system, facility), coded.code, coded.display);
  if (!coded.alt_code.empty()) add(code_system(coded.alt_system, facility), coded.alt_code, coded.alt_display);
  return all;
}

std::vector<Numbered> order_numbers(const View& view) {
  std::vector<Numbered> all;
  const auto add = [&](std::string_view type, Text facility, std::string_view what, Text value) {
    if (!value.empty())
      all.push_back({type, "urn:hutong:facility:" + std::string(facility) + ":" + std::string(what), value});
  };
  if (view.order) {
    const Order& order = view.order->order;
    add("PLAC", order.facility, "placer", order.number);
    add("FILL", order.facility, "filler", order.filler_number);
    add("PGN", order.facility, "placer-group", order.group_number);
  } else if (view.report) {
    const Report& report = view.report->report;
    add("PLAC", report.issuer, "placer", report.order_number);
    add("FILL", report.issuer, "filler", report.filler_number);
  }
  return all;
}

std::vector<Coding> categories(const View& view) {
  if (!view.report) return {};
  const Report& report = view.report->report;
  const Text modality = report.exam.modality;
  if (view.kind == ViewKind::observation) {
    const std::string system = "http://terminology.hl7.org/CodeSystem/observation-category";
    if (!report.is_exam) return {{system, "laboratory", "Laboratory"}};
    if (modality == "ECG" || modality == "ES") return {{system, "procedure", "Procedure"}};
    return {{system, "imaging", "Imaging"}};
  }
  const std::string system = "http://terminology.hl7.org/CodeSystem/v2-0074";
  std::vector<Coding> all;
  if (!report.is_exam) {
    all.push_back({system, "LAB", "Laboratory"});
  } else if (modality == "ECG") {
    all.push_back({system, "EC", "Electrocardiac (e.g., EKG, EEC, Holter)"});
  } else if (modality == "SM") {
    all.push_back({system, "PAT", "Pathology (gross & histopath, not surgical)"});
  } else if (modality == "ES") {
    all.push_back({system, "OTH", "Other"});
  } else {
    all.push_back({system, "RAD", "Radiology"});
  }
  static constexpr std::string_view sections[] = {
      "AU", "BG",  "BLB", "CG",  "CH",  "CP",  "CT",  "CTH", "CUS", "EC",  "EN",  "GE",  "HM", "ICU", "IMM",
      "MB", "MCB", "MYC", "NMR", "NMS", "NRS", "OSL", "OT",  "OTH", "OUS", "PAR", "PAT", "PF", "PHR", "PHY",
      "PT", "RC",  "RT",  "RUS", "RX",  "SP",  "SR",  "TX",  "VR",  "VUS", "XRC", "LAB", "RAD"};
  if (!report.section.empty()) {
    const bool known = std::find(std::begin(sections), std::end(sections), report.section) != std::end(sections);
    std::string where = known ? system : code_system("0074", report.issuer);
    if (!known || report.section != all.front().code) all.push_back({std::move(where), report.section, {}});
  }
  return all;
}

std::string_view status_of(const View& view) {
  switch (view.kind) {
    case ViewKind::encounter: return to_string(view.encounter->encounter.status);
    case ViewKind::report: return to_string(view.report->report.status);
    case ViewKind::observation: {
      const ResultStatus status = view.report->report.observations[view.item].status;
      return status == ResultStatus::partial ? "preliminary" : to_string(status);
    }
    case ViewKind::order: {
      if (view.order) return to_string(view.order->order.status);
      switch (view.report->report.status) {
        case ResultStatus::final:
        case ResultStatus::amended:
        case ResultStatus::corrected: return "completed";
        case ResultStatus::cancelled: return "revoked";
        case ResultStatus::entered_in_error: return "entered-in-error";
        case ResultStatus::unknown: return "unknown";
        default: return "active";
      }
    }
    case ViewKind::study: {
      switch (view.report->report.status) {
        case ResultStatus::registered: return "registered";
        case ResultStatus::cancelled: return "cancelled";
        case ResultStatus::entered_in_error: return "entered-in-error";
        // Available means that images can be fetched: known only where a way to them was sent.
        default: return view.report->report.exam.access.empty() ? "unknown" : "available";
      }
    }
    default: return "active";
  }
}

}  // namespace hutong::model
