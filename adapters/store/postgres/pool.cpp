#include "adapters/store/postgres/pool.h"

#include <algorithm>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace hutong::store {
namespace {

constexpr std::chrono::milliseconds first_pause{50}, longest_pause{5'000};  // between attempts to connect

}  // namespace

Pool::Pool(net::io_context& io, PoolOptions options, ConnectionOptions connection)
    : io_(io), options_(options), connection_options_(std::move(connection)) {
  for (std::size_t i = 0; i < options_.connections; ++i)
    idle_.push_back(&connections_.emplace_back(io, connection_options_));
}

net::awaitable<Result<Connection*>> Pool::free_connection() {
  const auto until = Clock::now() + options_.wait;
  while (idle_.empty()) {
    if (Clock::now() >= until || waiting_.size() >= options_.waiting) {
      co_return fail(ErrorCode::overloaded,
                     "all " + std::to_string(options_.connections) + " connections to PostgreSQL are busy");
    }
    net::steady_timer turn(io_, until);
    waiting_.push_back(&turn);
    boost::system::error_code came_free;
    co_await turn.async_wait(net::redirect_error(net::use_awaitable, came_free));
    std::erase(waiting_, &turn);  // of one that nobody woke
  }
  Connection* connection = idle_.back();
  idle_.pop_back();
  co_return connection;
}

void Pool::give_back(Connection& connection) {
  idle_.push_back(&connection);
  if (waiting_.empty()) return;
  net::steady_timer* next = waiting_.front();
  waiting_.pop_front();
  next->cancel();
}

net::awaitable<Result<Pool::Lease>> Pool::lease() {
  auto found = co_await free_connection();
  if (!found) co_return tl::unexpected(found.error());
  const bool fresh = !(*found)->open();
  Lease lease(*this, **found, fresh);
  if (!fresh) co_return lease;
  if (Clock::now() < not_before_) co_return tl::unexpected(last_error_);
  auto connected = co_await lease->connect();
  if (!connected) {
    pause_ = std::clamp(pause_ * 2, first_pause, longest_pause);
    not_before_ = Clock::now() + pause_;
    last_error_ = connected.error();
    co_return tl::unexpected(connected.error());
  }
  pause_ = {};
  not_before_ = {};
  co_return lease;
}

net::awaitable<Result<std::vector<Rows>>> Pool::run(const std::vector<Command>& commands) {
  for (;;) {
    auto connection = co_await lease();
    if (!connection) co_return tl::unexpected(connection.error());
    auto answer = co_await (*connection)->run(commands);
    const bool died_before = !answer && answer.error().code == ErrorCode::unavailable && !connection->fresh();
    if (!died_before) co_return answer;
  }
}

net::awaitable<void> Pool::close() {
  for (std::size_t i = 0; i < connections_.size(); ++i) {
    auto connection = co_await free_connection();  // and never given back
    if (connection) (*connection)->close();
  }
}

}  // namespace hutong::store
