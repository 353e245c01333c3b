// A referral as the read side shows it to a wire format (port/rendering.h): what it is, how it stands, in words too.
// Plain values with an owner; threads: any.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "broker/model/referral.h"

namespace hutong::model {

struct ReferralView {
  ReferralId id;
  std::uint64_t version = 0;
  Timestamp updated;
  ReferralState state = ReferralState::requested;
  std::string state_zh, state_en;
  std::string number, person;
  Direction direction = Direction::unknown;
  Priority urgency = Priority::routine;
  std::string sender, sender_name, sender_department, receiver, receiver_name, receiver_department;
  Choice choice = Choice::unknown;
  std::string outside, insurance_filing, proposed;
  CodedReason indication, reason;  // why the patient is referred; of the last decision that had one
  std::optional<Slot> slot;
  std::vector<ReferralDocument> documents, reports;
  std::optional<ReferralId> follows;
  Timestamp asked;
  std::optional<Timestamp> arrived, due;
};

// Whether the last decision's reason says why it stands so: in other states it is an earlier one's.
constexpr bool shows_reason(ReferralState state) {
  return state == ReferralState::declined || state == ReferralState::redirected || state == ReferralState::closed ||
         state == ReferralState::cancelled;
}

}  // namespace hutong::model
