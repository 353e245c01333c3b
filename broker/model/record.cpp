#include "broker/model/record.h"

#include <charconv>

namespace hutong::model {
namespace {

// Every id begins with the name of what it names, so that equal parts never make equal ids of two kinds.
// The context is a thread's own: nothing is allocated.
PartsHash& hash_of(std::string_view kind) {
  thread_local PartsHash hash;
  return hash.add(kind);
}

// What a code is called: the sender's code, else its alternate, else its words.
Text code_key(const Coded& code) {
  if (!code.code.empty()) return code.code;
  if (!code.alt_code.empty()) return code.alt_code;
  return code.display.empty() ? code.original : code.display;
}

}  // namespace

std::string_view to_string(Answer answer) {
  switch (answer) {
    case Answer::accepted: return "accepted";
    case Answer::content_rejected: return "content-rejected";
    case Answer::header_rejected: return "header-rejected";
    case Answer::try_again: return "try-again";
  }
  return "try-again";
}

RecordId record_id(const Source& source, const Sha256Digest& content_hash, std::uint32_t patient_ordinal) {
  char ordinal[12];
  const auto end = std::to_chars(ordinal, ordinal + sizeof ordinal, patient_ordinal).ptr;
  return RecordId(hash_of("record")
                      .add(source.facility)
                      .add(source.sender_application)
                      .add(source.sender_facility)
                      .add(source.control_id)
                      .add(as_view(content_hash))
                      .add({ordinal, static_cast<std::size_t>(end - ordinal)})
                      .finish());
}

ControlKey control_key(const Source& source) {
  return ControlKey(hash_of("control")
                        .add(source.facility)
                        .add(source.sender_application)
                        .add(source.sender_facility)
                        .add(source.control_id)
                        .finish());
}

ReportId report_id(Text issuer, const Report& report) {
  const Text number = report.filler_number.empty() ? report.order_number : report.filler_number;
  return ReportId(hash_of("report").add(issuer).add(number).add(code_key(report.service)).finish());
}

ReportId unnumbered_report_id(Text issuer, Text patient_number, const Report& report) {
  const Text when = report.observed.sent.empty() ? report.issued.sent : report.observed.sent;
  return ReportId(
      hash_of("report-unnumbered").add(issuer).add(patient_number).add(code_key(report.service)).add(when).finish());
}

OrderId order_id(const Order& order) {
  const Text number = order.number.empty() ? order.filler_number : order.number;
  return OrderId(hash_of("order").add(order.facility).add(number).add(code_key(order.service)).finish());
}

EncounterId encounter_id(Text facility, Text patient_number, Text visit_number) {
  return EncounterId(hash_of("encounter").add(facility).add(patient_number).add(visit_number).finish());
}

PersonId first_person_id(Text facility, Text patient_number) {
  return PersonId(hash_of("person").add(facility).add(patient_number).finish());
}

std::string observation_id(const ReportId& report, const Observation& observation) {
  const Sha256Digest digest = hash_of("observation").add(code_key(observation.code)).add(observation.sub_id).finish();
  return report.hex() + "-" + to_hex(as_view(digest).substr(0, 8));
}

}  // namespace hutong::model
