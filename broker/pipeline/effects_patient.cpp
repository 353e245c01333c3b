#include "broker/pipeline/effects_patient.h"

#include <algorithm>

namespace hutong::pipeline {
namespace {

using model::Coded;
using model::Encounter;
using model::EncounterStatus;
using model::Identifier;
using model::IdentifierKind;
using model::Moment;
using model::Subject;
using model::Text;

bool said(Text text) {
  return !text.empty();
}
bool said(const Moment& moment) {
  return !moment.iso.empty() || !moment.sent.empty();
}
bool said(const Coded& code) {
  return !code.empty();
}
bool said(const model::Party& party) {
  return !party.code.empty() || !party.name.empty();
}
template <class T>
bool said(const List<T>& list) {
  return !list.empty();
}

template <class T>
void take(T& field, const T& value) {
  if (said(value)) field = value;
}
template <class T>
void fill(T& field, const T& value) {
  if (!said(field)) field = value;
}

bool same(const Identifier& a, const Identifier& b) {
  return a.kind == b.kind && a.value == b.value && a.facility == b.facility &&
         (a.kind != IdentifierKind::other || a.type == b.type);
}

bool is_own_card(const Identifier& identifier) {
  return identifier.kind == IdentifierKind::resident_card && identifier.valid && !identifier.placeholder;
}

List<Identifier> unite(Arena& arena, const List<Identifier>& stored, const List<Identifier>& fresh) {
  const bool has_card = std::any_of(fresh.begin(), fresh.end(), is_own_card);
  List<Identifier> out;
  for (const auto& old : stored) {
    auto again = std::find_if(fresh.begin(), fresh.end(), [&](const auto& each) { return same(each, old); });
    if (again != fresh.end()) {
      Identifier& now = out.push(arena, *again);
      fill(now.effective, old.effective);
      fill(now.expires, old.expires);
    } else if (!(has_card && is_own_card(old))) {
      out.push(arena, old);
    }
  }
  for (const auto& each : fresh) {
    const bool known = std::any_of(out.begin(), out.end(), [&](const auto& old) { return same(each, old); });
    if (!known && out.size() < identifiers_max) out.push(arena, each);
  }
  return out;
}

bool is_work(const model::Contact& contact) {
  return contact.use == "work";
}

void remove_contacts(Arena& arena, Subject& subject, bool work) {
  List<model::Contact> kept;
  for (const auto& contact : subject.contacts) {
    if (is_work(contact) != work) kept.push(arena, contact);
  }
  subject.contacts = kept;
}

void remove(Arena& arena, Subject& subject, Text field) {
  if (field == "name") subject.names = {};
  if (field == "birthDate") subject.born = {};
  if (field == "sex") {
    subject.sex = model::Sex::unknown;
    subject.sex_sent = {};
  }
  if (field == "address") subject.addresses = {};
  if (field == "phone") remove_contacts(arena, subject, false);
  if (field == "workPhone") remove_contacts(arena, subject, true);
  if (field == "marital") subject.marital = {};
  if (field == "ethnicity") subject.ethnicity = {};
  if (field == "nationality") subject.nationality = {};
  if (field == "deathDate") {
    subject.died = {};
    subject.deceased = false;
  }
}

bool occurred_before(const Moment& a, const Moment& b) {
  auto first = parse_iso(a.iso), second = parse_iso(b.iso);
  return first && second && first->first < second->first;
}

bool closed(EncounterStatus status) {
  return status == EncounterStatus::cancelled || status == EncounterStatus::entered_in_error;
}

}  // namespace

Subject merge_subject(Arena& arena, const Subject& stored, const Subject& fresh) {
  Subject out = stored;
  for (Text field : fresh.deleted) remove(arena, out, field);
  out.identifiers = unite(arena, stored.identifiers, fresh.identifiers);
  take(out.names, fresh.names);
  if (fresh.sex != model::Sex::unknown || said(fresh.sex_sent)) {
    out.sex = fresh.sex;
    out.sex_sent = fresh.sex_sent;
  }
  take(out.born, fresh.born);
  take(out.died, fresh.died);
  out.deceased = out.deceased || fresh.deceased;
  take(out.addresses, fresh.addresses);
  if (said(fresh.contacts)) {
    // Home and work stand in fields of their own: a message with one says nothing of the other.
    List<model::Contact> contacts;
    for (bool work : {false, true}) {
      const bool named =
          std::any_of(fresh.contacts.begin(), fresh.contacts.end(), [&](const auto& c) { return is_work(c) == work; });
      for (const auto& contact : named ? fresh.contacts : out.contacts) {
        if (is_work(contact) == work) contacts.push(arena, contact);
      }
    }
    out.contacts = contacts;
  }
  take(out.marital, fresh.marital);
  take(out.ethnicity, fresh.ethnicity);
  take(out.nationality, fresh.nationality);
  take(out.mother_number, fresh.mother_number);
  out.deleted = {};
  return out;
}

Encounter first_encounter(const Encounter& fresh) {
  return change_encounter(Encounter(), fresh);
}

Encounter change_encounter(const Encounter& stored, const Encounter& fresh) {
  Encounter out = stored;
  if (out.id.empty()) out.id = fresh.id;
  if (occurred_before(fresh.occurred, stored.occurred)) {
    fill(out.number, fresh.number);
    fill(out.prior_number, fresh.prior_number);
    if (out.kind == model::EncounterClass::unknown) {
      out.kind = fresh.kind;
      out.class_sent = fresh.class_sent;
    }
    if (out.status == EncounterStatus::unknown) out.status = fresh.status;
    fill(out.location, fresh.location);
    fill(out.department, fresh.department);
    fill(out.attending, fresh.attending);
    fill(out.referring, fresh.referring);
    fill(out.admitting, fresh.admitting);
    fill(out.admitted, fresh.admitted);
    fill(out.reason, fresh.reason);
    fill(out.diagnoses, fresh.diagnoses);
    return out;
  }
  take(out.change, fresh.change);
  take(out.number, fresh.number);
  take(out.prior_number, fresh.prior_number);
  if (fresh.kind != model::EncounterClass::unknown || said(fresh.class_sent)) {
    out.kind = fresh.kind;
    out.class_sent = fresh.class_sent;
  }
  take(out.location, fresh.location);
  take(out.prior_location, fresh.prior_location);
  take(out.department, fresh.department);
  take(out.attending, fresh.attending);
  take(out.referring, fresh.referring);
  take(out.admitting, fresh.admitting);
  take(out.admitted, fresh.admitted);
  take(out.discharged, fresh.discharged);
  take(out.occurred, fresh.occurred);
  take(out.reason, fresh.reason);
  take(out.diagnoses, fresh.diagnoses);
  take(out.disposition, fresh.disposition);
  const bool only_update = fresh.change == "updated" && closed(stored.status);
  if (fresh.status != EncounterStatus::unknown && !only_update) out.status = fresh.status;
  if (fresh.change == "cancelled-admit") out.status = EncounterStatus::cancelled;
  if (fresh.change == "cancelled-discharge") {
    out.status = EncounterStatus::in_progress;
    out.discharged = {};
    out.disposition = {};
  }
  if (fresh.change == "cancelled-transfer") {
    if (!said(fresh.location)) take(out.location, stored.prior_location);
    out.prior_location = {};
  }
  return out;
}

}  // namespace hutong::pipeline
