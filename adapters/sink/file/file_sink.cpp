#include "adapters/sink/file/file_sink.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/steady_timer.hpp>
#include <cerrno>
#include <condition_variable>
#include <cstdio>
#include <ctime>
#include <mutex>
#include <optional>
#include <system_error>
#include <thread>

#include "broker/base/hash.h"
#include "broker/base/thread.h"
#include "broker/port/completion.h"

namespace hutong::file_sink {
namespace {

using port::Receipt;
using port::Taken;

constexpr mode_t readable_by_group = 0640;
constexpr std::chrono::hours left_behind{1};  // a part that is older is of a broker that died
constexpr std::string_view part = ".part";

std::string_view extension_of(std::string_view content_type) {
  if (content_type.starts_with("application/fhir+json")) return ".fhir.json";
  if (content_type.starts_with("application/json")) return ".json";
  if (content_type.starts_with("x-application/hl7-v2+er7")) return ".hl7";
  return ".event";
}

Receipt fault(Taken taken, const char* doing, int error) {
  if (error == ENOSPC || error == EDQUOT) return {taken, "the disk is full", {}};
  return {taken, std::string(doing) + ": " + std::generic_category().message(error), {}};
}

// What waits for the disk: one file after the other. Shared by the sink and its thread: a folder that never answers (a
// share whose server is gone) keeps the thread, not the broker.
class Dropper {
 public:
  using Answer = std::shared_ptr<port::Completion<Receipt>>;

  explicit Dropper(FileSinkOptions options) : options_(std::move(options)), run_(to_hex(random_bytes(4))) {
    if (!options_.write) options_.write = ::write;
    if (!options_.sync_data) options_.sync_data = ::fdatasync;
    if (!options_.sync_folder) options_.sync_folder = ::fsync;
  }

  bool give(port::Parcel parcel, Answer answer) {
    const std::lock_guard lock(mutex_);
    if (busy_) return false;
    busy_ = true;
    next_.emplace(std::move(parcel), std::move(answer));
    changed_.notify_one();
    return true;
  }
  bool busy() const {
    const std::lock_guard lock(mutex_);
    return busy_;
  }
  void stop() {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    changed_.notify_one();
  }
  void run() {
    name_this_thread("file sink");
    std::unique_lock lock(mutex_);
    for (;;) {
      changed_.wait(lock, [this] { return stopping_ || next_; });
      if (!next_) return;
      auto [parcel, answer] = std::move(*next_);
      next_.reset();
      lock.unlock();
      auto receipt = drop(parcel);
      lock.lock();
      busy_ = false;
      answer->finish(std::move(receipt));
    }
  }

 private:
  Receipt drop(const port::Parcel& parcel) {
    auto folder = open_folder(options_.folder);
    if (!folder) return {Taken::unreachable, folder.error().message, {}};
    if (!std::exchange(swept_, true)) sweep(folder->get());
    const std::string name = file_name(parcel), temporary = "." + name + "." + run_ + std::string(part);
    const auto drop_part = [&](Receipt receipt) {
      ::unlinkat(folder->get(), temporary.c_str(), 0);
      return receipt;
    };
    {
      const File file(::openat(folder->get(), temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC,
                               readable_by_group));
      if (file.get() < 0) return fault(Taken::unreachable, "making a file", errno);
      std::string_view rest = parcel.body;
      while (!rest.empty()) {
        const auto wrote = options_.write(file.get(), rest.data(), rest.size());
        if (wrote < 0 && errno == EINTR) continue;
        if (wrote < 0) return drop_part(fault(Taken::unreachable, "writing", errno));
        rest.remove_prefix(static_cast<std::size_t>(wrote));
      }
      if (options_.sync_data(file.get()) != 0) return drop_part(fault(Taken::unreachable, "syncing", errno));
    }
    if (::renameat(folder->get(), temporary.c_str(), folder->get(), name.c_str()) != 0)
      return drop_part(fault(Taken::unreachable, "renaming", errno));
    // Some network file systems have no such call; there the rename is all that can be had.
    if (options_.sync_folder(folder->get()) != 0 && errno != EINVAL && errno != ENOTSUP)
      return fault(Taken::broken, "syncing the folder", errno);
    return {Taken::delivered, "written", {}};
  }

