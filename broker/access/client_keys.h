// A client's public keys, as its operator gives them: a JWK Set (RFC 7517) with RSA keys of 2048 bits or more (RS384)
// and EC keys on P-384 (ES384), which are what SMART Backend Services asks a server to take. Threads: read from any.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "broker/base/error.h"

namespace hutong::access {

struct ClientKey {
  std::string id;         // kid
  std::string algorithm;  // "RS384", "ES384"
  std::shared_ptr<void> key;

  // `signature` as a JWS bears it (RFC 7518 §3.3, §3.4): of ES384 the two numbers, 48 bytes each.
  bool verify(std::string_view bytes, std::string_view signature) const;
};

// Keys of other kinds or for another use are passed over. Errors: invalid (no JWK Set, a private key in it, a key
// without kid, or none that fits), with what to do.
Result<std::vector<ClientKey>> read_jwks(std::string_view json);

}  // namespace hutong::access
