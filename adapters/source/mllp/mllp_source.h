// Receives HL7 v2 over MLLP. One instance a shard: an acceptor of its own (SO_REUSEPORT) and the sessions that it
// accepted, all on the shard's io_context: no strand, no mutex. A session takes every whole frame that is in its
// buffer, hands them to the inbox together, and writes the acknowledgements in order; while it waits it does not
// read, so a slow log is felt by the sender as a slow line (backpressure is a pause, nothing is dropped).
// TLS: with a certificate authority for clients every peer must show a certificate, and the facility it is bound
// to must be the one that its messages name (IHE ATNA ITI-19). Nothing is parsed before that.
#pragma once

#include <atomic>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/context.hpp>
#include <functional>
#include <memory>
#include <string>

#include "broker/base/limits.h"
#include "broker/port/inbox.h"
#include "broker/port/metrics.h"
#include "broker/port/scope.h"

namespace hutong::mllp {

struct SourceOptions {
  std::string address = "127.0.0.1";
  std::uint16_t port = 2575;                     // 0: any free one
  std::chrono::milliseconds idle_timeout = limits::idle_timeout;
  std::chrono::milliseconds frame_deadline = limits::frame_deadline;
  std::chrono::milliseconds handshake_deadline = limits::handshake_deadline;
  std::chrono::milliseconds write_deadline = limits::write_deadline;
  std::size_t message_bytes = limits::message_bytes;
  std::size_t connections = limits::connections;             // of this source, all shards together
  std::size_t connections_per_peer = limits::connections_per_peer;
  std::uint64_t inflight_bytes = 256ULL * 1024 * 1024;       // received and not yet acknowledged, all shards together
  bool tls = false;
  std::string certificate_file, private_key_file;            // PEM
  std::string client_authority_file;                         // PEM; set: mutual TLS
};

// What the shards share: the counts that are limited together.
class Admission {
 public:
  explicit Admission(const SourceOptions& options) : options_(options) {}
  bool enter(const std::string& peer);
  void leave(const std::string& peer);
  std::atomic<std::uint64_t> inflight_bytes{0};
  std::atomic<bool> acknowledgements_told{false};  // said once: a peer that loops would fill the log file
  std::size_t connections() const { return connections_.load(); }

 private:
  const SourceOptions& options_;
  std::atomic<std::size_t> connections_{0};
  std::mutex mutex_;
  std::unordered_map<std::string, std::size_t> by_peer_;
};

// Finds the facility that a client certificate is bound to; nullptr: none.
using FindCertificate =
    std::function<const model::Facility*(std::string_view fingerprint, std::string_view common_name)>;
using Report = std::function<void(std::string_view level, std::string message)>;

class MllpSource {
 public:
  MllpSource(net::io_context& shard, const SourceOptions& options, Admission& admission, port::Inbox& inbox,
             port::Metrics& metrics, const Clock& clock, FindCertificate find_certificate, Report report);
  ~MllpSource();
  // Binds and listens; the bound port. Throws std::runtime_error (address in use, unreadable certificate).
  std::uint16_t listen();
  void start();                       // begins to accept
  void stop_accepting();
  // Sessions end once they have answered what they have taken. True: all ended within `patience`.
  net::awaitable<bool> drain(std::chrono::milliseconds patience);

 private:
  struct Shared;
  std::shared_ptr<Shared> shared_;
};

}  // namespace hutong::mllp
