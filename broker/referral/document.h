// A referral as the store keeps it: the fold so far, one JSON document. Threads: any (pure).
#pragma once

#include <string>
#include <string_view>

#include "broker/referral/referral.h"

namespace hutong::referral {

std::string write(const Referral& referral);
// Errors: corrupt.
Result<Referral> read_referral(std::string_view json);

}  // namespace hutong::referral
