// Critical values (危急值) as they stand in the log (topic operations): that one was found, and each step until
// somebody has confirmed it by name. No value and no patient's name stands here, and of a labelled result not even the
// item: who is told reads the report, under the access rules. Every step is a fact, so their fold needs no answers.
// Schema: schemas/operations/v1. Plain values with an owner; threads: any.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "broker/base/error.h"
#include "broker/base/id.h"
#include "broker/base/time.h"

namespace hutong::model {

inline constexpr std::string_view critical_opened_kind = "critical-value.opened";

enum class Degree { low, high, abnormal };  // HL7 table 0078: LL, HH, AA
std::string_view to_string(Degree degree);
std::optional<Degree> degree_of(std::string_view text);

// critical-value.opened
struct CriticalOpened {
  RecordId id;  // from `value`
  CriticalId value;
  Timestamp at;
  std::string report, observation;                 // FHIR ids
  std::uint64_t version = 1;                       // of the report
  std::string person;                              // Patient.id
  std::string laboratory;                          // that did the test
  std::string facility, department, practitioner;  // that ordered it: who must be told
  bool labelled = false;                           // sensitive: the members below are not said
  std::string loinc;
  std::optional<Degree> degree;
  std::string basis;  // "flag HH", "limit high 6.2 mmol/L"
  std::string rules;  // version of schemas/critical
  bool late = false;  // found by a rebuild so long after it came that nobody is called
};

enum class CriticalAction { told, escalated, confirmed, withdrawn };
std::string_view to_string(CriticalAction action);  // kind of the record: "critical-value." and this
std::optional<CriticalAction> critical_action_of(std::string_view text);

// critical-value.told, .escalated, .confirmed, .withdrawn
struct CriticalStep {
  RecordId id;
  CriticalId value;
  CriticalAction action = CriticalAction::told;
  Timestamp at;
  std::int64_t level = 0;    // told, escalated: in the chain of schemas/critical; 0 is who ordered
  std::string role;          // told, escalated: of that level
  std::string facility;      // told: whose role; confirmed: where
  std::string practitioner;  // confirmed: code as its system knows it
  std::string name;          // confirmed: by name, as the person gave it
  std::string client;        // who handed it in, as authenticated
  std::string reason;        // withdrawn: corrected | cancelled | late
};

CriticalId critical_id(std::string_view report, std::string_view observation, std::uint64_t version);
RecordId opened_id(const CriticalId& value);
RecordId withdrawn_id(const CriticalId& value);  // one is enough

std::string write(const CriticalOpened& opened);
std::string write(const CriticalStep& step);
// Errors: corrupt.
Result<CriticalOpened> read_critical_opened(std::string_view json);
Result<CriticalStep> read_critical_step(std::string_view json);

}  // namespace hutong::model
