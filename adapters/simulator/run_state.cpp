#include "adapters/simulator/run_state.h"

#include <fcntl.h>
#include <toml++/toml.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <stdexcept>

namespace hutong::simulator {

std::optional<RunState> read_run_state(const std::filesystem::path& file) {
  if (!std::filesystem::exists(file)) return std::nullopt;
  try {
    const toml::table table = toml::parse_file(file.string());
    const auto seed = table["seed"].value<std::int64_t>(), run = table["run"].value<std::int64_t>();
    const auto clock = parse_local(table["clock"].value_or(std::string()));
    if (seed && run && *run > 0 && clock) {
      return RunState{static_cast<std::uint64_t>(*seed), static_cast<std::uint32_t>(*run), *clock,
                      static_cast<std::uint64_t>(table["answered"].value_or(std::int64_t{0}))};
    }
  } catch (const toml::parse_error&) {
  }
  throw std::runtime_error(file.string() + ": not the state of a simulation; remove it to begin anew");
}

void write_run_state(const std::filesystem::path& file, const RunState& state) {
  write_atomically(file, "# Written by hutong simulate; remove it to begin anew.\nseed = " +
                             std::to_string(state.seed) + "\nrun = " + std::to_string(state.run) + "\nclock = \"" +
                             iso_time(state.clock) + "\"\nanswered = " + std::to_string(state.answered) + "\n");
}

void write_atomically(const std::filesystem::path& file, const std::string& text) {
  const std::string next = file.string() + ".next";
  const int out = ::open(next.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  bool good =
      out >= 0 && ::write(out, text.data(), text.size()) == static_cast<ssize_t>(text.size()) && ::fsync(out) == 0;
  const int reason = errno;
  if (out >= 0) ::close(out);
  if (!good || ::rename(next.c_str(), file.c_str()) != 0) {
    throw std::runtime_error(file.string() + ": cannot be written: " + std::strerror(good ? errno : reason));
  }
}

}  // namespace hutong::simulator
