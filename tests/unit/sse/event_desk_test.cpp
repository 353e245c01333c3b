// A subscriber that connects itself: what is delivered, what comes again, who may, and who holds.
#include "adapters/sink/sse/event_desk.h"

#include <gmock/gmock.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace hutong::sse {
namespace {

using namespace std::chrono_literals;
using port::Receipt;
using port::Taken;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;
using testing::UnorderedElementsAre;

class EventDeskTest : public testing::Test {
 protected:
  EventDeskTest() {
    model::Subscription one;
    one.name = "ward";
    one.sink = model::SinkKind::sse;
    one.target = "ward-app";
    one.filter.kinds = {"result.reported"};
    one.connections = 8;
    one.timeout = 400ms;
    declared.push_back(one);
    one.name = "hook";
    one.sink = model::SinkKind::rest_hook;
    declared.push_back(one);
    sink = desk.sink(io.get_executor(), declared[0]);
  }

  // What is under way comes to its end.
  ~EventDeskTest() override {
    sink->close();
    run(20ms);
  }

  struct Handed {
    bool answered = false;
    Receipt receipt;
  };
  std::shared_ptr<Handed> hand_over(const std::string& event, bool replay = false) {
    port::Parcel parcel;
    parcel.event_id = event;
    parcel.kind = "result.reported";
    parcel.body = "{\"of\":\"" + event + "\"}";
    parcel.replay = replay;
    auto handed = std::make_shared<Handed>();
    net::co_spawn(io, sink->hand_over(std::move(parcel)), [handed](std::exception_ptr failed, Receipt got) {
      if (failed) std::rethrow_exception(failed);
      *handed = {true, std::move(got)};
    });
    run(5ms);
    return handed;
  }
  // Its connection, read for as long as it is held; `text` is what came.
  struct Client {
    std::shared_ptr<port::EventStream> stream;
    std::string text;
    bool ended = false;
  };
  std::shared_ptr<Client> connect(const std::string& last = "") {
    auto stream = desk.connect("ward", "ward-app", last);
    if (!stream) throw std::runtime_error(stream.error().message);
    auto client = std::make_shared<Client>();
    client->stream = *stream;
    net::co_spawn(
        io,
        [](std::weak_ptr<Client> weak) -> net::awaitable<void> {
          for (;;) {
            auto held = weak.lock();
            if (!held) co_return;
            auto stream_held = held->stream;
            held.reset();
            auto piece = co_await stream_held->next();
            held = weak.lock();
            if (!held) co_return;
            if (!piece) {
              held->ended = true;
              co_return;
            }
            held->text += *piece;
          }
        }(client),
        [](std::exception_ptr failed) {
          if (failed) std::rethrow_exception(failed);
        });
    run(5ms);
    return client;
  }
  void run(std::chrono::milliseconds time) {
    io.restart();
    io.run_for(time);
  }
  std::size_t acknowledge(std::vector<std::string> events) { return *desk.acknowledge("ward", "ward-app", events); }

