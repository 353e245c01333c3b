#include "broker/normalize/normalizer.h"

#include "broker/model/identifier.h"
#include "broker/model/moment.h"
#include "broker/model/record.h"
#include "broker/normalize/value.h"

namespace hutong::normalize {
namespace {

using namespace model;
using terminology::Item;
using terminology::Labels;

char lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

bool is_any(Text text, std::initializer_list<Text> words) {
  for (Text word : words) {
    if (word.size() != text.size()) continue;
    std::size_t i = 0;
    while (i < text.size() && lower(text[i]) == lower(word[i])) ++i;
    if (i == text.size()) return true;
  }
  return false;
}

// HL7 table 0001 and GB/T 2261.1. false: a word of neither.
bool sex_of(Text sent, Sex& sex) {
  if (is_any(sent, {"M", "1", "男", "male", "男性"})) {
    sex = Sex::male;
  } else if (is_any(sent, {"F", "2", "女", "female", "女性"})) {
    sex = Sex::female;
  } else if (is_any(sent, {"O", "A", "other"})) {
    sex = Sex::other;
  } else {
    sex = Sex::unknown;
    return is_any(sent, {"", "U", "0", "9", "N", "unknown", "未知", "不详", "未说明"});
  }
  return true;
}

// HL7 table 0004 and the words of Chinese systems.
bool class_of(Text sent, EncounterClass& kind) {
  if (is_any(sent, {"I", "B", "P", "IMP", "住院"})) {
    kind = EncounterClass::inpatient;
  } else if (is_any(sent, {"O", "R", "AMB", "C", "门诊"})) {
    kind = EncounterClass::outpatient;
  } else if (is_any(sent, {"E", "EMER", "急诊"})) {
    kind = EncounterClass::emergency;
  } else if (is_any(sent, {"OBS", "OBSENC", "留观"})) {
    kind = EncounterClass::observation;
  } else if (is_any(sent, {"H", "HH", "家庭病床"})) {
    kind = EncounterClass::home;
  } else if (is_any(sent, {"V", "VR", "互联网", "互联网门诊"})) {
    kind = EncounterClass::virtual_visit;
  } else {
    return is_any(sent, {"", "U", "N"});
  }
  return true;
}

// HL7 tables 0027 and 0485, and the words of Chinese systems. false: another, which stays as it was sent.
bool priority_of(Text sent, Priority& priority) {
  if (is_any(sent, {"S", "STAT"})) {
    priority = Priority::stat;
  } else if (is_any(sent, {"A", "ASAP"})) {
    priority = Priority::asap;
  } else if (is_any(sent, {"U", "急", "加急", "紧急"})) {
    priority = Priority::urgent;
  } else if (is_any(sent, {"R", "普通", "常规"})) {
    priority = Priority::routine;
  } else {
    return false;
  }
  return true;
}

int years_between(Text born, Text day) {  // "2026-01-02"; -1 unknown
  const auto number = [](Text text) {
    int value = 0;
    for (char c : text) value = value * 10 + (c - '0');
    return value;
  };
  if (born.size() < 10 || day.size() < 10) return -1;
  const int years = number(day.substr(0, 4)) - number(born.substr(0, 4));
  return day.substr(5, 5) < born.substr(5, 5) ? years - 1 : years;
}

// For texts that are one letter as a rule.
bool same(Text a, Text b) {
  if (a.size() != b.size()) return false;
  return a.empty() || (a[0] == b[0] && (a.size() == 1 || a == b));
}

// The work on one message: what many of its fields share.
class Work {
 public:
  Work(Draft& draft, const Facility* sender, const FacilityDirectory& facilities,
       const terminology::Terminology& terminology, int zone_minutes)
      : draft_(draft),
        arena_(draft.arena),
        facilities_(facilities),
        terms_(terminology),
        moments_(draft.arena, sender ? sender->zone_minutes : zone_minutes),
        local_(sender ? terminology.map(sender->code_system) : nullptr) {}

