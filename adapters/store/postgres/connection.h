// One connection to PostgreSQL, driven without blocking: libpq's socket on Asio. Commands go in one journey (pipeline
// mode), prepared on first use and kept. Everything ends by a deadline; what goes wrong closes the connection where it
// can no longer be trusted.
// Threads: the store's own. Lifetime: as long as the io_context's handlers.
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "adapters/store/postgres/command.h"
#include "broker/port/net.h"

namespace hutong::store {

using Rows = std::vector<port::Row>;

struct ConnectionOptions {
  std::string connection;  // a secret
  std::string schema;
  std::chrono::milliseconds connect_timeout;
  std::chrono::milliseconds statement_timeout;
};

class Connection {
 public:
  Connection(net::io_context& io, const ConnectionOptions& options);
  ~Connection();

  // May be used, as far as is known.
  bool open() const;
  // Errors: unavailable, in the server's words; invalid (the server is too old, the database's encoding is not UTF-8).
  net::awaitable<Result<void>> connect();
  // The rows of each command; none of a command that returns none. Without BEGIN among them they are one transaction,
  // and an error undoes all; with it, the transaction is the caller's to end. Errors: unavailable (the connection is
  // closed), timeout, corrupt, internal.
  net::awaitable<Result<std::vector<Rows>>> run(const std::vector<Command>& commands);
  void close();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace hutong::store
