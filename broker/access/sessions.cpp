#include "broker/access/sessions.h"

#include <algorithm>

#include "broker/access/token.h"
#include "broker/base/hash.h"

namespace hutong::access {
namespace {

std::string name_of(std::string_view cookie) {
  const auto digest = sha256(cookie);
  return std::string(as_view(digest));
}

}  // namespace

bool Sessions::ended(const Session& session, std::chrono::nanoseconds now) const {
  return now - session.used >= session_idle || now - session.begun >= session_longest;
}

std::string Sessions::begin(Principal principal) {
  std::string cookie = base64url(random_bytes(32));
  const auto now = clock_.ticks();
  const std::lock_guard lock(mutex_);
  std::erase_if(sessions_, [&](const auto& item) { return ended(item.second, now); });
  if (sessions_.size() >= sessions_most) {
    sessions_.erase(std::min_element(sessions_.begin(), sessions_.end(),
                                     [](const auto& a, const auto& b) { return a.second.used < b.second.used; }));
  }
  sessions_[name_of(cookie)] = {std::move(principal), now, now};
  return cookie;
}

std::optional<Principal> Sessions::use(std::string_view cookie) {
  const auto now = clock_.ticks();
  const std::lock_guard lock(mutex_);
  const auto at = sessions_.find(name_of(cookie));
  if (at == sessions_.end()) return std::nullopt;
  if (ended(at->second, now)) {
    sessions_.erase(at);
    return std::nullopt;
  }
  at->second.used = now;
  return at->second.principal;
}

void Sessions::end(std::string_view cookie) {
  const std::lock_guard lock(mutex_);
  sessions_.erase(name_of(cookie));
}

std::size_t Sessions::size() const {
  const std::lock_guard lock(mutex_);
  return sessions_.size();
}

}  // namespace hutong::access
