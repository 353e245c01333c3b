// How a record lies in Kafka, so that kcat and jq read the topics without our code:
//
//   key      the record's key, "FACILITY/PATIENT NUMBER"
//   value    its JSON document (events: schemas/event/v1)
//   headers  id       32 hex digits; the log may hold one twice (a resend), readers know it by this
//            kinds    "patient.updated encounter.changed"
//            schema   "event/v1" (events only)
//            raw      the message as received, any bytes; absent when there is none
//   time     the partition leader's clock when it appended (LogAppendTime)
//
//   kcat -b HOST -t hutong.events -C -e -J | jq '.headers, (.payload | fromjson)'
// Threads: functions without state.
#pragma once

#include "adapters/log/kafka/client.h"

struct rd_kafka_headers_s;

namespace hutong::kafka {

rd_kafka_headers_s* make_headers(port::Topic topic, const port::RecordView& record);
// A record's bytes as a read limit counts them.
std::size_t record_bytes(const rd_kafka_message_s& message, bool with_raw);
// Errors: corrupt, naming topic, partition and offset: something else than a broker wrote to the topic.
Result<port::StoredRecord> read_record(const rd_kafka_message_s& message, bool with_raw);

}  // namespace hutong::kafka
