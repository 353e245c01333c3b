// A disk that lies, dies or fills up, for the real broker: LD_PRELOAD=libhutong_shim.so. Only files below the folders
// in HUTONG_SHIM_DIR (separated by ':') are touched; everything else, and a process without that variable, goes
// straight through.
//
//   HUTONG_SHIM_MODE=drop            Power loss. Writes are kept in this process's memory until fdatasync or fsync of
//                                    the file; reads of this process see them. A SIGKILL therefore loses every byte
//                                    that no sync covered, which a kill alone never does (the page cache survives).
//     HUTONG_SHIM_KEEP_PERCENT=0     Of each unsynced write, this share of its 512-byte sectors reaches the file at
//                                    once, chosen by seed: what a disk may keep, in any order, torn anywhere.
//     HUTONG_SHIM_SEED=1
//   HUTONG_SHIM_MODE=fail-fdatasync  The call number HUTONG_SHIM_AT of fdatasync (from 1, over all files) fails with
//   EIO
//                                    and its writes are gone; later calls work, as after a kernel has dropped the
//                                    pages.
//   HUTONG_SHIM_MODE=enospc          While the file HUTONG_SHIM_TRIGGER exists, writes and reservations fail: ENOSPC.
//   HUTONG_SHIM_LOG=FILE             One line per event that the shim caused, for the driver's count.
//
// Metadata (rename, creation, unlink) is not delayed: a missing directory sync is not found by this shim. mmap'ed files
// are not covered either, so it is for the log and the audit, not for the store.
#include <dlfcn.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdarg>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

namespace {

constexpr std::size_t sector_bytes = 512;

template <class Function>
Function* next(const char* name) {
  return reinterpret_cast<Function*>(::dlsym(RTLD_NEXT, name));
}
// The system's own calls; found when first needed, because other libraries start before this one.
struct Real {
  ssize_t (*pwrite)(int, const void*, size_t, off_t) = next<ssize_t(int, const void*, size_t, off_t)>("pwrite64");
  ssize_t (*pread)(int, void*, size_t, off_t) = next<ssize_t(int, void*, size_t, off_t)>("pread64");
  ssize_t (*write)(int, const void*, size_t) = next<ssize_t(int, const void*, size_t)>("write");
  ssize_t (*read)(int, void*, size_t) = next<ssize_t(int, void*, size_t)>("read");
  int (*fdatasync)(int) = next<int(int)>("fdatasync");
  int (*fsync)(int) = next<int(int)>("fsync");
  int (*fallocate)(int, int, off_t, off_t) = next<int(int, int, off_t, off_t)>("fallocate64");
  int (*ftruncate)(int, off_t) = next<int(int, off_t)>("ftruncate64");
  int (*rename)(const char*, const char*) = next<int(const char*, const char*)>("rename");
  int (*remove)(const char*) = next<int(const char*)>("remove");
  int (*unlink)(const char*) = next<int(const char*)>("unlink");
};
const Real& real() {
  static const Real& instance = *new Real;
  return instance;
}

enum class Mode { off, drop, fail_fdatasync, enospc };

// One file's bytes that only this process knows of, by 512-byte sector. Found by inode, so every descriptor sees them.
struct Unsynced {
  std::map<std::uint64_t, std::string> sectors;
  std::uint64_t size = 0;  // the file's size with them
};
using Inode = std::pair<dev_t, ino_t>;

struct Shim {
  Mode mode = Mode::off;
  std::vector<std::string> folders;
  unsigned keep_percent = 0;
  std::uint64_t seed = 1;
  int fails_at = 0;
  std::string trigger;
  int log = -1;
  std::mutex mutex;
  std::map<Inode, Unsynced> files;
  std::atomic<int> syncs{0};

