#include "adapters/sink/file/folder.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <system_error>

namespace hutong::file_sink {
namespace {

Result<std::vector<std::string>> names_of(std::string_view path) {
  if (!path.starts_with('/')) return fail(ErrorCode::invalid, "expected a whole path, such as \"/srv/out/ward\"");
  std::vector<std::string> names;
  while (!path.empty()) {
    path.remove_prefix(1);
    const auto name = path.substr(0, path.find('/'));
    path.remove_prefix(name.size());
    if (name.empty()) continue;
    if (name == "." || name == ".." || name.find('\0') != std::string_view::npos)
      return fail(ErrorCode::invalid, "a path without \".\" and \"..\" is expected");
    names.emplace_back(name);
  }
  if (names.empty()) return fail(ErrorCode::invalid, "\"/\" is no folder to drop files into");
  return names;
}

}  // namespace

std::string Folder::path() const {
  std::string path = root;
  for (const auto& name : below) path += "/" + name;
  return path;
}

Result<Folder> read_folder(std::string_view written) {
  auto names = names_of(written);
  if (!names) return tl::unexpected(names.error());
  return Folder{Folder{"", std::move(*names)}.path(), {}};
}

Result<Folder> read_folder(std::string_view written, const std::vector<std::string>& listed) {
  auto names = names_of(written);
  if (!names) return tl::unexpected(names.error());
  const std::vector<std::string>* nearest = nullptr;
  std::vector<std::vector<std::string>> roots;
  for (const auto& root : listed) {
    if (auto read = names_of(root)) roots.push_back(std::move(*read));
  }
  for (const auto& root : roots) {
    const bool holds = root.size() <= names->size() && std::equal(root.begin(), root.end(), names->begin());
    if (holds && (!nearest || root.size() > nearest->size())) nearest = &root;
  }
  if (!nearest) return fail(ErrorCode::forbidden, "lies in none of [delivery] folders");
  const auto depth = static_cast<std::ptrdiff_t>(nearest->size());
  return Folder{Folder{"", *nearest}.path(), {names->begin() + depth, names->end()}};
}

File::~File() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

Result<File> open_folder(const Folder& folder) {
  const auto fault = [](int error, const std::string& path) {
    const auto words = path + ": " + std::generic_category().message(error);
    return fail(error == ENOENT ? ErrorCode::not_found : ErrorCode::unavailable, words);
  };
  std::string path = folder.root;
  int at = ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (at < 0) return fault(errno, path);
  for (const auto& name : folder.below) {
    const File parent(at);
    path += "/" + name;
    at = ::openat(parent.get(), name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (at >= 0) continue;
    const int error = errno;
    struct stat found {};
    if (::fstatat(parent.get(), name.c_str(), &found, AT_SYMLINK_NOFOLLOW) == 0 && S_ISLNK(found.st_mode))
      return fail(ErrorCode::forbidden, path + " is a symbolic link, which is not followed");
    return fault(error, path);
  }
  return File(at);
}

}  // namespace hutong::file_sink
