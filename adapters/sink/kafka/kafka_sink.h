// Hands events to a topic of another Kafka cluster. The key is the patient's ("FACILITY/NUMBER"), placed as Kafka's own
// clients place it (murmur2), so that a patient's events stand in one partition in their order; an idempotent producer
// with acks=all, and the cluster's confirmation is the receipt.
//
//   key      "FACILITY/NUMBER"
//   value    the payload
//   headers  event-id, event-kind, event-version, content-type, subscription; replay "true" on a replay
//
// Threads: the one of the executor; confirmations come on a thread of the sink's own.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <map>
#include <memory>
#include <string>

#include "broker/base/error.h"
#include "broker/port/sink.h"

namespace hutong::kafka_sink {

struct KafkaSinkOptions {
  std::string bootstrap;  // "host:port,host:port"
  std::string topic;
  std::size_t parallel = 16;
  std::chrono::milliseconds timeout{30'000};
  std::map<std::string, std::string> settings;  // librdkafka's, by its own names
};

// Errors: invalid, with librdkafka's words and the setting that it does not like.
Result<void> check_settings(const KafkaSinkOptions& options);

// Throws std::runtime_error where the settings cannot be used.
std::shared_ptr<port::Sink> kafka_sink(net::any_io_executor executor, const KafkaSinkOptions& options);

}  // namespace hutong::kafka_sink
