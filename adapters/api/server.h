// The HTTP door: one acceptor per shard on the same port (SO_REUSEPORT), optionally TLS, and DIR/run/hutong.sock. Each
// connection is a coroutine that lives and dies on its shard: head → guard → route → who asks → body → handler.
// Nothing of a body is read before the asker is known.
//
// Threads: construct and listen before the shards run; stop from any. Lifetime: outlives every shard's run().
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "adapters/api/route.h"
#include "adapters/api/session.h"
#include "broker/base/limits.h"
#include "broker/port/metrics.h"
#include "broker/port/net.h"

namespace hutong::api {

struct ServerOptions {
  std::string address = "127.0.0.1";
  std::uint16_t port = 8080;     // 0: any free one; every shard gets the same
  std::string certificate, key;  // PEM files; both set: TLS 1.2 (AEAD only) and 1.3
  std::filesystem::path socket;  // unix socket; empty: none
  // What the unix socket's peer may do: the one who can open it (mode 0600) owns the broker's files anyway.
  std::vector<std::string> socket_scopes{"hutong/operate", "hutong/identity", "hutong/raw", "hutong/metrics",
                                         "hutong/send"};
  std::string public_url;  // "https://hie.example.cn"; empty: from the Host header
  std::size_t connections = limits::connections;
  std::size_t connections_per_peer = limits::connections_per_peer;
  std::uint64_t inflight_bytes = 256ULL << 20U;    // bodies being read or answered
  std::chrono::milliseconds idle_timeout{75'000};  // between two requests
  std::chrono::milliseconds header_deadline = limits::header_deadline;
  std::chrono::milliseconds body_deadline = limits::frame_deadline;
  std::chrono::milliseconds write_deadline = limits::write_deadline;
  // For the log: never holds personal data.
  std::function<void(std::string_view level, std::string message)> on_event;
};

class Server {
 public:
  // Throws: std::invalid_argument (routes), std::runtime_error (certificate).
  Server(ServerOptions options, std::vector<Route> routes, Authenticator& authenticator, port::Metrics& metrics);
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  // Opens this shard's acceptor and starts taking connections on it once the shard runs. Call for one shard after
  // another. Throws std::runtime_error (port in use: says which). Returns the port.
  std::uint16_t listen(net::io_context& shard);
  // Opens the unix socket (mode 0600) on this shard; a socket file left behind by a killed broker is replaced.
  void listen_socket(net::io_context& shard);
  std::uint16_t port() const;
  std::size_t active() const;  // connections
  // Takes no further connection, ends those that wait for a request, lets those at work finish for `grace`, then
  // closes what is left. Resumes when all have ended.
  net::awaitable<void> stop(std::chrono::milliseconds grace);

  struct Core;  // server_core.h

 private:
  std::shared_ptr<Core> core_;
};

}  // namespace hutong::api
