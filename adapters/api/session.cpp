#include "adapters/api/session.h"

#include "broker/access/gate.h"

namespace hutong::api {

std::string_view cookie_of(const Request& request) {
  for (const auto& [name, value] : request.headers) {
    if (name != "cookie") continue;
    std::string_view rest = value;
    while (!rest.empty()) {
      const auto end = rest.find(';');
      std::string_view pair = rest.substr(0, end);
      while (pair.starts_with(' ')) pair.remove_prefix(1);
      if (pair.starts_with(session_cookie) && pair.substr(session_cookie.size()).starts_with('=')) {
        return pair.substr(session_cookie.size() + 1);
      }
      rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
    }
  }
  return {};
}

bool from_another_site(const Request& request) {
  const std::string_view site = request.header("sec-fetch-site");
  if (!site.empty() && site != "same-origin" && site != "none") return true;
  const std::string_view origin = request.header("origin");
  if (origin.empty()) return false;
  const auto host = origin.find("://");
  return host == std::string_view::npos || origin.substr(host + 3) != request.header("host");
}

bool free_on_loopback(const Request& request) {
  if (request.peer == "unix") return true;
  std::string_view host = request.header("host");
  if (host.starts_with('[')) {
    host = host.substr(0, host.find(']') + 1);
  } else {
    host = host.substr(0, host.find(':'));
  }
  const bool here = host == "localhost" || host == "[::1]" ||
                    (host.starts_with("127.") && host.find_first_not_of("0123456789.") == std::string_view::npos);
  // A proxy on this machine speaks for someone else.
  for (const char* proxied : {"forwarded", "via", "x-forwarded-for", "x-real-ip"}) {
    if (!request.header(proxied).empty()) return false;
  }
  return request.loopback && here && !from_another_site(request);
}

net::awaitable<void> Authenticator::audit_refusal(const Request& request) {
  const std::int64_t second = clock_.now().micros / 1'000'000;
  if (second_.exchange(second) != second) refusals_ = 0;
  if (refusals_.fetch_add(1) >= 10) co_return;
  access::Demand demand{access::Action::operate, "token", "", "", "", request.peer};
  static_cast<void>(co_await gate_.note(access::Principal{}, std::move(demand), "denied"));
}

net::awaitable<Result<std::optional<access::Principal>>> Authenticator::authenticate(const Request& request) {
  using Answer = Result<std::optional<access::Principal>>;
  const std::string_view authorization = request.header("authorization");
  if (!authorization.empty()) {
    const bool bearer =
        authorization.size() > 7 && (authorization.starts_with("Bearer ") || authorization.starts_with("bearer "));
    Result<access::Principal> principal = fail(ErrorCode::forbidden, "the header authorization must be Bearer <token>");
    if (bearer) principal = tokens_.verify(authorization.substr(7), clock_.now());
    if (principal) co_return Answer(std::move(*principal));
    co_await audit_refusal(request);
    co_return Answer(tl::unexpected<Error>(principal.error()));
  }
  if (request.peer == "unix" && request.principal) co_return Answer(request.principal);
  if (!request.path.starts_with("/api/v1/")) co_return Answer(std::nullopt);
  const std::string_view cookie = cookie_of(request);
  if (cookie.empty()) co_return Answer(std::nullopt);
  if (from_another_site(request))
    co_return Answer(fail(ErrorCode::forbidden, "a page of another site may not use this session"));
  co_return Answer(sessions_.use(cookie));
}

}  // namespace hutong::api
