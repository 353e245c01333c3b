// What every sink promises (broker/port/sink.h), held over each of them against a receiver that speaks raw bytes.
#include <gmock/gmock.h>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <chrono>

#include "adapters/sink/http/rest_hook_sink.h"
#include "adapters/sink/mllp/mllp_sink.h"
#include "broker/port/sink.h"
#include "tests/support/await.h"
#include "tests/support/raw_receiver.h"

namespace hutong {
namespace {

using namespace std::chrono_literals;
using port::Receipt;
using port::Taken;
using ::testing::HasSubstr;

// One way of speaking: how a sink is made, and how a receiver says what.
struct Wire {
  std::string name;
  std::function<std::shared_ptr<port::Sink>(net::any_io_executor, std::uint16_t port, std::size_t connections)> make;
  std::function<std::string(const std::string& request)> yes, at_fault, later, unreadable;
};

std::string control_of(const std::string& frame) {
  std::size_t at = 0;
  for (int i = 0; i < 9; ++i) at = frame.find('|', at) + 1;
  return frame.substr(at, frame.find('|', at) - at);
}
std::string acknowledgement(const std::string& frame, const char* code, const char* error = "",
                            std::string control = "-") {
  if (control == "-") control = control_of(frame);
  return "\x0BMSH|^~\\&|W|W|H|R|20260105||ACK|a1|P|2.5\rMSA|" + std::string(code) + "|" + control + "\r" + error +
         "\x1C\r";
}
std::string status(int code, const std::string& headers = "") {
  return "HTTP/1.1 " + std::to_string(code) + " X\r\n" + headers + "Content-Length: 0\r\n\r\n";
}

Wire mllp() {
  Wire wire;
  wire.name = "mllp";
  wire.make = [](net::any_io_executor executor, std::uint16_t port, std::size_t connections) {
    mllp_client::MllpSinkOptions options;
    options.host = "127.0.0.1";
    options.port = port;
    options.connections = connections;
    options.timeout = 300ms;
    options.connect_timeout = 2s;
    return mllp_client::mllp_sink(executor, options);
  };
  wire.yes = [](const std::string& frame) { return acknowledgement(frame, "AA"); };
  wire.at_fault = [](const std::string& frame) { return acknowledgement(frame, "AE"); };
  wire.later = [](const std::string& frame) {
    return acknowledgement(frame, "AR", "ERR|||207^Application internal error^HL70357|E\r");
  };
  wire.unreadable = [](const std::string&) { return std::string("\x0BHELLO\r\x1C\r"); };
  return wire;
}

Wire rest_hook() {
  Wire wire;
  wire.name = "rest_hook";
  wire.make = [](net::any_io_executor executor, std::uint16_t port, std::size_t connections) {
    http_sink::RestHookOptions options;
    options.target = *http_sink::read_target("http://127.0.0.1:" + std::to_string(port) + "/in");
    options.guard = std::make_shared<http_sink::TargetGuard>(
        std::vector<http_sink::Target>{*http_sink::read_target("http://127.0.0.1:" + std::to_string(port))},
        std::vector<http_sink::Network>{*http_sink::read_network("127.0.0.1")});
    options.connections = connections;
    options.timeout = 300ms;
    options.connect_timeout = 2s;
    return http_sink::rest_hook_sink(executor, options);
  };
  wire.yes = [](const std::string&) { return status(200); };
  wire.at_fault = [](const std::string&) { return status(422); };
  wire.later = [](const std::string&) { return status(503); };
  wire.unreadable = [](const std::string&) { return std::string("HELLO\r\n\r\n"); };
  return wire;
}

class SinkContract : public ::testing::TestWithParam<Wire (*)()> {
 protected:
  SinkContract() : wire(GetParam()()), receiver(wire.yes), sink(wire.make(io.get_executor(), receiver.port(), 2)) {}

