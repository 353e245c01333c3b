#include "adapters/sink/http/target.h"

#include <algorithm>
#include <charconv>
#include <optional>

namespace hutong::http_sink {
namespace {

using boost::asio::ip::address_v4;
using boost::asio::ip::address_v6;

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

// "192.0.2.7" in four decimal numbers without leading zeros, and nothing else.
std::optional<address_v4> read_v4(std::string_view text) {
  std::array<std::uint8_t, 4> bytes{};
  for (std::size_t i = 0; i < 4; ++i) {
    std::size_t digits = 0;
    unsigned value = 0;
    while (digits < text.size() && is_digit(text[digits]) && digits < 4)
      value = value * 10 + static_cast<unsigned>(text[digits++] - '0');
    if (digits == 0 || digits > 3 || value > 255 || (digits > 1 && text[0] == '0')) return std::nullopt;
    bytes[i] = static_cast<std::uint8_t>(value);
    text.remove_prefix(digits);
    if (i == 3) break;
    if (!text.starts_with('.')) return std::nullopt;
    text.remove_prefix(1);
  }
  if (!text.empty()) return std::nullopt;
  return address_v4(bytes);
}

std::optional<address_v6> read_v6(std::string_view text) {
  if (text.empty() || text.find_first_not_of("0123456789abcdefABCDEF:.") != std::string_view::npos) return std::nullopt;
  boost::system::error_code failed;
  const auto address = boost::asio::ip::make_address_v6(std::string(text), failed);
  if (failed) return std::nullopt;
  return address;
}

// A name of letters, digits and hyphens. One whose last label could be read as a number is an address in one of its
// many spellings (0x7f.1, 2130706433, 017700000001), and refused.
bool is_name(std::string_view host) {
  if (host.empty() || host.size() > 253) return false;
  std::string_view label;
  for (auto rest = host;;) {
    const auto dot = rest.find('.');
    label = rest.substr(0, dot);
    if (label.empty() || label.size() > 63 || label.front() == '-' || label.back() == '-') return false;
    for (const char c : label) {
      if (!is_digit(c) && !(c >= 'a' && c <= 'z') && c != '-') return false;
    }
    if (dot == std::string_view::npos) break;
    rest.remove_prefix(dot + 1);
  }
  return !is_digit(label.front());
}

bool is_path(std::string_view path) {
  return path.starts_with('/') && path.size() <= 2048 && std::all_of(path.begin(), path.end(), [](char c) {
           return c > ' ' && c < 0x7f && std::string_view("\\#\"<>^`{|}").find(c) == std::string_view::npos;
         });
}

tl::unexpected<Error> not_a_target() {
  return fail(ErrorCode::invalid,
              "expected https://host/path or https://host:port/path, without user, fragment or any character that is "
              "not plain ASCII; an address as four decimal numbers or [IPv6]");
}

template <std::size_t N>
bool in(const std::array<std::uint8_t, N>& bytes, std::initializer_list<std::uint8_t> prefix, unsigned bits) {
  std::array<std::uint8_t, N> with{};
  std::copy(prefix.begin(), prefix.end(), with.begin());
  for (unsigned bit = 0; bit < bits; ++bit) {
    const auto mask = static_cast<std::uint8_t>(0x80U >> bit % 8);
    if ((bytes[bit / 8] & mask) != (with[bit / 8] & mask)) return false;
  }
  return true;
}

bool is_public_v4(const address_v4& address) {
  const auto b = address.to_bytes();
  return !(in(b, {0}, 8) || in(b, {10}, 8) || in(b, {100, 64}, 10) || in(b, {127}, 8) || in(b, {169, 254}, 16) ||
           in(b, {172, 16}, 12) || in(b, {192, 0, 0}, 24) || in(b, {192, 0, 2}, 24) || in(b, {192, 88, 99}, 24) ||
           in(b, {192, 168}, 16) || in(b, {198, 18}, 15) || in(b, {198, 51, 100}, 24) || in(b, {203, 0, 113}, 24) ||
           in(b, {224}, 4) || in(b, {240}, 4));
}

address_v4 v4_at(const address_v6::bytes_type& bytes, std::size_t at) {
  return address_v4({bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]});
}

}  // namespace

std::string Target::authority() const {
  std::string text = host.find(':') == std::string::npos ? host : "[" + host + "]";
  if (port != (tls ? 443 : 80)) text += ":" + std::to_string(port);
  return text;
}

std::string Target::origin() const {
  return (tls ? "https://" : "http://") + authority();
}

