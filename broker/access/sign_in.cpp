#include "broker/access/sign_in.h"

#include <stdexcept>

#include "broker/access/flat_object.h"
#include "broker/access/synced_file.h"
#include "broker/access/token.h"
#include "broker/base/hash.h"

namespace hutong::access {
namespace {

constexpr std::size_t open_most = 1000;

std::string name_of(std::string_view secret) {
  const auto digest = sha256(secret);
  return to_hex(as_view(digest));
}

}  // namespace

SignIns::SignIns(std::filesystem::path file) : file_(std::move(file)) {
  std::filesystem::create_directories(file_.parent_path());
  const auto lines = read_lines(file_);
  if (!lines) throw std::runtime_error(lines.error().message + ": remove it, open sign-ins are lost with it");
  for (const auto& line : *lines) {
    const auto *hash = line.text("hash"), *client = line.text("client");
    const auto expires = line.integer("expires");
    if (!hash || !client || !expires)
      throw std::runtime_error(file_.string() + " is damaged: remove it, open sign-ins are lost with it");
    open_[*hash] = {*client, *expires};
  }
}

// The file is small and whole: what is in it is open, what is not is spent, expired or was never issued.
Result<void> SignIns::save(const std::map<std::string, Open>& open) const {
  std::string content;
  for (const auto& [hash, entry] : open) {
    content += "{\"hash\":\"" + hash + "\",\"client\":";
    append_json_text(content, entry.client);
    content += ",\"expires\":" + std::to_string(entry.expires) + "}\n";
  }
  return replace_file(file_, content);
}

Result<std::string> SignIns::issue(std::string client, std::chrono::seconds ttl, Timestamp now) {
  const std::lock_guard lock(mutex_);
  const std::int64_t seconds = now.micros / 1'000'000;
  auto next = open_;
  std::erase_if(next, [&](const auto& item) { return item.second.expires <= seconds; });
  if (next.size() >= open_most)
    return fail(ErrorCode::overloaded, "too many sign-ins wait to be used: let some expire");
  std::string secret = base64url(random_bytes(16));
  next[name_of(secret)] = {std::move(client), seconds + ttl.count()};
  if (auto saved = save(next); !saved) return tl::unexpected<Error>(saved.error());
  open_ = std::move(next);
  return secret;
}

Result<std::string> SignIns::spend(std::string_view secret, Timestamp now) {
  const std::lock_guard lock(mutex_);
  const auto at = open_.find(name_of(secret));
  if (at == open_.end() || at->second.expires <= now.micros / 1'000'000) {
    return fail(ErrorCode::forbidden,
                "this sign-in was used, has expired or was never issued: ask the broker for a new one");
  }
  std::string client = at->second.client;
  auto next = open_;
  next.erase(at->first);
  if (auto saved = save(next); !saved) return tl::unexpected<Error>(saved.error());
  open_ = std::move(next);
  return client;
}

}  // namespace hutong::access
