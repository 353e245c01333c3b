#include "broker/base/hash.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>

#include <cstring>

#include "broker/base/invariant.h"

#if defined(__x86_64__)
#include <nmmintrin.h>
#endif

namespace hutong {
namespace {

EVP_MD_CTX* context_of(void* context) { return static_cast<EVP_MD_CTX*>(context); }

// EVP_sha256() is looked up once: OpenSSL 3 fetches the algorithm at every init otherwise.
const EVP_MD* sha256_algorithm() {
  static const EVP_MD* const algorithm = EVP_MD_fetch(nullptr, "SHA256", nullptr);
  return algorithm;
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
__attribute__((target("sse4.2"))) std::uint32_t crc32c_hardware_step(std::uint32_t crc, const unsigned char* at,
                                                                     std::size_t size) {
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

Sha256Digest hmac_sha256(std::string_view key, std::string_view bytes) {
  Sha256Digest digest;
  unsigned int size = digest.size();
  HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()), reinterpret_cast<const unsigned char*>(bytes.data()),
       bytes.size(), digest.data(), &size);
  return digest;
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

PartsHash::PartsHash() : context_(EVP_MD_CTX_new()) {
  EVP_DigestInit_ex2(context_of(context_), sha256_algorithm(), nullptr);
}
PartsHash::~PartsHash() { EVP_MD_CTX_free(context_of(context_)); }

PartsHash& PartsHash::add(std::string_view part) {
  std::uint64_t size = part.size();
  EVP_DigestUpdate(context_of(context_), &size, sizeof size);
  return raw(part);
}

PartsHash& PartsHash::raw(std::string_view bytes) {
  EVP_DigestUpdate(context_of(context_), bytes.data(), bytes.size());
  return *this;
}

Sha256Digest PartsHash::finish() {
  Sha256Digest digest;
  unsigned int size = digest.size();
  EVP_DigestFinal_ex(context_of(context_), digest.data(), &size);
  EVP_DigestInit_ex2(context_of(context_), nullptr, nullptr);
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
