#include "adapters/log/journal/scan.h"

#include <algorithm>
#include <deque>

namespace hutong::journal {
namespace {

std::uint64_t last_nonzero_end(std::string_view file, std::uint64_t from) {
  const std::size_t last = file.find_last_not_of('\0');
  return last == std::string_view::npos || last < from ? from : last + 1;
}

// What the whole headers behind `from` prove: later blocks may have reached the disk although an earlier one did not.
struct Proof {
  std::uint64_t position = 0;
  Offset offset = 0;
};
Proof proved_behind(std::string_view file, const SegmentHeader& segment, std::uint64_t from) {
  Proof proof;
  for (std::uint64_t at = from; at + batch_header_bytes <= file.size(); at += block_bytes) {
    const auto header = read_batch_header(file.substr(at), segment, at);
    if (header && header->durable_position > proof.position) proof = {header->durable_position, header->durable};
  }
  return proof;
}

}  // namespace

Error damage(std::string_view name, std::uint64_t position, Offset offset, std::string_view what) {
  std::string message = "log damaged: segment ";
  message.append(name).append(", byte ").append(std::to_string(position)).append(", offset ");
  message.append(std::to_string(offset)).append(": ").append(what);
  message.append(
      ". Nothing was changed or skipped. Stop the broker, check the disk, and put this segment back from a "
      "backup; docs/journal-format.md says how");
  return {ErrorCode::corrupt, std::move(message)};
}

Result<Tail> scan_segment(std::string_view file, const SegmentHeader& segment, std::string_view name) {
  Tail tail;
  tail.next = segment.first_offset;
  tail.proved_position = tail.end;
  tail.sequence = segment.first_sequence;
  tail.previous = segment.checksum;
  tail.last_appended = segment.last_appended;
  tail.index.push_back({tail.next, tail.end});
  if (file.size() < segment.file_bytes) {
    return tl::unexpected(damage(name, file.size(), segment.first_offset,
                                 "the file is shorter than when it was made (" + std::to_string(segment.file_bytes) +
                                     " bytes): it was cut from outside"));
  }
  std::deque<std::uint64_t> unproved;  // positions of batches with records that no later header proves yet
  const char* fault = nullptr;
  while (fault == nullptr && !tail.closed) {
    const std::string_view rest = file.substr(std::min<std::uint64_t>(tail.end, file.size()));
    const auto header = read_batch_header(rest, segment, tail.end);
    if (!header) {
      if (header.error().newer) return tl::unexpected(damage(name, tail.end, tail.next, header.error().what));
      fault = header.error().what;
      break;
    }
    if (header->sequence != tail.sequence || header->first_offset != tail.next || header->previous != tail.previous ||
        header->durable > header->first_offset || header->durable_position > tail.end ||
        header->durable_position < tail.proved_position) {
      return tl::unexpected(damage(name, tail.end, tail.next, "a batch does not follow the one before it"));
    }
    if (header->bytes() > rest.size()) {
      fault = "the file ends within a batch";
      break;
    }
    const std::string_view batch = rest.substr(0, header->bytes());
    fault = check_payload(batch, *header);
    if (fault != nullptr) break;
    if (header->records > 0) unproved.push_back(tail.end);
    tail.proved_position = header->durable_position;
    while (!unproved.empty() && unproved.front() < tail.proved_position) unproved.pop_front();
    if (tail.end - tail.index.back().position >= index_step_bytes) tail.index.push_back({tail.next, tail.end});
    std::string_view payload = payload_of(batch, *header);
    for (RecordView record; decode_record(payload, record);) tail.last_appended = record.appended;
    tail.end += header->bytes();
    tail.next = header->end();
    tail.previous = header->checksum;
    ++tail.sequence;
    ++tail.batches;
    tail.records += header->records;
    tail.closed = header->kind == BatchKind::closed;
  }
  if (!tail.closed) {
    const Proof proof = proved_behind(file, segment, tail.end);
    if (proof.position > tail.end) {
      return tl::unexpected(damage(name, tail.end, tail.next,
                                   std::string(fault) + ", but everything below byte " +
                                       std::to_string(proof.position) + " and offset " + std::to_string(proof.offset) +
                                       " was durable"));
    }
  }
  tail.garbage_end = tail.closed ? tail.end : std::max(tail.end, last_nonzero_end(file, tail.end));
  tail.unproved_from = unproved.empty() ? tail.end : unproved.front();
  return tail;
}

}  // namespace hutong::journal
