// What may pass as the head of an HTTP request, judged on its raw bytes before anything else reads them. Two readers
// that disagree about where a request ends let one peer write another's request (smuggling); so everything that could
// be read in two ways is refused. Boost 1.81's parser alone takes several such forms.
// Threads: any (pure). RFC 9112 §2, §3, §5, §6.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <utility>
#include <vector>

namespace hutong::api {

struct Head {
  std::string method, target;
  bool version_1_1 = true;
  std::vector<std::pair<std::string, std::string>> headers;  // names in lower case, values trimmed
  bool chunked = false;
  std::optional<std::uint64_t> content_length;
  bool keep_alive = true;
  bool expects_continue = false;
  bool has_body() const { return chunked || content_length.value_or(0) > 0; }
  std::string_view header(std::string_view name) const;
};

struct Refusal {
  int status = 400;
  std::string message;  // never the peer's bytes
};

// `bytes`: from the request line to the empty line, both included. A refused head ends the connection.
tl::expected<Head, Refusal> guard(std::string_view bytes);

}  // namespace hutong::api
