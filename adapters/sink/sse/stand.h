// The meeting place of one subscription's sink and whoever is connected for it; of event_desk.cpp only.
// Threads: any. Lifetime: shared by the desk, the sink and the connection.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <deque>
#include <list>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "broker/port/completion.h"
#include "broker/port/event_streams.h"
#include "broker/port/sink.h"

namespace hutong::sse {

// What is to be written to one connection.
class Line {
 public:
  // false: its client reads too slowly, what is here is all that it gets.
  bool push(std::string text);
  void end();  // after what is there
  net::awaitable<std::optional<std::string>> next();

 private:
  void wake();  // with mutex_ held
  std::mutex mutex_;
  std::string text_;
  bool ended_ = false;
  net::any_io_executor executor_;  // of whoever waits in next()
  std::weak_ptr<net::steady_timer> waiting_;
  unsigned quiet_ = 0;  // how often in a row there was nothing; next()'s own
};

class Stand : public std::enable_shared_from_this<Stand> {
 public:
  using Answer = std::shared_ptr<port::Completion<port::Receipt>>;
  // An event, and whether it comes as a replay: then it is another delivery.
  using Key = std::pair<std::string, bool>;

  // --- the sink's ---
  void open();
  void shut();  // what waits is perhaps taken
  void take(const Key& key, std::string text, const Answer& answer);
  void too_late(const Key& key, const Answer& answer);  // nobody came, or did not acknowledge it
  void forget(const Key& key, const Answer& answer);    // it has its receipt

  // --- the client's ---
  Result<std::shared_ptr<port::EventStream>> connect(const std::string& last_event);
  std::size_t acknowledge(const std::vector<std::string>& events);
  void left(const std::shared_ptr<Line>& line);

 private:
  struct Waiting {
    Key key;
    std::string text;
    Answer answer;
    bool sent = false;  // to some connection
  };
  void send(Waiting& waiting);
  std::size_t settle(const std::string& event);

  std::mutex mutex_;
  bool open_ = false;
  std::shared_ptr<Line> line_;
  bool absence_told_ = false;  // that nobody is connected; then events wait for somebody
  std::list<Waiting> waiting_;
  std::set<Key> late_;          // sent, given back for want of an acknowledgement: they come again
  std::set<Key> acknowledged_;  // of these
};

}  // namespace hutong::sse
