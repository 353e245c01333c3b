// The Kafka sink against a cluster whose answers a test chooses (librdkafka's mock): what is told apart, what is in a
// message. That it is durable a real Kafka shows (tests/integration/kafka_deliveries_test.py).
#include "adapters/sink/kafka/kafka_sink.h"

#include <gmock/gmock.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <map>
#include <thread>

#include "tests/contract/log/mock_cluster.h"

namespace hutong {
namespace {

using namespace std::chrono_literals;
using port::Receipt;
using port::Taken;
using testing::HasSubstr;

struct Message {
  std::string key, value;
  std::map<std::string, std::string> headers;
};

class KafkaSink : public testing::Test {
 protected:
  KafkaSink() {
    options.bootstrap = cluster.options().bootstrap;
    options.topic = "hutong.events";
    options.timeout = 2s;
    options.settings = {{"socket.timeout.ms", "300"}, {"topic.metadata.refresh.interval.ms", "1000"}};
  }
  static port::Parcel parcel(const std::string& event = "00112233445566778899aabbccddeeff.0") {
    port::Parcel parcel;
    parcel.event_id = event;
    parcel.kind = "result.reported";
    parcel.version = 2;
    parcel.lane = "TESTHOSP/P1";
    parcel.subscription = "ward";
    parcel.content_type = "application/json; charset=utf-8";
    parcel.body = "{\"of\":\"" + event + "\"}";
    return parcel;
  }
  std::vector<Receipt> hand_over(std::vector<port::Parcel> parcels) {
    if (!sink) sink = kafka_sink::kafka_sink(io.get_executor(), options);
    std::vector<Receipt> receipts(parcels.size());
    for (std::size_t i = 0; i < parcels.size(); ++i) {
      net::co_spawn(io, sink->hand_over(std::move(parcels[i])), [&receipts, i](std::exception_ptr failed, Receipt got) {
        if (failed) std::rethrow_exception(failed);
        receipts[i] = std::move(got);
      });
    }
    io.restart();
    io.run();
    return receipts;
  }
  Receipt hand_over(port::Parcel one = parcel()) {
    std::vector<port::Parcel> parcels;
    parcels.push_back(std::move(one));
    return hand_over(std::move(parcels)).front();
  }
  std::map<std::string, std::string> headers_of(const rd_kafka_message_t& message) {
    std::map<std::string, std::string> all;
    rd_kafka_headers_t* headers = nullptr;
    if (rd_kafka_message_headers(&message, &headers) != RD_KAFKA_RESP_ERR_NO_ERROR) return all;
    const char* name = nullptr;
    const void* value = nullptr;
    std::size_t size = 0;
    for (std::size_t i = 0; rd_kafka_header_get_all(headers, i, &name, &value, &size) == RD_KAFKA_RESP_ERR_NO_ERROR;
         ++i)
      all[name] = std::string(static_cast<const char*>(value), size);
    return all;
  }
  // All that is in the topic's one partition, or until `count` came.
  std::vector<Message> messages(std::size_t count) {
    rd_kafka_conf_t* conf = rd_kafka_conf_new();
    char why[256] = "";
    rd_kafka_conf_set(conf, "bootstrap.servers", options.bootstrap.c_str(), why, sizeof why);
    rd_kafka_t* consumer = rd_kafka_new(RD_KAFKA_CONSUMER, conf, why, sizeof why);
    rd_kafka_topic_t* topic = rd_kafka_topic_new(consumer, options.topic.c_str(), nullptr);
    rd_kafka_consume_start(topic, 0, RD_KAFKA_OFFSET_BEGINNING);
    std::vector<Message> all;
    for (int patience = 0; patience < 15; ++patience) {
      rd_kafka_message_t* message = rd_kafka_consume(topic, 0, all.size() < count ? 500 : 200);
      if (message && message->err == RD_KAFKA_RESP_ERR_NO_ERROR) {
        all.push_back({{static_cast<const char*>(message->key), message->key_len},
                       {static_cast<const char*>(message->payload), message->len},
                       headers_of(*message)});
        patience = 0;
      } else if (all.size() >= count) {
        patience = 15;
      }
      if (message) rd_kafka_message_destroy(message);
    }
    rd_kafka_consume_stop(topic, 0);
    rd_kafka_topic_destroy(topic);
    rd_kafka_destroy(consumer);
    return all;
  }

