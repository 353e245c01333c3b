// Progress on stderr: a bar that redraws itself on a terminal, a line every ten seconds elsewhere, nothing when it is
// done quickly. Threads: one owner.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace hutong::app {

class Progress {
 public:
  // `total` 0: unknown; then a count is shown.
  Progress(std::string what, std::uint64_t total);
  ~Progress();
  void show(std::uint64_t done, const std::string& detail = {});
  void total(std::uint64_t total) { total_ = total; }

 private:
  std::string what_;
  std::uint64_t total_;
  bool terminal_;
  bool drawn_ = false;
  std::chrono::steady_clock::time_point begun_, last_;
};

}  // namespace hutong::app
