// How a client says who it is without a shared secret: a JWT that it signed itself (RFC 7523, SMART Backend Services),
// good once. What was spent is in DIR/keys/assertions (hashes only), synced before the answer: an assertion is not good
// twice, not even across a kill. Threads: any. A call that accepts blocks for one sync; a client asks every five
// minutes.
#pragma once

#include <filesystem>
#include <map>
#include <mutex>
#include <string>
#include <string_view>

#include "broker/access/clients.h"
#include "broker/base/error.h"
#include "broker/base/time.h"

namespace hutong::access {

inline constexpr std::chrono::seconds assertion_longest{300};  // from now to its exp
inline constexpr std::size_t assertion_longest_bytes = 8192;

class ClientAssertions {
 public:
  // Throws std::runtime_error when the file cannot be read.
  ClientAssertions(const ClientRegistry& clients, std::filesystem::path file);
  // The client that signed it. `audience`: the token endpoint's URL. Errors: forbidden (with a reason that names no
  // content of it), overloaded (5,000 are spent and not expired), unavailable (the file cannot be written).
  Result<const Client*> spend(std::string_view assertion, std::string_view audience, Timestamp now);

 private:
  Result<void> remember(const std::string& name, std::int64_t expires, std::int64_t now);

  const ClientRegistry& clients_;
  std::filesystem::path file_;
  std::mutex mutex_;
  std::map<std::string, std::int64_t> spent_;  // SHA-256 of client and jti in hex → exp, in seconds
};

}  // namespace hutong::access