  void run() {
    draft_.map_version = terms_.version();
    time(draft_.times.sent, "MSH-7");
    for (Part& part : draft_.parts) {
      patient(part.subject);
      std::uint32_t ordinal = 0;
      for (Event& event : part.events) {
        event.ordinal = ordinal++;
        body(event, part.subject);
      }
    }
  }

 private:
  void issue(Severity severity, Text code, Text path, Text found, Text expected, Text hl7_code = {}) {
    draft_.issues.add(arena_, {severity, code, path, found, expected, hl7_code});
  }
  Text path(Text where, Text field) { return where.empty() ? field : arena_.concat({where, "-", field}); }

  // `where` and `field` make the path of an issue; nothing is built where the time is good.
  void time(Moment& moment, Text where, Text field = {}) {
    if (moments_.read(moment)) return;
    issue(Severity::warning, "odd-date", field.empty() ? where : path(where, field), shape(moment.sent),
          "a time as YYYYMMDDHHMMSS[+ZZZZ]; kept as sent, not searchable", "102");
  }
  // What may be said of a text that could be a person's: its length.
  Text shape(Text text) { return arena_.concat({std::to_string(text.size()), " characters, not a date"}); }

  // --- whom it is about

  Text facility_named(Text authority, Text otherwise) {
    if (authority.empty()) return otherwise;
    const Facility* named = facilities_.find(authority);
    if (!named) named = facilities_.by_sender({}, authority);
    return named ? arena_.copy(named->code) : otherwise;
  }

  void identifiers(List<Identifier>& all, Text number, Text facility, Text where) {
    for (Identifier& each : all) {
      const bool own = each.value == number || fold_number(each.value, arena_) == number;
      const bool typed = !each.type.empty();
      complete(each, own ? facility : facility_named(each.authority, facility), arena_);
      if (own && !typed && each.kind == IdentifierKind::other) {  // the first repetition without a type
        each.kind = IdentifierKind::facility_number;
        each.facility = facility;
        each.system = arena_.concat({"urn:hutong:facility:", facility, ":mrn"});
      }
      time(each.effective, where);
      time(each.expires, where);
      if (expires_before_effective(each))
        issue(Severity::warning, "identifier-period", where, "a number that expires before it takes effect",
              "an effective date (CX-7) that is not after the expiration date (CX-8); kept as sent, not shown", "102");
      each.placeholder = terms_.is_placeholder(each.value);
      if (each.placeholder) {
        each.valid = false;
        issue(Severity::information, "placeholder-number", where, to_string(each.kind),
              "the person's own number, or none; it links nobody", "103");
      } else if (!each.valid) {
        issue(Severity::warning, "invalid-card-number", where,
              "18 characters expected, form, date or check digit is wrong",
              "a number after GB 11643; kept, it links nobody", "102");
      }
    }
  }

  void patient(Subject& subject) {
    if (subject.facility.empty()) subject.facility = draft_.source.facility;
    subject.number = fold_number(subject.number, arena_);
    subject.mother_number = fold_number(subject.mother_number, arena_);
    identifiers(subject.identifiers, subject.number, subject.facility, "PID-3");
    time(subject.born, "PID-7");
    time(subject.died, "PID-29");
    if (subject.sex == Sex::unknown && !sex_of(subject.sex_sent, subject.sex))
      issue(Severity::warning, "unknown-sex", "PID-8", "a code of neither table",
            "M, F, O, U (HL7 0001) or 1, 2, 0, 9 (GB/T 2261.1)", "103");
    for (const Identifier& each : subject.identifiers) {
      if (each.kind != IdentifierKind::resident_card || !each.valid) continue;
      const auto facts = read_resident_card(each.value);
      if (!facts) continue;
      // A card's own date and sex never fill what is missing: linking must not confirm itself with a borrowed card.
      const bool date_differs = subject.born.iso.size() == 10 && !same_date(subject.born.iso, *facts);
      const bool sex_differs = (subject.sex == Sex::male || subject.sex == Sex::female) && subject.sex != facts->sex;
      if (date_differs || sex_differs)
        issue(Severity::warning, "card-disagrees", "PID-3",
              date_differs ? "another birth date than PID-7" : "another sex than PID-8",
              "the patient's own card; check for a borrowed or a parent's card");
    }
  }
  static bool same_date(Text iso, const CardFacts& facts) {
    const int sent = (iso[0] - '0') * 1000 + (iso[1] - '0') * 100 + (iso[2] - '0') * 10 + (iso[3] - '0');
    return sent == facts.year && (iso[5] - '0') * 10 + (iso[6] - '0') == facts.month &&
           (iso[8] - '0') * 10 + (iso[9] - '0') == facts.day;
  }

