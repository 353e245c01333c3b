// Runs one awaitable to its end on an io_context of its own, for tests of ports.
#pragma once

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <exception>
#include <optional>
#include <stdexcept>
#include <type_traits>
#include <utility>

#include "broker/port/net.h"

namespace hutong::tests {

template <class T>
T await(net::awaitable<T> work) {
  net::io_context context{1};
  std::exception_ptr failed;
  if constexpr (std::is_void_v<T>) {
    bool ended = false;
    net::co_spawn(context, std::move(work), [&](std::exception_ptr error) {
      failed = error;
      ended = true;
    });
    context.run();
    if (failed) std::rethrow_exception(failed);
    if (!ended) throw std::logic_error("the awaitable never resumed");
  } else {
    std::optional<T> result;
    net::co_spawn(context, std::move(work), [&](std::exception_ptr error, T value) {
      failed = error;
      if (!error) result.emplace(std::move(value));
    });
    context.run();
    if (failed) std::rethrow_exception(failed);
    if (!result) throw std::logic_error("the awaitable never resumed");
    return std::move(*result);
  }
}

}  // namespace hutong::tests
