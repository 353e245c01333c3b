// The handlers behind referral_routes, and what the doors of referral have in common. Only for referral*.cpp.
#pragma once

#include "adapters/api/json_tree.h"
#include "adapters/api/operate_json.h"
#include "adapters/api/referral.h"
#include "adapters/api/router_fault.h"

namespace hutong::api {

using ReferralAnswer = net::awaitable<Response>;

// The decision that stands before every look and every command, with its audit record.
net::awaitable<Result<access::Permit>> referral_permit(const ReferralDeps& deps, const Request& request,
                                                       access::Action action, std::string resource,
                                                       std::string subject = "", std::string parameters = "");

// A referral as people and systems read it. `who`: in whose name it is read, for what they can do now; none: nobody's.
// `with_patient`: clinical users; an operator sees the course of things, not whose.
void write(JsonText& json, const query::Referrals& referrals, const query::ShownReferral& shown,
           const std::vector<std::string>& who, bool with_patient);
// What may be said of a verdict: whoever is no party is answered as if there were no such referral.
query::Verdict told(query::Verdict verdict);
// {"id","outcome","refusal","text",…} under "command".
void write(JsonText& json, const query::Verdict& verdict);
// What became of a command on the wire: 200, 201 for what is new, 409, 412, 404; 202 not decided yet.
int status_of(const query::Verdict& verdict);

// Of `W/"3"`, `"3"` or 3. Errors: invalid.
Result<std::optional<std::uint64_t>> expected_version(const Request& request);

// How the id of a command follows from what was sent, so that a resend is the same command: by its Idempotency-Key, or
// else by the version it was made for. A decision that names neither is a new one each time, by the `moment`; what can
// only be said once (a request, a fact) needs neither.
RecordId command_id(const Request& request, const model::ReferralCommand& command, Timestamp moment);

// referral_ledger.cpp
ReferralAnswer referral_ledger(const ReferralDeps& deps, const Request& request);
ReferralAnswer one_referral(const ReferralDeps& deps, const Request& request);
ReferralAnswer referral_verdict(const ReferralDeps& deps, const Request& request);
ReferralAnswer referral_proposals(const ReferralDeps& deps, const Request& request);
// referral_commands.cpp
ReferralAnswer request_referral(const ReferralDeps& deps, const Request& request);
ReferralAnswer command_referral(const ReferralDeps& deps, const Request& request);

}  // namespace hutong::api
