#include "broker/model/subscription.h"

#include <algorithm>
#include <array>

namespace hutong::model {

std::string_view to_string(Flag flag) {
  switch (flag) {
    case Flag::any: return "";
    case Flag::abnormal: return "abnormal";
    case Flag::critical: return "critical";
  }
  return "";
}

std::optional<Flag> flag_of(std::string_view text) {
  for (auto each : {Flag::abnormal, Flag::critical}) {
    if (to_string(each) == text) return each;
  }
  return std::nullopt;
}

Flag flag_said(std::string_view sent) {
  constexpr std::array<std::string_view, 4> critical{"LL", "HH", "AA", "危急值"};
  // Of HL7 table 0078 and its successors without what says normal, nothing, or only how a value moved.
  constexpr std::array<std::string_view, 17> abnormal{"L",  "H",  "A",   "LU",  "HU",  "<",   ">", "R", "I",
                                                      "RR", "WR", "POS", "DET", "UNE", "EXP", "↑", "↓"};
  if (std::find(critical.begin(), critical.end(), sent) != critical.end()) return Flag::critical;
  if (std::find(abnormal.begin(), abnormal.end(), sent) != abnormal.end()) return Flag::abnormal;
  return Flag::any;
}

std::string_view to_string(SinkKind kind) {
  switch (kind) {
    case SinkKind::mllp: return "mllp";
    case SinkKind::rest_hook: return "rest-hook";
    case SinkKind::file: return "file";
    case SinkKind::kafka: return "kafka";
    case SinkKind::sse: return "sse";
  }
  return "rest-hook";
}

std::optional<SinkKind> sink_kind_of(std::string_view text) {
  using enum SinkKind;
  for (auto each : {mllp, rest_hook, file, kafka, sse}) {
    if (to_string(each) == text) return each;
  }
  return std::nullopt;
}

std::string_view to_string(PayloadKind kind) {
  switch (kind) {
    case PayloadKind::event: return "event";
    case PayloadKind::fhir: return "fhir";
    case PayloadKind::hl7v2: return "hl7v2";
    case PayloadKind::id_only: return "id-only";
    case PayloadKind::empty: return "empty";
  }
  return "event";
}

std::optional<PayloadKind> payload_kind_of(std::string_view text) {
  using enum PayloadKind;
  for (auto each : {event, fhir, hl7v2, id_only, empty}) {
    if (to_string(each) == text) return each;
  }
  return std::nullopt;
}

}  // namespace hutong::model
