// Events in our own words: the document of schemas/event/v1 with this event alone, of a step of a referral or critical
// value that of schemas/operations/v1, of a decision about persons that of schemas/identity/v1; or only what it is and
// where it can be read over FHIR; or nothing but that there is one. Pure; threads: any.
#pragma once

#include <memory>

#include "broker/port/payload.h"

namespace hutong::pipeline {

// `kind`: event, id_only or empty.
std::shared_ptr<const port::Payload> event_payload(model::PayloadKind kind);

}  // namespace hutong::pipeline
