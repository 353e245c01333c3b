// A topic's folder of segment files: naming, making, listing, and the recovery at start. Who calls: JournalLog::open,
// the topic's writer when a segment is full, verify and backup. Threads: one caller per folder at a time.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "adapters/log/journal/file_ops.h"
#include "adapters/log/journal/scan.h"

namespace hutong::journal {

// Where a topic's segments lie and what they must say of themselves.
struct TopicPlace {
  FileOps* ops = nullptr;
  std::string directory;  // whole path, ends in the topic's name
  Topic topic = Topic::events;
  LogId log{};
  std::uint64_t segment_bytes = 0;
  bool direct = true;
  std::string name_of(const std::string& file) const { return std::string(port::to_string(topic)) + "/" + file; }
};

struct Segment {
  std::string path;
  std::string name;  // "events/00000000000000000000.segment", for messages
  SegmentHeader header;
  std::uint64_t end = 0;          // position behind the last durable batch; 0: a segment sealed by an earlier run
  std::vector<IndexEntry> index;  // rises; the first entry is the first batch
};
using SegmentList = std::vector<std::shared_ptr<Segment>>;

// Every segment of the folder by offset, each header verified, none missing between the first and the last.
// Errors: corrupt (damaged, foreign or missing segment), unavailable (cannot be read).
Result<SegmentList> list_segments(const TopicPlace& place);

struct Recovered {
  SegmentList segments;
  File file;  // of the last segment, open for writing
  Tail tail;
};
// Brings the folder to a state that may be written: cuts a torn tail, and writes again and syncs what was written but
// not proved durable, because a reader may be shown it from now on. Errors as above.
Result<Recovered> recover_topic(const TopicPlace& place);

// A file with room for a segment, not yet part of the log.
struct Spare {
  File file;
  std::string path;
  std::uint64_t bytes = 0;
};
// Called between pieces of a long preparation with the bytes done; may wait; false stops it.
using Pace = std::function<bool(std::uint64_t done)>;
// With `pace` its blocks are written once, which makes every later write and sync cheaper (the file system converts no
// extent); without, the room is only reserved.
DiskResult<Spare> make_spare(const TopicPlace& place, const std::string& name, const Pace& pace = nullptr);

struct NewSegment {
  std::shared_ptr<Segment> segment;
  File file;
};
// Header, sync, rename, directory sync. `header` gives epoch, offsets and chain; log, topic and size are set here.
DiskResult<NewSegment> create_segment(const TopicPlace& place, SegmentHeader header, std::optional<Spare> spare);

// A batch without records. `block` receives block_bytes.
struct Cursor {  // where the next batch goes and what it continues
  std::uint64_t position = block_bytes;
  Offset next = 0;
  std::uint64_t sequence = 0;
  std::uint32_t previous = 0;
};
BatchHeader follow(const SegmentHeader& segment, const Cursor& cursor, BatchKind kind);
void write_empty_batch(const SegmentHeader& segment, const Cursor& cursor, BatchKind kind, char* block);

}  // namespace hutong::journal
