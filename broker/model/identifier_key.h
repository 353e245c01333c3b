// How people's identifiers and names become keys of the store: the projector writes rows under these keys, the read
// side looks them up. A card number is keyed by HMAC under the installation's key, because a plain hash of one is
// reversed in minutes (product.md §6.11). Pure functions; threads: any.
#pragma once

#include <string>
#include <string_view>

#include "broker/model/event.h"

namespace hutong::model {

// 32 bytes: HMAC-SHA-256 over kind name, 0, facility, 0, value. `facility` counts for facility_number and visit only
// (a resident card is one number everywhere) and is ignored for the other kinds. `value` is normalized (Identifier).
std::string identifier_key(std::string_view hmac_key, IdentifierKind kind, Text facility, Text value);

// A name as the `names` table holds it: ASCII and full-width Latin in lower case, without spaces (U+3000 too), middle
// dots, hyphens and apostrophes, so that "ABUDU·REYIMU" and "Abudu Reyimu" meet.
std::string name_key(Text name);

// The identifier's URI as it is shown and searched: its own, else that of its kind (product.md §5); "" unknown.
std::string identifier_system(const Identifier& identifier);

}  // namespace hutong::model
