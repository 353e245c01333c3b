// What a sender hears: HL7's general acknowledgement, in original or enhanced mode, with its own delimiters, version
// and characters. Holds no personal data: issues are safe to show, and of the message only its header is echoed. A REF
// is answered by an RRI, which needs the referral's number, its first provider and the patient's number, as they were
// sent.
#pragma once

#include <string>
#include <vector>

#include "broker/port/format.h"

namespace hutong::hl7v2 {

void write_acknowledgements(const model::Draft& draft, const port::Verdict& verdict, std::vector<std::string>& out);

}  // namespace hutong::hl7v2
