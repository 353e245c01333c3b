// What a receiver is told of an event, as bytes of its format. Implementations: adapters/format/{hl7v2,fhir}; the
// shared schema's own is pipeline/event_payload.h. Pure: no I/O, no clock, so that a delivery that is tried again is
// the same bytes. Threads: any, concurrently.
#pragma once

#include <string>
#include <string_view>
#include <vector>

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

// What a decision about persons tells: whose two sides are one person since, or two. Not who decided it.
struct IdentityNotice {
  struct Local {  // a local patient, and who that is now
    std::string facility, number;
    PersonId person;
  };
  RecordId id;
  Timestamp at;
  Local patient, other;            // of a merge: who goes on, and who became part of it
  std::vector<Local> rest, apart;  // of a split, and of what undoes one: the two sides, patient and other among them
  std::vector<std::string> reasons;
  double chance = -1;      // that they are one person, where it was weighed
  std::string of, undoes;  // of an undoing: the decision that it undoes, and its kind
  bool unites = true;      // it makes one person of its two sides; false: two
  // As reading shows them: whose its local patients are now, and who became part of these. Where views are shown.
  std::vector<model::PersonView> persons;

  // Another decision may have changed it since.
  bool is_so() const { return (patient.person == other.person) == unites; }
};

struct Notice {
  const model::RecordView* record = nullptr;  // where there is no event: what is known of the patient
  const model::Event* event = nullptr;        // nullptr: it tells of `operations` or `identity`
  const OperationsNotice* operations = nullptr;
  const IdentityNotice* identity = nullptr;
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