  contract::MockCluster cluster{1};
  net::io_context io{1};
  kafka_sink::KafkaSinkOptions options;
  std::shared_ptr<port::Sink> sink;
};

TEST_F(KafkaSink, the_clusters_confirmation_is_the_receipt) {
  auto replayed = parcel("b.0");
  replayed.replay = true;
  EXPECT_EQ(hand_over().taken, Taken::delivered);
  EXPECT_EQ(hand_over(replayed).taken, Taken::delivered);
  const auto all = messages(2);
  ASSERT_EQ(all.size(), 2U);
  EXPECT_EQ(all[0].key, "TESTHOSP/P1");
  EXPECT_EQ(all[0].value, "{\"of\":\"00112233445566778899aabbccddeeff.0\"}");
  const std::map<std::string, std::string> expected{{"event-id", "00112233445566778899aabbccddeeff.0"},
                                                    {"event-kind", "result.reported"},
                                                    {"event-version", "2"},
                                                    {"content-type", "application/json; charset=utf-8"},
                                                    {"subscription", "ward"}};
  EXPECT_EQ(all[0].headers, expected);
  EXPECT_EQ(all[1].headers.at("replay"), "true");
}

TEST_F(KafkaSink, what_is_too_large_is_refused_and_the_next_goes_on) {
  cluster.answer(contract::MockCluster::produce, {RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE});
  const auto receipt = hand_over();
  EXPECT_EQ(receipt.taken, Taken::refused);
  EXPECT_THAT(receipt.answer, HasSubstr("too large"));
  EXPECT_EQ(hand_over(parcel("b.0")).taken, Taken::delivered);
}

TEST_F(KafkaSink, larger_than_any_message_may_be_is_refused_here) {
  auto huge = parcel();
  huge.body = std::string(70 * 1024 * 1024, 'x');
  EXPECT_EQ(hand_over(huge).taken, Taken::refused);
}

TEST_F(KafkaSink, a_topic_that_we_may_not_write_is_the_receivers_matter) {
  cluster.answer(contract::MockCluster::produce, {RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED});
  const auto receipt = hand_over();
  EXPECT_EQ(receipt.taken, Taken::unreachable) << "waited out: an access list is put right, and no event is at fault";
  EXPECT_THAT(receipt.answer, HasSubstr("authorization"));
  Receipt again;
  const auto began = std::chrono::steady_clock::now();
  while (again.taken != Taken::delivered && std::chrono::steady_clock::now() - began < 10s) {
    again = hand_over();
    std::this_thread::sleep_for(100ms);
  }
  EXPECT_EQ(again.taken, Taken::delivered) << again.answer;
}

TEST_F(KafkaSink, what_passes_by_itself_is_not_even_told) {
  cluster.answer(contract::MockCluster::produce,
                 {RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION, RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS});
  EXPECT_EQ(hand_over().taken, Taken::delivered);
}

TEST_F(KafkaSink, without_a_cluster_it_is_away_and_afterwards_goes_on) {
  for (int broker = 1; broker <= contract::MockCluster::brokers; ++broker) cluster.down(broker);
  const auto began = std::chrono::steady_clock::now();
  const auto receipt = hand_over();
  EXPECT_EQ(receipt.taken, Taken::unreachable);
  EXPECT_LT(std::chrono::steady_clock::now() - began, 6s);
  cluster.heal();
  Receipt again;
  for (int attempt = 0; attempt < 5 && again.taken != Taken::delivered; ++attempt) again = hand_over();
  EXPECT_EQ(again.taken, Taken::delivered) << again.answer;
  EXPECT_EQ(messages(1).size(), 1U);
}

TEST_F(KafkaSink, several_are_under_way_at_once_and_none_is_lost) {
  EXPECT_EQ(kafka_sink::kafka_sink(io.get_executor(), options)->parallel(), 16U);
  std::vector<port::Parcel> many;
  for (int i = 0; i < 16; ++i) many.push_back(parcel("e" + std::to_string(i) + ".0"));
  for (const auto& receipt : hand_over(std::move(many))) EXPECT_EQ(receipt.taken, Taken::delivered);
  EXPECT_EQ(messages(16).size(), 16U);
}

TEST_F(KafkaSink, closed_it_ends_what_is_under_way_and_takes_nothing_more) {
  EXPECT_EQ(hand_over().taken, Taken::delivered);
  for (int broker = 1; broker <= contract::MockCluster::brokers; ++broker) cluster.down(broker);
  net::steady_timer timer(io, 100ms);
  timer.async_wait([&](boost::system::error_code) { sink->close(); });
  const auto began = std::chrono::steady_clock::now();
  EXPECT_NE(hand_over(parcel("b.0")).taken, Taken::delivered);
  EXPECT_LT(std::chrono::steady_clock::now() - began, 1500ms);
  EXPECT_EQ(hand_over().taken, Taken::unreachable);
}

TEST_F(KafkaSink, settings_that_would_undo_the_promise_are_no_settings) {
  options.settings["acks"] = "0";
  EXPECT_THAT(kafka_sink::check_settings(options).error().message, HasSubstr("acks"));
  options.settings = {{"security.protocol", "SPOKEN"}};
  EXPECT_THAT(kafka_sink::check_settings(options).error().message, HasSubstr("security.protocol"));
  options.settings = {{"compression.type", "zstd"}};
  EXPECT_TRUE(kafka_sink::check_settings(options).has_value());
}

}  // namespace
}  // namespace hutong
