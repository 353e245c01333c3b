#include "adapters/log/kafka/record_message.h"

#include <librdkafka/rdkafka.h>

#include <charconv>
#include <string_view>

namespace hutong::kafka {
namespace {

constexpr const char *id_header = "id", *kinds_header = "kinds", *schema_header = "schema", *raw_header = "raw",
                     *carried_header = "carried";

void add(rd_kafka_headers_t* headers, const char* name, std::string_view value) {
  rd_kafka_header_add(headers, name, -1, value.data(), static_cast<ssize_t>(value.size()));
}

// Empty when the message has no such header.
std::string_view header(const rd_kafka_message_t& message, const char* name) {
  rd_kafka_headers_t* headers = nullptr;  // the message's own
  if (rd_kafka_message_headers(&message, &headers) != RD_KAFKA_RESP_ERR_NO_ERROR) return {};
  const void* value = nullptr;
  std::size_t size = 0;
  if (rd_kafka_header_get_last(headers, name, &value, &size) != RD_KAFKA_RESP_ERR_NO_ERROR) return {};
  return {static_cast<const char*>(value), size};
}

// "MICROSECONDS/OFFSET"; nothing: not carried.
std::optional<port::Carried> carried(std::string_view header) {
  port::Carried found;
  const char* end = header.data() + header.size();
  const auto appended = std::from_chars(header.data(), end, found.appended.micros);
  if (appended.ec != std::errc() || appended.ptr == end || *appended.ptr != '/') return std::nullopt;
  if (std::from_chars(appended.ptr + 1, end, found.offset).ptr != end) return std::nullopt;
  return found;
}

std::string text(const void* bytes, std::size_t size) {
  return size == 0 ? std::string() : std::string(static_cast<const char*>(bytes), size);
}

}  // namespace

rd_kafka_headers_s* make_headers(port::Topic topic, const port::RecordView& record) {
  rd_kafka_headers_t* headers = rd_kafka_headers_new(5);
  add(headers, id_header, record.id.hex());
  add(headers, kinds_header, record.kinds);
  if (topic == port::Topic::events) add(headers, schema_header, "event/v1");
  if (!record.raw.empty()) add(headers, raw_header, record.raw);
  if (record.carried) {
    add(headers, carried_header,
        std::to_string(record.carried->appended.micros) + "/" + std::to_string(record.carried->offset));
  }
  return headers;
}

std::size_t record_bytes(const rd_kafka_message_s& message, bool with_raw) {
  return message.key_len + message.len + header(message, kinds_header).size() +
         (with_raw ? header(message, raw_header).size() : 0);
}

Result<port::StoredRecord> read_record(const rd_kafka_message_s& message, bool with_raw) {
  const auto id = RecordId::from_hex(header(message, id_header));
  if (!id) {
    return fail(ErrorCode::corrupt, std::string("topic ") + rd_kafka_topic_name(message.rkt) + ", partition " +
                                        std::to_string(message.partition) + ", offset " +
                                        std::to_string(message.offset) +
                                        ": no record of ours (no id header); only brokers may write to this topic");
  }
  port::StoredRecord stored;
  stored.offset = static_cast<port::Offset>(message.offset);
  stored.record.carried = carried(header(message, carried_header));
  stored.appended.micros = stored.record.carried ? stored.record.carried->appended.micros
                                                 : rd_kafka_message_timestamp(&message, nullptr) * 1000;
  stored.record.id = *id;
  stored.record.key = text(message.key, message.key_len);
  stored.record.kinds = header(message, kinds_header);
  stored.record.json = text(message.payload, message.len);
  if (with_raw) stored.record.raw = header(message, raw_header);
  return stored;
}

}  // namespace hutong::kafka
