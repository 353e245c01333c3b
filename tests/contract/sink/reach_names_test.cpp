// Names are looked up beside each other: one that nobody answers for holds up nobody else.
#include <gmock/gmock.h>

#include <atomic>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <future>

#include "adapters/sink/reach/names.h"
#include "tests/support/await.h"

namespace hutong {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;
using tests::await;

TEST(Names, dead_ones_are_asked_for_once_at_a_time_given_up_and_hold_up_nobody) {
  std::promise<void> end;
  std::atomic<int> asked{0};
  const auto resolve = reach::resolver(
      [&, wait = end.get_future().share()](const std::string& host) -> Result<reach::Addresses> {
        if (host != "alive") {
          ++asked;
          wait.wait();
        }
        return reach::Addresses{net::ip::make_address("192.0.2.1")};
      },
      3, 200ms);
  net::io_context io;
  int given_up = 0;
  for (const std::string host : {"dead1", "dead2", "dead1", "dead2", "dead1"}) {
    net::co_spawn(io, resolve(host), [&](std::exception_ptr, Result<reach::Addresses> found) {
      EXPECT_FALSE(found);
      given_up += found ? 0 : 1;
    });
  }
  io.run_for(20ms);
  const auto began = std::chrono::steady_clock::now();
  const auto alive = await(resolve("alive"));
  EXPECT_LT(std::chrono::steady_clock::now() - began, 150ms);
  EXPECT_TRUE(alive && alive->front().to_string() == "192.0.2.1");
  io.restart();
  io.run_for(1s);
  EXPECT_EQ(given_up, 5);
  EXPECT_EQ(asked, 2);
  end.set_value();
}

TEST(Names, who_went_away_meanwhile_is_not_told) {
  std::promise<void> end;
  const auto resolve = reach::resolver(
      [wait = end.get_future().share()](const std::string&) -> Result<reach::Addresses> {
        wait.wait();
        return reach::Addresses{};
      },
      1, 10s);
  {
    net::io_context io;
    net::co_spawn(io, resolve("slow"), [](std::exception_ptr, Result<reach::Addresses>) {});
    io.run_for(10ms);
  }
  end.set_value();
  EXPECT_TRUE(await(resolve("slow")));
}

TEST(Names, what_is_an_address_is_not_looked_up) {
  int asked = 0;
  const reach::Resolve resolve = [&](std::string) -> net::awaitable<Result<reach::Addresses>> {
    ++asked;
    co_return fail(ErrorCode::unavailable, "nobody knows it");
  };
  EXPECT_TRUE(await(reach::addresses_of("::1", resolve)));
  EXPECT_EQ(asked, 0);
  EXPECT_THAT(await(reach::addresses_of("invalid", resolve)).error().message, HasSubstr("nobody"));
  EXPECT_TRUE(await(reach::system_resolver()("localhost")));
}

}  // namespace
}  // namespace hutong
