#include "adapters/sink/mllp/mllp_sink.h"

#include <openssl/ssl.h>
#include <sys/socket.h>

#include <boost/asio/connect.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/ssl/host_name_verification.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <optional>
#include <vector>

#include "adapters/sink/mllp/hl7_bytes.h"

namespace hutong::mllp_client {
namespace {

using boost::system::error_code;
using net::ip::tcp;
using port::Receipt;
using port::Taken;

constexpr std::size_t answer_bytes_max = 64 * 1024;
constexpr char start_block = '\x0B', end_block = '\x1C', carriage_return = '\r';

// A socket with or without TLS around it, and the one deadline of what is under way on it.
struct Connection : std::enable_shared_from_this<Connection> {
  explicit Connection(net::any_io_executor executor) : deadline(executor) {}

  tcp::socket& socket() { return tls ? tls->next_layer() : *plain; }
  bool is_made() const { return plain || tls; }
  void shut() {
    open = false;
    received.clear();
    error_code ignored;
    if (is_made()) socket().close(ignored);
  }
  void within(std::chrono::milliseconds time) {
    late = false;
    deadline.expires_after(time);
    deadline.async_wait([weak = weak_from_this(), meant = ++exchange](error_code cancelled) {
      auto self = weak.lock();
      if (cancelled || !self || meant != self->exchange) return;
      self->late = true;
      self->shut();
    });
  }
  void in_time() {
    ++exchange;
    deadline.cancel();
  }
  // The other side closed it while nothing was under way, or said what nobody asked for.
  bool is_stale() {
    char byte = 0;
    auto got = ::recv(socket().native_handle(), &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    while (!tls && got == 1 && byte == carriage_return) {  // the end of the last answer, a little late
      static_cast<void>(::recv(socket().native_handle(), &byte, 1, MSG_DONTWAIT));
      got = ::recv(socket().native_handle(), &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    }
    if (got == 0) return true;
    if (got > 0) return !tls;  // TLS keeps the right to say something of its own
    return errno != EAGAIN && errno != EWOULDBLOCK;
  }

  std::unique_ptr<tcp::socket> plain;
  std::unique_ptr<net::ssl::stream<tcp::socket>> tls;
  net::steady_timer deadline;
  std::uint64_t exchange = 0;  // a deadline of an earlier one is no longer meant
  std::string received;
  bool busy = false, open = false, late = false;
  bool ended = false;  // by the other side, before a byte of an answer
};

Receipt receipt_of(const Answer& answer) {
  std::string words(to_string(answer.code));
  switch (answer.code) {
    case AnswerCode::AA:
    case AnswerCode::CA: return {Taken::delivered, std::move(words), {}};
    case AnswerCode::AE:
    case AnswerCode::CE: return {Taken::refused, std::move(words), {}};
    case AnswerCode::AR:
    case AnswerCode::CR:
      if (answer.send_again) return {Taken::not_now, words + " 207", {}};
      return {Taken::refused, std::move(words), {}};
    default: return {Taken::broken, "an answer without MSA-1", {}};
  }
}

class MllpSink final : public port::Sink {
 public:
  MllpSink(net::any_io_executor executor, MllpSinkOptions options)
      : executor_(std::move(executor)), options_(std::move(options)) {
    for (std::size_t i = 0; i < std::max<std::size_t>(options_.connections, 1); ++i) {
      connections_.push_back(std::make_shared<Connection>(executor_));
    }
    if (options_.tls) tls_ = reach::client_tls(options_.files, options_.host);
  }

  std::size_t parallel() const override { return connections_.size(); }

  net::awaitable<Receipt> hand_over(port::Parcel parcel) override {
    std::shared_ptr<Connection> connection;
    for (auto& each : connections_) {
      if (!each->busy && (!connection || each->open)) connection = each;
    }
    if (closed_ || !connection)
      co_return Receipt{Taken::unreachable, closed_ ? "closed" : "all connections are busy", {}};
    connection->busy = true;
    auto receipt = co_await hand_over(connection, std::move(parcel));
    connection->busy = false;
    connection->in_time();
    if (closed_) connection->shut();
    co_return receipt;
  }

  void close() override {
    closed_ = true;
    for (auto& connection : connections_) {
      connection->in_time();
      connection->shut();
    }
  }

 private:
  net::awaitable<Receipt> hand_over(std::shared_ptr<Connection> connection, port::Parcel parcel) {
    if (connection->open && connection->is_stale()) connection->shut();
    const bool kept = connection->open;
    std::string framed;
    framed.reserve(parcel.body.size() + 3);
    framed.push_back(start_block);
    framed += parcel.body;
    framed.push_back(end_block);
    framed.push_back(carriage_return);
    auto receipt = co_await exchange(*connection, framed, parcel.control_id);
    // Some receivers close after each answer, a moment after it: the message met that, and is at fault for nothing.
    if (kept && connection->ended && !closed_) {
      auto again = co_await exchange(*connection, framed, parcel.control_id);
      if (again.taken != Taken::unreachable) receipt = std::move(again);
    }
    co_return receipt;
  }

  net::awaitable<Receipt> exchange(Connection& connection, const std::string& framed, const std::string& control_id) {
    connection.ended = false;
    if (!connection.open) {
      if (auto fault = co_await connect(connection); !fault.empty()) {
        connection.shut();
        co_return Receipt{Taken::unreachable, std::move(fault), {}};
      }
    }
    connection.within(options_.timeout);
    error_code error;
    if (connection.tls) {
      co_await net::async_write(*connection.tls, net::buffer(framed), net::redirect_error(net::use_awaitable, error));
    } else {
      co_await net::async_write(*connection.plain, net::buffer(framed), net::redirect_error(net::use_awaitable, error));
    }
    if (!error) co_return co_await answer(connection, control_id);
    connection.ended = !connection.late;
    connection.shut();
    co_return Receipt{Taken::broken, connection.late ? "timeout" : "closed without an answer", {}};
  }

  // "" where it stands.
  net::awaitable<std::string> connect(Connection& connection) {
    connection.tls.reset();
    connection.plain.reset();
    const auto found = co_await reach::addresses_of(options_.host, options_.resolve);
    if (!found) co_return found.error().message;
    if (closed_) co_return "closed";
    std::vector<tcp::endpoint> endpoints;
    for (const auto& address : *found) endpoints.emplace_back(address, options_.port);
    connection.within(options_.connect_timeout);
    error_code error;
    if (options_.tls) {
      connection.tls = std::make_unique<net::ssl::stream<tcp::socket>>(executor_, *tls_);
    } else {
      connection.plain = std::make_unique<tcp::socket>(executor_);
    }
    co_await net::async_connect(connection.socket(), endpoints, net::redirect_error(net::use_awaitable, error));
    if (error) co_return connection.late ? "no connection in time" : error.message();
    connection.socket().set_option(tcp::no_delay(true), error);
    connection.socket().set_option(net::socket_base::keep_alive(true), error);
    if (connection.tls) {
      if (!reach::is_literal(options_.host))
        SSL_set_tlsext_host_name(connection.tls->native_handle(), options_.host.c_str());
      connection.tls->set_verify_callback(net::ssl::host_name_verification(options_.host));
      co_await connection.tls->async_handshake(net::ssl::stream_base::client,
                                               net::redirect_error(net::use_awaitable, error));
      if (error) co_return connection.late ? "no TLS in time" : "TLS: " + error.message();
    }
    if (connection.late || closed_) co_return closed_ ? "closed" : "no connection in time";
    connection.received.clear();
    connection.open = true;
    co_return "";
  }

  // The acknowledgement of this message: one of another (late, doubled, the second of enhanced mode) is passed over.
  net::awaitable<Receipt> answer(Connection& connection, const std::string& control_id) {
    auto& received = connection.received;
    std::string fault;
    while (fault.empty()) {
      const auto start = received.find(start_block);
      const auto end = start == std::string::npos ? start : received.find(end_block, start);
      if (end != std::string::npos) {
        const std::string frame = received.substr(start + 1, end - start - 1);
        received.erase(0, received.compare(end + 1, 1, "\r") == 0 ? end + 2 : end + 1);
        const auto said = parse_answer(frame);
        if (said.control_id.empty() || control_id.empty() || said.control_id == control_id) co_return receipt_of(said);
        continue;
      }
      char bytes[4096];
      error_code error;
      std::size_t got = 0;
      if (connection.tls) {
        got = co_await connection.tls->async_read_some(net::buffer(bytes),
                                                       net::redirect_error(net::use_awaitable, error));
      } else {
        got = co_await connection.plain->async_read_some(net::buffer(bytes),
                                                         net::redirect_error(net::use_awaitable, error));
      }
      if (error) {
        connection.ended = !connection.late && received.empty();
        fault = connection.late ? "timeout" : "closed without an answer";
      } else if (received.size() + got > answer_bytes_max) {
        fault = "an answer longer than 64 KiB";
      } else {
        received.append(bytes, got);
      }
    }
    connection.shut();
    co_return Receipt{Taken::broken, std::move(fault), {}};
  }

  net::any_io_executor executor_;
  MllpSinkOptions options_;
  std::optional<net::ssl::context> tls_;
  std::vector<std::shared_ptr<Connection>> connections_;
  bool closed_ = false;
};

}  // namespace

std::shared_ptr<port::Sink> mllp_sink(net::any_io_executor executor, MllpSinkOptions options) {
  return std::make_shared<MllpSink>(std::move(executor), std::move(options));
}

}  // namespace hutong::mllp_client
