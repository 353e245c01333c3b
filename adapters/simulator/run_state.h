// Where a simulation was when it stopped (--resume FILE): the next start is another run for the same people, later.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>

#include "adapters/simulator/local_time.h"

namespace hutong::simulator {

struct RunState {
  std::uint64_t seed = 0;
  std::uint32_t run = 0;       // the last one begun
  LocalSeconds clock = 0;      // of the last message before which every one was answered
  std::uint64_t answered = 0;  // how many those are, in that run
};

// Nothing where the file does not exist; throws std::runtime_error where it cannot be understood.
std::optional<RunState> read_run_state(const std::filesystem::path& file);
// Atomic: after a crash the file holds the old state or the new one. Throws std::runtime_error.
void write_run_state(const std::filesystem::path& file, const RunState& state);
// The same for any text.
void write_atomically(const std::filesystem::path& file, const std::string& text);

}  // namespace hutong::simulator
