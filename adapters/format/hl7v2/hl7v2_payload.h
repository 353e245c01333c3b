// Events as HL7 v2 messages in the receiver's version and character set: results and examinations as ORU^R01, stays and
// persons as ADT, decisions about who is one person as A24, A37 and A40, steps of referrals as REF and RRI. The
// message's time and control id are the event's, so that a delivery that is tried again is the same bytes. Pure;
// threads: any.
#pragma once

#include <memory>

#include "broker/port/payload.h"

namespace hutong::hl7v2 {

std::shared_ptr<const port::Payload> hl7v2_payload();

// 20 characters (MSH-10 is ST 20 up to 2.6) of the hash of an event's id and version.
std::string control_id_of(std::string_view event_id, std::uint32_t version);

// "2.3" to "2.8": what a message can be written in.
bool can_write_version(std::string_view version);

}  // namespace hutong::hl7v2