  Shim() {
    const auto text = [](const char* name) { return std::string(std::getenv(name) ? std::getenv(name) : ""); };
    const std::string chosen = text("HUTONG_SHIM_MODE");
    mode = chosen == "drop"             ? Mode::drop
           : chosen == "fail-fdatasync" ? Mode::fail_fdatasync
           : chosen == "enospc"         ? Mode::enospc
                                        : Mode::off;
    std::string all = text("HUTONG_SHIM_DIR");
    for (std::size_t at = 0; at < all.size();) {
      const std::size_t end = std::min(all.find(':', at), all.size());
      std::string folder = all.substr(at, end - at);
      while (folder.size() > 1 && folder.back() == '/') folder.pop_back();
      if (!folder.empty()) folders.push_back(canonical(folder) + "/");
      at = end + 1;
    }
    keep_percent = static_cast<unsigned>(std::atoi(text("HUTONG_SHIM_KEEP_PERCENT").c_str()));
    if (const std::string value = text("HUTONG_SHIM_SEED"); !value.empty())
      seed = std::strtoull(value.c_str(), nullptr, 10);
    fails_at = std::atoi(text("HUTONG_SHIM_AT").c_str());
    trigger = text("HUTONG_SHIM_TRIGGER");
    if (const std::string path = text("HUTONG_SHIM_LOG"); !path.empty()) {
      log = ::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    }
    if (folders.empty()) mode = Mode::off;
  }

  // As /proc names it; the folder itself need not be there yet.
  static std::string canonical(const std::string& folder) {
    char whole[4096];
    if (::realpath(folder.c_str(), whole) != nullptr) return whole;
    const std::size_t slash = folder.rfind('/');
    if (slash == std::string::npos || slash == 0) return folder;
    return canonical(folder.substr(0, slash)) + folder.substr(slash);
  }
  // xorshift64*: the same seed, the same power cut.
  std::uint64_t chance() {
    seed ^= seed >> 12;
    seed ^= seed << 25;
    seed ^= seed >> 27;
    return seed * 2685821657736338717ULL;
  }
  void note(const char* what) const {
    if (log < 0) return;
    char line[64];
    const int size = std::snprintf(line, sizeof line, "%s\n", what);
    (void)!real().write(log, line, static_cast<std::size_t>(size));
  }
  // Descriptors are looked up each time: no bookkeeping of open, dup and close to get wrong.
  bool covers(int file) const {
    char link[64], path[4096];
    std::snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    const ssize_t size = ::readlink(link, path, sizeof path - 1);
    if (size <= 0) return false;
    const std::string_view name(path, static_cast<std::size_t>(size));
    return std::any_of(folders.begin(), folders.end(), [name](const auto& folder) { return name.starts_with(folder); });
  }
  bool delays() const { return mode == Mode::drop || mode == Mode::fail_fdatasync; }
  bool full() const { return mode == Mode::enospc && !trigger.empty() && ::access(trigger.c_str(), F_OK) == 0; }
};

// Never destroyed: threads may still write while the process exits.
Shim& shim() {
  static Shim& instance = *new Shim;
  return instance;
}

bool regular(int file, struct stat& status) {
  return ::fstat(file, &status) == 0 && S_ISREG(status.st_mode);
}

// O_DIRECT descriptors take whole aligned blocks only: partial and unaligned sectors go through a plain descriptor.
class PlainFile {
 public:
  explicit PlainFile(int like) {
    char link[64];
    std::snprintf(link, sizeof link, "/proc/self/fd/%d", like);
    file_ = ::open(link, O_RDWR | O_CLOEXEC);
    if (file_ < 0) file_ = ::open(link, O_RDONLY | O_CLOEXEC);
  }
  ~PlainFile() {
    if (file_ >= 0) ::close(file_);
  }
  int get() const { return file_; }

