// A consumer standing at one offset of one partition: gives its records one by one, reading ahead.
// Threads: one at a time, but wake(), which is for any. Lifetime: before its consumer ends.
#pragma once

#include "adapters/log/kafka/client.h"

namespace hutong::kafka {

class Cursor {
 public:
  Cursor(rd_kafka_s* consumer, TopicHandle topic, port::Partition partition)
      : consumer_(consumer), topic_(std::move(topic)), partition_(partition) {}
  Cursor(const Cursor&) = delete;
  Cursor& operator=(const Cursor&) = delete;
  ~Cursor();

  bool stands_at(port::Offset offset) const { return queue_ != nullptr && next_ == offset; }
  port::Offset next() const { return next_; }
  Result<void> move_to(port::Offset offset);

  // The record at next(), or null: none came within `patience`, or something else happened (wake(), the partition's
  // end, a broker lost); next() may have moved over a gap.
  // Errors: not_found (out of range: removed, or lost), unavailable.
  Result<const rd_kafka_message_s*> peek(std::chrono::milliseconds patience);
  // Takes the peeked record.
  Result<port::StoredRecord> take(bool with_raw);
  void wake() const;

 private:
  void stop();

  rd_kafka_s* consumer_;
  TopicHandle topic_;
  port::Partition partition_;
  Queue queue_;  // null: stands nowhere
  port::Offset next_ = 0;
  Message peeked_;
  Timestamp newest_;  // given since the last move
};

}  // namespace hutong::kafka
