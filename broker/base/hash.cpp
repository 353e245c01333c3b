// Four digests name each message: by way of EVP each costs as much again as its hashing, in contexts and allocations.
#define OPENSSL_SUPPRESS_DEPRECATED
#include "broker/base/hash.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <openssl/sha.h>

#include <cstring>

#include "broker/base/invariant.h"

#if defined(__x86_64__)
#include <nmmintrin.h>
#endif

namespace hutong {
namespace {

// What a PartsHash keeps: the state of the digest, and small parts until they are worth a call into OpenSSL (a call
// costs as much as hashing some forty bytes; the names of records and reports are made of parts of eight).
struct PartsContext {
  SHA256_CTX digest{};
  std::size_t waiting = 0;
  std::array<char, 256> bytes;

  void start() {
    SHA256_Init(&digest);
    waiting = 0;
  }
  void update(const void* from, std::size_t size) { SHA256_Update(&digest, from, size); }
  void flush() {
    if (waiting != 0) update(bytes.data(), waiting);
    waiting = 0;
  }
  void take(const char* from, std::size_t size) {
    if (size > bytes.size() - waiting) {
      flush();
      if (size > bytes.size() / 2) {
        update(from, size);
        return;
      }
    }
    if (size != 0) std::memcpy(bytes.data() + waiting, from, size);
    waiting += size;
  }
};

PartsContext& context_of(void* context) {
  return *static_cast<PartsContext*>(context);
}

std::uint32_t crc32c_table_step(std::uint32_t crc, const unsigned char* at, std::size_t size) {
  static const auto table = [] {
    std::array<std::uint32_t, 256> t{};
    for (std::uint32_t i = 0; i < 256; ++i) {
      std::uint32_t c = i;
      for (int bit = 0; bit < 8; ++bit) c = (c & 1U) ? (c >> 1U) ^ 0x82F63B78U : c >> 1U;
      t[i] = c;
    }
    return t;
  }();
  while (size--) crc = table[(crc ^ *at++) & 0xFFU] ^ (crc >> 8U);
  return crc;
}

#if defined(__x86_64__)
// The processor takes a new crc32 each cycle but needs three for each: three lanes run side by side, and this table
// joins them. It moves a checksum over lane_bytes zeros, byte by byte of the checksum.
constexpr std::size_t lane_bytes = 1024;

const std::array<std::array<std::uint32_t, 256>, 4>& over_lane_table() {
  static const auto table = [] {
    const std::array<unsigned char, lane_bytes> zeros{};
    std::array<std::uint32_t, 32> bits{};
    for (std::uint32_t i = 0; i < 32; ++i) bits[i] = crc32c_table_step(1U << i, zeros.data(), zeros.size());
    std::array<std::array<std::uint32_t, 256>, 4> t{};
    for (std::uint32_t byte = 0; byte < 4; ++byte) {
      for (std::uint32_t value = 0; value < 256; ++value) {
        for (std::uint32_t bit = 0; bit < 8; ++bit) {
          if ((value >> bit) & 1U) t[byte][value] ^= bits[byte * 8 + bit];
        }
      }
    }
    return t;
  }();
  return table;
}

std::uint32_t over_lane(const std::array<std::array<std::uint32_t, 256>, 4>& table, std::uint32_t crc) {
  return table[0][crc & 0xFFU] ^ table[1][(crc >> 8U) & 0xFFU] ^ table[2][(crc >> 16U) & 0xFFU] ^ table[3][crc >> 24U];
}

__attribute__((target("sse4.2"))) std::uint32_t crc32c_hardware_step(std::uint32_t crc, const unsigned char* at,
                                                                     std::size_t size) {
  if (size >= 3 * lane_bytes) {
    const auto& table = over_lane_table();
    for (; size >= 3 * lane_bytes; size -= 3 * lane_bytes, at += 3 * lane_bytes) {
      std::uint64_t a = crc, b = 0, c = 0;
      for (std::size_t i = 0; i < lane_bytes; i += 8) {
        std::uint64_t words[3];
        std::memcpy(&words[0], at + i, 8);
        std::memcpy(&words[1], at + lane_bytes + i, 8);
        std::memcpy(&words[2], at + 2 * lane_bytes + i, 8);
        a = _mm_crc32_u64(a, words[0]);
        b = _mm_crc32_u64(b, words[1]);
        c = _mm_crc32_u64(c, words[2]);
      }
      crc = over_lane(table, static_cast<std::uint32_t>(a)) ^ static_cast<std::uint32_t>(b);
      crc = over_lane(table, crc) ^ static_cast<std::uint32_t>(c);
    }
  }
  std::uint64_t c = crc;
  while (size >= 8) {
    std::uint64_t word;
    std::memcpy(&word, at, 8);
    c = _mm_crc32_u64(c, word);
    at += 8;
    size -= 8;
  }
  auto c32 = static_cast<std::uint32_t>(c);
  while (size--) c32 = _mm_crc32_u8(c32, *at++);
  return c32;
}
#endif

}  // namespace

Sha256Digest sha256(std::string_view bytes) {
  thread_local PartsHash hash;
  return hash.raw(bytes).finish();
}

// RFC 2104. By the digest itself: OpenSSL's HMAC() looks its algorithm up for every call, which costs ten times as
// much.
Sha256Digest hmac_sha256(std::string_view key, std::string_view bytes) {
  constexpr std::size_t block_size = 64;
  std::array<unsigned char, block_size> inner{}, outer{};
  if (key.size() > block_size) {
    const Sha256Digest short_key = sha256(key);
    std::memcpy(inner.data(), short_key.data(), short_key.size());
  } else {
    std::memcpy(inner.data(), key.data(), key.size());
  }
  for (std::size_t i = 0; i < block_size; ++i) {
    outer[i] = inner[i] ^ 0x5CU;
    inner[i] ^= 0x36U;
  }
  const auto of_two = [](const auto& block, const void* rest, std::size_t size) {
    Sha256Digest digest;
    SHA256_CTX context;
    SHA256_Init(&context);
    SHA256_Update(&context, block.data(), block.size());
    SHA256_Update(&context, rest, size);
    SHA256_Final(digest.data(), &context);
    return digest;
  };
  const Sha256Digest first = of_two(inner, bytes.data(), bytes.size());
  return of_two(outer, first.data(), first.size());
}

std::uint32_t crc32c(std::string_view bytes, std::uint32_t crc) {
  const auto* at = reinterpret_cast<const unsigned char*>(bytes.data());
  crc = ~crc;
#if defined(__x86_64__)
  static const bool hardware = __builtin_cpu_supports("sse4.2");
  if (hardware) return ~crc32c_hardware_step(crc, at, bytes.size());
#endif
  return ~crc32c_table_step(crc, at, bytes.size());
}

PartsHash::PartsHash() : context_(new PartsContext) {
  context_of(context_).start();
}
PartsHash::~PartsHash() {
  delete &context_of(context_);
}

PartsHash& PartsHash::add(std::string_view part) {
  const std::uint64_t size = part.size();
  char prefix[sizeof size];
  std::memcpy(prefix, &size, sizeof size);
  context_of(context_).take(prefix, sizeof prefix);
  return raw(part);
}

PartsHash& PartsHash::raw(std::string_view bytes) {
  context_of(context_).take(bytes.data(), bytes.size());
  return *this;
}

Sha256Digest PartsHash::finish() {
  PartsContext& context = context_of(context_);
  context.flush();
  Sha256Digest digest;
  SHA256_Final(digest.data(), &context.digest);
  context.start();
  return digest;
}

std::string to_hex(std::string_view bytes) {
  static constexpr char digits[] = "0123456789abcdef";
  std::string text(bytes.size() * 2, '\0');
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    auto byte = static_cast<unsigned char>(bytes[i]);
    text[2 * i] = digits[byte >> 4U];
    text[2 * i + 1] = digits[byte & 15U];
  }
  return text;
}

std::optional<std::string> from_hex(std::string_view text) {
  const auto digit = [](char c) { return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1; };
  if (text.size() % 2 != 0) return std::nullopt;
  std::string bytes;
  for (std::size_t i = 0; i < text.size(); i += 2) {
    const int high = digit(text[i]), low = digit(text[i + 1]);
    if (high < 0 || low < 0) return std::nullopt;
    bytes += static_cast<char>(high * 16 + low);
  }
  return bytes;
}

bool equal_constant_time(std::string_view a, std::string_view b) {
  return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

std::string random_bytes(std::size_t count) {
  std::string bytes(count, '\0');
  HUTONG_INVARIANT(RAND_bytes(reinterpret_cast<unsigned char*>(bytes.data()), static_cast<int>(count)) == 1,
                   "the operating system gives no randomness");
  return bytes;
}

}  // namespace hutong
