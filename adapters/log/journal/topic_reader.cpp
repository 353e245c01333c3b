// Reading: what was written a moment ago comes from memory, on the caller's thread; the rest from the files, on the
// journal's reader thread, every batch verified again.
#include <fcntl.h>

#include <algorithm>

#include "adapters/log/journal/topic_journal.h"

namespace hutong::journal {
namespace {

constexpr std::size_t window_bytes = 512 * 1024;

// Fills a slice up to its limits.
class SliceBuilder {
 public:
  SliceBuilder(port::Slice& slice, const port::ReadLimit& limit) : slice_(slice), limit_(limit) {}

  bool full() const { return full_; }

  // Takes the records of one batch that are wanted. False when a record does not fit the payload.
  bool take(std::string_view payload, Offset first, Offset end) {
    RecordView view;
    for (Offset offset = first; offset < end && !full_; ++offset) {
      if (!decode_record(payload, view)) return false;
      if (offset >= slice_.next) add(offset, view);
    }
    return true;
  }

 private:
  void add(Offset offset, const RecordView& view) {
    const std::size_t size =
        view.key.size() + view.kinds.size() + view.json.size() + (limit_.with_raw ? view.raw.size() : 0);
    if (!slice_.records.empty() && (slice_.records.size() >= limit_.records || bytes_ + size > limit_.bytes)) {
      full_ = true;
      return;
    }
    port::StoredRecord& stored = slice_.records.emplace_back();
    stored.offset = offset;
    stored.appended = view.appended;
    stored.record.id = view.id;
    stored.record.key = view.key;
    stored.record.kinds = view.kinds;
    stored.record.json = view.json;
    if (limit_.with_raw) stored.record.raw = view.raw;
    bytes_ += size;
    slice_.next = offset + 1;
    full_ = slice_.records.size() >= limit_.records;
  }

  port::Slice& slice_;
  const port::ReadLimit& limit_;
  std::size_t bytes_ = 0;
  bool full_ = false;
};

}  // namespace

// A piece of one file; only durable bytes are ever in it, so it never grows stale.
struct TopicJournal::Window {
  std::shared_ptr<const Segment> segment;
  File file;
  Buffer buffer;
  std::uint64_t start = 0;
  std::size_t size = 0;

