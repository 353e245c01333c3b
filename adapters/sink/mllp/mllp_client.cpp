#include "adapters/sink/mllp/mllp_client.h"

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <exception>

#include "adapters/sink/mllp/transmission.h"

namespace hutong::mllp_client {

Transmission::Transmission(SendOptions options, MessageSupply& supply) {
  options.connections = std::max<std::size_t>(options.connections, 1);
  options.window = std::max<std::size_t>(options.window, 1);
  state_ = std::make_shared<State>(std::move(options), supply);
}
Transmission::~Transmission() = default;

net::awaitable<SendReport> Transmission::run() {
  return state_->run();
}
void Transmission::stop() {
  state_->stop();
}

SendReport send_all(SendOptions options, MessageSupply& supply, const std::atomic<bool>& stop) {
  net::io_context context(1);
  Transmission transmission(std::move(options), supply);
  SendReport report;
  std::exception_ptr failed;
  bool ended = false;
  net::co_spawn(context, transmission.run(), [&](std::exception_ptr error, SendReport result) {
    failed = error;
    report = std::move(result);
    ended = true;
  });
  bool told = false;
  while (!ended) {
    if (context.stopped()) context.restart();
    if (context.run_for(std::chrono::milliseconds(50)) == 0 && context.stopped()) break;
    if (stop.load(std::memory_order_relaxed) && !told) {
      told = true;
      transmission.stop();
    }
  }
  if (failed) std::rethrow_exception(failed);
  return report;
}

}  // namespace hutong::mllp_client
