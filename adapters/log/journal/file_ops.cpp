#include "adapters/log/journal/file_ops.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <limits>
#include <system_error>

#include "adapters/log/journal/layout.h"

namespace hutong::journal {

int FileOps::open(const char* path, int flags, unsigned mode) {
  return ::open(path, flags, mode);
}
ssize_t FileOps::pread(int file, void* to, std::size_t bytes, off_t at) {
  return ::pread(file, to, bytes, at);
}
ssize_t FileOps::pwrite(int file, const void* from, std::size_t bytes, off_t at) {
  return ::pwrite(file, from, bytes, at);
}
int FileOps::fdatasync(int file) {
  return ::fdatasync(file);
}
int FileOps::fsync(int file) {
  return ::fsync(file);
}
int FileOps::rename(const char* from, const char* to) {
  return std::rename(from, to);
}
int FileOps::fallocate(int file, off_t at, off_t bytes) {
  return ::fallocate(file, 0, at, bytes);
}
std::uint64_t FileOps::free_bytes(const char* directory) {
  struct statvfs space {};
  if (::statvfs(directory, &space) != 0) return std::numeric_limits<std::uint64_t>::max();
  return std::uint64_t{space.f_bavail} * space.f_frsize;
}

FileOps& system_file_ops() {
  static FileOps ops;
  return ops;
}

File& File::operator=(File&& other) noexcept {
  std::swap(descriptor_, other.descriptor_);
  return *this;
}
File::~File() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

bool DiskFault::passes() const {
  return !sync && (error == ENOSPC || error == EDQUOT || error == EMFILE || error == ENFILE || error == ENOMEM);
}

tl::unexpected<DiskFault> disk_fault(std::string_view doing, const std::string& path) {
  const int error = errno;
  return tl::unexpected(
      DiskFault{error, false, std::string(doing) + " " + path + ": " + std::generic_category().message(error)});
}

DiskResult<File> open_for_writing(FileOps& ops, const std::string& path, int flags, bool direct) {
  flags |= O_RDWR | O_CLOEXEC;
  int file = direct ? ops.open(path.c_str(), flags | O_DIRECT, 0600) : -1;
  if (!direct || (file < 0 && errno == EINVAL)) file = ops.open(path.c_str(), flags & ~O_EXCL, 0600);
  if (file < 0) return disk_fault("opening", path);
  return File(file);
}

DiskResult<void> write_all(FileOps& ops, int file, std::string_view bytes, std::uint64_t at, const std::string& path) {
  int stalls = 0;
  while (!bytes.empty()) {
    const ssize_t written = ops.pwrite(file, bytes.data(), bytes.size(), static_cast<off_t>(at));
    if (written < 0) {
      if (errno == EINTR) continue;
      return disk_fault("writing", path);
    }
    auto done = static_cast<std::size_t>(written);
    if (done < bytes.size()) done = done / block_bytes * block_bytes;  // O_DIRECT goes on at a whole block only
    if (done == 0 && ++stalls > 3) {
      errno = ENOSPC;
      return disk_fault("writing", path);
    }
    bytes.remove_prefix(done);
    at += done;
  }
  return {};
}

DiskResult<void> sync_data(FileOps& ops, int file, const std::string& path) {
  if (ops.fdatasync(file) == 0) return {};
  auto fault = disk_fault("syncing", path);
  fault.value().sync = true;
  return fault;
}

DiskResult<void> sync_directory(FileOps& ops, const std::string& path) {
  const File directory(ops.open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0));
  if (!directory) return disk_fault("opening", path);
  if (ops.fsync(directory.get()) == 0) return {};
  auto fault = disk_fault("syncing", path);
  fault.value().sync = true;
  return fault;
}

DiskResult<std::size_t> read_at(FileOps& ops, int file, char* to, std::size_t bytes, std::uint64_t at,
                                const std::string& path) {
  std::size_t got = 0;
  while (got < bytes) {
    const ssize_t read = ops.pread(file, to + got, bytes - got, static_cast<off_t>(at + got));
    if (read < 0) {
      if (errno == EINTR) continue;
      return disk_fault("reading", path);
    }
    if (read == 0) break;
    got += static_cast<std::size_t>(read);
  }
  return got;
}

DiskResult<Contents> read_file(FileOps& ops, const std::string& path) {
  const File file(ops.open(path.c_str(), O_RDONLY | O_CLOEXEC, 0));
  if (!file) return disk_fault("opening", path);
  struct stat status {};
  if (::fstat(file.get(), &status) != 0) return disk_fault("reading", path);
  Contents contents;
  contents.buffer = Buffer(static_cast<std::size_t>(status.st_size) + 1);
  const auto size = read_at(ops, file.get(), contents.buffer.data(), static_cast<std::size_t>(status.st_size), 0, path);
  if (!size) return tl::unexpected(size.error());
  contents.size = *size;
  return contents;
}

DiskResult<void> write_file(FileOps& ops, const std::string& directory, const std::string& name,
                            std::string_view content) {
  const std::string path = directory + "/" + name;
  const std::string temporary = path + ".tmp";
  const File file(ops.open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
  if (!file) return disk_fault("opening", temporary);
  if (auto written = write_all(ops, file.get(), content, 0, temporary); !written) return written;
  if (ops.fsync(file.get()) != 0) return disk_fault("syncing", temporary);
  if (ops.rename(temporary.c_str(), path.c_str()) != 0) return disk_fault("renaming", temporary);
  return sync_directory(ops, directory);
}

}  // namespace hutong::journal