Result<Target> read_target(std::string_view url) {
  Target target;
  if (url.starts_with("https://")) {
    target.tls = true;
    url.remove_prefix(8);
  } else if (url.starts_with("http://")) {
    url.remove_prefix(7);
  } else {
    return not_a_target();
  }
  const auto end = std::min(url.find('/'), url.size());
  std::string_view authority = url.substr(0, end);
  target.path = end == url.size() ? "/" : std::string(url.substr(end));
  if (!is_path(target.path)) return not_a_target();
  if (authority.starts_with('[')) {
    const auto close = authority.find(']');
    if (close == std::string_view::npos) return not_a_target();
    const auto address = read_v6(authority.substr(1, close - 1));
    if (!address) return not_a_target();
    target.host = address->to_string();
    authority.remove_prefix(close + 1);
  } else {
    const auto host = authority.substr(0, authority.find(':'));
    if (!is_name(host) && !read_v4(host)) return not_a_target();
    target.host = host;
    authority.remove_prefix(host.size());
  }
  target.port = target.tls ? 443 : 80;
  if (authority.empty()) return target;
  authority.remove_prefix(1);  // ':', as nothing else ends a host
  unsigned port = 0;
  const auto [stop, failed] = std::from_chars(authority.data(), authority.data() + authority.size(), port);
  if (failed != std::errc() || stop != authority.data() + authority.size() || port == 0 || port > 65535 ||
      authority.front() == '0' || authority.front() == '+') {
    return not_a_target();
  }
  target.port = static_cast<std::uint16_t>(port);
  return target;
}

Result<Network> read_network(std::string_view text) {
  const auto slash = std::min(text.find('/'), text.size());
  const auto address = text.substr(0, slash);
  Network network;
  if (const auto v4 = read_v4(address)) {
    const auto bytes = v4->to_bytes();
    std::copy(bytes.begin(), bytes.end(), network.bytes.begin());
    network.bits = 32;
  } else if (const auto v6 = read_v6(address)) {
    network.is_v6 = true;
    network.bytes = v6->to_bytes();
    network.bits = 128;
  } else {
    return fail(ErrorCode::invalid, "expected a network such as 10.1.0.0/16 or fd00:1::/32, or one address");
  }
  if (slash == text.size()) return network;
  const auto digits = text.substr(slash + 1);
  unsigned bits = 0;
  const auto [stop, failed] = std::from_chars(digits.data(), digits.data() + digits.size(), bits);
  if (failed != std::errc() || stop != digits.data() + digits.size() || bits > network.bits) {
    return fail(ErrorCode::invalid, "expected a network such as 10.1.0.0/16 or fd00:1::/32, or one address");
  }
  network.bits = bits;
  return network;
}

bool is_public(const Address& address) {
  if (address.is_v4()) return is_public_v4(address.to_v4());
  const auto v6 = address.to_v6();
  if (v6.scope_id() != 0) return false;
  const auto b = v6.to_bytes();
  if (in(b, {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff}, 96)) return false;  // mapped: an IPv4 address says so itself
  if (in(b, {0, 0x64, 0xff, 0x9b}, 96)) return is_public_v4(v4_at(b, 12));  // NAT64
  if (in(b, {0x20, 0x02}, 16)) return is_public_v4(v4_at(b, 2));            // 6to4
  if (in(b, {0x20, 0x01, 0, 0}, 23) || in(b, {0x20, 0x01, 0x0d, 0xb8}, 32) || in(b, {0x3f, 0xff}, 20)) return false;
  return in(b, {0x20}, 3);  // global unicast
}

Result<void> TargetGuard::check(const Target& target) const {
  const auto same = [&](const Target& origin) {
    return origin.tls == target.tls && origin.host == target.host && origin.port == target.port;
  };
  if (std::any_of(origins_.begin(), origins_.end(), same)) return {};
  return fail(ErrorCode::forbidden, target.origin() + " is not in [delivery] webhooks");
}

bool TargetGuard::is_listed(const Address& address) const {
  return std::any_of(private_networks_.begin(), private_networks_.end(), [&](const Network& network) {
    if (network.is_v6 != address.is_v6()) return false;
    std::array<std::uint8_t, 16> bytes{};
    if (address.is_v6()) {
      bytes = address.to_v6().to_bytes();
    } else {
      const auto v4 = address.to_v4().to_bytes();
      std::copy(v4.begin(), v4.end(), bytes.begin());
    }
    for (unsigned bit = 0; bit < network.bits; ++bit) {
      const auto mask = static_cast<std::uint8_t>(0x80U >> bit % 8);
      if ((bytes[bit / 8] & mask) != (network.bytes[bit / 8] & mask)) return false;
    }
    return true;
  });
}

Result<void> TargetGuard::check(std::span<const Address> addresses) const {
  for (const auto& address : addresses) {
    if (is_public(address) || is_listed(address)) continue;
    return fail(ErrorCode::forbidden, "it leads to " + address.to_string() +
                                          ", which is no public address and in none of [delivery] private_networks");
  }
  if (addresses.empty()) return fail(ErrorCode::unavailable, "its name has no address");
  return {};
}

}  // namespace hutong::http_sink
