#include "adapters/sink/sse/event_desk.h"

#include <algorithm>
#include <boost/asio/steady_timer.hpp>

#include "adapters/sink/sse/stand.h"

namespace hutong::sse {
namespace {

using port::Receipt;
using port::Taken;

class SseSink final : public port::Sink {
 public:
  SseSink(net::any_io_executor executor, std::shared_ptr<Stand> stand, std::size_t parallel,
          std::chrono::milliseconds timeout)
      : executor_(std::move(executor)), stand_(std::move(stand)), parallel_(parallel), timeout_(timeout) {
    stand_->open();
  }
  ~SseSink() override { SseSink::close(); }
  SseSink(const SseSink&) = delete;
  SseSink& operator=(const SseSink&) = delete;

  std::size_t parallel() const override { return parallel_; }

  net::awaitable<Receipt> hand_over(port::Parcel parcel) override {
    if (closed_) co_return Receipt{Taken::unreachable, "closed", {}};
    const Stand::Key key{parcel.event_id, parcel.replay};
    net::steady_timer deadline(executor_, timeout_);
    Stand::Answer under_way;
    auto receipt = co_await port::await_completion<Receipt>([&](const Stand::Answer& answer) {
      under_way = answer;
      deadline.async_wait([stand = stand_, key, answer](boost::system::error_code cancelled) {
        if (!cancelled) stand->too_late(key, answer);
      });
      stand_->take(key, event_text(parcel), answer);
    });
    stand_->forget(key, under_way);
    if (!receipt) co_return Receipt{Taken::broken, receipt.error().message, {}};
    co_return std::move(*receipt);
  }

  void close() override {
    if (!std::exchange(closed_, true)) stand_->shut();
  }

 private:
  net::any_io_executor executor_;
  std::shared_ptr<Stand> stand_;
  std::size_t parallel_;
  std::chrono::milliseconds timeout_;
  bool closed_ = false;
};

}  // namespace

std::string event_text(const port::Parcel& parcel) {
  std::string text = "id: " + parcel.event_id + "\nevent: " + parcel.kind + "\n";
  text.reserve(text.size() + parcel.body.size() + 64);
  std::string_view rest = parcel.body;
  do {  // without any "data" a browser would not tell of the event
    const auto end = rest.find_first_of("\r\n");
    text.append("data: ").append(rest.substr(0, end)).append("\n");
    rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
  } while (!rest.empty());
  return text += "\n";
}

std::vector<std::string> resources_of(const std::vector<std::string>& kinds) {
  static const std::pair<std::string_view, std::string_view> about[] = {
      {"result.", "DiagnosticReport"}, {"result.", "Observation"},  {"exam.", "DiagnosticReport"},
      {"order.", "ServiceRequest"},    {"encounter.", "Encounter"}, {"referral.", "Task"},
      {"critical", "Observation"}};
  std::vector<std::string> all{"Patient"};
  for (const auto& [family, type] : about) {
    const bool told = kinds.empty() || std::any_of(kinds.begin(), kinds.end(), [family = family](const auto& kind) {
                        return kind.starts_with(family);
                      });
    if (told && std::find(all.begin(), all.end(), type) == all.end()) all.emplace_back(type);
  }
  return all;
}

std::shared_ptr<Stand> EventDesk::stand(const std::string& subscription) {
  const std::lock_guard lock(mutex_);
  auto& stand = stands_[subscription];
  if (!stand) stand = std::make_shared<Stand>();
  return stand;
}

std::shared_ptr<port::Sink> EventDesk::sink(net::any_io_executor executor, const model::Subscription& subscription) {
  return std::make_shared<SseSink>(std::move(executor), stand(subscription.name), subscription.connections,
                                   subscription.timeout);
}

void EventDesk::stop() {
  const std::lock_guard lock(mutex_);
  for (const auto& [name, stand] : stands_) stand->shut();
}

Result<model::Subscription> EventDesk::declared(const std::string& subscription, const std::string& client) const {
  const auto all = declared_();
  const auto found = std::find_if(all->begin(), all->end(), [&](const auto& one) {
    return one.name == subscription && one.sink == model::SinkKind::sse;
  });
  if (found == all->end()) return fail(ErrorCode::not_found, "no subscription of this name has sink = \"sse\"");
  if (found->target != client) return fail(ErrorCode::forbidden, "this subscription is another client's");
  return *found;
}

Result<std::vector<std::string>> EventDesk::resources(const std::string& subscription,
                                                      const std::string& client) const {
  auto found = declared(subscription, client);
  if (!found) return tl::unexpected(found.error());
  return resources_of(found->filter.kinds);
}

Result<std::shared_ptr<port::EventStream>> EventDesk::connect(const std::string& subscription,
                                                              const std::string& client,
                                                              const std::string& last_event) {
  if (auto found = declared(subscription, client); !found) return tl::unexpected(found.error());
  return stand(subscription)->connect(last_event);
}

Result<std::size_t> EventDesk::acknowledge(const std::string& subscription, const std::string& client,
                                           const std::vector<std::string>& events) {
  if (auto found = declared(subscription, client); !found) return tl::unexpected(found.error());
  return stand(subscription)->acknowledge(events);
}

}  // namespace hutong::sse
