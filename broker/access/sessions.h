// Sessions of the console: what a spent sign-in becomes. In memory only: a restart ends them. Ends after 15 minutes
// without a request and after 12 hours in any case (an open live page is a request that goes on).
// Threads: any.
#pragma once

#include <chrono>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "broker/access/permit.h"
#include "broker/base/time.h"

namespace hutong::access {

inline constexpr std::chrono::minutes session_idle{15};
inline constexpr std::chrono::hours session_longest{12};
inline constexpr std::size_t sessions_most = 1000;

class Sessions {
 public:
  explicit Sessions(const Clock& clock) : clock_(clock) {}
  // The cookie's value (43 characters). When all places are taken the longest unused session ends.
  std::string begin(Principal principal);
  // Whose session it is; counts as use. nullopt: none, or it has ended.
  std::optional<Principal> use(std::string_view cookie);
  void end(std::string_view cookie);
  std::size_t size() const;

 private:
  struct Session {
    Principal principal;
    std::chrono::nanoseconds begun{}, used{};
  };
  bool ended(const Session& session, std::chrono::nanoseconds now) const;
  const Clock& clock_;
  mutable std::mutex mutex_;
  std::unordered_map<std::string, Session> sessions_;  // by the cookie's SHA-256: looking one up leaks no timing
};

}  // namespace hutong::access
