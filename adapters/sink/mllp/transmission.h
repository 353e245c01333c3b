// The working parts of mllp_client.h; included by this folder only.
#pragma once

#include <array>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "adapters/sink/mllp/mllp_client.h"

namespace hutong::mllp_client {

using Moment = std::chrono::steady_clock::time_point;
using net::ip::tcp;

struct Outgoing {
  std::string framed;  // 0x0B message 0x1C 0x0D; the string is reused
  std::uint64_t ticket = 0;
  Moment since{};           // latency counts from here
  Moment not_before{};      // of a message that is to be sent again
  unsigned send_again = 0;  // answers 207 so far
  bool answered = false;
  bool sent_before = false;
  std::string_view message() const { return std::string_view(framed).substr(1, framed.size() - 3); }
  std::string_view control_id() const {
    return framed.empty() ? std::string_view() : control_id_of(std::string_view(framed).substr(1));
  }
};

// One connection's messages: a ring of `window` entries from the oldest unanswered to the newest, of which the first
// `written` are on the wire.
struct Connection {
  Connection(net::any_io_executor executor, std::size_t window);

  Outgoing& at(std::size_t index) { return ring[(head + index) % ring.size()]; }
  bool has_room() const { return count < ring.size(); }
  Outgoing& add();  // the new last entry; its string keeps its memory
  bool unsent() const { return written < count; }
  void forget_answered();  // frees the answered entries at the ring's beginning
  std::size_t in_flight() const;

  tcp::socket socket;
  net::steady_timer pause;  // between attempts to connect
  std::vector<Outgoing> ring;
  std::size_t head = 0, count = 0, written = 0;
  std::size_t partial = 0;               // bytes of at(written) that are on the wire
  std::deque<Outgoing> waiting;          // of this connection's lanes, taken from the supply by another
  std::deque<Outgoing> later;            // to be sent again (answer 207)
  std::array<std::size_t, 64> recent{};  // hashes of control ids answered last: a second answer is not matched by order
  std::size_t recent_at = 0;
  std::vector<char> received;
  std::size_t received_size = 0;
  bool open = false, connecting = false;
  bool blocked = false;   // the socket takes no more: write_when_ready() waits for it
  bool heard = false;     // something was received since it was opened
  unsigned silences = 0;  // answer timeouts in a row
  Moment opened{}, connect_started{}, last_heard{}, down_since{};
};

class Transmission::State : public std::enable_shared_from_this<Transmission::State> {
 public:
  State(SendOptions options, MessageSupply& supply);
  net::awaitable<SendReport> run();
  void stop();

 private:
  // Taking messages and writing them.
  void fill(Connection& connection, std::size_t budget, Moment now);
  MessageSupply::Next take(Connection& connection, Moment now);
  void flush(Connection& connection);
  void fill_all(Moment now);
  bool taking(Moment now) const;

  // Answers.
  void read_answers(Connection& connection, Moment now);
  void settle(Connection& connection, const Answer& answer, Moment now);
  Outgoing* match(Connection& connection, const Answer& answer);
  void count_unanswered(const Outgoing& message);

  // The life of a connection, and of the whole.
  net::awaitable<void> live(Connection& connection);
  net::awaitable<bool> connect(Connection& connection);
  net::awaitable<void> read_loop(Connection& connection);
  net::awaitable<void> write_when_ready(Connection& connection);
  net::awaitable<void> tick();
  void rewind(Connection& connection);  // after a lost connection: what is unanswered becomes unsent
  bool done() const;                    // nothing is in flight and nothing will be
  void close_all();
  void give_up(std::string why);
  void watch(Moment now);  // deadlines
  void problem(std::string text);
  void tell_trouble(const boost::system::error_code& error);
  std::string peer() const { return options_.host + ":" + std::to_string(options_.port); }
  void spawn(net::any_io_executor executor, net::awaitable<void> work);

  SendOptions options_;
  MessageSupply& supply_;
  SendReport report_;
  std::vector<std::unique_ptr<Connection>> connections_;
  tcp::resolver::results_type endpoints_;
  std::unique_ptr<net::steady_timer> ticker_, all_ended_;
  Moment started_{}, stopped_at_{}, last_answer_{}, last_progress_{};
  std::size_t rotation_ = 0;
  std::size_t running_ = 0;  // coroutines
  std::size_t living_ = 0;   // connections
  bool supply_ended_ = false, stopping_ = false, closing_ = false;
  bool trouble_told_ = false;  // since a connection stood last
  bool held_back_ = false;  // one lane's queue is full: nothing is taken until it moves
};

}  // namespace hutong::mllp_client
