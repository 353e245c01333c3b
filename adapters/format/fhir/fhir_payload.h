// Events as FHIR R4: a Bundle (collection) of what the event is about, with the ids and versions that reading shows,
// and its patient as the sending facility describes them; of a decision about persons the persons as reading shows
// them. Pure; threads: any.
#pragma once

#include <memory>
#include <string>

#include "broker/port/payload.h"

namespace hutong::fhir {

// `base_url` of the FHIR service, for fullUrl.
std::shared_ptr<const port::Payload> fhir_payload(std::string base_url);

}  // namespace hutong::fhir
