// The shared schema: what a message says, in the words of the field and of no wire format.
//
// One set of nouns serves three readers: a Format fills the as-sent halves (a Draft), the Normalizer resolves
// codes, units and times in place (an Event), and event_json.h writes and reads it. Every Text is a view into
// the decoded message, the Arena or static text; a List lives in the Arena. Everything is trivially copyable.
// Empty text means "not said"; what a sender deletes on purpose (HL7 "") is named in Subject::deleted.
//
// Times are FHIR date/dateTime texts with the precision and zone that were sent (Moment::iso), see model/moment.h.
#pragma once

#include <cstdint>
#include <string_view>

#include "broker/base/arena.h"
#include "broker/base/id.h"
#include "broker/base/time.h"
#include "broker/model/issue.h"

namespace hutong::model {

using Text = std::string_view;

struct Moment {
  Text sent;  // as sent, e.g. "202601020304+0800"
  Text iso;   // "2026-01-02T03:04:00+08:00"; "2026-01-02" or "2026" keep their precision. Empty: unreadable or not said
};

// A coded value: the sender's own triplet, its alternate, and what our maps made of it.
struct Coded {
  Text code, display, system;              // as sent (HL7 CWE.1-3)
  Text alt_code, alt_display, alt_system;  // as sent (CWE.4-6)
  Text original;                           // original text (CWE.9)
  Text mapped_code, mapped_display;        // by the terminology room: LOINC for items, else the shared value set
  Text mapped_system;                      // URI, "http://loinc.org"
  bool empty() const { return code.empty() && display.empty() && alt_code.empty() && original.empty(); }
};

enum class IdentifierKind {
  facility_number,  // a facility's own patient number (MR, PI)
  resident_card,    // 居民身份证, GB 11643
  health_card,      // 电子健康卡, opaque
  social_security,  // 社保卡
  insurance,        // 医保
  passport,
  permit,  // 港澳台通行证, residence permits
  visit,   // 门诊号, 住院号
  other,
};
std::string_view to_string(IdentifierKind kind);

struct Identifier {
  IdentifierKind kind = IdentifierKind::other;
  Text value;                // normalized: no spaces, full-width folded, card X upper case
  Text type;                 // as sent: "MR", "NI", "01"
  Text authority;            // as sent: namespace or OID
  Text facility;             // the facility code whose number it is; facility_number and visit only
  Text system;               // URI: urn:oid:2.16.156.10011.1.3, urn:hutong:facility:<code>:mrn …
  bool valid = true;         // false: checksum or form is wrong; kept, never links
  bool placeholder = false;  // a number known to stand for "none" (data: schemas/terminology)
  Moment effective, expires;  // from when to when the sender says that it counts; each may be not said
};

struct Name {
  Text text;           // whole, as written
  Text family, given;  // where the sender separates them
  Text use;            // "L", "A", … as sent
};

struct Contact {
  Text value;  // phone, mail
  Text use;    // home | work | mobile | email
};

struct Address {
  Text text;  // whole
  Text street, district, city, province, postcode, country;
  Text use;
};

enum class Sex { unknown, male, female, other };
std::string_view to_string(Sex sex);

// Whom an event is about, as the sender describes them.
struct Subject {
  Text number;    // the facility's patient number (product.md §5); empty: none sent (keyed by record id then)
  Text facility;  // whose number: the sending facility unless the message says otherwise
  List<Identifier> identifiers;
  List<Name> names;
  Sex sex = Sex::unknown;
  Text sex_sent;
  Moment born;
  Moment died;
  bool deceased = false;
  List<Address> addresses;
  List<Contact> contacts;
  Coded marital, ethnicity, nationality;
  Text mother_number;  // newborns: the mother's facility number
  List<Text> deleted;  // fields sent as HL7 "" (delete): "birthDate", "phone", "address", "name" …
};

struct Party {  // a clinician, department or organisation, as far as named
  Text code, name, system;
};

enum class ResultStatus {
  registered,
  partial,
  preliminary,
  final,
  amended,
  corrected,
  cancelled,
  entered_in_error,
  unknown
};
std::string_view to_string(ResultStatus status);  // FHIR R4 spelling: "entered-in-error"

enum class ValueKind {
  none,         // no value sent
  number,       // "5.8", "<0.01": comparator, number, unit
  range,        // "10-20": low, high, unit
  ratio,        // "1:160": a titre; numerator, denominator
  qualitative,  // 阳性 阴性 ±: coded, coded.mapped_* when known
  coded,        // a code of the sender
  text,
  time,
  attachment,  // an embedded or linked document or image
};
std::string_view to_string(ValueKind kind);

struct Attachment {
  Text mime;      // "application/pdf"
  Text encoding;  // "base64" | "hex" | "text" | "" (a link)
  Text data;      // as sent, or the link
  Text title;
};

// What the Format knows of the value before the Normalizer reads it.
enum class SentType { none, number, structured, text, coded, time, attachment };
std::string_view to_string(SentType type);

struct Value {
  ValueKind kind = ValueKind::none;
  SentType sent_type = SentType::none;
  Text sent;        // the whole value as sent, unescaped; repetitions joined by "\n"
  Text comparator;  // "<" "<=" ">" ">="
  Text number;      // exact decimal as written, without thousands separators: "1.50" stays "1.50"
  Text low, high;   // range; or numerator, denominator of a ratio
  Coded coded;
  Moment time;
  Attachment attachment;
  Text unit;            // as sent
  Text ucum;            // the same unit in UCUM, when it fits the item's dimension; else empty
  Text canonical;       // number in the item's own unit (only when converted), exact decimal
  Text canonical_unit;  // UCUM
};

struct Interval {  // reference interval
  Text sent;
  Text low, high;  // exact decimals where it could be read
};

struct Observation {
  Coded code;   // OBX-3
  Text sub_id;  // OBX-4
  Value value;
  Interval interval;
  List<Text> flags;  // interpretation as sent: H, L, HH, A …
  ResultStatus status = ResultStatus::unknown;
  Text status_sent;
  Moment observed;
  Coded method;
  Party performer;  // laboratory or device
  List<Text> notes;
  List<Text> labels;  // sensitivity: HIV, STD, PSY, REP, GEN, MIN
  Text path;          // "OBX[3]": for the trace back to the original
};

struct Specimen {
  Text number;
  Coded type, site, method;
  Moment collected, received;
  List<Text> conditions;  // rejected, haemolysed …
  bool present = false;
};

struct ImageAccess {
  Text kind;  // "wado-rs" | "viewer" | "key-image"
  Text url;
  Moment checked;
};

struct Exam {  // imaging, ECG, pathology, endoscopy
  Text accession, study_uid;
  Text modality;  // DICOM: CT MR US CR DX XA ECG ES SM …
  Coded body_part;
  Text laterality;            // "left" | "right" | "both"
  Text contrast;              // "with" | "without" | "both" | "" unknown
  Text findings, impression;  // 所见, 诊断意见 (the impression is never recognised, only images and data)
  List<ImageAccess> access;
};

struct Report {                      // result.reported and exam.reported
  ReportId id;                       // hash of the report key (product.md §5); set by the Normalizer
  Text issuer;                       // facility code that performs or issues: half of the report key
  Text order_number, filler_number;  // placer (ORC-2/OBR-2), filler (ORC-3/OBR-3)
  Coded service;                     // what was ordered: OBR-4
  Text section;                      // OBR-24: LAB, CT, MB …
  ResultStatus status = ResultStatus::unknown;
  Text status_sent;
  Moment requested, observed, received, issued;
  Party orderer, interpreter, performer, department;
  Coded reason;
  List<Coded> diagnoses;
  Specimen specimen;
  List<Observation> observations;
  List<Text> notes;
  List<Text> labels;
  bool is_exam = false;
  Exam exam;
  Text path;  // "OBR[1]"
};

enum class EncounterStatus { planned, arrived, in_progress, on_leave, finished, cancelled, entered_in_error, unknown };
std::string_view to_string(EncounterStatus status);  // FHIR R4 spelling
enum class EncounterClass { unknown, outpatient, emergency, inpatient, observation, home, virtual_visit };
std::string_view to_string(EncounterClass kind);  // v3 ActCode: AMB EMER IMP OBSENC HH VR

struct Encounter {            // encounter.changed
  EncounterId id;             // hash of (facility, patient number, visit number); set by the Normalizer
  Text change;                // admitted transferred discharged registered pre-admitted class-changed updated
                              // cancelled-admit cancelled-transfer cancelled-discharge
  Text number, prior_number;  // visit number
  EncounterClass kind = EncounterClass::unknown;
  Text class_sent;
  EncounterStatus status = EncounterStatus::unknown;
  Text location, prior_location, department;
  Party attending, referring, admitting;
  Moment admitted, discharged, occurred;
  Coded reason;
  List<Coded> diagnoses;
  Text disposition;
};

// Where an order stands, in FHIR R4's spelling (request-status).
enum class OrderStatus { active, on_hold, revoked, completed, entered_in_error, unknown };
std::string_view to_string(OrderStatus status);
enum class Priority { unknown, routine, urgent, asap, stat };
std::string_view to_string(Priority priority);  // FHIR R4 request-priority; "" unknown

struct Order {         // order.placed: what a message says of one thing that is ordered
  OrderId id;          // hash of the order key (model/record.h); set by the Normalizer
  Text facility;       // code of the facility that orders: half of the order key
  Text number;         // the orderer's (placer); of a sheet of several services the same for all, as a rule
  Text filler_number;  // of who carries it out
  Text group_number;   // of the sheet
  Text change;         // placed accepted rejected changed cancelled discontinued held released replaced refused
                       // status-changed; empty: a control code that is not modelled
  Text change_sent;    // HL7 table 0119
  OrderStatus status = OrderStatus::unknown;  // unknown: not said, what stood before stands
  Text status_sent;
  Priority priority = Priority::unknown;
  Text priority_sent;
  bool preoperative = false;
  Coded service;  // empty: all that was ordered under the number
  Text section;
  Moment placed, requested;  // when it was ordered, for when
  Party orderer, department, ordering_facility;
  Text encounter_number;
  EncounterClass encounter_class = EncounterClass::unknown;
  Text encounter_class_sent;
  Coded reason;
  List<Coded> diagnoses;
  Specimen specimen;
  List<Text> notes;
  List<Text> labels;
  Text path;  // "ORC[1]"
};

struct ReferredReport {  // that comes back with a referral, by what its sender's messages know it by
  Text number, service;
};

struct ReferralWord {  // referral.told: what a message says of a referral (model/referral.h)
  Text action;         // request amend receive accept decline cancel arrive treat report close no-show; "": it asks how
                       // things stand, or says what is not modelled
  Text action_sent;    // "REF^I12", "RRI^I12 R"
  Text facility;       // code of who speaks
  Text sender;         // code of who asked for it, and numbered it
  Text number;
  Text receiver;  // code of who is asked
  Text department, receiver_department;
  Party practitioner;
  Text direction;  // up down level; "": as the levels of the two have it
  Priority priority = Priority::unknown;
  Text priority_sent;
  Text choice;   // agreed by-guardian refused not-possible
  Text outside;  // why this pair
  Text insurance_filing;
  Text follows_sender, follows_number;  // the referral that this one answers
  Coded reason;
  List<Coded> diagnoses;
  Moment happened, slot_start, slot_end;
  Text place;
  List<ReferredReport> reports;
  List<Text> notes;
  List<Text> labels;
  Text path;
};

// patient.merged: `prior` becomes one with the subject. patient.linked, patient.unlinked: it is the other number.
struct Merge {
  Text prior_number;
  Text prior_facility;
  List<Identifier> prior_identifiers;
  Text cause;                      // "A40", "A47" … as the sender named it
  bool identifier_change = false;  // A47: the number changed, the person did not
};

enum class EventKind {
  message_received,
  patient_updated,
  patient_merged,
  patient_linked,
  patient_unlinked,
  encounter_changed,
  result_reported,
  exam_reported,
  order_placed,
  referral_told,
};
inline constexpr std::size_t event_kind_count = static_cast<std::size_t>(EventKind::referral_told) + 1;
std::string_view to_string(EventKind kind);  // "result.reported"
bool from_string(std::string_view text, EventKind& kind);

struct Event {
  EventKind kind = EventKind::message_received;
  std::uint32_t ordinal = 0;  // event id = record id + "." + ordinal
  std::uint32_t version = 1;  // message.renormalized raises it
  Moment occurred;
  List<Text> labels;
  Encounter encounter;  // the body of its kind; others stay empty
  Merge merge;
  Report* report = nullptr;  // in the Arena: a Report is large and most events have none
  Order* order = nullptr;    // likewise
  ReferralWord* referral = nullptr;
};

// One patient in a message and what is said of them: becomes one record.
struct Part {
  Subject subject;
  List<Event> events;
};

struct Source {
  Text facility;  // facility code; "x-<hash>" when provisional
  bool provisional = false;
  Text protocol;                                 // "mllp" | "http" | "file"
  Text connection;                               // connection id, for the trace
  Text format;                                   // "hl7v2"
  Text sender_application, sender_facility;      // MSH-3, MSH-4 as sent (whole field)
  Text receiver_application, receiver_facility;  // MSH-5, MSH-6
  Text control_id;                               // MSH-10
  Text type;                                     // "ORU^R01"
  Text version;                                  // "2.5.1"
  Text charset;                                  // what the bytes were read as: "UTF-8", "GB18030", "ASCII"
};

struct Times {
  Moment sent;         // MSH-7
  Timestamp received;  // last byte of the frame
  Timestamp appended;  // given by intake just before the append
};

// What a Format makes of one message and the Normalizer completes. Reused: clear() keeps the arena's memory.
struct Draft {
  Arena arena;
  Text decoded;                 // the whole message in UTF-8, header first
  Sha256Digest content_hash{};  // of `decoded` without the time and control id of its header (product.md §5)
  Source source;
  Times times;
  List<Part> parts;
  Issues issues;
  Text map_version;
  bool control_id_conflict = false;

  void clear() {
    arena.reset();
    decoded = {};
    source = {};
    times = {};
    parts = {};
    issues.clear();
    map_version = {};
    control_id_conflict = false;
  }
};

}  // namespace hutong::model
