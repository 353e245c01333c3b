// A Patient as a client describes one in $match (hl7.org/fhir/R4/patient-operation-match.html), in the words of the
// shared schema. Foreign input: read by SAX, bounded in depth and members. Threads: any.
#pragma once

#include <string_view>

#include "broker/base/error.h"
#include "broker/port/rendering.h"

namespace hutong::fhir {

// `body`: a Parameters with `resource`, `onlyCertainMatches` and `count`, or the Patient alone. Texts point into
// `arena`. Errors: invalid, with the element.
Result<port::MatchQuestion> read_match(std::string_view body, Arena& arena);

}  // namespace hutong::fhir
