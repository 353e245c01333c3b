// What surrounds a referral, folded into views: the follow-up lists of the centres, and what beds and slots there are.
// Threads: the projector's.
#pragma once

#include "broker/model/care.h"
#include "broker/pipeline/effects_referral.h"

namespace hutong::pipeline {

// A referral has changed. Where a downward one was taken and its patient is a chronic one, the centre is to follow up;
// where the centre has lost it since, no more. `before`: nullptr for a request.
net::awaitable<void> derive_followup(Overlay& overlay, Cause cause, const referral::Referral* before,
                                     const referral::Referral& now, const referral::Rules& rules);

net::awaitable<void> apply(Overlay& overlay, model::ChronicFollowup followup);
net::awaitable<void> apply(Overlay& overlay, model::ResourceUpdated updated);

}  // namespace hutong::pipeline
