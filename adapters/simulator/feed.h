// A simulation as `hutong simulate` runs it: numbers its runs, remembers where it was, counts the truth, compares the
// answers with what was expected; gives its messages to whoever sends them, or writes them to files.
// Threads: one owner. Wall time is passed in.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "adapters/simulator/run_state.h"
#include "adapters/simulator/simulation.h"
#include "adapters/simulator/truth.h"

namespace hutong::simulator {

struct FeedOptions {
  std::filesystem::path region, schemas;        // schemas: the folder that holds terminology/
  std::uint64_t seed = 1;                       // at most 2^63 - 1
  LocalSeconds start = 0;                       // of the simulated clock; with `resume` the later of both counts
  std::optional<std::filesystem::path> resume;  // the run number and the clock are kept here
  std::uint32_t run = 1;                        // without `resume`
  std::optional<std::uint64_t> messages;        // at most so many
  std::optional<LocalSeconds> simulated;        // at most so long by the simulated clock
  bool live = false;                            // no message before its time by the wall clock passed to next()
  std::size_t connections = 1;                  // of the sender; decides lanes
};

class Feed {
 public:
  // Throws std::runtime_error with file, line and what to do.
  explicit Feed(FeedOptions options);

  enum class Next { message, later, end };
  struct Label {
    std::uint64_t ticket = 0;
    std::uint32_t lane = 0;  // one sender's, or where there are more connections one patient's: order is kept within
  };
  // Appends the next message. `now` is the region's wall clock; it matters to `live` only.
  Next next(std::string& bytes, Label& label, LocalSeconds now);
  // Of every message: "AA" … or "" for none. Enhanced mode's CA, CE, CR count as AA, AE, AR.
  void answered(std::uint64_t ticket, std::string_view code);
  // Writes the state to `resume`, if there is one. The caller does so every second or so, and at the end.
  void save();

  const Simulation& simulation() const { return *simulation_; }
  const Message& last() const { return *last_; }  // what next() gave
  const Truth& truth() const { return truth_; }
  std::uint32_t run() const { return state_.run; }
  std::uint64_t unexpected() const { return unexpected_; }  // answers other than the message deserved

 private:
  struct Open {
    LocalSeconds time;
    char expected;  // A, E, R: the second letter
    bool answered;
  };
  FeedOptions options_;
  RunState state_;
  LocalSeconds begun_ = 0;
  std::unique_ptr<Simulation> simulation_;
  const Message* last_ = nullptr;
  bool held_ = false;  // `last_` is not due yet
  Truth truth_;
  std::deque<Open> open_;  // given and not yet settled, the first one has ticket first_
  std::uint64_t first_ = 0, given_ = 0, unexpected_ = 0;
};

struct FilesReport {
  std::uint64_t messages = 0, files = 0, bytes = 0;
};
// Writes the feed to `folder` until it ends or `stop` is set: a file for each message (00000001-bc-city-ORU_R01.hl7),
// or one for each sender (bc-city.hl7). The feed must have an end. Throws std::runtime_error.
FilesReport write_files(Feed& feed, const std::filesystem::path& folder, bool file_per_message,
                        const std::atomic<bool>& stop, const std::function<void(const FilesReport&)>& progress);

}  // namespace hutong::simulator
