// One subscriber's open deliveries, and the decision what is handed over next: order by lanes (docs/adr/0015), retries
// with growing pauses, a breaker in front of a receiver that does not answer, dead letters. Nothing is ever dropped:
// an event that was read is open, held or settled. No I/O and no clock: time is an argument, chance a seed.
//
//   read() ─► waiting ─ next() ─► under way ─ settle() ─┬─► delivered: settled
//                ▲                                       ├─► resting ─ its pause is over ─► waiting
//                └── the event before it in a lane ends  └─► dead: an operator retries or discards it
//
// An event that rests keeps its place in the window, until the window is full of such: then they are held, each with
// what stands behind it in its lanes, and the cursor goes on.
// Threads: one owner. Lifetime: tasks live until they are settled.
#pragma once

#include <chrono>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "broker/model/delivery.h"
#include "broker/model/subscription.h"
#include "broker/port/log.h"
#include "broker/port/sink.h"

namespace hutong::pipeline {

struct LanePolicy {
  std::size_t window = 256;        // events that are read and neither settled nor held
  std::size_t held_max = 100'000;  // above it nothing more is read: an operator is needed, and told
  model::OnRefusal on_refusal = model::OnRefusal::hold;
  unsigned attempts = 5;                                          // of an event that is refused
  std::chrono::milliseconds retry_for = std::chrono::hours(168);  // of one that others overtake without an answer
  std::chrono::milliseconds first_pause{1'000}, longest_pause = std::chrono::hours(1);
  std::chrono::milliseconds first_probe{250}, longest_probe = std::chrono::minutes(1);
  double rate = 0;        // events a second; 0: no limit
  bool numbered = false;  // the receiver is told each event's place as its number
};
LanePolicy lane_policy(const model::Subscription& subscription);

class Lanes {
 public:
  using Ticks = std::chrono::nanoseconds;

  enum class Stage { waiting, under_way, resting, dead };
  struct Task {
    model::EventRef ref;
    std::vector<std::string> lanes;
    Timestamp appended;
    std::shared_ptr<const port::StoredRecord> record;  // nullptr: read again when it is handed over
    Stage stage = Stage::waiting;
    bool held = false;
    bool out_of_lanes = false;  // a dead letter that its patient's events go past
    std::uint32_t attempts = 0;
    std::uint32_t refusals = 0;   // of these: what says something of the event
    std::uint32_t overtaken = 0;  // how often others got through since it failed
    std::uint64_t through_at_failure = 0;
    Timestamp first_failed, last;
    std::string answer;
    std::uint64_t place = 0;
    Ticks due{0};            // resting: until then
    std::size_t behind = 0;  // lanes in which it is not the first
    bool discarded = false;  // while it is under way: whatever comes of it
  };

  Lanes(LanePolicy policy, std::uint64_t seed);

  // --- reading ---
  // What is awaited has its place.
  bool has_room() const { return awaits() || (open_.size() < policy_.window && held_.size() < policy_.held_max); }
  bool is_full() const { return held_.size() >= policy_.held_max; }
  // Whether it is to be read: after a restart the reading begins below what was settled already.
  bool wants(const model::EventRef& ref) const;
  // After a restart: something that was open then was not met again yet. So long each stream is read up to
  // read_before() and no further, whatever else there is: what comes later would fill the window and could not go
  // first.
  bool awaits() const { return !awaited_.empty(); }
  std::uint64_t read_before(const model::Stream& stream) const;
  // A stream was read up to there: what was awaited below and did not come is not wanted any more, the filter is
  // another.
  void passed(const model::Stream& stream, std::uint64_t offset);
  // The next one in the order of its stream.
  void read(Task task);
  // As it was recorded, before anything else. Reading begins at the cursors; until it has met again what was open then,
  // nothing that came after that is handed over.
  void restore(const model::SubscriberProgress& recorded);
  // As they were recorded, in the order of their places, before anything is read.
  void restore(const model::HeldEvent& held);

