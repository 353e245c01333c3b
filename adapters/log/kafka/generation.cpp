#include "adapters/log/kafka/generation.h"

#include <librdkafka/rdkafka.h>

#include "adapters/log/kafka/record_message.h"

namespace hutong::kafka {
namespace {

rd_kafka_vu_t part(rd_kafka_vtype_t type) {
  rd_kafka_vu_t made{};
  made.vtype = type;
  return made;
}

rd_kafka_vu_t bytes(rd_kafka_vtype_t type, std::string_view value) {
  rd_kafka_vu_t made = part(type);
  made.u.mem = {const_cast<char*>(value.data()), value.size()};  // copied, not written to (MSG_F_COPY)
  return made;
}

}  // namespace

Result<std::shared_ptr<Producer::Generation>> Producer::Generation::make(const KafkaOptions& options,
                                                                         ProducerEvents& events) {
  auto made = std::make_shared<Generation>();
  auto client = make_producer(options, events);
  if (!client) return tl::unexpected(client.error());
  made->client = std::move(*client);
  for (const port::Topic topic : port::all_topics) {
    auto handle = make_topic(made->client.get(), topic_name(options, topic));
    if (!handle) return tl::unexpected(handle.error());
    made->topics.at(static_cast<std::size_t>(topic)) = std::move(*handle);
  }
  made->events.reset(rd_kafka_queue_get_main(made->client.get()));
  return made;
}

std::uint32_t Producer::Generation::partition_of(std::string_view key, std::uint32_t partitions) {
  return static_cast<std::uint32_t>(rd_kafka_msg_partitioner_murmur2(
      nullptr, key.data(), key.size(), static_cast<std::int32_t>(partitions), nullptr, nullptr));
}

int Producer::Generation::send(const port::Partition& partition, const port::RecordView& record, void* slot) {
  rd_kafka_headers_t* headers = make_headers(partition.topic, record);
  rd_kafka_vu_t parts[] = {part(RD_KAFKA_VTYPE_RKT),
                           part(RD_KAFKA_VTYPE_PARTITION),
                           part(RD_KAFKA_VTYPE_OPAQUE),
                           part(RD_KAFKA_VTYPE_MSGFLAGS),
                           part(RD_KAFKA_VTYPE_HEADERS),
                           bytes(RD_KAFKA_VTYPE_KEY, record.key),
                           bytes(RD_KAFKA_VTYPE_VALUE, record.json)};
  parts[0].u.rkt = topics.at(static_cast<std::size_t>(partition.topic)).get();
  parts[1].u.i32 = static_cast<std::int32_t>(partition.number);
  parts[2].u.ptr = slot;
  parts[3].u.i = RD_KAFKA_MSG_F_COPY;
  parts[4].u.headers = headers;
  rd_kafka_error_t* error = rd_kafka_produceva(client.get(), parts, std::size(parts));
  if (error == nullptr) return 0;
  const int code = rd_kafka_error_code(error);
  rd_kafka_error_destroy(error);
  rd_kafka_headers_destroy(headers);  // ours still
  return code;
}

void Producer::Generation::poll(std::chrono::milliseconds patience) {
  rd_kafka_poll(client.get(), static_cast<int>(patience.count()));
}

void Producer::Generation::wake() {
  rd_kafka_queue_yield(events.get());
}

bool Producer::Generation::empty() const {
  return rd_kafka_outq_len(client.get()) == 0;
}

void Producer::Generation::give_up() {
  rd_kafka_purge(client.get(), RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
}

std::string Producer::Generation::fatal() const {
  char why[512] = "";
  return rd_kafka_fatal_error(client.get(), why, sizeof why) == RD_KAFKA_RESP_ERR_NO_ERROR ? "" : why;
}

}  // namespace hutong::kafka
