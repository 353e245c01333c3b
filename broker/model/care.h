// What surrounds a referral, as it stands in the log (topic operations): that a chronic patient was sent down and is to
// be followed up by the centre, and what beds and slots a facility has. Patients by number only. Schema:
// schemas/operations/v1. Plain values with an owner; threads: any.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "broker/base/error.h"
#include "broker/base/id.h"
#include "broker/base/time.h"
#include "broker/model/referral.h"

namespace hutong::model {

inline constexpr std::string_view chronic_followup_kind = "chronic.followup";
inline constexpr std::string_view resource_updated_kind = "resource.updated";

// chronic.followup: a downward referral of a chronic patient was taken.
struct ChronicFollowup {
  RecordId id;  // from referral, facility and time
  ReferralId referral;
  Timestamp at;                     // when the centre took the patient
  std::string facility;             // that follows up
  std::string from;                 // who sent the patient down
  std::string person;               // Patient.id
  std::string patient_of, patient;  // the local patient
  std::string code;                 // why the patient was referred, as sent
  std::string disease;              // of schemas/referral/chronic.csv
};

// resource.updated: what a department has free, in its last word.
struct ResourceUpdated {
  RecordId id;
  Timestamp at;
  std::string facility, department;
  std::optional<std::int64_t> beds;
  std::vector<Slot> slots;
  std::string client;  // who handed it in, as authenticated
};

RecordId followup_id(const ReferralId& referral, std::string_view facility, Timestamp at);

std::string write(const ChronicFollowup& followup);
std::string write(const ResourceUpdated& updated);
// Errors: corrupt.
Result<ChronicFollowup> read_chronic_followup(std::string_view json);
Result<ResourceUpdated> read_resource_updated(std::string_view json);

}  // namespace hutong::model
