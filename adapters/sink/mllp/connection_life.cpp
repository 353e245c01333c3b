// Opening, losing and closing connections, and the clock of a transmission.
#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/connect.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <exception>

#include "adapters/sink/mllp/transmission.h"

namespace hutong::mllp_client {
namespace {
using std::chrono::milliseconds;
constexpr milliseconds first_pause{20}, longest_pause{1'000};
constexpr milliseconds proven{1'000};  // open for so long: the peer is there, the next loss is a new one
constexpr milliseconds slowest_tick{20}, fastest_tick{1};
constexpr unsigned silences_allowed = 2;
constexpr std::size_t problems_kept = 10;

net::awaitable<boost::system::error_code> wait(net::steady_timer& timer, milliseconds duration) {
  boost::system::error_code error;
  timer.expires_after(duration);
  co_await timer.async_wait(net::redirect_error(net::use_awaitable, error));
  co_return error;
}
}  // namespace

void Transmission::State::spawn(net::any_io_executor executor, net::awaitable<void> work) {
  ++running_;
  net::co_spawn(executor, std::move(work), [self = shared_from_this()](std::exception_ptr failed) {
    if (failed) {
      try {
        std::rethrow_exception(failed);
      } catch (const std::exception& e) {
        self->give_up(e.what());
      }
    }
    if (--self->running_ == 0) self->all_ended_->cancel();
  });
}

net::awaitable<SendReport> Transmission::State::run() {
  const auto self = shared_from_this();
  auto executor = co_await net::this_coro::executor;
  tcp::resolver resolver(executor);
  boost::system::error_code error;
  endpoints_ = co_await resolver.async_resolve(options_.host, std::to_string(options_.port),
                                               net::redirect_error(net::use_awaitable, error));
  started_ = std::chrono::steady_clock::now();
  last_progress_ = last_answer_ = started_;
  if (error) {
    problem("cannot resolve the host " + options_.host + ": " + error.message());
    co_return report_;
  }
  ticker_ = std::make_unique<net::steady_timer>(executor);
  all_ended_ = std::make_unique<net::steady_timer>(executor);
  for (std::size_t i = 0; i < options_.connections; ++i) {
    connections_.push_back(std::make_unique<Connection>(executor, options_.window));
    connections_.back()->down_since = started_;
  }
  living_ = connections_.size();
  spawn(executor, tick());
  for (auto& connection : connections_) spawn(executor, live(*connection));
  while (running_ > 0) {
    all_ended_->expires_at(Moment::max());
    co_await all_ended_->async_wait(net::redirect_error(net::use_awaitable, error));
  }
  for (auto& connection : connections_) {
    for (std::size_t i = 0; i < connection->count; ++i) {
      if (!connection->at(i).answered) count_unanswered(connection->at(i));
    }
    for (const Outgoing& message : connection->waiting) count_unanswered(message);
    for (const Outgoing& message : connection->later) count_unanswered(message);
  }
  if (const auto none = report_.count(AnswerCode::none)) {
    problem(std::to_string(none) + " messages were not answered; send them again, a resend changes nothing");
  }
  report_.elapsed = (report_.answered() ? last_answer_ : std::chrono::steady_clock::now()) - started_;
  if (options_.progress) options_.progress(report_);
  co_return report_;
}

void Transmission::State::stop() {
  if (stopping_) return;
  stopping_ = true;
  stopped_at_ = std::chrono::steady_clock::now();
}

net::awaitable<void> Transmission::State::live(Connection& connection) {
  while (!closing_ && co_await connect(connection)) {
    fill(connection, options_.window, std::chrono::steady_clock::now());
    co_await read_loop(connection);
    connection.open = false;
    boost::system::error_code ignored;
    connection.socket.close(ignored);
    if (closing_) break;
    const auto now = std::chrono::steady_clock::now();
    if (connection.heard || now - connection.opened > proven) connection.down_since = now;
    rewind(connection);
    if (done()) break;
    ++report_.reconnects;
  }
  if (--living_ == 0 || done()) close_all();
}

net::awaitable<bool> Transmission::State::connect(Connection& connection) {
  auto pause = first_pause;
  // A peer that was there a moment ago is asked at once, one that closed without a word after a pause.
  if (connection.opened != Moment() && !connection.heard) co_await wait(connection.pause, pause * 5);
  while (!closing_) {
    boost::system::error_code error;
    connection.socket = tcp::socket(co_await net::this_coro::executor);
    connection.connecting = true;
    connection.connect_started = std::chrono::steady_clock::now();
    co_await net::async_connect(connection.socket, endpoints_, net::redirect_error(net::use_awaitable, error));
    connection.connecting = false;
    if (closing_) break;
    const auto now = std::chrono::steady_clock::now();
    if (!error) connection.socket.set_option(tcp::no_delay(true), error);
    if (!error) connection.socket.non_blocking(true, error);
    if (!error && now - connection.down_since <= options_.give_up_after) {
      connection.open = true;
      trouble_told_ = false;
      connection.opened = connection.last_heard = now;
      connection.heard = connection.blocked = false;
      connection.received_size = 0;
      co_return true;
    }
    if (now - connection.down_since > options_.give_up_after) {
      give_up(error ? "cannot connect to " + peer() + ": " + error.message() + "; is the broker running?"
                    : peer() + " closes every connection without an answer; does it speak MLLP?");
      break;
    }
    if (error) tell_trouble(error);
    co_await wait(connection.pause, pause);
    pause = std::min(pause * 2, longest_pause);
  }
  co_return false;
}

net::awaitable<void> Transmission::State::read_loop(Connection& connection) {
  while (!closing_) {
    if (connection.received_size == connection.received.size()) {
      give_up("an acknowledgement is longer than 64 KiB; does the peer speak MLLP?");
      co_return;
    }
    boost::system::error_code error;
    const auto space = net::buffer(connection.received.data() + connection.received_size,
                                   connection.received.size() - connection.received_size);
    const std::size_t count =
        co_await connection.socket.async_read_some(space, net::redirect_error(net::use_awaitable, error));
    if (error) co_return;
    const auto now = std::chrono::steady_clock::now();
    connection.last_heard = now;
    connection.heard = true;
    connection.silences = 0;
    connection.received_size += count;
    read_answers(connection, now);
    fill(connection, options_.window, now);
    if ((supply_ended_ || stopping_) && done()) close_all();
  }
}

net::awaitable<void> Transmission::State::write_when_ready(Connection& connection) {
  boost::system::error_code error;
  co_await connection.socket.async_wait(tcp::socket::wait_write, net::redirect_error(net::use_awaitable, error));
  if (error || !connection.open) co_return;
  connection.blocked = false;
  flush(connection);
}

void Transmission::State::rewind(Connection& connection) {
  std::vector<Outgoing> kept(options_.window);
  std::size_t count = 0;
  for (std::size_t i = 0; i < connection.count; ++i) {
    Outgoing& entry = connection.at(i);
    if (entry.answered) continue;
    const bool touched = i < connection.written || (i == connection.written && connection.partial > 0);
    if (touched && !options_.resend_unanswered) {
      count_unanswered(entry);
    } else {
      kept[count++] = std::move(entry);
    }
  }
  connection.ring = std::move(kept);
  connection.head = connection.written = connection.partial = 0;
  connection.count = count;
}

net::awaitable<void> Transmission::State::tick() {
  auto interval = slowest_tick;
  if (options_.rate > 0) {
    interval = std::clamp(milliseconds(static_cast<std::int64_t>(1000 / options_.rate)), fastest_tick, slowest_tick);
  }
  while (!closing_) {
    co_await wait(*ticker_, interval);
    const auto now = std::chrono::steady_clock::now();
    watch(now);
    if (closing_) break;
    fill_all(now);
    if (done()) close_all();
    if (options_.progress && now - last_progress_ >= options_.progress_interval) {
      last_progress_ = now;
      report_.elapsed = now - started_;
      options_.progress(report_);
    }
  }
}

void Transmission::State::watch(Moment now) {
  boost::system::error_code ignored;
  if (options_.run_for && now - started_ >= *options_.run_for) stop();
  if (stopping_ && now - stopped_at_ > options_.drain_timeout) close_all();
  for (auto& connection : connections_) {
    if (connection->connecting && now - connection->connect_started > options_.connect_timeout) {
      connection->socket.close(ignored);
    }
    if (connection->open && now - connection->last_heard > options_.answer_timeout && connection->in_flight() > 0) {
      if (++connection->silences >= silences_allowed) {
        give_up(peer() + " takes messages and answers none");
      } else {
        connection->socket.close(ignored);
      }
    }
  }
}

bool Transmission::State::done() const {
  if (!supply_ended_ && !stopping_) return false;
  return std::all_of(connections_.begin(), connections_.end(), [](const auto& connection) {
    return connection->count == 0 && connection->waiting.empty() && connection->later.empty();
  });
}

void Transmission::State::close_all() {
  closing_ = true;
  boost::system::error_code ignored;
  for (auto& connection : connections_) {
    connection->socket.close(ignored);
    connection->pause.cancel();
  }
  ticker_->cancel();
}

void Transmission::State::give_up(std::string why) {
  problem(std::move(why));
  close_all();
}

void Transmission::State::tell_trouble(const boost::system::error_code& error) {
  if (!options_.trouble || trouble_told_) return;
  trouble_told_ = true;
  const auto seconds = std::chrono::ceil<std::chrono::seconds>(options_.give_up_after).count();
  options_.trouble(peer() +
                   (error == net::error::connection_refused ? std::string(" refused the connection")
                                                            : " cannot be reached (" + error.message() + ")") +
                   ", trying again for " + std::to_string(seconds) + " s");
}

void Transmission::State::problem(std::string text) {
  const auto same = std::find(report_.problems.begin(), report_.problems.end(), text);
  if (same == report_.problems.end() && report_.problems.size() < problems_kept) {
    report_.problems.push_back(std::move(text));
  }
}

}  // namespace hutong::mllp_client
