// Two-way referral folded into views. A command only waits until its answer is met, whoever made that: so a referral is
// the fold of what was answered, in the log's order, and a rebuild judges nothing (docs/adr/0014). The commands that
// wait are decided by the duty desk (duty_desk.h). What follows for the referral that this one belongs to is written in
// the same step, as a derived record. Threads: the projector's.
#pragma once

#include "broker/model/event.h"
#include "broker/model/referral.h"
#include "broker/pipeline/overlay.h"
#include "broker/pipeline/rules.h"
#include "broker/port/log.h"
#include "broker/referral/referral.h"

namespace hutong::pipeline {

inline constexpr std::string_view referral_deadline = "referral";  // deadlines.kind

// Where a record stands that another follows from.
struct Cause {
  port::Partition partition;
  port::Offset offset = 0;
};

// A record of `operations` that follows from a cause: to be appended, unless it was met.
net::awaitable<void> derive(Overlay& overlay, Cause cause, RecordId id, std::string key, std::string_view kind,
                            std::string document);
// It was met in the log.
net::awaitable<void> met(Overlay& overlay, RecordId id);

net::awaitable<void> apply(Overlay& overlay, model::ReferralCommand command, Cause cause);
// `rules`: for the next deadline; nullptr: none is reckoned. False: nothing was known of the command, or the answer was
// given to a referral that stood otherwise (by a broker whose turn it was no more): it changes nothing.
net::awaitable<bool> apply(Overlay& overlay, model::ReferralAnswered answered, Cause cause,
                           const referral::Rules* rules);

// A message says something of a referral of this local patient: the command that it is, as a derived record.
// `event`: the event's id; `rules`: whose facilities say which way a referral goes.
net::awaitable<void> derive_command(Overlay& overlay, Cause cause, std::string event, std::string protocol,
                                    std::string patient_of, std::string patient, const model::ReferralWord& word,
                                    Timestamp appended, const Rules* rules);

// The rows of a referral as it stands now; `row`: the one in tables::referrals before, nullptr none.
void index(Overlay& overlay, const port::Row* row, const referral::Referral& now, Timestamp updated,
           const referral::Rules* rules);
// A row of tables::deadlines anew, where other rules than these reckoned it.
net::awaitable<void> reckon(Overlay& overlay, const port::Row& deadline, const referral::Rules& rules);

// Columns of tables::referrals.
namespace referral_column {
enum : std::size_t {
  referral,
  state,
  version,
  sender,
  receiver,
  direction,
  urgency,
  person,
  asked,
  due,
  deadline,
  rules,
  updated,
  document
};
}

}  // namespace hutong::pipeline
