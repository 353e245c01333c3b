#include "adapters/sink/reach/names.h"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <map>
#include <memory>
#include <mutex>
#include <optional>

namespace hutong::reach {
namespace {

using boost::system::error_code;
using net::ip::tcp;

// One suspended caller: dies with its coroutine, and then nobody is told.
struct Waiter {
  explicit Waiter(const net::any_io_executor& executor) : timer(executor) {}
  static void answer(const std::weak_ptr<Waiter>& weak, const Result<Addresses>& found) {
    auto waiter = weak.lock();
    if (!waiter) return;
    const auto work = net::make_work_guard(waiter->timer.get_executor());  // until post() has returned
    net::post(work.get_executor(), [waiter = std::move(waiter), found] {
      waiter->found = found;
      waiter->timer.cancel();
    });
  }
  net::steady_timer timer;
  std::optional<Result<Addresses>> found;
};

class LookUps {
 public:
  LookUps(LookUp look_up, std::size_t threads) : look_up_(std::move(look_up)), pool_(threads) {}

  void ask(const std::string& host, std::weak_ptr<Waiter> waiter) {
    {
      const std::lock_guard lock(mutex_);
      auto [asked, first] = asked_.try_emplace(host);
      asked->second.push_back(std::move(waiter));
      if (!first) return;
    }
    net::post(pool_, [this, host] {  // the pool's threads end before this does
      const auto found = look_up_(host);
      std::vector<std::weak_ptr<Waiter>> waiting;
      {
        const std::lock_guard lock(mutex_);
        waiting = std::move(asked_.extract(host).mapped());
      }
      for (const auto& each : waiting) Waiter::answer(each, found);
    });
  }

 private:
  LookUp look_up_;
  std::mutex mutex_;
  std::map<std::string, std::vector<std::weak_ptr<Waiter>>> asked_;
  net::thread_pool pool_;
};

Result<Addresses> ask_the_system(const std::string& host) {
  net::io_context context;
  tcp::resolver resolver(context);
  error_code error;
  const auto found = resolver.resolve(host, "", error);
  if (error) return fail(ErrorCode::unavailable, "the name cannot be resolved: " + error.message());
  Addresses addresses;
  for (const auto& entry : found) addresses.push_back(entry.endpoint().address());
  return addresses;
}

net::awaitable<Result<Addresses>> wait_for(std::shared_ptr<LookUps> look_ups, std::string host,
                                           std::chrono::milliseconds patience) {
  const auto waiter = std::make_shared<Waiter>(co_await net::this_coro::executor);
  waiter->timer.expires_after(patience);
  look_ups->ask(host, waiter);
  co_await waiter->timer.async_wait(net::as_tuple(net::use_awaitable));
  if (!waiter->found) co_return fail(ErrorCode::unavailable, "the name was not resolved in time");
  co_return std::move(*waiter->found);
}

}  // namespace

Resolve resolver(LookUp look_up, std::size_t threads, std::chrono::milliseconds patience) {
  return [look_ups = std::make_shared<LookUps>(std::move(look_up), threads), patience](std::string host) {
    return wait_for(look_ups, std::move(host), patience);
  };
}

Resolve system_resolver() {
  static const Resolve one = resolver(ask_the_system, 8, std::chrono::seconds(5));
  return one;
}

bool is_literal(const std::string& host) {
  error_code failed;
  static_cast<void>(net::ip::make_address(host, failed));
  return !failed;
}

net::awaitable<Result<Addresses>> addresses_of(std::string host, Resolve resolve) {
  error_code failed;
  const auto literal = net::ip::make_address(host, failed);
  if (!failed) co_return Addresses{literal};
  co_return co_await resolve(std::move(host));
}

}  // namespace hutong::reach
