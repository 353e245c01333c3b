// OAuth 2.0 client credentials with a signed JWT (RFC 6749 §4.4, RFC 7523; SMART Backend Services): how a program that
// holds no key of the installation gets its access token, and where it learns of that. Threads: handlers run on the
// connection's shard; what OauthDeps refers to outlives the routes.
#pragma once

#include <string>
#include <vector>

#include "adapters/api/route.h"
#include "adapters/api/session.h"
#include "broker/access/client_assertion.h"
#include "broker/access/gate.h"
#include "broker/access/token.h"

namespace hutong::api {

struct OauthDeps {
  access::ClientAssertions& assertions;
  const access::TokenMint& mint;
  access::Gate& gate;
  Authenticator& authenticator;
  const Clock& clock;
  std::string public_url;  // "": what clients on this machine call it is taken for its name
};

std::vector<Route> oauth_routes(OauthDeps deps);

}  // namespace hutong::api
