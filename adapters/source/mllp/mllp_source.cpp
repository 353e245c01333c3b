#include "adapters/source/mllp/mllp_source.h"

#include <netinet/tcp.h>
#include <openssl/x509.h>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/asio/write.hpp>
#include <list>
#include <stdexcept>

#include "adapters/source/mllp/framer.h"

namespace hutong::mllp {

using tcp = net::ip::tcp;
using TlsStream = net::ssl::stream<tcp::socket>;
constexpr auto as_result = net::as_tuple(net::use_awaitable);

bool Admission::enter(const std::string& peer) {
  if (connections_.load() >= options_.connections) return false;
  const std::lock_guard lock(mutex_);
  auto& count = by_peer_[peer];
  if (count >= options_.connections_per_peer) return false;
  ++count;
  connections_.fetch_add(1);
  return true;
}

void Admission::leave(const std::string& peer) {
  const std::lock_guard lock(mutex_);
  const auto found = by_peer_.find(peer);
  if (found != by_peer_.end() && --found->second == 0) by_peer_.erase(found);
  connections_.fetch_sub(1);
}

// One coroutine per connection would need a timer each; instead the session writes down until when it may wait, and
// one watchdog a shard closes those that are late.
struct Watched {
  tcp::socket* socket = nullptr;
  std::chrono::steady_clock::time_point deadline = std::chrono::steady_clock::time_point::max();
  bool idle = true;  // between messages: may be closed at once when draining
};

struct MllpSource::Shared : std::enable_shared_from_this<Shared> {
  Shared(net::io_context& io, const SourceOptions& o, Admission& a, port::Inbox& i, port::Metrics& m, const Clock& c,
         FindCertificate f, Report r)
      : shard(io),
        options(o),
        admission(a),
        inbox(i),
        clock(c),
        find_certificate(std::move(f)),
        report(std::move(r)),
        acceptor(io),
        watchdog(io),
        tls(net::ssl::context::tls_server),
        scope([this](std::string_view name, std::string_view what) {
          report("error", std::string(name) + ": " + std::string(what));
        }),
        acknowledged(m.histogram("hutong_ack_seconds", "From the last byte of a message to its acknowledgement written")),
        open_connections(m.gauge("hutong_connections", "Open connections", {{"protocol", "mllp"}})),
        inflight(m.gauge("hutong_inflight_bytes", "Bytes received and not yet acknowledged")),
        refused(m.counter("hutong_connections_refused_total", "Connections closed because a limit was reached",
                          {{"protocol", "mllp"}})) {}

  net::awaitable<void> accept_loop();
  net::awaitable<void> watch();
  template <class Stream>
  net::awaitable<void> serve(Stream& stream, Watched& watched, port::Peer peer);
  net::awaitable<void> session(tcp::socket socket, std::string address);
  void configure_tls();

