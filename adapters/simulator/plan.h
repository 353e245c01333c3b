// What the simulation remembers of visits and reports while they last. This folder only.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "adapters/simulator/panels.h"
#include "adapters/simulator/residents.h"

namespace hutong::simulator {

enum class Action : std::uint8_t {
  person_added,         // A28
  person_changed,       // A31
  registered,           // A04
  admitted,             // A01
  transferred,          // A02
  discharged,           // A03
  became_inpatient,     // A06
  updated,              // A08
  admission_cancelled,  // A11
  discharge_cancelled,  // A13
  merged,               // A40
  ordered,              // O01
  reported,             // R01
  preliminary,          // R01, P
  corrected,
  ready,
};

struct Visit {
  std::size_t institution = 0;
  Resident resident;
  std::string number;       // the patient's; may be a temporary one
  std::string kept_number;  // the patient's own, where `number` is temporary
  std::string visit_number;
  char kind = 'O';  // PV1-2
  std::string department, ward, bed, doctor_code, doctor;
  std::string diagnosis_code, diagnosis;
  LocalSeconds begun = 0, ended = 0;
};

struct Report {
  std::shared_ptr<Visit> visit;
  std::size_t performer = 0;
  std::string number;  // the patient's when it was first sent: a laboratory learns nothing of merges
  std::string placer, filler;
  const Panel* panel = nullptr;  // nullptr: an examination
  std::vector<Result> results;
  LocalSeconds ordered = 0, sampled = 0, received = 0, issued = 0;
  std::string reporter, reviewer;
  char status = 'F';  // OBR-25
  std::string note;
  bool sent = false;  // some version of it
  // An examination.
  std::string exam_code, exam_name, section, modality, accession, study_uid, findings, impression;
};

}  // namespace hutong::simulator
