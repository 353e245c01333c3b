// Signing in to the console and watching. A one-time secret becomes a cookie; the cookie keeps a live page open.
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "adapters/api/operate_handlers.h"
#include "adapters/api/operate_json.h"
#include "adapters/api/session.h"
#include "broker/access/flat_object.h"
#include "broker/access/gate.h"

namespace hutong::api {
namespace {

constexpr const char* console_client = "operator";
constexpr std::chrono::seconds sign_in_default{15 * 60}, sign_in_longest{12 * 3600};

std::string set_cookie(const OperateDeps& deps, std::string_view value, bool ended) {
  std::string cookie = std::string(session_cookie) + "=" + std::string(value) + "; Path=/; HttpOnly; SameSite=Strict";
  if (deps.secure_cookies) cookie += "; Secure";
  if (ended) cookie += "; Max-Age=0";
  return cookie;
}

std::string event_of(std::uint64_t number, const std::string& document) {
  return "id: " + std::to_string(number) + "\ndata: " + document + "\n\n";
}

}  // namespace

Answering issue_sign_in(const OperateDeps& deps, const Request& request) {
  const auto body =
      access::FlatObject::read(request.body.empty() ? std::string_view("{}") : std::string_view(request.body));
  const auto ttl =
      body && body->find("ttl") ? body->integer("ttl") : std::optional<std::int64_t>(sign_in_default.count());
  if (!body || !ttl || *ttl < 1 || *ttl > sign_in_longest.count()) {
    co_return fault(request.path, 400, "invalid",
                    "the body must be {\"ttl\":SECONDS}, at most 43200; it may be left out");
  }
  auto permit = co_await permit_for(deps, request, "signin");
  if (!permit) co_return fault(request.path, permit.error());
  auto secret = deps.sign_ins.issue(console_client, std::chrono::seconds(*ttl), deps.clock.now());
  if (!secret) co_return fault(request.path, secret.error());
  const auto view = deps.control.status();
  const std::string base = request.peer == "unix" && !view.http_address.empty() ? view.http_address : request.base_url;
  JsonText json;
  json.begin_object()
      .add("signin", *secret)
      .add("url", (base.find("://") == std::string::npos ? "http://" : "") + base + "/#signin=" + *secret)
      .add("expires", deps.clock.now() + std::chrono::seconds(*ttl))
      .end_object();
  co_return json_response(json.take(), 201);
}

Answering begin_session(const OperateDeps& deps, const Request& request) {
  const auto body = access::FlatObject::read(request.body);
  const std::string* secret = body ? body->text("signin") : nullptr;
  if (from_another_site(request))
    co_return fault(request.path, 403, "forbidden", "a page of another site may not sign in here");
  if (!secret || secret->size() > 64)
    co_return fault(request.path, 400, "invalid", "the body must be {\"signin\":\"<one-time>\"}");
  auto client = deps.sign_ins.spend(*secret, deps.clock.now());
  const access::Client* registered = client ? deps.clients.find(*client) : nullptr;
  if (!client || !registered) {
    const Error error =
        client ? Error{ErrorCode::forbidden, "the client of this sign-in is not registered any more"} : client.error();
    if (error.code != ErrorCode::forbidden) co_return fault(request.path, error);
    co_return fault(request.path, 401, "unauthorized", error.message);
  }
  access::Principal principal{registered->name, registered->scopes, "session"};
  access::Demand demand{access::Action::operate, "session", "", "", "", request.peer};
  auto noted = co_await deps.gate.note(principal, std::move(demand), "allowed");
  if (!noted) co_return fault(request.path, noted.error());
  JsonText json;
  json.begin_object().add("client", principal.client).end_object();
  auto response = json_response(json.take(), 201);
  response.headers.emplace_back("Set-Cookie", set_cookie(deps, deps.sessions.begin(std::move(principal)), false));
  co_return response;
}

Answering who_am_i(const OperateDeps&, const Request& request) {
  JsonText json;
  json.begin_object().add("client", request.principal->client).begin_array("scopes");
  for (const auto& scope : request.principal->scopes) json.add({}, scope);
  json.end_array().end_object();
  co_return json_response(json.take());
}

Answering end_session(const OperateDeps& deps, const Request& request) {
  deps.sessions.end(cookie_of(request));
  access::Demand demand{access::Action::operate, "session/end", "", "", "", request.peer};
  static_cast<void>(co_await deps.gate.note(*request.principal, std::move(demand), "allowed"));
  Response response;
  response.status = 204;
  response.headers.emplace_back("Set-Cookie", set_cookie(deps, "", true));
  co_return response;
}

Answering live(const OperateDeps& deps, const Request& request) {
  auto permit = co_await permit_for(deps, request, "live");
  if (!permit) co_return fault(request.path, permit.error());
  auto place = deps.live.subscribe();
  if (!place) co_return fault(request.path, 503, "overloaded", "100 browsers are watching already: close one");
  Response response;
  response.content_type = "text/event-stream; charset=utf-8";
  response.headers.emplace_back("X-Accel-Buffering", "no");
  const std::string first = deps.live.document(true);
  response.body = "retry: 2000\n\n";
  if (!first.empty()) response.body += event_of(deps.live.number(), first);
  const auto seen = std::make_shared<std::uint64_t>(deps.live.newest());
  response.stream = [&deps, place, seen,
                     cookie = std::string(cookie_of(request))]() -> net::awaitable<std::optional<std::string>> {
    // Locals first: the lambda may be copied, the coroutine must not depend on which copy runs.
    net::steady_timer timer(co_await net::this_coro::executor);
    timer.expires_after(std::chrono::seconds(1));
    co_await timer.async_wait(net::use_awaitable);
    if (!cookie.empty() && !deps.sessions.use(cookie)) co_return std::nullopt;
    co_return event_of(deps.live.number(), deps.live.document(false)) + deps.live.news(*seen);
  };
  co_return response;
}

}  // namespace hutong::api
