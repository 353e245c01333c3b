// What routing looks at in an event: a handful of codes. Views into the record; threads: any.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "broker/model/facility.h"
#include "broker/model/record.h"
#include "broker/model/subscription.h"

namespace hutong::routing {

struct ItemFact {
  std::string_view loinc;
  model::Flag flag = model::Flag::any;
};

struct Facts {
  std::string_view kind, facility, area;
  struct Place {
    std::string_view facility, area;
  };
  std::vector<Place> others;  // of a decision about persons: where else its patients are known
  std::vector<ItemFact> items;
  std::vector<std::string> centres;  // the caller's: who knows the patient is no matter of the event
  std::vector<std::string> parties;  // model::party_named: plain, and as what each is one
  bool labelled = false;             // sensitive: for nobody until there is an access model
};

Facts facts_of(const model::RecordView& record, const model::Event& event, const model::FacilityDirectory& facilities);

// Facilities that look after people where they live: whoever is known to one has it as a centre.
bool is_centre(const model::Facility& facility);

// The local patient: by the facility that gave the number, whoever sent the message; without a number it is the
// record's own (`id`, where the document does not say it).
struct Patient {
  std::string facility, number;
  bool operator==(const Patient&) const = default;
  std::string lane() const { return facility + "/" + number; }
};
Patient patient_of(const model::RecordView& record, const RecordId& id);

// In whose order an event stands: its patient's; of a merge or link also the other number's.
std::vector<std::string> lanes_of(const model::Event& event, const Patient& patient);

}  // namespace hutong::routing