  net::io_context& shard;
  const SourceOptions& options;
  Admission& admission;
  port::Inbox& inbox;
  const Clock& clock;
  FindCertificate find_certificate;
  Report report;
  tcp::acceptor acceptor;
  net::steady_timer watchdog;
  net::ssl::context tls;
  port::Scope scope;
  port::Histogram& acknowledged;
  port::Gauge& open_connections;
  port::Gauge& inflight;
  port::Counter& refused;
  std::list<Watched*> sessions;
  bool draining = false;
  std::uint64_t serial = 0;
};

MllpSource::MllpSource(net::io_context& shard, const SourceOptions& options, Admission& admission, port::Inbox& inbox,
                       port::Metrics& metrics, const Clock& clock, FindCertificate find_certificate, Report report)
    : shared_(std::make_shared<Shared>(shard, options, admission, inbox, metrics, clock, std::move(find_certificate),
                                       std::move(report))) {}

MllpSource::~MllpSource() = default;

void MllpSource::Shared::configure_tls() {
  tls.set_options(net::ssl::context::default_workarounds | net::ssl::context::no_sslv2 | net::ssl::context::no_sslv3 |
                  net::ssl::context::no_tlsv1 | net::ssl::context::no_tlsv1_1);
  // TLS 1.2 only with authenticated encryption and forward secrecy (BCP 195).
  SSL_CTX_set_cipher_list(tls.native_handle(), "ECDHE+AESGCM:ECDHE+CHACHA20");
  tls.use_certificate_chain_file(options.certificate_file);
  tls.use_private_key_file(options.private_key_file, net::ssl::context::pem);
  if (!options.client_authority_file.empty()) {
    tls.load_verify_file(options.client_authority_file);
    tls.set_verify_mode(net::ssl::verify_peer | net::ssl::verify_fail_if_no_peer_cert);
  }
}

std::uint16_t MllpSource::listen() {
  auto& s = *shared_;
  if (s.options.tls) s.configure_tls();
  const tcp::endpoint endpoint(net::ip::make_address(s.options.address), s.options.port);
  s.acceptor.open(endpoint.protocol());
  s.acceptor.set_option(tcp::acceptor::reuse_address(true));
  using reuse_port = net::detail::socket_option::boolean<SOL_SOCKET, SO_REUSEPORT>;
  s.acceptor.set_option(reuse_port(true));
  s.acceptor.bind(endpoint);
  s.acceptor.listen(4096);
  return s.acceptor.local_endpoint().port();
}

void MllpSource::start() {
  shared_->scope.spawn(shared_->shard.get_executor(), "mllp accept", shared_->accept_loop());
  shared_->scope.spawn(shared_->shard.get_executor(), "mllp watchdog", shared_->watch());
}

void MllpSource::stop_accepting() {
  net::post(shared_->shard, [s = shared_] {
    s->draining = true;
    boost::system::error_code ignored;
    s->acceptor.close(ignored);
    s->watchdog.cancel();
    for (auto* watched : s->sessions) {
      if (watched->idle) watched->socket->cancel(ignored);
    }
  });
}

net::awaitable<bool> MllpSource::drain(std::chrono::milliseconds patience) {
  auto shared = shared_;
  if (co_await shared->scope.drained(patience)) co_return true;
  boost::system::error_code ignored;
  for (auto* watched : shared->sessions) watched->socket->close(ignored);
  co_return co_await shared->scope.drained(std::chrono::milliseconds(500));
}

net::awaitable<void> MllpSource::Shared::watch() {
  while (!draining) {
    watchdog.expires_after(std::chrono::milliseconds(250));
    co_await watchdog.async_wait(as_result);
    const auto now = std::chrono::steady_clock::now();
    boost::system::error_code ignored;
    for (auto* watched : sessions) {
      if (watched->deadline < now) watched->socket->close(ignored);
    }
  }
}

net::awaitable<void> MllpSource::Shared::accept_loop() {
  net::steady_timer pause(shard);
  while (!draining) {
    auto [error, socket] = co_await acceptor.async_accept(shard, as_result);
    if (error == net::error::operation_aborted || draining) co_return;
    if (error) {
      // EMFILE and the like: shed load for a moment instead of spinning, and say so.
      report("warning", "mllp: accept failed: " + error.message());
      pause.expires_after(std::chrono::milliseconds(100));
      co_await pause.async_wait(as_result);
      continue;
    }
    boost::system::error_code failed;
    const auto remote = socket.remote_endpoint(failed);
    if (failed) continue;
    auto address = remote.address().to_string();
    if (!admission.enter(address)) {
      refused.add();
      continue;  // the socket closes
    }
    socket.set_option(tcp::no_delay(true), failed);
    socket.set_option(net::socket_base::keep_alive(true), failed);
    const int fd = socket.native_handle();
    const int idle_s = 30, interval_s = 10, probes = 3;  // a half-open peer is gone within 60 s
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle_s, sizeof idle_s);
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval_s, sizeof interval_s);
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &probes, sizeof probes);
    scope.spawn(shard.get_executor(), "mllp session", session(std::move(socket), std::move(address)));
  }
}

net::awaitable<void> MllpSource::Shared::session(tcp::socket socket, std::string address) {
  const auto self = shared_from_this();
  struct Entered {
    Shared& shared;
    std::string address;
    Watched watched;
    std::list<Watched*>::iterator place;
    ~Entered() {
      shared.sessions.erase(place);
      shared.admission.leave(address);
      shared.open_connections.add(-1);
    }
  };
  open_connections.add(1);
  Entered entered{*this, address, {}, {}};
  entered.place = sessions.insert(sessions.end(), &entered.watched);
  port::Peer peer;
  peer.protocol = "mllp";
  peer.connection = "mllp-" + std::to_string(++serial);
  peer.trusted_network = socket.remote_endpoint().address().is_loopback();
  if (!options.tls) {
    entered.watched.socket = &socket;
    co_await serve(socket, entered.watched, std::move(peer));
    co_return;
  }
  TlsStream stream(std::move(socket), tls);
  entered.watched.socket = &stream.next_layer();
  entered.watched.deadline = std::chrono::steady_clock::now() + options.handshake_deadline;
  const auto [failed] = co_await stream.async_handshake(net::ssl::stream_base::server, as_result);
  if (failed) {
    refused.add();
    report("warning", "mllp: TLS handshake refused: " + failed.message());
    co_return;
  }
  if (!options.client_authority_file.empty()) {
    const std::unique_ptr<X509, decltype(&X509_free)> shown(SSL_get1_peer_certificate(stream.native_handle()), X509_free);
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned int size = 0;
    char common_name[256] = {};
    if (shown) {
      X509_digest(shown.get(), EVP_sha256(), digest, &size);
      X509_NAME_get_text_by_NID(X509_get_subject_name(shown.get()), NID_commonName, common_name, sizeof common_name);
    }
    peer.authenticated = find_certificate(to_hex({reinterpret_cast<char*>(digest), size}), common_name);
    if (!peer.authenticated) {
      refused.add();
      report("warning", "mllp: a client certificate is not bound to any facility; set `certificate` in schemas/facilities");
      co_return;
    }
  }
  co_await serve(stream, entered.watched, std::move(peer));
  entered.watched.deadline = std::chrono::steady_clock::now() + std::chrono::seconds(2);
  co_await stream.async_shutdown(as_result);
}

