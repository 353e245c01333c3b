// The installation's signing key: Ed25519 in DIR/keys/token.key (PKCS#8 PEM, mode 0600), made at the first start.
// It signs access tokens and the audit chain's checkpoints. Threads: any. Lifetime: as long as the process.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <string_view>

namespace hutong::access {

class SigningKey {
 public:
  // 32 bytes. For tests; an installation's key comes from load_or_create_key.
  static SigningKey from_seed(std::string_view seed);
  explicit SigningKey(std::shared_ptr<void> key);

  std::string sign(std::string_view bytes) const;  // 64 bytes
  bool verify(std::string_view bytes, std::string_view signature) const;
  const std::string& id() const { return id_; }  // 16 hex digits of the public key's SHA-256

 private:
  std::shared_ptr<void> key_;
  std::string id_;
};

// Reads the key, or makes it, synced with its folder before it returns. Throws std::runtime_error: unreadable, not an
// Ed25519 key, or readable by others than its owner.
SigningKey load_or_create_key(const std::filesystem::path& path);

}  // namespace hutong::access
