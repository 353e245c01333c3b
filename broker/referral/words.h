// Referral in words, 简体中文 and English: the states, what can be done, and why something was refused and what to do
// instead. For pages, OperationOutcome and acknowledgements. Threads: any (pure).
#pragma once

#include <string>
#include <string_view>

#include "broker/model/referral.h"
#include "broker/referral/rules.h"

namespace hutong::referral {

struct Words {
  std::string_view zh, en;
};

Words words(model::ReferralState state);
Words words(model::ReferralAction action);
Words words(model::ReferralRole role);
Words words(Wait wait);

struct Sentence {
  std::string zh, en;
};
// Of an answer that refused; empty otherwise. Says nothing of the referral to who is no party of it.
Sentence explain(const model::ReferralAnswered& answered);

}  // namespace hutong::referral
