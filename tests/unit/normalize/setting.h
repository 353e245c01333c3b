// The tables of the checkout, two facilities and a Draft with one laboratory report: what the tests of this room share.
#pragma once

#include <string>

#include "broker/normalize/normalizer.h"

namespace hutong::normalize {

inline std::shared_ptr<const terminology::Terminology> tables() {
  static const auto loaded = terminology::Terminology::load(std::string(HUTONG_SOURCE_DIR) + "/schemas/terminology");
  return loaded;
}

class Setting {
 public:
  Setting() {
    model::Facility county;
    county.code = "bc-county";
    county.name_zh = "北川县人民医院";
    county.aliases = {{"LIS", "BCXYY"}};
    county.code_system = "bc-county";
    facilities.add(county);
    model::Facility laboratory;
    laboratory.code = "lab-regional";
    laboratory.name_zh = "区域医学检验中心";
    laboratory.aliases = {{"", "REGLAB"}};
    laboratory.code_system = "lab-regional";
    facilities.add(laboratory);
    draft.source.facility = "bc-county";
    part().subject.number = "P1";
    part().subject.facility = "bc-county";
  }

  model::Part& part() {
    if (draft.parts.empty()) draft.parts.push(draft.arena);
    return draft.parts[0];
  }
  model::Report& report() {
    if (part().events.empty()) {
      model::Event& event = part().events.push(draft.arena);
      event.kind = model::EventKind::result_reported;
      event.report = draft.arena.make<model::Report>();
      event.report->filler_number = "F1";
      event.report->observed.sent = "20260102030405";
    }
    return *part().events[0].report;
  }
  model::Observation& item(model::Text code, model::Text name, model::Text value, model::Text unit = {},
                           model::SentType type = model::SentType::text) {
    model::Observation o;
    o.code.code = code;
    o.code.display = name;
    o.value.sent_type = type;
    o.value.sent = value;
    o.value.unit = unit;
    o.path = "OBX[1]";
    return report().observations.push(draft.arena, o);
  }
  Setting& run() {
    Normalizer(tables()).normalize(draft, facilities.find("bc-county"), facilities);
    return *this;
  }
  // Whether an issue of this code was made, and where.
  bool has_issue(std::string_view code, std::string_view path = {}) const {
    for (const auto& issue : draft.issues.list())
      if (issue.code == code && (path.empty() || issue.path == path)) return true;
    return false;
  }

  model::FacilityDirectory facilities;
  model::Draft draft;
};

}  // namespace hutong::normalize
