#include "broker/access/synced_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <sstream>

namespace hutong::access {
namespace {

tl::unexpected<Error> failed(const char* what, const std::filesystem::path& path) {
  return fail(ErrorCode::unavailable,
              std::string("cannot ") + what + " " + path.string() + ": " + std::strerror(errno));
}

}  // namespace

Result<void> sync_directory(const std::filesystem::path& directory) {
  const int fd = ::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return failed("open", directory);
  const int status = ::fsync(fd);
  ::close(fd);
  if (status != 0) return failed("sync", directory);
  return {};
}

Result<void> replace_file(const std::filesystem::path& path, std::string_view content) {
  const std::filesystem::path temporary = path.string() + ".new";
  const int fd = ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (fd < 0) return failed("create", temporary);
  std::string_view rest = content;
  while (!rest.empty()) {
    const ssize_t written = ::write(fd, rest.data(), rest.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) {
      ::close(fd);
      return failed("write", temporary);
    }
    rest.remove_prefix(static_cast<std::size_t>(written));
  }
  const int status = ::fsync(fd);
  ::close(fd);
  if (status != 0) return failed("sync", temporary);
  if (::rename(temporary.c_str(), path.c_str()) != 0) return failed("rename to", path);
  return sync_directory(path.parent_path());
}

Result<std::string> read_file(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) {
    if (!std::filesystem::exists(path)) return std::string();
    return failed("read", path);
  }
  std::ostringstream content;
  content << file.rdbuf();
  if (file.bad()) return failed("read", path);
  return std::move(content).str();
}

Result<std::vector<FlatObject>> read_lines(const std::filesystem::path& path) {
  const auto content = read_file(path);
  if (!content) return tl::unexpected<Error>(content.error());
  std::vector<FlatObject> lines;
  std::string_view rest = *content;
  while (!rest.empty()) {
    const auto newline = rest.find('\n');
    auto line = FlatObject::read(rest.substr(0, newline));
    if (!line) return fail(ErrorCode::corrupt, path.string() + " is damaged");
    lines.push_back(std::move(*line));
    rest.remove_prefix(newline == std::string_view::npos ? rest.size() : newline + 1);
  }
  return lines;
}

}  // namespace hutong::access
