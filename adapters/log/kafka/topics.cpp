#include "adapters/log/kafka/topics.h"

#include <librdkafka/rdkafka.h>

#include <thread>
#include <vector>

namespace hutong::kafka {
namespace {

using std::chrono::steady_clock;

template <class T, void (*destroy)(T*)>
struct Destroyer {
  void operator()(T* object) const { destroy(object); }
};
template <class T, void (*destroy)(T*)>
using Owned = std::unique_ptr<T, Destroyer<T, destroy>>;
using NewTopic = Owned<rd_kafka_NewTopic_t, rd_kafka_NewTopic_destroy>;
using ConfigResource = Owned<rd_kafka_ConfigResource_t, rd_kafka_ConfigResource_destroy>;
using Event = Owned<rd_kafka_event_t, rd_kafka_event_destroy>;
using AdminOptions = Owned<rd_kafka_AdminOptions_t, rd_kafka_AdminOptions_destroy>;

struct Shape {
  std::uint32_t partitions = 0;  // 0: there is no such topic
  int replicas = 0;              // of the partition that has the fewest
  bool led = true;               // every partition has a leader
};

// What a topic must be set to, and why another value loses or refuses records.
struct Requirement {
  const char* name;
  std::string value;
  bool (*fits)(const std::string& found, const std::string& wanted);
  const char* otherwise;
};

bool equal(const std::string& found, const std::string& wanted) {
  return found == wanted;
}
bool at_least(const std::string& found, const std::string& wanted) {
  return std::atoll(found.c_str()) >= std::atoll(wanted.c_str());
}

std::vector<Requirement> requirements(const KafkaOptions& options) {
  return {{"min.insync.replicas", std::to_string(options.insync_replicas), at_least,
           "what is acknowledged could be on too few brokers"},
          {"retention.ms", "-1", equal, "Kafka would delete records by age"},
          {"retention.bytes", "-1", equal, "Kafka would delete records by size"},
          {"cleanup.policy", "delete", equal, "Kafka would delete all but a key's last record"},
          {"unclean.leader.election.enable", "false", equal, "what is acknowledged could vanish with its leader"},
          {"max.message.bytes", std::to_string(message_bytes_max), at_least, "large records would be refused for ever"},
          {"message.timestamp.type", "LogAppendTime", equal, "records would carry the clocks of several brokers"}};
}

Error unfit(const std::string& topic, const Requirement& wanted, const std::string& found) {
  return {ErrorCode::conflict, "Kafka topic " + topic + " has " + wanted.name + "=" + found + ": " + wanted.otherwise +
                                   ". Set it to " + wanted.value + " (kafka-configs.sh --alter)"};
}

class Preparation {
 public:
  Preparation(rd_kafka_s* client, const KafkaOptions& options)
      : client_(client), options_(options), deadline_(steady_clock::now() + options.open_deadline) {}

  Result<void> run() {
    for (const port::Topic topic : port::all_topics) {
      auto shape = look(topic);
      if (shape && shape->partitions == 0) shape = make(topic);
      if (!shape) return tl::unexpected(shape.error());
      if (auto fit = check(topic, *shape); !fit) return fit;
      if (options_.unsafe_topics) continue;
      if (auto fit = check_settings(topic); !fit) return fit;
    }
    return {};
  }

 private:
  int left() const {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline_ - steady_clock::now());
    return static_cast<int>(std::max<std::int64_t>(left.count(), 1));
  }

  static void pause() { std::this_thread::sleep_for(std::chrono::milliseconds(20)); }

  Result<Shape> look(port::Topic topic) {
    const std::string name = topic_name(options_, topic);
    auto handle = make_topic(client_, name);
    if (!handle) return tl::unexpected(handle.error());
    const rd_kafka_metadata_t* metadata = nullptr;
    const auto code = rd_kafka_metadata(client_, 0, handle->get(), &metadata, left());
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR) {
      return tl::unexpected(as_error(code, "asking " + options_.bootstrap + " for topic " + name));
    }
    const Owned<const rd_kafka_metadata_t, rd_kafka_metadata_destroy> owned(metadata);
    const rd_kafka_metadata_topic_t& found = metadata->topics[0];
    if (found.err == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART) return Shape{};
    if (found.err != RD_KAFKA_RESP_ERR_NO_ERROR && found.err != RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE) {
      return tl::unexpected(as_error(found.err, "asking for topic " + name));
    }
    Shape shape{static_cast<std::uint32_t>(found.partition_cnt), options_.replicas, true};
    for (int i = 0; i < found.partition_cnt; ++i) {
      shape.replicas = std::min(shape.replicas, found.partitions[i].replica_cnt);
      shape.led = shape.led && found.partitions[i].leader >= 0;
    }
    return shape;
  }