 private:
  int file_;
};

void write_through(int file, std::uint64_t at, const std::string& bytes) {
  (void)!real().pwrite(file, bytes.data(), bytes.size(), static_cast<off_t>(at));
}

// `bytes` at `at` as this process sees the file: disk, then what is not synced over it.
ssize_t overlaid_read(int plain, Unsynced& unsynced, char* to, std::size_t bytes, std::uint64_t at) {
  if (at >= unsynced.size) return 0;
  bytes = static_cast<std::size_t>(std::min<std::uint64_t>(bytes, unsynced.size - at));
  std::memset(to, 0, bytes);
  (void)!real().pread(plain, to, bytes, static_cast<off_t>(at));
  for (auto entry = unsynced.sectors.lower_bound(at / sector_bytes); entry != unsynced.sectors.end(); ++entry) {
    const std::uint64_t begin = entry->first * sector_bytes;
    if (begin >= at + bytes) break;
    const std::uint64_t first = std::max(begin, at), last = std::min(begin + sector_bytes, at + bytes);
    std::memcpy(to + (first - at), entry->second.data() + (first - begin), last - first);
  }
  return static_cast<ssize_t>(bytes);
}

ssize_t delayed_write(int file, const struct stat& status, const char* from, std::size_t bytes, std::uint64_t at) {
  Shim& s = shim();
  const PlainFile plain(file);
  const std::lock_guard lock(s.mutex);
  Unsynced& unsynced = s.files[{status.st_dev, status.st_ino}];
  unsynced.size = std::max({unsynced.size, static_cast<std::uint64_t>(status.st_size), at + bytes});
  for (std::uint64_t done = 0; done < bytes;) {
    const std::uint64_t number = (at + done) / sector_bytes, begin = number * sector_bytes;
    const std::uint64_t offset = at + done - begin, size = std::min<std::uint64_t>(sector_bytes - offset, bytes - done);
    std::string& sector = unsynced.sectors[number];
    if (sector.empty()) {
      sector.assign(sector_bytes, '\0');
      if (size < sector_bytes) (void)!real().pread(plain.get(), sector.data(), sector_bytes, static_cast<off_t>(begin));
    }
    std::memcpy(sector.data() + offset, from + done, size);
    if (s.keep_percent > 0 && s.chance() % 100 < s.keep_percent) {
      write_through(plain.get(), begin, sector.substr(0, unsynced.size - begin));  // never beyond the file's end
    }
    done += size;
  }
  return static_cast<ssize_t>(bytes);
}

void write_out(int file, const struct stat& status) {
  Shim& s = shim();
  const std::lock_guard lock(s.mutex);
  const auto found = s.files.find({status.st_dev, status.st_ino});
  if (found == s.files.end()) return;
  const PlainFile plain(file);
  const auto& sectors = found->second.sectors;
  for (auto entry = sectors.begin(); entry != sectors.end();) {  // neighbours in one write
    const std::uint64_t first = entry->first;
    std::string run;
    for (std::uint64_t next = first; entry != sectors.end() && entry->first == next; ++entry, ++next)
      run += entry->second;
    const std::uint64_t begin = first * sector_bytes;
    run.resize(static_cast<std::size_t>(std::min<std::uint64_t>(run.size(), found->second.size - begin)));
    write_through(plain.get(), begin, run);
  }
  s.files.erase(found);
}

bool delays(int file, struct stat& status) {
  return shim().delays() && shim().covers(file) && regular(file, status);
}
// A removed file's number is used again: its unsynced bytes must not appear in the next file.
void forget(const char* path) {
  struct stat status {};
  if (!shim().delays() || ::lstat(path, &status) != 0 || status.st_nlink > 1) return;
  const std::lock_guard lock(shim().mutex);
  shim().files.erase({status.st_dev, status.st_ino});
}
bool refuses(int file) {
  return shim().full() && shim().covers(file);
}

int sync_file(int file, int (*call)(int), bool counts) {
  Shim& s = shim();
  struct stat status {};
  if (delays(file, status)) {
    if (counts && s.mode == Mode::fail_fdatasync && ++s.syncs == s.fails_at) {
      s.note("fdatasync failed");
      const std::lock_guard lock(s.mutex);
      s.files.erase({status.st_dev, status.st_ino});
      errno = EIO;
      return -1;
    }
    write_out(file, status);
  }
  return call(file);
}

ssize_t positioned_write(int file, const void* from, std::size_t bytes, off_t at) {
  if (refuses(file)) {
    shim().note("write refused");
    errno = ENOSPC;
    return -1;
  }
  struct stat status {};
  if (delays(file, status)) {
    return delayed_write(file, status, static_cast<const char*>(from), bytes, static_cast<std::uint64_t>(at));
  }
  return real().pwrite(file, from, bytes, at);
}

ssize_t positioned_read(int file, void* to, std::size_t bytes, off_t at) {
  struct stat status {};
  if (delays(file, status)) {
    const PlainFile plain(file);
    const std::lock_guard lock(shim().mutex);
    const auto found = shim().files.find({status.st_dev, status.st_ino});
    if (found != shim().files.end()) {
      return overlaid_read(plain.get(), found->second, static_cast<char*>(to), bytes, static_cast<std::uint64_t>(at));
    }
  }
  return real().pread(file, to, bytes, at);
}

// Where a plain write of `file` goes: its offset, or the end as this process sees it.
off_t write_offset(int file) {
  if ((::fcntl(file, F_GETFL) & O_APPEND) == 0) return ::lseek(file, 0, SEEK_CUR);
  struct stat status {};
  ::fstat(file, &status);
  const std::lock_guard lock(shim().mutex);
  const auto found = shim().files.find({status.st_dev, status.st_ino});
  const auto size = static_cast<std::uint64_t>(status.st_size);
  return static_cast<off_t>(found == shim().files.end() ? size : std::max(size, found->second.size));
}

}  // namespace

