// What operators see: feeds, codes without a map, quarantine, and the life of one message. No clinical content: kinds,
// ids, statuses, issues, offsets and times only; quarantined bytes by a permit of their own ("quarantine/raw").
// Every function takes a permit, which must live until the awaitable resumes. Threads: any.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "broker/access/permit.h"
#include "broker/base/error.h"
#include "broker/model/facility.h"
#include "broker/port/log.h"
#include "broker/port/store.h"

namespace hutong::query {

using Facilities = std::function<std::shared_ptr<const model::FacilityDirectory>()>;

// How often a quarantined message (facility, the hash's bytes) came again since the broker started, and when last.
struct Repetition {
  std::uint64_t times = 0;
  Timestamp last;
};
using Repetitions = std::function<Repetition(std::string_view facility, std::string_view raw_hash)>;

struct Feed {
  std::string facility, name_zh, name_en, level, kind;
  bool registered = false, provisional = false;
  std::string state = "{}";              // the projector's document (pipeline/feed_state.h), as it is
  std::optional<Timestamp> first, last;  // when its messages were received
  std::uint64_t total = 0, warnings = 0, duplicates = 0, conflicts = 0, unmapped = 0, rejected = 0;
  std::vector<std::pair<std::string, std::uint64_t>> rejects;  // by reason, most frequent first
};

struct UnmappedCode {
  std::string facility, code, display;
  std::uint64_t count = 0;
  Timestamp first_seen, last_seen;
};

struct Quarantined {
  std::string facility, raw_hash;  // hex
  port::Offset offset = 0;         // in the quarantine topic
  std::string answer, reason, path, type, control_id, retried;
  Timestamp received;
  std::uint64_t repeated = 0;  // how often it came again since the broker started
  Timestamp repeated_last;
};

struct Refusals {
  std::vector<Quarantined> messages;
  std::optional<port::Offset> next;  // `before` of the page behind; nothing: this was the last
};

struct TracedEvent {
  std::string id, kind, status, report, order, encounter;
  std::uint32_t version = 1;
};
struct TracedIssue {
  std::string severity, code, path, found, expected;
};
struct TracedRecord {
  std::string id, facility, application, sender_facility, control_id, type, version, charset, protocol, connection;
  std::string map_version, sent, raw_sha256, person;
  bool provisional = false;
  std::uint32_t partition = 0;  // of events
  port::Offset offset = 0;      // in it
  Timestamp received, appended;
  std::uint64_t raw_bytes = 0, person_members = 0;
  std::vector<TracedEvent> events;
  std::vector<TracedIssue> issues;
};
struct Trace {
  std::vector<TracedRecord> records;  // newest first
  std::vector<Quarantined> quarantined;
  port::Offset searched_from = 0, searched_to = 0;  // in each partition of events
  std::optional<port::Offset> next;                 // `before` of the search further back; nothing: all was searched
};

// What waits for a steward: `document` as the identity topic has it (schemas/api, IdentityDecision).
struct IdentityQuestion {
  std::string id, document;
};
struct IdentityQuestions {
  std::vector<IdentityQuestion> questions;
  std::string next;  // `after` of the next page; "": this was the last
};
// Everyone who is one person with a local patient, as their facilities describe them, and what was decided about it.
struct IdentityPerson {
  struct Member {
    std::string facility, number, subject;  // the compact document of schemas/event/v1
  };
  std::string person;
  std::vector<Member> members;         // at most 200 of member_count
  std::size_t member_count = 0;
  std::vector<std::string> decisions;  // documents, oldest first, at most 1,000
  std::string next;                    // `after` of the page with the following ones; "": this was the last
};

// Something that happened to a referral, a critical value, an order that was checked.
struct Happening {
  std::string kind;  // "referral", "critical-value", "recognition"
  std::string json;
};
struct Happenings {
  std::vector<Happening> found;  // oldest first
  port::Offset next = 0;         // of operations: where to go on
};

class Operations {
 public:
  Operations(port::Log& log, port::Store& store, Facilities facilities, Repetitions repetitions = {})
      : log_(log), store_(store), facilities_(std::move(facilities)), repetitions_(std::move(repetitions)) {}

  // Registered facilities and everyone else who sent something, by code.
  net::awaitable<Result<std::vector<Feed>>> feeds(const access::Permit& permit);
  net::awaitable<Result<Feed>> feed(const access::Permit& permit, std::string facility);
  // Of one facility, or of all ("").
  net::awaitable<Result<std::vector<UnmappedCode>>> unmapped(const access::Permit& permit, std::string facility,
                                                             std::size_t limit);
  // What was refused, of one facility or of all (""), newest first: read from the quarantine topic below `before`,
  // which is in the order of time as no view is. At most `limit`, and those among the newest 20,000 records there.
  net::awaitable<Result<Refusals>> quarantine(const access::Permit& permit, std::string facility,
                                              std::optional<port::Offset> before, std::size_t limit);
  net::awaitable<Result<Quarantined>> quarantined(const access::Permit& permit, std::string facility,
                                                  std::string raw_hash);
  // The bytes as received (an oversized message: its beginning).
  net::awaitable<Result<std::string>> quarantined_raw(const access::Permit& permit, std::string facility,
                                                      std::string raw_hash);
  // An offset from which, in every partition, the events are found that were appended at or after a time.
  net::awaitable<Result<port::Offset>> offset_since(const access::Permit& permit, Timestamp time);
  // In the order of their ids, which is none.
  net::awaitable<Result<IdentityQuestions>> identity_questions(const access::Permit& permit, std::string after,
                                                               std::size_t limit);
  // Errors: not_found.
  net::awaitable<Result<IdentityPerson>> identity_person(const access::Permit& permit, std::string facility,
                                                         std::string number, std::string after);
  // What happened since `from`, of many the newest 500; nothing: from now on. No patient, practitioner or result is in it.
  net::awaitable<Result<Happenings>> happenings(const access::Permit& permit, std::optional<port::Offset> from);
  // `id`: a record id, an event id, or FACILITY/control-id. Searches the newest 50,000 records below `before` of each partition: nothing
  // leads from an id to its offset, because an index would cost every message a row for a question that is asked a few
  // times a day, mostly about today. Errors: not_found once all was searched.
  net::awaitable<Result<Trace>> trace(const access::Permit& permit, std::string id, std::optional<port::Offset> before);

 private:
  Quarantined quarantined_of(const port::Row& row) const;
  net::awaitable<Result<Refusals>> refusals(std::string facility, std::string control_id,
                                            std::optional<port::Offset> before, std::size_t limit);
  net::awaitable<Result<void>> search_log(const std::string& id, std::optional<port::Offset> before, Trace& trace);
  struct Wanted;
  static Result<Wanted> read_wanted(const std::string& id);
  net::awaitable<Result<port::Offset>> search_partition(const Wanted& wanted, port::Partition events,
                                                        port::Offset first, port::Offset upper,
                                                        std::vector<TracedRecord>& records);
  net::awaitable<Result<port::Offset>> offset_since(port::Partition events, Timestamp time);
  net::awaitable<Result<void>> add_person(TracedRecord& record, std::string facility, std::string number);

  port::Log& log_;
  port::Store& store_;
  Facilities facilities_;
  Repetitions repetitions_;  // may be empty: no broker runs
};

}  // namespace hutong::query
