// A second thread of the projector's: what only reads the store is done there while the projector works. Started with
// its first task. The destructor waits for what is under way.
#pragma once

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_future.hpp>
#include <chrono>
#include <future>
#include <optional>

#include "broker/base/thread.h"
#include "broker/port/net.h"

namespace hutong::pipeline {

class Aside {
 public:
  // What is done there; the destructor waits for it, too.
  class Task {
   public:
    Task() = default;
    explicit Task(std::future<void> done) : done_(std::move(done)) {}
    Task(Task&&) = default;
    Task& operator=(Task&&) = delete;
    ~Task() {
      if (done_.valid()) done_.wait();
    }
    bool is_done() const {
      return !done_.valid() || done_.wait_for(std::chrono::seconds(0)) == std::future_status::ready;
    }
    // Blocks until it is done; throws what it threw.
    void get() {
      if (done_.valid()) done_.get();
    }

   private:
    std::future<void> done_;
  };
  // From one thread only. What `work` refers to must live as long as the task.
  Task run(net::awaitable<void> work) {
    if (!pool_) {
      net::post(pool_.emplace(1), [] {
        name_this_thread("ahead");
        lower_this_thread();  // views may lag behind a burst, acknowledgements must not
      });
    }
    return Task(net::co_spawn(*pool_, std::move(work), net::use_future));
  }

 private:
  std::optional<net::thread_pool> pool_;
};

}  // namespace hutong::pipeline
