#include "adapters/api/router.h"

#include <algorithm>
#include <stdexcept>

#include "broker/access/flat_object.h"

namespace hutong::api {
namespace {

constexpr std::size_t query_most = 200;

std::vector<std::string> split(std::string_view path) {
  std::vector<std::string> segments;
  if (path.starts_with('/')) path.remove_prefix(1);
  while (!path.empty()) {
    const auto slash = path.find('/');
    segments.emplace_back(path.substr(0, slash));
    if (slash == std::string_view::npos) return segments;
    path.remove_prefix(slash + 1);
    if (path.empty()) segments.emplace_back();  // "/a/" is not "/a"
  }
  return segments;
}

int digit(char c) {
  return c >= '0' && c <= '9'   ? c - '0'
         : c >= 'a' && c <= 'f' ? c - 'a' + 10
         : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                : -1;
}

bool is_utf8(std::string_view text) {
  while (!text.empty()) {
    const auto size = access::character_bytes(text);
    if (size == 0) return false;
    text.remove_prefix(size);
  }
  return true;
}

Result<std::string> decode(std::string_view text, bool plus_is_space) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    char c = text[i];
    if (c == '%') {
      const int high = i + 2 < text.size() ? digit(text[i + 1]) : -1;
      const int low = high >= 0 ? digit(text[i + 2]) : -1;
      if (low < 0) return fail(ErrorCode::invalid, "the address holds a broken percent-encoding");
      c = static_cast<char>(high * 16 + low);
      i += 2;
    } else if (c == '+' && plus_is_space) {
      c = ' ';
    }
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte == 0x7F) return fail(ErrorCode::invalid, "the address holds a control character");
    out += c;
  }
  if (!is_utf8(out)) return fail(ErrorCode::invalid, "the address is not UTF-8");
  return out;
}

}  // namespace

Router::Router(std::vector<Route> routes) : routes_(std::move(routes)) {
  for (const auto& route : routes_) {
    Entry entry{&route, split(route.pattern)};
    for (auto& segment : entry.segments) {
      if (segment.starts_with('{') && segment.ends_with('}')) segment.clear();
    }
    for (const auto& other : entries_) {
      if (other.route->method == route.method && other.segments == entry.segments) {
        throw std::invalid_argument("two routes for " + route.method + " " + route.pattern);
      }
    }
    entries_.push_back(std::move(entry));
  }
  // A capture sorts behind every literal at the first place where two patterns differ.
  std::stable_sort(entries_.begin(), entries_.end(), [](const Entry& a, const Entry& b) {
    return std::lexicographical_compare(a.segments.begin(), a.segments.end(), b.segments.begin(), b.segments.end(),
                                        [](const auto& x, const auto& y) { return !x.empty() && y.empty(); });
  });
}

Router::Match Router::find(std::string_view method, const std::vector<std::string>& segments) const {
  Match match;
  for (const auto& entry : entries_) {
    if (entry.segments.size() != segments.size()) continue;
    const bool fits =
        std::equal(segments.begin(), segments.end(), entry.segments.begin(),
                   [](const auto& given, const auto& form) { return form.empty() ? !given.empty() : given == form; });
    if (!fits) continue;
    const std::string& offered = entry.route->method;
    if (std::find(match.allowed.begin(), match.allowed.end(), offered) == match.allowed.end())
      match.allowed.push_back(offered);
    if (match.route || (offered != method && !(method == "HEAD" && offered == "GET"))) continue;
    match.route = entry.route;
    for (std::size_t i = 0; i < segments.size(); ++i) {
      if (entry.segments[i].empty()) match.captures.push_back(segments[i]);
    }
  }
  return match;
}

Result<std::vector<std::pair<std::string, std::string>>> read_query(std::string_view text) {
  std::vector<std::pair<std::string, std::string>> query;
  while (!text.empty()) {
    const auto end = text.find('&');
    const std::string_view part = text.substr(0, end);
    if (!part.empty()) {
      const auto equals = part.find('=');
      auto name = decode(part.substr(0, equals), true);
      auto value = equals == std::string_view::npos ? Result<std::string>("") : decode(part.substr(equals + 1), true);
      if (!name) return tl::unexpected<Error>(name.error());
      if (!value) return tl::unexpected<Error>(value.error());
      if (query.size() == query_most) return fail(ErrorCode::invalid, "more than 200 parameters");
      query.emplace_back(std::move(*name), std::move(*value));
    }
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  }
  return query;
}

Result<Address> read_address(std::string_view target) {
  Address address;
  const auto mark = target.find('?');
  for (const auto& segment : split(target.substr(0, mark))) {
    auto decoded = decode(segment, false);
    if (!decoded) return tl::unexpected<Error>(decoded.error());
    if (*decoded == "." || *decoded == "..") return fail(ErrorCode::invalid, "the address holds a . or .. segment");
    address.path += "/" + *decoded;
    address.segments.push_back(std::move(*decoded));
  }
  if (address.path.empty()) address.path = "/";
  if (mark != std::string_view::npos) {
    auto query = read_query(target.substr(mark + 1));
    if (!query) return tl::unexpected<Error>(query.error());
    address.query = std::move(*query);
  }
  return address;
}

}  // namespace hutong::api
