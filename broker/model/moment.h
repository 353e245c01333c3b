// Times as senders write them → FHIR R4 date and dateTime texts, with the precision and zone that were sent.
#pragma once

#include "broker/base/arena.h"
#include "broker/model/event.h"

namespace hutong::model {

// Reads the times of one message. A message says the same time many times, so the last one is remembered: not for
// two threads. A time without a zone is the facility's; a date alone has no zone. FHIR has no hour without minutes
// and no minutes without seconds: both are filled with zeros, Moment::sent keeps what was known.
class MomentReader {
 public:
  explicit MomentReader(Arena& arena, int zone_minutes = 480) : arena_(arena), zone_minutes_(zone_minutes) {}

  // Sets `moment.iso` from `moment.sent`; iso that stands already is kept. Reads HL7 v2 (YYYY[MM[DD[HH[MM[SS[.S…]]]]]]
  // [+ZZZZ], 17 digits with milliseconds too) and the separated forms of databases and FHIR ("2026-1-2 3:04:05",
  // "2026/01/02", "2026-01-02T03:04:05+08:00", "2026年1月2日"). Zeros and "0001-01-01" say nothing and leave it empty.
  // false: something was said that is no time.
  bool read(Moment& moment);

 private:
  Arena& arena_;
  const int zone_minutes_;
  Text last_sent_, last_iso_;
  bool last_good_ = true;
};

// The date of a moment, "2026-01-02", or less where less is known; "" when unknown.
inline Text date_of(const Moment& moment) {
  return moment.iso.substr(0, 10);
}

// The half-open span of a moment in microseconds (a date alone at the facility's zone); {0,0} when unknown.
TimeSpan span_of(const Moment& moment, int zone_minutes = 480);

}  // namespace hutong::model
