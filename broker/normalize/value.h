// Values and reference intervals as laboratories write them → numbers, ranges, titres, findings. Internal to this room.
#pragma once

#include "broker/model/event.h"
#include "broker/terminology/terminology.h"

namespace hutong::normalize {

using model::Text;

// Reads `observation.value` from what was sent; the item, where it is known, decides what a lone "-" means. An arrow
// behind a number ("5.8↑") becomes a flag where the sender gave none. false: a number was announced (SentType::number,
// or a structured one) and something else came; the value is then text or a finding.
bool read_value(model::Observation& observation, const terminology::Item* item,
                const terminology::Terminology& terminology, Arena& arena);

// "3.5-9.5", "3.5--9.5", "3.5～9.5", "<5.2", "≤5.2", ">90", "(3.5-9.5)"; anything else keeps its text only.
void read_interval(model::Interval& interval, Arena& arena);

}  // namespace hutong::normalize
