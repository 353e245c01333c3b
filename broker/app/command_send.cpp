// hutong send: an MLLP sender for files.
#include <fmt/format.h>

#include <csignal>
#include <deque>
#include <fstream>
#include <iterator>

#include "adapters/sink/mllp/mllp_client.h"
#include "broker/app/commands.h"
#include "broker/app/files.h"
#include "broker/app/progress.h"
#include "broker/app/rules.h"

namespace hutong::app {
namespace {

std::atomic<bool> interrupted{false};

class FileSupply final : public mllp_client::MessageSupply {
 public:
  explicit FileSupply(std::vector<std::string> messages) : messages_(std::move(messages)) {}
  Next next(std::string& bytes, Label& label) override {
    if (at_ == messages_.size()) return Next::end;
    label.ticket = at_;
    bytes += messages_[at_++];
    return Next::message;
  }
  void answered(std::uint64_t ticket, const mllp_client::Answer& answer) override {
    using mllp_client::AnswerCode;
    if (answer.code == AnswerCode::AA || answer.code == AnswerCode::CA || answer.code == AnswerCode::unasked) return;
    if (shown_ == 20) return;
    ++shown_;
    const auto err = answer.bytes.find("\rERR|");
    const auto text = err == std::string_view::npos ? std::string_view() : answer.bytes.substr(err + 1, answer.bytes.find('\r', err + 1) - err - 1);
    fmt::print(stderr, "message {} (control id {}): {} {}\n", ticket + 1, mllp_client::control_id_of(messages_[ticket]),
               to_string(answer.code), text);
    if (shown_ == 20) fmt::print(stderr, "… further refusals are counted, not listed\n");
  }

 private:
  std::vector<std::string> messages_;
  std::size_t at_ = 0;
  int shown_ = 0;
};

}  // namespace

std::string read_file(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) throw ConfigError(path + ": cannot be read");
  return {std::istreambuf_iterator<char>(in), {}};
}

Listen read_target(const std::string& to) {
  const auto colon = to.rfind(':');
  const int port = colon == std::string::npos ? 0 : std::atoi(to.c_str() + colon + 1);
  if (port < 1 || port > 65535) throw ConfigError("--to " + to + ": expected HOST:PORT, such as 127.0.0.1:2575");
  return {to.substr(0, colon), static_cast<std::uint16_t>(port)};
}

namespace {

// A checkout without a configuration sends to HL7's port; an installation on another port needs no --to.
Listen configured_target(const std::string& config) {
  try {
    return read_config(find_config(config)).mllp.listen;
  } catch (const ConfigError&) {
    if (!config.empty()) throw;
    return Config{}.mllp.listen;
  }
}

}  // namespace

void add_send(CLI::App& app, Terminal& terminal) {
  struct Options {
    std::string to;
    std::vector<std::string> files;
    std::size_t connections = 1, window = 1;
    double rate = 0;
  };
  auto* command = app.add_subcommand("send", "Send every HL7 v2 message in files over MLLP; print answers and latencies");
  auto options = std::make_shared<Options>();
  command->add_option("--to", options->to, "HOST:PORT of the receiver (default: [mllp] listen of the configuration, else 127.0.0.1:2575)");
  command->add_option("--connections", options->connections, "Connections at once")->check(CLI::Range(1, 10000))->capture_default_str();
  command->add_option("--window", options->window, "Unanswered messages on a connection; 1 waits for each answer")
      ->check(CLI::Range(1, 10000))->capture_default_str();
  command->add_option("--rate", options->rate, "Messages a second over all connections; 0: as fast as they are answered")
      ->check(CLI::NonNegativeNumber);
  command->add_option("FILE", options->files, "A message begins at MSH at a line's start; FHS/BHS batches are opened")->required();
  command->callback([options, &terminal] {
    const auto target = options->to.empty() ? configured_target(terminal.config) : read_target(options->to);
    std::vector<std::string> messages;
    for (const auto& path : options->files) {
      auto found = mllp_client::messages_in_file(read_file(path));
      if (found.empty()) fmt::print(stderr, "{}: no message (none begins with MSH)\n", path);
      std::move(found.begin(), found.end(), std::back_inserter(messages));
    }
    if (messages.empty()) return report_failure(terminal, {ErrorCode::invalid, "nothing to send"});
    Progress progress("sending", messages.size());
    FileSupply supply(std::move(messages));
    mllp_client::SendOptions send;
    send.host = target.address;
    send.port = target.port;
    send.trouble = [](const std::string& what) { fmt::print(stderr, "{}\n", what); };
    send.connections = options->connections;
    send.window = options->window;
    send.rate = options->rate;
    send.progress = [&](const mllp_client::SendReport& report) { progress.show(report.answered()); };
    std::signal(SIGINT, [](int) { interrupted = true; });
    const auto report = mllp_client::send_all(send, supply, interrupted);
    fmt::print("{}\n", terminal.json ? to_json(report) : to_text(report));
    if (!report.problems.empty() || report.accepted() + report.count(mllp_client::AnswerCode::unasked) != report.taken) terminal.exit_code = 1;
  });
}

}  // namespace hutong::app
