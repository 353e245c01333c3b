// The live feed: one sampler for all subscribers, once a second. Threads: run() on one shard, the rest from any.
// Lifetime: outlives the server's connections; what it is given must outlive it.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "adapters/api/live_sample.h"
#include "broker/access/permit.h"
#include "broker/port/control.h"

namespace hutong::api {

class Live {
 public:
  Live(port::Control& control, port::Metrics& metrics, query::Operations& operations, access::Gate& gate,
       const Clock& clock);
  // Samples until stop().
  net::awaitable<void> run();
  void stop() { stopping_ = true; }
  net::awaitable<void> sample();

  // The newest document; "" before the first sample. The first one that a subscriber gets carries the last five
  // minutes.
  std::string document(bool with_past) const;
  std::uint64_t number() const { return number_; }
  // What has happened behind `seen`, as server-sent events of their own names; `seen` moves on. Of many the newest.
  std::string news(std::uint64_t& seen) const;
  std::uint64_t newest() const;

  // A subscriber's place; nullptr: limits::live_subscribers are taken.
  std::shared_ptr<void> subscribe();

 private:
  port::Control& control_;
  port::Metrics& metrics_;
  query::Operations& operations_;
  access::Gate& gate_;
  const Clock& clock_;
  port::Histogram& acknowledgements_;
  std::optional<access::Permit> permit_;  // the sampler's own, audited once
  LiveWindow window_;                     // of run() alone
  std::atomic<bool> stopping_{false};
  std::atomic<std::uint64_t> number_{0};
  std::shared_ptr<std::atomic<std::size_t>> subscribers_ = std::make_shared<std::atomic<std::size_t>>(0);
  mutable std::mutex mutex_;
  std::string document_;
  std::deque<double> past_;
  std::optional<port::Offset> next_;  // of run() alone: where the topic operations is read on
  std::deque<std::string> news_;
  std::uint64_t told_ = 0;  // how many there were, the last of them at the end of news_
};

}  // namespace hutong::api
