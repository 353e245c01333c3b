// hutong serve.
#include "broker/app/commands.h"
#include "broker/app/running.h"

namespace hutong::app {

void add_serve(CLI::App& app, Terminal& terminal) {
  auto* command = app.add_subcommand("serve", "Run the broker; SIGTERM drains and stops, SIGHUP reloads facilities and code maps");
  auto options = std::make_shared<CommonOptions>();
  add_config(*command, *options);
  command->callback([options, &terminal] {
    Running broker(read_config(find_config(options->config)));
    terminal.exit_code = broker.run();
  });
}

}  // namespace hutong::app
