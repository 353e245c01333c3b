// What became of deliveries, and what operators asked for, as they stand in the log (topic operations). A subscriber's
// place in the log is the fold of these: it survives a kill and a rebuild, and another broker goes on from it. No
// record names a patient otherwise than by facility and number. Schema: schemas/operations/v1.
// Plain values with an owner; threads: any.
#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "broker/base/error.h"
#include "broker/base/id.h"
#include "broker/base/time.h"

namespace hutong::model {

inline constexpr std::string_view delivery_progressed_kind = "delivery.progressed";
inline constexpr std::string_view delivery_commanded_kind = "delivery.commanded";

// A partition of the log, as read by a subscriber: as it grows (replay 0) or again (its number).
struct Stream {
  std::uint32_t replay = 0;
  std::uint8_t topic = 0;  // port::Topic
  std::uint32_t partition = 0;
  auto operator<=>(const Stream&) const = default;
};

// Where an event stands: a record, and the event's ordinal in it.
struct EventRef {
  Stream stream;
  std::uint64_t offset = 0;
  std::uint32_t ordinal = 0;
  auto operator<=>(const EventRef&) const = default;
};
// "0-1234.0": partition of events, offset, ordinal; of another topic "3:0-12.0"; of a replay with "-r7" behind.
std::string to_string(const EventRef& ref);
std::optional<EventRef> event_ref_of(std::string_view text);

enum class HeldState {
  behind,    // an earlier event of its patient is held
  retrying,  // refused or unanswered, tried again by itself
  dead,      // an operator decides
};
std::string_view to_string(HeldState state);
std::optional<HeldState> held_state_of(std::string_view text);

// An event that the cursor has passed although it is not settled.
struct HeldEvent {
  EventRef ref;
  std::vector<std::string> lanes;  // in whose order it stands: "FACILITY/NUMBER"
  std::uint64_t place = 0;         // in the order in which its subscriber read them
  HeldState state = HeldState::behind;
  std::uint32_t attempts = 0;
  Timestamp appended, first_failed, last;  // zero: not tried
  std::string answer;                      // the last one, in the wire's words
  auto operator<=>(const HeldEvent&) const = default;
};

// An event that was read and is neither settled nor held.
struct OpenEvent {
  EventRef ref;
  std::uint64_t place = 0;  // as HeldEvent::place
  auto operator<=>(const OpenEvent&) const = default;
};

// An event that is settled.
struct DoneEvent {
  EventRef ref;
  Timestamp at;
  std::uint32_t attempts = 1;
  std::string answer;  // "AA", "200"; discarded: ""
  bool discarded = false;
  std::uint64_t number = 0;  // it was handed over under this (SubscriberProgress::numbers); 0: it has none
  auto operator<=>(const DoneEvent&) const = default;
};

struct StreamCursor {
  Stream stream;
  std::uint64_t next = 0;  // every event below is settled or held
  std::uint64_t read = 0;  // so is every one below this, but for those named as open
  auto operator<=>(const StreamCursor&) const = default;
};

struct SubscriberProgress {
  std::string name;
  std::uint64_t term = 0;  // of the row of the router
  bool idle = false;       // nothing is open: its cursors are the router's, and move with them unsaid
  std::vector<StreamCursor> cursors;
  std::vector<OpenEvent> open;
  std::vector<HeldEvent> held;                           // as they are now; only those that changed
  std::vector<EventRef> released;                        // held no more
  std::vector<DoneEvent> done;                           // since the last progress
  std::vector<std::uint32_t> replayed;                   // replays that are done
  std::uint64_t delivered = 0, refused = 0, broken = 0;  // attempts, all told
  std::uint64_t numbers = 0;  // where its events are told by number, their places: the newest one
  bool operator==(const SubscriberProgress&) const = default;
};

// delivery.progressed
struct DeliveryProgressed {
  RecordId id;
  std::string log;  // id of the log whose offsets these are
  // Of whom it is: grows with the end of the topic when it began to deliver. What an earlier one still says later does
  // not count.
  std::uint64_t term = 0;
  Timestamp at;
  std::vector<StreamCursor> router;  // what idle subscribers have read; empty: as it was (its first record is its term)
  std::vector<SubscriberProgress> subscribers;
};

enum class DeliveryAction { pause, resume, retry, discard, replay };
std::string_view to_string(DeliveryAction action);
std::optional<DeliveryAction> delivery_action_of(std::string_view text);

// delivery.commanded
struct DeliveryCommanded {
  RecordId id;
  std::string log;
  Timestamp at;
  std::string subscription;
  DeliveryAction action = DeliveryAction::pause;
  std::vector<EventRef> letters;  // retry, discard
  std::string reason, by, client;
  // replay: [from, to) of each partition, of one patient ("FACILITY/NUMBER") or of all
  struct Range {
    Stream stream;
    std::uint64_t from = 0, to = 0;
    bool operator==(const Range&) const = default;
  };
  std::vector<Range> ranges;
  std::string patient;
};
// From the command's id; never 0.
std::uint32_t replay_number(const RecordId& command);

std::string write(const DeliveryProgressed& progressed);
std::string write(const DeliveryCommanded& commanded);
// Errors: corrupt.
Result<DeliveryProgressed> read_delivery_progressed(std::string_view json);
Result<DeliveryCommanded> read_delivery_commanded(std::string_view json);
// The term alone of a written DeliveryProgressed, without reading on behind it; 0: there is none.
std::uint64_t read_term(std::string_view json);

// Cursors, open events and counts of one subscriber, as a row of the store keeps them.
std::string write_standing(const SubscriberProgress& progress);
Result<SubscriberProgress> read_standing(std::string_view json);
std::string write_ranges(const std::vector<DeliveryCommanded::Range>& ranges);
Result<std::vector<DeliveryCommanded::Range>> read_ranges(std::string_view json);
std::string write_lanes(const std::vector<std::string>& lanes);
Result<std::vector<std::string>> read_lanes(std::string_view json);

}  // namespace hutong::model
