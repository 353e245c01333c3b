// HTTP as the handlers see it: a request already authenticated, bounded and decoded; a response not yet on the wire.
// server.cpp speaks Beast, routes.cpp holds the table, one file per area answers.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "broker/access/permit.h"
#include "broker/port/net.h"

namespace hutong::api {

struct Request {
  std::string method;                                          // GET POST PUT DELETE HEAD
  std::string path;                                            // decoded, without query
  std::vector<std::pair<std::string, std::string>> query;      // decoded, in order; form bodies of _search are added
  std::vector<std::pair<std::string, std::string>> headers;    // names in lower case
  std::string body;
  std::size_t oversize = 0;                                    // >0: the body was this long, `body` is its beginning
  std::string oversize_sha256;                                 // hex, of all of it
  std::vector<std::string> captures;                           // of the route's {placeholders}
  std::optional<access::Principal> principal;                  // nullopt: not authenticated
  std::string peer;                                            // address, "unix"
  bool loopback = false;
  std::string connection;                                      // "http-17"
  std::string base_url;                                        // "http://127.0.0.1:8080", from the Host header or configured

  std::string_view header(std::string_view name) const;        // "" when absent
  std::string_view parameter(std::string_view name) const;     // first value, "" when absent
};

// An answer that goes on (server-sent events): called for one piece after another, each at its own time, until it
// gives nullopt, the peer leaves or the broker stops.
using Stream = std::function<net::awaitable<std::optional<std::string>>()>;

struct Response {
  int status = 200;
  std::string content_type = "application/json; charset=utf-8";
  std::vector<std::pair<std::string, std::string>> headers;
  std::string body;
  Stream stream;               // when set: `body` first, then its pieces
};

using Handler = std::function<net::awaitable<Response>(const Request&)>;

struct Route {
  std::string method;
  std::string pattern;         // "/fhir/Patient/{id}/_history/{version}"
  std::string scope;           // "" = no authentication needed; else a scope the principal must have, or "fhir" (per resource)
  Handler handler;
  std::size_t body_limit = 1024 * 1024;  // longer bodies: 413, unread
  // A longer body is read to its end instead, and Request::oversize tells of it (limits::oversize_kept_bytes).
  bool keeps_beginning = false;
  // Asked before a body is read; what it answers is the refusal.
  std::function<std::optional<Response>(const Request&)> refuse = {};
};

}  // namespace hutong::api
