// The client against a small server inside the test, over loopback; each server's behaviour is one function.
#include <gtest/gtest.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <functional>
#include <map>

#include "adapters/sink/mllp/mllp_client.h"

namespace hutong::mllp_client {
namespace {

using net::ip::tcp;
using std::chrono::milliseconds;

std::string message(const std::string& id, const std::string& text = "x") {
  return "MSH|^~\\&|LIS|LAB|H|X|20260101||ORU^R01|" + id + "|P|2.5.1\rPID|1||" + text + "\r";
}
std::string answer(std::string_view code, std::string_view id, std::string_view error = "") {
  std::string text =
      "\x0BMSH|^~\\&|H|X|LIS|LAB|1||ACK|1|P|2.5.1\rMSA|" + std::string(code) + "|" + std::string(id) + "\r";
  if (!error.empty()) text += "ERR|||" + std::string(error) + "\r";
  return text + "\x1C\r";
}

class Numbered : public MessageSupply {
 public:
  explicit Numbered(std::size_t count, std::size_t size = 1) : count_(count), text_(size, 'x') {}
  Next next(std::string& bytes, Label& label) override {
    if (given == count_) return Next::end;
    label.ticket = given;
    if (lanes) label.lane = static_cast<std::uint32_t>(given % lanes);
    bytes += message("R1-" + std::to_string(given++), text_);
    return Next::message;
  }
  void answered(std::uint64_t ticket, const Answer& answer) override {
    EXPECT_TRUE(codes.emplace(ticket, answer.code).second) << "answered twice: " << ticket;
  }
  std::size_t given = 0;
  std::size_t lanes = 0;
  std::map<std::uint64_t, AnswerCode> codes;

 private:
  std::size_t count_;
  std::string text_;
};

// Calls `on_message(connection ordinal, message)`; what it returns is written; an empty string ends the connection.
class Server {
 public:
  using OnMessage = std::function<std::string(int connection, const std::string& message)>;
  Server(net::io_context& context, OnMessage on_message)
      : acceptor_(context, tcp::endpoint(net::ip::address_v4::loopback(), 0)), on_message_(std::move(on_message)) {
    net::co_spawn(context, accept(), [](std::exception_ptr) {});
  }
  std::uint16_t port() const { return acceptor_.local_endpoint().port(); }
  int connections = 0;

