#include "broker/model/event.h"

namespace hutong::model {

std::string_view to_string(IdentifierKind kind) {
  switch (kind) {
    case IdentifierKind::facility_number: return "facility-number";
    case IdentifierKind::resident_card: return "resident-card";
    case IdentifierKind::health_card: return "health-card";
    case IdentifierKind::social_security: return "social-security";
    case IdentifierKind::insurance: return "insurance";
    case IdentifierKind::passport: return "passport";
    case IdentifierKind::permit: return "permit";
    case IdentifierKind::visit: return "visit";
    case IdentifierKind::other: return "other";
  }
  return "other";
}

std::string_view to_string(Sex sex) {
  switch (sex) {
    case Sex::unknown: return "unknown";
    case Sex::male: return "male";
    case Sex::female: return "female";
    case Sex::other: return "other";
  }
  return "unknown";
}

std::string_view to_string(ResultStatus status) {
  switch (status) {
    case ResultStatus::registered: return "registered";
    case ResultStatus::partial: return "partial";
    case ResultStatus::preliminary: return "preliminary";
    case ResultStatus::final: return "final";
    case ResultStatus::amended: return "amended";
    case ResultStatus::corrected: return "corrected";
    case ResultStatus::cancelled: return "cancelled";
    case ResultStatus::entered_in_error: return "entered-in-error";
    case ResultStatus::unknown: return "unknown";
  }
  return "unknown";
}

std::string_view to_string(ValueKind kind) {
  switch (kind) {
    case ValueKind::none: return "none";
    case ValueKind::number: return "number";
    case ValueKind::range: return "range";
    case ValueKind::ratio: return "ratio";
    case ValueKind::qualitative: return "qualitative";
    case ValueKind::coded: return "coded";
    case ValueKind::text: return "text";
    case ValueKind::time: return "time";
    case ValueKind::attachment: return "attachment";
  }
  return "none";
}

std::string_view to_string(SentType type) {
  switch (type) {
    case SentType::none: return "none";
    case SentType::number: return "number";
    case SentType::structured: return "structured";
    case SentType::text: return "text";
    case SentType::coded: return "coded";
    case SentType::time: return "time";
    case SentType::attachment: return "attachment";
  }
  return "none";
}

std::string_view to_string(EncounterStatus status) {
  switch (status) {
    case EncounterStatus::planned: return "planned";
    case EncounterStatus::arrived: return "arrived";
    case EncounterStatus::in_progress: return "in-progress";
    case EncounterStatus::on_leave: return "onleave";
    case EncounterStatus::finished: return "finished";
    case EncounterStatus::cancelled: return "cancelled";
    case EncounterStatus::entered_in_error: return "entered-in-error";
    case EncounterStatus::unknown: return "unknown";
  }
  return "unknown";
}

std::string_view to_string(EncounterClass kind) {
  switch (kind) {
    case EncounterClass::unknown: return "";
    case EncounterClass::outpatient: return "AMB";
    case EncounterClass::emergency: return "EMER";
    case EncounterClass::inpatient: return "IMP";
    case EncounterClass::observation: return "OBSENC";
    case EncounterClass::home: return "HH";
    case EncounterClass::virtual_visit: return "VR";
  }
  return "";
}

std::string_view to_string(OrderStatus status) {
  switch (status) {
    case OrderStatus::active: return "active";
    case OrderStatus::on_hold: return "on-hold";
    case OrderStatus::revoked: return "revoked";
    case OrderStatus::completed: return "completed";
    case OrderStatus::entered_in_error: return "entered-in-error";
    case OrderStatus::unknown: return "unknown";
  }
  return "unknown";
}

std::string_view to_string(Priority priority) {
  switch (priority) {
    case Priority::unknown: return "";
    case Priority::routine: return "routine";
    case Priority::urgent: return "urgent";
    case Priority::asap: return "asap";
    case Priority::stat: return "stat";
  }
  return "";
}

std::string_view to_string(EventKind kind) {
  switch (kind) {
    case EventKind::message_received: return "message.received";
    case EventKind::patient_updated: return "patient.updated";
    case EventKind::patient_merged: return "patient.merged";
    case EventKind::patient_linked: return "patient.linked";
    case EventKind::patient_unlinked: return "patient.unlinked";
    case EventKind::encounter_changed: return "encounter.changed";
    case EventKind::result_reported: return "result.reported";
    case EventKind::exam_reported: return "exam.reported";
    case EventKind::order_placed: return "order.placed";
    case EventKind::referral_told: return "referral.told";
  }
  return "message.received";
}

bool from_string(std::string_view text, EventKind& kind) {
  for (auto each :
       {EventKind::message_received, EventKind::patient_updated, EventKind::patient_merged, EventKind::patient_linked,
        EventKind::patient_unlinked, EventKind::encounter_changed, EventKind::result_reported, EventKind::exam_reported,
        EventKind::order_placed, EventKind::referral_told}) {
    if (to_string(each) != text) continue;
    kind = each;
    return true;
  }
  return false;
}

}  // namespace hutong::model
