// The installation's folder and what stands where in it. Everything an installation needs is in here (and in the
// configuration beside it): copying it while the broker is stopped is a backup too.
#pragma once

#include <filesystem>
#include <string>

#include "broker/access/key_file.h"
#include "broker/app/config.h"

namespace hutong::app {

struct DataFolder {
  std::filesystem::path root;
  std::filesystem::path log() const { return root / "log"; }
  std::filesystem::path store() const { return root / "store"; }
  std::filesystem::path audit() const { return root / "audit"; }
  std::filesystem::path keys() const { return root / "keys"; }
  std::filesystem::path run() const { return root / "run"; }
  std::filesystem::path schemas() const { return root / "schemas"; }
  std::filesystem::path socket() const { return run() / "hutong.sock"; }

  // Makes what is missing (mode 0700). Throws ConfigError that says what cannot be written.
  void prepare() const;
  access::SigningKey signing_key() const { return access::load_or_create_key(keys() / "token.key"); }
  // 32 bytes under which identifiers are kept in the store; made at the first start. A lost key means a rebuild.
  std::string identifier_key() const;
};

}  // namespace hutong::app
