#include "adapters/api/live.h"

#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "broker/base/limits.h"

namespace hutong::api {
namespace {

constexpr std::chrono::seconds every{1};
constexpr std::size_t news_kept = 1'000;

}  // namespace

Live::Live(port::Control& control, port::Metrics& metrics, query::Operations& operations, access::Gate& gate,
           const Clock& clock)
    : control_(control),
      metrics_(metrics),
      operations_(operations),
      gate_(gate),
      clock_(clock),
      acknowledgements_(
          metrics.histogram("hutong_ack_seconds", "From a message's last byte to its acknowledgement written.")) {}

net::awaitable<void> Live::run() {
  net::steady_timer timer(co_await net::this_coro::executor);
  auto next = std::chrono::steady_clock::now();
  while (!stopping_) {
    co_await sample();
    // A sample that took long is followed by a pause all the same.
    next = std::max(next + every, std::chrono::steady_clock::now() + every / 4);
    timer.expires_at(next);
    co_await timer.async_wait(net::use_awaitable);
  }
}

net::awaitable<void> Live::sample() {
  if (!permit_) {
    access::Principal self{"hutong", {"hutong/operate"}, ""};
    access::Demand demand{access::Action::operate, "feeds", "", "", "live page", "self"};
    auto permit = co_await gate_.decide(std::move(self), std::move(demand));
    if (permit) permit_ = std::move(*permit);
  }
  std::vector<query::Feed> feeds;
  if (permit_) {
    auto found = co_await operations_.feeds(*permit_);
    if (found) feeds = std::move(*found);
  }
  const auto answered = [&](const char* answer) { return metrics_.sum("hutong_messages_total", {{"answer", answer}}); };
  Counted counted;
  counted.at = clock_.ticks();
  counted.accepted = answered("accepted");
  counted.duplicate = answered("duplicate");
  counted.rejected = answered("content_rejected") + answered("header_rejected");
  counted.try_again = answered("try_again");
  counted.bytes = metrics_.sum("hutong_message_bytes_total");
  counted.acknowledgements = acknowledgements_.view();
  const LiveRates rates = window_.add(std::move(counted));
  const Timestamp now = clock_.now();
  std::vector<FeedRate> feed_rates;
  for (const auto& feed : feeds) feed_rates.push_back(window_.feed(feed, now));
  auto status = control_.status();
  status.now = now;
  std::string document = write_live(status, rates, feeds, feed_rates, {});
  query::Happenings happenings;
  if (permit_) {
    auto found = co_await operations_.happenings(*permit_, next_);
    if (found) {
      happenings = std::move(*found);
      next_ = happenings.next;
    }
  }
  const std::lock_guard lock(mutex_);
  for (const auto& each : happenings.found) {
    news_.push_back("event: " + each.kind + "\ndata: " + each.json + "\n\n");
    ++told_;
    if (news_.size() > news_kept) news_.pop_front();
  }
  document_ = std::move(document);
  past_ = window_.history();
  ++number_;
}

std::string Live::document(bool with_past) const {
  const std::lock_guard lock(mutex_);
  return with_past && !document_.empty() ? with_history(document_, past_) : document_;
}

std::string Live::news(std::uint64_t& seen) const {
  const std::lock_guard lock(mutex_);
  std::string events;
  const std::uint64_t first = told_ - news_.size();  // that is kept
  for (auto at = std::max(seen, first); at < told_; ++at) events += news_[at - first];
  seen = told_;
  return events;
}

std::uint64_t Live::newest() const {
  const std::lock_guard lock(mutex_);
  return told_;
}

std::shared_ptr<void> Live::subscribe() {
  if (subscribers_->fetch_add(1) >= limits::live_subscribers) {
    subscribers_->fetch_sub(1);
    return nullptr;
  }
  return {subscribers_.get(), [held = subscribers_](void*) { held->fetch_sub(1); }};
}

}  // namespace hutong::api
