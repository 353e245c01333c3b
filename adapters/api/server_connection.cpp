// One connection from its first byte to its last, over TCP, TLS or the unix socket.
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/ssl/error.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/ssl/ssl_stream.hpp>
#include <typeinfo>

#include "adapters/api/router_fault.h"
#include "adapters/api/server_core.h"
#include "adapters/api/server_wire.h"
#include "broker/base/hash.h"

namespace hutong::api {
namespace {

namespace beast = boost::beast;
using ErrorBits = boost::system::error_code;
using TcpStream = beast::tcp_stream;
using TlsStream = beast::ssl_stream<beast::tcp_stream>;
using LocalStream = beast::basic_stream<Unix>;

constexpr std::size_t small_body = 64 * 1024;  // below it a body does not count against inflight_bytes
constexpr std::size_t body_step = 64 * 1024;   // read at once
constexpr std::size_t lingering_bytes = 32 * 1024 * 1024;

auto into(ErrorBits& error) {
  return net::redirect_error(net::use_awaitable, error);
}

// What is held against inflight_bytes while one request is at work.
class Share {
 public:
  Share(std::atomic<std::uint64_t>& inflight, std::uint64_t limit, std::uint64_t bytes)
      : inflight_(inflight), bytes_(bytes) {
    taken_ = inflight_.fetch_add(bytes_) + bytes_ <= limit;
  }
  ~Share() { inflight_.fetch_sub(bytes_); }
  Share(const Share&) = delete;
  Share& operator=(const Share&) = delete;
  bool taken() const { return taken_; }

 private:
  std::atomic<std::uint64_t>& inflight_;
  std::uint64_t bytes_;
  bool taken_;
};

template <class Stream>
class Connection {
 public:
  Connection(Server::Core& core, Link& link, Stream& stream) : core_(core), link_(link), stream_(stream) {}

  net::awaitable<void> run() {
    while (!core_.stopping) {
      if (!co_await read_head()) co_return;
      if (!co_await answer_one()) break;
    }
    co_await linger();
  }

 private:
  static constexpr bool tls = std::is_same_v<Stream, TlsStream>;

  void expires_after(std::chrono::milliseconds time) { beast::get_lowest_layer(stream_).expires_after(time); }

  // Fills `head_` up to the empty line. false: the peer has left, was too slow, or was refused.
  net::awaitable<bool> read_head() {
    link_.waiting = buffer_.size() == 0;
    expires_after(core_.options.idle_timeout);
    bool begun = buffer_.size() > 0;
    if (begun) expires_after(core_.options.header_deadline);
    while (true) {
      const std::string_view have(static_cast<const char*>(buffer_.data().data()), buffer_.size());
      const auto end = have.find("\r\n\r\n");
      if (end != std::string_view::npos) {
        head_size_ = end + 4;
        link_.waiting = false;
        co_return true;
      }
      if (have.size() >= limits::http_header_bytes) {
        co_await refuse({431, "the head of the request is longer than 16 KiB"});
        co_await linger();
        co_return false;
      }
      ErrorBits error;
      auto room = buffer_.prepare(4096);
      const std::size_t count = co_await stream_.async_read_some(room, into(error));
      if (error) co_return false;
      buffer_.commit(count);
      if (!begun) expires_after(core_.options.header_deadline);
      begun = true;
      link_.waiting = false;
    }
  }

