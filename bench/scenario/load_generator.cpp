// Loads an MLLP listener with the benchmark's message and prints one JSON line: rate, latencies, the processor time
// that the generator itself took (a generator that is the bottleneck shows as cpu_seconds close to seconds).
//   load_generator --port P [--host H] [--connections 64] [--window 16] [--messages N | --seconds S] [--rate R]
//                  [--run R] [--patients N] [--core C] [--from N]
#include <sched.h>
#include <sys/resource.h>

#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <string>

#include "adapters/sink/mllp/mllp_client.h"
#include "bench/scenario/load_message.h"

namespace {

using hutong::mllp_client::MessageSupply;
using hutong::mllp_client::SendOptions;

std::atomic<bool> stop_requested{false};

class Load : public MessageSupply {
 public:
  Load(const hutong::bench::LoadMessage& message, std::uint64_t from, std::uint64_t count)
      : message_(message), number_(from), end_(count > UINT64_MAX - from ? UINT64_MAX : from + count) {}
  Next next(std::string& bytes, Label& label) override {
    if (number_ == end_) return Next::end;
    label.ticket = number_;
    message_.append(bytes, number_++);
    return Next::message;
  }

 private:
  const hutong::bench::LoadMessage& message_;
  std::uint64_t number_, end_;
};

double processor_seconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
         static_cast<double>(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

[[noreturn]] void usage(const char* wrong) {
  std::fprintf(stderr,
               "load_generator: %s\nusage: load_generator --port P [--host H] [--connections 64] [--window 16] "
               "[--messages N | --seconds S] [--rate R] [--run R] [--patients N] [--core C] [--from N]\n",
               wrong);
  std::exit(2);
}

}  // namespace

int main(int argc, char** argv) {
  SendOptions options;
  options.port = 0;
  options.connections = 64;
  options.window = 16;
  std::uint64_t messages = 0, patients = 100'000, from = 0;
  std::uint32_t run =
      static_cast<std::uint32_t>(std::chrono::system_clock::now().time_since_epoch().count() / 1'000'000'000);
  double seconds = 0;
  int core = -1;
  for (int i = 1; i < argc; ++i) {
    const std::string name = argv[i];
    if (i + 1 == argc) usage(("a value is missing for " + name).c_str());
    const char* value = argv[++i];
    if (name == "--host") {
      options.host = value;
      continue;
    }
    char* end = nullptr;
    const double number = std::strtod(value, &end);
    if (end == value || *end != 0 || number < 0) usage(("not a number: " + name + " " + value).c_str());
    if (name == "--port")
      options.port = static_cast<std::uint16_t>(number);
    else if (name == "--connections")
      options.connections = static_cast<std::size_t>(number);
    else if (name == "--window")
      options.window = static_cast<std::size_t>(number);
    else if (name == "--messages")
      messages = static_cast<std::uint64_t>(number);
    else if (name == "--seconds")
      seconds = number;
    else if (name == "--rate")
      options.rate = number;
    else if (name == "--run")
      run = static_cast<std::uint32_t>(number);
    else if (name == "--patients")
      patients = static_cast<std::uint64_t>(number);
    else if (name == "--from")
      from = static_cast<std::uint64_t>(number);
    else if (name == "--core")
      core = static_cast<int>(number);
    else
      usage(("unknown option " + name).c_str());
  }
  if (options.port == 0) usage("--port is missing");
  if (seconds > 0) options.run_for = std::chrono::milliseconds(static_cast<std::int64_t>(seconds * 1000));
  if (messages == 0) messages = seconds > 0 ? std::numeric_limits<std::uint64_t>::max() : 100'000;
  if (core >= 0) {
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(core, &set);
    if (sched_setaffinity(0, sizeof set, &set) != 0) usage("--core: there is no such core");
  }
  std::signal(SIGINT, [](int) { stop_requested = true; });
  std::signal(SIGTERM, [](int) { stop_requested = true; });

  const hutong::bench::LoadMessage message(run, patients);
  Load load(message, from, messages);
  const double before = processor_seconds();
  const auto report = hutong::mllp_client::send_all(options, load, stop_requested);
  std::string json = to_json(report);
  json.insert(json.size() - 1, ",\"cpu_seconds\":" + std::to_string(processor_seconds() - before) +
                                   ",\"message_bytes\":" + std::to_string(message.size()) +
                                   ",\"connections\":" + std::to_string(options.connections) +
                                   ",\"window\":" + std::to_string(options.window) + ",\"run\":" + std::to_string(run));
  std::puts(json.c_str());
  for (const auto& problem : report.problems) std::fprintf(stderr, "load_generator: %s\n", problem.c_str());
  return report.problems.empty() ? 0 : 1;
}