  Result<Shape> make(port::Topic topic) {
    const std::string name = topic_name(options_, topic);
    char why[512] = "";
    NewTopic wanted(rd_kafka_NewTopic_new(name.c_str(), static_cast<int>(partition_count(options_, topic)),
                                          options_.replicas, why, sizeof why));
    if (!wanted) return fail(ErrorCode::invalid, "Kafka topic " + name + ": " + why);
    for (const Requirement& each : requirements(options_)) {
      rd_kafka_NewTopic_set_config(wanted.get(), each.name, each.value.c_str());
    }
    rd_kafka_NewTopic_t* topics[] = {wanted.get()};
    const auto answer =
        ask(RD_KAFKA_ADMIN_OP_CREATETOPICS, [&](const rd_kafka_AdminOptions_t* how, rd_kafka_queue_t* to) {
          rd_kafka_CreateTopics(client_, topics, 1, how, to);
        });
    if (!answer) return tl::unexpected(answer.error());
    std::size_t count = 0;
    const auto* made = rd_kafka_CreateTopics_result_topics(rd_kafka_event_CreateTopics_result(answer->get()), &count);
    const auto code = rd_kafka_topic_result_error(made[0]);
    // Another broker that starts at the same time may have been faster: then it is checked like any other.
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR && code != RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS) {
      const char* said = rd_kafka_topic_result_error_string(made[0]);
      return tl::unexpected(
          as_error(code, "making topic " + name + (said == nullptr ? "" : std::string(" (") + said + ")")));
    }
    for (;;) {  // until the broker asked has heard of it
      auto shape = look(topic);
      if (!shape || (shape->partitions > 0 && shape->led)) return shape;
      if (steady_clock::now() >= deadline_) {
        return fail(ErrorCode::unavailable, "Kafka topic " + name + " was made, but has no leaders yet; start again");
      }
      pause();
    }
  }

  Result<void> check(port::Topic topic, const Shape& shape) {
    const std::string name = "Kafka topic " + topic_name(options_, topic);
    if (shape.partitions != partition_count(options_, topic)) {
      return fail(ErrorCode::conflict,
                  name + " has " + std::to_string(shape.partitions) + " partitions, expected " +
                      std::to_string(partition_count(options_, topic)) +
                      ": a patient's records keep their order only while the count stays as it was. Put the configured "
                      "count right, or the topic");
    }
    if (shape.replicas < options_.replicas && !options_.unsafe_topics) {
      return fail(ErrorCode::conflict, name + " has " + std::to_string(shape.replicas) + " replicas, expected " +
                                           std::to_string(options_.replicas) +
                                           ": reassign its partitions to more brokers");
    }
    return {};
  }

  Result<void> check_settings(port::Topic topic) {
    const std::string name = topic_name(options_, topic);
    auto found = settings(name);
    if (!found) return tl::unexpected(found.error());
    for (const Requirement& each : requirements(options_)) {
      const std::string& value = (*found)[each.name];
      if (!each.fits(value, each.value)) return tl::unexpected(unfit(name, each, value));
    }
    return {};
  }

  Result<std::map<std::string, std::string>> settings(const std::string& name) {
    const ConfigResource resource(rd_kafka_ConfigResource_new(RD_KAFKA_RESOURCE_TOPIC, name.c_str()));
    rd_kafka_ConfigResource_t* resources[] = {resource.get()};
    for (;;) {
      const auto answer =
          ask(RD_KAFKA_ADMIN_OP_DESCRIBECONFIGS, [&](const rd_kafka_AdminOptions_t* how, rd_kafka_queue_t* to) {
            rd_kafka_DescribeConfigs(client_, resources, 1, how, to);
          });
      if (!answer) return tl::unexpected(answer.error());
      std::size_t count = 0;
      const auto* described =
          rd_kafka_DescribeConfigs_result_resources(rd_kafka_event_DescribeConfigs_result(answer->get()), &count);
      const auto code = rd_kafka_ConfigResource_error(described[0]);
      if (code == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART && steady_clock::now() < deadline_) {
        pause();  // just made, and the broker asked has not heard of it
        continue;
      }
      if (code != RD_KAFKA_RESP_ERR_NO_ERROR)
        return tl::unexpected(as_error(code, "asking how topic " + name + " is set"));
      std::map<std::string, std::string> found;
      const auto* entries = rd_kafka_ConfigResource_configs(described[0], &count);
      for (std::size_t i = 0; i < count; ++i) {
        const char* value = rd_kafka_ConfigEntry_value(entries[i]);
        found[rd_kafka_ConfigEntry_name(entries[i])] = value == nullptr ? "" : value;
      }
      return found;
    }
  }

  template <class Call>
  Result<Event> ask(rd_kafka_admin_op_t operation, Call call) {
    char why[512] = "";
    const AdminOptions how(rd_kafka_AdminOptions_new(client_, operation));
    rd_kafka_AdminOptions_set_request_timeout(how.get(), left(), why, sizeof why);
    const Queue to(rd_kafka_queue_new(client_));
    call(how.get(), to.get());
    Event answer(rd_kafka_queue_poll(to.get(), left() + 1000));  // the request's own deadline comes first
    if (!answer) return fail(ErrorCode::unavailable, "Kafka did not answer in time at " + options_.bootstrap);
    if (const auto code = rd_kafka_event_error(answer.get()); code != RD_KAFKA_RESP_ERR_NO_ERROR) {
      return tl::unexpected(as_error(code, rd_kafka_event_error_string(answer.get())));
    }
    return answer;
  }

  rd_kafka_s* client_;
  const KafkaOptions& options_;
  const steady_clock::time_point deadline_;
};

}  // namespace

Result<void> prepare_topics(rd_kafka_s* client, const KafkaOptions& options) {
  return Preparation(client, options).run();
}

}  // namespace hutong::kafka