  // true: the connection can take another request.
  net::awaitable<bool> answer_one() {
    auto head = guard({static_cast<const char*>(buffer_.data().data()), head_size_});
    if (!head) {
      co_await refuse(head.error());
      co_return false;
    }
    version_1_1_ = head->version_1_1;
    keep_alive_ = head->keep_alive;
    head_only_ = head->method == "HEAD";
    const bool expects_continue = head->expects_continue, chunked = head->chunked;
    const std::uint64_t length = head->content_length.value_or(0);
    unread_ = head->has_body();
    auto address = read_address(head->target);
    if (!address) {
      const std::string_view target = head->target;
      co_return co_await write(fault(target.substr(0, target.find('?')), address.error()));
    }
    auto match = core_.router.find(head->method, address->segments);
    Request request = request_of(std::move(*head), std::move(*address));
    describe(request);
    if (!match.route) co_return co_await write(unrouted(request, match));
    request.captures = std::move(match.captures);

    auto principal = co_await core_.authenticator.authenticate(request);
    if (!principal) co_return co_await write(challenge(request, principal.error().message));
    request.principal = std::move(*principal);
    if (!match.route->scope.empty() && !request.principal) {
      co_return co_await write(
          challenge(request, "this address needs a token: run hutong token --client NAME, or sign in"));
    }
    if (match.route->refuse) {
      if (auto refused = match.route->refuse(request)) co_return co_await write(std::move(*refused));
    }
    const std::uint64_t limit = match.route->body_limit;
    if (length > limit && !match.route->keeps_beginning) co_return co_await write(too_long(request, limit));
    const std::uint64_t claim = chunked ? limit : std::min(length, limit);
    const Share share(core_.inflight, core_.options.inflight_bytes, claim > small_body ? claim : 0);
    if (!share.taken())
      co_return co_await write(fault(request.path, 503, "overloaded", "too many bytes are being received: send again"));
    if (expects_continue && unread_ && !co_await go_on()) co_return false;
    const int status = unread_ ? co_await read_body(request, *match.route) : 0;
    if (status == 413) co_return co_await write(too_long(request, limit));
    if (status != 0) {
      keep_alive_ = false;
      if (status > 0)
        co_await write(fault(request.path, status, "invalid", "the body broke off or is not framed as it says"));
      co_return false;
    }
    if (request.oversize > 0) keep_alive_ = false;
    if (auto good = add_form(request); !good) co_return co_await write(fault(request.path, good.error()));
    beast::get_lowest_layer(stream_).expires_never();
    co_return co_await write(co_await handle(*match.route, request));
  }

  void describe(Request& request) const {
    request.peer = link_.peer;
    request.loopback = link_.loopback;
    request.connection = link_.name;
    if (link_.peer == "unix") request.principal = access::Principal{"local-operator", core_.options.socket_scopes, ""};
    request.base_url = core_.options.public_url;
    if (request.base_url.empty())
      request.base_url = (tls ? "https://" : "http://") + std::string(request.header("host"));
  }

  Response unrouted(const Request& request, const Router::Match& match) const {
    if (match.allowed.empty()) {
      return fault(request.path, 404, "not-found",
                   is_fhir(request.path) ? "there is nothing at this address: GET /fhir/metadata lists what there is"
                                         : "there is nothing at this address");
    }
    Response response;
    response.status = 204;
    if (request.method != "OPTIONS") {
      response = fault(request.path, 405, "method-not-allowed",
                       "this address does not take that method; see the header Allow");
    }
    response.headers.emplace_back("Allow", allow_of(match.allowed));
    return response;
  }

  static Response challenge(const Request& request, std::string_view message) {
    Response response = fault(request.path, 401, "unauthorized", message);
    response.headers.emplace_back("WWW-Authenticate", "Bearer realm=\"hutong\"");
    return response;
  }

  static Response too_long(const Request& request, std::uint64_t limit) {
    return fault(request.path, 413, "too-large",
                 "the body is longer than " + std::to_string(limit) + " bytes: split it; nothing of it was taken");
  }

  net::awaitable<bool> go_on() {
    static constexpr std::string_view text = "HTTP/1.1 100 Continue\r\n\r\n";
    ErrorBits error;
    expires_after(core_.options.write_deadline);
    co_await net::async_write(stream_, net::buffer(text), into(error));
    co_return !error;
  }

  // 0: whole. 413: too long. 400: to be said. -1: the peer has left or was too slow (the stream is closed then).
  net::awaitable<int> read_body(Request& request, const Route& route) {
    http::request_parser<http::buffer_body> parser;
    parser.header_limit(static_cast<std::uint32_t>(limits::http_header_bytes));
    parser.body_limit(boost::none);
    ErrorBits error;
    expires_after(core_.options.body_deadline);
    head_size_ = 0;  // the parser takes the head from the buffer too
    co_await http::async_read_header(stream_, buffer_, parser, into(error));
    std::string& body = request.body;
    std::size_t size = 0;
    std::optional<PartsHash> beyond;  // once it is too long: the hash of all of it
    while (!error && !parser.is_done()) {
      const std::size_t at = beyond ? limits::oversize_kept_bytes : size;
      body.resize(at + body_step);
      parser.get().body() = {body.data() + at, body_step, true};
      co_await http::async_read_some(stream_, buffer_, parser, into(error));
      if (error == http::error::need_buffer) error = {};
      const std::size_t came = body_step - parser.get().body().size;
      size += came;
      if (beyond) {
        beyond->raw({body.data() + at, came});
      } else if (size > route.body_limit) {
        if (!route.keeps_beginning) co_return 413;
        beyond.emplace().raw({body.data(), size});
      }
      body.resize(beyond ? limits::oversize_kept_bytes : size);
    }
    if (error == http::error::end_of_stream || error == http::error::partial_message || error == net::error::eof ||
        error == net::error::connection_reset || error == net::error::operation_aborted ||
        error == beast::error::timeout) {
      co_return -1;
    }
    if (error) co_return 400;
    unread_ = false;
    if (beyond) {
      body.shrink_to_fit();
      request.oversize = size;
      request.oversize_sha256 = to_hex(as_view(beyond->finish()));
    }
    co_return 0;
  }

