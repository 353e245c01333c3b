// A referral as wire formats show it. Threads: any (pure).
#pragma once

#include <optional>

#include "broker/model/facility.h"
#include "broker/model/referral_view.h"
#include "broker/referral/referral.h"

namespace hutong::referral {

// `updated`: when it last changed; `due`: by when whoever is waited for must have acted.
model::ReferralView view_of(const Referral& referral, const model::FacilityDirectory& facilities, Timestamp updated,
                            std::optional<Timestamp> due);

}  // namespace hutong::referral
