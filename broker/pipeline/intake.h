// From a frame to an acknowledgement: read, normalize, recognise a resend, append, answer. The one place where
// "acknowledged" is decided: a positive answer leaves accept() only after Log::append returned (docs/adr/0001).
// One instance a shard. Threads: the shard's; the log, the store and RecentControls are shared.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "broker/base/text_hash.h"
#include "broker/model/record.h"
#include "broker/pipeline/recent_controls.h"
#include "broker/pipeline/recent_refusals.h"
#include "broker/pipeline/rules.h"
#include "broker/port/format.h"
#include "broker/port/inbox.h"
#include "broker/port/log.h"
#include "broker/port/metrics.h"
#include "broker/port/store.h"

namespace hutong::pipeline {

struct IntakeOptions {
  std::chrono::milliseconds append_deadline{10'000};  // how long to wait for a log that is away before AR 207
  // How long an acknowledgement may wait for a store on another machine to say what it knows of its messages; then they
  // go on as new, and the projector recognises what came before. 0: the store does not make one wait.
  std::chrono::milliseconds store_patience{0};
  RecentRefusals* refusals = nullptr;  // shared by all shards; outlives intake
};

class Intake final : public port::Inbox {
 public:
  Intake(port::Log& log, port::Store& store, const port::Format& format, const CurrentRules& rules,
         RecentControls& recent, port::Metrics& metrics, const Clock& clock, IntakeOptions options = {});
  ~Intake() override;

  net::awaitable<std::vector<port::Reply>> accept(const port::Peer& peer, std::span<const port::Frame> frames) override;

 private:
  struct Batch;  // what one attempt made of the frames
  struct FacilityCounters;
  struct Counters;

  net::awaitable<Batch> judge(const port::Peer& peer, std::span<const port::Frame> frames, const Rules& rules);
  net::awaitable<bool> append_events(const Batch& batch);
  net::awaitable<bool> append_quarantined(const Batch& batch);
  net::awaitable<std::vector<std::optional<port::Row>>> ask_store(std::vector<port::Lookup> lookups);
  void weigh(Batch& batch, const port::Peer& peer, std::span<const port::Frame> frames, const Rules& rules);
  void weigh_message(Batch& batch, std::size_t frame, std::string_view bytes, const port::Peer& peer,
                     const port::Frame& source, const Rules& rules, model::Draft& draft);
  bool take_accepted(Batch& batch, std::size_t frame, std::string_view bytes, model::Draft& draft);
  void take_refused(Batch& batch, std::size_t frame, std::string_view bytes, const port::Peer& peer,
                    const port::Frame& source, const port::Reading& reading, model::Draft& draft);
  void answer_try_again(std::span<const port::Frame> frames, const port::Peer& peer, const Rules& rules,
                        bool events_safe, Batch& batch);
  std::string answer_id();
  FacilityCounters& counters_of(std::string_view facility);
  std::unique_ptr<model::Draft> borrow();
  Arena borrow_arena();
  void give_back(Arena arena);

  port::Log& log_;
  port::Store& store_;
  const port::Format& format_;
  const CurrentRules& rules_;
  RecentControls& recent_;
  port::Metrics& metrics_;
  const Clock& clock_;
  IntakeOptions options_;
  std::vector<std::unique_ptr<model::Draft>> drafts_;  // reused: an arena warms up once
  std::vector<Arena> batch_arenas_;                    // reused, too
  std::unordered_map<std::string, std::unique_ptr<FacilityCounters>, TextHash, std::equal_to<>> by_facility_;
  std::unique_ptr<Counters> counters_;
  std::uint64_t answers_ = 0;
  std::string answer_prefix_;
};

}  // namespace hutong::pipeline
