// Where coroutines are spawned: counted, their errors reported, cancelled and awaited together; never detached.
// Threads: spawn and close from any; a coroutine runs on the executor it was given.
#pragma once

#include <atomic>
#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <exception>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "broker/port/net.h"

namespace hutong::port {

class Scope {
 public:
  using OnError = std::function<void(std::string_view coroutine, std::string_view what)>;
  explicit Scope(OnError on_error) : state_(std::make_shared<State>()) { state_->on_error = std::move(on_error); }

  void spawn(net::any_io_executor executor, std::string_view name, net::awaitable<void> work) {
    state_->running.fetch_add(1);
    net::co_spawn(executor, std::move(work), [state = state_, name = std::string(name)](std::exception_ptr failed) {
      if (failed) {
        try {
          std::rethrow_exception(failed);
        } catch (const std::exception& e) {
          state->on_error(name, e.what());
        } catch (...) {
          state->on_error(name, "unknown exception");
        }
      }
      state->running.fetch_sub(1);
    });
  }

  std::size_t running() const { return state_->running.load(); }

  // Resumes when nothing spawned here runs any more, or after `patience`; true: all ended.
  net::awaitable<bool> drained(std::chrono::milliseconds patience) {
    auto timer = net::steady_timer(co_await net::this_coro::executor);
    const auto until = std::chrono::steady_clock::now() + patience;
    while (running() > 0) {
      if (std::chrono::steady_clock::now() >= until) co_return false;
      timer.expires_after(std::chrono::milliseconds(2));
      co_await timer.async_wait(net::use_awaitable);
    }
    co_return true;
  }

 private:
  struct State {
    std::atomic<std::size_t> running{0};
    OnError on_error;
  };
  std::shared_ptr<State> state_;
};

}  // namespace hutong::port
