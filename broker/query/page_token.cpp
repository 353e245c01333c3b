#include "broker/query/page_token.h"

#include <array>

#include "broker/base/hash.h"

namespace hutong::query {
namespace {

constexpr std::string_view alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
constexpr std::size_t tag_bytes = 16;

std::string to_base64url(std::string_view bytes) {
  std::string text;
  text.reserve(bytes.size() * 4 / 3 + 3);
  unsigned held = 0;
  int bits = 0;
  for (char c : bytes) {
    held = held << 8 | static_cast<unsigned char>(c);
    for (bits += 8; bits >= 6; bits -= 6) text.push_back(alphabet[held >> (bits - 6) & 63]);
  }
  if (bits > 0) text.push_back(alphabet[held << (6 - bits) & 63]);
  return text;
}

std::optional<std::string> from_base64url(std::string_view text) {
  std::string bytes;
  unsigned held = 0;
  int bits = 0;
  for (char c : text) {
    const auto at = alphabet.find(c);
    if (at == std::string_view::npos) return std::nullopt;
    held = held << 6 | static_cast<unsigned>(at);
    if ((bits += 6) >= 8) {
      bits -= 8;
      bytes.push_back(static_cast<char>(held >> bits & 255));
    }
  }
  if (bits >= 6 || (held & ((1U << bits) - 1)) != 0) return std::nullopt;  // no second spelling of one token
  return bytes;
}

}  // namespace

PageToken::PageToken(std::string_view secret)
    : mac_key_(as_view(hmac_sha256(secret, "hutong page token: mac"))),
      stream_key_(as_view(hmac_sha256(secret, "hutong page token: stream"))) {}

// HMAC-SHA-256 as a pseudo-random function in counter mode; the tag is the nonce.
std::string PageToken::stream(std::string_view tag, std::string_view text) const {
  std::string out(text);
  std::string block(tag);
  block.append(4, '\0');
  for (std::size_t at = 0, counter = 0; at < out.size(); at += 32, ++counter) {
    for (std::size_t i = 0; i < 4; ++i) block[tag.size() + i] = static_cast<char>(counter >> (8 * i) & 255);
    const Sha256Digest mask = hmac_sha256(stream_key_, block);
    for (std::size_t i = 0; i < 32 && at + i < out.size(); ++i) out[at + i] = static_cast<char>(out[at + i] ^ mask[i]);
  }
  return out;
}

// Synthetic nonce: the tag is the authentication of the plain text, so equal texts give equal tokens and only those.
std::string PageToken::seal(std::string_view plain) const {
  const Sha256Digest digest = hmac_sha256(mac_key_, plain);
  const std::string_view tag = as_view(digest).substr(0, tag_bytes);
  return to_base64url(std::string(tag) + stream(tag, plain));
}

std::optional<std::string> PageToken::open(std::string_view token) const {
  const auto bytes = from_base64url(token);
  if (!bytes || bytes->size() < tag_bytes) return std::nullopt;
  const std::string_view tag = std::string_view(*bytes).substr(0, tag_bytes);
  std::string plain = stream(tag, std::string_view(*bytes).substr(tag_bytes));
  const Sha256Digest digest = hmac_sha256(mac_key_, plain);
  if (!equal_constant_time(as_view(digest).substr(0, tag_bytes), tag)) return std::nullopt;
  return plain;
}

}  // namespace hutong::query
