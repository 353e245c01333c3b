// Every system call that the journal's durability rests on, in one place, so that a test can make any of them fail,
// fall short or lie. The functions are the system calls: -1 and errno on failure. Threads: any, at once.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <string_view>

#include "adapters/log/journal/buffer.h"
#include "broker/base/error.h"

namespace hutong::journal {

class FileOps {
 public:
  virtual ~FileOps() = default;
  virtual int open(const char* path, int flags, unsigned mode);
  virtual ssize_t pread(int file, void* to, std::size_t bytes, off_t at);
  virtual ssize_t pwrite(int file, const void* from, std::size_t bytes, off_t at);
  virtual int fdatasync(int file);
  virtual int fsync(int file);
  virtual int rename(const char* from, const char* to);
  virtual int fallocate(int file, off_t at, off_t bytes);
  virtual std::uint64_t free_bytes(const char* directory);  // for this user; the largest number when unknown
};
FileOps& system_file_ops();

// Owns a file descriptor.
class File {
 public:
  File() = default;
  explicit File(int descriptor) : descriptor_(descriptor) {}
  File(File&& other) noexcept : descriptor_(other.descriptor_) { other.descriptor_ = -1; }
  File& operator=(File&& other) noexcept;
  ~File();
  int get() const { return descriptor_; }
  explicit operator bool() const { return descriptor_ >= 0; }

 private:
  int descriptor_ = -1;
};

// What went wrong with one system call: its errno stays visible, because a full disk is waited out and a failed sync
// never forgiven.
struct DiskFault {
  int error = 0;
  bool sync = false;    // of fdatasync or fsync: what was written is in doubt
  std::string what;     // "writing log/events/….segment: No space left on device"
  bool passes() const;  // the disk is full or descriptors ran out: try again later
};
template <class T>
using DiskResult = tl::expected<T, DiskFault>;

tl::unexpected<DiskFault> disk_fault(std::string_view doing, const std::string& path);  // from errno
inline Error as_error(const DiskFault& fault) {
  return {ErrorCode::unavailable, fault.what};
}

// For writing the log: with O_DIRECT where `direct` and the file system allow it.
DiskResult<File> open_for_writing(FileOps& ops, const std::string& path, int flags, bool direct);
// All of `bytes`, or a fault. Short writes are continued from a whole block.
DiskResult<void> write_all(FileOps& ops, int file, std::string_view bytes, std::uint64_t at, const std::string& path);
DiskResult<void> sync_data(FileOps& ops, int file, const std::string& path);
DiskResult<void> sync_directory(FileOps& ops, const std::string& path);
// Up to `bytes` (fewer at the file's end) into `to`.
DiskResult<std::size_t> read_at(FileOps& ops, int file, char* to, std::size_t bytes, std::uint64_t at,
                                const std::string& path);
// All of a file, as one aligned buffer.
struct Contents {
  Buffer buffer;
  std::size_t size = 0;
  std::string_view view() const { return {buffer.data(), size}; }
};
DiskResult<Contents> read_file(FileOps& ops, const std::string& path);
// New content under `path` in one step: temporary name, sync, rename, directory sync.
DiskResult<void> write_file(FileOps& ops, const std::string& directory, const std::string& name,
                            std::string_view content);

}  // namespace hutong::journal
