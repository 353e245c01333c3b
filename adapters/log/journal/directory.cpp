#include "adapters/log/journal/directory.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "broker/base/hash.h"

namespace hutong::journal {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view id_head = "hutong log\nformat 1\nid ";
constexpr std::string_view id_file = "log.id";

Result<void> make_directory(FileOps& ops, const fs::path& directory) {
  std::error_code error;
  fs::create_directories(directory, error);
  if (!error) fs::permissions(directory, fs::perms::owner_all, error);
  if (error) return fail(ErrorCode::unavailable, "making " + directory.string() + ": " + error.message());
  const fs::path parent = fs::absolute(directory).parent_path();
  if (auto synced = sync_directory(ops, parent.string()); !synced) return tl::unexpected(as_error(synced.error()));
  return {};
}

// Removes the segments of a creation that did not finish; refuses when one holds a batch.
Result<void> clear_unfinished(const TopicPlace& place) {
  std::error_code error;
  for (fs::directory_iterator at(place.directory, error), end; !error && at != end; at.increment(error)) {
    const std::string path = at->path().string();
    const auto contents = read_file(*place.ops, path);
    if (!contents) return tl::unexpected(as_error(contents.error()));
    const std::string_view bytes = contents->view();
    if (bytes.size() > block_bytes && bytes.find_first_not_of('\0', block_bytes) != std::string_view::npos) {
      return fail(ErrorCode::corrupt, "log damaged: " + path + " holds records, but " + std::string(id_file) +
                                          " beside its folder is missing. Put it back from a backup; nothing was "
                                          "changed");
    }
    fs::remove(at->path(), error);
  }
  if (error) return fail(ErrorCode::unavailable, "clearing " + place.directory + ": " + error.message());
  return {};
}

Result<void> write_copy(FileOps& ops, const Segment& segment, const Cursor& cursor, const fs::path& to) {
  const File from(ops.open(segment.path.c_str(), O_RDONLY | O_CLOEXEC, 0));
  if (!from) return tl::unexpected(as_error(disk_fault("opening", segment.path).value()));
  const File file(ops.open(to.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  if (!file) return tl::unexpected(as_error(disk_fault("opening", to.string()).value()));
  Buffer piece(1024 * 1024);
  DiskResult<void> done;
  for (std::uint64_t at = 0; done && at < cursor.position;) {
    const auto size = read_at(ops, from.get(), piece.data(),
                              std::min<std::uint64_t>(piece.capacity(), cursor.position - at), at, segment.path);
    if (!size) return tl::unexpected(as_error(size.error()));
    if (*size == 0) return tl::unexpected(damage(segment.name, at, cursor.next, "the file ends before its log does"));
    done = write_all(ops, file.get(), {piece.data(), *size}, at, to.string());
    at += *size;
  }
  // A seal of the copy's own: damage to its last batch will be noticed. The rest is a hole up to the size it must have.
  write_empty_batch(segment.header, cursor, BatchKind::seal, piece.data());
  if (done) done = write_all(ops, file.get(), {piece.data(), block_bytes}, cursor.position, to.string());
  if (done && cursor.position + block_bytes < segment.header.file_bytes) {
    std::memset(piece.data(), 0, block_bytes);
    done =
        write_all(ops, file.get(), {piece.data(), block_bytes}, segment.header.file_bytes - block_bytes, to.string());
  }
  if (done && ops.fsync(file.get()) != 0) done = disk_fault("syncing", to.string());
  if (!done) return tl::unexpected(as_error(done.error()));
  return {};
}

// A sealed segment never changes: a second name for it is a copy.
Result<void> link_or_copy(FileOps& ops, const Segment& segment, const fs::path& to) {
  if (::link(segment.path.c_str(), to.c_str()) == 0) return {};
  std::error_code error;
  fs::copy_file(segment.path, to, error);
  if (error) return fail(ErrorCode::unavailable, "copying " + segment.path + ": " + error.message());
  const File file(ops.open(to.c_str(), O_RDONLY | O_CLOEXEC, 0));
  if (!file || ops.fsync(file.get()) != 0) return tl::unexpected(as_error(disk_fault("syncing", to.string()).value()));
  return {};
}

}  // namespace

Result<File> lock_directory(const fs::path& directory) {
  const std::string path = (directory / "LOCK").string();
  File file(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (!file) return tl::unexpected(as_error(disk_fault("opening", path).value()));
  if (::flock(file.get(), LOCK_EX | LOCK_NB) == 0) return file;
  if (errno != EWOULDBLOCK) return tl::unexpected(as_error(disk_fault("locking", path).value()));
  return fail(ErrorCode::conflict, "another broker has the log in " + directory.string() +
                                       " open. Stop it first, or give this one its own directory");
}

std::string log_id_text(const LogId& log) {
  return std::string(id_head) + to_hex({log.data(), log.size()}) + "\n";
}

Result<LogId> read_log_id(FileOps& ops, const fs::path& directory) {
  const fs::path path = directory / id_file;
  const auto contents = read_file(ops, path.string());
  if (!contents) {
    return fail(contents.error().error == ENOENT ? ErrorCode::not_found : ErrorCode::unavailable,
                contents.error().what);
  }
  std::string_view text = contents->view();
  if (text.starts_with(id_head)) {
    text.remove_prefix(id_head.size());
    const auto id = text.size() == 33 && text.back() == '\n' ? RecordId::from_hex(text.substr(0, 32)) : std::nullopt;
    if (id) {
      LogId log;
      std::copy_n(id->view().data(), log.size(), log.begin());
      return log;
    }
  }
  return fail(ErrorCode::corrupt, "log damaged: " + path.string() +
                                      " is not the id of a log of this version. Put it "
                                      "back from a backup; nothing was changed");
}

TopicPlace place_of(FileOps& ops, const JournalOptions& options, const LogId& log, Topic topic) {
  return {&ops,
          (options.directory / port::to_string(topic)).string(),
          topic,
          log,
          options.segment_bytes,
          options.direct_io};
}

Result<LogId> create_log(FileOps& ops, const JournalOptions& options) {
  LogId log;
  const std::string id = random_bytes(log.size());
  std::copy_n(id.data(), log.size(), log.begin());
  for (const Topic topic : port::all_topics) {
    const TopicPlace place = place_of(ops, options, log, topic);
    if (auto made = make_directory(ops, place.directory); !made) return tl::unexpected(made.error());
    if (auto cleared = clear_unfinished(place); !cleared) return tl::unexpected(cleared.error());
    SegmentHeader header;
    header.epoch = 1;
    // Blocks written once are faster to sync; only events are many from the first minute.
    std::optional<Spare> zeroed;
    if (topic == Topic::events && options.spare_segments > 0) {
      auto spare = make_spare(place, "next.tmp", [](std::uint64_t) { return true; });
      if (!spare) return tl::unexpected(as_error(spare.error()));
      zeroed = std::move(*spare);
    }
    if (auto made = create_segment(place, header, std::move(zeroed)); !made)
      return tl::unexpected(as_error(made.error()));
  }
  if (auto written = write_file(ops, options.directory.string(), std::string(id_file), log_id_text(log)); !written) {
    return tl::unexpected(as_error(written.error()));
  }
  return log;
}

Result<VerifyReport> verify_topic(const TopicPlace& place) {
  const auto segments = list_segments(place);
  if (!segments) return tl::unexpected(segments.error());
  if (segments->empty()) return fail(ErrorCode::corrupt, "log damaged: " + place.directory + " has no segment");
  VerifyReport report;
  for (std::size_t i = 0; i < segments->size(); ++i) {
    const Segment& segment = *(*segments)[i];
    const auto contents = read_file(*place.ops, segment.path);
    if (!contents) return tl::unexpected(as_error(contents.error()));
    const auto tail = scan_segment(contents->view(), segment.header, segment.name);
    if (!tail) return tl::unexpected(tail.error());
    const bool last = i + 1 == segments->size();
    if (!last) {
      const SegmentHeader& next = (*segments)[i + 1]->header;
      if (tail->next != next.first_offset || tail->sequence != next.first_sequence + (tail->closed ? 1 : 0)) {
        return tl::unexpected(damage(
            segment.name, tail->end, tail->next,
            "the segment ends before offset " + std::to_string(next.first_offset) + ", where the next one starts"));
      }
    } else if (tail->closed) {
      return tl::unexpected(damage(segment.name, tail->end, tail->next, "the segment that follows it is missing"));
    } else {
      report.torn_bytes = tail->garbage_end - tail->end;
    }
    ++report.segments;
    report.batches += tail->batches;
    report.records += tail->records;
  }
  return report;
}

Result<void> copy_topic(FileOps& ops, const SegmentList& segments, const Cursor& cursor, Topic topic,
                        const fs::path& directory) {
  const fs::path folder = directory / port::to_string(topic);
  if (auto made = make_directory(ops, folder); !made) return made;
  for (const auto& segment : segments) {
    const fs::path to = folder / fs::path(segment->path).filename();
    auto copied = segment == segments.back() ? write_copy(ops, *segment, cursor, to) : link_or_copy(ops, *segment, to);
    if (!copied) return copied;
  }
  if (auto synced = sync_directory(ops, folder.string()); !synced) return tl::unexpected(as_error(synced.error()));
  return {};
}

}  // namespace hutong::journal
