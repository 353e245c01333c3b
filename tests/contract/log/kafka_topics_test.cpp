// Which topics of a real Kafka the log refuses to stand on. Played by tests/support/kafka.py, as the contract is.
#include <gmock/gmock.h>
#include <librdkafka/rdkafka.h>

#include "tests/contract/log/log_fixture.h"

namespace hutong::contract {
namespace {

using ::testing::HasSubstr;

class KafkaTopics : public ::testing::TestWithParam<Kind> {
 protected:
  KafkaTopics() {
    static int number = 0;
    options_.bootstrap = kafka_bootstrap();
    options_.topic_prefix = "topics-" + std::to_string(::getpid()) + "-" + std::to_string(number++) + ".";
    options_.partitions = 1;
  }

  void make_events(int replicas, const std::map<std::string, std::string>& settings) {
    rd_kafka_conf_t* configuration = rd_kafka_conf_new();
    rd_kafka_conf_set(configuration, "bootstrap.servers", options_.bootstrap.c_str(), nullptr, 0);
    rd_kafka_t* client = rd_kafka_new(RD_KAFKA_PRODUCER, configuration, nullptr, 0);
    rd_kafka_NewTopic_t* topic =
        rd_kafka_NewTopic_new((options_.topic_prefix + "events").c_str(), 1, replicas, nullptr, 0);
    for (const auto& [name, value] : settings) rd_kafka_NewTopic_set_config(topic, name.c_str(), value.c_str());
    rd_kafka_queue_t* queue = rd_kafka_queue_new(client);
    rd_kafka_CreateTopics(client, &topic, 1, nullptr, queue);
    rd_kafka_event_t* made = rd_kafka_queue_poll(queue, 10'000);
    EXPECT_NE(made, nullptr);
    rd_kafka_event_destroy(made);
    rd_kafka_queue_destroy(queue);
    rd_kafka_NewTopic_destroy(topic);
    rd_kafka_destroy(client);
  }

  std::string refusal() {
    const auto opened = kafka::KafkaLog::open(options_);
    if (opened) return "opened";
    EXPECT_EQ(opened.error().code, ErrorCode::conflict);
    return opened.error().message;
  }

  // What the log itself would make, but for what the test changes.
  static std::map<std::string, std::string> good() {
    return {{"min.insync.replicas", "2"},
            {"retention.ms", "-1"},
            {"retention.bytes", "-1"},
            {"max.message.bytes", "100000000"},
            {"message.timestamp.type", "LogAppendTime"}};
  }

  kafka::KafkaOptions options_;
};

TEST_P(KafkaTopics, made_by_an_operator_as_they_must_be_are_taken) {
  make_events(3, good());
  EXPECT_EQ(refusal(), "opened");
}

TEST_P(KafkaTopics, that_would_lose_records_are_refused_by_name_setting_and_reason) {
  const std::vector<std::tuple<std::string, std::string, std::string>> faults = {
      {"min.insync.replicas", "1", "on too few brokers"},
      {"retention.ms", "604800000", "delete records by age"},
      {"retention.bytes", "1000000", "delete records by size"},
      {"cleanup.policy", "compact", "all but a key's last"},
      {"unclean.leader.election.enable", "true", "vanish with its leader"},
      {"max.message.bytes", "1000000", "refused for ever"}};
  for (const auto& [name, value, reason] : faults) {
    auto settings = good();
    settings[name] = value;
    options_.topic_prefix += "x";
    make_events(3, settings);
    const std::string said = refusal();
    EXPECT_THAT(said, HasSubstr(options_.topic_prefix + "events has " + name + "=" + value));
    EXPECT_THAT(said, HasSubstr(reason));
  }
}

TEST_P(KafkaTopics, are_read_by_kcat_and_jq_without_us) {
  auto opened = kafka::KafkaLog::open(options_);
  ASSERT_TRUE(opened);
  ASSERT_TRUE(tests::await((*opened)->append(port::Topic::events, {record("a")})));
  const std::string command = "kcat -b " + options_.bootstrap + " -t " + options_.topic_prefix + "events -C -e -q -J" +
                              " | jq -c '[.key, (.payload | fromjson).name, .headers]'";
  FILE* pipe = ::popen(command.c_str(), "r");
  ASSERT_NE(pipe, nullptr);
  char said[1000] = "";
  EXPECT_NE(std::fgets(said, sizeof said, pipe), nullptr);
  EXPECT_EQ(::pclose(pipe), 0);
  EXPECT_EQ(std::string(said), "[\"hospital/a\",\"a\",[\"id\",\"" + record("a").id.hex() +
                                   "\",\"kinds\",\"patient.updated\",\"schema\",\"event/v1\",\"raw\",\"" +
                                   std::string(20, 'a') + "\"]]\n");
}

TEST_P(KafkaTopics, with_too_few_replicas_are_refused_unless_told) {
  make_events(1, {});
  EXPECT_THAT(refusal(), HasSubstr("has 1 replicas, expected 3"));
  options_.unsafe_topics = true;
  EXPECT_EQ(refusal(), "opened");
}

GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(KafkaTopics);  // where no cluster is
INSTANTIATE_TEST_SUITE_P(All, KafkaTopics, ::testing::ValuesIn(only_with_kafka()),
                         [](const auto& kind) { return std::string(kind.param.name); });

}  // namespace
}  // namespace hutong::contract
