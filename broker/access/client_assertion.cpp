#include "broker/access/client_assertion.h"

#include <algorithm>
#include <stdexcept>

#include "broker/access/flat_object.h"
#include "broker/access/synced_file.h"
#include "broker/access/token.h"
#include "broker/base/hash.h"

namespace hutong::access {
namespace {

constexpr std::size_t spent_most = 5'000;

tl::unexpected<Error> refused(const char* why) {
  return fail(ErrorCode::forbidden, std::string("the client assertion is refused: ") + why);
}

}  // namespace

ClientAssertions::ClientAssertions(const ClientRegistry& clients, std::filesystem::path file)
    : clients_(clients), file_(std::move(file)) {
  std::filesystem::create_directories(file_.parent_path());
  const auto lines = read_lines(file_);
  const std::string advice = ": remove it five minutes after the broker stopped, when all of them have expired";
  if (!lines) throw std::runtime_error(lines.error().message + advice);
  for (const auto& line : *lines) {
    const auto* hash = line.text("hash");
    const auto expires = line.integer("expires");
    if (!hash || !expires) throw std::runtime_error(file_.string() + " is damaged" + advice);
    spent_[*hash] = *expires;
  }
}

Result<void> ClientAssertions::remember(const std::string& name, std::int64_t expires, std::int64_t now) {
  const std::lock_guard lock(mutex_);
  if (const auto at = spent_.find(name); at != spent_.end() && at->second > now) {
    return refused("its jti was used before; sign a new one for every token");
  }
  auto next = spent_;
  std::erase_if(next, [&](const auto& item) { return item.second <= now; });
  if (next.size() >= spent_most)
    return fail(ErrorCode::overloaded, "too many tokens were asked for: use each for its 300 s");
  next[name] = expires;
  std::string content;
  for (const auto& [hash, until] : next) {
    content += "{\"hash\":\"" + hash + "\",\"expires\":" + std::to_string(until) + "}\n";
  }
  if (auto saved = replace_file(file_, content); !saved) return saved;
  spent_ = std::move(next);
  return {};
}

Result<const Client*> ClientAssertions::spend(std::string_view assertion, std::string_view audience, Timestamp now) {
  if (assertion.size() > assertion_longest_bytes) return refused("it is longer than 8192 bytes");
  const auto jws = read_jws(assertion);
  if (!jws) return refused("it is not a signed JWT");
  const auto header = FlatObject::read(jws->header);
  if (!header) return refused("its header is not a plain JSON object");
  for (const auto& member : header->members()) {
    // jwk, jku, x5u, x5c, crit, b64, zip: an assertion does not bring its own rules or keys.
    if (member.name != "alg" && member.name != "typ" && member.name != "kid")
      return refused("its header has a member that is not allowed: only alg, kid and typ are");
  }
  const auto *algorithm = header->text("alg"), *key_id = header->text("kid");
  if (!algorithm || (*algorithm != "RS384" && *algorithm != "ES384")) return refused("its alg is not RS384 or ES384");
  if (!key_id) return refused("its header names no key (kid)");
  if (header->find("typ") && (!header->text("typ") || *header->text("typ") != "JWT"))
    return refused("its typ is not JWT");

  const auto claims = FlatObject::read(jws->claims);
  if (!claims) return refused("its claims are not a plain JSON object");
  const auto *issuer = claims->text("iss"), *subject = claims->text("sub"), *for_whom = claims->text("aud"),
             *id = claims->text("jti");
  if (!issuer || !subject || *issuer != *subject) return refused("iss and sub must both be the client's name");
  const Client* client = clients_.find(*issuer);
  const ClientKey* key = nullptr;
  if (client) {
    const auto fits = [&](const ClientKey& each) { return each.id == *key_id && each.algorithm == *algorithm; };
    const auto found = std::find_if(client->keys.begin(), client->keys.end(), fits);
    if (found != client->keys.end()) key = &*found;
  }
  // One answer for a stranger, another key and a forged signature: nobody learns which clients there are.
  if (!key || !key->verify(jws->signed_part, jws->signature)) {
    return refused("no registered client has signed it; check iss, kid, and [clients] jwks of the broker");
  }
  if (!for_whom || *for_whom != audience)
    return refused("its aud is not this token endpoint; see /.well-known/smart-configuration");
  const std::int64_t seconds = now.micros / 1'000'000;
  const auto expires = claims->integer("exp");
  if (!expires) return refused("it has no exp in whole seconds");
  if (*expires <= seconds) return refused("it has expired: sign a new one, and check the clocks");
  if (*expires > seconds + assertion_longest.count())
    return refused("its exp is more than 5 minutes ahead: check the clocks");
  for (const char* name : {"iat", "nbf"}) {
    const auto at = claims->integer(name);
    if (claims->find(name) && !at) return refused("its iat or nbf is not in whole seconds");
    if (at && *at > seconds + token_leeway.count()) return refused("it is not valid yet: check the clocks");
  }
  if (!id || id->empty() || id->size() > 256) return refused("it has no jti of 1 to 256 characters");
  PartsHash hash;
  const auto name = hash.add(client->name).add(*id).finish();
  if (auto fresh = remember(to_hex(as_view(name)), *expires, seconds); !fresh)
    return tl::unexpected<Error>(fresh.error());
  return client;
}

}  // namespace hutong::access
