// Every noun's members, named once for both directions of event_json: the writer and the reader walk the same list
// in the same order, so neither can forget a member the other knows. Internal to event_json's two .cpp files.
//
// A visitor takes (key, member) for each type of member; `flat` puts a noun's members beside its owner's, and the
// hooks (mapping, unit, sent_value, interval, inherited) hold the rules that keep the document small. The rules are
// described for readers of the JSON in schemas/event/v1.
#pragma once

#include <charconv>
#include <concepts>
#include <cstring>
#include <type_traits>

#include "broker/model/event.h"
#include "broker/model/record.h"

namespace hutong::model::json {

inline constexpr Text loinc_system = "http://loinc.org";

template <class T, class U>
concept Like = std::same_as<std::remove_const_t<T>, U>;

template <class V, Like<Coded> T>
void fields(V& v, T& c) {
  v("code", c.code);
  v("name", c.display);
  v("system", c.system);
  v("altCode", c.alt_code);
  v("altName", c.alt_display);
  v("altSystem", c.alt_system);
  v("original", c.original);
  v.mapping(c);
}

template <class V, Like<Identifier> T>
void fields(V& v, T& i) {
  v("kind", i.kind, IdentifierKind::other);
  v("value", i.value);
  v("type", i.type);
  v("authority", i.authority);
  v("facility", i.facility);
  v("system", i.system);
  v("valid", i.valid, true);
  v("placeholder", i.placeholder, false);
  v("effective", i.effective);
  v("expires", i.expires);
}

template <class V, Like<Name> T>
void fields(V& v, T& n) {
  v("text", n.text);
  v("family", n.family);
  v("given", n.given);
  v("use", n.use);
}

template <class V, Like<Contact> T>
void fields(V& v, T& c) {
  v("value", c.value);
  v("use", c.use);
}

template <class V, Like<Address> T>
void fields(V& v, T& a) {
  v("text", a.text);
  v("street", a.street);
  v("district", a.district);
  v("city", a.city);
  v("province", a.province);
  v("postcode", a.postcode);
  v("country", a.country);
  v("use", a.use);
}

template <class V, Like<Party> T>
void fields(V& v, T& p) {
  v("code", p.code);
  v("name", p.name);
  v("system", p.system);
}

template <class V, Like<Subject> T>
void fields(V& v, T& s) {
  v("number", s.number);
  v("facility", s.facility);
  v("identifiers", s.identifiers);
  v("names", s.names);
  v("sex", s.sex, Sex::unknown);
  v("sexSent", s.sex_sent);
  v("born", s.born);
  v("died", s.died);
  v("deceased", s.deceased, false);
  v("addresses", s.addresses);
  v("contacts", s.contacts);
  v("marital", s.marital);
  v("ethnicity", s.ethnicity);
  v("nationality", s.nationality);
  v("motherNumber", s.mother_number);
  v("deleted", s.deleted);
}

template <class V, Like<Attachment> T>
void fields(V& v, T& a) {
  v("mime", a.mime);
  v("encoding", a.encoding);
  v("data", a.data);
  v("title", a.title);
}

template <class V, Like<Value> T>
void fields(V& v, T& value) {
  v("kind", value.kind, ValueKind::number);  // not said: a number, as most are
  v("comparator", value.comparator);
  v("number", value.number);
  v("low", value.low);
  v("high", value.high);
  v.sent_value(value);
  v("coded", value.coded);
  v("time", value.time);
  v("attachment", value.attachment);
  v("unit", value.unit);
  v.ucum(value);
  v("canonical", value.canonical);
  v("canonicalUnit", value.canonical_unit);
}

// An item's code stands beside its members. What the item before says too is not said again: the code systems, the
// status, the time, the performer (for a report's first item: what the report says), and a path that only counts on
// ("OBX[4]" after "OBX[3]").
template <class V, Like<Observation> T>
void fields(V& v, T& o) {
  v("code", o.code.code);
  v("name", o.code.display);
  v.repeated("system", o.code.system, v.previous().code.system);
  v("altCode", o.code.alt_code);
  v("altName", o.code.alt_display);
  v.repeated("altSystem", o.code.alt_system, v.previous().code.alt_system);
  v("original", o.code.original);
  v.mapping(o.code);
  v("subId", o.sub_id);
  v("value", o.value);
  v.interval(o.interval);
  v("flags", o.flags);
  v.inherited(o, v.previous());  // status, statusSent, observed, performer
  v("method", o.method);
  v("notes", o.notes);
  v("labels", o.labels);
  v.counted("path", o.path, v.previous().path);
}

template <class V, Like<Specimen> T>
void fields(V& v, T& s) {
  v("number", s.number);
  v("type", s.type);
  v("site", s.site);
  v("method", s.method);
  v("collected", s.collected);
  v("received", s.received);
  v("conditions", s.conditions);
  v("present", s.present, true);  // a specimen that is written is there, unless it says otherwise
}

template <class V, Like<ImageAccess> T>
void fields(V& v, T& a) {
  v("kind", a.kind);
  v("url", a.url);
  v("checked", a.checked);
}

template <class V, Like<Exam> T>
void fields(V& v, T& e) {
  v("accession", e.accession);
  v("studyUid", e.study_uid);
  v("modality", e.modality);
  v("bodyPart", e.body_part);
  v("laterality", e.laterality);
  v("contrast", e.contrast);
  v("findings", e.findings);
  v("impression", e.impression);
  v("access", e.access);
}

template <class V, Like<Report> T>
void fields(V& v, T& r) {
  v("id", r.id);
  v("issuer", r.issuer);
  v("orderNumber", r.order_number);
  v("fillerNumber", r.filler_number);
  v("service", r.service);
  v("section", r.section);
  v("status", r.status, ResultStatus::unknown);
  v("statusSent", r.status_sent);
  v("requested", r.requested);
  v("observed", r.observed);
  v("received", r.received);
  v("issued", r.issued);
  v("orderer", r.orderer);
  v("interpreter", r.interpreter);
  v("performer", r.performer);
  v("department", r.department);
  v("reason", r.reason);
  v("diagnoses", r.diagnoses);
  v("specimen", r.specimen);
  v("observations", r.observations, r);
  v("notes", r.notes);
  v("labels", r.labels);
  v("isExam", r.is_exam, false);
  v("exam", r.exam);
  v("path", r.path);
}

template <class V, Like<Order> T>
void fields(V& v, T& o) {
  v("id", o.id);
  v("facility", o.facility);
  v("number", o.number);
  v("fillerNumber", o.filler_number);
  v("groupNumber", o.group_number);
  v("change", o.change);
  v("changeSent", o.change_sent);
  v("status", o.status, OrderStatus::unknown);
  v("statusSent", o.status_sent);
  v("priority", o.priority, Priority::unknown);
  v("prioritySent", o.priority_sent);
  v("preoperative", o.preoperative, false);
  v("service", o.service);
  v("section", o.section);
  v("placed", o.placed);
  v("requested", o.requested);
  v("orderer", o.orderer);
  v("department", o.department);
  v("orderingFacility", o.ordering_facility);
  v("encounterNumber", o.encounter_number);
  v("encounterClass", o.encounter_class, EncounterClass::unknown);
  v("encounterClassSent", o.encounter_class_sent);
  v("reason", o.reason);
  v("diagnoses", o.diagnoses);
  v("specimen", o.specimen);
  v("notes", o.notes);
  v("labels", o.labels);
  v("path", o.path);
}

template <class V, Like<ReferredReport> T>
void fields(V& v, T& r) {
  v("number", r.number);
  v("service", r.service);
}

template <class V, Like<ReferralWord> T>
void fields(V& v, T& r) {
  v("action", r.action);
  v("actionSent", r.action_sent);
  v("facility", r.facility);
  v("sender", r.sender);
  v("number", r.number);
  v("receiver", r.receiver);
  v("department", r.department);
  v("receiverDepartment", r.receiver_department);
  v("practitioner", r.practitioner);
  v("direction", r.direction);
  v("priority", r.priority, Priority::unknown);
  v("prioritySent", r.priority_sent);
  v("choice", r.choice);
  v("outside", r.outside);
  v("insuranceFiling", r.insurance_filing);
  v("followsSender", r.follows_sender);
  v("followsNumber", r.follows_number);
  v("reason", r.reason);
  v("diagnoses", r.diagnoses);
  v("happened", r.happened);
  v("slotStart", r.slot_start);
  v("slotEnd", r.slot_end);
  v("place", r.place);
  v("reports", r.reports);
  v("notes", r.notes);
  v("labels", r.labels);
  v("path", r.path);
}

template <class V, Like<Encounter> T>
void fields(V& v, T& e) {
  v("id", e.id);
  v("change", e.change);
  v("number", e.number);
  v("priorNumber", e.prior_number);
  v("class", e.kind, EncounterClass::unknown);
  v("classSent", e.class_sent);
  v("status", e.status, EncounterStatus::unknown);
  v("location", e.location);
  v("priorLocation", e.prior_location);
  v("department", e.department);
  v("attending", e.attending);
  v("referring", e.referring);
  v("admitting", e.admitting);
  v("admitted", e.admitted);
  v("discharged", e.discharged);
  v("occurred", e.occurred);
  v("reason", e.reason);
  v("diagnoses", e.diagnoses);
  v("disposition", e.disposition);
}

template <class V, Like<Merge> T>
void fields(V& v, T& m) {
  v("priorNumber", m.prior_number);
  v("priorFacility", m.prior_facility);
  v("priorIdentifiers", m.prior_identifiers);
  v("cause", m.cause);
  v("identifierChange", m.identifier_change, false);
}

template <class V, Like<Event> T>
void fields(V& v, T& e) {
  v("ordinal", e.ordinal, 0u);
  v("kind", e.kind, EventKind::message_received);
  v("version", e.version, 1u);
  v("occurred", e.occurred);
  v("labels", e.labels);
  v("encounter", e.encounter);
  v("merge", e.merge);
  v("report", e.report);
  v("order", e.order);
  v("referral", e.referral);
}

template <class V, Like<Source> T>
void fields(V& v, T& s) {
  v("facility", s.facility);
  v("provisional", s.provisional, false);
  v("protocol", s.protocol);
  v("connection", s.connection);
  v("format", s.format);
  v("senderApplication", s.sender_application);
  v("senderFacility", s.sender_facility);
  v("receiverApplication", s.receiver_application);
  v("receiverFacility", s.receiver_facility);
  v("controlId", s.control_id);
  v("type", s.type);
  v("version", s.version);
  v("charset", s.charset);
}

template <class V, Like<Times> T>
void fields(V& v, T& t) {
  v("sent", t.sent);
  v("received", t.received);
  v("appended", t.appended);
}

template <class V, Like<Issue> T>
void fields(V& v, T& i) {
  v("severity", i.severity, Severity::warning);
  v("code", i.code);
  v("path", i.path);
  v("found", i.found);
  v("expected", i.expected);
  v("hl7", i.hl7_code);
}

// The digits of an ISO time without its zone and punctuation: what an HL7 sender wrote, as a rule.
// Returns the count written to `to` (at most 20 for a canonical text), or 0 when `iso` is not of our own making.
inline std::size_t digits_of(Text iso, char (&to)[24]) {
  std::size_t size = 0;
  for (std::size_t i = 0; i < iso.size(); ++i) {
    const char c = iso[i];
    if (c >= '0' && c <= '9') {
      if (size == 20) return 0;
      to[size++] = c;
    } else if (c == '.') {
      if (size == 20) return 0;
      to[size++] = c;
    } else if (i >= 10 && (c == 'Z' || c == '+' || c == '-')) {
      break;
    }
  }
  return size;
}

// Where an interval's text is plainly "low-high", the bounds are not said again.
inline void bounds_of(Text sent, Text& low, Text& high) {
  low = high = {};
  const auto decimal = [](Text text) {
    bool digit = false, point = false;
    for (char c : text) {
      if (c >= '0' && c <= '9') {
        digit = true;
      } else if (c != '.' || point) {
        return false;
      } else {
        point = true;
      }
    }
    return digit && text.front() != '.' && text.back() != '.';
  };
  const std::size_t dash = sent.find('-');
  if (dash == Text::npos || dash == 0 || dash + 1 == sent.size()) return;
  if (!decimal(sent.substr(0, dash)) || !decimal(sent.substr(dash + 1))) return;
  low = sent.substr(0, dash);
  high = sent.substr(dash + 1);
}

// What a report's first item is compared with; every other is with the one before it.
inline Observation before_items(const Report& report) {
  Observation before;
  before.status = report.status;
  before.status_sent = report.status_sent;
  before.observed = report.observed;
  before.performer = report.performer;
  return before;
}

// "OBX[12]" → the place of its number: [first, last). False: no such path.
inline bool number_in(Text path, std::size_t& first, std::size_t& last) {
  if (path.size() < 3 || path.back() != ']') return false;
  last = path.size() - 1;
  first = last;
  while (first > 0 && path[first - 1] >= '0' && path[first - 1] <= '9') --first;
  return first < last && first > 0 && path[first - 1] == '[' && last - first <= 9;
}

// The path that counts on from `path`, written to `to`; its size, or 0 when `path` does not count.
inline std::size_t next_path(Text path, char (&to)[48]) {
  std::size_t first = 0, last = 0;
  if (path.size() > 40 || !number_in(path, first, last)) return 0;
  std::uint32_t number = 0;
  std::from_chars(path.data() + first, path.data() + last, number);
  std::memcpy(to, path.data(), first);
  char* end = std::to_chars(to + first, to + sizeof to, number + 1).ptr;
  *end++ = ']';
  return static_cast<std::size_t>(end - to);
}

// The type in which a value of this kind is sent, as a rule; another is said ("sentAs").
inline SentType usual_type(ValueKind kind) {
  switch (kind) {
    case ValueKind::none: return SentType::none;
    case ValueKind::number: return SentType::number;
    case ValueKind::range:
    case ValueKind::ratio: return SentType::structured;
    case ValueKind::qualitative:
    case ValueKind::text: return SentType::text;
    case ValueKind::coded: return SentType::coded;
    case ValueKind::time: return SentType::time;
    case ValueKind::attachment: return SentType::attachment;
  }
  return SentType::none;
}

}  // namespace hutong::model::json
