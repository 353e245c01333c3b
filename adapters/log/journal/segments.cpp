#include "adapters/log/journal/segments.h"

#include <fcntl.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <filesystem>

namespace hutong::journal {
namespace {

constexpr std::string_view suffix = ".segment";
constexpr std::size_t zero_piece_bytes = 256 * 1024;

std::string file_name(Offset first) {
  char digits[24];
  std::snprintf(digits, sizeof digits, "%020llu", static_cast<unsigned long long>(first));
  return std::string(digits) + std::string(suffix);
}

Result<std::shared_ptr<Segment>> open_segment(const TopicPlace& place, const std::string& file) {
  auto segment = std::make_shared<Segment>();
  segment->path = place.directory + "/" + file;
  segment->name = place.name_of(file);
  const File opened(place.ops->open(segment->path.c_str(), O_RDONLY | O_CLOEXEC, 0));
  if (!opened) return tl::unexpected(as_error(disk_fault("opening", segment->path).value()));
  char block[block_bytes];
  const auto size = read_at(*place.ops, opened.get(), block, sizeof block, 0, segment->path);
  if (!size) return tl::unexpected(as_error(size.error()));
  const auto header = read_segment_header({block, *size});
  if (!header) return tl::unexpected(damage(segment->name, 0, 0, header.error().what));
  if (header->log != place.log || header->topic != place.topic) {
    return tl::unexpected(damage(segment->name, 0, header->first_offset,
                                 "the segment belongs to another log (its log id or topic differs)"));
  }
  if (file != file_name(header->first_offset)) {
    return tl::unexpected(damage(segment->name, 0, header->first_offset, "the file was renamed"));
  }
  segment->header = *header;
  segment->index.push_back({header->first_offset, block_bytes});
  return segment;
}

DiskResult<void> write_zeros(const TopicPlace& place, int file, std::uint64_t from, std::uint64_t to,
                             const std::string& path, const Pace& pace = nullptr) {
  const std::size_t piece = std::min<std::uint64_t>(zero_piece_bytes, to - from);
  Buffer zeros(piece);
  std::memset(zeros.data(), 0, piece);
  while (from < to) {
    const std::size_t size = std::min<std::uint64_t>(piece, to - from);
    if (auto written = write_all(*place.ops, file, {zeros.data(), size}, from, path); !written) return written;
    from += size;
    if (pace && !pace(from)) {
      errno = ECANCELED;
      return disk_fault("preparing", path);
    }
  }
  return {};
}

// Writes [from, to) of `file` again: after a crash, or a sync that failed before it, these bytes may stand in the page
// cache only, and a plain sync would not write them.
DiskResult<void> write_again(const TopicPlace& place, int file, std::string_view all, std::uint64_t from,
                             std::uint64_t to, const std::string& path) {
  Buffer aligned(to - from);
  std::memcpy(aligned.data(), all.data() + from, to - from);
  return write_all(*place.ops, file, {aligned.data(), to - from}, from, path);
}

// A seal proves what is there now, so that the next start need not write it again and damage to it is noticed.
DiskResult<void> seal_tail(const TopicPlace& place, const Segment& segment, int file, Tail& tail) {
  Buffer block(block_bytes);
  const Cursor cursor{tail.end, tail.next, tail.sequence, tail.previous};
  write_empty_batch(segment.header, cursor, BatchKind::seal, block.data());
  auto written = write_all(*place.ops, file, {block.data(), block_bytes}, tail.end, segment.path);
  if (written) written = sync_data(*place.ops, file, segment.path);
  if (!written) return written.error().passes() ? DiskResult<void>() : written;
  tail.previous = read_batch_header({block.data(), block_bytes}, segment.header, tail.end)->checksum;
  tail.proved_position = tail.unproved_from = tail.end;
  tail.end += block_bytes;
  ++tail.sequence;
  return {};
}

// Spares and segments in the making: never part of the log.
void remove_unfinished(const std::string& directory) {
  std::error_code ignored;
  std::vector<std::filesystem::path> files;
  for (std::filesystem::directory_iterator at(directory, ignored), end; !ignored && at != end; at.increment(ignored)) {
    if (at->path().extension() == ".tmp") files.push_back(at->path());
  }
  for (const auto& file : files) std::filesystem::remove(file, ignored);
}

DiskResult<void> repair(const TopicPlace& place, const Segment& segment, int file, std::string_view all, Tail& tail) {
  const bool unproved = tail.unproved_from < tail.end;
  const bool garbage = tail.garbage_end > tail.end;
  if (!unproved && !garbage) return {};
  DiskResult<void> done;
  if (garbage) done = write_zeros(place, file, tail.end, whole_blocks(tail.garbage_end), segment.path);
  if (done && unproved) done = write_again(place, file, all, tail.unproved_from, tail.end, segment.path);
  if (done) done = sync_data(*place.ops, file, segment.path);
  if (done && unproved) done = seal_tail(place, segment, file, tail);
  return done;
}

}  // namespace

BatchHeader follow(const SegmentHeader& segment, const Cursor& cursor, BatchKind kind) {
  BatchHeader header;
  header.kind = kind;
  header.log = segment.log;
  header.topic = segment.topic;
  header.epoch = segment.epoch;
  header.position = header.durable_position = cursor.position;  // one batch at a time: all before it is synced
  header.sequence = cursor.sequence;
  header.first_offset = header.durable = cursor.next;
  header.previous = cursor.previous;
  return header;
}

void write_empty_batch(const SegmentHeader& segment, const Cursor& cursor, BatchKind kind, char* block) {
  BatchHeader header = follow(segment, cursor, kind);
  write_batch_header(header, block, 0);
}

Result<SegmentList> list_segments(const TopicPlace& place) {
  std::vector<std::string> files;
  std::error_code error;
  for (std::filesystem::directory_iterator at(place.directory, error), end; !error && at != end; at.increment(error)) {
    std::string file = at->path().filename().string();
    if (file.ends_with(suffix)) files.push_back(std::move(file));
  }
  if (error) return fail(ErrorCode::unavailable, "listing " + place.directory + ": " + error.message());
  std::sort(files.begin(), files.end());
  SegmentList segments;
  for (const std::string& file : files) {
    auto segment = open_segment(place, file);
    if (!segment) return tl::unexpected(segment.error());
    const std::uint64_t expected = segments.empty() ? 1 : segments.back()->header.epoch + 1;
    if ((*segment)->header.epoch != expected) {
      return tl::unexpected(damage((*segment)->name, 0, (*segment)->header.first_offset,
                                   "segment number " + std::to_string(expected) + " is missing before it"));
    }
    segments.push_back(std::move(*segment));
  }
  return segments;
}

Result<Recovered> recover_topic(const TopicPlace& place) {
  remove_unfinished(place.directory);
  auto segments = list_segments(place);
  if (!segments) return tl::unexpected(segments.error());
  if (segments->empty()) {
    return fail(ErrorCode::corrupt, "log damaged: " + place.directory +
                                        " has no segment. Put the folder back from a backup; docs/journal-format.md "
                                        "says how");
  }
  Recovered recovered{std::move(*segments), {}, {}};
  Segment& last = *recovered.segments.back();
  const auto contents = read_file(*place.ops, last.path);
  if (!contents) return tl::unexpected(as_error(contents.error()));
  auto tail = scan_segment(contents->view(), last.header, last.name);
  if (!tail) return tl::unexpected(tail.error());
  if (tail->closed) {
    return tl::unexpected(damage(last.name, tail->end, tail->next, "the segment that follows it is missing"));
  }
  auto file = open_for_writing(*place.ops, last.path, 0, place.direct);
  if (!file) return tl::unexpected(as_error(file.error()));
  if (auto repaired = repair(place, last, file->get(), contents->view(), *tail); !repaired) {
    return tl::unexpected(as_error(repaired.error()));
  }
  last.index = tail->index;
  last.end = tail->end;
  recovered.file = std::move(*file);
  recovered.tail = std::move(*tail);
  return recovered;
}

DiskResult<Spare> make_spare(const TopicPlace& place, const std::string& name, const Pace& pace) {
  Spare spare{
      {}, place.directory + "/" + name, std::max<std::uint64_t>(whole_blocks(place.segment_bytes), 2 * block_bytes)};
  auto file = open_for_writing(*place.ops, spare.path, O_CREAT | O_TRUNC, place.direct);
  if (!file) return tl::unexpected(file.error());
  DiskResult<void> filled;
  const bool reserved = place.ops->fallocate(file->get(), 0, static_cast<off_t>(spare.bytes)) == 0;
  if (!reserved && errno != EOPNOTSUPP && errno != ENOSYS) {
    filled = disk_fault("reserving room for", spare.path);
  } else if (pace) {
    filled = write_zeros(place, file->get(), 0, spare.bytes, spare.path, pace);
  } else if (!reserved) {
    filled = write_zeros(place, file->get(), spare.bytes - block_bytes, spare.bytes, spare.path);
  }
  if (filled && place.ops->fsync(file->get()) != 0) filled = disk_fault("syncing", spare.path);
  if (!filled) {
    std::error_code ignored;
    std::filesystem::remove(spare.path, ignored);
    return tl::unexpected(filled.error());
  }
  spare.file = std::move(*file);
  return spare;
}

DiskResult<NewSegment> create_segment(const TopicPlace& place, SegmentHeader header, std::optional<Spare> spare) {
  if (!spare) {
    auto made = make_spare(place, "next.tmp");
    if (!made) return tl::unexpected(made.error());
    spare = std::move(*made);
  }
  header.log = place.log;
  header.topic = place.topic;
  header.file_bytes = spare->bytes;
  Buffer block(block_bytes);
  write_segment_header(header, block.data());
  const std::string file = file_name(header.first_offset);
  auto segment = std::make_shared<Segment>();
  segment->path = place.directory + "/" + file;
  segment->name = place.name_of(file);
  segment->header = header;
  segment->end = block_bytes;
  segment->index.push_back({header.first_offset, block_bytes});
  auto done = write_all(*place.ops, spare->file.get(), {block.data(), block_bytes}, 0, spare->path);
  if (done) done = sync_data(*place.ops, spare->file.get(), spare->path);
  if (done && place.ops->rename(spare->path.c_str(), segment->path.c_str()) != 0) {
    done = disk_fault("renaming", spare->path);
  }
  if (done) done = sync_directory(*place.ops, place.directory);
  if (!done) return tl::unexpected(done.error());
  return NewSegment{std::move(segment), std::move(spare->file)};
}

}  // namespace hutong::journal
