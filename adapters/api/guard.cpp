#include "adapters/api/guard.h"

#include <algorithm>
#include <array>
#include <charconv>

#include "broker/base/limits.h"

namespace hutong::api {
namespace {

constexpr std::size_t headers_most = 100;
constexpr std::array methods{"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"};

tl::unexpected<Refusal> refuse(int status, std::string message) {
  return tl::unexpected<Refusal>(Refusal{status, std::move(message)});
}

bool is_token(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos;
  });
}

bool is_value(std::string_view text) {
  return std::none_of(text.begin(), text.end(), [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return (byte < 0x20 && byte != '\t') || byte == 0x7F;
  });
}

// Host and port as they are written in a URL; what else would end up in our own links.
bool is_host(std::string_view text) {
  return !text.empty() && text.size() <= 261 && std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           std::string_view(".-_:[]").find(c) != std::string_view::npos;
  });
}

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return out;
}

std::string_view trim(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

tl::expected<void, Refusal> request_line(std::string_view line, Head& head) {
  const auto first = line.find(' ');
  const auto second = first == std::string_view::npos ? first : line.find(' ', first + 1);
  if (second == std::string_view::npos) return refuse(400, "the request line is not METHOD target HTTP/1.1");
  head.method = line.substr(0, first);
  head.target = line.substr(first + 1, second - first - 1);
  const std::string_view version = line.substr(second + 1);
  if (version != "HTTP/1.1" && version != "HTTP/1.0") {
    const bool is_version = version.starts_with("HTTP/") && version.find(' ') == std::string_view::npos;
    return refuse(is_version ? 505 : 400, "only HTTP/1.1 and HTTP/1.0 are spoken here");
  }
  head.version_1_1 = version == "HTTP/1.1";
  if (!is_token(head.method)) return refuse(400, "the method is not a word");
  if (std::find(methods.begin(), methods.end(), head.method) == methods.end())
    return refuse(501, "the method is not known here");
  if (head.target.size() > limits::url_bytes)
    return refuse(414, "the address is longer than 8 KiB: search by POST to _search");
  const bool visible = std::all_of(head.target.begin(), head.target.end(), [](char c) { return c > 0x20 && c < 0x7F; });
  if (!visible || head.target.find('#') != std::string::npos)
    return refuse(400, "the address holds a character that must be percent-encoded");
  const bool whole_server = head.target == "*" && head.method == "OPTIONS";
  if (!head.target.starts_with('/') && !whole_server) return refuse(400, "the address must begin with /");
  return {};
}

tl::expected<void, Refusal> header_line(std::string_view line, Head& head) {
  if (line.front() == ' ' || line.front() == '\t') return refuse(400, "a header is folded over two lines");
  const auto colon = line.find(':');
  if (colon == std::string_view::npos || !is_token(line.substr(0, colon)))
    return refuse(400, "a header has no proper name");
  const std::string_view value = trim(line.substr(colon + 1));
  if (!is_value(value)) return refuse(400, "a header holds a control character");
  if (head.headers.size() == headers_most) return refuse(431, "more than 100 headers");
  head.headers.emplace_back(lower(line.substr(0, colon)), value);
  return {};
}

// Where the body ends must be said once and in one way.
tl::expected<void, Refusal> framing(Head& head) {
  const auto count = [&](std::string_view name) {
    return std::count_if(head.headers.begin(), head.headers.end(),
                         [&](const auto& header) { return header.first == name; });
  };
  for (const char* once :
       {"host", "content-length", "transfer-encoding", "content-type", "authorization", "expect", "origin"}) {
    if (count(once) > 1) return refuse(400, std::string("the header ") + once + " stands twice");
  }
  if (head.version_1_1 && count("host") == 0) return refuse(400, "the header host is missing");
  if (count("host") == 1 && !is_host(head.header("host"))) return refuse(400, "the header host is not a host name");
  if (count("transfer-encoding") == 1) {
    if (!head.version_1_1) return refuse(400, "HTTP/1.0 has no transfer-encoding");
    if (count("content-length") == 1) return refuse(400, "transfer-encoding and content-length exclude each other");
    if (lower(head.header("transfer-encoding")) != "chunked")
      return refuse(400, "the only transfer-encoding here is chunked");
    head.chunked = true;
  }
  if (count("content-length") == 1) {
    const std::string_view text = head.header("content-length");
    const bool digits = !text.empty() && text.size() <= 18 &&
                        std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
    if (!digits) return refuse(400, "the header content-length is not a number");
    std::uint64_t length = 0;
    std::from_chars(text.data(), text.data() + text.size(), length);
    head.content_length = length;
  }
  if (count("expect") == 1) {
    if (lower(head.header("expect")) != "100-continue")
      return refuse(417, "the only expectation met here is 100-continue");
    head.expects_continue = head.version_1_1;
  }
  return {};
}

void connection(Head& head) {
  head.keep_alive = head.version_1_1;
  for (const auto& [name, value] : head.headers) {
    if (name != "connection") continue;
    std::string_view rest = value;
    while (!rest.empty()) {
      const auto comma = rest.find(',');
      const std::string option = lower(trim(rest.substr(0, comma)));
      if (option == "close") head.keep_alive = false;
      if (option == "keep-alive" && !head.version_1_1) head.keep_alive = true;
      rest.remove_prefix(comma == std::string_view::npos ? rest.size() : comma + 1);
    }
  }
}

}  // namespace

std::string_view Head::header(std::string_view name) const {
  for (const auto& [key, value] : headers) {
    if (key == name) return value;
  }
  return {};
}

tl::expected<Head, Refusal> guard(std::string_view bytes) {
  if (bytes.size() > limits::http_header_bytes) return refuse(431, "the head of the request is longer than 16 KiB");
  if (!bytes.ends_with("\r\n\r\n")) return refuse(400, "the head of the request is not finished");
  bytes.remove_suffix(2);
  Head head;
  bool first = true;
  while (!bytes.empty()) {
    const auto end = bytes.find("\r\n");
    const std::string_view line = bytes.substr(0, end);
    if (line.find_first_of(std::string_view("\r\n\0", 3)) != std::string_view::npos) {
      return refuse(400, "a line ends with a lone CR or LF, or holds a NUL");
    }
    if (line.empty()) return refuse(400, "the head of the request holds an empty line");
    const auto taken = first ? request_line(line, head) : header_line(line, head);
    if (!taken) return tl::unexpected<Refusal>(taken.error());
    first = false;
    bytes.remove_prefix(end + 2);
  }
  if (first) return refuse(400, "the request line is missing");
  if (auto whole = framing(head); !whole) return tl::unexpected<Refusal>(whole.error());
  connection(head);
  return head;
}

}  // namespace hutong::api