template <class Stream>
net::awaitable<void> MllpSource::Shared::serve(Stream& stream, Watched& watched, port::Peer peer) {
  Framer framer(options.message_bytes, limits::oversize_kept_bytes);
  std::vector<Framer::Taken> taken;
  std::vector<port::Frame> frames;
  std::string answer;
  net::steady_timer pause(shard);
  const auto now = [] { return std::chrono::steady_clock::now(); };
  bool was_within = false;
  std::size_t wanted = 4 * 1024;

  while (!draining || framer.within_frame()) {
    // The deadline of a message runs from its first byte: a byte now and then does not extend it (slow loris).
    const bool within = framer.within_frame();
    if (!within) watched.deadline = now() + options.idle_timeout;
    if (within && !was_within) watched.deadline = now() + options.frame_deadline;
    was_within = within;
    watched.idle = !within;
    const auto room = framer.space(wanted);
    const auto [failed, count] =
        co_await stream.async_read_some(net::buffer(room.data(), std::min<std::size_t>(room.size(), 256 * 1024)), as_result);
    if (failed) co_return;
    framer.received(count);
    wanted = count == room.size() ? std::min<std::size_t>(count * 2, 256 * 1024) : std::size_t{4 * 1024};

    for (;;) {
      taken.clear();
      framer.take(taken, limits::batch_records, limits::batch_bytes);
      if (framer.noise() > 64 * 1024) {
        report("warning", "mllp: a peer sends bytes outside of MLLP frames (0x0B … 0x1C 0x0D); connection closed");
        co_return;
      }
      if (taken.empty()) break;
      const auto arrived = clock.now();
      const auto ticks = clock.ticks();
      frames.clear();
      std::uint64_t bytes = 0;
      for (const auto& frame : taken) {
        bytes += frame.bytes.size();
        frames.push_back({frame.bytes, arrived, frame.oversize, frame.oversize_sha256});
      }
      watched.idle = false;
      watched.deadline = std::chrono::steady_clock::time_point::max();  // our own time does not count against the peer
      struct InFlight {
        Shared& shared;
        std::uint64_t bytes;
        InFlight(Shared& s, std::uint64_t b) : shared(s), bytes(b) {
          shared.inflight.set(static_cast<double>(shared.admission.inflight_bytes.fetch_add(bytes) + bytes));
        }
        ~InFlight() {
          shared.inflight.set(static_cast<double>(shared.admission.inflight_bytes.fetch_sub(bytes) - bytes));
        }
      };
      while (admission.inflight_bytes.load() > options.inflight_bytes) {
        pause.expires_after(std::chrono::milliseconds(5));
        co_await pause.async_wait(as_result);
      }
      const InFlight in_flight(*this, bytes);
      const auto replies = co_await inbox.accept(peer, frames);
      answer.clear();
      bool close = false;
      for (const auto& reply : replies) {
        for (const auto& message : reply.messages) {
          answer += '\x0B';
          answer += message;
          answer += "\x1C\x0D";
        }
        close = close || reply.close;
        if (reply.acknowledgement && !admission.acknowledgements_told.exchange(true)) {
          report("warning", "mllp: " + peer.connection +
                                " sends acknowledgements as messages (MSH-9 ACK): they are kept and not answered; "
                                "hutong_acknowledgements_received_total counts them");
        }
      }
      if (!answer.empty()) {
        watched.deadline = now() + options.write_deadline;
        const auto [broken, written] = co_await net::async_write(stream, net::buffer(answer), as_result);
        if (broken) co_return;
      }
      const double seconds = std::chrono::duration<double>(clock.ticks() - ticks).count();
      for (std::size_t i = 0; i < replies.size(); ++i) acknowledged.observe(seconds);
      if (answer.capacity() > 1024 * 1024) answer = {};
      framer.forget();
      if (close) co_return;
    }
  }
}

}  // namespace hutong::mllp
