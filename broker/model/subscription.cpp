#include "broker/model/subscription.h"

#include <algorithm>
#include <array>

#include "broker/model/critical.h"
#include "broker/model/event.h"
#include "broker/model/referral.h"

namespace hutong::model {

const std::vector<std::string_view>& told_kinds() {
  static const auto kinds = [] {
    std::vector<std::string_view> all;
    for (std::size_t i = 0; i < event_kind_count; ++i) {
      const auto kind = static_cast<EventKind>(i);
      // A message's word of a referral is a claim; what became of it is told.
      if (kind != EventKind::referral_told) all.push_back(to_string(kind));
    }
    for (const std::string_view kind : {referral_answered_kind, critical_opened_kind}) all.push_back(kind);
    for (const auto* kind :
         {"critical-value.told", "critical-value.escalated", "critical-value.confirmed", "critical-value.withdrawn"}) {
      all.push_back(kind);
    }
    for (const auto* kind : {"identity.linked", "identity.merged", "identity.split", "identity.undone"})
      all.push_back(kind);
    return all;
  }();
  return kinds;
}

bool is_for_parties(std::string_view kind) {
  return kind.starts_with("referral.") || kind.starts_with("critical-value.");
}

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

std::string_view to_string(AsParty as) {
  switch (as) {
    case AsParty::any: return "";
    case AsParty::sender: return "sender";
    case AsParty::receiver: return "receiver";
  }
  return "";
}

std::optional<AsParty> as_party_of(std::string_view text) {
  for (auto each : {AsParty::sender, AsParty::receiver}) {
    if (to_string(each) == text) return each;
  }
  return std::nullopt;
}

std::string party_named(std::string_view code, AsParty as) {
  std::string name(code);
  if (as != AsParty::any) name.append("|").append(to_string(as));
  return name;
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
