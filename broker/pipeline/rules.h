// What a reload (SIGHUP) replaces as a whole. Threads: any; a set is immutable once it is current.
#pragma once

#include <atomic>
#include <memory>

#include "broker/model/facility.h"
#include "broker/normalize/normalizer.h"

namespace hutong::recognition {
class Catalogue;
}
namespace hutong::referral {
class Rules;
}
namespace hutong::critical {
class Rules;
}

namespace hutong::pipeline {

struct Rules {
  std::shared_ptr<const model::FacilityDirectory> facilities;
  std::shared_ptr<const normalize::Normalizer> normalizer;
  std::shared_ptr<const recognition::Catalogue> catalogue;
  std::shared_ptr<const referral::Rules> referral;
  std::shared_ptr<const critical::Rules> critical;
  bool accept_unknown_senders = false;
};
using CurrentRules = std::atomic<std::shared_ptr<const Rules>>;

}  // namespace hutong::pipeline
