// What the connections of one server share, and one connection's place in it. Only for server*.cpp.
#pragma once

#include <atomic>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/ssl/context.hpp>
#include <map>
#include <mutex>
#include <optional>
#include <set>

#include "adapters/api/router.h"
#include "adapters/api/server.h"
#include "broker/port/scope.h"

namespace hutong::api {

using Tcp = net::ip::tcp;
using Unix = net::local::stream_protocol;

// A live connection, as its shard can reach it when the server stops.
struct Link {
  std::string peer, name;
  bool loopback = false;
  bool waiting = true;  // for a request, not at work on one
  std::function<void()> close;
};

struct Shard {
  explicit Shard(net::io_context& context) : io(context) {}
  net::io_context& io;
  std::optional<Tcp::acceptor> tcp;
  std::optional<Unix::acceptor> local;
  std::set<Link*> links;  // touched on this shard only
};

struct Server::Core {
  Core(ServerOptions given, std::vector<Route> routes, Authenticator& who, port::Metrics& metrics);
  void event(std::string_view level, std::string message) const {
    if (options.on_event) options.on_event(level, std::move(message));
  }
  // A place for a connection from `peer`; false: all are taken.
  bool enter(const std::string& peer);
  void leave(const std::string& peer);

  ServerOptions options;
  Router router;
  Authenticator& authenticator;
  port::Gauge& connections;
  std::optional<net::ssl::context> tls;
  std::vector<std::unique_ptr<Shard>> shards;
  std::uint16_t port = 0;
  std::atomic<bool> stopping{false};
  std::atomic<std::uint64_t> next_connection{1}, inflight{0};
  std::mutex mutex;
  std::map<std::string, std::size_t> peers;
  std::size_t taken = 0;
  port::Scope scope;
};

// Takes connections until the acceptor is closed (server_connection.cpp).
net::awaitable<void> accept_tcp(Server::Core& core, Shard& shard);
net::awaitable<void> accept_local(Server::Core& core, Shard& shard);

}  // namespace hutong::api
