#include "adapters/api/server_wire.h"

#include <algorithm>

namespace hutong::api {
namespace {

bool is_clean(std::string_view text) {
  return std::none_of(text.begin(), text.end(),
                      [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F; });
}

}  // namespace

Request request_of(Head head, Address address) {
  Request request;
  request.method = std::move(head.method);
  request.path = std::move(address.path);
  request.query = std::move(address.query);
  request.headers = std::move(head.headers);
  return request;
}

http::response<http::string_body> message_of(Response response, bool tls, bool head_only, bool version_1_1,
                                             bool keep_alive) {
  http::response<http::string_body> message;
  message.version(version_1_1 ? 11 : 10);
  message.result(static_cast<unsigned>(response.status));
  message.set("X-Content-Type-Options", "nosniff");
  message.set("Referrer-Policy", "no-referrer");
  message.set("Content-Security-Policy",
              "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; object-src 'none'");
  message.set("X-Frame-Options", "DENY");
  message.set("Cross-Origin-Resource-Policy", "same-origin");
  message.set(http::field::cache_control, "no-store");
  if (tls) message.set("Strict-Transport-Security", "max-age=31536000");
  for (const auto& [name, value] : response.headers) {
    // A value with a line break would be a header of the peer's choosing.
    if (!is_clean(name) || !is_clean(value)) continue;
    if (name == "Set-Cookie" || name == "Link") {
      message.insert(name, value);
    } else {
      message.set(name, value);
    }
  }
  message.keep_alive(keep_alive);
  if (response.status == 204 || response.status == 304) return message;
  message.set(http::field::content_type, response.content_type);
  if (response.stream) {
    message.body() = std::move(response.body);
    return message;
  }
  message.content_length(response.body.size());
  if (!head_only) message.body() = std::move(response.body);
  return message;
}

std::string allow_of(const std::vector<std::string>& methods) {
  std::string allow = "OPTIONS";
  for (const auto& method : methods) {
    allow += ", " + method;
    if (method == "GET") allow += ", HEAD";
  }
  return allow;
}

}  // namespace hutong::api
