// What one record of the log changes in the views. Each record is parsed once; everything it changes goes into the
// batch's Overlay and leaves with the cursor in one write. Nothing here knows the present: times are the record's.
// What records will ask for is fetched together, before they are applied, and beside the application of those before
// them (effects_ahead.cpp). Threads: the projector's and the one aside. Lifetime: one batch.
#pragma once

#include <rapidjson/stringbuffer.h>

#include <array>
#include <map>
#include <span>
#include <string>
#include <unordered_map>

#include "broker/identity/candidate.h"
#include "broker/identity/weights.h"
#include "broker/model/record.h"
#include "broker/pipeline/aside.h"
#include "broker/pipeline/effects_correction.h"
#include "broker/pipeline/effects_identity.h"
#include "broker/pipeline/feed_state.h"
#include "broker/pipeline/overlay.h"
#include "broker/pipeline/rules.h"
#include "broker/port/log.h"

namespace hutong::pipeline {

// The first `told_effect_count` are hutong_effects_total: what a resend must not change. The rest is counted apart.
enum class Effect : std::uint8_t {
  report_created,
  report_superseded,
  report_unchanged,
  report_late,
  patient_created,
  patient_updated,
  encounter_changed,
  order_changed,
  person_linked,
  conflict,
  duplicate,
  quarantined,
  unreadable,
};
inline constexpr std::size_t told_effect_count = 10, effect_count = 13;
std::string_view to_string(Effect effect);  // "report_created"

class Effects {
 public:
  // `rules`: for what is due when; nullptr: nothing is reckoned. `aside` must outlive it.
  Effects(port::Store& store, Aside& aside, std::string log_id, const std::string& hmac_key,
          const identity::Weights& weights, std::shared_ptr<const Rules> rules = {});

  // The records of the batch, of one partition of any topic; once. A document that does
  // not read is counted with its feed (Effect::unreadable) and passed over: the log keeps it, a rebuild by a version
  // that can read it heals the views. Where overlay().failed() says so, the batch is spoilt and was left half done.
  net::awaitable<void> apply(port::Partition partition, std::span<const port::StoredRecord> records);

  Overlay& overlay() { return overlay_; }
  const std::array<std::uint64_t, effect_count>& counts() const { return counts_; }
  // Ids met in the identity topic.
  const std::vector<RecordId>& decisions_met() const { return decisions_met_; }
  bool proposed() const { return proposed_; }  // something is pending now
  Timestamp newest() const { return newest_; }

 private:
  struct Local {  // the local patient a record is about
    std::string facility, number;
  };
  struct Unmapped {
    std::string display;
    std::int64_t count = 0, first = 0, last = 0;
  };

  using Records = std::span<const port::StoredRecord>;
  using Blocks = std::unordered_map<std::string, std::string>;  // keys of blocks, as the store has them
  // What some records say, and what they will ask for, as the store has it.
  struct Ahead {
    explicit Ahead(port::Store& store) : rows(store) {}
    Arena documents;
    std::vector<std::optional<model::RecordView>> views;     // of events; nothing: it does not read
    std::vector<std::optional<IdentityDecision>> decisions;  // likewise
    Overlay rows;
    Blocks blocks;
  };
  using LookAhead = net::awaitable<void> (Effects::*)(Records records, Ahead& ahead) const;
  using Apply = net::awaitable<void> (Effects::*)(const port::StoredRecord& record, Ahead& ahead, std::size_t place);
  net::awaitable<void> apply_in_turns(Records records, LookAhead look_ahead, Apply apply);
  // Any thread; whatever else is applied meanwhile.
  net::awaitable<void> look_ahead_at_events(Records records, Ahead& ahead) const;
  net::awaitable<void> look_ahead_at_decisions(Records records, Ahead& ahead) const;
  net::awaitable<void> apply_event_record(const port::StoredRecord& record, Ahead& ahead, std::size_t place);
  net::awaitable<void> apply_quarantine_record(const port::StoredRecord& record);
  net::awaitable<void> apply_operation(port::Partition partition, const port::StoredRecord& record);
  net::awaitable<void> apply_decision(const port::StoredRecord& record, Ahead& ahead, std::size_t place);
  net::awaitable<bool> is_duplicate(const port::StoredRecord& record);
  net::awaitable<void> apply_subject(const port::StoredRecord& record, Local local);
  net::awaitable<void> index_subject(Local local, const model::Subject* before, const model::Subject& after);
  // Whom it may be one with: those who share a card, and those who share a block.
  net::awaitable<void> match(const port::StoredRecord& record, const identity::Candidate& newcomer,
                             std::int64_t first_seen);
  net::awaitable<void> index_blocks(const identity::Candidate* before, const identity::Candidate& after);
  const std::string& block_of(Blocks& blocks, const std::string& key) const;
  net::awaitable<void> tell_guard(const port::StoredRecord& record, const identity::Candidate& patient);
  net::awaitable<void> apply_report(const port::StoredRecord& record, Local local, const model::Event& event);
  net::awaitable<void> apply_encounter(const port::StoredRecord& record, Local local, const model::Event& event);
  net::awaitable<void> apply_order(const port::StoredRecord& record, Local local, const model::Event& event);
  net::awaitable<void> change_order(const port::StoredRecord& record, Local local, const model::Event& event,
                                    std::string id);
  net::awaitable<void> apply_merge(const port::StoredRecord& record, Local local, const model::Event& event);
  net::awaitable<FeedState*> feed(std::string facility);
  net::awaitable<void> finish();  // writes the counters that were gathered
  // Nobody is told of this event: it says nothing new.
  void note_no_change(const model::Event& event) { no_change_ += std::to_string(event.ordinal) + " "; }
  void note_unmapped(const model::Report& report, Timestamp at);
  std::string event_id(const model::Event& event) const;
  static std::string control_of(const port::StoredRecord& record, const model::RecordView& view);
  static Local local_of(const port::StoredRecord& record, const model::RecordView& view);
  void count(Effect effect) { ++counts_[static_cast<std::size_t>(effect)]; }

  // Beyond this many local patients on one card nobody is linked by it: it is a placeholder that nobody listed yet.
  static constexpr std::size_t sharing_card_max_ = 32;
  // Others that one newcomer is held against; the blocks come in the order of their selectivity.
  static constexpr std::size_t compared_max_ = 256;

  port::Store& store_;
  Aside& aside_;
  Overlay overlay_;
  std::string log_id_;
  const std::string& hmac_key_;
  const identity::Weights& weights_;
  std::shared_ptr<const Rules> rules_;
  port::Partition partition_;
  std::string no_change_;     // of the record that is being applied: ordinals
  port::Offset decided_ = 0;  // of the partition: what came before it was decided about
  Blocks blocks_;
  const std::size_t ahead_;  // records that are looked ahead at together
  Arena arena_;              // of the record that is being applied
  model::RecordView view_;
  std::map<std::string, FeedState> feeds_;
  std::map<std::string, std::int64_t> feed_updated_;
  std::map<std::pair<std::string, std::string>, Unmapped> unmapped_;  // by facility and code
  std::array<std::uint64_t, effect_count> counts_{};
  std::vector<RecordId> decisions_met_;
  bool proposed_ = false;
  Timestamp newest_;
};

}  // namespace hutong::pipeline
