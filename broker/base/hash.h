// Digests. SHA-256 names records and reports (a sender must not be able to make two messages collide);
// HMAC-SHA-256 keys identifiers in the store (a plain hash of a card number is reversed in minutes);
// CRC32C guards stored bytes against the disk.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace hutong {

using Sha256Digest = std::array<std::uint8_t, 32>;

Sha256Digest sha256(std::string_view bytes);
Sha256Digest hmac_sha256(std::string_view key, std::string_view bytes);
// `crc` continues an earlier call; 0 starts. Castagnoli polynomial (RFC 3720 B.4), SSE4.2 where the CPU has it.
std::uint32_t crc32c(std::string_view bytes, std::uint32_t crc = 0);

// SHA-256 over several parts. Each add() is length-prefixed, so ("ab","c") and ("a","bc") differ.
class PartsHash {
 public:
  PartsHash();
  ~PartsHash();
  PartsHash(const PartsHash&) = delete;
  PartsHash& operator=(const PartsHash&) = delete;
  PartsHash& add(std::string_view part);
  PartsHash& raw(std::string_view bytes);  // without a length: for a long content fed in pieces
  Sha256Digest finish();                   // and starts anew

 private:
  void* context_;
};

std::string to_hex(std::string_view bytes);
// Of lower-case digits in pairs; nullopt: anything else.
std::optional<std::string> from_hex(std::string_view text);
inline std::string_view as_view(const Sha256Digest& digest) {
  return {reinterpret_cast<const char*>(digest.data()), digest.size()};
}
// Compares without a timing difference.
bool equal_constant_time(std::string_view a, std::string_view b);
std::string random_bytes(std::size_t count);

}  // namespace hutong
