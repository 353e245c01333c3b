// hutong: the program. Parses the command line, runs one command, turns what it throws into words and an exit code.
#include <sys/prctl.h>

#include <cstdio>
#include <exception>

#include "broker/app/commands.h"
#include "broker/app/version.h"

int main(int argc, char** argv) {
  prctl(PR_SET_DUMPABLE, 0);  // a core file would hold patients
  CLI::App app{"Hutong (互通): the message broker of a regional health information platform"};
  app.set_version_flag("--version", std::string("hutong ") + std::string(hutong::app::version));
  app.require_subcommand(1);
  app.footer("The configuration is found by --config FILE, else $HUTONG_CONFIG, else ./hutong.toml; --json prints a result for\n"
             "programs. Both may stand before or after the command.\n"
             "Exit codes: 0 done, 1 the work failed, 2 bad usage or configuration.");
  app.fallthrough();  // what a command does not know is asked of the program
  hutong::app::Terminal terminal;
  app.add_option("--config", terminal.config, "Configuration file (else $HUTONG_CONFIG, else ./hutong.toml)");
  app.add_flag("--json", terminal.json, "Print the result as JSON");
  hutong::app::add_serve(app, terminal);
  hutong::app::add_check(app, terminal);
  hutong::app::add_status(app, terminal);
  hutong::app::add_normalize(app, terminal);
  hutong::app::add_send(app, terminal);
  hutong::app::add_simulate(app, terminal);
  hutong::app::add_trace(app, terminal);
  hutong::app::add_quarantine(app, terminal);
  hutong::app::add_alerts(app, terminal);
  hutong::app::add_subscriptions(app, terminal);
  hutong::app::add_deadletter(app, terminal);
  hutong::app::add_replay(app, terminal);
  hutong::app::add_rebuild(app, terminal);
  hutong::app::add_identity(app, terminal);
  hutong::app::add_renormalize(app, terminal);
  hutong::app::add_token(app, terminal);
  hutong::app::add_audit(app, terminal);
  hutong::app::add_backup(app, terminal);
  hutong::app::add_restore(app, terminal);
  hutong::app::add_migrate(app, terminal);
  hutong::app::add_recognition(app, terminal);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    // CLI11 would only say that a subcommand is required.
    if (const auto words = app.remaining(); app.get_subcommands().empty() && !words.empty() && words.front()[0] != '-') {
      std::fprintf(stderr, "hutong: there is no command %s; hutong --help lists them\n", words.front().c_str());
      return 2;
    }
    return app.exit(e) == 0 ? 0 : 2;
  } catch (const hutong::app::ConfigError& e) {
    std::fprintf(stderr, "hutong: %s\n", e.what());
    return 2;
  } catch (const std::exception& e) {
    std::fprintf(stderr, "hutong: %s\n", e.what());
    return 1;
  }
  return terminal.exit_code;
}
