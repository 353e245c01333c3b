// Taking messages, writing them, reading answers. The life of connections is in connection_life.cpp.
#include "adapters/sink/mllp/transmission.h"

#include <algorithm>
#include <boost/asio/buffer.hpp>
#include <cstring>
#include <span>

namespace hutong::mllp_client {
namespace {
constexpr char start_block = 0x0B;
constexpr char end_block = 0x1C;
constexpr std::size_t gather_limit = 64;  // buffers of one write; Asio takes no more
}  // namespace

Connection::Connection(net::any_io_executor executor, std::size_t window)
    : socket(executor), pause(executor), ring(window), received(64 * 1024) {}

Outgoing& Connection::add() {
  Outgoing& entry = at(count++);
  entry.framed.assign(1, start_block);
  entry.answered = entry.sent_before = false;
  entry.send_again = 0;
  return entry;
}

void Connection::forget_answered() {
  while (count > 0 && written > 0 && at(0).answered) {
    head = (head + 1) % ring.size();
    --count;
    --written;
  }
}

std::size_t Connection::in_flight() const {
  std::size_t unanswered = 0;
  for (std::size_t i = 0; i < written; ++i) {
    if (!ring[(head + i) % ring.size()].answered) ++unanswered;
  }
  return unanswered;
}

Transmission::State::State(SendOptions options, MessageSupply& supply)
    : options_(std::move(options)), supply_(supply) {}

bool Transmission::State::taking(Moment now) const {
  if (supply_ended_ || stopping_ || held_back_) return false;
  if (options_.rate <= 0) return true;
  const double seconds = std::chrono::duration<double>(now - started_).count();
  return static_cast<double>(report_.taken) < seconds * options_.rate + 1;
}

MessageSupply::Next Transmission::State::take(Connection& connection, Moment now) {
  Outgoing& entry = connection.add();
  MessageSupply::Label label;
  const auto next = supply_.next(entry.framed, label);
  if (next != MessageSupply::Next::message) {
    --connection.count;
    if (next == MessageSupply::Next::end) supply_ended_ = true;
    return next;
  }
  entry.framed += end_block;
  entry.framed += '\r';
  entry.ticket = label.ticket;
  entry.since = now;
  if (options_.rate > 0) {
    const auto due =
        started_ +
        std::chrono::nanoseconds(static_cast<std::int64_t>(static_cast<double>(report_.taken) / options_.rate * 1e9));
    entry.since = std::min(now, due);
  }
  ++report_.taken;
  if (!label.lane) return next;
  Connection& owner = *connections_[*label.lane % connections_.size()];
  if (&owner == &connection) return next;
  --connection.count;
  if (owner.open && owner.has_room() && owner.waiting.empty()) {
    Outgoing& theirs = owner.add();
    std::swap(theirs, entry);
    flush(owner);
  } else {
    owner.waiting.push_back(std::move(entry));
    if (owner.waiting.size() >= options_.window) held_back_ = true;
  }
  return next;
}

void Transmission::State::fill(Connection& connection, std::size_t budget, Moment now) {
  while (budget-- > 0 && connection.open && connection.has_room()) {
    if (!connection.later.empty() && connection.later.front().not_before <= now) {
      Outgoing message = std::move(connection.later.front());
      connection.later.pop_front();
      connection.add() = std::move(message);
    } else if (!connection.waiting.empty()) {
      Outgoing message = std::move(connection.waiting.front());
      connection.waiting.pop_front();
      connection.add() = std::move(message);
      if (connection.waiting.size() + 1 == options_.window) held_back_ = false;
    } else if (!taking(now) || take(connection, now) != MessageSupply::Next::message) {
      break;
    }
  }
  flush(connection);
}

// With a rate, what is due goes round the connections one by one; without, each takes what it has room for.
void Transmission::State::fill_all(Moment now) {
  for (auto& connection : connections_) {
    const bool paced = options_.rate > 0 && connection->waiting.empty() && connection->later.empty();
    if (!paced) fill(*connection, options_.window, now);
  }
  std::size_t without_room = 0;
  while (options_.rate > 0 && taking(now) && without_room < connections_.size()) {
    Connection& connection = *connections_[rotation_++ % connections_.size()];
    if (connection.open && connection.has_room()) {
      const auto before = report_.taken;
      fill(connection, 1, now);
      without_room = report_.taken == before ? without_room + 1 : 0;
    } else {
      ++without_room;
    }
  }
}

void Transmission::State::flush(Connection& connection) {
  if (connection.blocked || !connection.open) return;
  if (connection.written == 0) connection.last_heard = std::chrono::steady_clock::now();
  std::array<net::const_buffer, gather_limit> buffers;
  while (connection.unsent()) {
    std::size_t used = 0;
    for (std::size_t i = connection.written; i < connection.count && used < gather_limit; ++i) {
      buffers[used++] = net::buffer(connection.at(i).framed);
    }
    buffers[0] += connection.partial;
    boost::system::error_code error;
    std::size_t sent = connection.socket.write_some(std::span<const net::const_buffer>(buffers.data(), used), error);
    if (error == net::error::would_block || error == net::error::try_again) {
      connection.blocked = true;
      spawn(connection.socket.get_executor(), write_when_ready(connection));
      return;
    }
    if (error) return;  // the reader meets the same error and opens anew
    report_.sent_bytes += sent;
    while (sent > 0) {
      Outgoing& entry = connection.at(connection.written);
      const std::size_t rest = entry.framed.size() - connection.partial;
      if (sent < rest) {
        connection.partial += sent;
        break;
      }
      sent -= rest;
      connection.partial = 0;
      ++connection.written;
      ++report_.sent;
      if (entry.sent_before) ++report_.resent;
      entry.sent_before = true;
      if (expects_no_answer(entry.message())) {
        entry.answered = true;
        ++report_.answers[static_cast<std::size_t>(AnswerCode::unasked)];
        Answer unasked;
        unasked.code = AnswerCode::unasked;
        supply_.answered(entry.ticket, unasked);
        connection.forget_answered();
      }
    }
  }
}

void Transmission::State::read_answers(Connection& connection, Moment now) {
  const char* at = connection.received.data();
  const char* end = at + connection.received_size;
  while (at < end) {
    const auto* stop = static_cast<const char*>(std::memchr(at, end_block, static_cast<std::size_t>(end - at)));
    if (!stop) break;
    const auto* start = static_cast<const char*>(std::memchr(at, start_block, static_cast<std::size_t>(stop - at)));
    if (start) {
      settle(connection, parse_answer({start + 1, static_cast<std::size_t>(stop - start - 1)}), now);
      last_answer_ = now;
    }
    at = stop + 1;
  }
  connection.received_size = static_cast<std::size_t>(end - at);
  std::memmove(connection.received.data(), at, connection.received_size);
}

Outgoing* Transmission::State::match(Connection& connection, const Answer& answer) {
  Outgoing* oldest = nullptr;
  Outgoing* nameless = nullptr;
  for (std::size_t i = 0; i < connection.written; ++i) {
    Outgoing& entry = connection.at(i);
    if (entry.answered) continue;
    const auto id = entry.control_id();
    if (!id.empty() && id == answer.control_id) return &entry;
    if (!oldest) oldest = &entry;
    if (!nameless && id.empty()) nameless = &entry;
  }
  if (!answer.control_id.empty()) {
    const auto hash = std::hash<std::string_view>()(answer.control_id);
    const auto& recent = connection.recent;
    if (std::find(recent.begin(), recent.end(), hash) != recent.end()) return nullptr;
  }
  return nameless ? nameless : oldest;
}

void Transmission::State::settle(Connection& connection, const Answer& answer, Moment now) {
  Outgoing* message = match(connection, answer);
  if (!message) {
    ++report_.unmatched;
    return;
  }
  message->answered = true;
  if (answer.send_again && message->send_again < options_.send_again_limit && !stopping_) {
    ++report_.send_again;
    Outgoing again = std::move(*message);
    message->framed.clear();
    again.answered = false;
    again.send_again += 1;
    again.not_before = now + options_.send_again_pause;
    connection.later.push_back(std::move(again));
  } else {
    ++report_.answers[static_cast<std::size_t>(answer.code)];
    report_.latency.add(now - message->since);
    connection.recent[connection.recent_at++ % connection.recent.size()] =
        std::hash<std::string_view>()(message->control_id());
    supply_.answered(message->ticket, answer);
  }
  connection.forget_answered();
}

void Transmission::State::count_unanswered(const Outgoing& message) {
  ++report_.answers[static_cast<std::size_t>(AnswerCode::none)];
  supply_.answered(message.ticket, Answer());
}

}  // namespace hutong::mllp_client