  static void sweep(int folder) {
    const int listed = ::openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR* all = listed < 0 ? nullptr : ::fdopendir(listed);
    if (!all) {
      if (listed >= 0) ::close(listed);
      return;
    }
    const auto now = std::time(nullptr);
    while (const dirent* each = ::readdir(all)) {
      const std::string_view name = each->d_name;
      struct stat found {};
      if (!name.starts_with('.') || !name.ends_with(part) ||
          ::fstatat(folder, each->d_name, &found, AT_SYMLINK_NOFOLLOW) != 0 || !S_ISREG(found.st_mode))
        continue;
      if (now - found.st_mtime > std::chrono::seconds(left_behind).count()) ::unlinkat(folder, each->d_name, 0);
    }
    ::closedir(all);
  }

  FileSinkOptions options_;
  const std::string run_;  // two brokers, one of them woken after another took over, do not write into one file
  bool swept_ = false;     // the thread's own
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::optional<std::pair<port::Parcel, Answer>> next_;
  bool busy_ = false, stopping_ = false;
};

class FileSink final : public port::Sink {
 public:
  FileSink(net::any_io_executor executor, FileSinkOptions options)
      : timeout_(options.timeout), deadline_(executor), dropper_(std::make_shared<Dropper>(std::move(options))) {}
  ~FileSink() override {
    FileSink::close();
    dropper_->stop();
    if (!thread_.joinable()) return;
    if (dropper_->busy()) {
      thread_.detach();  // the disk may never answer, and the thread owns what it needs
    } else {
      thread_.join();
    }
  }
  FileSink(const FileSink&) = delete;
  FileSink& operator=(const FileSink&) = delete;

  std::size_t parallel() const override { return 1; }

  net::awaitable<Receipt> hand_over(port::Parcel parcel) override {
    if (closed_) co_return Receipt{Taken::unreachable, "closed", {}};
    if (!thread_.joinable()) thread_ = std::thread([dropper = dropper_] { dropper->run(); });
    auto receipt = co_await port::await_completion<Receipt>([&](const Dropper::Answer& answer) {
      if (!dropper_->give(std::move(parcel), answer))
        return answer->finish(Receipt{Taken::unreachable, "the folder does not answer", {}});
      under_way_ = answer;
      deadline_.expires_after(timeout_);
      deadline_.async_wait([answer](boost::system::error_code cancelled) {
        if (!cancelled) answer->finish(Receipt{Taken::broken, "timeout", {}});
      });
    });
    deadline_.cancel();
    under_way_.reset();
    if (!receipt) co_return Receipt{Taken::broken, receipt.error().message, {}};
    co_return std::move(*receipt);
  }

  void close() override {
    closed_ = true;
    deadline_.cancel();
    if (under_way_) under_way_->finish(Receipt{Taken::broken, "closed", {}});
  }

 private:
  std::chrono::milliseconds timeout_;
  net::steady_timer deadline_;
  std::shared_ptr<Dropper> dropper_;
  std::thread thread_;
  Dropper::Answer under_way_;
  bool closed_ = false;
};

}  // namespace

std::string file_name(const port::Parcel& parcel) {
  const auto micros = std::max<std::int64_t>(parcel.appended.micros, 0);
  const std::time_t seconds = micros / 1'000'000;
  std::tm utc{};
  ::gmtime_r(&seconds, &utc);
  char time[32];
  std::strftime(time, sizeof time, "%Y%m%dT%H%M%S", &utc);
  const auto dot = parcel.event_id.rfind('.');
  const int ordinal = dot == std::string::npos ? 0 : std::atoi(parcel.event_id.c_str() + dot + 1);
  char place[80];
  std::snprintf(place, sizeof place, "%s.%06dZ-%012llu.%04d-", time, static_cast<int>(micros % 1'000'000),
                static_cast<unsigned long long>(parcel.offset), ordinal);
  std::string name = place + parcel.event_id;
  std::replace_if(
      name.begin(), name.end(),
      [](char c) {
        const bool plain = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        return !plain && c != '.' && c != '-' && c != '_';
      },
      '_');
  name += extension_of(parcel.content_type);
  return name;
}

std::shared_ptr<port::Sink> file_sink(net::any_io_executor executor, FileSinkOptions options) {
  return std::make_shared<FileSink>(std::move(executor), std::move(options));
}

}  // namespace hutong::file_sink