  // --- what is said

  void body(Event& event, const Subject& subject) {
    // A report's or order's time is one of its own fields, and told there; other events have theirs from EVN.
    if (event.report != nullptr || event.order != nullptr || event.referral != nullptr) {
      moments_.read(event.occurred);
    } else {
      time(event.occurred, "EVN-2");
    }
    if (event.occurred.sent.empty() && event.occurred.iso.empty()) event.occurred = draft_.times.sent;
    Labels labels = 0;
    switch (event.kind) {
      case EventKind::result_reported:
      case EventKind::exam_reported:
        if (event.report == nullptr) break;
        labels = report(*event.report, event, subject);
        break;
      case EventKind::encounter_changed: labels = encounter(event.encounter, subject); break;
      case EventKind::order_placed:
        if (event.order != nullptr) labels = order(*event.order, event);
        break;
      case EventKind::referral_told:
        if (event.referral != nullptr) labels = referral(*event.referral, event);
        break;
      case EventKind::patient_merged:
      case EventKind::patient_linked:
      case EventKind::patient_unlinked: merge(event.merge, subject); break;
      default: break;
    }
    const Text day = date_of(event.occurred);
    if (const int years = years_between(subject.born.iso, day); years >= 0) labels |= terms_.labels_of_age(years, day);
    put_labels(event.labels, labels);
  }

  void put_labels(List<Text>& list, Labels labels) {
    for (unsigned bit = 0; labels != 0; ++bit, labels >>= 1)
      if (labels & 1U) list.push(arena_, terms_.label_name(bit));
  }

  void merge(Merge& merge, const Subject& subject) {
    if (merge.prior_facility.empty()) merge.prior_facility = subject.facility;
    merge.prior_number = fold_number(merge.prior_number, arena_);
    identifiers(merge.prior_identifiers, merge.prior_number, merge.prior_facility, "MRG-1");
  }

  Labels diagnoses(const List<Coded>& all, const Coded& reason, Text day) {
    Labels labels = 0;
    const auto add = [&](const Coded& c) {
      for (Text code : {c.code, c.alt_code}) labels |= terms_.labels_of_diagnosis(code, day);
      for (Text words : {c.display, c.alt_display, c.original}) labels |= terms_.labels_of_words(words, day);
    };
    for (const Coded& each : all) add(each);
    add(reason);
    return labels;
  }

  void encounter_class(Text sent, EncounterClass& kind) {
    if (kind != EncounterClass::unknown || class_of(sent, kind)) return;
    issue(Severity::information, "unknown-encounter-class", "PV1-2", sent.size() <= 4 ? sent : Text("a long code"),
          "I, O, E … of HL7 table 0004", "103");
  }

  Labels encounter(Encounter& e, const Subject& subject) {
    time(e.admitted, "PV1-44");
    time(e.discharged, "PV1-45");
    time(e.occurred, "EVN-2");
    e.number = fold_number(e.number, arena_);
    e.prior_number = fold_number(e.prior_number, arena_);
    encounter_class(e.class_sent, e.kind);
    // Without a visit number a stay is told from another by its admission.
    e.id = encounter_id(subject.facility, subject.number, e.number.empty() ? e.admitted.sent : e.number);
    return diagnoses(e.diagnoses, e.reason, date_of(e.occurred));
  }

