// What mutual recognition leaves in the log (topic operations): that an order was judged, and what a person then did.
// Each record is complete by itself: whoever counts needs neither the catalogue nor the results of that day. No names
// of patients, no values; labelled results and orders never stand in them. Schema: schemas/operations/v1.
// Plain values with an owner; threads: any.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "broker/base/error.h"
#include "broker/base/id.h"
#include "broker/base/time.h"

namespace hutong::model {

inline constexpr std::string_view recognition_decided_kind = "recognition.decided";
inline constexpr std::string_view recognition_outcome_kind = "recognition.outcome";
// RecognitionDecided::door of an order that came as a message: nobody was asked, and nothing was offered.
inline constexpr std::string_view order_door = "order";

// An earlier result that was offered: for a panel one for each component that has one.
struct OfferedResult {
  std::string item;                 // the area's code
  std::string report, observation;  // FHIR ids
  std::uint64_t version = 1;        // of the report
  std::string facility, laboratory, mark;
};

struct DecidedLine {
  std::string code;       // as ordered; "" when the line is not shown (no item known)
  std::string reference;  // how the requester names the line: a draft order's id
  std::string item;       // item's or panel's code; "" unknown
  std::string verdict;
  std::vector<std::string> reasons;
  std::vector<OfferedResult> results;  // of a line that is recognisable or the clinician's to decide
  std::int64_t price_fen = -1;         // the requester's, on that day; -1 unknown
};

// recognition.decided: an order was judged and its doctor was told; or (door "order") it came by a message, was judged
// afterwards, and repeats those of its lines that are recognisable.
struct RecognitionDecided {
  RecordId id;  // the decisionId
  Timestamp at;
  std::string facility, department, practitioner;  // of the requester; practitioner: the code as its system knows it
  std::string encounter, purpose, order;           // order: the requester's number, "" none said
  std::string person;                              // Patient.id
  std::string rules, day;
  std::string extent;    // all | part | none
  std::string door;      // api | cds-hooks | order
  std::string client;    // who asked, as authenticated
  std::string zone_day;  // the day in the area's calendar on which it counts
  std::vector<DecidedLine> lines;
  std::optional<RecordId> follows;  // door "order": its doctor had been told in this decision, where it was counted

  bool by_message() const { return door == order_door; }
};

enum class OutcomeKind { viewed, recognised, refused, undone };
std::string_view to_string(OutcomeKind kind);
std::optional<OutcomeKind> outcome_of(std::string_view text);

struct LineOutcome {
  std::uint32_t line = 0;  // index into the decision's lines
  OutcomeKind outcome = OutcomeKind::viewed;
  std::string reason, text;            // refused: the area's code, and the line of text where one is asked for
  bool counted = true;                 // of the reason, on that day
  std::optional<bool> told;            // refused: whether the patient was told why
  std::vector<OfferedResult> results;  // what was on the screen when it was decided
};

// recognition.outcome: someone looked at the offer, or decided on some of its lines.
struct RecognitionOutcome {
  RecordId id;
  RecordId decision;
  Timestamp at;
  std::string facility, practitioner;
  bool claimed = false;  // the practitioner named himself on the page, the host did not
  std::string door;      // page | cds-hooks
  std::vector<LineOutcome> lines;
};

// An order that a message placed and that waits to be judged: a pending row of the store, of no topic.
struct PlacedOrder {
  RecordId id;           // of the record that it will be answered by: from the order, so that there is one only
  Timestamp at;          // when its message was appended
  std::string facility;  // that orders
  std::string patient_of, patient;  // facility and number of the local patient
  std::string number, group;        // of the order, of its sheet
  std::string department, practitioner;
  std::string encounter;  // v3 ActCode, as model::to_string says it
  bool preoperative = false;
  std::string code, name, loinc;  // of what is ordered
};
RecordId placed_order_id(const OrderId& order);

std::string write(const PlacedOrder& placed);
std::string write(const RecognitionDecided& decided);
std::string write(const RecognitionOutcome& outcome);
// Errors: corrupt. `id`: of the row that holds it.
Result<PlacedOrder> read_placed_order(std::string_view json, RecordId id);
// Errors: corrupt.
Result<RecognitionDecided> read_recognition_decided(std::string_view json);
Result<RecognitionOutcome> read_recognition_outcome(std::string_view json);

}  // namespace hutong::model
