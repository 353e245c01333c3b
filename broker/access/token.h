// Access tokens: JWT (RFC 7519) signed with EdDSA (RFC 8037) under the installation's key; 300 seconds unless asked
// otherwise, at most 12 hours. The reader takes exactly what the mint makes: one algorithm, no key from the token.
// Threads: any. Lifetime: key and clients must outlive both.
#pragma once

#include <chrono>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>

#include "broker/access/clients.h"
#include "broker/access/key_file.h"
#include "broker/access/permit.h"
#include "broker/base/error.h"
#include "broker/base/time.h"

namespace hutong::access {

inline constexpr std::chrono::seconds token_default_ttl{300};
inline constexpr std::chrono::seconds token_longest_ttl{12 * 3600};
inline constexpr std::chrono::seconds token_leeway{30};
inline constexpr std::size_t token_longest_bytes = 4096;
inline constexpr std::string_view token_audience = "hutong";

class TokenMint {
 public:
  TokenMint(const SigningKey& key, const ClientRegistry& clients) : key_(key), clients_(clients) {}
  struct Minted {
    std::string token, id;
    std::vector<std::string> scopes;
    std::chrono::seconds ttl{};
  };
  // With the scopes asked for, separated by spaces; "": all of the client. Errors: not_found (names the clients there
  // are), invalid (ttl), forbidden (a scope that the client does not have).
  Result<Minted> mint(std::string_view client, std::chrono::seconds ttl, Timestamp now,
                      std::string_view scopes = {}) const;

 private:
  const SigningKey& key_;
  const ClientRegistry& clients_;
};

class TokenVerifier {
 public:
  TokenVerifier(const SigningKey& key, const ClientRegistry& clients) : key_(key), clients_(clients) {}
  // Errors: forbidden, with a reason that names no content of the token.
  Result<Principal> verify(std::string_view token, Timestamp now) const;

 private:
  struct Checked {
    Principal principal;
    std::int64_t not_before = 0, expires = 0;  // seconds
  };
  Result<Checked> check(std::string_view token) const;

  const SigningKey& key_;
  const ClientRegistry& clients_;
  // A signature costs 130 µs to check and a client uses its token many times: by SHA-256, bounded.
  mutable std::mutex mutex_;
  mutable std::unordered_map<std::string, Checked> checked_;
};

// RFC 6749 §5.1.
std::string token_answer(const TokenMint::Minted& minted);

// The three parts of a JWS in compact form (RFC 7515 §7.1); nothing of it is believed yet. Errors: forbidden.
struct Jws {
  std::string header, claims, signature;  // decoded
  std::string_view signed_part;           // of the text that was read
};
Result<Jws> read_jws(std::string_view text);
std::string base64url(std::string_view bytes);
// Strict: no padding, no foreign characters, no unused bits; nullopt-like by `good`.
Result<std::string> from_base64url(std::string_view text);

}  // namespace hutong::access
