#include "adapters/sink/http/rest_hook_sink.h"

#include <openssl/ssl.h>
#include <sys/socket.h>

#include <boost/asio/connect.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/ssl/host_name_verification.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/beast/http/write.hpp>
#include <boost/beast/ssl/ssl_stream.hpp>
#include <charconv>
#include <optional>

namespace hutong::http_sink {
namespace {

namespace beast = boost::beast;
namespace http = beast::http;
using boost::system::error_code;
using net::ip::tcp;
using port::Receipt;
using port::Taken;
using Request = http::request<http::string_body>;

constexpr std::size_t answer_header_bytes = 16 * 1024, answer_body_bytes = 1024 * 1024;
constexpr int interim_answers = 5;  // 1xx

std::string words_of(const error_code& error) {
  if (error == beast::error::timeout) return "timeout";
  if (error == http::error::end_of_stream || error == net::error::eof || error == net::error::connection_reset) {
    return "closed without an answer";
  }
  return error.message();
}

std::optional<std::chrono::milliseconds> retry_after(std::string_view header) {
  unsigned seconds = 0;
  const auto [end, failed] = std::from_chars(header.data(), header.data() + header.size(), seconds);
  if (failed != std::errc() || end != header.data() + header.size()) return std::nullopt;  // a date: our own pause
  return std::chrono::seconds(std::min(seconds, 86'400U));
}

Receipt receipt_of(unsigned status, std::string_view wait) {
  std::string answer = std::to_string(status);
  if (status >= 200 && status < 300) return {Taken::delivered, std::move(answer), {}};
  if (status >= 300 && status < 400) return {Taken::unreachable, answer + " (redirects are not followed)", {}};
  switch (status) {
    case 401:
    case 403:
    case 404:
    case 405:
    case 407: return {Taken::unreachable, std::move(answer), {}};  // it is the address or the key, not this event
    case 408:
    case 421:
    case 425:
    case 429: return {Taken::not_now, std::move(answer), retry_after(wait)};
    default: break;
  }
  if (status >= 400 && status < 500) return {Taken::refused, std::move(answer), {}};
  if (status >= 500 && status < 600) return {Taken::not_now, std::move(answer), retry_after(wait)};
  return {Taken::broken, std::move(answer), {}};
}

struct Connection {
  std::unique_ptr<beast::tcp_stream> plain;
  std::unique_ptr<beast::ssl_stream<beast::tcp_stream>> tls;
  beast::flat_buffer buffer{answer_header_bytes + answer_body_bytes};
  bool busy = false, open = false;
  bool ended = false;  // by the other side, before a byte of an answer

  beast::tcp_stream& stream() { return tls ? tls->next_layer() : *plain; }
  void shut() {
    open = false;
    buffer.clear();
    if (tls || plain) {
      error_code ignored;
      stream().socket().close(ignored);
    }
  }
  // The other side closed it while nothing was under way, or said what nobody asked for.
  bool is_stale() {
    char byte = 0;
    const auto got = ::recv(stream().socket().native_handle(), &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    if (got == 0) return true;
    if (got > 0) return !tls;  // TLS keeps the right to say something of its own
    return errno != EAGAIN && errno != EWOULDBLOCK;
  }
};

class RestHookSink final : public port::Sink {
 public:
  RestHookSink(net::any_io_executor executor, RestHookOptions options)
      : executor_(std::move(executor)), options_(std::move(options)) {
    for (std::size_t i = 0; i < std::max<std::size_t>(options_.connections, 1); ++i) {
      connections_.push_back(std::make_unique<Connection>());
    }
    if (options_.target.tls) tls_ = reach::client_tls(options_.files, options_.target.origin());
  }

  std::size_t parallel() const override { return connections_.size(); }

  net::awaitable<Receipt> hand_over(port::Parcel parcel) override {
    Connection* connection = nullptr;
    for (auto& each : connections_) {
      if (!each->busy && (!connection || each->open)) connection = each.get();
    }
    if (closed_ || !connection)
      co_return Receipt{Taken::unreachable, closed_ ? "closed" : "all connections are busy", {}};
    connection->busy = true;
    auto receipt = co_await hand_over(*connection, std::move(parcel));
    connection->busy = false;
    if (closed_) connection->shut();
    co_return receipt;
  }

  void close() override {
    closed_ = true;
    for (auto& connection : connections_) connection->shut();
  }

 private:
  net::awaitable<Receipt> hand_over(Connection& connection, port::Parcel parcel) {
    if (connection.open && connection.is_stale()) connection.shut();
    const bool kept = connection.open;
    const auto request = request_of(std::move(parcel));
    auto receipt = co_await exchange(connection, request);
    // Some receivers close after each answer, a moment after it: the request met that, and is at fault for nothing.
    if (kept && connection.ended && !closed_) {
      auto again = co_await exchange(connection, request);
      if (again.taken != Taken::unreachable) receipt = std::move(again);
    }
    co_return receipt;
  }

  net::awaitable<Receipt> exchange(Connection& connection, const Request& request) {
    connection.ended = false;
    if (!connection.open) {
      if (auto fault = co_await connect(connection); !fault.empty()) {
        connection.shut();
        co_return Receipt{Taken::unreachable, std::move(fault), {}};
      }
    }
    if (connection.tls) co_return co_await exchange(connection, *connection.tls, request);
    co_return co_await exchange(connection, *connection.plain, request);
  }

  // "" where it stands.
  net::awaitable<std::string> connect(Connection& connection) {
    if (auto allowed = options_.guard->check(options_.target); !allowed) co_return allowed.error().message;
    // Once for each connection: what is checked is what is connected to.
    const auto addresses = co_await reach::addresses_of(options_.target.host, options_.resolve);
    if (!addresses) co_return addresses.error().message;
    if (closed_) co_return "closed";
    if (auto allowed = options_.guard->check(*addresses); !allowed) co_return allowed.error().message;
    std::vector<tcp::endpoint> endpoints;
    for (const auto& address : *addresses) endpoints.emplace_back(address, options_.target.port);
    connection.tls.reset();
    connection.plain.reset();
    error_code error;
    if (options_.target.tls) {
      connection.tls = std::make_unique<beast::ssl_stream<beast::tcp_stream>>(executor_, *tls_);
    } else {
      connection.plain = std::make_unique<beast::tcp_stream>(executor_);
    }
    auto& stream = connection.stream();
    stream.expires_after(options_.connect_timeout);
    co_await stream.async_connect(endpoints, net::redirect_error(net::use_awaitable, error));
    if (error) co_return error == beast::error::timeout ? "no connection in time" : error.message();
    stream.socket().set_option(tcp::no_delay(true), error);
    if (connection.tls) {
      if (!reach::is_literal(options_.target.host))
        SSL_set_tlsext_host_name(connection.tls->native_handle(), options_.target.host.c_str());
      connection.tls->set_verify_callback(net::ssl::host_name_verification(options_.target.host));
      stream.expires_after(options_.connect_timeout);
      co_await connection.tls->async_handshake(net::ssl::stream_base::client,
                                               net::redirect_error(net::use_awaitable, error));
      if (error) co_return "TLS: " + error.message();
    }
    connection.open = !closed_;
    co_return closed_ ? "closed" : "";
  }

  Request request_of(port::Parcel parcel) const {
    Request request(http::verb::post, options_.target.path, 11);
    request.set(http::field::host, options_.target.authority());
    request.set(http::field::user_agent, "hutong");
    if (!options_.authorization.empty()) request.set(http::field::authorization, options_.authorization);
    if (!parcel.content_type.empty()) request.set(http::field::content_type, parcel.content_type);
    request.set("Idempotency-Key",
                parcel.version > 1 ? parcel.event_id + ".v" + std::to_string(parcel.version) : parcel.event_id);
    request.set("X-Hutong-Event-Id", parcel.event_id);
    request.set("X-Hutong-Event-Kind", parcel.kind);
    request.set("X-Hutong-Event-Version", std::to_string(parcel.version));
    request.set("X-Hutong-Subscription", parcel.subscription);
    request.set("X-Hutong-Attempt", std::to_string(parcel.attempt));
    if (parcel.replay) request.set("X-Hutong-Replay", "true");
    request.body() = std::move(parcel.body);
    request.prepare_payload();
    return request;
  }

  template <class Stream>
  net::awaitable<Receipt> exchange(Connection& connection, Stream& stream, const Request& request) {
    beast::get_lowest_layer(stream).expires_after(options_.timeout);
    error_code error;
    co_await http::async_write(stream, request, net::redirect_error(net::use_awaitable, error));
    connection.ended = error && error != beast::error::timeout;
    for (int interim = 0; !error; ++interim) {
      http::response_parser<http::string_body> parser;
      parser.header_limit(answer_header_bytes);
      parser.body_limit(boost::none);  // of its length once the status is known
      co_await http::async_read_header(stream, connection.buffer, parser,
                                       net::redirect_error(net::use_awaitable, error));
      if (error) {
        connection.ended = interim == 0 && !parser.got_some() && error != beast::error::timeout;
        break;
      }
      const auto status = parser.get().result_int();
      if (status < 200 && status != 101 && interim < interim_answers) continue;
      auto receipt = receipt_of(status, std::string(parser.get()[http::field::retry_after]));
      // What else it says is nobody's, but without its end nothing can follow.
      const auto length = parser.content_length();
      const bool is_short = parser.is_done() || parser.chunked() || (length && *length <= answer_body_bytes);
      parser.body_limit(answer_body_bytes);
      if (is_short && !parser.is_done()) {
        co_await http::async_read(stream, connection.buffer, parser, net::redirect_error(net::use_awaitable, error));
      }
      if (!is_short || error || !parser.get().keep_alive()) connection.shut();
      co_return receipt;
    }
    connection.shut();
    co_return Receipt{Taken::broken, words_of(error), {}};
  }

  net::any_io_executor executor_;
  RestHookOptions options_;
  std::optional<net::ssl::context> tls_;
  std::vector<std::unique_ptr<Connection>> connections_;
  bool closed_ = false;
};

}  // namespace

std::shared_ptr<port::Sink> rest_hook_sink(net::any_io_executor executor, RestHookOptions options) {
  return std::make_shared<RestHookSink>(std::move(executor), std::move(options));
}

}  // namespace hutong::http_sink