  net::io_context io{1};
  std::vector<model::Subscription> declared;
  EventDesk desk{[this] { return std::make_shared<const std::vector<model::Subscription>>(declared); }};
  std::shared_ptr<port::Sink> sink;
};

TEST_F(EventDeskTest, what_is_written_is_delivered_once_the_client_says_that_it_has_it) {
  auto client = connect();
  auto handed = hand_over("a.0");
  run(20ms);
  EXPECT_THAT(client->text, HasSubstr("id: a.0\nevent: result.reported\ndata: {\"of\":\"a.0\"}\n\n"));
  EXPECT_FALSE(handed->answered) << "a socket took it, nobody has it";
  EXPECT_EQ(acknowledge({"a.0"}), 1U);
  run(5ms);
  ASSERT_TRUE(handed->answered);
  EXPECT_EQ(handed->receipt.taken, Taken::delivered);
}

TEST_F(EventDeskTest, an_acknowledgement_is_of_this_event_and_not_of_those_before_it) {
  auto client = connect();
  auto first = hand_over("a.0"), second = hand_over("b.0");
  EXPECT_EQ(acknowledge({"b.0"}), 1U);
  run(5ms);
  EXPECT_FALSE(first->answered);
  EXPECT_TRUE(second->answered);
  EXPECT_EQ(acknowledge({"b.0", "c.0"}), 0U) << "known already, and never written";
}

TEST_F(EventDeskTest, without_an_acknowledgement_it_is_perhaps_taken_and_comes_again) {
  auto client = connect();
  auto handed = hand_over("a.0");
  run(600ms);
  ASSERT_TRUE(handed->answered);
  EXPECT_EQ(handed->receipt.taken, Taken::broken);
  client->text.clear();
  auto again = hand_over("a.0");
  EXPECT_THAT(client->text, HasSubstr("id: a.0"));
  acknowledge({"a.0"});
  run(5ms);
  EXPECT_EQ(again->receipt.taken, Taken::delivered);
}

TEST_F(EventDeskTest, a_late_acknowledgement_spares_the_client_to_get_it_again) {
  auto client = connect();
  hand_over("a.0");
  run(600ms);
  client->text.clear();
  EXPECT_EQ(acknowledge({"a.0"}), 1U);
  auto again = hand_over("a.0");
  EXPECT_TRUE(again->answered);
  EXPECT_EQ(again->receipt.taken, Taken::delivered);
  EXPECT_THAT(client->text, Not(HasSubstr("a.0")));
  auto replayed = hand_over("a.0", true);
  EXPECT_FALSE(replayed->answered) << "a replay is another delivery";
  EXPECT_THAT(client->text, HasSubstr("id: a.0"));
}

TEST_F(EventDeskTest, nobody_connected_is_said_once_and_then_waited_for) {
  auto first = hand_over("a.0");
  ASSERT_TRUE(first->answered);
  EXPECT_EQ(first->receipt.taken, Taken::unreachable);
  EXPECT_EQ(first->receipt.answer, "nobody is connected");
  EXPECT_EQ(first->receipt.wait, 0ms) << "asked for anew at once, which waits";
  auto second = hand_over("a.0");
  run(50ms);
  EXPECT_FALSE(second->answered);
  auto client = connect();
  EXPECT_THAT(client->text, HasSubstr("id: a.0"));
  acknowledge({"a.0"});
  run(5ms);
  EXPECT_EQ(second->receipt.taken, Taken::delivered);
}

TEST_F(EventDeskTest, nobody_comes) {
  hand_over("a.0");
  auto second = hand_over("a.0");
  run(600ms);
  ASSERT_TRUE(second->answered);
  EXPECT_EQ(second->receipt.taken, Taken::unreachable) << "it was handed to nobody";
}

TEST_F(EventDeskTest, a_connection_that_is_lost_loses_nothing) {
  auto client = connect();
  auto first = hand_over("a.0"), second = hand_over("b.0"), third = hand_over("c.0");
  client.reset();
  run(5ms);
  client = connect("b.0");  // what it says that it has
  EXPECT_TRUE(second->answered);
  EXPECT_EQ(second->receipt.taken, Taken::delivered);
  EXPECT_FALSE(first->answered);
  EXPECT_LT(client->text.find("id: a.0"), client->text.find("id: c.0")) << client->text;
  EXPECT_THAT(client->text, Not(HasSubstr("b.0")));
  acknowledge({"a.0", "c.0"});
  run(5ms);
  EXPECT_EQ(first->receipt.taken, Taken::delivered);
  EXPECT_EQ(third->receipt.taken, Taken::delivered);
}

TEST_F(EventDeskTest, what_was_never_written_cannot_be_acknowledged) {
  hand_over("a.0");
  auto waiting = hand_over("b.0");
  EXPECT_EQ(acknowledge({"b.0"}), 0U);
  EXPECT_FALSE(waiting->answered);
  auto client = connect("b.0");
  EXPECT_FALSE(waiting->answered) << "an old Last-Event-ID";
  EXPECT_THAT(client->text, HasSubstr("id: b.0"));
}

TEST_F(EventDeskTest, the_newer_connection_holds_and_the_older_is_told) {
  auto older = connect();
  auto newer = connect();
  run(5ms);
  EXPECT_TRUE(older->ended);
  EXPECT_THAT(older->text, HasSubstr("event: replaced\n"));
  hand_over("a.0");
  EXPECT_THAT(newer->text, HasSubstr("id: a.0"));
  EXPECT_THAT(older->text, Not(HasSubstr("a.0")));
  older.reset();  // its going is not the newer one's
  hand_over("b.0");
  EXPECT_THAT(newer->text, HasSubstr("id: b.0"));
}

TEST_F(EventDeskTest, one_that_does_not_read_is_cut_off_and_gets_it_all_when_it_comes_again) {
  auto stream = *desk.connect("ward", "ward-app", "");
  const auto big = [&](const std::string& event) {
    port::Parcel parcel;
    parcel.event_id = event;
    parcel.body = std::string(20 * 1024 * 1024, 'x');
    net::co_spawn(io, sink->hand_over(std::move(parcel)), [](std::exception_ptr, Receipt) {});
    run(5ms);
  };
  for (const auto* event : {"a.0", "b.0", "c.0", "d.0"}) big(event);
  auto client = connect();
  for (const auto* event : {"a.0", "b.0", "c.0"})
    EXPECT_NE(client->text.find("id: " + std::string(event)), std::string::npos);
}

TEST_F(EventDeskTest, only_its_client_may_and_only_where_this_broker_delivers) {
  EXPECT_EQ(desk.connect("ward", "clinic", "").error().code, ErrorCode::forbidden);
  EXPECT_EQ(desk.acknowledge("ward", "clinic", {"a.0"}).error().code, ErrorCode::forbidden);
  EXPECT_EQ(desk.resources("ward", "clinic").error().code, ErrorCode::forbidden);
  EXPECT_EQ(desk.connect("hook", "ward-app", "").error().code, ErrorCode::not_found);
  EXPECT_EQ(desk.connect("other", "ward-app", "").error().code, ErrorCode::not_found);
  sink->close();
  EXPECT_EQ(desk.connect("ward", "ward-app", "").error().code, ErrorCode::unavailable);
}

TEST_F(EventDeskTest, closed_it_ends_what_is_under_way_and_its_connection) {
  auto client = connect();
  auto handed = hand_over("a.0");
  sink->close();
  run(5ms);
  ASSERT_TRUE(handed->answered);
  EXPECT_EQ(handed->receipt.taken, Taken::broken);
  EXPECT_TRUE(client->ended);
  EXPECT_EQ(hand_over("b.0")->receipt.taken, Taken::unreachable);
  // Who delivers next begins without what was known: an old word is not taken for one of what it writes.
  sink = desk.sink(io.get_executor(), declared[0]);
  client = connect("a.0");
  EXPECT_FALSE(hand_over("a.0")->answered);
}

TEST_F(EventDeskTest, a_broker_that_stops_waits_for_nobody) {
  hand_over("a.0");
  auto waiting = hand_over("b.0");
  desk.stop();
  run(5ms);
  ASSERT_TRUE(waiting->answered);
  EXPECT_EQ(waiting->receipt.taken, Taken::unreachable);
}

TEST(EventText, has_a_line_for_each_line_of_the_payload) {
  port::Parcel parcel;
  parcel.event_id = "a.0";
  parcel.kind = "result.reported";
  EXPECT_EQ(event_text(parcel), "id: a.0\nevent: result.reported\ndata: \n\n") << "empty, and told all the same";
  parcel.body = "MSH|a\rPID|b\r";
  EXPECT_EQ(event_text(parcel), "id: a.0\nevent: result.reported\ndata: MSH|a\ndata: PID|b\n\n");
}

TEST(Resources, are_those_that_the_kinds_are_about) {
  EXPECT_THAT(resources_of({"result.reported"}), UnorderedElementsAre("Patient", "DiagnosticReport", "Observation"));
  EXPECT_THAT(resources_of({"patient.updated", "message.received"}), ElementsAre("Patient"));
  EXPECT_THAT(resources_of({"referral.*"}), UnorderedElementsAre("Patient", "Task"));
  EXPECT_THAT(resources_of({}), UnorderedElementsAre("Patient", "DiagnosticReport", "Observation", "ServiceRequest",
                                                     "Encounter", "Task"));
}

}  // namespace
}  // namespace hutong::sse
