#include "broker/pipeline/effects_care.h"

#include "broker/port/tables.h"
#include "broker/referral/document.h"

namespace hutong::pipeline {

namespace tables = port::tables;

namespace {

// Since when the receiver has had the patient without a break: who does not come is to be looked after all the more,
// and who was treated stays its patient. Of a referral's steps alone, so the list's row is found again when it is left.
std::optional<Timestamp> followed_since(const referral::Referral& referral) {
  using enum model::ReferralState;
  std::optional<Timestamp> since;
  for (const auto& step : referral.steps) {
    const bool has = referral::is_taken(step.state) || step.state == closed || (since && step.state == no_show);
    if (!has) since.reset();
    if (has && !since) since = step.at;
  }
  return since;
}

port::Key key_of(const referral::Referral& referral, Timestamp since) {
  return {referral.receiver, -since.micros, std::string(referral.id.view())};
}

}  // namespace

net::awaitable<void> derive_followup(Overlay& overlay, Cause cause, const referral::Referral* before,
                                     const referral::Referral& now, const referral::Rules& rules) {
  if (now.direction != model::Direction::down) co_return;
  const auto was = before ? followed_since(*before) : std::nullopt, since = followed_since(now);
  if (was == since) co_return;
  if (was) overlay.erase(tables::chronic_followups, key_of(*before, *was));
  const auto* disease = since ? rules.chronic(now.indication.code, rules.day_of(*since)) : nullptr;
  if (!disease) co_return;
  model::ChronicFollowup followup;
  followup.id = model::followup_id(now.id, now.receiver, *since);
  followup.referral = now.id;
  followup.at = *since;
  followup.facility = now.receiver;
  followup.from = now.sender;
  followup.person = now.person;
  followup.patient_of = now.patient_of;
  followup.patient = now.patient;
  followup.code = now.indication.code;
  followup.disease = disease->code;
  co_await derive(overlay, cause, followup.id, now.id.hex(), model::chronic_followup_kind, model::write(followup));
}

net::awaitable<void> apply(Overlay& overlay, model::ChronicFollowup followup) {
  co_await met(overlay, followup.id);
  // Another desk's word of it may come when the centre has lost the patient already.
  const port::Row* row = co_await overlay.get(tables::referrals, {std::string(followup.referral.view())});
  const auto stands =
      row ? referral::read_referral(std::get<std::string>((*row)[referral_column::document])) : tl::unexpected(Error{});
  if (!stands || stands->receiver != followup.facility || followed_since(*stands) != followup.at) co_return;
  overlay.put(tables::chronic_followups, {followup.facility, -followup.at.micros, std::string(followup.referral.view()),
                                          followup.person, model::write(followup)});
}

net::awaitable<void> apply(Overlay& overlay, model::ResourceUpdated updated) {
  const port::Row* row = co_await overlay.get(tables::resources, {updated.facility, updated.department});
  if (row && std::get<std::int64_t>((*row)[2]) > updated.at.micros) co_return;  // a later word stands
  overlay.put(tables::resources, {updated.facility, updated.department, updated.at.micros, model::write(updated)});
}

}  // namespace hutong::pipeline
