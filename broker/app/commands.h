// The commands of the terminal. Each add_* hangs one on the parser; running it sets `exit_code`: 0 done, 1 the work
// failed, 2 bad usage or configuration (a ConfigError reaches main). Results go to stdout, progress and errors to
// stderr; --json gives a result for programs.
#pragma once

#include <CLI/CLI.hpp>
#include <string>

#include "broker/app/config.h"
#include "broker/base/error.h"

namespace hutong::app {

struct Terminal {
  // Options of every command, before or after its name.
  std::string config;
  bool json = false;

  int exit_code = 0;
};

void add_serve(CLI::App& app, Terminal& terminal);
void add_check(CLI::App& app, Terminal& terminal);
void add_status(CLI::App& app, Terminal& terminal);
void add_normalize(CLI::App& app, Terminal& terminal);
void add_send(CLI::App& app, Terminal& terminal);
void add_simulate(CLI::App& app, Terminal& terminal);
void add_trace(CLI::App& app, Terminal& terminal);
void add_quarantine(CLI::App& app, Terminal& terminal);
void add_alerts(CLI::App& app, Terminal& terminal);
void add_subscriptions(CLI::App& app, Terminal& terminal);
void add_deadletter(CLI::App& app, Terminal& terminal);
void add_replay(CLI::App& app, Terminal& terminal);
void add_identity(CLI::App& app, Terminal& terminal);
void add_rebuild(CLI::App& app, Terminal& terminal);
void add_renormalize(CLI::App& app, Terminal& terminal);
void add_token(CLI::App& app, Terminal& terminal);
void add_audit(CLI::App& app, Terminal& terminal);
void add_backup(CLI::App& app, Terminal& terminal);
void add_restore(CLI::App& app, Terminal& terminal);
void add_migrate(CLI::App& app, Terminal& terminal);
void add_recognition(CLI::App& app, Terminal& terminal);

// Prints the error to stderr and sets the exit code to 1.
void report_failure(Terminal& terminal, const Error& error);

}  // namespace hutong::app
