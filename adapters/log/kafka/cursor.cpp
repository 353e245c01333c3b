#include "adapters/log/kafka/cursor.h"

#include <librdkafka/rdkafka.h>

#include <algorithm>

#include "adapters/log/kafka/record_message.h"

namespace hutong::kafka {

Cursor::~Cursor() {
  stop();
}

void Cursor::stop() {
  if (!queue_) return;
  rd_kafka_consume_stop(topic_.get(), static_cast<std::int32_t>(partition_.number));
  peeked_.reset();
  queue_.reset();
}

// Not rd_kafka_seek(): a queue of its own for every place cannot hold a record from the place before.
Result<void> Cursor::move_to(port::Offset offset) {
  stop();
  Queue queue(rd_kafka_queue_new(consumer_));
  if (rd_kafka_consume_start_queue(topic_.get(), static_cast<std::int32_t>(partition_.number),
                                   static_cast<std::int64_t>(offset), queue.get()) != 0) {
    return tl::unexpected(as_error(rd_kafka_last_error(), "reading"));
  }
  queue_ = std::move(queue);
  next_ = offset;
  newest_ = {};
  return {};
}

Result<const rd_kafka_message_s*> Cursor::peek(std::chrono::milliseconds patience) {
  if (peeked_) return peeked_.get();
  Message message(rd_kafka_consume_queue(queue_.get(), static_cast<int>(patience.count())));
  if (!message) return nullptr;
  switch (message->err) {
    case RD_KAFKA_RESP_ERR_NO_ERROR: peeked_ = std::move(message); return peeked_.get();
    case RD_KAFKA_RESP_ERR__PARTITION_EOF:
      next_ = std::max(next_, static_cast<port::Offset>(message->offset));  // a gap may be the last thing there is
      return nullptr;
    case RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET:
    case RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE: stop(); return fail(ErrorCode::not_found, "out of range");
    case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART:
    case RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC:
    case RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION: stop(); return tl::unexpected(as_error(message->err, "reading"));
    default: return nullptr;  // a broker went away: librdkafka goes on by itself when one is back
  }
}

Result<port::StoredRecord> Cursor::take(bool with_raw) {
  auto stored = read_record(*peeked_, with_raw);
  if (!stored) return stored;
  // The leader's clock gives the time; another leader's may be behind.
  newest_ = stored->appended = std::max(stored->appended, newest_);
  next_ = stored->offset + 1;
  peeked_.reset();
  return stored;
}

void Cursor::wake() const {
  rd_kafka_queue_yield(queue_.get());
}

}  // namespace hutong::kafka
