#include "adapters/api/oauth.h"

#include <algorithm>
#include <memory>

#include "adapters/api/operate_json.h"
#include "adapters/api/router.h"
#include "adapters/api/router_fault.h"

namespace hutong::api {
namespace {

constexpr std::string_view token_path = "/oauth/token";
constexpr std::string_view assertion_type = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
constexpr std::size_t form_bytes = 16 * 1024;

// What a form says, each parameter once (RFC 6749 §3.2).
struct Asked {
  std::string grant, type, assertion, scope;
};
Result<Asked> read_asked(const Request& request) {
  if (!request.header("content-type").starts_with("application/x-www-form-urlencoded")) {
    return fail(ErrorCode::invalid, "the body must be a form: Content-Type: application/x-www-form-urlencoded");
  }
  const auto form = read_query(request.body);
  if (!form) return tl::unexpected<Error>(form.error());
  Asked asked;
  std::vector<std::string_view> seen;
  for (const auto& [name, value] : *form) {
    if (std::find(seen.begin(), seen.end(), name) != seen.end())
      return fail(ErrorCode::invalid, "a parameter was given twice");
    seen.push_back(name);
    if (name == "grant_type") asked.grant = value;
    if (name == "client_assertion_type") asked.type = value;
    if (name == "client_assertion") asked.assertion = value;
    if (name == "scope") asked.scope = value;
  }
  return asked;
}

class Oauth {
 public:
  explicit Oauth(OauthDeps deps) : deps_(std::move(deps)) {}

  net::awaitable<Response> token(const Request& request) {
    const auto asked = read_asked(request);
    if (!asked) co_return oauth_fault(400, "invalid_request", asked.error().message);
    if (asked->grant != "client_credentials") {
      co_return asked->grant.empty()
          ? oauth_fault(400, "invalid_request", "grant_type is missing")
          : oauth_fault(400, "unsupported_grant_type", "grant_type must be client_credentials");
    }
    if (asked->type != assertion_type || asked->assertion.empty()) {
      co_return oauth_fault(
          400, "invalid_request",
          "client_assertion_type must be " + std::string(assertion_type) + ", with a client_assertion");
    }
    // An assertion made for another server must not be good here because someone calls us by that server's name.
    if (deps_.public_url.empty() && !free_on_loopback(request)) {
      co_return oauth_fault(400, "invalid_request", "this broker does not know its own name: set [http] public_url");
    }
    const std::string audience = request.base_url + std::string(token_path);
    const auto client = deps_.assertions.spend(asked->assertion, audience, deps_.clock.now());
    if (!client) co_return co_await refused(request, client.error());
    const auto minted = deps_.mint.mint((*client)->name, access::token_default_ttl, deps_.clock.now(), asked->scope);
    if (!minted) co_return oauth_fault(400, "invalid_scope", minted.error().message);
    access::Demand demand{access::Action::operate, "token", "", "", "", request.peer};
    const auto noted =
        co_await deps_.gate.note({(*client)->name, minted->scopes, minted->id}, std::move(demand), "allowed");
    if (!noted) co_return oauth_fault(503, "temporarily_unavailable", noted.error().message);
    auto response = json_response(access::token_answer(*minted));
    response.headers.emplace_back("Cache-Control", "no-store");
    response.headers.emplace_back("Pragma", "no-cache");
    co_return response;
  }

  net::awaitable<Response> configuration(const Request& request) const {
    JsonText json;
    json.begin_object().add("token_endpoint", request.base_url + std::string(token_path));
    const auto list = [&](std::string_view name, std::initializer_list<std::string_view> values) {
      json.begin_array(name);
      for (const auto value : values) json.add({}, value);
      json.end_array();
    };
    list("grant_types_supported", {"client_credentials"});
    list("token_endpoint_auth_methods_supported", {"private_key_jwt"});
    list("token_endpoint_auth_signing_alg_values_supported", {"RS384", "ES384"});
    list("scopes_supported", {"system/*.cruds", "hutong/operate", "hutong/identity", "hutong/coordinate", "hutong/raw",
                              "hutong/metrics", "hutong/send"});
    list("capabilities", {"client-confidential-asymmetric", "permission-v2"});
    json.end_object();
    co_return json_response(json.take());
  }

 private:
  net::awaitable<Response> refused(const Request& request, const Error& error) {
    if (error.code != ErrorCode::forbidden) co_return oauth_fault(503, "temporarily_unavailable", error.message);
    co_await deps_.authenticator.audit_refusal(request);
    co_return oauth_fault(401, "invalid_client", error.message);
  }

  OauthDeps deps_;
};

}  // namespace

std::vector<Route> oauth_routes(OauthDeps deps) {
  const auto oauth = std::make_shared<Oauth>(std::move(deps));
  const Handler configuration = [oauth](const Request& request) { return oauth->configuration(request); };
  return {
      {"POST", std::string(token_path), "", [oauth](const Request& request) { return oauth->token(request); },
       form_bytes},
      {"GET", "/.well-known/smart-configuration", "", configuration},
      {"GET", "/fhir/.well-known/smart-configuration", "", configuration},
  };
}

}  // namespace hutong::api
