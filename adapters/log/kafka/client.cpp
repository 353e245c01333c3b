#include "adapters/log/kafka/client.h"

#include <librdkafka/rdkafka.h>

#include <algorithm>
#include <array>
#include <utility>
#include <vector>

namespace hutong::kafka {
namespace {

using Settings = std::vector<std::pair<std::string, std::string>>;
using Configuration = std::unique_ptr<rd_kafka_conf_t, decltype(&rd_kafka_conf_destroy)>;

constexpr std::size_t reason_bytes = 512;

// Other names of settings that are ours, and settings that would undo what ours promise.
constexpr std::string_view reserved[] = {"metadata.broker.list",
                                         "request.required.acks",
                                         "delivery.timeout.ms",
                                         "max.in.flight",
                                         "transactional.id",
                                         "message.send.max.retries",
                                         "retries",
                                         "max.in.flight.requests.per.connection",
                                         "group.id"};

Settings common_settings(const KafkaOptions& options) {
  return {{"bootstrap.servers", options.bootstrap},
          {"client.id", "hutong"},
          {"message.max.bytes", std::to_string(message_bytes_max)},
          // A broker that is back is found at once, not after the usual ten seconds.
          {"reconnect.backoff.ms", "50"},
          {"reconnect.backoff.max.ms", "1000"},
          {"socket.keepalive.enable", "true"},
          {"socket.nagle.disable", "true"}};
}

Settings producer_settings(const KafkaOptions& options) {
  return {{"enable.idempotence", "true"},
          {"acks", "all"},
          {"message.timeout.ms", std::to_string(options.append_deadline.count())},
          // An idle line waits for nothing; on a busy one the producer gathers (producer.h). A Kafka broker answers the
          // requests of a connection one after the other: what waits here meanwhile makes fuller ones.
          {"linger.ms", "0"},
          {"max.in.flight", "1"},
          // Bounded by our own count, which takes or refuses an append as a whole.
          {"queue.buffering.max.kbytes", "2097151"},
          {"queue.buffering.max.messages", "10000000"}};
}

Settings consumer_settings() {
  return {{"isolation.level", "read_uncommitted"},  // nothing here is transactional: up to the high watermark
          {"auto.offset.reset", "error"},           // an offset that is gone is said, never skipped
          {"enable.partition.eof", "true"},
          {"enable.auto.commit", "false"},
          {"allow.auto.create.topics", "false"},
          // A partition joins the next fetch: how long the present one may wait for data is how long a seek takes.
          {"fetch.wait.max.ms", "50"},
          {"fetch.error.backoff.ms", "100"},
          {"queued.max.messages.kbytes", "8192"}};  // read ahead per partition
}

Settings group_settings(const std::string& group) {
  return {{"group.id", group},
          {"enable.auto.commit", "false"},
          {"enable.auto.offset.store", "false"},
          {"auto.offset.reset", "earliest"},
          {"isolation.level", "read_committed"},  // what a sender took back was never sent
          {"enable.partition.eof", "false"},
          {"allow.auto.create.topics", "false"},
          {"session.timeout.ms", "10000"},  // another broker goes on soon after one has died
          {"fetch.wait.max.ms", "100"},
          {"queued.max.messages.kbytes", "16384"}};
}

Result<void> set(rd_kafka_conf_t* configuration, const std::string& name, const std::string& value) {
  std::array<char, reason_bytes> why{};
  if (rd_kafka_conf_set(configuration, name.c_str(), value.c_str(), why.data(), why.size()) == RD_KAFKA_CONF_OK)
    return {};
  return fail(ErrorCode::invalid, "Kafka setting " + name + ": " + why.data());  // the value may be a password
}

Result<Configuration> configure(const KafkaOptions& options, const Settings& own) {
  Configuration configuration(rd_kafka_conf_new(), &rd_kafka_conf_destroy);
  Settings all = common_settings(options);
  all.insert(all.end(), own.begin(), own.end());
  for (const auto& [name, value] : all) {
    if (auto done = set(configuration.get(), name, value); !done) return tl::unexpected(done.error());
  }
  const Settings producer = producer_settings(options), consumer = consumer_settings();
  all.insert(all.end(), producer.begin(), producer.end());
  all.insert(all.end(), consumer.begin(), consumer.end());
  for (const auto& [name, value] : options.settings) {
    const bool taken = std::any_of(all.begin(), all.end(), [&](const auto& ours) { return ours.first == name; });
    if (taken || std::find(std::begin(reserved), std::end(reserved), name) != std::end(reserved)) {
      return fail(ErrorCode::invalid, "Kafka setting " + name + ": what is promised rests on it; take it out");
    }
    if (auto done = set(configuration.get(), name, value); !done) return tl::unexpected(done.error());
  }
  // What librdkafka would write to stderr reaches operators as health and errors instead.
  rd_kafka_conf_set_log_cb(configuration.get(), [](const rd_kafka_t*, int, const char*, const char*) {});
  return configuration;
}

Result<Client> make(rd_kafka_type_t type, Configuration configuration) {
  std::array<char, reason_bytes> why{};
  Client client(rd_kafka_new(type, configuration.get(), why.data(), why.size()));
  if (!client) return fail(ErrorCode::invalid, std::string("Kafka's client did not start: ") + why.data());
  static_cast<void>(configuration.release());  // the client's now
  return client;
}

}  // namespace

void Destroy::operator()(rd_kafka_s* client) const {
  rd_kafka_destroy(client);
}
void Destroy::operator()(rd_kafka_topic_s* topic) const {
  rd_kafka_topic_destroy(topic);
}
void Destroy::operator()(rd_kafka_queue_s* queue) const {
  rd_kafka_queue_destroy(queue);
}
void Destroy::operator()(rd_kafka_message_s* message) const {
  rd_kafka_message_destroy(message);
}

Result<Client> make_producer(const KafkaOptions& options, ProducerEvents& events) {
  auto configuration = configure(options, producer_settings(options));
  if (!configuration) return tl::unexpected(configuration.error());
  rd_kafka_conf_set_opaque(configuration->get(), &events);
  rd_kafka_conf_set_dr_msg_cb(configuration->get(), [](rd_kafka_t*, const rd_kafka_message_t* message, void* opaque) {
    static_cast<ProducerEvents*>(opaque)->delivered(*message);
  });
  rd_kafka_conf_set_error_cb(configuration->get(), [](rd_kafka_t*, int code, const char* reason, void* opaque) {
    static_cast<ProducerEvents*>(opaque)->troubled(code, reason);
  });
  return make(RD_KAFKA_PRODUCER, std::move(*configuration));
}

Result<Client> make_consumer(const KafkaOptions& options) {
  auto configuration = configure(options, consumer_settings());
  if (!configuration) return tl::unexpected(configuration.error());
  return make(RD_KAFKA_CONSUMER, std::move(*configuration));
}

Result<Client> make_group_consumer(const KafkaOptions& options, const std::string& group, ConsumerEvents& events) {
  auto configuration = configure(options, group_settings(group));
  if (!configuration) return tl::unexpected(configuration.error());
  rd_kafka_conf_set_opaque(configuration->get(), &events);
  rd_kafka_conf_set_error_cb(configuration->get(), [](rd_kafka_t*, int code, const char* reason, void* opaque) {
    static_cast<ConsumerEvents*>(opaque)->troubled(code, reason);
  });
  auto client = make(RD_KAFKA_CONSUMER, std::move(*configuration));
  if (client) rd_kafka_poll_set_consumer(client->get());
  return client;
}

Result<void> check_group_consumer(const KafkaOptions& options, const std::string& group) {
  auto configuration = configure(options, group_settings(group));
  if (!configuration) return tl::unexpected(configuration.error());
  return {};
}

Result<void> check_producer(const KafkaOptions& options) {
  auto configuration = configure(options, producer_settings(options));
  if (!configuration) return tl::unexpected(configuration.error());
  return {};
}

std::string topic_name(const KafkaOptions& options, port::Topic topic) {
  return options.topic_prefix + std::string(to_string(topic));
}

std::uint32_t partition_count(const KafkaOptions& options, port::Topic topic) {
  return topic == port::Topic::events ? options.partitions : 1;
}

Result<TopicHandle> make_topic(rd_kafka_s* client, const std::string& name) {
  TopicHandle topic(rd_kafka_topic_new(client, name.c_str(), nullptr));
  if (!topic) return tl::unexpected(as_error(rd_kafka_last_error(), "naming topic " + name));
  return topic;
}

Error as_error(int code, const std::string& tried) {
  const auto known = static_cast<rd_kafka_resp_err_t>(code);
  const std::string what = "Kafka, " + tried + ": " + rd_kafka_err2str(known);
  switch (known) {
    case RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE:
    case RD_KAFKA_RESP_ERR_RECORD_LIST_TOO_LARGE:
      return {ErrorCode::too_large,
              what + "; raise the topic's max.message.bytes to " + std::to_string(message_bytes_max)};
    case RD_KAFKA_RESP_ERR__QUEUE_FULL: return {ErrorCode::overloaded, what + ". Send again later"};
    case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED:
      return {ErrorCode::unavailable, what +
                                          "; grant this broker's Kafka user the right to read, write, create and "
                                          "describe its topics"};
    case RD_KAFKA_RESP_ERR__AUTHENTICATION:
    case RD_KAFKA_RESP_ERR_SASL_AUTHENTICATION_FAILED:
    case RD_KAFKA_RESP_ERR__SSL:
      return {ErrorCode::unavailable, what + "; check log.kafka.settings: security.protocol, sasl.* and ssl.*"};
    case RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS:
    case RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS_AFTER_APPEND:
      return {ErrorCode::unavailable, what + "; bring the stopped Kafka brokers back"};
    default: return {ErrorCode::unavailable, what + "; check that the Kafka brokers are up and reachable from here"};
  }
}

}  // namespace hutong::kafka
