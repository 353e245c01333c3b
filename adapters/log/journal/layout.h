// The journal's bytes on disk: segment headers, batch headers and records, little-endian, and the checks that each
// must pass before anything in it is believed. Pure functions over memory: no file, no clock. docs/journal-format.md
// is this file in prose. Threads: any.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "broker/base/error.h"
#include "broker/base/time.h"
#include "broker/port/log.h"

namespace hutong::journal {

using port::Offset;
using port::Topic;

inline constexpr std::size_t block_bytes = 4096;  // what every batch is padded to; O_DIRECT's alignment
inline constexpr std::size_t batch_header_bytes = 96;
inline constexpr std::size_t record_header_bytes = 36;
inline constexpr std::uint8_t format_version = 1;

using LogId = std::array<char, 16>;

constexpr std::uint64_t whole_blocks(std::uint64_t bytes) {
  return (bytes + block_bytes - 1) / block_bytes * block_bytes;
}

// Block 0 of a segment. It is on disk, synced, before the segment has its name and before any batch is written, and
// it is written only when everything below first_offset is durable: so it proves the segment before it.
struct SegmentHeader {
  LogId log{};
  Topic topic = Topic::events;
  std::uint64_t epoch = 0;  // 1, 2, 3 … within a topic, without a gap
  Offset first_offset = 0;
  std::uint64_t first_sequence = 0;
  std::uint64_t file_bytes = 0;  // the file's size when it was made; it never shrinks: a shorter one was cut
  std::uint32_t previous = 0;    // checksum of the last batch header before this segment
  Timestamp last_appended;       // of the record before first_offset
  std::uint32_t checksum = 0;    // of this block; the first batch's `previous`
};

enum class BatchKind : std::uint8_t {
  records = 1,
  seal = 2,    // no records: says that everything before it is durable
  closed = 3,  // a seal, and the log goes on in the next segment: if that is missing, it was lost
};

struct BatchHeader {
  BatchKind kind = BatchKind::records;
  LogId log{};
  Topic topic = Topic::events;
  std::uint64_t epoch = 0;     // of its segment: a recycled or foreign block does not pass
  std::uint64_t position = 0;  // its own byte position in the file: a misplaced block does not pass
  std::uint64_t sequence = 0;  // rises by one with every batch
  Offset first_offset = 0;
  Offset durable = 0;                  // every record below was synced before this batch was written
  std::uint64_t durable_position = 0;  // and every byte of this file below this position
  std::uint32_t records = 0;
  std::uint32_t payload_bytes = 0;
  std::uint32_t previous = 0;          // checksum of the batch header before (or of the segment's header)
  std::uint32_t payload_checksum = 0;  // over all bytes behind the header, padding included
  std::uint32_t checksum = 0;          // over the header: and so, through payload_checksum, over all of the batch

  std::uint64_t bytes() const { return whole_blocks(batch_header_bytes + std::uint64_t{payload_bytes}); }
  Offset end() const { return first_offset + records; }
};

// What is wrong, in words for an operator. Static text.
struct Fault {
  const char* what;
  bool newer = false;  // verifies, but was written by a newer version: never cut, never guessed at
};

// `block` receives block_bytes; returns the checksum, which is also set in `header`.
void write_segment_header(SegmentHeader& header, char* block);
tl::expected<SegmentHeader, Fault> read_segment_header(std::string_view file);

// `batch` holds header.bytes() bytes, its payload already behind the header; zeroes the padding, computes the
// checksums, writes the header. `payload_checksum` is crc32c of the payload: it is computed where the payload is made,
// while the bytes are still in that core's cache.
void write_batch_header(BatchHeader& header, char* batch, std::uint32_t payload_checksum);
// The header at the start of `bytes`, which lie at `position` of the segment.
tl::expected<BatchHeader, Fault> read_batch_header(std::string_view bytes, const SegmentHeader& segment,
                                                   std::uint64_t position);
// Null when `batch` (header.bytes() bytes) verifies and its records fill the payload exactly.
const char* check_payload(std::string_view batch, const BatchHeader& header);

// One record within a payload; views live as long as the payload.
struct RecordView {
  RecordId id;
  Timestamp appended;
  std::string_view key, kinds, json, raw;
};
std::uint64_t encoded_bytes(const port::RecordView& record);
char* encode_record(const port::RecordView& record, Timestamp appended, char* to);  // returns the end
// Takes the first record off `payload`; false when it does not fit.
bool decode_record(std::string_view& payload, RecordView& record);

inline std::string_view payload_of(std::string_view batch, const BatchHeader& header) {
  return batch.substr(batch_header_bytes, header.payload_bytes);
}

}  // namespace hutong::journal