  // A 统一社会信用代码 with a slip in it: kept as it was sent, and said once of a message. What has no name beside it
  // may be a device, whose number may look like anything.
  void organization(Party& party, Text where, Text field = {}) {
    if (party.code.size() < 18) return;
    const Text code = fold_number(party.code, arena_);
    if (is_uscc(code)) {
      party.code = code;
    } else if (has_uscc_form(code) && !party.name.empty() && code != odd_organization_) {
      odd_organization_ = code;
      issue(Severity::warning, "invalid-organization-code", field.empty() ? where : path(where, field),
            "18 characters, the check character is wrong",
            "a 统一社会信用代码 after GB 32100; kept, no facility is known by it", "102");
    }
  }

  // The registered facility that a performer names, by code, alias, USCC or name; nullptr: none.
  const Facility* performing(const Party& party) {
    if (party.code.empty() && party.name.empty()) return nullptr;
    for (Text text : {party.code, party.name}) {
      if (text.empty()) continue;
      if (const Facility* found = facilities_.find(text)) return found;
      if (const Facility* found = facilities_.by_sender({}, text)) return found;
    }
    return party.name.empty() ? nullptr : facilities_.by_name(party.name);
  }

  // A facility as a message names it: its code where it is registered.
  Text code_of(Text sent) {
    const Facility* found = performing({sent, sent, {}});
    return found ? arena_.copy(found->code) : sent;
  }

  Labels referral(ReferralWord& r, const Event& event) {
    time(r.happened, r.path, "9");
    time(r.slot_start, r.path, "7");
    time(r.slot_end, r.path, "8");
    r.facility = draft_.source.facility;
    r.sender = code_of(r.sender);
    r.receiver = code_of(r.receiver);
    r.follows_sender = code_of(r.follows_sender);
    if (r.priority == Priority::unknown) priority_of(r.priority_sent, r.priority);
    const Labels labels = diagnoses(r.diagnoses, r.reason, date_of(event.occurred));
    put_labels(r.labels, labels);
    return labels;
  }

  Labels order(Order& o, const Event& event) {
    time(o.placed, o.path, "9");
    time(o.requested, arena_.concat({"OBR", o.path.substr(3)}), "6");
    time(o.specimen.collected, "SPM-17");
    time(o.specimen.received, "SPM-18");
    organization(o.ordering_facility, o.path, "21");
    const Text day = date_of(event.occurred);
    const Facility* orders = performing(o.ordering_facility);  // a campus that its hospital's system speaks for
    o.facility = orders ? arena_.copy(orders->code) : draft_.source.facility;
    o.encounter_number = fold_number(o.encounter_number, arena_);
    if (event.ordinal == 0) {
      encounter_class(o.encounter_class_sent, o.encounter_class);
    } else {
      class_of(o.encounter_class_sent, o.encounter_class);  // all orders have one PV1, of which once is told enough
    }
    if (!priority_of(o.priority_sent, o.priority)) o.preoperative = is_any(o.priority_sent, {"P", "术前"});
    o.id = order_id(o);
    if (const Item* exam = terms_.exam_of(o.service, local_, day)) {
      o.service.mapped_code = exam->loinc;
      o.service.mapped_display = exam->name_zh;
      o.service.mapped_system = terminology::loinc_system;
    } else if (!o.service.empty()) {
      terminology::Circumstance where;
      where.named = terms_.map(o.service.system);
      where.local = local_;
      where.date = day;
      Report asked;
      asked.service = o.service;
      asked.specimen = o.specimen;
      where.material = terms_.material_of(asked);
      // Many codes order a panel, which no single item is: none is missing then.
      if (const auto meaning = terms_.meaning_of(o.service, where); !meaning.loinc.empty()) {
        o.service.mapped_code = meaning.loinc;
        o.service.mapped_display = o.service.display.empty() ? meaning.name : o.service.display;
        o.service.mapped_system = terminology::loinc_system;
      }
    }
    Labels labels = diagnoses(o.diagnoses, o.reason, day) | terms_.labels_of_item(o.service.mapped_code, day);
    for (Text words : {o.service.display, o.service.alt_display, o.service.original})
      labels |= terms_.labels_of_words(words, day);
    if (o.service.display.empty()) labels |= terms_.labels_of_words(o.service.code, day);
    put_labels(o.labels, labels);
    return labels;
  }

