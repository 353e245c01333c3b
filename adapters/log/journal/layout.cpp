#include "adapters/log/journal/layout.h"

#include <bit>
#include <cstring>

#include "broker/base/hash.h"

namespace hutong::journal {
namespace {

static_assert(std::endian::native == std::endian::little, "fields are stored little-endian by plain copies");

constexpr std::string_view segment_magic = "HUTONGSG";
constexpr std::string_view batch_magic = "HBAT";

template <class T>
void put(char* block, std::size_t at, T value) {
  std::memcpy(block + at, &value, sizeof value);
}
template <class T>
T get(std::string_view bytes, std::size_t at) {
  T value;
  std::memcpy(&value, bytes.data() + at, sizeof value);
  return value;
}

// Where each field lies; docs/journal-format.md shows the same table.
namespace segment_at {
enum : std::size_t {
  magic = 0,
  version = 8,
  topic = 9,
  log = 16,
  epoch = 32,
  first_offset = 40,
  first_sequence = 48,
  file_bytes = 56,
  last_appended = 64,
  previous = 72,
  checksum = block_bytes - 4,
};
}
namespace batch_at {
enum : std::size_t {
  magic = 0,
  version = 4,
  topic = 5,
  kind = 6,
  codec = 7,
  log = 8,
  epoch = 24,
  position = 32,
  sequence = 40,
  first_offset = 48,
  durable = 56,
  durable_position = 64,
  records = 72,
  payload_bytes = 76,
  key = 80,
  previous = 84,
  payload_checksum = 88,
  checksum = 92,
};
}
namespace record_at {
enum : std::size_t { id = 0, appended = 16, key = 24, kinds = 26, json = 28, raw = 32 };
}

}  // namespace

void write_segment_header(SegmentHeader& header, char* block) {
  std::memset(block, 0, block_bytes);
  std::memcpy(block, segment_magic.data(), segment_magic.size());
  put(block, segment_at::version, format_version);
  put(block, segment_at::topic, header.topic);
  std::memcpy(block + segment_at::log, header.log.data(), header.log.size());
  put(block, segment_at::epoch, header.epoch);
  put(block, segment_at::first_offset, header.first_offset);
  put(block, segment_at::first_sequence, header.first_sequence);
  put(block, segment_at::file_bytes, header.file_bytes);
  put(block, segment_at::last_appended, header.last_appended.micros);
  put(block, segment_at::previous, header.previous);
  header.checksum = crc32c({block, segment_at::checksum});
  put(block, segment_at::checksum, header.checksum);
}

tl::expected<SegmentHeader, Fault> read_segment_header(std::string_view file) {
  if (file.size() < block_bytes) return tl::unexpected(Fault{"the file is shorter than its header"});
  if (file.substr(0, segment_magic.size()) != segment_magic) return tl::unexpected(Fault{"this is no segment header"});
  SegmentHeader header;
  header.checksum = get<std::uint32_t>(file, segment_at::checksum);
  if (crc32c(file.substr(0, segment_at::checksum)) != header.checksum) {
    return tl::unexpected(Fault{"the segment header does not match its checksum"});
  }
  if (get<std::uint8_t>(file, segment_at::version) != format_version) {
    return tl::unexpected(Fault{"the segment was written by another version", true});
  }
  header.topic = static_cast<Topic>(get<std::uint8_t>(file, segment_at::topic));
  std::memcpy(header.log.data(), file.data() + segment_at::log, header.log.size());
  header.epoch = get<std::uint64_t>(file, segment_at::epoch);
  header.first_offset = get<std::uint64_t>(file, segment_at::first_offset);
  header.first_sequence = get<std::uint64_t>(file, segment_at::first_sequence);
  header.file_bytes = get<std::uint64_t>(file, segment_at::file_bytes);
  header.last_appended.micros = get<std::int64_t>(file, segment_at::last_appended);
  header.previous = get<std::uint32_t>(file, segment_at::previous);
  return header;
}

void write_batch_header(BatchHeader& header, char* batch, std::uint32_t payload_checksum) {
  const std::size_t used = batch_header_bytes + header.payload_bytes;
  std::memset(batch + used, 0, header.bytes() - used);
  std::memset(batch, 0, batch_header_bytes);  // codec and key stay zero: reserved
  std::memcpy(batch, batch_magic.data(), batch_magic.size());
  put(batch, batch_at::version, format_version);
  put(batch, batch_at::topic, header.topic);
  put(batch, batch_at::kind, header.kind);
  std::memcpy(batch + batch_at::log, header.log.data(), header.log.size());
  put(batch, batch_at::epoch, header.epoch);
  put(batch, batch_at::position, header.position);
  put(batch, batch_at::sequence, header.sequence);
  put(batch, batch_at::first_offset, header.first_offset);
  put(batch, batch_at::durable, header.durable);
  put(batch, batch_at::durable_position, header.durable_position);
  put(batch, batch_at::records, header.records);
  put(batch, batch_at::payload_bytes, header.payload_bytes);
  put(batch, batch_at::previous, header.previous);
  header.payload_checksum = crc32c({batch + used, header.bytes() - used}, payload_checksum);
  put(batch, batch_at::payload_checksum, header.payload_checksum);
  header.checksum = crc32c({batch, batch_at::checksum});
  put(batch, batch_at::checksum, header.checksum);
}

tl::expected<BatchHeader, Fault> read_batch_header(std::string_view bytes, const SegmentHeader& segment,
                                                   std::uint64_t position) {
  if (bytes.size() < batch_header_bytes) return tl::unexpected(Fault{"the file ends within a batch header"});
  if (bytes.substr(0, batch_magic.size()) != batch_magic) return tl::unexpected(Fault{"no batch starts here"});
  BatchHeader header;
  header.checksum = get<std::uint32_t>(bytes, batch_at::checksum);
  if (crc32c(bytes.substr(0, batch_at::checksum)) != header.checksum) {
    return tl::unexpected(Fault{"the batch header does not match its checksum"});
  }
  std::memcpy(header.log.data(), bytes.data() + batch_at::log, header.log.size());
  header.topic = static_cast<Topic>(get<std::uint8_t>(bytes, batch_at::topic));
  header.epoch = get<std::uint64_t>(bytes, batch_at::epoch);
  header.position = get<std::uint64_t>(bytes, batch_at::position);
  if (header.log != segment.log || header.topic != segment.topic || header.epoch != segment.epoch ||
      header.position != position) {
    return tl::unexpected(Fault{"the batch belongs to another place (an older use of the disk's blocks)"});
  }
  const auto kind = get<std::uint8_t>(bytes, batch_at::kind);
  if (get<std::uint8_t>(bytes, batch_at::version) != format_version || get<std::uint8_t>(bytes, batch_at::codec) != 0 ||
      get<std::uint32_t>(bytes, batch_at::key) != 0 || kind < 1 || kind > 3) {
    return tl::unexpected(Fault{"the batch was written by a newer version", true});
  }
  header.kind = static_cast<BatchKind>(kind);
  header.sequence = get<std::uint64_t>(bytes, batch_at::sequence);
  header.first_offset = get<std::uint64_t>(bytes, batch_at::first_offset);
  header.durable = get<std::uint64_t>(bytes, batch_at::durable);
  header.durable_position = get<std::uint64_t>(bytes, batch_at::durable_position);
  header.records = get<std::uint32_t>(bytes, batch_at::records);
  header.payload_bytes = get<std::uint32_t>(bytes, batch_at::payload_bytes);
  header.previous = get<std::uint32_t>(bytes, batch_at::previous);
  header.payload_checksum = get<std::uint32_t>(bytes, batch_at::payload_checksum);
  return header;
}

const char* check_payload(std::string_view batch, const BatchHeader& header) {
  if (crc32c(batch.substr(batch_header_bytes, header.bytes() - batch_header_bytes)) != header.payload_checksum) {
    return "the batch does not match its checksum";
  }
  std::string_view payload = payload_of(batch, header);
  RecordView record;
  for (std::uint32_t i = 0; i < header.records; ++i) {
    if (!decode_record(payload, record)) return "a record does not fit its batch";
  }
  return payload.empty() ? nullptr : "bytes are left over behind the last record of a batch";
}

std::uint64_t encoded_bytes(const port::RecordView& record) {
  return record_header_bytes + record.bytes();
}

char* encode_record(const port::RecordView& record, Timestamp appended, char* to) {
  std::memcpy(to + record_at::id, record.id.view().data(), 16);
  put(to, record_at::appended, appended.micros);
  put(to, record_at::key, static_cast<std::uint16_t>(record.key.size()));
  put(to, record_at::kinds, static_cast<std::uint16_t>(record.kinds.size()));
  put(to, record_at::json, static_cast<std::uint32_t>(record.json.size()));
  put(to, record_at::raw, static_cast<std::uint32_t>(record.raw.size()));
  to += record_header_bytes;
  for (const std::string_view part : {record.key, record.kinds, record.json, record.raw}) {
    if (!part.empty()) std::memcpy(to, part.data(), part.size());
    to += part.size();
  }
  return to;
}

bool decode_record(std::string_view& payload, RecordView& record) {
  if (payload.size() < record_header_bytes) return false;
  const std::size_t key = get<std::uint16_t>(payload, record_at::key);
  const std::size_t kinds = get<std::uint16_t>(payload, record_at::kinds);
  const std::size_t json = get<std::uint32_t>(payload, record_at::json);
  const std::size_t raw = get<std::uint32_t>(payload, record_at::raw);
  if (payload.size() - record_header_bytes < key + kinds + json + raw) return false;
  record.id = *RecordId::from_bytes(payload.substr(record_at::id, 16));
  record.appended.micros = get<std::int64_t>(payload, record_at::appended);
  payload.remove_prefix(record_header_bytes);
  const auto take = [&payload](std::size_t size) {
    const std::string_view part = payload.substr(0, size);
    payload.remove_prefix(size);
    return part;
  };
  record.key = take(key);
  record.kinds = take(kinds);
  record.json = take(json);
  record.raw = take(raw);
  return true;
}

}  // namespace hutong::journal
