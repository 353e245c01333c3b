#include "broker/app/data_folder.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>

#include "broker/base/hash.h"

namespace hutong::app {
namespace fs = std::filesystem;

void DataFolder::prepare() const {
  std::error_code failed;
  for (const auto& folder : {root, log(), store(), audit(), keys(), run()}) {
    fs::create_directories(folder, failed);
    if (failed) throw ConfigError(fmt::format("{}: cannot be made: {}; choose [broker] data elsewhere", folder.string(), failed.message()));
  }
  for (const auto& folder : {keys(), run(), audit()}) fs::permissions(folder, fs::perms::owner_all, failed);
  if (::access(root.c_str(), W_OK) != 0) {
    throw ConfigError(fmt::format("{}: not writable for this user", root.string()));
  }
}

std::string DataFolder::identifier_key() const {
  const auto path = keys() / "identifier.key";
  std::ifstream in(path, std::ios::binary);
  if (in) {
    std::string key((std::istreambuf_iterator<char>(in)), {});
    if (key.size() != 32) throw ConfigError(fmt::format("{}: damaged (expected 32 bytes); restore it from the backup", path.string()));
    return key;
  }
  const std::string key = random_bytes(32);
  const auto temporary = path.string() + ".new";
  const int file = ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  const bool written = file >= 0 && ::write(file, key.data(), key.size()) == 32 && ::fsync(file) == 0;
  if (file >= 0) ::close(file);
  if (!written || ::rename(temporary.c_str(), path.c_str()) != 0) {
    throw ConfigError(fmt::format("{}: cannot be written", path.string()));
  }
  const int folder = ::open(keys().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (folder >= 0) {
    ::fsync(folder);
    ::close(folder);
  }
  return key;
}

}  // namespace hutong::app