  Labels report(Report& r, Event& event, const Subject& subject) {
    const Text where = r.path;
    time(r.requested, where, "6");
    time(r.observed, where, "7");
    time(r.received, where, "14");
    time(r.issued, where, "22");
    time(r.specimen.collected, "SPM-17");
    time(r.specimen.received, "SPM-18");
    for (ImageAccess& each : r.exam.access) time(each.checked, where);
    const Text day = date_of(!r.specimen.collected.iso.empty() ? r.specimen.collected
                             : !r.observed.iso.empty()         ? r.observed
                                                               : event.occurred);

    if (!r.observations.empty()) organization(r.performer, r.observations[0].path);
    if (r.issuer.empty()) {
      const Facility* laboratory = performing(r.performer);
      r.issuer = laboratory ? arena_.copy(laboratory->code) : draft_.source.facility;
    }
    r.id = r.filler_number.empty() && r.order_number.empty() ? unnumbered_report_id(r.issuer, subject.number, r)
                                                             : report_id(r.issuer, r);

    if (const Item* exam = terms_.exam_of(r.service, local_, day)) {
      r.service.mapped_code = exam->loinc;
      r.service.mapped_display = exam->name_zh;
      r.service.mapped_system = terminology::loinc_system;
      if (!r.is_exam) {
        r.is_exam = true;
        event.kind = EventKind::exam_reported;
      }
    }

    Labels labels = diagnoses(r.diagnoses, r.reason, day);
    for (Text words : {r.service.display, r.service.alt_display}) labels |= terms_.labels_of_words(words, day);
    labels |= terms_.labels_of_item(r.service.mapped_code, day);
    terminology::Circumstance circumstance;
    circumstance.local = local_;
    circumstance.material = terms_.material_of(r);
    circumstance.date = day;
    for (Observation& each : r.observations) labels |= observation(each, r, circumstance);
    number_repeated_items(r.observations);
    put_labels(r.labels, labels);
    return labels;
  }

  Labels observation(Observation& o, const Report& r, terminology::Circumstance& where) {
    time(o.observed, o.path, "14");
    if (o.observed.sent.empty()) o.observed = r.observed;
    if (o.status == ResultStatus::unknown && o.status_sent.empty()) o.status = r.status;
    if (o.performer.code.empty() && o.performer.name.empty()) o.performer = r.performer;
    organization(o.performer, o.path);

    if (!same(o.code.system, last_system_)) {
      last_system_ = o.code.system;
      last_map_ = terms_.map(last_system_);
    }
    where.named = last_map_;
    where.unit = o.value.unit;
    const auto meaning = terms_.meaning_of(o.code, where);
    if (!meaning.loinc.empty()) {
      o.code.mapped_code = meaning.loinc;
      // The shared name stands in where the sender has none: twenty names more are a fifth of a record.
      o.code.mapped_display = o.code.display.empty() ? meaning.name : o.code.display;
      o.code.mapped_system = terminology::loinc_system;
    } else if (!r.is_exam) {
      issue(Severity::information, "unmapped-code", path(o.path, "3"),
            o.code.code.size() <= 40 ? o.code.code : Text("a long code"),
            "a code of the facility's map; add it to schemas/terminology/maps", "103");
    }

    if (!read_value(o, meaning.item, terms_, arena_))
      issue(Severity::warning, "not-a-number", path(o.path, "5"), "something else than a number",
            "a number, or value type ST", "102");
    if (o.value.sent_type == SentType::time) {
      if (o.value.time.sent.empty()) o.value.time.sent = o.value.sent;
      time(o.value.time, o.path, "5");
    }
    unit(o, meaning.item);
    read_interval(o.interval, arena_);

    Labels labels = 0;
    if (meaning.item ? meaning.item->sensitive : !meaning.loinc.empty())
      labels |= terms_.labels_of_item(meaning.loinc, where.date);
    for (Text words : {o.code.display, o.code.alt_display, o.code.original})
      if (!words.empty()) labels |= terms_.labels_of_words(words, where.date);
    if (o.code.display.empty()) labels |= terms_.labels_of_words(o.code.code, where.date);
    put_labels(o.labels, labels);
    return labels;
  }

