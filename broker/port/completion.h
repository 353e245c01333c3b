// The bridge from an implementation's own threads back to the awaiting shard. An operation starts on the caller's
// executor, finishes on any thread, and resumes the caller by one post to its executor. The first finish wins: the
// operation's answer, or the caller's cancellation (a deadline), after which the outcome of an append is unknown.
// Lifetime: the log must be closed before the io_context of a caller that still waits is destroyed.
#pragma once

#include <atomic>
#include <boost/asio/associated_cancellation_slot.hpp>
#include <boost/asio/associated_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <memory>
#include <utility>

#include "broker/base/error.h"
#include "broker/port/net.h"

namespace hutong::port {

template <class T>
class Completion {
 public:
  virtual ~Completion() = default;
  // Any thread; only the first call counts.
  void finish(Result<T> result) {
    if (!finished_.exchange(true, std::memory_order_acq_rel)) resume(std::move(result));
  }

 private:
  virtual void resume(Result<T> result) = 0;
  std::atomic<bool> finished_{false};
};

template <class T, class Handler>
class HandlerCompletion final : public Completion<T>,
                                public std::enable_shared_from_this<HandlerCompletion<T, Handler>> {
 public:
  explicit HandlerCompletion(Handler handler)
      : handler_(std::move(handler)), work_(net::make_work_guard(net::get_associated_executor(handler_))) {}

  // On the caller's executor, before the operation starts.
  void watch_cancellation() {
    auto slot = net::get_associated_cancellation_slot(handler_);
    if (!slot.is_connected()) return;
    slot.assign([weak = this->weak_from_this()](net::cancellation_type) {
      if (auto self = weak.lock()) {
        self->finish(fail(ErrorCode::timeout, "the caller stopped waiting for the log; the outcome is unknown"));
      }
    });
  }

 private:
  void resume(Result<T> result) override {
    // Held until post() has returned: the caller may end its io_context the moment it is resumed.
    const auto work = std::move(work_);
    net::post(work.get_executor(), [self = this->shared_from_this(), result = std::move(result)]() mutable {
      net::get_associated_cancellation_slot(self->handler_).clear();
      Handler handler = std::move(self->handler_);
      self.reset();
      std::move(handler)(std::move(result));
    });
  }

  Handler handler_;
  net::executor_work_guard<net::associated_executor_t<Handler>> work_;
};

// Runs start(shared_ptr<Completion<T>>) on the caller's executor and resumes with what it is finished with. What
// `start` refers to must live in the awaiting coroutine.
template <class T, class Start>
net::awaitable<Result<T>> await_completion(Start start) {
  return net::async_initiate<const net::use_awaitable_t<>, void(Result<T>)>(
      [start = std::move(start)]<class Handler>(Handler&& handler) mutable {
        auto completion = std::make_shared<HandlerCompletion<T, std::decay_t<Handler>>>(std::forward<Handler>(handler));
        completion->watch_cancellation();
        start(std::shared_ptr<Completion<T>>(std::move(completion)));
      },
      net::use_awaitable);
}

}  // namespace hutong::port
