// The handlers behind operate_routes, one file per area. Only for operate*.cpp.
#pragma once

#include "adapters/api/operate.h"
#include "adapters/api/router_fault.h"

namespace hutong::api {

using Answering = net::awaitable<Response>;

// The decision that stands before every operation, with its audit record.
net::awaitable<Result<access::Permit>> permit_for(const OperateDeps& deps, const Request& request, std::string resource,
                                                  std::string subject = "");

// The parameter `name` as a whole number from `least` to `most`; nullopt: it is not there. Errors: invalid.
Result<std::optional<std::uint64_t>> whole_number(const Request& request, std::string_view name, std::uint64_t least,
                                                  std::uint64_t most);

// operate_health.cpp
Answering healthz(const OperateDeps& deps, const Request& request);
Answering readyz(const OperateDeps& deps, const Request& request);
Answering version(const OperateDeps& deps, const Request& request);
Answering metrics(const OperateDeps& deps, const Request& request);
Answering status(const OperateDeps& deps, const Request& request);
Answering reload(const OperateDeps& deps, const Request& request);
Answering backup(const OperateDeps& deps, const Request& request);
Answering renormalize(const OperateDeps& deps, const Request& request);
// operate_messages.cpp
std::optional<Response> refuse_sender(const Request& request);
Answering take_message(const OperateDeps& deps, const Request& request);
// operate_feeds.cpp
Answering feeds(const OperateDeps& deps, const Request& request);
Answering feed(const OperateDeps& deps, const Request& request);
Answering unmapped(const OperateDeps& deps, const Request& request);
Answering trace(const OperateDeps& deps, const Request& request);
// operate_quarantine.cpp
Answering quarantine(const OperateDeps& deps, const Request& request);
Answering quarantined(const OperateDeps& deps, const Request& request);
Answering quarantined_raw(const OperateDeps& deps, const Request& request);
Answering retry_quarantined(const OperateDeps& deps, const Request& request);
// operate_alerts.cpp
Answering alerts(const OperateDeps& deps, const Request& request);
// operate_delivery.cpp
Answering subscriptions(const OperateDeps& deps, const Request& request);
Answering steer_subscription(const OperateDeps& deps, const Request& request);
Answering replay_subscription(const OperateDeps& deps, const Request& request);
Answering dead_letters(const OperateDeps& deps, const Request& request);
Answering dead_letter(const OperateDeps& deps, const Request& request);
Answering dead_letter_body(const OperateDeps& deps, const Request& request);
Answering retry_dead_letters(const OperateDeps& deps, const Request& request);
Answering discard_dead_letter(const OperateDeps& deps, const Request& request);
// operate_events.cpp
Answering subscriber_events(const OperateDeps& deps, const Request& request);
Answering acknowledge_events(const OperateDeps& deps, const Request& request);
// operate_identity.cpp
Answering identity_questions(const OperateDeps& deps, const Request& request);
Answering identity_person(const OperateDeps& deps, const Request& request);
Answering decide_identity(const OperateDeps& deps, const Request& request);
// operate_session.cpp
Answering issue_sign_in(const OperateDeps& deps, const Request& request);
Answering begin_session(const OperateDeps& deps, const Request& request);
Answering who_am_i(const OperateDeps& deps, const Request& request);
Answering end_session(const OperateDeps& deps, const Request& request);
Answering live(const OperateDeps& deps, const Request& request);

}  // namespace hutong::api
