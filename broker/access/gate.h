// The scopes behind the Gate's decisions (permit.h declares the Gate itself).
#pragma once

#include <string>

#include "broker/access/permit.h"

namespace hutong::access {

// What a principal must have for a demand: "system/<Type>.r" to read, "system/<Type>.s" to search, "hutong/operate"
// to operate, "hutong/raw" to see quarantined bytes (resource ending in "/raw"), "hutong/identity" for a steward
// (resource beginning with "identity/"), "hutong/coordinate" for the region's duty role (resource beginning with
// "coordination/"), "system/<Type>.c" and ".u" to create and update: operating grants neither clinical content nor who
// a patient is. Reading is allowed, too, to a client with "system/Task.r" by what Demand::grant names; the audit says
// so.
std::string required_scope(const Demand& demand);

}  // namespace hutong::access
