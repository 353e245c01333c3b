#include "broker/app/progress.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>

namespace hutong::app {

Progress::Progress(std::string what, std::uint64_t total)
    : what_(std::move(what)), total_(total), terminal_(::isatty(STDERR_FILENO) == 1), begun_(std::chrono::steady_clock::now()), last_(begun_) {}

Progress::~Progress() {
  if (drawn_ && terminal_) std::fputs("\r\033[K", stderr);
}

void Progress::show(std::uint64_t done, const std::string& detail) {
  const auto now = std::chrono::steady_clock::now();
  if (now - last_ < (terminal_ ? std::chrono::milliseconds(100) : std::chrono::milliseconds(10'000))) return;
  last_ = now;
  drawn_ = true;
  const double seconds = std::chrono::duration<double>(now - begun_).count();
  const double rate = seconds > 0 ? static_cast<double>(done) / seconds : 0;
  std::string line;
  if (total_ > 0) {
    const auto share = std::min<std::uint64_t>(done * 30 / total_, 30);
    line = fmt::format("{} [{:<30}] {}/{} {:.0f}/s", what_, std::string(share, '='), done, total_, rate);
    if (rate > 0 && done < total_) line += fmt::format(", {:.0f} s left", static_cast<double>(total_ - done) / rate);
  } else {
    line = fmt::format("{} {} {:.0f}/s", what_, done, rate);
  }
  if (!detail.empty()) line += "  " + detail;
  std::fputs((terminal_ ? "\r\033[K" + line : line + "\n").c_str(), stderr);
  std::fflush(stderr);
}

}  // namespace hutong::app
