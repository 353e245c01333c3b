// The safety net of mutual recognition: orders that came as messages, without their doctor having been told. Each new
// one waits in the store as a pending row, written together with it; here it is judged as of when it came, and the
// answer (recognition.decided, door "order") is appended. Meeting the answer in the log deletes the row, so each order
// is answered once, whatever is killed when, and a rebuild makes none twice. The message itself was accepted long
// before.
//
// An order is judged only once the views show what was told before it came, and who its patient is: the topic
// operations is read up to its end, and no decision about identity is pending.
//
// Threads: run() and judge() on one executor, best a thread of its own: an order costs what a check costs, and neither
// acknowledgements nor the projector are to wait for it. Lifetime: store, log and recognition must outlive it.
#pragma once

#include <atomic>
#include <functional>
#include <string_view>

#include "broker/port/log.h"
#include "broker/query/recognition.h"

namespace hutong::query {

class PlacedOrders {
 public:
  // `ours`: this broker's projector writes the views; another's sees to the orders otherwise.
  PlacedOrders(port::Store& store, port::Log& log, Recognition& recognition, std::function<bool()> ours)
      : store_(store), log_(log), recognition_(recognition), ours_(std::move(ours)) {}

  // Judges what waits and may be judged by now; how many. Errors: those of the store and the log.
  net::awaitable<Result<std::size_t>> judge();
  // Until stop(). `on_trouble`: in words for an operator when it is stopped by something, "" when it goes on again.
  net::awaitable<void> run(std::function<void(std::string_view)> on_trouble);
  void stop() { stopping_ = true; }

 private:
  net::awaitable<Result<bool>> may_judge();

  port::Store& store_;
  port::Log& log_;
  Recognition& recognition_;
  std::function<bool()> ours_;
  std::atomic<bool> stopping_{false};
};

}  // namespace hutong::query
