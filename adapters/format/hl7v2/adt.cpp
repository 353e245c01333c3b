// ADT: who a patient is, where they are, which of two numbers they keep, and which two are one person's.
#include "adapters/format/hl7v2/reader.h"
#include "broker/base/limits.h"

namespace hutong::hl7v2 {
namespace {

using model::EncounterStatus;

enum class Meaning { visit, person, merge, link, unlink };

struct Trigger {
  Text code;
  Meaning meaning;
  Text change;  // of the encounter
  EncounterStatus status;
  bool needs_visit;  // PV1 is what the event is about
};

constexpr Trigger kTriggers[] = {
    {"A01", Meaning::visit, "admitted", EncounterStatus::in_progress, true},
    {"A02", Meaning::visit, "transferred", EncounterStatus::in_progress, true},
    {"A03", Meaning::visit, "discharged", EncounterStatus::finished, true},
    {"A04", Meaning::visit, "registered", EncounterStatus::arrived, true},
    {"A05", Meaning::visit, "pre-admitted", EncounterStatus::planned, true},
    {"A06", Meaning::visit, "class-changed", EncounterStatus::in_progress, true},
    {"A07", Meaning::visit, "class-changed", EncounterStatus::in_progress, true},
    {"A08", Meaning::visit, "updated", EncounterStatus::unknown, false},
    {"A11", Meaning::visit, "cancelled-admit", EncounterStatus::cancelled, true},
    {"A12", Meaning::visit, "cancelled-transfer", EncounterStatus::in_progress, true},
    {"A13", Meaning::visit, "cancelled-discharge", EncounterStatus::in_progress, true},
    {"A28", Meaning::person, {}, EncounterStatus::unknown, false},
    {"A31", Meaning::person, {}, EncounterStatus::unknown, false},
    {"A40", Meaning::merge, {}, EncounterStatus::unknown, false},
    {"A47", Meaning::merge, {}, EncounterStatus::unknown, false},
    {"A24", Meaning::link, {}, EncounterStatus::unknown, false},
    {"A37", Meaning::unlink, {}, EncounterStatus::unknown, false},
    {"A18", Meaning::merge, {}, EncounterStatus::unknown, false},  // merges of older versions
    {"A34", Meaning::merge, {}, EncounterStatus::unknown, false},
    {"A36", Meaning::merge, {}, EncounterStatus::unknown, false},
    {"A39", Meaning::merge, {}, EncounterStatus::unknown, false},
};

const Trigger* trigger_of(Text code) {
  for (const Trigger& trigger : kTriggers) {
    if (trigger.code == code) return &trigger;
  }
  return nullptr;
}

model::Event& add_event(const Reader& reader, model::Part& part, model::EventKind kind) {
  model::Event& event = part.events.push(reader.arena);
  event.kind = kind;
  event.ordinal = static_cast<std::uint32_t>(part.events.size() - 1);
  event.occurred = occurred_at(reader);
  return event;
}

const Segment* first_of(const Message& message, std::uint32_t name) {
  for (const Segment& segment : message.segments()) {
    if (segment.name == name) return &segment;
  }
  return nullptr;
}

model::Answer refuse_without(const Reader& reader, Text segment) {
  reader.refuse("segment-missing", segment, "no such segment", "the segment, which this event requires",
                condition::segment_sequence);
  return model::Answer::content_rejected;
}

void read_encounter(const Reader& reader, const Trigger& trigger, const Segment& pv1, model::Part& part) {
  model::Event& event = add_event(reader, part, model::EventKind::encounter_changed);
  model::Encounter& encounter = event.encounter;
  encounter.change = trigger.change;
  encounter.status = trigger.status;
  encounter.occurred = event.occurred;
  read_visit(reader, pv1, encounter);
  if (trigger.status == EncounterStatus::unknown && !encounter.discharged.sent.empty()) {
    encounter.status = EncounterStatus::finished;
  }
  for (const Segment& segment : reader.message.segments()) {
    if (segment.name == kPV2) read_visit_more(reader, segment, encounter);
    if (segment.name == kDG1) read_diagnosis(reader, segment, encounter.diagnoses);
    if (segment.name == kMRG && encounter.prior_number.empty()) encounter.prior_number = reader.value(segment, 5);
  }
  if (encounter.number.empty()) {
    reader.warn("visit-number-missing", "PV1-19", "nothing", "the number of the visit or stay",
                condition::required_missing);
  }
}

model::Answer read_person_or_visit(const Reader& reader, const Trigger& trigger) {
  const Segment* pid = first_of(reader.message, kPID);
  if (!pid) return refuse_without(reader, "PID");
  model::Part& part = reader.draft.parts.push(reader.arena);
  read_patient(reader, *pid, part.subject);
  for (const Segment& segment : reader.message.segments()) {
    if (segment.name == kNK1) read_next_of_kin(reader, segment, part.subject);
  }
  if (!attributable(reader, part.subject, "PID")) return model::Answer::content_rejected;
  part.events.reserve(reader.arena, 2);
  add_event(reader, part, model::EventKind::patient_updated);
  if (trigger.meaning == Meaning::person) return model::Answer::accepted;
  if (const Segment* pv1 = first_of(reader.message, kPV1)) {
    read_encounter(reader, trigger, *pv1, part);
  } else if (trigger.needs_visit) {
    reader.warn("segment-missing", "PV1", "no such segment",
                "the visit that this event is about; only the patient is read", condition::segment_sequence);
  }
  return model::Answer::accepted;
}

// PID and MRG, as often as the sender repeats them: each pair is a merge of its own.
model::Answer read_merges(const Reader& reader) {
  std::size_t pids = 0;
  bool open = false;  // a PID waits for its MRG
  for (const Segment& segment : reader.message.segments()) {
    if (segment.name == kPID) {
      if (open) return refuse_without(reader, "MRG");
      if (reader.draft.parts.size() == limits::patients_per_message) {
        reader.refuse("too-many-patients", "PID", "more than 1000 patients", "several messages",
                      condition::segment_sequence);
        return model::Answer::content_rejected;
      }
      model::Part& part = reader.draft.parts.push(reader.arena);
      read_patient(reader, segment, part.subject);
      const Text where = reader.path("PID", ++pids);
      if (part.subject.number.empty()) {
        reader.refuse("patient-number-missing", reader.path(where, Text("3")), "no number",
                      "the number that the patient keeps", condition::required_missing);
        return model::Answer::content_rejected;
      }
      open = true;
    } else if (segment.name == kMRG && !reader.draft.parts.empty()) {
      model::Part& part = reader.draft.parts.back();
      model::Event& event = add_event(reader, part, model::EventKind::patient_merged);
      read_merge(reader, segment, part.subject, event.merge);
      if (event.merge.prior_number.empty()) {
        reader.refuse("prior-number-missing", reader.path(reader.path("MRG", pids), Text("1")), "no number",
                      "the number that is given up", condition::required_missing);
        return model::Answer::content_rejected;
      }
      open = false;
    }
  }
  if (reader.draft.parts.empty()) return refuse_without(reader, "PID");
  return open ? refuse_without(reader, "MRG") : model::Answer::accepted;
}

// ADT_A24 and ADT_A37 (HL7 v2.5, 3.3.24 and 3.3.37): PID, PV1 and again PID, PV1. Both patients are described; the
// first one's record says what they are to each other.
model::Answer read_relation(const Reader& reader, model::EventKind kind) {
  std::size_t pids = 0;
  for (const Segment& segment : reader.message.segments()) {
    if (segment.name != kPID) continue;
    const Text where = reader.path("PID", ++pids);
    if (pids > 2) {
      reader.refuse("too-many-patients", where, "a third patient", "two patients", condition::segment_sequence);
      return model::Answer::content_rejected;
    }
    model::Part& part = reader.draft.parts.push(reader.arena);
    read_patient(reader, segment, part.subject);
    if (part.subject.number.empty()) {
      reader.refuse("patient-number-missing", reader.path(where, Text("3")), "no number", "the patient's number",
                    condition::required_missing);
      return model::Answer::content_rejected;
    }
  }
  if (pids < 2) return refuse_without(reader, pids == 0 ? "PID" : "PID[2]");
  model::Part &one = reader.draft.parts[0], &other = reader.draft.parts[1];
  model::Merge& merge = add_event(reader, one, kind).merge;
  merge.prior_number = other.subject.number;
  merge.prior_facility = other.subject.facility;
  merge.cause = reader.trigger;
  add_event(reader, other, model::EventKind::patient_updated);
  return model::Answer::accepted;
}

}  // namespace

bool is_modelled_adt(Text trigger) {
  return trigger_of(trigger) != nullptr;
}

model::Answer read_adt(Reader& reader) {
  const Trigger* trigger = trigger_of(reader.trigger);
  switch (trigger->meaning) {
    case Meaning::merge: return read_merges(reader);
    case Meaning::link: return read_relation(reader, model::EventKind::patient_linked);
    case Meaning::unlink: return read_relation(reader, model::EventKind::patient_unlinked);
    case Meaning::visit:
    case Meaning::person: break;
  }
  return read_person_or_visit(reader, *trigger);
}

// Valid, of a type that is not modelled yet: kept, readable, healed later.
model::Answer read_other(Reader& reader) {
  model::Part& part = reader.draft.parts.push(reader.arena);
  part.subject.facility = reader.draft.source.facility;
  if (const Segment* pid = first_of(reader.message, kPID)) read_patient(reader, *pid, part.subject);
  add_event(reader, part, model::EventKind::message_received);
  return model::Answer::accepted;
}

}  // namespace hutong::hl7v2
