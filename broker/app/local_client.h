// How a command in the terminal speaks to the running broker: the HTTP routes of /api/v1 over DIR/run/hutong.sock
// (mode 0600: who may open it may operate the broker). Blocking; used by commands only.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include "broker/base/error.h"

namespace hutong::app {

struct LocalAnswer {
  int status = 0;
  std::string body;
};

// For commands that open the files themselves. Throws std::runtime_error where the broker of this folder runs.
void require_stopped(const std::filesystem::path& data);

class LocalClient {
 public:
  explicit LocalClient(const std::filesystem::path& data) : socket_(data / "run" / "hutong.sock") {}
  // Is a broker listening there?
  bool reachable() const;
  // Errors: unavailable ("start the broker: …"), timeout.
  Result<LocalAnswer> call(std::string_view method, std::string_view target, std::string_view body = {},
                           std::string_view content_type = "application/json") const;

 private:
  std::filesystem::path socket_;
};

}  // namespace hutong::app
