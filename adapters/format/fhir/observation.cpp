// Observation (hl7.org/fhir/R4/observation.html): an item of a report. The value is as sent, digit for digit, with the
// sender's unit and its UCUM code; where it was converted the result stands beside it as an extension.
#include <algorithm>

#include "adapters/format/fhir/resources.h"

namespace hutong::fhir {
namespace {

using model::ValueKind;

constexpr std::string_view ucum_system = "http://unitsofmeasure.org";

// v3-ObservationInterpretation, the part that R4's value set and HL7 table 0078 share.
constexpr std::string_view interpretations[] = {"<",  ">",  "A",   "AA",    "AC",    "B",   "D",   "DET", "E",   "EXP",
                                                "H",  "H>", "HH",  "HU",    "HX",    "I",   "IE",  "IND", "L",   "L<",
                                                "LL", "LU", "LX",  "N",     "ND",    "NEG", "NR",  "NS",  "POS", "R",
                                                "RR", "S",  "SDD", "SYN-R", "SYN-S", "U",   "UNE", "W",   "WR"};

void write_quantity_members(Writer& out, Text number, Text comparator, Text unit, Text ucum) {
  out.decimal("value", number);
  out.member("comparator", comparator);
  out.member("unit", unit.empty() ? ucum : unit);
  if (!ucum.empty()) {
    out.member("system", ucum_system);
    out.member("code", ucum);
  }
}

void write_simple_quantity(Writer& out, std::string_view key, Text number, Text unit, Text ucum) {
  if (!is_json_number(number)) return;
  out.open(key);
  write_quantity_members(out, number, {}, unit, ucum);
  out.close();
}

void write_quantity(Writer& out, const model::Value& value) {
  out.open("valueQuantity");
  if (is_json_number(value.canonical)) {
    out.open_list("extension");
    out.open();
    out.member("url", "urn:hutong:canonical-quantity");
    out.open("valueQuantity");
    write_quantity_members(out, value.canonical, value.comparator, value.canonical_unit, value.canonical_unit);
    out.close();
    out.close();
    out.close_list();
  }
  write_quantity_members(out, value.number, value.comparator, value.unit, value.ucum);
  out.close();
}

void write_absent(Writer& out, model::ResultStatus status) {
  const bool cancelled = status == model::ResultStatus::cancelled;
  out.open("dataAbsentReason");
  out.open_list("coding");
  write_coding(out, "http://terminology.hl7.org/CodeSystem/data-absent-reason", cancelled ? "not-performed" : "unknown",
               cancelled ? "Not Performed" : "Unknown");
  out.close_list();
  out.close();
}

void write_interpretation(Writer& out, const List<Text>& flags) {
  if (flags.empty()) return;
  out.open_list("interpretation");
  for (Text flag : flags) {
    out.open();
    if (std::find(std::begin(interpretations), std::end(interpretations), flag) != std::end(interpretations)) {
      out.open_list("coding");
      write_coding(out, "http://terminology.hl7.org/CodeSystem/v3-ObservationInterpretation", flag, {});
      out.close_list();
    }
    out.member("text", flag);
    out.close();
  }
  out.close_list();
}

void write_interval(Writer& out, const model::Observation& item) {
  const model::Interval& interval = item.interval;
  const bool low = is_json_number(interval.low), high = is_json_number(interval.high);
  if (!low && !high && interval.sent.empty()) return;
  out.open_list("referenceRange");
  out.open();
  write_simple_quantity(out, "low", interval.low, item.value.unit, item.value.ucum);
  write_simple_quantity(out, "high", interval.high, item.value.unit, item.value.ucum);
  out.member("text", interval.sent);
  out.close();
  out.close_list();
}

}  // namespace

void write_value(Writer& out, const model::Observation& item, Text facility) {
  const model::Value& value = item.value;
  const auto text = [&] {
    if (value.sent.empty()) {
      write_absent(out, item.status);
    } else {
      // A unit beside what is no number would be lost otherwise.
      out.member("valueString", value.unit.empty() ? std::string(value.sent)
                                                   : std::string(value.sent) + " " + std::string(value.unit));
    }
  };
  switch (value.kind) {
    case ValueKind::none: return text();
    case ValueKind::number: return is_json_number(value.number) ? write_quantity(out, value) : text();
    case ValueKind::range:
      if (!is_json_number(value.low) && !is_json_number(value.high)) return text();
      out.open("valueRange");
      write_simple_quantity(out, "low", value.low, value.unit, value.ucum);
      write_simple_quantity(out, "high", value.high, value.unit, value.ucum);
      return out.close();
    case ValueKind::ratio:
      if (!is_json_number(value.low) || !is_json_number(value.high)) return text();
      out.open("valueRatio");
      out.open("numerator");
      out.decimal("value", value.low);
      out.member("comparator", value.comparator);
      out.close();
      out.open("denominator");
      out.decimal("value", value.high);
      out.close();
      return out.close();
    case ValueKind::qualitative:
    case ValueKind::coded: {
      if (value.coded.empty() && value.coded.mapped_code.empty() && value.sent.empty()) return text();
      out.open("valueCodeableConcept");
      model::Coded coded = value.coded;
      if (coded.original.empty()) coded.original = coded.display.empty() ? value.sent : coded.display;
      write_concept_body(out, coded, facility);
      return out.close();
    }
    case ValueKind::text: return text();
    case ValueKind::time: {
      const std::string time = date_time(value.time);
      if (time.empty()) return text();
      return out.member("valueDateTime", time);
    }
    case ValueKind::attachment: {
      // R4 has no attachment as a value: the bytes are the report's presentedForm, here stands what they are.
      const Text title = value.attachment.title.empty() ? value.attachment.mime : value.attachment.title;
      return out.member("valueString", title.empty() ? Text("attachment") : title);
    }
  }
}

void write_observation(Writer& out, const model::ReportView& view, std::size_t index) {
  const model::Report& report = view.report;
  const model::Observation& item = report.observations[index];
  const std::string id = report.id.hex();
  const model::View self{.kind = model::ViewKind::observation, .report = &view, .item = index};
  write_meta(out, view.version, view.updated, view.event_id, item.path, labels_of(report, item));
  if (!item.sub_id.empty()) {
    out.open_list("extension");
    out.open();
    out.member("url", "urn:hutong:sub-id");
    out.member("valueString", item.sub_id);
    out.close();
    out.close_list();
  }
  if (model::has_order(report)) {
    out.open_list("basedOn");
    write_reference_body(out, "ServiceRequest", id + "-r");
    out.close_list();
  }
  out.member("status", model::status_of(self));
  out.open_list("category");
  out.open();
  out.open_list("coding");
  for (const auto& category : model::categories(self)) {
    write_coding(out, category.system, category.code, category.display);
  }
  out.close_list();
  out.close();
  out.close_list();
  out.open("code");
  write_concept_body(out, item.code, report.issuer);
  if (item.code.empty()) out.member("text", "unnamed item");
  out.close();
  write_subject(out, "subject", view.person);
  const std::string observed = date_time(item.observed);
  out.member("effectiveDateTime", observed.empty() ? date_time(report.observed) : observed);
  out.member("issued", instant(report.issued));
  if (is_named(item.performer) || !report.issuer.empty()) {
    out.open_list("performer");
    if (!report.issuer.empty()) write_reference_body(out, "Organization", report.issuer);
    if (is_named(item.performer)) write_party_body(out, item.performer, "Organization", report.issuer);
    out.close_list();
  }
  write_value(out, item, report.issuer);
  write_interpretation(out, item.flags);
  write_annotations(out, "note", item.notes);
  write_concept(out, "method", item.method, report.issuer);
  if (model::has_specimen(report)) write_reference(out, "specimen", "Specimen", id + "-s");
  write_interval(out, item);
  if (report.is_exam) {
    out.open_list("derivedFrom");
    write_reference_body(out, "ImagingStudy", id + "-i");
    out.close_list();
  }
}

}  // namespace hutong::fhir
