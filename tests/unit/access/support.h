// A folder that is gone afterwards, a clock that stands still, and a way to wait for one awaitable.
#pragma once

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <optional>
#include <sstream>
#include <string>

#include "broker/base/time.h"
#include "broker/port/net.h"

namespace hutong::access {

class Folder {
 public:
  Folder() {
    std::string form = (std::filesystem::temp_directory_path() / "hutong-access-XXXXXX").string();
    path_ = ::mkdtemp(form.data());
  }
  ~Folder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

struct StillClock final : Clock {
  Timestamp time{1'767'000'000'000'000};
  std::chrono::nanoseconds passed{0};
  Timestamp now() const override { return time; }
  std::chrono::nanoseconds ticks() const override { return passed; }
};

template <class T>
T wait(net::awaitable<T> work) {
  net::io_context io;
  std::optional<T> result;
  const auto keep = [](net::awaitable<T> awaited, std::optional<T>& into) -> net::awaitable<void> {
    into.emplace(co_await std::move(awaited));
  };
  net::co_spawn(io, keep(std::move(work), result), [](std::exception_ptr failed) {
    if (failed) std::rethrow_exception(failed);
  });
  io.run();
  return std::move(*result);
}

inline std::string read(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream content;
  content << file.rdbuf();
  return content.str();
}
inline void write(const std::filesystem::path& path, const std::string& content) {
  std::ofstream(path, std::ios::binary | std::ios::trunc) << content;
}

}  // namespace hutong::access
