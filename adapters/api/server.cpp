#include "adapters/api/server.h"

#include <openssl/ssl.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <stdexcept>

#include "adapters/api/server_core.h"

namespace hutong::api {
namespace {

net::ssl::context tls_context(const ServerOptions& options) {
  net::ssl::context context(net::ssl::context::tls_server);
  boost::system::error_code error;
  context.use_certificate_chain_file(options.certificate, error);
  if (error) throw std::runtime_error("cannot use the certificate " + options.certificate + ": " + error.message());
  context.use_private_key_file(options.key, net::ssl::context::pem, error);
  if (error) throw std::runtime_error("cannot use the private key " + options.key + ": " + error.message());
  SSL_CTX_set_min_proto_version(context.native_handle(), TLS1_2_VERSION);
  SSL_CTX_set_cipher_list(context.native_handle(), "ECDHE+AESGCM:ECDHE+CHACHA20");
  SSL_CTX_set_options(context.native_handle(), SSL_OP_NO_RENEGOTIATION | SSL_OP_CIPHER_SERVER_PREFERENCE);
  return context;
}

void set_reuse_port(Tcp::acceptor& acceptor) {
  const int on = 1;
  if (::setsockopt(acceptor.native_handle(), SOL_SOCKET, SO_REUSEPORT, &on, sizeof on) != 0) {
    throw std::runtime_error("SO_REUSEPORT is refused");
  }
}

}  // namespace

Server::Core::Core(ServerOptions given, std::vector<Route> routes, Authenticator& who, port::Metrics& metrics)
    : options(std::move(given)),
      router(std::move(routes)),
      authenticator(who),
      connections(metrics.gauge("hutong_connections", "Open connections.", {{"protocol", "http"}})),
      port(options.port),
      scope([this](std::string_view name, std::string_view what) {
        event("error", std::string(name) + ": " + std::string(what));
      }) {
  if (!options.certificate.empty()) tls.emplace(tls_context(options));
}

bool Server::Core::enter(const std::string& peer) {
  const std::lock_guard lock(mutex);
  auto& from_peer = peers[peer];
  if (taken >= options.connections || from_peer >= options.connections_per_peer) {
    if (from_peer == 0) peers.erase(peer);
    return false;
  }
  ++from_peer;
  ++taken;
  connections.set(static_cast<double>(taken));
  return true;
}

void Server::Core::leave(const std::string& peer) {
  const std::lock_guard lock(mutex);
  if (--peers[peer] == 0) peers.erase(peer);
  --taken;
  connections.set(static_cast<double>(taken));
}

Server::Server(ServerOptions options, std::vector<Route> routes, Authenticator& authenticator, port::Metrics& metrics)
    : core_(std::make_shared<Core>(std::move(options), std::move(routes), authenticator, metrics)) {}
Server::~Server() = default;

std::uint16_t Server::listen(net::io_context& io) {
  const auto shard = std::make_shared<Shard>(io);
  try {
    const Tcp::endpoint endpoint(net::ip::make_address(core_->options.address), core_->port);
    auto& acceptor = shard->tcp.emplace(io, endpoint.protocol());
    acceptor.set_option(Tcp::acceptor::reuse_address(true));
    set_reuse_port(acceptor);
    acceptor.bind(endpoint);
    acceptor.listen();
    core_->port = acceptor.local_endpoint().port();
  } catch (const std::exception& e) {
    throw std::runtime_error("cannot listen on " + core_->options.address + ":" + std::to_string(core_->port) + ": " +
                             e.what() + "; choose another [http] listen");
  }
  core_->shards.push_back(std::make_unique<Shard>(io));
  core_->shards.back()->tcp = std::move(shard->tcp);
  core_->scope.spawn(io.get_executor(), "http acceptor", accept_tcp(*core_, *core_->shards.back()));
  return core_->port;
}

void Server::listen_socket(net::io_context& io) {
  const auto& path = core_->options.socket;
  std::filesystem::create_directories(path.parent_path());
  std::filesystem::permissions(path.parent_path(), std::filesystem::perms::owner_all);
  boost::system::error_code alive;
  Unix::socket probe(io);
  probe.connect(Unix::endpoint(path.string()), alive);
  if (!alive) throw std::runtime_error("another broker answers at " + path.string() + ": stop it first");
  std::filesystem::remove(path);
  auto shard = std::make_unique<Shard>(io);
  const mode_t before = ::umask(0177);  // never open to others, not for a moment
  try {
    auto& acceptor = shard->local.emplace(io);
    acceptor.open();
    acceptor.bind(Unix::endpoint(path.string()));
    acceptor.listen();
  } catch (const std::exception& e) {
    ::umask(before);
    throw std::runtime_error("cannot listen on " + path.string() + ": " + e.what());
  }
  ::umask(before);
  core_->shards.push_back(std::move(shard));
  core_->scope.spawn(io.get_executor(), "http socket acceptor", accept_local(*core_, *core_->shards.back()));
}

std::uint16_t Server::port() const {
  return core_->port;
}

std::size_t Server::active() const {
  const std::lock_guard lock(core_->mutex);
  return core_->taken;
}

net::awaitable<void> Server::stop(std::chrono::milliseconds grace) {
  const auto core = core_;
  core->stopping = true;
  const auto tell = [&core](bool all) {
    for (const auto& shard : core->shards) {
      net::post(shard->io, [core, &shard = *shard, all] {
        boost::system::error_code ignored;
        if (shard.tcp) shard.tcp->close(ignored);
        if (shard.local) shard.local->close(ignored);
        for (Link* link : std::set<Link*>(shard.links)) {
          if ((all || link->waiting) && link->close) link->close();
        }
      });
    }
  };
  tell(false);
  if (!co_await core->scope.drained(grace)) {
    core->event("warning", "http: " + std::to_string(core->scope.running()) + " connections did not finish in time");
    tell(true);
    co_await core->scope.drained(std::chrono::seconds(5));
  }
  std::error_code ignored;
  if (!core->options.socket.empty()) std::filesystem::remove(core->options.socket, ignored);
}

}  // namespace hutong::api
