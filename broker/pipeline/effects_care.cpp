#include "broker/pipeline/effects_care.h"

#include "broker/port/tables.h"

namespace hutong::pipeline {

namespace tables = port::tables;

net::awaitable<void> derive_followup(Overlay& overlay, Cause cause, const referral::Referral& taken, Timestamp at,
                                     const referral::Rules& rules) {
  const auto* disease = rules.chronic(taken.indication.code, rules.day_of(at));
  if (!disease) co_return;
  // A rebuild may have met it before.
  if (co_await overlay.get(tables::chronic_followups, {taken.receiver, -at.micros, std::string(taken.id.view())}))
    co_return;
  model::ChronicFollowup followup;
  followup.id = model::followup_id(taken.id, taken.receiver);
  followup.referral = taken.id;
  followup.at = at;
  followup.facility = taken.receiver;
  followup.from = taken.sender;
  followup.person = taken.person;
  followup.patient_of = taken.patient_of;
  followup.patient = taken.patient;
  followup.code = taken.indication.code;
  followup.disease = disease->code;
  co_await derive(overlay, cause, followup.id, taken.id.hex(), model::chronic_followup_kind, model::write(followup));
}

net::awaitable<void> apply(Overlay& overlay, model::ChronicFollowup followup) {
  co_await met(overlay, followup.id);
  overlay.put(tables::chronic_followups, {followup.facility, -followup.at.micros, std::string(followup.referral.view()),
                                          followup.person, model::write(followup)});
}

net::awaitable<void> apply(Overlay& overlay, model::ResourceUpdated updated) {
  const port::Row* row = co_await overlay.get(tables::resources, {updated.facility, updated.department});
  if (row && std::get<std::int64_t>((*row)[2]) > updated.at.micros) co_return;  // a later word stands
  overlay.put(tables::resources, {updated.facility, updated.department, updated.at.micros, model::write(updated)});
}

}  // namespace hutong::pipeline
