// The running broker: everything that is opened, wired and started for `hutong serve`, and its orderly end:
// stop accepting → drain sessions → flush the log → stop the projector → close the store.
// Threads: construct, run() and destroy on the main thread; shards, the projector and the housekeeping have their own.
#pragma once

#include <memory>

#include "broker/app/config.h"

namespace hutong::app {

class Running {
 public:
  // Opens the installation and binds its addresses. Throws ConfigError or std::runtime_error with what to do.
  explicit Running(Config config);
  ~Running();
  // Serves until SIGTERM or SIGINT, then drains; SIGHUP reloads facilities and maps. Returns the exit code.
  int run();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace hutong::app