  DiskResult<void> open(FileOps& ops, const std::shared_ptr<const Segment>& wanted) {
    if (segment == wanted) return {};
    segment = nullptr;
    size = 0;
    file = File(ops.open(wanted->path.c_str(), O_RDONLY | O_CLOEXEC, 0));
    if (!file) return disk_fault("opening", wanted->path);
    // No read-ahead: behind the tail it would fetch blocks that are about to be written.
    ::posix_fadvise(file.get(), 0, 0, POSIX_FADV_RANDOM);
    segment = wanted;
    return {};
  }
  // The bytes at `at`: at least `least` unless the durable part, which ends at `limit`, is shorter.
  DiskResult<std::string_view> at(FileOps& ops, std::uint64_t at, std::size_t least, std::uint64_t limit) {
    if (at < start || at + least > start + size) {
      const std::uint64_t wanted = std::min<std::uint64_t>(std::max(least, window_bytes), limit - std::min(at, limit));
      if (buffer.capacity() < wanted) buffer = Buffer(std::max<std::size_t>(whole_blocks(wanted), window_bytes));
      size = 0;
      const auto got = read_at(ops, file.get(), buffer.data(), wanted, at, segment->path);
      if (!got) return tl::unexpected(got.error());
      start = at;
      size = *got;
    }
    return std::string_view(buffer.data() + (at - start), size - (at - start));
  }
};

net::awaitable<Result<port::Slice>> TopicJournal::read(Offset from, port::ReadLimit limit) {
  port::Slice slice;
  slice.next = from;
  if (stopped()) co_return fail(ErrorCode::unavailable, "the log is closed: the broker is stopping");
  if (read_recent(from, limit, slice)) co_return slice;
  co_return co_await await_completion<port::Slice>(
      [this, from, limit](std::shared_ptr<Completion<port::Slice>> completion) {
        const bool taken =
            shared_.reader.post([this, from, limit, completion] { completion->finish(read_disk(from, limit)); });
        if (!taken) completion->finish(fail(ErrorCode::unavailable, "the log is closed: the broker is stopping"));
      });
}

bool TopicJournal::read_recent(Offset from, const port::ReadLimit& limit, port::Slice& slice) {
  std::vector<Recent> batches;
  {
    const std::lock_guard lock(mutex_);
    if (from >= durable_.next) return true;
    if (recent_.empty() || from < recent_.front().first) return false;
    auto at = std::upper_bound(recent_.begin(), recent_.end(), from,
                               [](Offset offset, const Recent& recent) { return offset < recent.end; });
    std::size_t bytes = 0;
    std::uint64_t records = 0;
    for (; at != recent_.end() && bytes <= limit.bytes && records <= limit.records; ++at) {
      if (!batches.empty()) bytes += at->payload_bytes, records += at->end - at->first;
      batches.push_back(*at);
    }
  }
  SliceBuilder builder(slice, limit);
  for (const Recent& batch : batches) {
    builder.take({batch.buffer->data() + batch_header_bytes, batch.payload_bytes}, batch.first, batch.end);
  }
  return true;
}

// What lies before damage is given; the read that starts at the damage is told of it.
Result<port::Slice> TopicJournal::read_disk(Offset from, port::ReadLimit limit) {
  port::Slice slice;
  slice.next = from;
  auto read = read_files(limit, slice);
  if (!read && slice.records.empty()) return tl::unexpected(std::move(read.error()));
  return slice;
}

Result<void> TopicJournal::read_files(const port::ReadLimit& limit, port::Slice& slice) {
  SliceBuilder builder(slice, limit);
  while (!builder.full()) {
    std::shared_ptr<Segment> segment;
    IndexEntry at{};
    Offset stop;                  // offsets below are durable and in this segment
    std::uint64_t durable_bytes;  // of its file
    {
      const std::lock_guard lock(mutex_);
      if (slice.next >= durable_.next) break;
      if (slice.next < segments_.front()->header.first_offset) {
        return fail(ErrorCode::not_found,
                    "offset " + std::to_string(slice.next) + " of " + std::string(to_string(place_.topic)) +
                        " is gone; the first there is is " + std::to_string(segments_.front()->header.first_offset));
      }
      const auto after = std::upper_bound(segments_.begin(), segments_.end(), slice.next,
                                          [](Offset offset, const auto& s) { return offset < s->header.first_offset; });
      segment = *std::prev(after);
      stop = after == segments_.end() ? durable_.next : (*after)->header.first_offset;
      durable_bytes = after == segments_.end() ? segment->end : std::numeric_limits<std::uint64_t>::max();
      at = *std::prev(std::upper_bound(segment->index.begin(), segment->index.end(), slice.next,
                                       [](Offset offset, const IndexEntry& entry) { return offset < entry.offset; }));
    }
    if (!window_) window_ = std::make_shared<Window>();
    if (auto opened = window_->open(shared_.ops, segment); !opened) return tl::unexpected(as_error(opened.error()));
    while (at.offset < stop && !builder.full()) {
      auto bytes = window_->at(shared_.ops, at.position, batch_header_bytes, durable_bytes);
      if (!bytes) return tl::unexpected(as_error(bytes.error()));
      const auto header = read_batch_header(*bytes, segment->header, at.position);
      if (!header || header->first_offset != at.offset) {
        return tl::unexpected(damage(segment->name, at.position, at.offset,
                                     header ? "a batch does not follow the one before it" : header.error().what));
      }
      if (header->end() > slice.next) {
        bytes = window_->at(shared_.ops, at.position, header->bytes(), durable_bytes);
        if (!bytes) return tl::unexpected(as_error(bytes.error()));
        const char* fault = bytes->size() < header->bytes() ? "the file ends within a batch"
                                                            : check_payload(bytes->substr(0, header->bytes()), *header);
        if (fault == nullptr && !builder.take(payload_of(*bytes, *header), at.offset, header->end())) {
          fault = "a record does not fit its batch";
        }
        if (fault != nullptr) return tl::unexpected(damage(segment->name, at.position, at.offset, fault));
      }
      at = {header->end(), at.position + header->bytes()};
      const std::lock_guard lock(mutex_);  // an old segment's index is built as it is read
      const IndexEntry& last = segment->index.back();
      if (at.offset < stop && at.offset > last.offset && at.position >= last.position + index_step_bytes) {
        segment->index.push_back(at);
      }
    }
  }
  return {};
}

}  // namespace hutong::journal
