// Critical values folded into views. What a report's new version says is looked at once: what is critical in it becomes
// a derived record (critical-value.opened), what a correction took back another (critical-value.withdrawn). The loop
// itself is the fold of the records that the log has of it, in any order (broker/critical). Threads: the projector's.
#pragma once

#include "broker/critical/critical.h"
#include "broker/model/critical.h"
#include "broker/pipeline/effects_referral.h"
#include "broker/pipeline/overlay.h"

namespace hutong::pipeline {

inline constexpr std::string_view critical_deadline = "critical-value";  // deadlines.kind

// A version of a laboratory's report, as it is current now.
struct CriticalReport {
  const model::Report* before = nullptr;  // the version that it replaces, of the same patient and legible; else nullptr
  const model::Report* now = nullptr;
  std::int64_t version = 1;
  std::string patient_of, patient;  // the local patient
  std::string source;               // who sent it
  model::Text born;                 // of the patient; "" unknown
  Timestamp appended;
};
net::awaitable<void> find_critical(Overlay& overlay, Cause cause, CriticalReport report, const critical::Rules& rules);

// `rules`: for whom is told next; nullptr: nothing is reckoned.
net::awaitable<void> apply(Overlay& overlay, model::CriticalOpened opened, const critical::Rules* rules);
net::awaitable<void> apply(Overlay& overlay, model::CriticalStep step, const critical::Rules* rules);

// After a rebuild, of a log whose newest record is so old: what it found of days gone by (a program or tables that know
// more than those of that day) is kept and calls nobody. What a broker that lived on had not told yet it tells.
net::awaitable<Result<void>> mark_late(port::Store& store, Timestamp newest);

// A row of tables::deadlines anew, where other rules than these reckoned it.
net::awaitable<void> reckon_critical(Overlay& overlay, const port::Row& deadline, const critical::Rules& rules);

}  // namespace hutong::pipeline
