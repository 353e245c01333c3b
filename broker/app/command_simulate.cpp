// hutong simulate: a deterministic region of hospitals, sent over MLLP or written to files.
#include <fmt/format.h>

#include <csignal>
#include <ctime>

#include "adapters/simulator/feed.h"
#include "adapters/sink/mllp/mllp_client.h"
#include "broker/app/commands.h"
#include "broker/app/facilities.h"
#include "broker/app/files.h"
#include "broker/app/progress.h"
#include "broker/app/rules.h"
#include "broker/base/time.h"

namespace hutong::app {
namespace fs = std::filesystem;
namespace {

std::atomic<bool> interrupted{false};

// The region's wall clock, +08:00, as the simulator counts it.
simulator::LocalSeconds wall_clock() { return system_clock().now().micros / 1'000'000 + 8 * 3600; }

class SimulationSupply final : public mllp_client::MessageSupply {
 public:
  explicit SimulationSupply(simulator::Feed& feed) : feed_(feed) {}
  Next next(std::string& bytes, Label& label) override {
    simulator::Feed::Label given;
    const auto next = feed_.next(bytes, given, wall_clock());
    label.ticket = given.ticket;
    label.lane = given.lane;
    switch (next) {
      case simulator::Feed::Next::message: return Next::message;
      case simulator::Feed::Next::later: return Next::later;
      case simulator::Feed::Next::end: return Next::end;
    }
    return Next::end;
  }
  void answered(std::uint64_t ticket, const mllp_client::Answer& answer) override {
    feed_.answered(ticket, answer.code == mllp_client::AnswerCode::none ? std::string_view() : to_string(answer.code));
  }

 private:
  simulator::Feed& feed_;
};

struct SimulateOptions {
  std::string region, start, resume, duration, to, out, truth, schemas;
  std::uint64_t seed = 1, messages = 0;
  double rate = 0;
  std::size_t connections = 6;
  bool live = false, file_per_message = false;
};

simulator::FeedOptions feed_options(const SimulateOptions& options, const std::string& config, bool to_files) {
  simulator::FeedOptions feed;
  feed.region = options.region;
  if (options.schemas.empty()) {
    feed.schemas = find_schemas(config.empty() ? Config{} : read_config(config));
  } else {
    feed.schemas = options.schemas;
  }
  feed.seed = options.seed;
  const auto start = options.start.empty() ? to_iso(system_clock().now(), 480).substr(0, 10) : options.start;
  const auto parsed = simulator::parse_local(start);
  if (!parsed) throw ConfigError("--start " + start + ": expected a date such as 2026-11-01");
  feed.start = *parsed;
  if (!options.resume.empty()) feed.resume = options.resume;
  if (options.messages > 0) feed.messages = options.messages;
  feed.live = options.live;
  feed.connections = options.connections;
  if (to_files && !options.duration.empty()) {
    const auto duration = read_duration(options.duration);
    if (!duration) throw ConfigError("--duration: expected a duration with its unit, such as 30s, 10m or 24h");
    feed.simulated = std::chrono::duration_cast<std::chrono::seconds>(*duration).count();
  }
  return feed;
}

}  // namespace

void add_simulate(CLI::App& app, Terminal& terminal) {
  auto* command = app.add_subcommand("simulate", "A deterministic region of hospitals that sends HL7 v2: same seed and start, same bytes");
  auto options = std::make_shared<SimulateOptions>();
  command->add_option("--region", options->region, "Region file, such as deploy/regions/demo.toml")->required();
  command->add_option("--seed", options->seed, "Seed of everything that happens")->capture_default_str();
  command->add_option("--start", options->start, "First day of the simulated clock (default: today)");
  command->add_option("--resume", options->resume, "File that keeps the run number and the clock: a second start is new traffic of the same people");
  command->add_option("--rate", options->rate, "Messages a second; 0: as fast as they are answered")->check(CLI::NonNegativeNumber);
  command->add_option("--duration", options->duration, "How long to send (30s, 10m); with --out: simulated time (24h)");
  command->add_option("--messages", options->messages, "At most so many messages");
  command->add_flag("--live", options->live, "Send no message before its time: after catching up, the simulated clock is the real one");
  auto* to = command->add_option("--to", options->to, "HOST:PORT of the receiver");
  auto* out = command->add_option("--out", options->out, "Folder to write to instead");
  to->excludes(out);
  command->add_flag("--file-per-message", options->file_per_message, "With --out: a file for each message, not for each sender");
  command->add_option("--connections", options->connections, "Connections at once")->check(CLI::Range(1, 1000))->capture_default_str();
  command->add_option("--truth", options->truth, "Write what really happened (JSON) to this file at the end");
  command->add_option("--schemas", options->schemas, "Folder with terminology/ (default: beside the program)");
  command->callback([options, &terminal] {
    if (options->to.empty() == options->out.empty()) throw ConfigError("simulate: give either --to HOST:PORT or --out DIR");
    for (const int signal : {SIGINT, SIGTERM}) std::signal(signal, [](int) { interrupted = true; });
    if (!fs::exists(options->region)) throw ConfigError("--region " + options->region + ": no such file");
    simulator::Feed feed(feed_options(*options, terminal.config, !options->out.empty()));
    Progress progress("simulating", options->messages);
    if (!options->out.empty()) {
      if (options->messages == 0 && options->duration.empty()) throw ConfigError("simulate --out: give --duration or --messages");
      const auto report = simulator::write_files(feed, options->out, options->file_per_message, interrupted,
                                                 [&](const simulator::FilesReport& r) { progress.show(r.messages); });
      feed.save();
      fmt::print(fmt::runtime(terminal.json ? "{{\"messages\":{},\"files\":{},\"bytes\":{}}}\n" : "{} messages in {} files, {} bytes\n"),
                 report.messages, report.files, report.bytes);
    } else {
      SimulationSupply supply(feed);
      const auto target = read_target(options->to);
      mllp_client::SendOptions send;
      send.host = target.address;
      send.port = target.port;
      send.trouble = [](const std::string& what) { fmt::print(stderr, "{}\n", what); };
      send.connections = options->connections;
      send.rate = options->rate;
      if (!options->duration.empty()) {
        const auto duration = read_duration(options->duration);
        if (!duration) throw ConfigError("--duration: expected a duration with its unit, such as 30s, 10m or 24h");
        send.run_for = *duration;
      }
      auto saved = std::chrono::steady_clock::now();
      send.progress = [&](const mllp_client::SendReport& report) {
        progress.show(report.answered());
        if (std::chrono::steady_clock::now() - saved > std::chrono::seconds(1)) {
          saved = std::chrono::steady_clock::now();
          feed.save();
        }
      };
      const auto report = mllp_client::send_all(send, supply, interrupted);
      feed.save();
      fmt::print("{}\n", terminal.json ? to_json(report) : to_text(report));
      if (feed.unexpected() > 0) {
        fmt::print(stderr, "{} answers were other than the message deserved\n", feed.unexpected());
        terminal.exit_code = 1;
      }
      if (!report.problems.empty()) terminal.exit_code = 1;
    }
    if (!options->truth.empty()) simulator::write_atomically(options->truth, feed.truth().json());
  });
}

}  // namespace hutong::app
