#include "broker/pipeline/effects_correction.h"

#include <algorithm>

#include "broker/model/event_json.h"

namespace hutong::pipeline {
namespace {

using model::Coded;
using model::Moment;
using model::Observation;
using model::Report;
using model::ResultStatus;
using model::Text;

int rank(ResultStatus status) {
  switch (status) {
    case ResultStatus::registered: return 0;
    case ResultStatus::partial:
    case ResultStatus::preliminary: return 1;
    case ResultStatus::final:
    case ResultStatus::unknown: return 2;  // what cannot be proved preliminary counts
    case ResultStatus::amended:
    case ResultStatus::corrected:
    case ResultStatus::cancelled:
    case ResultStatus::entered_in_error: return 3;
  }
  return 2;
}

constexpr int final_rank = 2;

bool withdrawn(ResultStatus status) {
  return status == ResultStatus::cancelled || status == ResultStatus::entered_in_error;
}

bool corrects(const Observation& item) {
  return withdrawn(item.status) || item.status == ResultStatus::corrected || item.status == ResultStatus::amended;
}

Text item_code(const Observation& item) {
  const Coded& code = item.code;
  if (!code.code.empty()) return code.code;
  if (!code.alt_code.empty()) return code.alt_code;
  return code.display.empty() ? code.original : code.display;
}

bool same_item(const Observation& a, const Observation& b) {
  return a.sub_id == b.sub_id && item_code(a) == item_code(b);
}

const Observation* find_item(const List<Observation>& items, const Observation& like) {
  auto found = std::find_if(items.begin(), items.end(), [&](const auto& item) { return same_item(item, like); });
  return found == items.end() ? nullptr : found;
}

bool share_an_item(const Report& a, const Report& b) {
  return std::any_of(a.observations.begin(), a.observations.end(),
                     [&](const auto& item) { return find_item(b.observations, item) != nullptr; });
}

// -1, 0, 1 as `a` was issued before, with or after `b`; 0 where either does not say.
int compare_issued(const Moment& a, const Moment& b) {
  auto first = parse_iso(a.iso), second = parse_iso(b.iso);
  if (!first || !second) return 0;
  return first->first < second->first ? -1 : second->first < first->first ? 1 : 0;
}

bool is_late(const Report& stored, const Report& incoming) {
  const int was = rank(stored.status), is = rank(incoming.status);
  const int issued = compare_issued(incoming.issued, stored.issued);
  if (is < final_rank) {
    if (withdrawn(stored.status)) return issued <= 0;
    return is < was;
  }
  return is < was && issued < 0;
}

void say(Text& field, Text said) {
  if (!said.empty()) field = said;
}
void say(Moment& field, const Moment& said) {
  if (!said.iso.empty() || !said.sent.empty()) field = said;
}
void say(Coded& field, const Coded& said) {
  if (!said.empty()) field = said;
}
void say(model::Party& field, const model::Party& said) {
  if (!said.code.empty() || !said.name.empty()) field = said;
}
template <class T>
void say(List<T>& field, const List<T>& said) {
  if (!said.empty()) field = said;
}

void say_exam(model::Exam& exam, const model::Exam& said) {
  say(exam.accession, said.accession);
  say(exam.study_uid, said.study_uid);
  say(exam.modality, said.modality);
  say(exam.body_part, said.body_part);
  say(exam.laterality, said.laterality);
  say(exam.contrast, said.contrast);
  say(exam.findings, said.findings);
  say(exam.impression, said.impression);
  say(exam.access, said.access);
}

// An item under a key that both messages name: the new one, unless rule 5 keeps the old.
bool replaces(const Observation& stored, const Observation& incoming) {
  return !(rank(incoming.status) < final_rank && rank(stored.status) >= final_rank && !withdrawn(stored.status));
}

Observation kept(Arena& arena, Observation item, Text stored_event) {
  if (item.path.find('#') == Text::npos && !item.path.empty()) item.path = arena.concat({stored_event, "#", item.path});
  return item;
}

// Rule 4. A key may occur several times (lines of text): then all of the stored ones give way to all of the new.
List<Observation> merge_items(Arena& arena, const Report& stored, Text stored_event, const Report& incoming) {
  List<Observation> items;
  items.reserve(arena, static_cast<std::uint32_t>(stored.observations.size() + incoming.observations.size()));
  auto placed = [&](const Observation& like) { return find_item(items, like) != nullptr; };
  for (const auto& old : stored.observations) {
    const Observation* named = find_item(incoming.observations, old);
    if (!named || !replaces(old, *named)) {
      items.push(arena, kept(arena, old, stored_event));
    } else if (!placed(old)) {
      for (const auto& item : incoming.observations) {
        if (same_item(item, old)) items.push(arena, item);
      }
    }
  }
  for (const auto& item : incoming.observations) {
    if (!find_item(stored.observations, item)) items.push(arena, item);
  }
  return items;
}

Report merge(Arena& arena, const Report& stored, Text stored_event, const Report& incoming) {
  Report out = stored;
  say(out.order_number, incoming.order_number);
  say(out.filler_number, incoming.filler_number);
  say(out.service, incoming.service);
  say(out.section, incoming.section);
  say(out.requested, incoming.requested);
  say(out.observed, incoming.observed);
  say(out.received, incoming.received);
  say(out.issued, incoming.issued);
  say(out.orderer, incoming.orderer);
  say(out.interpreter, incoming.interpreter);
  say(out.performer, incoming.performer);
  say(out.department, incoming.department);
  say(out.reason, incoming.reason);
  say(out.diagnoses, incoming.diagnoses);
  if (incoming.specimen.present) out.specimen = incoming.specimen;
  say(out.notes, incoming.notes);
  say(out.labels, incoming.labels);
  say_exam(out.exam, incoming.exam);
  out.is_exam = incoming.is_exam || stored.is_exam;
  out.path = incoming.path;
  out.observations = merge_items(arena, stored, stored_event, incoming);
  if (withdrawn(incoming.status) ||
      !std::all_of(incoming.observations.begin(), incoming.observations.end(), corrects) ||
      rank(incoming.status) > rank(ResultStatus::final) || incoming.observations.empty()) {
    out.status = incoming.status;
    out.status_sent = incoming.status_sent;
  } else {
    out.status = ResultStatus::corrected;  // an F that only takes back or corrects single items
    out.status_sent = incoming.status_sent;
  }
  return out;
}

bool is_whole(const Report& stored, const Report& incoming) {
  if (rank(incoming.status) != final_rank) return false;
  if (stored.observations.empty() || incoming.observations.empty()) return true;
  if (std::all_of(incoming.observations.begin(), incoming.observations.end(), corrects)) return false;
  return share_an_item(incoming, stored);
}

Report whole(Arena& arena, const Report& stored, Text stored_event, const Report& incoming) {
  Report out = incoming;
  List<Observation> items;
  items.reserve(arena, static_cast<std::uint32_t>(incoming.observations.size()));
  for (const auto& item : incoming.observations) {
    const Observation* old = find_item(stored.observations, item);
    items.push(arena, old && !replaces(*old, item) ? kept(arena, *old, stored_event) : item);
  }
  out.observations = items;
  return out;
}

// What only our own tables said.
void forget_mapping(Coded& code) {
  code.mapped_code = code.mapped_display = code.mapped_system = {};
}

ResultStatus status_from_items(const Report& report) {
  ResultStatus status = ResultStatus::unknown;
  for (const auto& item : report.observations) {
    if (item.status == ResultStatus::unknown || withdrawn(item.status)) continue;
    if (rank(item.status) < final_rank) return ResultStatus::preliminary;
    if (status == ResultStatus::unknown || rank(item.status) > rank(status)) status = item.status;
  }
  return status;
}

}  // namespace

void settle_statuses(Arena& arena, Report& report) {
  if (report.status == ResultStatus::unknown) report.status = status_from_items(report);
  const auto& items = report.observations;
  if (!items.empty() && !withdrawn(report.status) &&
      std::all_of(items.begin(), items.end(), [](const auto& item) { return withdrawn(item.status); })) {
    const bool wrong = std::any_of(items.begin(), items.end(),
                                   [](const auto& item) { return item.status == ResultStatus::entered_in_error; });
    report.status = wrong ? ResultStatus::entered_in_error : ResultStatus::cancelled;
  }
  if (!withdrawn(report.status)) return;
  if (std::all_of(items.begin(), items.end(), [](const auto& item) { return withdrawn(item.status); })) return;
  List<Observation> settled;
  settled.reserve(arena, static_cast<std::uint32_t>(items.size()));
  for (const auto& item : items) {
    auto& copy = settled.push(arena, item);
    if (!withdrawn(copy.status)) copy.status = report.status;
  }
  report.observations = settled;
}

Sha256Digest content_hash(Arena& arena, const Report& report) {
  Report content = report;
  content.issued = {};
  content.path = {};
  content.labels = {};
  for (Coded* code : {&content.service, &content.reason, &content.specimen.type, &content.specimen.site,
                      &content.specimen.method, &content.exam.body_part}) {
    forget_mapping(*code);
  }
  List<Coded> diagnoses;
  for (Coded code : report.diagnoses) {
    forget_mapping(code);
    diagnoses.push(arena, code);
  }
  content.diagnoses = diagnoses;
  List<Observation> items;
  items.reserve(arena, static_cast<std::uint32_t>(report.observations.size()));
  for (const auto& item : report.observations) {
    auto& copy = items.push(arena, item);
    copy.path = {};
    copy.labels = {};
    forget_mapping(copy.code);
    forget_mapping(copy.method);
    forget_mapping(copy.value.coded);
    copy.value.ucum = copy.value.unit;
    copy.value.canonical = copy.value.canonical_unit = {};
  }
  content.observations = items;
  return sha256(model::write_report(arena, content));
}

Corrected correct(Arena& arena, const Report& stored, std::string_view stored_hash, Text stored_event,
                  const Report& message) {
  Corrected out;
  Report incoming = message;
  if (incoming.status == ResultStatus::unknown) incoming.status = status_from_items(incoming);
  out.hash = content_hash(arena, incoming);
  if (as_view(out.hash) == stored_hash) return out;
  if (is_late(stored, incoming)) {
    out.outcome = Correction::late;
    return out;
  }
  out.report = is_whole(stored, incoming) ? whole(arena, stored, stored_event, incoming)
                                          : merge(arena, stored, stored_event, incoming);
  settle_statuses(arena, out.report);
  out.hash = content_hash(arena, out.report);
  out.outcome = as_view(out.hash) == stored_hash ? Correction::unchanged : Correction::superseded;
  return out;
}

}  // namespace hutong::pipeline
