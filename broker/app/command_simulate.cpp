// hutong simulate.
#include "broker/app/commands.h"

namespace hutong::app {

void add_simulate(CLI::App& app, Terminal& terminal) {
  auto* command = app.add_subcommand("simulate", "A deterministic region of hospitals that sends HL7 v2");
  command->callback([&terminal] { report_failure(terminal, {ErrorCode::unavailable, "not wired yet"}); });
}

}  // namespace hutong::app