  // --- handing over ---
  // What may be handed over now, with `under_way` at most; nullptr: nothing.
  Task* next(Ticks now, std::size_t parallel);
  // When next() may give something although nothing else happened; nothing: it is not a matter of time.
  std::optional<Ticks> next_at() const;
  // What the receiver answered; the task may be gone afterwards.
  void settle(Task& task, const port::Receipt& receipt, Ticks now, Timestamp time);
  // There is nothing to say of it to this receiver: it is settled, and not counted as delivered.
  void pass_over(Task& task, std::string why, Timestamp time);
  // It could not be put into words, or not be read: a dead letter at once.
  void cannot_be_said(Task& task, std::string why, Timestamp time);
  // Nothing came of it, and nothing is known of the receiver: it waits as before.
  void put_back(Task& task);

  // --- operators ---
  void pause(bool paused) { paused_ = paused; }
  bool paused() const { return paused_; }
  // Dead letters, in the order in which they were read; those that are none (any more) are passed over. How many.
  std::size_t retry(const std::vector<model::EventRef>& letters);
  std::size_t retry_all();
  std::size_t discard(const std::vector<model::EventRef>& letters, Timestamp time);

  // --- what is to be recorded ---
  bool changed() const { return changed_; }
  // Since the last time. `streams`: of each stream that is read, up to where (StreamCursor::read).
  model::SubscriberProgress take_changes(std::string name, const std::vector<model::StreamCursor>& streams);
  // Records are read again when their events are handed over: the receiver is away, and memory is others'.
  void forget_records();

  // --- what is told ---
  std::size_t open() const { return open_.size(); }
  std::size_t held() const { return held_.size() - dead_; }
  std::size_t dead() const { return dead_; }
  std::size_t under_way() const { return under_way_; }
  bool idle() const { return open_.empty() && awaited_.empty(); }
  // The oldest event that is open (or held).
  std::optional<Timestamp> oldest_open() const;
  std::optional<Timestamp> oldest_held() const;
  // The receiver is not asked until then; nothing: it answers.
  bool is_shut() const { return shut_until_.has_value(); }
  std::optional<Ticks> shut_until() const { return shut_until_; }
  const std::string& trouble() const { return trouble_; }
  std::uint64_t delivered() const { return delivered_; }
  std::uint64_t refused() const { return refused_; }
  std::uint64_t broken() const { return broken_; }
  std::optional<Timestamp> last_delivered() const { return last_delivered_; }
  // Whether any event of this stream is open, or awaited.
  bool has_open(const model::Stream& stream) const;

 private:
  using Lane = std::deque<Task*>;
  Task* insert(Task task);
  void enter(Task& task);  // its lanes, by its place
  void leave(Task& task);
  void finish(Task& task, Timestamp time, bool discarded, std::uint64_t number = 0);
  void wake(Task& task);  // it may be the first everywhere now
  void forget_ready(Task& task);
  void rest(Task& task, Ticks now, std::chrono::milliseconds base, std::uint32_t exponent);
  void stop_resting(Task& task);
  void die(Task& task);
  void hold(Task& task);  // and what stands behind it
  void hold_what_rests();
  void shut(Ticks now, std::optional<std::chrono::milliseconds> asked);
  void opened();
  Ticks jittered(std::chrono::milliseconds base, std::uint32_t exponent, std::chrono::milliseconds longest);
  bool take_token(Ticks now);
  std::optional<Timestamp> oldest_of(const std::set<model::EventRef>& refs) const;

  LanePolicy policy_;
  std::minstd_rand random_;
  std::map<model::EventRef, std::unique_ptr<Task>> tasks_;
  std::set<model::EventRef> open_, held_;
  std::map<model::Stream, std::uint64_t> read_before_;  // by who was here before
  std::map<model::EventRef, std::uint64_t> awaited_;    // open then, and not read again yet: their places
  std::unordered_map<std::string, Lane> lanes_;
  std::deque<Task*> ready_;
  std::set<std::pair<Ticks, model::EventRef>> resting_;
  std::size_t under_way_ = 0, dead_ = 0;
  std::uint64_t places_ = 0, through_ = 0;
  bool paused_ = false;

  // The breaker.
  std::optional<Ticks> shut_until_;
  std::uint32_t failures_ = 0, silences_ = 0;  // in a row
  std::string trouble_;

  double tokens_ = 1;
  Ticks tokens_at_{0};

  bool changed_ = false;
  std::set<model::EventRef> changed_held_, released_;
  std::vector<model::DoneEvent> done_;
  std::uint64_t delivered_ = 0, refused_ = 0, broken_ = 0;
  std::optional<Timestamp> last_delivered_;
};

}  // namespace hutong::pipeline
