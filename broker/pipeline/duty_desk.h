// The duty desk (值班台): what the broker does of its own accord, once, whatever is killed when. It decides the
// referral commands that wait, one after the other in the log's order; it appends the command of a deadline that has
// passed, and tells who is next to be told of a critical value; and it appends what the projector found to follow from
// other records. The store shows what is to be done, the log keeps what was done, and the projector, meeting it there,
// takes it off the store: so nothing is remembered here but up to where the store must have come before the next look.
//
// Two desks (a broker that was taken for dead, and the one that took over) may decide the same command: the ids are the
// same, the first in the log counts, and an answer to a referral that stands otherwise by then counts for nothing
// (effects_referral.h).
//
// Threads: run() and work() on one executor, best a thread of its own. Lifetime: log, store, rules and time outlive it.
#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <optional>
#include <string_view>
#include <vector>

#include "broker/model/referral.h"
#include "broker/pipeline/recorded_time.h"
#include "broker/pipeline/rules.h"
#include "broker/port/log.h"
#include "broker/port/store.h"
#include "broker/referral/referral.h"

namespace hutong::pipeline {

class DutyDesk {
 public:
  // `ours`: this broker's projector writes the views; another's desk is at work otherwise.
  DutyDesk(port::Log& log, port::Store& store, const CurrentRules& rules, RecordedTime& time,
           std::function<bool()> ours)
      : log_(log), store_(store), rules_(rules), time_(time), ours_(std::move(ours)) {}

  // Does what is to be done and may be done by now; how many records it made. Errors: those of the store and the log.
  net::awaitable<Result<std::size_t>> work();
  // What it could not do in its last look and went on behind, in words for an operator; "" nothing.
  const std::string& left() const { return left_; }
  // Until stop(). `on_trouble`: in words for an operator when it is stopped by something or leaves something, "" when
  // all goes on again.
  net::awaitable<void> run(std::function<void(std::string_view)> on_trouble);
  void stop() { stopping_ = true; }

 private:
  // One look: referrals as they stand after what was decided in it so far, and the records that it makes.
  struct Look {
    std::shared_ptr<const Rules> rules;
    Timestamp now;
    std::map<ReferralId, std::optional<referral::Referral>> referrals;
    std::vector<port::Record> records;
  };
  net::awaitable<Result<bool>> may_look();
  net::awaitable<Result<void>> decide_waiting(Look& look);
  net::awaitable<Result<void>> tell_due(Look& look);
  net::awaitable<Result<void>> tell_clock(Look& look, const port::Row& deadline);
  net::awaitable<Result<void>> tell_critical(Look& look);
  net::awaitable<Result<void>> append_derived(Look& look);
  net::awaitable<Result<model::CommandOutcome>> decide(Look& look, model::ReferralCommand command);
  net::awaitable<Result<const referral::Referral*>> referral_of(Look& look, ReferralId id);
  net::awaitable<Result<std::string>> person_today(std::string person);

  port::Log& log_;
  port::Store& store_;
  const CurrentRules& rules_;
  RecordedTime& time_;
  std::function<bool()> ours_;
  std::string left_;
  std::optional<port::Offset> up_to_;  // of operations: what must be in the store before the next look
  std::atomic<bool> stopping_{false};
};

}  // namespace hutong::pipeline
