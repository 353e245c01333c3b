// Folds the log into the store: reads each topic behind its cursor, applies a batch in memory, and writes what changed
// together with the cursor in one step. So every effect happens once, whatever is killed when; what the log holds twice
// is known by its record id.
//
// One projector writes a store. Where several brokers share one, each has a projector, and whose turn it is needs no
// lock: the cursors are the token (docs/adr/0011-several-brokers.md). One more of them names the writer and moves with
// each sign of its life. A write is refused by the store's fence where another has moved any, and that projector stands
// by; it follows the cursors, and takes over once all of them stand still for `take_over`, or the writer has left.
//
// Identity decisions are derived facts: they become pending rows, and are appended to the log by the emitter only after
// the projector has caught up with the log's end as it was at start (architecture: a rebuild makes nothing twice).
//
// Threads: run(), step() and rebuild() on one io_context, best a thread of its own (the store works on the calling
// thread), with a second one that reads ahead in long batches (aside.h); the const members and wait_until from any
// thread. Lifetime: log, store and metrics must outlive it.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "broker/base/time.h"
#include "broker/identity/weights.h"
#include "broker/pipeline/aside.h"
#include "broker/pipeline/emitter.h"
#include "broker/pipeline/rules.h"
#include "broker/port/log.h"
#include "broker/port/metrics.h"
#include "broker/port/store.h"

namespace hutong::pipeline {

struct ProjectorOptions {
  std::string hmac_key;  // of the installation: keys identifiers in the store
  // What agreements between patients are worth; empty ones: only equal cards link.
  std::shared_ptr<const identity::Weights> weights = std::make_shared<identity::Weights>();
  // Those of this moment, for what is due when; none: nothing is reckoned. Where they change, it is reckoned anew.
  std::function<std::shared_ptr<const Rules>()> rules;
  std::size_t batch_records = 500;
  std::size_t batch_bytes = 4 * 1024 * 1024;
  std::chrono::milliseconds patience{50};  // until the seldom written topics are looked at while events rest
  std::chrono::milliseconds retry{200};    // after the log or the store refused
  bool emit = true;                        // append derived facts; false: rebuild, offline commands
  // How long the cursors may stand still before a projector that stands by takes over; 0: no other broker has this
  // store.
  std::chrono::milliseconds take_over{0};
  // Of this broker among them, and the same after a restart: it need not wait for its own former self.
  std::string name;
  // Records below this offset are in the store, after each write or as seen from the side. On the projector's thread.
  std::function<void(port::Partition partition, port::Offset next)> on_projected;
  // Whose turn it is: ours, or another broker's.
  std::function<void(bool ours)> on_turn;
  // In words for an operator, when something stops the projector or it goes on again ("").
  std::function<void(std::string_view)> on_trouble;
};

class Projector {
 public:
  Projector(port::Log& log, port::Store& store, port::Metrics& metrics, const Clock& clock, ProjectorOptions options);
  ~Projector();

  // Reads the cursors and holds them against the log. Errors: conflict (the store was made from another log, or is
  // ahead of it: both offsets and what to do), unavailable.
  net::awaitable<Result<void>> prepare();
  // Tails until stop(). Throws std::runtime_error where prepare() fails; nothing else ends it: what the log or store
  // refuses is tried again, told by on_trouble and seen as lag.
  net::awaitable<void> run();
  void stop() { stopping_ = true; }
  // After run() and whatever relies on the turn have ended: another need not wait for silence to take it.
  net::awaitable<void> leave();
  // This broker's writes the views, not another's.
  bool ours() const { return !standing_by_; }
  // And that was so a moment ago, well before another would take over: after a freeze, or cut off from the store, it is
  // not known. For what has effects outside.
  bool confirmed() const;

  // One batch of each topic that has something; how many records. After an error the next one begins with prepare():
  // what the store had made of the last write was perhaps not heard, and another projector may have gone on from there.
  net::awaitable<Result<std::size_t>> step();
  // Steps until every topic is applied up to its end, facts emitted meanwhile included.
  net::awaitable<Result<void>> catch_up(std::function<void(port::Offset done, port::Offset end)> progress = {});

  // How many records of events are in the store: the offsets up to which they were applied, of all partitions together.
  port::Offset projected() const { return projected_; }
  // All topics were applied up to the ends they had at start.
  bool caught_up() const { return caught_up_; }
  std::uint64_t lag_records() const { return lag_records_; }
  // Age of the oldest record of the events topic that is not in the store; 0: none is.
  double lag_seconds() const;
  // What stops it now; "" nothing.
  std::string trouble() const;
  // True once projected() has reached `offset`, false after `patience`. For reads that wait for a verdict.
  net::awaitable<bool> wait_until(port::Offset offset, std::chrono::milliseconds patience) const;

 private:
  struct Tail {
    port::Partition partition;
    port::Cursor stored;    // as the store has it
    port::Offset next = 0;  // read up to here: a gap of the log moves it, and is not written
    port::Offset end_at_start = 0;
    std::uint64_t behind = 0;  // records not applied, as last looked at
    std::int64_t oldest = 0;   // micros: since when; 0: nothing is behind
  };
  struct Counters;

  net::awaitable<Result<std::size_t>> apply_topics();
  net::awaitable<Result<std::size_t>> step(Tail& tail);
  net::awaitable<Result<void>> write(Tail& tail, port::Slice slice);
  net::awaitable<Result<void>> reckon();
  std::vector<port::Cursor> fence() const;
  net::awaitable<void> rest();
  bool shared() const { return options_.take_over.count() > 0; }
  net::awaitable<Result<void>> watch();
  net::awaitable<Result<void>> say(std::string_view name);
  net::awaitable<void> confirm();
  net::awaitable<void> observe_lag(Tail& tail, Timestamp newest);
  void applied_up_to(Tail& tail, port::Offset next);
  void show();
  void turn(bool ours);
  void trouble(std::string what);

  port::Log& log_;
  port::Store& store_;
  const Clock& clock_;
  ProjectorOptions options_;
  port::Cursor turn_;  // as the store had it last
  Emitter emitter_;
  Aside aside_;
  std::unique_ptr<Counters> counters_;
  std::vector<Tail> tails_;
  std::shared_ptr<const Rules> reckoned_;  // what every deadline in the store was reckoned by
  bool prepared_ = false;
  bool fenced_ = false;                     // the last write met another's
  std::chrono::nanoseconds still_since_{};  // standing by: when the cursors last moved

  std::atomic<std::int64_t> confirmed_{0};  // ticks: when the store last showed that nobody else writes
  std::atomic<bool> standing_by_{false};
  std::atomic<bool> stopping_{false};
  std::atomic<bool> caught_up_{false};
  std::atomic<port::Offset> projected_{0};
  std::atomic<std::uint64_t> lag_records_{0};
  std::atomic<std::int64_t> oldest_unprojected_{0};  // micros; 0: none
  mutable std::mutex trouble_mutex_;
  std::string trouble_;
};

// The views anew from the log, into an empty store; appends nothing. Errors: conflict (the store is not empty), and
// those of log and store.
net::awaitable<Result<void>> rebuild(port::Log& log, port::Store& empty, port::Metrics& metrics, const Clock& clock,
                                     ProjectorOptions options,
                                     std::function<void(port::Offset done, port::Offset end)> progress = {});

}  // namespace hutong::pipeline
