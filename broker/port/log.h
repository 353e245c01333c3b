// The durable, ordered truth. Implementations: adapters/log/journal, adapters/log/kafka, adapters/log/memory (for
// tests). Everything else is a replayable projection of it.
// Threads: call from any shard; the awaitable resumes on the caller's executor.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "broker/base/error.h"
#include "broker/base/id.h"
#include "broker/base/time.h"
#include "broker/port/net.h"

namespace hutong::port {

enum class Topic : std::uint8_t { events = 0, quarantine = 1, identity = 2, operations = 3 };
inline constexpr Topic all_topics[] = {Topic::events, Topic::quarantine, Topic::identity, Topic::operations};
std::string_view to_string(Topic topic);

struct Partition {
  Topic topic = Topic::events;
  std::uint32_t number = 0;
  auto operator<=>(const Partition&) const = default;
};

using Offset = std::uint64_t;

struct Position {
  Partition partition;
  Offset offset = 0;
};

// Where a record stood in the log that hutong migrate carried it from: its append time is shown to readers (FHIR's
// lastUpdated), so it stays. Kept by kafka and memory; the embedded journal is never carried into, and would forget it.
struct Carried {
  Timestamp appended;
  Offset offset = 0;
};

struct Record {
  RecordId id;
  std::string key;    // facility + "/" + patient number: records of one key keep their order (events)
  std::string kinds;  // "patient.updated encounter.changed": for readers that filter without parsing
  std::string json;   // schemas/event/v1 (events) or the topic's own document
  std::string raw;    // the bytes as received; may be empty (derived facts)
  std::optional<Carried> carried{};
};

// A record on its way in: its texts stay the caller's.
struct RecordView {
  RecordId id;
  std::string_view key, kinds, json, raw;  // as in Record
  std::optional<Carried> carried;
  RecordView() = default;
  RecordView(const Record& record)  // NOLINT(google-explicit-constructor): a record can be read as a view
      : id(record.id),
        key(record.key),
        kinds(record.kinds),
        json(record.json),
        raw(record.raw),
        carried(record.carried) {}
  std::size_t bytes() const { return key.size() + kinds.size() + json.size() + raw.size(); }
};

struct StoredRecord {
  Offset offset = 0;
  Timestamp appended;  // given by the log (or carried into it), never falls within a partition
  Record record;
};

struct Slice {
  std::vector<StoredRecord> records;
  Offset next = 0;  // where to go on reading; equals `from` when nothing is there yet
};

struct ReadLimit {
  std::size_t records = 1000;
  std::size_t bytes = 8 * 1024 * 1024;  // at least one record is given, however large
  bool with_raw = true;                 // false: `raw` stays empty, cheaper where the log can skip it
};

class Log {
 public:
  virtual ~Log() = default;
  // Returns once every record survives a crash of this process and a loss of power, never earlier.
  // journal: fdatasync returned 0. kafka: acks=all with min.insync.replicas met (replicated, not fsynced).
  // All of the batch or an error; after an error the outcome of each is unknown and a resend is safe.
  // Positions come in the batch's order; within one partition offsets rise in the batch's order.
  // `batch` and what it views must live until this resumes.
  // Errors: unavailable (disk full, log failed), overloaded (the writer's queue is full), too_large.
  virtual net::awaitable<Result<std::vector<Position>>> append(Topic topic, std::span<const RecordView> batch) = 0;
  // The same for records that the caller gives away.
  net::awaitable<Result<std::vector<Position>>> append(Topic topic, std::vector<Record> batch) {
    const std::vector<RecordView> views(batch.begin(), batch.end());
    co_return co_await append(topic, std::span(views));
  }
  // Records from `from`, oldest first. Only what is durable is shown. Offsets rise; gaps are allowed.
  // Past the end: an empty slice. Errors: corrupt (names the offset), unavailable, not_found (retention removed it;
  // the message names the first offset there is).
  virtual net::awaitable<Result<Slice>> read(Partition partition, Offset from, ReadLimit limit) = 0;
  // The offset after the last durable record.
  virtual net::awaitable<Result<Offset>> end(Partition partition) = 0;
  // The offset of the oldest record there is, as last known.
  virtual Offset first(Partition partition) const = 0;
  // Resumes when end(partition) > `seen`, or after `patience`. For tailing without polling.
  virtual net::awaitable<void> wait_beyond(Partition partition, Offset seen, std::chrono::milliseconds patience) = 0;
  virtual std::uint32_t partitions(Topic topic) const = 0;
  // Which log this is: the store remembers it beside its cursors, so that a swapped log is noticed.
  virtual std::string id() const = 0;
  // Bytes used, whether it has failed: for status, readiness and the disk warning.
  struct Health {
    bool writable = true;
    std::string reason;          // when not writable: what to do
    std::uint64_t bytes = 0;     // 0 where the log cannot know: Kafka's disks are watched by Kafka
    Offset end = 0;              // the ends of events' partitions together, as far as known without asking
  };
  virtual Health health() const = 0;
  virtual net::awaitable<Result<void>> close() = 0;
};

}  // namespace hutong::port
