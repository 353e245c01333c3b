// What a receiver is told of an event, as bytes of its format. Implementations: adapters/format/{hl7v2,fhir}; the
// shared schema's own is pipeline/event_payload.h. Pure: no I/O, no clock, so that a delivery that is tried again is
// the same bytes. Threads: any, concurrently.
#pragma once

#include <string>
#include <string_view>

#include "broker/base/error.h"
#include "broker/model/critical.h"
#include "broker/model/referral_view.h"
#include "broker/model/subscription.h"
#include "broker/model/views.h"

namespace hutong::port {

// What a record of `operations` tells: a step of a referral, or of a critical value.
struct OperationsNotice {
  std::string_view document;                          // as it stands in the log: schemas/operations/v1
  const model::ReferralView* referral = nullptr;      // as it stands now
  const model::ReferralAnswered* answered = nullptr;  // what became of
  const model::ReferralCommand* command = nullptr;    // this
  std::string_view follows_sender, follows_number;    // of the referral that it answers
  bool lost = false;  // the subscriber is no party any more, by this step: it is told that, and nothing else
  const model::CriticalOpened* critical = nullptr;
};

struct Notice {
  const model::RecordView* record = nullptr;  // of `operations`: what is known of its patient, without events
  const model::Event* event = nullptr;        // nullptr: of `operations`
  const OperationsNotice* operations = nullptr;
  std::string_view kind;
  std::uint32_t version = 1;
  std::string event_id;
  std::string_view facility, number;          // the local patient; a number that nobody gave is the record's id
  PersonId person;                            // who that is, by what is known now
  const model::ReportView* report = nullptr;  // of a report: what is shown since this event, earlier messages included
  const model::EncounterView* encounter = nullptr;
  const model::OrderView* order = nullptr;
  Timestamp appended;
  bool replay = false;
  std::uint64_t event_number = 0;  // its place among what the subscriber is told
};

struct Letter {
  std::string body, content_type;
  std::string control_id;  // where the format has one
  bool unsaid = false;     // the format has nothing to say of this step to this subscriber
};

class Payload {
 public:
  virtual ~Payload() = default;
  // Whether the format has words for events of this kind ("result.reported").
  virtual bool has_words_for(std::string_view kind) const = 0;
  // Whether it says more than the message did (Notice::report …), which then has to be looked up.
  virtual bool shows_views() const { return false; }
  // Errors: invalid, what cannot be said and why.
  virtual Result<Letter> write(const Notice& notice, const model::Subscription& subscription) const = 0;
};

}  // namespace hutong::port