extern "C" {

ssize_t pwrite(int file, const void* from, size_t bytes, off_t at) {
  return positioned_write(file, from, bytes, at);
}
ssize_t pwrite64(int file, const void* from, size_t bytes, off_t at) {
  return positioned_write(file, from, bytes, at);
}
ssize_t pread(int file, void* to, size_t bytes, off_t at) {
  return positioned_read(file, to, bytes, at);
}
ssize_t pread64(int file, void* to, size_t bytes, off_t at) {
  return positioned_read(file, to, bytes, at);
}

ssize_t write(int file, const void* from, size_t bytes) {
  if (shim().mode == Mode::off) return real().write(file, from, bytes);
  if (refuses(file)) {
    shim().note("write refused");
    errno = ENOSPC;
    return -1;
  }
  struct stat status {};
  if (!delays(file, status)) return real().write(file, from, bytes);
  const off_t at = write_offset(file);
  const ssize_t written =
      delayed_write(file, status, static_cast<const char*>(from), bytes, static_cast<std::uint64_t>(at));
  ::lseek(file, at + written, SEEK_SET);
  return written;
}

ssize_t read(int file, void* to, size_t bytes) {
  struct stat status {};
  if (!delays(file, status)) return real().read(file, to, bytes);
  const off_t at = ::lseek(file, 0, SEEK_CUR);
  const ssize_t got = positioned_read(file, to, bytes, at);
  if (got > 0) ::lseek(file, at + got, SEEK_SET);
  return got;
}

ssize_t pwritev(int file, const struct iovec* parts, int count, off_t at) {
  ssize_t total = 0;
  for (int i = 0; i < count; ++i) {
    const ssize_t written = positioned_write(file, parts[i].iov_base, parts[i].iov_len, at + total);
    if (written < 0) return total > 0 ? total : -1;
    total += written;
    if (static_cast<size_t>(written) < parts[i].iov_len) break;
  }
  return total;
}
ssize_t pwritev64(int file, const struct iovec* parts, int count, off_t at) {
  return pwritev(file, parts, count, at);
}

ssize_t writev(int file, const struct iovec* parts, int count) {
  ssize_t total = 0;
  for (int i = 0; i < count; ++i) {
    const ssize_t written = write(file, parts[i].iov_base, parts[i].iov_len);
    if (written < 0) return total > 0 ? total : -1;
    total += written;
    if (static_cast<size_t>(written) < parts[i].iov_len) break;
  }
  return total;
}

int fdatasync(int file) {
  return sync_file(file, real().fdatasync, true);
}
int fsync(int file) {
  return sync_file(file, real().fsync, false);
}

int fallocate(int file, int mode, off_t at, off_t bytes) {
  if (refuses(file)) {
    errno = ENOSPC;
    return -1;
  }
  return real().fallocate(file, mode, at, bytes);
}
int fallocate64(int file, int mode, off_t at, off_t bytes) {
  return fallocate(file, mode, at, bytes);
}

int ftruncate(int file, off_t size) {
  struct stat status {};
  if (delays(file, status)) {
    const std::lock_guard lock(shim().mutex);
    const auto found = shim().files.find({status.st_dev, status.st_ino});
    if (found != shim().files.end()) {
      auto& unsynced = found->second;
      unsynced.size = static_cast<std::uint64_t>(size);
      unsynced.sectors.erase(unsynced.sectors.lower_bound((unsynced.size + sector_bytes - 1) / sector_bytes),
                             unsynced.sectors.end());
    }
  }
  return real().ftruncate(file, size);
}
int ftruncate64(int file, off_t size) {
  return ftruncate(file, size);
}

int rename(const char* from, const char* to) {
  if (shim().full()) {
    const std::string_view name(to);
    for (const auto& folder : shim().folders) {
      if (name.starts_with(folder)) {
        errno = ENOSPC;
        return -1;
      }
    }
  }
  return real().rename(from, to);
}

int unlink(const char* path) {
  forget(path);
  return real().unlink(path);
}
int remove(const char* path) {
  forget(path);
  return real().remove(path);
}

}  // extern "C"
