// What the files that fill a Draft share: the message, the draft, and the data types of HL7 that they all read.
// One lives as long as one read() does.
#pragma once

#include <array>
#include <string_view>

#include "adapters/format/hl7v2/message.h"
#include "broker/model/event.h"
#include "broker/model/record.h"
#include "broker/port/format.h"

namespace hutong::hl7v2 {

// Codes of HL7 table 0357 (message error condition codes).
namespace condition {
inline constexpr Text segment_sequence = "100", required_missing = "101", data_type = "102", table_value = "103",
                      value_too_long = "104", type_unsupported = "200", processing_unsupported = "202",
                      version_unsupported = "203", unknown_key = "204";
}  // namespace condition

struct Reader {
  const Message& message;
  model::Draft& draft;
  const port::ReadContext& context;
  Arena& arena;
  const model::Facility* facility = nullptr;
  Text trigger;  // "A01"; empty: none

  // --- fields
  Text field(const Segment& segment, std::uint32_t n) const { return message.field(segment, n); }
  // The first component of the first repetition, clean.
  Text value(const Segment& segment, std::uint32_t n) const {
    const Text field = message.field(segment, n);
    return field.empty() ? Text() : clean(head(field));
  }
  Text clean(Text part) const { return message.clean(part, arena); }
  bool deleted(const Segment& segment, std::uint32_t n) const { return message.field(segment, n) == "\"\""; }
  Text head(Text field) const {
    const Delimiters& d = message.delimiters();
    if (field.size() <= 64) {
      const std::uint64_t hits = message.hits(field, d.component, d.repetition);
      return hits ? Text(field.data(), static_cast<std::size_t>(__builtin_ctzll(hits))) : field;
    }
    return first_part(first_part(field, d.repetition), d.component);
  }
  Text first_repetition(Text field) const { return first_part(field, message.delimiters().repetition); }
  bool next_repetition(Text& rest, Text& one) const { return next_part(rest, message.delimiters().repetition, one); }
  // Raw components of the first repetition.
  template <std::size_t N>
  std::array<Text, N> components(Text field) const {
    const Delimiters& d = message.delimiters();
    if (field.size() > 64) return split<N>(field, d.component, d.repetition);
    std::array<Text, N> parts{};
    std::size_t from = 0, i = 0;
    for (std::uint64_t hits = message.hits(field, d.component, d.repetition); hits; hits &= hits - 1) {
      const auto at = static_cast<std::size_t>(__builtin_ctzll(hits));
      parts[i] = {field.data() + from, at - from};
      from = at + 1;
      if (++i == N || field[at] == d.repetition) return parts;
    }
    if (!field.empty()) parts[i] = {field.data() + from, field.size() - from};
    return parts;
  }
  template <std::size_t N>
  std::array<Text, N> subcomponents(Text component) const {
    return split<N>(component, message.delimiters().subcomponent);
  }
  // The whole field as one text: escapes resolved, repetitions as lines.
  Text lines(Text field) const;

  // --- data types
  // CE, CWE, CNE, IS, ID; nothing where the field is empty.
  void read_coded(Text field, model::Coded& coded) const;
  model::Coded coded(Text field) const {
    model::Coded made;
    read_coded(field, made);
    return made;
  }
  Text namespace_of(Text hd) const;  // HD: its namespace, else its universal id
  Text identifier_of(Text ei) const { return clean(head(ei)); }
  model::Party person(Text xcn) const;        // XCN, CN, and CNN in subcomponents (NDL)
  model::Party organisation(Text xon) const;  // XON
  Text person_name(Text family, Text given, Text middle) const;
  model::Moment moment(const Segment& segment, std::uint32_t n) const { return {value(segment, n), {}}; }
  Text place(Text pl) const;  // PL: "ward room bed"

  // --- paths and issues
  Text path(Text segment, std::size_t ordinal) const;  // "OBX[3]"
  Text path(Text where, Text field) const { return arena.concat({where, "-", field}); }
  void warn(Text code, Text where, Text found, Text expected, Text hl7_code = {}) const {
    draft.issues.add(arena, {model::Severity::warning, code, where, found, expected, hl7_code});
  }
  void refuse(Text code, Text where, Text found, Text expected, Text hl7_code) const {
    draft.issues.add(arena, {model::Severity::error, code, where, found, expected, hl7_code});
  }
  // A code, label or version for an issue: itself where it is short and plain, else its shape.
  Text shown(Text sent) const;
};

inline constexpr std::uint32_t kPID = segment_name("PID"), kPD1 = segment_name("PD1"), kNK1 = segment_name("NK1"),
                               kMRG = segment_name("MRG"), kPV1 = segment_name("PV1"), kPV2 = segment_name("PV2"),
                               kEVN = segment_name("EVN"), kDG1 = segment_name("DG1"), kORC = segment_name("ORC"),
                               kOBR = segment_name("OBR"), kOBX = segment_name("OBX"), kNTE = segment_name("NTE"),
                               kSPM = segment_name("SPM"), kZDS = segment_name("ZDS"), kIPC = segment_name("IPC"),
                               kMSH = segment_name("MSH"), kTQ1 = segment_name("TQ1");

// header.cpp: MSH. Fills draft.source and times; accepted, or header_rejected with its issues.
model::Answer read_header(Reader& reader);

// patient.cpp
void read_patient(const Reader& reader, const Segment& pid, model::Subject& subject);
void read_next_of_kin(const Reader& reader, const Segment& nk1, model::Subject& subject);  // a mother's number
void read_merge(const Reader& reader, const Segment& mrg, const model::Subject& subject, model::Merge& merge);
// Whether an event can be attributed at all: a number or a name. Otherwise the issue is made.
bool attributable(const Reader& reader, const model::Subject& subject, Text pid_path);

// visit.cpp
void read_visit(const Reader& reader, const Segment& pv1, model::Encounter& encounter);
void read_visit_more(const Reader& reader, const Segment& pv2, model::Encounter& encounter);
void read_diagnosis(const Reader& reader, const Segment& dg1, List<model::Coded>& diagnoses);
model::Moment occurred_at(const Reader& reader);  // EVN-6, EVN-2, else MSH-7

// result.cpp
void read_order(const Reader& reader, const Segment& orc, model::Report& report);
void read_request(const Reader& reader, const Segment& obr, model::Report& report);
void read_observation(const Reader& reader, const Segment& obx, model::Observation& observation);
void read_specimen(const Reader& reader, const Segment& spm, model::Specimen& specimen);
void read_specimen_source(const Reader& reader, const Segment& obr, model::Specimen& specimen);  // OBR-15
model::ResultStatus result_status(Text code);
void finish_report(const Reader& reader, model::Report& report);  // what follows from all segments together

// value.cpp: OBX-2 and OBX-5
void read_value(const Reader& reader, Text type, Text field, Text title, model::Value& value);
Text read_unit(const Reader& reader, Text field);

// exam.cpp: what makes a report an examination
void read_study(const Reader& reader, const Segment& segment, model::Exam& exam);  // ZDS, IPC
void finish_exam(const Reader& reader, const Segment* obr, model::Report& report);

// The families. accepted, or content_rejected with its issues.
model::Answer read_adt(Reader& reader);
bool is_modelled_adt(Text trigger);
model::Answer read_oru(Reader& reader);
bool is_modelled_order(Text type);
model::Answer read_order_message(Reader& reader);
bool is_modelled_referral(Text type);
model::Answer read_referral(Reader& reader);
model::Answer read_other(Reader& reader);

}  // namespace hutong::hl7v2
