// A bounded set of connections. Who finds none free waits, at most so many and so long. A connection that was lost is
// made anew by whoever gets it next; while the server is away they are told so at once, and only now and then one
// tries. Threads: the store's own. Lifetime: leases end before it.
#pragma once

#include <boost/asio/steady_timer.hpp>
#include <deque>
#include <utility>

#include "adapters/store/postgres/connection.h"

namespace hutong::store {

struct PoolOptions {
  std::size_t connections;
  std::size_t waiting;             // calls at most that wait
  std::chrono::milliseconds wait;  // at most, each
};

class Pool {
 public:
  Pool(net::io_context& io, PoolOptions options, ConnectionOptions connection);

  // Sends the commands over a connection that is free. A connection that turns out to have died in the meantime is
  // replaced once. Errors: overloaded (none came free), and those of Connection.
  net::awaitable<Result<std::vector<Rows>>> run(const std::vector<Command>& commands);

  class Lease {
   public:
    Lease() = default;  // nothing
    Lease(Pool& pool, Connection& connection, bool fresh) : pool_(&pool), connection_(&connection), fresh_(fresh) {}
    Lease(Lease&& other) noexcept
        : pool_(std::exchange(other.pool_, nullptr)), connection_(other.connection_), fresh_(other.fresh_) {}
    Lease& operator=(Lease&& other) noexcept {
      std::swap(pool_, other.pool_);
      std::swap(connection_, other.connection_);
      std::swap(fresh_, other.fresh_);
      return *this;
    }
    ~Lease() {
      if (pool_) pool_->give_back(*connection_);
    }
    Connection& operator*() const { return *connection_; }
    Connection* operator->() const { return connection_; }
    bool fresh() const { return fresh_; }  // connected just now: what fails on it will fail again

   private:
    Pool* pool_ = nullptr;
    Connection* connection_ = nullptr;
    bool fresh_ = false;
  };
  // An open connection for one call after another. Errors: overloaded, unavailable, invalid.
  net::awaitable<Result<Lease>> lease();
  // Waits for the leases that are out, and closes all connections.
  net::awaitable<void> close();

 private:
  using Clock = std::chrono::steady_clock;
  net::awaitable<Result<Connection*>> free_connection();
  void give_back(Connection& connection);

  net::io_context& io_;
  const PoolOptions options_;
  const ConnectionOptions connection_options_;
  std::deque<Connection> connections_;  // stay where they are
  std::vector<Connection*> idle_;       // the last used is the first taken
  std::deque<net::steady_timer*> waiting_;

  Clock::time_point not_before_{};  // no attempt to connect until then
  std::chrono::milliseconds pause_{0};
  Error last_error_;
};

}  // namespace hutong::store
