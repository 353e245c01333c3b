#include "broker/recognition/decision.h"

#include <algorithm>
#include <array>

namespace hutong::recognition {
namespace {

constexpr std::array<std::string_view, reason_count> reason_names = {
    "not-final",          "withdrawn",         "corrected-away",
    "other-person",       "other-specimen",    "other-item",
    "other-body-part",    "negative-list",     "source-not-qualified",
    "window-exceeded",    "window-assumed",    "window-clinician",
    "time-unknown",       "emergency",         "pre-operative",
    "pre-transfusion",    "forensic",          "monitoring",
    "identity-uncertain", "image-unavailable", "no-mark-covering",
    "lower-tier",         "same-alliance",     "national-mark",
    "area-mark",          "no-result",         "panel-incomplete",
    "order-code-unknown"};
static_assert(reason_names.back() == "order-code-unknown");

constexpr std::int64_t day_micros = 86'400'000'000;
constexpr std::size_t candidates_default = 5;

bool differ(Text a, Text b) {
  return !a.empty() && !b.empty() && a != b;
}

void refuse(const Item& item, const Line& line, const Order& order, const Prior& prior, const Catalogue& catalogue,
            Text day, Candidate& out) {
  using enum model::ResultStatus;
  const auto add = [&](Reason reason) { out.reasons.push_back(reason); };
  switch (prior.status) {
    case final:
    case amended:
    case corrected: break;
    case cancelled:
    case entered_in_error: add(Reason::withdrawn); break;
    default: add(Reason::not_final);
  }
  if (prior.superseded) add(Reason::corrected_away);
  if (!prior.same_person) add(Reason::other_person);
  if (item.material != "any" && prior.material != "any" && item.material != prior.material) add(Reason::other_specimen);
  if (std::find(item.loincs.begin(), item.loincs.end(), prior.loinc) == item.loincs.end() ||
      differ(item.contrast, prior.contrast) || differ(line.contrast, prior.contrast)) {
    add(Reason::other_item);
  }
  if (differ(item.body_part, prior.body_part) || differ(line.laterality, prior.laterality))
    add(Reason::other_body_part);
  out.exclusion = catalogue.excluded(item.code, prior.laboratory, day);
  if (!out.exclusion) out.exclusion = catalogue.excluded(item.code, order.facility, day);
  if (out.exclusion) add(Reason::negative_list);
}

}  // namespace

std::string_view to_string(Verdict verdict) {
  switch (verdict) {
    case Verdict::recognisable: return "recognisable";
    case Verdict::clinician_decides: return "clinician-decides";
    case Verdict::not_recognisable: return "not-recognisable";
  }
  return "not-recognisable";
}

std::string_view to_string(Purpose purpose) {
  switch (purpose) {
    case Purpose::care: return "care";
    case Purpose::preoperative: return "pre-operative";
    case Purpose::pretransfusion: return "pre-transfusion";
    case Purpose::forensic: return "forensic";
    case Purpose::monitoring: return "monitoring";
  }
  return "care";
}

std::optional<Purpose> purpose_of(std::string_view text) {
  if (text.empty()) return Purpose::care;
  for (const auto each :
       {Purpose::care, Purpose::preoperative, Purpose::pretransfusion, Purpose::forensic, Purpose::monitoring}) {
    if (to_string(each) == text) return each;
  }
  return std::nullopt;
}

std::string_view to_string(Reason reason) {
  return reason_names[static_cast<std::size_t>(reason)];
}

std::string_view to_string(Extent extent) {
  switch (extent) {
    case Extent::none: return "none";
    case Extent::part: return "part";
    case Extent::all: return "all";
  }
  return "none";
}

Candidate judge(const Item& item, const Line& line, const Order& order, const Prior& prior,
                const Catalogue& catalogue) {
  Candidate out;
  const std::string day = day_of(order.as_of, order.zone_minutes);
  if (item.window == WindowKind::days) out.window_days = item.window_days;

  // A time that is known to the day only may be its first moment: the greatest age counts, so that nothing is
  // recognised on a guess.
  const auto& base = item.from_report ? prior.reported : prior.sampled;
  if (base) out.age_seconds = (order.as_of.micros - base->first.micros) / 1'000'000;

  // A laboratory's quality is that of the day on which it worked, unless the area says the day of the order.
  const auto& worked = prior.sampled ? prior.sampled : prior.reported;
  const bool at_order = catalogue.parameter("mark_at", day) == "ordered" || !worked;
  const std::string worked_on = at_order ? day : day_of(worked->first, order.zone_minutes);
  const Standing standing = catalogue.standing(prior.laboratory, item.code, worked_on);
  for (const auto* mark : standing.marks) {
    if (!out.mark && mark->covers(order.area)) out.mark = mark;
  }
  const bool allied =
      catalogue.same_alliance(prior.laboratory, order.facility, day) || prior.laboratory == order.facility;
  out.mark_differs =
      !prior.own_mark.empty() && std::none_of(standing.marks.begin(), standing.marks.end(),
                                              [&](const auto* mark) { return mark->code == prior.own_mark; });

  refuse(item, line, order, prior, catalogue, day, out);
  if (!prior.laboratory_registered || (standing.failed && standing.marks.empty()))
    out.reasons.push_back(Reason::source_not_qualified);
  if (!out.reasons.empty()) return out;

  out.verdict = Verdict::clinician_decides;
  const auto doubt = [&](bool when, Reason reason) {
    if (when) out.reasons.push_back(reason);
  };
  if (item.window == WindowKind::days) {
    const bool known = base && order.as_of >= base->first;
    doubt(!known, Reason::time_unknown);
    doubt(known && order.as_of.micros - base->first.micros > item.window_days * day_micros, Reason::window_exceeded);
  }
  doubt(item.window == WindowKind::clinician, Reason::window_clinician);
  doubt(item.window != WindowKind::clinician && item.window_assumed, Reason::window_assumed);
  doubt(order.encounter == model::EncounterClass::emergency, Reason::emergency);
  doubt(order.purpose == Purpose::preoperative, Reason::pre_operative);
  doubt(order.purpose == Purpose::pretransfusion, Reason::pre_transfusion);
  doubt(order.purpose == Purpose::forensic, Reason::forensic);
  doubt(order.purpose == Purpose::monitoring, Reason::monitoring);
  doubt(!order.identity_certain, Reason::identity_uncertain);
  doubt(item.images_required && !prior.images, Reason::image_unavailable);
  doubt(!allied && !out.mark, Reason::no_mark_covering);
  doubt(!allied && catalogue.parameter("tier_rule", day) == "same-or-higher" && prior.laboratory_level < order.level,
        Reason::lower_tier);
  if (!out.reasons.empty()) return out;

  out.verdict = Verdict::recognisable;
  out.reasons.push_back(allied               ? Reason::same_alliance
                        : out.mark->national ? Reason::national_mark
                                             : Reason::area_mark);
  return out;
}

Decision decide(const Order& order, std::span<const Line> lines, std::span<const Prior> priors,
                const Catalogue& catalogue) {
  Decision decision;
  decision.rules = catalogue.version();
  decision.day = day_of(order.as_of, order.zone_minutes);
  const Text day = decision.day;
  const auto most = static_cast<std::size_t>(std::max<std::int64_t>(
      1, catalogue.parameter("candidates_per_item", day, static_cast<std::int64_t>(candidates_default))));

  const auto decide_item = [&](const Item& item, const Line& line) {
    ItemDecision made;
    made.item = &item;
    for (std::size_t i = 0; i < priors.size(); ++i) {
      const Prior& prior = priors[i];
      const auto names = [&](const auto& loincs) {
        return std::find(loincs.begin(), loincs.end(), prior.loinc) != loincs.end();
      };
      if (prior.sensitive || !(names(item.loincs) || names(item.similar))) continue;
      made.candidates.push_back(judge(item, line, order, prior, catalogue));
      made.candidates.back().prior = i;
    }
    const auto when = [&](const Candidate& candidate) {
      const auto& prior = priors[candidate.prior];
      return prior.sampled ? prior.sampled->first.micros : prior.reported ? prior.reported->first.micros : 0;
    };
    std::stable_sort(made.candidates.begin(), made.candidates.end(), [&](const Candidate& a, const Candidate& b) {
      return a.verdict != b.verdict ? a.verdict < b.verdict : when(a) > when(b);
    });
    if (made.candidates.size() > most) made.candidates.resize(most);
    if (made.candidates.empty()) {
      made.reasons = {Reason::no_result};
    } else {
      made.verdict = made.candidates.front().verdict;
      made.reasons = made.candidates.front().reasons;
    }
    return made;
  };

  std::size_t recognisable = 0;
  for (const Line& line : lines) {
    auto& made = decision.lines.emplace_back();
    bool whole = true;
    auto codes = catalogue.ordered_by(order.facility, line.code, day);
    if (codes.empty() && !line.loinc.empty()) {
      if (const Item* item = catalogue.item_of_loinc(line.loinc, day)) codes.push_back(item->code);
    }
    for (const auto& code : codes) {
      if (const Item* item = catalogue.item(code, day)) {
        made.items.push_back(decide_item(*item, line));
      } else if (const Panel* panel = catalogue.panel(code, day)) {
        made.panel = panel;
        for (const auto& component : panel->components) {
          const Item* part = catalogue.item(component.item, day);
          if (!part) {  // taken out of the catalogue since: what it stood for has to be done
            whole = whole && !component.required;
            continue;
          }
          made.items.push_back(decide_item(*part, line));
          made.items.back().required = component.required;
        }
      }
    }
    if (made.items.empty()) {
      made.reasons = {Reason::order_code_unknown};
      continue;
    }
    // The whole is as good as the worst part that it needs; the reasons are those of all parts of that verdict.
    made.verdict = Verdict::recognisable;
    for (const auto& item : made.items) {
      if (item.required) made.verdict = std::max(made.verdict, item.verdict);
    }
    if (!whole) made.verdict = Verdict::not_recognisable;
    if ((made.items.size() > 1 || !whole) && made.verdict == Verdict::not_recognisable)
      made.reasons.push_back(Reason::panel_incomplete);
    for (const auto& item : made.items) {
      if (!item.required || item.verdict != made.verdict) continue;
      for (const auto reason : item.reasons) {
        if (std::find(made.reasons.begin(), made.reasons.end(), reason) == made.reasons.end())
          made.reasons.push_back(reason);
      }
    }
    recognisable += made.verdict == Verdict::recognisable;
  }
  if (recognisable > 0) decision.extent = recognisable == lines.size() ? Extent::all : Extent::part;
  return decision;
}

}  // namespace hutong::recognition
