// Asio under one short name. Only pipeline, query, access, adapters and app await.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>

namespace hutong {
namespace net = boost::asio;
}
