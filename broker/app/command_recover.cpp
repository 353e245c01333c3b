// hutong rebuild, restore: the views anew from the log, and an installation from its copy. No broker may run.
#include <fmt/format.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/use_future.hpp>

#include "adapters/log/journal/journal_log.h"
#include "adapters/metrics/prometheus_metrics.h"
#include "broker/app/commands.h"
#include "broker/app/data_folder.h"
#include "broker/app/engines.h"
#include "broker/app/local_client.h"
#include "broker/app/progress.h"
#include "broker/app/rules.h"
#include "broker/pipeline/projector.h"

namespace hutong::app {
namespace fs = std::filesystem;
void add_rebuild(CLI::App& app, Terminal& terminal) {
  auto* command = app.add_subcommand("rebuild", "Make the views anew from the log; nothing is sent, nothing is appended");
  command->callback([&terminal] {
    const Config config = read_config(find_config(terminal.config));
    require_stopped(config.data);
    const DataFolder folder{config.data};
    folder.prepare();
    auto opened = open_log(config, folder);
    if (!opened) return report_failure(terminal, opened.error());
    auto fresh = open_fresh_store(config, folder);
    if (!fresh) return report_failure(terminal, fresh.error());
    std::uint64_t records = 0;
    {
      const auto store = std::move(fresh->store);
      PrometheusMetrics metrics;
      pipeline::ProjectorOptions projection;
      projection.hmac_key = folder.identifier_key();
      projection.weights = read_identity_weights(config);
      projection.rules = [rules = read_rules(config)] { return rules; };
      projection.emit = false;
      Progress progress("rebuilding", 0);
      net::io_context io(1);
      auto work = [&]() -> net::awaitable<Result<void>> {
        auto done = co_await pipeline::rebuild(*opened->log, *store, metrics, system_clock(), projection,
                                               [&](port::Offset at, port::Offset end) {
                                                 records = at;
                                                 progress.total(end);
                                                 progress.show(at);
                                               });
        if (!done) co_return done;
        co_return co_await store->close();
      };
      auto finished = net::co_spawn(io, work(), net::use_future);
      io.run();
      if (const auto done = finished.get(); !done) return report_failure(terminal, done.error());
    }
    if (const auto placed = fresh->take_place(); !placed) return report_failure(terminal, placed.error());
    if (terminal.json) {
      fmt::print("{{\"records\":{}}}\n", records);
    } else {
      fmt::print("{} records projected into {}\n", records, fresh->name);
    }
  });
}

void add_restore(CLI::App& app, Terminal& terminal) {
  struct Options {
    std::string directory;
  };
  auto* command = app.add_subcommand("restore", "An installation from its backup, into the configuration's empty data folder");
  auto options = std::make_shared<Options>();
  command->add_option("DIR", options->directory, "What hutong backup made")->required();
  command->callback([options, &terminal] {
    const Config config = read_config(find_config(terminal.config));
    require_stopped(config.data);
    const fs::path from(options->directory);
    const bool journal = config.log.kind == LogKind::journal;
    if ((journal && !fs::exists(from / "log")) || !fs::exists(from / "keys")) {
      throw ConfigError(options->directory + ": not a backup (no " + (journal ? "log/ and keys/" : "keys/") + " in it)");
    }
    journal::VerifyReport checked;
    if (journal) {
      auto verified = journal::JournalLog::verify(from / "log");
      if (!verified) return report_failure(terminal, verified.error());
      checked = *verified;
    }
    for (const auto* name : {"log", "store", "audit", "keys"}) {
      const auto there = config.data / name;
      if (fs::exists(there) && !fs::is_empty(there)) {
        throw ConfigError(there.string() + " holds data already; restore into an empty folder ([broker] data)");
      }
    }
    std::error_code failed;
    fs::create_directories(config.data, failed);
    for (const auto* name : {"log", "store", "audit", "keys", "schemas"}) {
      if (!fs::exists(from / name)) continue;
      fmt::print(stderr, "restoring {}\n", name);
      fs::copy(from / name, config.data / name, fs::copy_options::recursive | fs::copy_options::overwrite_existing, failed);
      if (failed) return report_failure(terminal, {ErrorCode::unavailable, (config.data / name).string() + ": " + failed.message()});
    }
    fs::permissions(config.data / "keys", fs::perms::owner_all, failed);
    if (terminal.json) {
      fmt::print("{{\"records\":{},\"segments\":{}}}\n", checked.records, checked.segments);
    } else {
      const auto found = journal ? fmt::format("{} records in {} segments, all verified", checked.records, checked.segments)
                                 : std::string("keys and audit are back; the messages are in Kafka, and the views come from there");
      fmt::print("{}; start it: hutong serve --config {}\n", found, config.file.string());
    }
  });
}

}  // namespace hutong::app
