// Hands events to a webhook: one POST each, over connections that are kept. The answer's status is all that is read of
// it. Where it may connect to is target.h's matter. Threads: the one of the executor.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <memory>
#include <string>

#include "adapters/sink/http/target.h"
#include "adapters/sink/reach/client_tls.h"
#include "adapters/sink/reach/names.h"
#include "broker/port/sink.h"

namespace hutong::http_sink {

struct RestHookOptions {
  Target target;
  std::shared_ptr<const TargetGuard> guard;
  reach::Resolve resolve = reach::system_resolver();
  std::string authorization;  // the header's value; "" none
  std::size_t connections = 1;
  std::chrono::milliseconds timeout{30'000}, connect_timeout{5'000};
  reach::TlsFiles files;
};

// Throws std::runtime_error where a PEM file cannot be used.
std::shared_ptr<port::Sink> rest_hook_sink(net::any_io_executor executor, RestHookOptions options);

}  // namespace hutong::http_sink
