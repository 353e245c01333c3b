// hutong migrate: an embedded installation moves to Kafka. Neither broker may run.
#include <fmt/format.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/use_future.hpp>
#include <fstream>
#include <iterator>
#include <map>
#include <set>
#include <vector>

#include "adapters/metrics/prometheus_metrics.h"
#include "broker/app/commands.h"
#include "broker/app/data_folder.h"
#include "broker/app/engines.h"
#include "broker/app/local_client.h"
#include "broker/app/progress.h"
#include "broker/app/rules.h"
#include "broker/base/hash.h"
#include "broker/pipeline/carry.h"
#include "broker/pipeline/projector.h"

namespace hutong::app {
namespace fs = std::filesystem;
namespace {

// Read in pieces: an audit file may be larger than memory.
std::string digest_of_file(const fs::path& file) {
  std::ifstream in(file, std::ios::binary);
  std::vector<char> piece(1U << 20U);
  PartsHash hash;
  while (in) {
    in.read(piece.data(), static_cast<std::streamsize>(piece.size()));
    hash.raw({piece.data(), static_cast<std::size_t>(in.gcount())});
  }
  if (in.bad() || !in.eof()) throw ConfigError(file.string() + ": cannot be read");
  const auto digest = hash.finish();
  return to_hex(as_view(digest));
}

// Names and contents of a folder; empty: nothing is in it.
std::string digest_of(const fs::path& folder) {
  if (!fs::exists(folder)) return {};
  std::map<std::string, std::string> files;
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    if (!entry.is_regular_file()) continue;
    files[fs::relative(entry.path(), folder).string()] = digest_of_file(entry.path());
  }
  std::string all;
  for (const auto& [name, digest] : files) all += name + " " + digest + "\n";
  if (all.empty()) return {};
  const auto digest = sha256(all);
  return to_hex(as_view(digest));
}

// Keys, audit chain and schemas go along: ids and tokens depend on the first, the chain goes on where it ended. A copy
// that nobody has used since (its digest stands in a file beside it) is made anew, because the old installation may
// have gone on meanwhile.
void copy_folder(const fs::path& from, const fs::path& to) {
  if (from == to) return;
  const std::string old_digest = digest_of(from), there = digest_of(to);
  if (old_digest == there) return;
  const fs::path mark = to.string() + ".copied";
  if (!there.empty()) {
    std::ifstream marks(mark);
    const std::set<std::string> copies{std::istream_iterator<std::string>(marks), {}};
    if (!copies.contains(there)) {
      throw ConfigError(to.string() + " differs from " + from.string() +
                        ": the new installation has a life of its own already; migrate into an empty [broker] data");
    }
  }
  const fs::path part = to.string() + ".part";
  fs::remove_all(part);
  fs::copy(from, part, fs::copy_options::recursive);
  fs::permissions(part, fs::perms::owner_all);
  std::ofstream(mark, std::ios::app) << old_digest << std::endl;
  fs::remove_all(to);
  fs::rename(part, to);
}

Result<pipeline::CarryReport> carry_records(const Config& from, const Config& to, const DataFolder& source,
                                            const DataFolder& target) {
  auto left = open_log(from, source);
  if (!left) return tl::unexpected(left.error());
  auto log = open_log(to, target);
  if (!log) return tl::unexpected(log.error());
  auto store = open_store(to, target);
  if (!store) return tl::unexpected(store.error());
  Progress carrying("carrying the log", 0), projecting("making the views", 0);
  PrometheusMetrics metrics;
  pipeline::ProjectorOptions options;
  options.hmac_key = target.identifier_key();
  options.weights = read_identity_weights(to);
  options.rules = [rules = read_rules(to)] { return rules; };
  options.emit = false;
  net::io_context io(1);
  auto work = [&]() -> net::awaitable<Result<pipeline::CarryReport>> {
    auto report = co_await pipeline::carry(*left->log, *log->log, [&](std::uint64_t done, std::uint64_t total) {
      carrying.total(total);
      carrying.show(done);
    });
    if (!report || !report->complete()) co_return report;
    pipeline::Projector projector(*log->log, **store, metrics, system_clock(), options);
    auto projected = co_await projector.catch_up([&](port::Offset at, port::Offset end) {
      projecting.total(end);
      projecting.show(at);
    });
    if (!projected) co_return tl::unexpected(projected.error());
    if (auto closed = co_await (*store)->close(); !closed) co_return tl::unexpected(closed.error());
    if (auto closed = co_await log->log->close(); !closed) co_return tl::unexpected(closed.error());
    co_return report;
  };
  auto finished = net::co_spawn(io, work(), net::use_future);
  io.run();
  return finished.get();
}

}  // namespace

void add_migrate(CLI::App& app, Terminal& terminal) {
  struct Options {
    std::string from, to;
  };
  auto* command = app.add_subcommand(
      "migrate",
      "Carry an embedded installation's log into Kafka and make its views anew; nothing of the old one is changed");
  auto options = std::make_shared<Options>();
  command->add_option("--from", options->from, "Configuration of the embedded installation")->required();
  command
      ->add_option("--to", options->to,
                   "Configuration with [log] kind = \"kafka\"; its topics and views are still empty")
      ->required();
  command->footer(
      "Stop the old broker first. Interrupted, it goes on where it stopped when it is started again.\n"
      "Keys and audit chain are copied into the new [broker] data.");
  command->callback([options, &terminal] {
    const Config from = read_config(options->from), to = read_config(options->to);
    if (from.log.kind != LogKind::journal) throw ConfigError(options->from + ": its log is in Kafka already");
    if (to.log.kind != LogKind::kafka) throw ConfigError(options->to + ": migrate leads to [log] kind = \"kafka\"");
    require_stopped(from.data);
    require_stopped(to.data);
    const DataFolder source{from.data}, target{to.data};
    if (!fs::exists(source.log()) || !fs::exists(source.keys())) {
      throw ConfigError(options->from + ": no installation in " + from.data.string());
    }
    target.prepare();
    for (const auto& [old_folder, new_folder] :
         {std::pair(source.keys(), target.keys()), std::pair(source.audit(), target.audit()),
          std::pair(source.schemas(), target.schemas())}) {
      if (fs::exists(old_folder)) copy_folder(old_folder, new_folder);
    }
    const auto report = carry_records(from, to, source, target);
    if (!report) return report_failure(terminal, report.error());
    std::string topics, document;
    for (const port::Topic topic : port::all_topics) {
      const auto& counts = report->topics.at(static_cast<std::size_t>(topic));
      const auto name = to_string(topic);
      topics += fmt::format("  {:<12} {:>12} records, {} of them carried now, {} counted in Kafka\n", name,
                            counts.records, counts.carried, counts.found);
      document += fmt::format(",\"{}\":{{\"records\":{},\"carried\":{},\"found\":{}}}", name, counts.records,
                              counts.carried, counts.found);
    }
    if (terminal.json) {
      fmt::print("{{\"complete\":{},\"records\":{}{}}}\n", report->complete(), report->records(), document);
    } else {
      fmt::print("{}", topics);
    }
    if (!report->complete()) {
      return report_failure(terminal,
                            {ErrorCode::corrupt, "the counts differ: start migrate again, it carries what is missing"});
    }
    if (!terminal.json)
      fmt::print("all are there, the views are made; start it: hutong serve --config {}\n", to.file.string());
  });
}

}  // namespace hutong::app
