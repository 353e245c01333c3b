// Which earlier results may stand in for what is ordered now, and why: the decision of mutual recognition as regulators
// and doctors have it. A pure function of order, results and catalogue: no clock, no I/O, so a decision of any past day
// can be made again and says the same.
//
//  1. not-recognisable ONLY for: not final, withdrawn or corrected away, another person, another specimen, item or body
//     part, the negative list, a source that is not qualified (unregistered, or its assessment failed).
//  2. clinician-decides, with the clause, for everything that a rule may doubt but not refuse: age beyond the reference
//  window
//     (it is a reference), a window that is only assumed, emergency, before an operation or transfusion, forensic,
//     monitoring, uncertain identity, images that cannot be had, no mark that covers the requester.
//  3. recognisable otherwise: the same alliance first (no mark needed), then a national mark, then one that covers the
//     requester's area.
//
// The doctor's decision is final; nothing here stops an order. Threads: any.
// Source: 国卫医发〔2022〕6号; its clauses are data (clauses.csv), because their numbers were not verified.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "broker/base/time.h"
#include "broker/model/event.h"
#include "broker/recognition/catalogue.h"

namespace hutong::recognition {

enum class Verdict { recognisable, clinician_decides, not_recognisable };  // best first
std::string_view to_string(Verdict verdict);                               // "clinician-decides"

enum class Purpose { care, preoperative, pretransfusion, forensic, monitoring };
std::string_view to_string(Purpose purpose);
std::optional<Purpose> purpose_of(std::string_view text);

// Why a candidate got its verdict, and so did an ordered item. The texts and clauses are in clauses.csv.
enum class Reason {
  // 1: not recognisable
  not_final,
  withdrawn,
  corrected_away,
  other_person,
  other_specimen,
  other_item,
  other_body_part,
  negative_list,
  source_not_qualified,
  // 2: the clinician decides
  window_exceeded,
  window_assumed,
  window_clinician,
  time_unknown,
  emergency,
  pre_operative,
  pre_transfusion,
  forensic,
  monitoring,
  identity_uncertain,
  image_unavailable,
  no_mark_covering,
  lower_tier,
  // 3: recognisable
  same_alliance,
  national_mark,
  area_mark,
  // of an ordered item
  no_result,
  panel_incomplete,
  order_code_unknown,
};
inline constexpr std::size_t reason_count = 28;
std::string_view to_string(Reason reason);  // "window-exceeded"

struct Order {
  Text facility, area, level;  // of the requester
  model::EncounterClass encounter = model::EncounterClass::unknown;
  Purpose purpose = Purpose::care;
  Timestamp as_of;
  bool identity_certain = true;
  int zone_minutes = 480;  // of the area: which day it is there
};

struct Line {  // one thing that is ordered
  Text code;   // as the requester's system names it
  Text loinc;  // what the requester's code map says it is; "" unknown
  Text laterality, contrast;
};

struct Prior {  // an earlier result
  Text loinc;
  Text facility;    // that sent it
  Text laboratory;  // that performed it: the mark is this one's
  Text laboratory_level;
  bool laboratory_said = true;        // false: taken to be the sender
  bool laboratory_registered = true;  // an entry of schemas/facilities
  model::ResultStatus status = model::ResultStatus::final;
  bool superseded = false;  // a later version stands in its place
  bool same_person = true;
  bool sensitive = false;  // labelled: never a candidate
  Text material = "any";   // blood | urine | airway | other | any
  Text body_part, laterality, contrast;
  std::optional<TimeSpan> sampled, reported;
  bool images = false;  // can be had now
  Text own_mark;        // what the report itself claims; the registry wins
};

struct Candidate {
  std::size_t prior = 0;  // index
  Verdict verdict = Verdict::not_recognisable;
  std::vector<Reason> reasons;
  const Mark* mark = nullptr;  // that covers the requester; nullptr: none
  std::optional<int> window_days;
  std::optional<std::int64_t> age_seconds;  // at the order; nullopt: unknown
  bool mark_differs = false;                // the report claims what the registry does not know
  const Exclusion* exclusion = nullptr;
};

struct ItemDecision {
  const Item* item = nullptr;
  bool required = true;
  Verdict verdict = Verdict::not_recognisable;
  std::vector<Reason> reasons;        // the best candidate's, or no_result
  std::vector<Candidate> candidates;  // best first; of a verdict the newest first
};

struct LineDecision {
  std::vector<ItemDecision> items;  // one, or the panel's components; none: the code is not known
  const Panel* panel = nullptr;
  Verdict verdict = Verdict::not_recognisable;
  std::vector<Reason> reasons;
};

enum class Extent { none, part, all };
std::string_view to_string(Extent extent);

struct Decision {
  std::vector<LineDecision> lines;  // in the order's order
  Extent extent = Extent::none;     // how much of the order is recognisable
  std::string rules;                // Catalogue::version
  std::string day;                  // whose rules they were
};

// One earlier result against one item that is ordered.
Candidate judge(const Item& item, const Line& line, const Order& order, const Prior& prior, const Catalogue& catalogue);

// Sensitive results are passed over as if they were not there.
Decision decide(const Order& order, std::span<const Line> lines, std::span<const Prior> priors,
                const Catalogue& catalogue);

}  // namespace hutong::recognition
