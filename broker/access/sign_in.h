// One-time secrets that open the console: printed by the quickstart as /#signin=<secret>, good once. What was issued
// and what is spent is in DIR/keys/sign-ins (hashes only), synced before the answer: a secret is not good twice, not
// even across a kill. Threads: any. Both calls block for one sync; they are rare.
#pragma once

#include <chrono>
#include <filesystem>
#include <map>
#include <mutex>
#include <string>
#include <string_view>

#include "broker/base/error.h"
#include "broker/base/time.h"

namespace hutong::access {

class SignIns {
 public:
  // Throws std::runtime_error when the file cannot be read.
  explicit SignIns(std::filesystem::path file);
  // A new secret (22 characters) for `client`. Errors: unavailable, overloaded (1,000 wait to be used).
  Result<std::string> issue(std::string client, std::chrono::seconds ttl, Timestamp now);
  // The client it was issued for. Errors: forbidden (unknown, spent or expired: the same words), unavailable.
  Result<std::string> spend(std::string_view secret, Timestamp now);

 private:
  struct Open {
    std::string client;
    std::int64_t expires = 0;  // seconds
  };
  Result<void> save(const std::map<std::string, Open>& open) const;
  std::filesystem::path file_;
  std::mutex mutex_;
  std::map<std::string, Open> open_;  // by the secret's SHA-256 in hex
};

}  // namespace hutong::access
