#include "broker/access/key_file.h"

#include <fcntl.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <stdexcept>

#include "broker/access/synced_file.h"
#include "broker/base/hash.h"
#include "broker/base/invariant.h"

namespace hutong::access {
namespace {

EVP_PKEY* key_of(const std::shared_ptr<void>& key) {
  return static_cast<EVP_PKEY*>(key.get());
}

std::shared_ptr<void> hold(EVP_PKEY* key) {
  return {key, [](void* held) { EVP_PKEY_free(static_cast<EVP_PKEY*>(held)); }};
}

const unsigned char* bytes_of(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}

std::string to_pem(EVP_PKEY* key) {
  std::unique_ptr<BIO, decltype(&BIO_free)> memory(BIO_new(BIO_s_mem()), BIO_free);
  HUTONG_INVARIANT(PEM_write_bio_PKCS8PrivateKey(memory.get(), key, nullptr, nullptr, 0, nullptr, nullptr) == 1,
                   "an Ed25519 key cannot be written as PEM");
  char* data = nullptr;
  const long size = BIO_get_mem_data(memory.get(), &data);
  return {data, static_cast<std::size_t>(size)};
}

}  // namespace

SigningKey::SigningKey(std::shared_ptr<void> key) : key_(std::move(key)) {
  unsigned char raw[32];
  std::size_t size = sizeof raw;
  HUTONG_INVARIANT(EVP_PKEY_get_raw_public_key(key_of(key_), raw, &size) == 1, "the signing key is not Ed25519");
  const auto digest = sha256({reinterpret_cast<const char*>(raw), size});
  id_ = to_hex(as_view(digest)).substr(0, 16);
}

SigningKey SigningKey::from_seed(std::string_view seed) {
  HUTONG_INVARIANT(seed.size() == 32, "an Ed25519 seed is 32 bytes");
  return SigningKey(hold(EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, nullptr, bytes_of(seed), seed.size())));
}

std::string SigningKey::sign(std::string_view bytes) const {
  std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context(EVP_MD_CTX_new(), EVP_MD_CTX_free);
  std::string signature(64, '\0');
  std::size_t size = signature.size();
  const bool done = EVP_DigestSignInit(context.get(), nullptr, nullptr, nullptr, key_of(key_)) == 1 &&
                    EVP_DigestSign(context.get(), reinterpret_cast<unsigned char*>(signature.data()), &size,
                                   bytes_of(bytes), bytes.size()) == 1;
  HUTONG_INVARIANT(done && size == 64, "Ed25519 signing failed");
  return signature;
}

bool SigningKey::verify(std::string_view bytes, std::string_view signature) const {
  if (signature.size() != 64) return false;
  std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context(EVP_MD_CTX_new(), EVP_MD_CTX_free);
  return EVP_DigestVerifyInit(context.get(), nullptr, nullptr, nullptr, key_of(key_)) == 1 &&
         EVP_DigestVerify(context.get(), bytes_of(signature), signature.size(), bytes_of(bytes), bytes.size()) == 1;
}

SigningKey load_or_create_key(const std::filesystem::path& path) {
  const std::string name = path.string();
  if (!std::filesystem::exists(path)) {
    const std::string seed = random_bytes(32);
    auto key = hold(EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, nullptr, bytes_of(seed), seed.size()));
    std::filesystem::create_directories(path.parent_path());
    std::filesystem::permissions(path.parent_path(), std::filesystem::perms::owner_all);
    auto written = replace_file(path, to_pem(key_of(key)));
    if (!written) throw std::runtime_error(written.error().message);
  }
  struct stat status {};
  if (::stat(name.c_str(), &status) != 0) throw std::runtime_error("cannot read " + name + ": " + std::strerror(errno));
  if ((status.st_mode & 077) != 0) {
    throw std::runtime_error(
        name + " can be read by others than its owner: run chmod 600 on it, or remove it to get a new key");
  }
  std::unique_ptr<BIO, decltype(&BIO_free)> file(BIO_new_file(name.c_str(), "r"), BIO_free);
  EVP_PKEY* key = file ? PEM_read_bio_PrivateKey(file.get(), nullptr, nullptr, nullptr) : nullptr;
  auto held = hold(key);
  if (!key || EVP_PKEY_get_id(key) != EVP_PKEY_ED25519) {
    throw std::runtime_error(name + " is not an Ed25519 private key in PEM: restore it, or remove it to get a new key");
  }
  return SigningKey(std::move(held));
}

}  // namespace hutong::access