  // FHIR's POST _search carries its parameters as a form.
  static Result<void> add_form(Request& request) {
    if (request.method != "POST" || !request.path.ends_with("/_search")) return {};
    if (!request.header("content-type").starts_with("application/x-www-form-urlencoded")) return {};
    auto form = read_query(request.body);
    if (!form) return tl::unexpected<Error>(form.error());
    for (auto& parameter : *form) request.query.push_back(std::move(parameter));
    return {};
  }

  net::awaitable<Response> handle(const Route& route, const Request& request) {
    std::string what;
    try {
      co_return co_await route.handler(request);
    } catch (const std::exception& e) {
      what = typeid(e).name();  // e.what() may quote what was asked
    } catch (...) {
      what = "unknown exception";
    }
    core_.event("error", "http " + route.method + " " + route.pattern + ": handler failed: " + what);
    co_return fault(request.path, 500, "internal", "the broker failed at this request; its log says where");
  }

  net::awaitable<void> refuse(Refusal refusal) {
    keep_alive_ = false;
    co_await write(fault("", refusal.status, "invalid", refusal.message));
  }

  net::awaitable<bool> write(Response response) {
    if (unread_ || core_.stopping) keep_alive_ = false;
    buffer_.consume(head_size_);
    head_size_ = 0;
    const hutong::api::Stream next = response.stream;
    auto message = message_of(std::move(response), tls, head_only_, version_1_1_, keep_alive_);
    expires_after(core_.options.write_deadline);
    ErrorBits error;
    if (next && !head_only_) co_return co_await write_stream(std::move(message), next);
    if (head_only_ || message.result_int() == 204 || message.result_int() == 304) {
      http::response<http::empty_body> bare(std::move(message.base()));
      http::response_serializer<http::empty_body> serializer(bare);
      co_await http::async_write_header(stream_, serializer, into(error));
    } else {
      co_await http::async_write(stream_, message, into(error));
    }
    co_return !error && keep_alive_;
  }

  net::awaitable<bool> write_stream(http::response<http::string_body> message, hutong::api::Stream next) {
    std::string piece = std::move(message.body());
    http::response<http::empty_body> bare(std::move(message.base()));
    bare.chunked(version_1_1_);
    if (!version_1_1_) bare.keep_alive(keep_alive_ = false);
    http::response_serializer<http::empty_body> serializer(bare);
    ErrorBits error;
    co_await http::async_write_header(stream_, serializer, into(error));
    while (!error) {
      if (!piece.empty()) {
        expires_after(core_.options.write_deadline);
        if (version_1_1_) {
          co_await net::async_write(stream_, http::make_chunk(net::buffer(piece)), into(error));
        } else {
          co_await net::async_write(stream_, net::buffer(piece), into(error));
        }
        beast::get_lowest_layer(stream_).expires_never();
      }
      if (error || core_.stopping) break;
      auto more = co_await next();
      if (!more) break;
      piece = std::move(*more);
    }
    if (!error && version_1_1_) co_await net::async_write(stream_, http::make_chunk_last(), into(error));
    co_return !error && keep_alive_ && !core_.stopping;
  }

  // Lets the peer read the answer before the connection is torn down: what it still sends is read and dropped.
  net::awaitable<void> linger() {
    ErrorBits error;
    expires_after(std::chrono::seconds(2));
    if constexpr (tls) {
      co_await stream_.async_shutdown(into(error));
    } else {
      beast::get_lowest_layer(stream_).socket().shutdown(net::socket_base::shutdown_send, error);
      if (!unread_) co_return;
      std::size_t dropped = 0;
      std::string waste(64 * 1024, '\0');
      while (!error && dropped < lingering_bytes)
        dropped += co_await stream_.async_read_some(net::buffer(waste), into(error));
    }
  }

