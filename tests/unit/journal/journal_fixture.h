// A journal in a folder of its own with small segments, system calls that a test can spoil, and short words for
// appending and reading.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <filesystem>
#include <fstream>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "adapters/log/journal/directory.h"
#include "adapters/log/journal/file_ops.h"
#include "adapters/log/journal/journal_log.h"
#include "tests/support/await.h"

namespace hutong::journal {

namespace fs = std::filesystem;
using tests::await;

// A function that a test sets while the journal's threads call it. Answers with an errno; 0: go ahead.
template <class... Arguments>
class Hook {
 public:
  template <class Function>
  Hook& operator=(Function function) {
    const std::lock_guard lock(mutex_);
    function_ = std::move(function);
    return *this;
  }
  int operator()(Arguments... arguments) {
    std::function<int(Arguments...)> function;
    {
      const std::lock_guard lock(mutex_);
      function = function_;
    }
    return function ? function(arguments...) : 0;
  }

 private:
  std::mutex mutex_;
  std::function<int(Arguments...)> function_;
};

// The system's calls, each of which a test may spoil for a while.
class SpoiledFileOps final : public FileOps {
 public:
  Hook<std::size_t> on_write;  // a positive errno leaves half of the write on disk, a negative one nothing
  Hook<> on_sync, on_read, on_reserve, on_open;
  std::atomic<std::uint64_t> free{std::uint64_t{1} << 40};
  std::atomic<int> syncs{0};
  std::atomic<std::size_t> short_write{0};  // this many bytes at most go in one call

  int open(const char* path, int flags, unsigned mode) override {
    return spoiled(on_open) ? -1 : FileOps::open(path, flags, mode);
  }
  ssize_t pread(int file, void* to, std::size_t bytes, off_t at) override {
    return spoiled(on_read) ? -1 : FileOps::pread(file, to, bytes, at);
  }
  ssize_t pwrite(int file, const void* from, std::size_t bytes, off_t at) override {
    if (const int error = on_write(bytes)) {
      if (error > 0) FileOps::pwrite(file, from, bytes / 2 / 4096 * 4096, at);
      errno = error > 0 ? error : -error;
      return -1;
    }
    if (const std::size_t most = short_write; most > 0 && bytes > most) bytes = most;
    return FileOps::pwrite(file, from, bytes, at);
  }
  int fdatasync(int file) override {
    ++syncs;
    return spoiled(on_sync) ? -1 : FileOps::fdatasync(file);
  }
  int fallocate(int file, off_t at, off_t bytes) override {
    return spoiled(on_reserve) ? -1 : FileOps::fallocate(file, at, bytes);
  }
  std::uint64_t free_bytes(const char*) override { return free; }

 private:
  static bool spoiled(Hook<>& hook) {
    const int error = hook();
    if (error != 0) errno = error;
    return error != 0;
  }
};

class JournalTest : public ::testing::Test {
 protected:
  JournalTest() {
    static int number = 0;
    const fs::path base = fs::exists("/dev/shm") ? "/dev/shm" : fs::temp_directory_path();
    directory_ = base / ("hutong-journal-" + std::to_string(::getpid()) + "-" + std::to_string(number++));
    fs::remove_all(directory_);
    options_.directory = directory_ / "log";
    options_.segment_bytes = 128 * 1024;
    options_.seal_after = std::chrono::milliseconds(-1);
    options_.direct_io = false;
    options_.gather = {};
    options_.file_ops = &ops_;
  }
  ~JournalTest() override {
    log_.reset();
    fs::remove_all(directory_);
  }

  static port::Record record(std::uint64_t number, std::size_t raw_bytes = 500) {
    port::Record record;
    const std::string name = std::to_string(number);
    record.id = RecordId(sha256(name));
    record.key = "h/" + name;
    record.kinds = "patient.updated";
    record.json = "{\"n\":" + name + "}";
    record.raw.assign(raw_bytes, static_cast<char>('a' + number % 26));
    return record;
  }

  Result<void> open() {
    log_.reset();
    auto opened = JournalLog::open(options_);
    if (!opened) return tl::unexpected(opened.error());
    log_ = std::move(*opened);
    return {};
  }
  void must_open() {
    const auto opened = open();
    if (!opened) throw std::runtime_error(opened.error().message);
  }
  Result<std::vector<port::Position>> append(std::vector<port::Record> batch, port::Topic topic = Topic::events) {
    return await(log_->append(topic, std::move(batch)));
  }
  Result<port::Slice> read(Offset from, port::ReadLimit limit = {}) {
    return await(log_->read({Topic::events, 0}, from, limit));
  }
  Offset end() { return *await(log_->end({Topic::events, 0})); }
  // Appends records first, first + 1 … one by one.
  void fill(std::uint64_t first, std::uint64_t count, std::size_t raw_bytes = 500) {
    for (std::uint64_t i = first; i < first + count; ++i) {
      const auto positions = append({record(i, raw_bytes)});
      if (!positions) throw std::runtime_error(positions.error().message);
      if ((*positions)[0].offset != i) throw std::runtime_error("offset " + std::to_string((*positions)[0].offset));
    }
  }
  // Empty when the log holds records 0 … count-1, whole; else what is wrong.
  std::string wrong(std::uint64_t count, std::size_t raw_bytes = 500) {
    if (end() != count) return "end is " + std::to_string(end());
    for (Offset from = 0; from < count;) {
      const auto slice = read(from);
      if (!slice) return slice.error().message;
      if (slice->records.empty()) return "nothing at " + std::to_string(from);
      for (const auto& stored : slice->records) {
        const port::Record expected = record(stored.offset, raw_bytes);
        if (stored.offset != from++) return "offset " + std::to_string(stored.offset);
        if (stored.record.id != expected.id || stored.record.key != expected.key || stored.record.raw != expected.raw ||
            stored.record.json != expected.json || stored.record.kinds != expected.kinds) {
          return "record " + std::to_string(stored.offset) + " differs";
        }
      }
    }
    return {};
  }
  // Leaves the files as a kill -9 at this moment does: nothing is flushed or sealed.
  void crash() {
    fs::copy(directory_ / "log", directory_ / "crashed", fs::copy_options::recursive);
    log_.reset();
    fs::remove_all(directory_ / "log");
    fs::rename(directory_ / "crashed", directory_ / "log");
  }

  std::vector<fs::path> segments(port::Topic topic = Topic::events) const {
    std::vector<fs::path> files;
    for (const auto& entry : fs::directory_iterator(options_.directory / port::to_string(topic))) {
      if (entry.path().extension() == ".segment") files.push_back(entry.path());
    }
    std::sort(files.begin(), files.end());
    return files;
  }
  static std::string bytes_of(const fs::path& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  static void write_at(const fs::path& path, std::uint64_t at, std::string_view bytes) {
    std::fstream file(path, std::ios::binary | std::ios::in | std::ios::out);
    file.seekp(static_cast<std::streamoff>(at));
    file.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  }
  TopicPlace place(port::Topic topic = Topic::events) {
    return place_of(ops_, options_, *read_log_id(ops_, options_.directory), topic);
  }
  // What a scan makes of the topic's last segment now.
  Tail tail() {
    const auto listed = list_segments(place());
    const std::string bytes = bytes_of(listed->back()->path);
    return *scan_segment(bytes, listed->back()->header, listed->back()->name);
  }

  fs::path directory_;
  SpoiledFileOps ops_;
  JournalOptions options_;
  std::unique_ptr<JournalLog> log_;
};

}  // namespace hutong::journal
