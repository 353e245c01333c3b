#include "adapters/sink/sse/stand.h"

#include <algorithm>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "broker/base/limits.h"

namespace hutong::sse {
namespace {

using port::Receipt;
using port::Taken;

constexpr std::size_t unread_bytes_max = 4 * limits::message_bytes;
constexpr std::chrono::seconds moment{1};
constexpr unsigned moments_of_silence = 15;  // then a comment is written: a peer that has gone is noticed

constexpr std::string_view reconnect_soon = "retry: 1000\n\n", keep_alive = ":\n\n",
                           replaced = "event: replaced\ndata: another connection took over\n\n";

Receipt nobody() {
  return {Taken::unreachable, "nobody is connected", std::chrono::milliseconds(0)};
}

}  // namespace

// --- Line ---

bool Line::push(std::string text) {
  const std::lock_guard lock(mutex_);
  if (ended_) return false;
  if (text_.size() + text.size() > unread_bytes_max && !text_.empty()) {
    ended_ = true;
    wake();
    return false;
  }
  text_ += text;
  wake();
  return true;
}

void Line::end() {
  const std::lock_guard lock(mutex_);
  ended_ = true;
  wake();
}

void Line::wake() {
  if (waiting_.expired()) return;
  net::post(executor_, [waiting = waiting_] {
    if (auto timer = waiting.lock()) timer->cancel();
  });
}

net::awaitable<std::optional<std::string>> Line::next() {
  const auto executor = co_await net::this_coro::executor;
  const auto timer = std::make_shared<net::steady_timer>(executor, moment);
  {
    const std::lock_guard lock(mutex_);
    quiet_ = text_.empty() ? quiet_ + 1 : 0;
    if (!text_.empty()) co_return std::exchange(text_, {});
    if (ended_) co_return std::nullopt;
    if (quiet_ > moments_of_silence) {
      quiet_ = 0;
      co_return std::string(keep_alive);
    }
    executor_ = executor;
    waiting_ = timer;
  }
  boost::system::error_code cancelled;
  co_await timer->async_wait(net::redirect_error(net::use_awaitable, cancelled));
  co_return "";
}

// --- Stand, the sink's side ---

void Stand::open() {
  const std::lock_guard lock(mutex_);
  open_ = true;
}

void Stand::shut() {
  const std::lock_guard lock(mutex_);
  open_ = false;
  for (const auto& waiting : waiting_)
    waiting.answer->finish(Receipt{waiting.sent ? Taken::broken : Taken::unreachable, "closed", {}});
  // Who delivers next writes them again: what it has written then is what an acknowledgement is of.
  waiting_.clear();
  late_.clear();
  acknowledged_.clear();
  absence_told_ = false;
  if (line_) line_->end();
  line_.reset();
}

void Stand::take(const Key& key, std::string text, const Answer& answer) {
  const std::lock_guard lock(mutex_);
  late_.erase(key);
  if (!open_) return answer->finish(Receipt{Taken::unreachable, "closed", {}});
  if (acknowledged_.erase(key) > 0) return answer->finish(Receipt{Taken::delivered, "acknowledged", {}});
  if (!line_ && !std::exchange(absence_told_, true)) return answer->finish(nobody());
  waiting_.push_back({key, std::move(text), answer});
  send(waiting_.back());
}

void Stand::send(Waiting& waiting) {
  if (!line_) return;
  if (line_->push(waiting.text)) {
    waiting.sent = true;
  } else {
    line_.reset();  // it reads too slowly, and gets the rest when it comes again
  }
}

void Stand::too_late(const Key& key, const Answer& answer) {
  const std::lock_guard lock(mutex_);
  const bool sent = std::any_of(waiting_.begin(), waiting_.end(), [&](const auto& waiting) {
    return waiting.key == key && waiting.answer == answer && waiting.sent;
  });
  if (!sent) return answer->finish(nobody());
  late_.insert(key);
  answer->finish(Receipt{Taken::broken, "no acknowledgement", {}});
}

void Stand::forget(const Key& key, const Answer& answer) {
  const std::lock_guard lock(mutex_);
  waiting_.remove_if([&](const auto& waiting) { return waiting.key == key && waiting.answer == answer; });
}

// --- Stand, the client's side ---

namespace {

// What the server holds of a connection.
class Connection final : public port::EventStream {
 public:
  Connection(std::shared_ptr<Stand> stand, std::shared_ptr<Line> line)
      : stand_(std::move(stand)), line_(std::move(line)) {}
  ~Connection() override { stand_->left(line_); }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;
  net::awaitable<std::optional<std::string>> next() override { return line_->next(); }

 private:
  std::shared_ptr<Stand> stand_;
  std::shared_ptr<Line> line_;
};

}  // namespace

Result<std::shared_ptr<port::EventStream>> Stand::connect(const std::string& last_event) {
  const std::lock_guard lock(mutex_);
  if (!open_) {
    return fail(ErrorCode::unavailable,
                "this broker does not deliver at present: connect to the one that does, or again in a moment");
  }
  if (line_) {
    line_->push(std::string(replaced));
    line_->end();
  }
  if (!last_event.empty()) settle(last_event);
  line_ = std::make_shared<Line>();
  auto connection = std::make_shared<Connection>(shared_from_this(), line_);
  line_->push(std::string(reconnect_soon));
  absence_told_ = false;
  for (auto& waiting : waiting_) send(waiting);
  return connection;
}

std::size_t Stand::acknowledge(const std::vector<std::string>& events) {
  const std::lock_guard lock(mutex_);
  std::size_t count = 0;
  for (const auto& event : events) count += settle(event);
  return count;
}

// Exactly this event, never those before it: what was written before it to the same connection may have been lost with
// that, and this one may be known from an earlier one.
std::size_t Stand::settle(const std::string& event) {
  std::size_t count = 0;
  for (auto waiting = waiting_.begin(); waiting != waiting_.end();) {
    if (waiting->key.first != event || !waiting->sent) {
      ++waiting;
      continue;
    }
    waiting->answer->finish(Receipt{Taken::delivered, "acknowledged", {}});
    waiting = waiting_.erase(waiting);
    ++count;
  }
  for (const bool replay : {false, true}) {
    if (late_.erase({event, replay}) == 0) continue;
    acknowledged_.insert({event, replay});
    ++count;
  }
  return count;
}

void Stand::left(const std::shared_ptr<Line>& line) {
  const std::lock_guard lock(mutex_);
  if (line_ == line) line_.reset();
}

}  // namespace hutong::sse