  Server::Core& core_;
  Link& link_;
  Stream& stream_;
  beast::flat_buffer buffer_{limits::http_header_bytes + 256 * 1024};
  std::size_t head_size_ = 0;
  bool version_1_1_ = true, keep_alive_ = false, head_only_ = false, unread_ = false;
};

// Registers the connection with its shard for as long as it lives.
class Entry {
 public:
  Entry(Server::Core& core, Shard& shard, Link& link) : core_(core), shard_(shard), link_(link) {
    shard_.links.insert(&link_);
  }
  ~Entry() {
    shard_.links.erase(&link_);
    core_.leave(link_.peer);
  }
  Entry(const Entry&) = delete;
  Entry& operator=(const Entry&) = delete;

 private:
  Server::Core& core_;
  Shard& shard_;
  Link& link_;
};

template <class Stream, class Socket>
Stream make_stream(Server::Core& core, Socket socket) {
  if constexpr (std::is_same_v<Stream, TlsStream>) {
    return Stream(std::move(socket), *core.tls);
  } else {
    return Stream(std::move(socket));
  }
}

template <class Stream, class Socket>
net::awaitable<void> serve(Server::Core& core, Shard& shard, Socket socket, std::string peer, bool loopback) {
  Link link{std::move(peer), "http-" + std::to_string(core.next_connection.fetch_add(1)), loopback, true, {}};
  const Entry entry(core, shard, link);
  auto stream = make_stream<Stream>(core, std::move(socket));
  link.close = [&stream] { beast::get_lowest_layer(stream).close(); };
  if constexpr (std::is_same_v<Stream, TlsStream>) {
    ErrorBits error;
    beast::get_lowest_layer(stream).expires_after(limits::handshake_deadline);
    co_await stream.async_handshake(net::ssl::stream_base::server, into(error));
    if (error) co_return;
  }
  Connection<Stream> connection(core, link, stream);
  co_await connection.run();
}

template <class Acceptor, class Take>
net::awaitable<void> accept_all(Server::Core& core, Acceptor& acceptor, Take take) {
  net::steady_timer pause(co_await net::this_coro::executor);
  bool told = false;
  while (acceptor.is_open() && !core.stopping) {
    ErrorBits error;
    auto socket = co_await acceptor.async_accept(into(error));
    if (error == net::error::operation_aborted || core.stopping) co_return;
    if (error) {
      // Out of descriptors, most likely: wait for some to be given back.
      if (!told)
        core.event("error", "http: cannot take a connection (" + error.message() + "): raise the limit of open files");
      told = true;
      pause.expires_after(std::chrono::milliseconds(100));
      co_await pause.async_wait(into(error));
      continue;
    }
    told = false;
    take(std::move(socket));
  }
}

}  // namespace

net::awaitable<void> accept_tcp(Server::Core& core, Shard& shard) {
  const auto take = [&core, &shard](Tcp::socket socket) {
    ErrorBits error;
    auto address = socket.remote_endpoint(error).address();
    if (error) return;
    if (address.is_v6() && address.to_v6().is_v4_mapped()) {
      address = net::ip::make_address_v4(net::ip::v4_mapped, address.to_v6());
    }
    std::string peer = address.to_string();
    if (!core.enter(peer)) return;
    socket.set_option(Tcp::no_delay(true), error);
    socket.set_option(net::socket_base::keep_alive(true), error);
    const bool loopback = address.is_loopback();
    core.scope.spawn(shard.io.get_executor(), "http connection",
                     core.tls ? serve<TlsStream>(core, shard, std::move(socket), std::move(peer), loopback)
                              : serve<TcpStream>(core, shard, std::move(socket), std::move(peer), loopback));
  };
  co_await accept_all(core, *shard.tcp, take);
}

net::awaitable<void> accept_local(Server::Core& core, Shard& shard) {
  const auto take = [&core, &shard](Unix::socket socket) {
    if (!core.enter("unix")) return;
    core.scope.spawn(shard.io.get_executor(), "http socket connection",
                     serve<LocalStream>(core, shard, std::move(socket), "unix", true));
  };
  co_await accept_all(core, *shard.local, take);
}

}  // namespace hutong::api
