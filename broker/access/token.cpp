#include "broker/access/token.h"

#include <algorithm>

#include "broker/access/flat_object.h"
#include "broker/base/hash.h"

namespace hutong::access {
namespace {

constexpr std::string_view alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
constexpr std::size_t checked_most = 10'000;

tl::unexpected<Error> refused(const char* why) {
  return fail(ErrorCode::forbidden, std::string("the access token is refused: ") + why);
}

std::string joined(const std::vector<std::string>& words) {
  std::string text;
  for (const auto& word : words) text += (text.empty() ? "" : " ") + word;
  return text;
}

Result<std::vector<std::string>> scopes_of(std::string_view text) {
  std::vector<std::string> scopes;
  while (true) {
    const auto space = text.find(' ');
    const std::string_view scope = text.substr(0, space);
    if (scope.empty() || scopes.size() == 64) return refused("its scope is not a list of words");
    scopes.emplace_back(scope);
    if (space == std::string_view::npos) return scopes;
    text.remove_prefix(space + 1);
  }
}

Result<void> check_header(std::string_view json, const SigningKey& key) {
  const auto header = FlatObject::read(json);
  if (!header) return refused("its header is not a plain JSON object");
  for (const auto& member : header->members()) {
    // jwk, jku, x5u, x5c, crit, b64, zip: a token does not bring its own rules.
    if (member.name != "alg" && member.name != "typ" && member.name != "kid")
      return refused("its header has a member that is not allowed");
    if (member.kind != FlatObject::Kind::text) return refused("its header has a member that is not a text");
  }
  if (!header->text("alg") || *header->text("alg") != "EdDSA") return refused("its algorithm is not EdDSA");
  if (header->find("typ") && *header->text("typ") != "JWT") return refused("its type is not JWT");
  if (header->find("kid") && *header->text("kid") != key.id()) return refused("it names another key");
  return {};
}

}  // namespace

std::string base64url(std::string_view bytes) {
  std::string text;
  std::uint32_t bits = 0;
  int count = 0;
  for (char c : bytes) {
    bits = bits << 8U | static_cast<unsigned char>(c);
    count += 8;
    while (count >= 6) {
      count -= 6;
      text += alphabet[bits >> count & 63U];
    }
  }
  if (count > 0) text += alphabet[bits << (6 - count) & 63U];
  return text;
}

Result<std::string> from_base64url(std::string_view text) {
  std::string bytes;
  std::uint32_t bits = 0;
  int count = 0;
  for (char c : text) {
    const auto value = alphabet.find(c);
    if (value == std::string_view::npos) return fail(ErrorCode::invalid, "not base64url");
    bits = bits << 6U | static_cast<std::uint32_t>(value);
    count += 6;
    if (count >= 8) {
      count -= 8;
      bytes += static_cast<char>(bits >> count & 255U);
    }
  }
  if (count == 6 || (bits & ((1U << count) - 1)) != 0) return fail(ErrorCode::invalid, "not canonical base64url");
  return bytes;
}

Result<Jws> read_jws(std::string_view text) {
  const auto first = text.find('.');
  const auto second = first == std::string_view::npos ? first : text.find('.', first + 1);
  if (second == std::string_view::npos || text.find('.', second + 1) != std::string_view::npos) {
    return refused("it does not have three parts");
  }
  auto header = from_base64url(text.substr(0, first));
  auto claims = from_base64url(text.substr(first + 1, second - first - 1));
  auto signature = from_base64url(text.substr(second + 1));
  if (!header || !claims || !signature) return refused("it is not base64url");
  return Jws{std::move(*header), std::move(*claims), std::move(*signature), text.substr(0, second)};
}

std::string token_answer(const TokenMint::Minted& minted) {
  std::string json = "{\"access_token\":\"" + minted.token +
                     "\",\"token_type\":\"Bearer\",\"expires_in\":" + std::to_string(minted.ttl.count()) +
                     ",\"scope\":";
  append_json_text(json, joined(minted.scopes), 2048);
  return json + "}\n";
}

Result<TokenMint::Minted> TokenMint::mint(std::string_view client, std::chrono::seconds ttl, Timestamp now,
                                          std::string_view scopes) const {
  const Client* found = clients_.find(client);
  if (!found) return fail(ErrorCode::not_found, "there is no such client; there are: " + joined(clients_.names()));
  if (ttl < std::chrono::seconds(1) || ttl > token_longest_ttl) {
    return fail(ErrorCode::invalid, "a token lives between 1 second and 12 hours");
  }
  std::vector<std::string> granted = found->scopes;
  if (!scopes.empty()) {
    auto asked = scopes_of(scopes);
    const Principal widest{found->name, found->scopes, {}};
    if (!asked || !std::all_of(asked->begin(), asked->end(), [&](const auto& scope) { return widest.has(scope); })) {
      return fail(ErrorCode::forbidden, "this client may have: " + joined(found->scopes));
    }
    granted = std::move(*asked);
  }
  const std::int64_t issued = now.micros / 1'000'000;
  Minted minted{"", base64url(random_bytes(16)), std::move(granted), ttl};
  std::string claims = "{\"iss\":\"hutong\",\"aud\":\"hutong\",\"sub\":";
  append_json_text(claims, found->name);
  claims += ",\"scope\":";
  append_json_text(claims, joined(minted.scopes), 2048);
  claims += ",\"iat\":" + std::to_string(issued) + ",\"exp\":" + std::to_string(issued + ttl.count()) + ",\"jti\":\"" +
            minted.id + "\"}";
  minted.token =
      base64url("{\"alg\":\"EdDSA\",\"typ\":\"JWT\",\"kid\":\"" + key_.id() + "\"}") + "." + base64url(claims);
  minted.token += "." + base64url(key_.sign(minted.token));
  return minted;
}

Result<TokenVerifier::Checked> TokenVerifier::check(std::string_view token) const {
  if (token.size() > token_longest_bytes) return refused("it is longer than 4096 bytes");
  const auto jws = read_jws(token);
  if (!jws) return tl::unexpected<Error>(jws.error());
  if (auto good = check_header(jws->header, key_); !good) return tl::unexpected<Error>(good.error());
  if (!key_.verify(jws->signed_part, jws->signature)) return refused("its signature does not match");

  const auto claims = FlatObject::read(jws->claims);
  if (!claims) return refused("its claims are not a plain JSON object");
  const auto is = [&](const char* name, std::string_view expected) {
    const auto* text = claims->text(name);
    return text && *text == expected;
  };
  if (!is("iss", "hutong")) return refused("it was not issued here");
  if (!is("aud", token_audience)) return refused("it is for another audience");
  const auto *client = claims->text("sub"), *scope = claims->text("scope"), *id = claims->text("jti");
  if (!client || !scope) return refused("it names no client or no scope");
  if (!id || id->empty() || id->size() > 64) return refused("it has no id");
  const auto issued = claims->integer("iat"), expires = claims->integer("exp");
  if (!issued || !expires || *issued < 0 || *expires <= *issued)
    return refused("its times are missing or out of order");
  if (*expires - *issued > token_longest_ttl.count()) return refused("it lives longer than 12 hours");
  std::int64_t not_before = *issued;
  if (claims->find("nbf")) {
    const auto nbf = claims->integer("nbf");
    if (!nbf) return refused("its times are missing or out of order");
    not_before = std::max(not_before, *nbf);
  }
  const Client* registered = clients_.find(*client);
  if (!registered) return refused("its client is not registered here");
  auto scopes = scopes_of(*scope);
  if (!scopes) return tl::unexpected<Error>(scopes.error());
  const Principal widest{registered->name, registered->scopes, {}};
  for (const auto& asked : *scopes) {
    if (!widest.has(asked)) return refused("it claims a scope that its client does not have");
  }
  return Checked{{*client, std::move(*scopes), *id}, not_before, *expires};
}

Result<Principal> TokenVerifier::verify(std::string_view token, Timestamp now) const {
  const auto digest = sha256(token);
  const std::string name(as_view(digest));
  Checked checked;
  bool known = false;
  {
    const std::lock_guard lock(mutex_);
    if (auto at = checked_.find(name); at != checked_.end()) {
      checked = at->second;
      known = true;
    }
  }
  if (!known) {
    auto fresh = check(token);
    if (!fresh) return tl::unexpected<Error>(fresh.error());
    checked = std::move(*fresh);
    const std::lock_guard lock(mutex_);
    if (checked_.size() >= checked_most) checked_.clear();
    checked_.emplace(name, checked);
  }
  const std::int64_t seconds = now.micros / 1'000'000;
  if (seconds >= checked.expires + token_leeway.count()) return refused("it has expired: ask for a new one");
  if (seconds + token_leeway.count() < checked.not_before) return refused("it is not valid yet: check the clocks");
  return std::move(checked.principal);
}

}  // namespace hutong::access
