// The configuration as an operator writes it: what is refused, with its line; what is shown, and what never is.
#include "broker/app/config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

namespace hutong::app {
namespace {

using testing::HasSubstr;
using testing::Not;

class Configuration : public testing::Test {
 protected:
  Configuration()
      : file_(std::filesystem::path(testing::TempDir()) / ("hutong-config-" + std::to_string(::getpid()) + ".toml")) {}
  ~Configuration() override { std::filesystem::remove(file_); }

  Config read(const std::string& text) {
    std::ofstream(file_) << text;
    return read_config(file_);
  }
  std::string mistake(const std::string& text) {
    try {
      read(text);
    } catch (const ConfigError& e) {
      return e.what();
    }
    return "accepted";
  }

  std::filesystem::path file_;
};

constexpr const char* kafka = "[log]\nkind = \"kafka\"\n[log.kafka]\nbootstrap = \"a:9092,b:9092\"\n";

TEST_F(Configuration, EmptyMeansTheJournal) {
  EXPECT_EQ(read("").log.kind, LogKind::journal);
}

TEST_F(Configuration, KafkaHasSafeDefaults) {
  const auto config = read(kafka);
  EXPECT_EQ(config.log.kind, LogKind::kafka);
  EXPECT_EQ(config.log.kafka.bootstrap, "a:9092,b:9092");
  EXPECT_EQ(config.log.kafka.replicas, 3);
  EXPECT_EQ(config.log.kafka.insync_replicas, 2);
  EXPECT_FALSE(config.log.kafka.unsafe_topics);
}

TEST_F(Configuration, KafkaWithoutAnAddressIsRefusedWithItsLine) {
  EXPECT_THAT(mistake("[log]\nkind = \"kafka\"\n"), HasSubstr(":2: [log] kind: \"kafka\" needs [log.kafka] bootstrap"));
}

TEST_F(Configuration, AnAppendMustEndASecondBeforeItsSenderIsAnswered) {
  EXPECT_THAT(mistake(std::string(kafka) + "append_deadline = \"9500ms\"\n"),
              HasSubstr(":5: [log] kafka.append_deadline: 9500 ms"));
  EXPECT_THAT(mistake(std::string("[mllp]\nappend_deadline = \"5s\"\n") + kafka), HasSubstr(":2: "));
  EXPECT_EQ(mistake(std::string(kafka) + "append_deadline = \"9s\"\n"), "accepted");
  EXPECT_EQ(mistake("[mllp]\nappend_deadline = \"5s\"\n[log.kafka]\nbootstrap = \"a:1\"\n"), "accepted")
      << "the journal is in use";
}

TEST_F(Configuration, KafkasOwnSettingsPassAsTheyAreWritten) {
  const auto config = read(std::string(kafka) +
                           "[log.kafka.settings]\nsecurity.protocol = \"SSL\"\n\"ssl.ca.location\" = \"/ca.pem\"\n"
                           "enable.ssl.certificate.verification = true\nsocket.timeout.ms = 3000\n");
  const std::map<std::string, std::string> expected{{"security.protocol", "SSL"},
                                                    {"ssl.ca.location", "/ca.pem"},
                                                    {"enable.ssl.certificate.verification", "true"},
                                                    {"socket.timeout.ms", "3000"}};
  EXPECT_EQ(config.log.kafka.settings, expected);
}

TEST_F(Configuration, SecretsOfKafkaComeByReferenceAndAreNeverShown) {
  ASSERT_EQ(setenv("HUTONG_TEST_SECRET", "mandarin-duck", 1), 0);
  const std::string settings = std::string(kafka) + "[log.kafka.settings]\nsasl.username = \"hutong\"\n";
  const auto config = read(settings + "sasl.password = \"env:HUTONG_TEST_SECRET\"\n");
  EXPECT_EQ(config.log.kafka.settings.at("sasl.password"), "mandarin-duck");
  EXPECT_THAT(describe(config), Not(HasSubstr("mandarin-duck")));
  EXPECT_THAT(describe(config), HasSubstr("\"sasl.username\" = 'hutong'"));
  EXPECT_THAT(describe_json(config), HasSubstr("sasl.password"));
  EXPECT_THAT(mistake(settings + "sasl.password = \"mandarin-duck\"\n"),
              AllOf(HasSubstr(":7: [log.kafka] settings.sasl.password: a secret is given by reference"),
                    Not(HasSubstr("mandarin-duck"))));
  EXPECT_THAT(mistake(settings + "sasl.password = \"env:HUTONG_NO_SUCH\"\n"),
              HasSubstr("the environment has no HUTONG_NO_SUCH"));
  unsetenv("HUTONG_TEST_SECRET");
}

TEST_F(Configuration, ATopicThatSystemsHandInOn) {
  ASSERT_EQ(setenv("HUTONG_TEST_SECRET", "mandarin-duck", 1), 0);
  const std::string lis = "[kafka_sources.lis]\nbootstrap = \"10.1.2.3:9093\"\ntopic = \"lis-oru\"\n";
  const std::string settings = "[kafka_sources.lis.settings]\nsecurity.protocol = \"sasl_ssl\"\n";
  const auto config = read(lis + settings + "sasl.password = \"env:HUTONG_TEST_SECRET\"\n");
  ASSERT_EQ(config.kafka_sources.size(), 1U);
  EXPECT_EQ(config.kafka_sources[0].group, "hutong");
  EXPECT_EQ(config.kafka_sources[0].settings.at("sasl.password"), "mandarin-duck");
  EXPECT_THAT(describe(config), AllOf(HasSubstr("lis-oru"), Not(HasSubstr("mandarin-duck"))));
  EXPECT_THAT(mistake(lis), HasSubstr(":2: [kafka_sources.lis] bootstrap: leaves this machine without encryption"));
  EXPECT_THAT(mistake(lis + settings + "group.id = \"x\"\n"), AllOf(HasSubstr(":4: "), HasSubstr("group.id")));
  EXPECT_THAT(mistake("[kafka_sources.lis]\nbootstrap = \"127.0.0.1:9092\"\n"),
              HasSubstr(":1: [kafka_sources.lis] topic"));
  EXPECT_EQ(mistake(lis + "allow_plain = true\n"), "accepted");
  unsetenv("HUTONG_TEST_SECRET");
}

TEST_F(Configuration, FoldersForFilesAreWholePaths) {
  EXPECT_EQ(read("[delivery]\nfolders = [\"/srv/out\"]\n").delivery.folders.size(), 1U);
  for (const char* wrong : {"out", "/", "/srv/../etc"})
    EXPECT_THAT(mistake("[delivery]\nfolders = [\"" + std::string(wrong) + "\"]\n"),
                HasSubstr(":2: [delivery] folders"))
        << wrong;
}

TEST_F(Configuration, AlertsGoWhereWebhooksMayGo) {
  ASSERT_EQ(setenv("HUTONG_TEST_SECRET", "mandarin-duck", 1), 0);
  const std::string allowed = "[delivery]\nwebhooks = [\"https://ops.example.cn\"]\n[alerts]\n";
  const auto config = read(allowed +
                           "webhooks = [\"https://ops.example.cn/hook?key=k\"]\nauthorization = \"env:HUTONG_TEST_SECRET\"\n"
                           "disk_free = \"5%\"\n[alerts.silence]\n\"*\" = \"0s\"\n\"bc-city\" = \"30m\"\n");
  EXPECT_EQ(config.alerts.authorization, "mandarin-duck");
  EXPECT_EQ(config.alerts.policy.disk_free_percent, 5U);
  EXPECT_EQ(config.alerts.policy.silent_after("bc-city"), std::chrono::minutes(30));
  EXPECT_EQ(config.alerts.policy.silent_after("other").count(), 0);
  EXPECT_THAT(describe(config), AllOf(HasSubstr("https://ops.example.cn/***"), Not(HasSubstr("key=k")), Not(HasSubstr("mandarin-duck"))));
  for (const char* wrong : {"https://evil.example/", "https://ops.example.cn:8443/", "http://ops.example.cn/", "ftp://ops.example.cn/",
                            "https://ops.example.cn@evil.example/"})
    EXPECT_THAT(mistake(allowed + "webhooks = [\"" + wrong + "\"]\n"), HasSubstr(":4: [alerts] webhooks: ")) << wrong;
  EXPECT_THAT(mistake("[alerts]\nauthorization = \"mandarin-duck\"\n"), HasSubstr(":2: [alerts] authorization: a secret is given by reference"));
  EXPECT_THAT(mistake("[alerts]\ndisk_free = \"0%\"\n"), HasSubstr(":2: [alerts] disk_free"));
  EXPECT_THAT(mistake("[alerts]\ndisk_free = \"100%\"\n"), HasSubstr(":2: [alerts] disk_free"));
  EXPECT_THAT(mistake("[alerts]\nwithin = \"0s\"\n"), HasSubstr(":2: [alerts] within"));
  EXPECT_THAT(mistake("[alerts]\nlags = \"5s\"\n"), HasSubstr(":2: [alerts] unknown key \"lags\""));
  EXPECT_THAT(mistake("[alerts.silence]\n\"bc-city\" = 5\n"), HasSubstr(":2: [alerts.silence] bc-city"));
  unsetenv("HUTONG_TEST_SECRET");
}

TEST_F(Configuration, WhatIsShownCanBeReadAgain) {
  const auto shown =
      describe(read(std::string(kafka) + "unsafe_topics = true\n[log.kafka.settings]\nclient.rack = 'a\"b'\n"));
  const auto again = read(shown.substr(shown.find('[')));
  EXPECT_TRUE(again.log.kafka.unsafe_topics);
  EXPECT_EQ(again.log.kafka.settings.at("client.rack"), "a\"b");
}

}  // namespace
}  // namespace hutong::app
