// A record: the immutable unit of the log. One accepted message and patient in it (product.md §5).
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "broker/base/id.h"
#include "broker/model/event.h"

namespace hutong::model {

// The positive answer that was given, kept so that a resend gets the same one. Neutral words; each source's
// adapter spells them on its wire (AA/CA, 200).
enum class Answer { accepted, content_rejected, header_rejected, try_again };  // AA, AE, AR, AR+207
std::string_view to_string(Answer answer);

// What event_json reads back: the head of a record and its events.
struct RecordView {
  RecordId id;
  Source source;
  Times times;
  Text map_version;
  Issues issues;
  Subject subject;
  List<Event> events;
};

// id = SHA-256 of (facility, sender application, sender facility, control id, content hash, patient ordinal),
// first 128 bits (product.md §5).
RecordId record_id(const Source& source, const Sha256Digest& content_hash, std::uint32_t patient_ordinal);
// Same sender and control id, whatever the content: where a resend or a conflict is looked up.
ControlKey control_key(const Source& source);
// (issuer, filler or placer number, service code): product.md §5 "what a result is".
ReportId report_id(Text issuer, const Report& report);
// For a report that carries no number at all: (issuer, patient number, service code, observed or issued as sent), so
// that two patients' unnumbered reports never become one.
ReportId unnumbered_report_id(Text issuer, Text patient_number, const Report& report);
// (ordering facility, placer number else filler number, service code): the same rule as a report's, because one number
// often stands for all that a sheet orders.
OrderId order_id(const Order& order);
EncounterId encounter_id(Text facility, Text patient_number, Text visit_number);
// The person that a local patient is until it is linked to another: hash of (facility, patient number).
PersonId first_person_id(Text facility, Text patient_number);
// Observation.id: report id + "-" + 16 hex digits of the hash of (OBX-3, OBX-4), so that it leads back to its report.
std::string observation_id(const ReportId& report, const Observation& observation);

}  // namespace hutong::model