  void unit(Observation& o, const Item* item) {
    Value& value = o.value;
    const bool number = value.kind == ValueKind::number, quantity = number || value.kind == ValueKind::range;
    if (value.unit.empty() && !(quantity && item && item->is_quantity())) return;
    const auto unit = terms_.unit_of(value.unit, item);
    if (unit.unit) {
      if (!value.unit.empty() || unit.unit->ucum != "1") value.ucum = unit.unit->ucum;
      if (number && item && item->unit && !unit.own) {
        value.canonical = terminology::convert(value.number, unit.factor, unit.offset, arena_);
        if (!value.canonical.empty()) value.canonical_unit = item->unit->ucum;
      }
      return;
    }
    if (!quantity || !item || !item->unit) return;
    const Text expected = arena_.concat({"a unit that converts to ", item->unit->ucum, "; not converted"});
    if (value.unit.empty()) {
      issue(Severity::information, "missing-unit", path(o.path, "6"), "nothing", expected, "101");
    } else {
      issue(Severity::warning, unit.known ? Text("unit-mismatch") : Text("unknown-unit"), path(o.path, "6"),
            value.unit.size() <= 40 ? value.unit : Text("a long text"), expected, "103");
    }
  }

  // An item is known by (code, sub-id) in its report. Where a sender repeats both (lines of a text, a repeated test),
  // the later ones get "~2", "~3" … behind their sub-id, so that none hides another.
  void number_repeated_items(List<Observation>& items) {
    if (items.size() < 2) return;
    std::size_t slots = 8;
    while (slots < items.size() * 2) slots *= 2;
    struct Slot {
      std::uint32_t first, count;
    };
    Slot* const table = static_cast<Slot*>(arena_.allocate(sizeof(Slot) * slots, alignof(Slot)));
    for (std::size_t i = 0; i < slots; ++i) table[i] = {0, 0};
    const std::hash<std::string_view> hash;
    for (std::uint32_t i = 0; i < items.size(); ++i) {
      Observation& o = items[i];
      const Text key = o.code.code.empty() ? o.code.display : o.code.code;
      std::size_t at = (o.sub_id.empty() ? hash(key) : hash(key) ^ (hash(o.sub_id) * 31)) & (slots - 1);
      for (;; at = (at + 1) & (slots - 1)) {
        Slot& slot = table[at];
        if (slot.count == 0) {
          slot = {i, 1};
          break;
        }
        const Observation& first = items[slot.first];
        if ((first.code.code.empty() ? first.code.display : first.code.code) != key || first.sub_id != o.sub_id)
          continue;
        o.sub_id = arena_.concat({o.sub_id, "~", std::to_string(++slot.count)});
        break;
      }
    }
  }

  Draft& draft_;
  Arena& arena_;
  const FacilityDirectory& facilities_;
  const terminology::Terminology& terms_;
  MomentReader moments_;
  const terminology::CodeMap* local_;
  Text last_system_;
  const terminology::CodeMap* last_map_ = nullptr;
  Text odd_organization_;
};

}  // namespace

void Normalizer::normalize(Draft& draft, const Facility* sender, const FacilityDirectory& facilities) const {
  Work(draft, sender, facilities, *terminology_, zone_minutes_).run();
}

}  // namespace hutong::normalize
