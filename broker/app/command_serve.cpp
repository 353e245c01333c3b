// hutong serve.
#include "broker/app/commands.h"
#include "broker/app/running.h"

namespace hutong::app {

void add_serve(CLI::App& app, Terminal& terminal) {
  auto* command = app.add_subcommand("serve", "Run the broker; SIGTERM drains and stops, SIGHUP reloads facilities and code maps");
  command->callback([&terminal] {
    Running broker(read_config(find_config(terminal.config)));
    terminal.exit_code = broker.run();
  });
}

}  // namespace hutong::app
