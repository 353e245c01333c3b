// Who asks: from a bearer token, the console's cookie, or the unix socket. Threads: any. Lifetime: what it is given
// must outlive it.
#pragma once

#include <atomic>
#include <optional>
#include <string>

#include "adapters/api/route.h"
#include "broker/access/sessions.h"
#include "broker/access/token.h"

namespace hutong::api {

inline constexpr std::string_view session_cookie = "hutong_session";

class Authenticator {
 public:
  Authenticator(const access::TokenVerifier& tokens, access::Sessions& sessions, access::Gate& gate, const Clock& clock)
      : tokens_(tokens), sessions_(sessions), gate_(gate), clock_(clock) {}
  // nullopt: no credentials, or a cookie whose session has ended. Errors: forbidden (a token that is refused: audited,
  // at most ten times a second; a cookie on a request that another site caused).
  net::awaitable<Result<std::optional<access::Principal>>> authenticate(const Request& request);
  // Of a token, or of an assertion that asks for one: at most ten records a second.
  net::awaitable<void> audit_refusal(const Request& request);

 private:
  const access::TokenVerifier& tokens_;
  access::Sessions& sessions_;
  access::Gate& gate_;
  const Clock& clock_;
  std::atomic<std::int64_t> second_{0};
  std::atomic<int> refusals_{0};
};

std::string_view cookie_of(const Request& request);
// Whether a browser sent this on behalf of another site's page.
bool from_another_site(const Request& request);
// On this machine and from no web page: what is free on loopback. Guards against a page that points its own name here.
bool free_on_loopback(const Request& request);

}  // namespace hutong::api
