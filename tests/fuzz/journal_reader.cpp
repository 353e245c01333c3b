// Bytes of a damaged or hostile disk: no input may crash or hang the scan that every start rests on, and what it
// accepts must be readable. The input is used as it is, and once more with its checksums made right, because almost
// nothing gets past a checksum by chance.
#include <cstdint>
#include <cstring>
#include <string>

#include "adapters/log/journal/scan.h"
#include "broker/base/hash.h"
#include "broker/base/invariant.h"

namespace {

using namespace hutong;
using namespace hutong::journal;

void put_checksum(std::string& bytes, std::size_t at, std::uint32_t checksum) {
  std::memcpy(bytes.data() + at, &checksum, sizeof checksum);
}

// Recomputes what the writer would have, block by block, wherever a header seems to start.
void mend(std::string& file) {
  if (file.size() < block_bytes) return;
  put_checksum(file, block_bytes - 4, crc32c({file.data(), block_bytes - 4}));
  for (std::size_t at = block_bytes; at + batch_header_bytes <= file.size(); at += block_bytes) {
    if (std::memcmp(file.data() + at, "HBAT", 4) != 0) continue;
    std::uint32_t payload;
    std::memcpy(&payload, file.data() + at + 76, sizeof payload);
    const std::uint64_t bytes = whole_blocks(batch_header_bytes + std::uint64_t{payload});
    if (bytes <= file.size() - at) {
      put_checksum(file, at + 88, crc32c({file.data() + at + batch_header_bytes, bytes - batch_header_bytes}));
    }
    put_checksum(file, at + 92, crc32c({file.data() + at, 92}));
  }
}

// What the writer makes of what was read reads as the same again.
void check_writing(SegmentHeader header, std::string_view file) {
  std::string block(block_bytes, 'x');
  write_segment_header(header, block.data());
  const auto again = read_segment_header(block + std::string(file.substr(block_bytes)));
  HUTONG_INVARIANT(again && again->checksum == header.checksum && again->first_offset == header.first_offset &&
                       again->epoch == header.epoch && again->file_bytes == header.file_bytes,
                   "a segment header is read as it was written");
}

void check_writing(BatchHeader header, std::string_view bytes) {
  SegmentHeader segment;
  segment.log = header.log;
  segment.topic = header.topic;
  segment.epoch = header.epoch;
  std::string batch(bytes);
  write_batch_header(header, batch.data(), crc32c(payload_of(bytes, header)));
  const auto again = read_batch_header(batch, segment, header.position);
  HUTONG_INVARIANT(again && again->checksum == header.checksum && again->records == header.records &&
                       again->durable == header.durable && check_payload(batch, *again) == nullptr,
                   "a batch header is read as it was written");
}

void check_writing(const RecordView& record, std::string_view bytes) {
  port::RecordView whole;
  whole.id = record.id;
  whole.key = record.key;
  whole.kinds = record.kinds;
  whole.json = record.json;
  whole.raw = record.raw;
  std::string written(encoded_bytes(whole), 'x');
  HUTONG_INVARIANT(encode_record(whole, record.appended, written.data()) == written.data() + written.size(),
                   "a record is as long as it says");
  HUTONG_INVARIANT(bytes.find(written) != std::string_view::npos, "a record is written as it was read");
}

void scan(std::string_view file) {
  const auto header = read_segment_header(file);
  if (!header) return;
  check_writing(*header, file);
  const auto tail = scan_segment(file, *header, "events/x.segment");
  if (!tail) {
    HUTONG_INVARIANT(tail.error().code == ErrorCode::corrupt && !tail.error().message.empty(), "damage has words");
    return;
  }
  HUTONG_INVARIANT(tail->end % block_bytes == 0 && tail->unproved_from <= tail->end && tail->end <= tail->garbage_end,
                   "a tail's places are in order");
  std::uint64_t position = block_bytes, records = 0;
  while (position < tail->end) {
    const auto batch = read_batch_header(file.substr(position), *header, position);
    HUTONG_INVARIANT(batch && batch->bytes() <= tail->end - position, "an accepted batch reads again");
    const std::string_view bytes = file.substr(position, batch->bytes());
    HUTONG_INVARIANT(check_payload(bytes, *batch) == nullptr, "an accepted payload verifies again");
    std::string_view payload = payload_of(bytes, *batch);
    for (RecordView record; decode_record(payload, record); ++records) check_writing(record, bytes);
    check_writing(*batch, bytes);
    position += batch->bytes();
  }
  HUTONG_INVARIANT(records == tail->records && tail->next == header->first_offset + records, "no record is half read");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string file(reinterpret_cast<const char*>(data), size);
  scan(file);
  mend(file);
  scan(file);
  return 0;
}
