// A topic on which systems hand in HL7 v2: each message's value is one message (or a batch) in its own bytes, judged as
// over MLLP. What it has read it commits only when the log has it, or the quarantine: so a broker that dies in between
// reads again, and a resend changes nothing. Brokers of one group share the topic's partitions. A sender gets no
// acknowledgement; what was refused stands in the quarantine.
//
// Threads: start() and stop() on one; its own thread waits for Kafka, and hands in on the executor, a shard's.
// Lifetime: stop() before the shard ends; everything given must outlive it.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "broker/base/error.h"
#include "broker/base/time.h"
#include "broker/model/facility.h"
#include "broker/port/inbox.h"
#include "broker/port/metrics.h"

namespace hutong::kafka_source {

struct KafkaSourceOptions {
  std::string name;
  std::string bootstrap, topic;
  std::string group = "hutong";
  std::string facility;  // only its messages come here; "": whom MSH names
  std::map<std::string, std::string> settings;
  std::chrono::milliseconds again{1'000};  // after the log did not take something
};

struct KafkaSourceDeps {
  net::any_io_executor shard;
  std::function<port::Inbox&()> inbox;  // asked for on the shard
  std::function<std::shared_ptr<const model::FacilityDirectory>()> facilities;
  port::Metrics& metrics;
  const Clock& clock;
  std::function<void(std::string_view level, std::string what)> on_event;
};

// Errors: invalid, with librdkafka's words and the setting that it does not like.
Result<void> check_settings(const KafkaSourceOptions& options);

class KafkaSource {
 public:
  // Throws std::runtime_error where the settings cannot be used.
  KafkaSource(KafkaSourceOptions options, KafkaSourceDeps deps);
  ~KafkaSource();
  KafkaSource(const KafkaSource&) = delete;
  KafkaSource& operator=(const KafkaSource&) = delete;

  void start();
  // Takes nothing more, finishes what it has handed in, and commits it.
  void stop();

 private:
  class Work;
  std::unique_ptr<Work> work_;
};

}  // namespace hutong::kafka_source
