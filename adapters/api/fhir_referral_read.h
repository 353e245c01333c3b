// A client's ServiceRequest and Task as a referral command. Only for fhir_referral.cpp. Threads: any (pure).
#pragma once

#include <string>
#include <vector>

#include "adapters/api/json_tree.h"
#include "broker/base/error.h"
#include "broker/model/facility.h"
#include "broker/model/referral.h"
#include "broker/query/clinical_search.h"
#include "broker/referral/referral.h"

namespace hutong::api {

struct AskedReferral {
  model::ReferralCommand command;  // a request, but for its patient and ids
  query::PersonSearch patient;
};
// `request`: the ServiceRequest; `task`: an empty tree where there is none. Errors: invalid, with the element.
Result<AskedReferral> read_request(const JsonTree& request, const JsonTree& task,
                                   const model::FacilityDirectory& facilities);

// What a client that has put this Task wants done to the referral as it stands; nullopt: nothing is changed. Errors:
// invalid, with the element.
Result<std::optional<model::ReferralCommand>> read_change(const JsonTree& task, const referral::Referral& stands);

// Whether the Task puts again what this command has said once, which led from the one state to the other: its answer
// was lost, and it no longer changes anything.
bool says_again(const JsonTree& task, const model::ReferralCommand& said, model::ReferralState before,
                model::ReferralState after);

// "Organization/cc-east", or an identifier of urn:hutong:facility.
std::string organization_of(const JsonTree& reference);
std::vector<model::ReferralState> states_of_status(std::string_view task_status);  // none: no such status

}  // namespace hutong::api
