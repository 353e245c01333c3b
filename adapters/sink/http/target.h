// Where webhooks may go. Subscriptions name URLs, and a URL is a way to make this machine knock at doors that only it
// can reach. So: an origin must be on the allow-list as it is written; a name is resolved once and the connection goes
// to the very addresses that were checked; every address must be a public one, or of a network that is listed; nothing
// is redirected. A URL is read strictly: what two readers could read differently is refused.
// Pure; threads: any.
#pragma once

#include <array>
#include <boost/asio/ip/address.hpp>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "broker/base/error.h"

namespace hutong::http_sink {

using Address = boost::asio::ip::address;

struct Target {
  bool tls = false;
  std::string host;  // a name in lower case, or an address; an IPv6 one without its brackets
  std::uint16_t port = 0;
  std::string path;  // with its query, "/" at least
  bool operator==(const Target&) const = default;
  std::string origin() const;     // "https://host:8443", the port only where it is not the scheme's
  std::string authority() const;  // for the Host header
};

// Errors: invalid, with what is expected.
Result<Target> read_target(std::string_view url);

struct Network {  // "10.1.0.0/16", "fd00:1::/32", or one address
  std::array<std::uint8_t, 16> bytes{};
  unsigned bits = 0;
  bool is_v6 = false;
};
Result<Network> read_network(std::string_view text);

class TargetGuard {
 public:
  TargetGuard() = default;  // nothing is allowed
  TargetGuard(std::vector<Target> origins, std::vector<Network> private_networks)
      : origins_(std::move(origins)), private_networks_(std::move(private_networks)) {}

  // Whether the origin is listed. Errors: forbidden.
  Result<void> check(const Target& target) const;
  // All that a name resolved to: one that may not be connected to forbids the name. Errors: forbidden.
  Result<void> check(std::span<const Address> addresses) const;

 private:
  bool is_listed(const Address& address) const;
  std::vector<Target> origins_;
  std::vector<Network> private_networks_;
};

// Globally reachable unicast, after the special-purpose registries (RFC 6890); of an IPv6 address that carries an IPv4
// one (mapped, translated, 6to4), both.
bool is_public(const Address& address);

}  // namespace hutong::http_sink
