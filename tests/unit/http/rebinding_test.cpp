// A name is resolved once for each connection, and what was checked is what is connected to, whatever it resolves to
// next.
#include <gmock/gmock.h>

#include <atomic>
#include <boost/asio/executor_work_guard.hpp>

#include "adapters/sink/http/rest_hook_sink.h"
#include "tests/support/await.h"
#include "tests/support/raw_receiver.h"

namespace hutong::http_sink {
namespace {

using port::Taken;
using ::testing::HasSubstr;

class Rebinding : public ::testing::Test {
 protected:
  port::Receipt hand_over(std::vector<std::vector<Address>> answers, std::vector<Network> networks) {
    RestHookOptions options;
    options.target = *read_target("http://his.example.cn:" + std::to_string(receiver.port()) + "/in");
    options.guard = std::make_shared<TargetGuard>(
        std::vector<Target>{*read_target("http://his.example.cn:" + std::to_string(receiver.port()))},
        std::move(networks));
    options.resolve = [this, answers](std::string) -> net::awaitable<Result<std::vector<Address>>> {
      co_return answers[std::min<std::size_t>(resolved++, answers.size() - 1)];
    };
    net::io_context io(1);
    auto sink = rest_hook_sink(io.get_executor(), options);
    port::Receipt receipt;
    net::co_spawn(io, sink->hand_over({}), [&](std::exception_ptr, port::Receipt got) { receipt = std::move(got); });
    io.run();
    return receipt;
  }
  static Address address(const char* text) { return net::ip::make_address(text); }

  tests::RawReceiver receiver{
      [](const std::string&) { return std::string("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"); }};
  std::size_t resolved = 0;
};

TEST_F(Rebinding, a_name_that_leads_inside_is_not_connected_to) {
  const auto receipt = hand_over({{address("127.0.0.1")}}, {});
  EXPECT_EQ(receipt.taken, Taken::unreachable);
  EXPECT_THAT(receipt.answer, HasSubstr("private_networks"));
  EXPECT_EQ(receiver.connections(), 0U);
}

TEST_F(Rebinding, a_second_look_that_would_lead_inside_is_never_taken) {
  // The check sees an address that is allowed (and where nothing listens); the next look-up would give ours.
  const auto receipt = hand_over({{address("127.0.0.9")}, {address("127.0.0.1")}}, {*read_network("127.0.0.9")});
  EXPECT_EQ(receipt.taken, Taken::unreachable);
  EXPECT_EQ(resolved, 1U);
  EXPECT_EQ(receiver.connections(), 0U) << "it was connected to what was not checked";
}

TEST_F(Rebinding, one_bad_address_beside_a_good_one_is_enough) {
  const auto receipt = hand_over({{address("127.0.0.1"), address("169.254.169.254")}}, {*read_network("127.0.0.1")});
  EXPECT_EQ(receipt.taken, Taken::unreachable);
  EXPECT_EQ(receiver.connections(), 0U);
}

TEST_F(Rebinding, what_is_listed_is_connected_to) {
  EXPECT_EQ(hand_over({{address("127.0.0.1")}}, {*read_network("127.0.0.1")}).taken, Taken::delivered);
  EXPECT_EQ(receiver.connections(), 1U);
}

TEST_F(Rebinding, a_redirect_is_not_followed) {
  receiver.answer([](const std::string&) {
    return std::string("HTTP/1.1 307 Temporary Redirect\r\nLocation: http://127.0.0.1/\r\nContent-Length: 0\r\n\r\n");
  });
  const auto receipt = hand_over({{address("127.0.0.1")}}, {*read_network("127.0.0.1")});
  EXPECT_EQ(receipt.taken, Taken::unreachable);
  EXPECT_THAT(receipt.answer, HasSubstr("307"));
  EXPECT_EQ(receiver.connections(), 1U);
}

}  // namespace
}  // namespace hutong::http_sink