 private:
  net::awaitable<void> accept() {
    while (true) {
      boost::system::error_code error;
      auto socket = co_await acceptor_.async_accept(net::redirect_error(net::use_awaitable, error));
      if (error) co_return;
      net::co_spawn(acceptor_.get_executor(), serve(std::move(socket), connections++), [](std::exception_ptr) {});
    }
  }
  net::awaitable<void> serve(tcp::socket socket, int connection) {
    std::string buffer;
    std::array<char, 4096> part{};
    while (true) {
      boost::system::error_code error;
      const auto count =
          co_await socket.async_read_some(net::buffer(part), net::redirect_error(net::use_awaitable, error));
      if (error) co_return;
      buffer.append(part.data(), count);
      for (auto end = buffer.find('\x1C'); end != std::string::npos; end = buffer.find('\x1C')) {
        const auto start = buffer.find('\x0B');
        const std::string reply = on_message_(connection, buffer.substr(start + 1, end - start - 1));
        buffer.erase(0, end + 2);
        if (reply.empty()) co_return;
        if (reply != "-") co_await net::async_write(socket, net::buffer(reply), net::use_awaitable);
      }
    }
  }
  tcp::acceptor acceptor_;
  OnMessage on_message_;
};

SendReport run(net::io_context& context, SendOptions options, MessageSupply& supply) {
  Transmission transmission(std::move(options), supply);
  SendReport report;
  bool ended = false;
  net::co_spawn(context, transmission.run(), [&](std::exception_ptr error, SendReport result) {
    EXPECT_FALSE(error);
    report = std::move(result);
    ended = true;
  });
  while (!ended && context.run_one_for(std::chrono::seconds(20)) > 0) {
  }
  EXPECT_TRUE(ended);
  return report;
}

SendOptions to(const Server& server) {
  SendOptions options;
  options.port = server.port();
  return options;
}

TEST(MllpClient, EveryMessageIsAnsweredOnceOverManyConnections) {
  net::io_context context(1);
  Server server(context, [](int, const std::string& m) { return answer("AA", control_id_of(m)); });
  Numbered supply(5'000, 500);
  auto options = to(server);
  options.connections = 8;
  const auto report = run(context, options, supply);
  EXPECT_EQ(report.count(AnswerCode::AA), 5'000u);
  EXPECT_EQ(report.sent, 5'000u);
  EXPECT_EQ(report.resent, 0u);
  EXPECT_EQ(report.latency.count(), 5'000u);
  EXPECT_EQ(server.connections, 8);
  EXPECT_EQ(supply.codes.size(), 5'000u);
  EXPECT_TRUE(report.problems.empty());
}

TEST(MllpClient, WindowLimitsWhatIsUnanswered) {
  net::io_context context(1);
  std::vector<std::string> held;
  std::size_t most = 0;
  Server server(context, [&](int, const std::string& m) -> std::string {
    held.push_back(std::string(control_id_of(m)));
    most = std::max(most, held.size());
    if (held.size() < 4 && held.back() != "R1-39") return "-";
    std::string all;
    for (const auto& id : held) all += answer("AA", id);
    held.clear();
    return all;
  });
  Numbered supply(40);
  auto options = to(server);
  options.window = 4;
  EXPECT_EQ(run(context, options, supply).count(AnswerCode::AA), 40u);
  EXPECT_EQ(most, 4u);
}

TEST(MllpClient, AnswersAreMatchedByControlIdWhenTheyComeOutOfOrder) {
  net::io_context context(1);
  std::string held;
  Server server(context, [&](int, const std::string& m) -> std::string {
    const std::string id(control_id_of(m));
    const std::string mine = answer((id.back() - '0') % 2 ? "AE" : "AA", id);
    if (held.empty()) {
      held = mine;
      return "-";
    }
    return mine + std::exchange(held, "");
  });
  Numbered supply(100);
  const auto report = run(context, to(server), supply);
  EXPECT_EQ(report.count(AnswerCode::AA), 50u);
  EXPECT_EQ(report.count(AnswerCode::AE), 50u);
  for (const auto& [ticket, code] : supply.codes) EXPECT_EQ(code, ticket % 2 ? AnswerCode::AE : AnswerCode::AA);
}

TEST(MllpClient, AnswersWithoutAnIdAreMatchedByOrder) {
  net::io_context context(1);
  int count = 0;
  Server server(context, [&](int, const std::string&) { return answer(count++ == 2 ? "AR" : "AA", ""); });
  Numbered supply(5);
  const auto report = run(context, to(server), supply);
  EXPECT_EQ(report.count(AnswerCode::AA), 4u);
  EXPECT_EQ(supply.codes.at(2), AnswerCode::AR);
}

TEST(MllpClient, ASecondAnswerOfEnhancedModeIsNotTakenForTheNextMessage) {
  net::io_context context(1);
  Server server(context, [](int, const std::string& m) {
    return answer("CA", control_id_of(m)) + answer("AE", control_id_of(m));
  });
  Numbered supply(10);
  auto options = to(server);
  options.window = 1;
  const auto report = run(context, options, supply);
  EXPECT_EQ(report.count(AnswerCode::CA), 10u);
  EXPECT_EQ(report.count(AnswerCode::AE), 0u);
  EXPECT_GE(report.unmatched, 9u);
}

TEST(MllpClient, WhatALostConnectionLeftUnansweredIsSentAgain) {
  net::io_context context(1);
  std::map<std::string, int> seen;
  Server server(context, [&](int connection, const std::string& m) -> std::string {
    const std::string id(control_id_of(m));
    ++seen[id];
    if (connection < 3 && seen.size() % 20 == 10 && seen[id] == 1) return "";
    return answer("AA", id);
  });
  Numbered supply(100);
  const auto report = run(context, to(server), supply);
  EXPECT_EQ(report.count(AnswerCode::AA), 100u);
  EXPECT_EQ(report.reconnects, 3u);
  EXPECT_GE(report.resent, 3u);
  EXPECT_EQ(seen.size(), 100u);
  EXPECT_TRUE(report.problems.empty());
}

TEST(MllpClient, WithoutResendingTheyAreCountedAsUnanswered) {
  net::io_context context(1);
  bool lost = false;
  Server server(context, [&](int, const std::string& m) -> std::string {
    if (control_id_of(m) == "R1-10" && !std::exchange(lost, true)) return "";
    return answer("AA", control_id_of(m));
  });
  Numbered supply(30);
  auto options = to(server);
  options.resend_unanswered = false;
  const auto report = run(context, options, supply);
  EXPECT_EQ(report.accepted() + report.count(AnswerCode::none), 30u);
  EXPECT_GE(report.count(AnswerCode::none), 1u);
  EXPECT_EQ(supply.codes.at(10), AnswerCode::none);
  EXPECT_EQ(report.resent, 0u);
  EXPECT_EQ(report.problems.size(), 1u);
}

TEST(MllpClient, AnAnswerOf207IsFollowedByAnotherAttempt) {
  net::io_context context(1);
  std::map<std::string, int> seen;
  Server server(context, [&](int, const std::string& m) {
    const std::string id(control_id_of(m));
    return id == "R1-3" && ++seen[id] < 3 ? answer("AR", id, "207^overloaded^HL70357") : answer("AA", id);
  });
  Numbered supply(10);
  auto options = to(server);
  options.send_again_pause = milliseconds(1);
  const auto report = run(context, options, supply);
  EXPECT_EQ(report.count(AnswerCode::AA), 10u);
  EXPECT_EQ(report.count(AnswerCode::AR), 0u);
  EXPECT_EQ(report.send_again, 2u);
  EXPECT_EQ(report.resent, 2u);
}

TEST(MllpClient, MessagesOfALaneKeepTheirOrderOnOneConnection) {
  net::io_context context(1);
  std::map<std::size_t, int> last, connection_of;
  Server server(context, [&](int connection, const std::string& m) {
    const int number = std::stoi(std::string(control_id_of(m).substr(3)));
    const std::size_t lane = static_cast<std::size_t>(number) % 7;
    EXPECT_TRUE(connection_of.emplace(lane, connection).first->second == connection);
    EXPECT_LT(last.emplace(lane, -1).first->second, number);
    last[lane] = number;
    return answer("AA", control_id_of(m));
  });
  Numbered supply(2'000);
  supply.lanes = 7;
  auto options = to(server);
  options.connections = 3;
  options.window = 4;
  EXPECT_EQ(run(context, options, supply).count(AnswerCode::AA), 2'000u);
  EXPECT_EQ(last.size(), 7u);
}

TEST(MllpClient, ARateIsKept) {
  net::io_context context(1);
  Server server(context, [](int, const std::string& m) { return answer("AA", control_id_of(m)); });
  Numbered supply(100'000);
  auto options = to(server);
  options.connections = 4;
  options.rate = 1'000;
  options.run_for = milliseconds(300);
  int progress = 0;
  options.progress_interval = milliseconds(50);
  options.progress = [&](const SendReport&) { ++progress; };
  const auto report = run(context, options, supply);
  EXPECT_GE(report.taken, 100u);
  EXPECT_LE(report.taken, 340u);
  EXPECT_EQ(report.accepted(), report.taken);
  EXPECT_GE(progress, 3);
}

TEST(MllpClient, AMessageLargerThanTheSocketsBufferArrivesWhole) {
  net::io_context context(1);
  std::size_t bytes = 0;
  Server server(context, [&](int, const std::string& m) {
    bytes += m.size();
    return answer("AA", control_id_of(m));
  });
  Numbered supply(4, 5'000'000);
  const auto report = run(context, to(server), supply);
  EXPECT_EQ(report.count(AnswerCode::AA), 4u);
  EXPECT_EQ(report.sent_bytes, bytes + 4 * 3);
}

TEST(MllpClient, NobodyListeningIsAProblemThatSaysWhere) {
  net::io_context context(1);
  std::uint16_t port = 0;
  {
    tcp::acceptor gone(context, tcp::endpoint(net::ip::address_v4::loopback(), 0));
    port = gone.local_endpoint().port();
  }
  Numbered supply(1);
  SendOptions options;
  options.port = port;
  options.give_up_after = milliseconds(50);
  const auto report = run(context, options, supply);
  ASSERT_EQ(report.problems.size(), 1u);
  EXPECT_NE(report.problems[0].find(std::to_string(port)), std::string::npos);
  EXPECT_EQ(report.answered(), 0u);
  EXPECT_EQ(report.taken, 0u);
}

TEST(MllpClient, APeerThatNeverAnswersIsGivenUp) {
  net::io_context context(1);
  Server server(context, [](int, const std::string&) { return "-"; });
  Numbered supply(3);
  auto options = to(server);
  options.answer_timeout = milliseconds(30);
  const auto report = run(context, options, supply);
  EXPECT_EQ(report.count(AnswerCode::none), 3u);
  EXPECT_EQ(supply.codes.size(), 3u);
  EXPECT_EQ(report.problems.size(), 2u);
}

TEST(MllpClient, StopTakesNothingMoreAndAwaitsWhatIsInFlight) {
  net::io_context context(1);
  Transmission* running = nullptr;
  Server server(context, [&](int, const std::string& m) {
    if (control_id_of(m) == "R1-50") running->stop();
    return answer("AA", control_id_of(m));
  });
  Numbered supply(1'000'000);
  Transmission transmission(to(server), supply);
  running = &transmission;
  SendReport report;
  bool ended = false;
  net::co_spawn(context, transmission.run(), [&](std::exception_ptr, SendReport result) {
    report = std::move(result);
    ended = true;
  });
  while (!ended && context.run_one_for(std::chrono::seconds(20)) > 0) {
  }
  EXPECT_LT(report.taken, 100u);
  EXPECT_EQ(report.accepted(), report.taken);
  EXPECT_NE(to_json(report).find("\"AA\":" + std::to_string(report.taken)), std::string::npos);
}

}  // namespace
}  // namespace hutong::mllp_client
