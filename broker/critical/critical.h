// Critical values (危急值): which result is one, and the loop until somebody has confirmed it by name and time. Pure:
// nothing here knows what time it is; a deadline follows from what is recorded. Threads: any.
//
// The loop's steps are facts, so their fold ends the same in any order and however often one comes: told → confirmed,
// else escalated level by level; a correction of the result withdraws it. A clock decides nothing but who is told next.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "broker/critical/rules.h"
#include "broker/model/critical.h"
#include "broker/model/event.h"

namespace hutong::critical {

struct Found {
  model::Degree degree;
  std::string basis;  // "flag HH", "limit high 6.2 mmol/L"
};

// Of an observation of `laboratory` on `day`: its flag, or else the limits. Preliminary results too: danger does not
// wait for approval; withdrawn ones never. A number that is only bounded ("<2.0", ">10") is critical where the bound
// proves it. `age_days` at the observation; nullopt unknown.
std::optional<Found> detect(const model::Observation& observation, Text laboratory, std::optional<int> age_days,
                            Text day, const Rules& rules);

struct CriticalValue {
  model::CriticalOpened opened;
  std::vector<model::CriticalStep> steps;  // by time, then id; the first and the last telling of each level

  const model::CriticalStep* confirmed() const;  // the earliest
  bool withdrawn() const;
  bool open() const { return !confirmed() && !withdrawn(); }
  const model::CriticalStep* told(std::int64_t level) const;  // the last of this level
};

// Adds a step; false: it changes nothing (it was there, or an earlier confirmation was).
bool apply(CriticalValue& value, const model::CriticalStep& step);

enum class Objection { name_missing, practitioner_missing, not_told_here, withdrawn, confirmed };
// Why a confirmation does not stand (asked before it is appended); nullopt: it does. To confirm again what one
// has confirmed changes nothing and is no objection. `facility`: whoever may act for it was checked before.
std::optional<Objection> object(const CriticalValue& value, const model::CriticalStep& confirmation);
struct Sentence {
  std::string_view zh, en;
};
Sentence explain(Objection objection);

struct Deadline {
  std::int64_t level = 0;
  std::string role;
  Timestamp at;  // told in the past: at once
};
// Who is to be told next; nullopt: confirmed or withdrawn.
std::optional<Deadline> next(const CriticalValue& value, const Rules& rules, int zone_minutes = 480);

// `facility`: whose role it is: of orderer and duty the one that ordered, of the coordinator the one that has it. The
// id comes from value, level and moment: made again after a restart it is the same.
model::CriticalStep tell(const CriticalValue& value, const Deadline& deadline, Text facility, Timestamp now);

}  // namespace hutong::critical
