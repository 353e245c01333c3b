// Draft → Event + Issues: what a Format read, in the shared schema's terms. Codes get their LOINC, units their UCUM,
// times their zone, identifiers their kind; everything as sent stays beside it. In place, without I/O and without a
// clock: the same message and the same tables give the same event.
// Threads: any, concurrently. Lifetime: everything added to the Draft lives in its Arena or in the tables; the Draft
// must not outlive the Normalizer.
#pragma once

#include <memory>
#include <utility>

#include "broker/model/event.h"
#include "broker/model/facility.h"
#include "broker/terminology/terminology.h"

namespace hutong::normalize {

class Normalizer {
 public:
  // `zone_minutes`: of times without a zone from a sender that nobody registered.
  explicit Normalizer(std::shared_ptr<const terminology::Terminology> terminology, int zone_minutes = 480)
      : terminology_(std::move(terminology)), zone_minutes_(zone_minutes) {}

  // `sender`: who sent it; nullptr when unregistered (then the shared map applies). `facilities` resolves
  // whose a number is and which laboratory performed a test.
  void normalize(model::Draft& draft, const model::Facility* sender, const model::FacilityDirectory& facilities) const;

  const terminology::Terminology& terminology() const { return *terminology_; }

 private:
  std::shared_ptr<const terminology::Terminology> terminology_;
  int zone_minutes_;
};

}  // namespace hutong::normalize