  static port::Parcel parcel(const std::string& control = "C1") {
    port::Parcel parcel;
    parcel.control_id = control;
    parcel.event_id = "00112233445566778899aabbccddeeff.0";
    parcel.kind = "result.reported";
    parcel.subscription = "ward";
    parcel.content_type = "text/plain";
    parcel.body = "MSH|^~\\&|H|H|W|W|20260105||ORU^R01|" + control + "|P|2.5\r";
    return parcel;
  }
  std::vector<Receipt> hand_over(std::vector<port::Parcel> parcels) {
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

  Wire wire;
  net::io_context io{1};
  tests::RawReceiver receiver;
  std::shared_ptr<port::Sink> sink;
};

TEST_P(SinkContract, says_delivered_when_the_receiver_has_it) {
  const auto receipt = hand_over();
  EXPECT_EQ(receipt.taken, Taken::delivered);
  EXPECT_FALSE(receipt.answer.empty());
  ASSERT_EQ(receiver.requests().size(), 1U);
  EXPECT_THAT(receiver.requests()[0], HasSubstr("ORU^R01"));
}

TEST_P(SinkContract, tells_refused_from_not_now) {
  receiver.answer(wire.at_fault);
  EXPECT_EQ(hand_over().taken, Taken::refused);
  receiver.answer(wire.later);
  EXPECT_EQ(hand_over().taken, Taken::not_now);
}

TEST_P(SinkContract, keeps_its_connection) {
  for (int i = 0; i < 5; ++i) EXPECT_EQ(hand_over(parcel("C" + std::to_string(i))).taken, Taken::delivered);
  EXPECT_EQ(receiver.connections(), 1U);
}

TEST_P(SinkContract, no_answer_is_broken_and_the_next_goes_over_a_new_connection) {
  receiver.answer([](const std::string&) { return std::string(); });
  const auto began = std::chrono::steady_clock::now();
  const auto receipt = hand_over();
  EXPECT_EQ(receipt.taken, Taken::broken);
  EXPECT_EQ(receipt.answer, "timeout");
  EXPECT_LT(std::chrono::steady_clock::now() - began, 5s);
  receiver.answer(wire.yes);
  EXPECT_EQ(hand_over(parcel("C2")).taken, Taken::delivered);
  EXPECT_EQ(receiver.connections(), 2U);
}

TEST_P(SinkContract, closed_without_an_answer_is_broken) {
  receiver.answer([](const std::string&) { return std::string("close"); });
  EXPECT_EQ(hand_over().taken, Taken::broken);
}

TEST_P(SinkContract, an_answer_that_says_nothing_is_broken) {
  receiver.answer(wire.unreadable);
  EXPECT_EQ(hand_over().taken, Taken::broken);
}

TEST_P(SinkContract, nobody_there_is_unreachable) {
  std::uint16_t nobody = 0;
  {
    nobody = tests::RawReceiver([](const std::string&) { return std::string(); }).port();
  }
  sink = wire.make(io.get_executor(), nobody, 1);
  EXPECT_EQ(hand_over().taken, Taken::unreachable);
}

TEST_P(SinkContract, a_connection_that_the_receiver_closed_between_two_is_replaced_without_a_fault) {
  receiver.close_after_answer();  // as some receivers do each time
  for (std::size_t i = 0; i < 4; ++i) {
    EXPECT_EQ(hand_over(parcel("D" + std::to_string(i))).taken, Taken::delivered);
    while (receiver.closed() <= i) std::this_thread::sleep_for(1ms);
  }
  EXPECT_EQ(receiver.connections(), 4U);
  EXPECT_EQ(receiver.requests().size(), 4U) << "each came once";
}

TEST_P(SinkContract, whoever_closes_a_moment_after_each_answer_is_told_once_more_at_once) {
  receiver.close_after_answer(2ms);
  for (int i = 0; i < 20; ++i) EXPECT_EQ(hand_over(parcel("D" + std::to_string(i))).taken, Taken::delivered) << i;
}

TEST_P(SinkContract, whoever_ends_a_kept_connection_over_a_message_is_told_twice_and_no_more) {
  EXPECT_EQ(hand_over(parcel("A")).taken, Taken::delivered);
  receiver.answer([](const std::string&) { return std::string("close"); });
  EXPECT_EQ(hand_over(parcel("B")).taken, Taken::broken);
  EXPECT_EQ(receiver.requests().size(), 3U) << "one, and the other on both connections";
  EXPECT_EQ(receiver.connections(), 2U);
}

TEST_P(SinkContract, several_are_under_way_at_once) {
  EXPECT_EQ(sink->parallel(), 2U);
  std::atomic<int> inside{0}, most{0};
  receiver.answer([&](const std::string& request) {
    most = std::max(most.load(), ++inside);
    std::this_thread::sleep_for(50ms);
    --inside;
    return wire.yes(request);
  });
  std::vector<port::Parcel> two;
  two.push_back(parcel("A"));
  two.push_back(parcel("B"));
  for (const auto& receipt : hand_over(std::move(two))) EXPECT_EQ(receipt.taken, Taken::delivered);
  EXPECT_EQ(most, 2);
}

TEST_P(SinkContract, closed_it_ends_what_is_under_way_and_takes_nothing_more) {
  receiver.answer([](const std::string&) { return std::string(); });
  net::steady_timer timer(io, 50ms);
  timer.async_wait([&](boost::system::error_code) { sink->close(); });
  const auto began = std::chrono::steady_clock::now();
  EXPECT_EQ(hand_over().taken, Taken::broken);
  EXPECT_LT(std::chrono::steady_clock::now() - began, 250ms);
  EXPECT_EQ(hand_over().taken, Taken::unreachable);
}

INSTANTIATE_TEST_SUITE_P(Sinks, SinkContract, ::testing::Values(&mllp, &rest_hook),
                         [](const auto& info) { return info.param().name; });

// --- what only one of them has ---

class MllpSink : public ::testing::Test {
 protected:
  Receipt hand_over(tests::RawReceiver& receiver, const std::string& control) {
    auto sink = mllp().make(io.get_executor(), receiver.port(), 1);
    port::Parcel parcel;
    parcel.control_id = control;
    parcel.body = "MSH|^~\\&|H|H|W|W|20260105||ORU^R01|" + control + "|P|2.5\r";
    Receipt receipt;
    net::co_spawn(io, sink->hand_over(std::move(parcel)),
                  [&](std::exception_ptr, Receipt got) { receipt = std::move(got); });
    io.restart();
    io.run();
    return receipt;
  }
  net::io_context io{1};
};

TEST_F(MllpSink, an_answer_to_another_message_is_passed_over) {
  tests::RawReceiver receiver([](const std::string& frame) {
    return acknowledgement(frame, "AE", "", "OTHER") + acknowledgement(frame, "AA");
  });
  EXPECT_EQ(hand_over(receiver, "C1").taken, Taken::delivered);
}

TEST_F(MllpSink, an_answer_in_pieces_is_one_answer) {
  tests::RawReceiver receiver([](const std::string& frame) { return acknowledgement(frame, "CA"); });
  const auto receipt = hand_over(receiver, "C1");
  EXPECT_EQ(receipt.taken, Taken::delivered);
  EXPECT_EQ(receipt.answer, "CA");
}

TEST_F(MllpSink, an_endless_answer_is_cut_off) {
  tests::RawReceiver receiver([](const std::string&) { return "\x0B" + std::string(1 << 20, 'A'); });
  const auto receipt = hand_over(receiver, "C1");
  EXPECT_EQ(receipt.taken, Taken::broken);
  EXPECT_THAT(receipt.answer, HasSubstr("64 KiB"));
}

// A look-up takes its time, and then the deadline of the connection begins.
TEST_F(MllpSink, a_slow_look_up_does_not_leave_the_handshake_without_a_deadline) {
  tests::RawReceiver receiver([](const std::string&) { return std::string(); });  // says nothing to a ClientHello
  mllp_client::MllpSinkOptions options;
  options.host = "gateway.example.cn";
  options.port = receiver.port();
  options.tls = true;
  options.connect_timeout = 50ms;
  options.resolve = [this](std::string) -> net::awaitable<Result<reach::Addresses>> {
    net::steady_timer timer(io, 150ms);
    co_await timer.async_wait(net::use_awaitable);
    co_return reach::Addresses{net::ip::make_address("127.0.0.1")};
  };
  auto sink = mllp_client::mllp_sink(io.get_executor(), options);
  Receipt receipt;
  net::co_spawn(io, sink->hand_over({}), [&](std::exception_ptr, Receipt got) { receipt = std::move(got); });
  io.restart();
  io.run_for(3s);
  EXPECT_EQ(receipt.taken, Taken::unreachable);
  EXPECT_EQ(receipt.answer, "no TLS in time");
}

TEST_F(MllpSink, an_address_is_not_looked_up_and_what_was_closed_meanwhile_does_not_connect) {
  tests::RawReceiver receiver([](const std::string& frame) { return acknowledgement(frame, "AA"); });
  int asked = 0;
  for (const std::string host : {"127.0.0.1", "gateway.example.cn"}) {
    mllp_client::MllpSinkOptions options;
    options.host = host;
    options.port = receiver.port();
    std::shared_ptr<port::Sink> sink;
    options.resolve = [&](std::string) -> net::awaitable<Result<reach::Addresses>> {
      ++asked;
      sink->close();
      co_return reach::Addresses{net::ip::make_address("127.0.0.1")};
    };
    sink = mllp_client::mllp_sink(io.get_executor(), options);
    Receipt receipt;
    port::Parcel parcel;
    parcel.body = "MSH|^~\\&|H|H|W|W|20260105||ORU^R01|C1|P|2.5\r";
    parcel.control_id = "C1";
    net::co_spawn(io, sink->hand_over(parcel), [&](std::exception_ptr, Receipt got) { receipt = std::move(got); });
    io.restart();
    io.run_for(3s);
    EXPECT_EQ(receipt.taken, host == "127.0.0.1" ? Taken::delivered : Taken::unreachable);
  }
  EXPECT_EQ(asked, 1);
  EXPECT_EQ(receiver.connections(), 1U);
}

class RestHookSink : public ::testing::Test {
 protected:
  Receipt hand_over(port::Parcel parcel = {}) {
    auto sink = rest_hook().make(io.get_executor(), receiver.port(), 1);
    Receipt receipt;
    net::co_spawn(io, sink->hand_over(std::move(parcel)),
                  [&](std::exception_ptr, Receipt got) { receipt = std::move(got); });
    io.restart();
    io.run();
    return receipt;
  }
  net::io_context io{1};
  tests::RawReceiver receiver{[](const std::string&) { return status(200); }};
};

TEST_F(RestHookSink, the_receiver_is_told_what_it_is_and_the_bytes_are_as_they_were_written) {
  port::Parcel parcel;
  parcel.event_id = "00112233445566778899aabbccddeeff.0";
  parcel.kind = "result.reported";
  parcel.version = 2;
  parcel.subscription = "ward";
  parcel.attempt = 3;
  parcel.replay = true;
  parcel.content_type = "application/json; charset=utf-8";
  parcel.body = "{\"name\":\"\xE6\xB5\x8B\"}";
  EXPECT_EQ(hand_over(parcel).taken, Taken::delivered);
  const auto request = receiver.requests().at(0);
  EXPECT_TRUE(request.starts_with("POST /in HTTP/1.1\r\n"));
  for (const auto* line :
       {"X-Hutong-Event-Id: 00112233445566778899aabbccddeeff.0",
        "Idempotency-Key: 00112233445566778899aabbccddeeff.0.v2", "X-Hutong-Event-Kind: result.reported",
        "X-Hutong-Event-Version: 2", "X-Hutong-Subscription: ward", "X-Hutong-Attempt: 3", "X-Hutong-Replay: true",
        "Content-Type: application/json; charset=utf-8"}) {
    EXPECT_THAT(request, HasSubstr(std::string(line) + "\r\n"));
  }
  EXPECT_TRUE(request.ends_with("\r\n\r\n" + parcel.body));
}

TEST_F(RestHookSink, each_status_has_its_meaning) {
  const std::pair<int, Taken> meanings[] = {
      {200, Taken::delivered},   {201, Taken::delivered},   {202, Taken::delivered},   {204, Taken::delivered},
      {301, Taken::unreachable}, {302, Taken::unreachable}, {308, Taken::unreachable}, {400, Taken::refused},
      {401, Taken::unreachable}, {403, Taken::unreachable}, {404, Taken::unreachable}, {409, Taken::refused},
      {410, Taken::refused},     {413, Taken::refused},     {422, Taken::refused},     {408, Taken::not_now},
      {425, Taken::not_now},     {429, Taken::not_now},     {500, Taken::not_now},     {503, Taken::not_now}};
  for (const auto& [code, taken] : meanings) {
    receiver.answer([code = code](const std::string&) { return status(code); });
    EXPECT_EQ(hand_over().taken, taken) << code;
  }
}

TEST_F(RestHookSink, how_long_to_wait_is_heard) {
  receiver.answer([](const std::string&) { return status(429, "Retry-After: 7\r\n"); });
  EXPECT_EQ(hand_over().wait, 7s);
  receiver.answer([](const std::string&) { return status(503, "Retry-After: Wed, 21 Oct 2026 07:28:00 GMT\r\n"); });
  EXPECT_FALSE(hand_over().wait);
}

TEST_F(RestHookSink, its_connection_is_kept_however_the_end_of_an_answer_is_told) {
  auto sink = rest_hook().make(io.get_executor(), receiver.port(), 1);
  for (const auto& answer : {status(200), std::string("HTTP/1.1 204 No Content\r\n\r\n"),
                             std::string("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"),
                             std::string("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"), status(200)}) {
    receiver.answer([answer](const std::string&) { return answer; });
    Receipt receipt;
    net::co_spawn(io, sink->hand_over({}), [&](std::exception_ptr, Receipt got) { receipt = std::move(got); });
    io.restart();
    io.run();
    EXPECT_EQ(receipt.taken, Taken::delivered);
  }
  EXPECT_EQ(receiver.connections(), 1U);
}

TEST_F(RestHookSink, an_interim_answer_is_none_and_an_endless_body_is_nobodys) {
  receiver.answer([](const std::string&) { return "HTTP/1.1 102 Processing\r\n\r\n" + status(200); });
  EXPECT_EQ(hand_over().taken, Taken::delivered);
  receiver.answer([](const std::string&) {
    return "HTTP/1.1 200 OK\r\nContent-Length: 4000000\r\n\r\n" + std::string(3'000'000, 'x');
  });
  EXPECT_EQ(hand_over().taken, Taken::delivered);
  receiver.answer(
      [](const std::string&) { return "HTTP/1.1 200 OK\r\nX: " + std::string(64 * 1024, 'x') + "\r\n\r\n"; });
  EXPECT_EQ(hand_over().taken, Taken::broken) << "headers without end";
}

}  // namespace
}  // namespace hutong
