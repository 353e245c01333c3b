// Limit A of the ingest benchmarks: reads MLLP frames and acknowledges each, nothing else. Prints its port, ends with
// its standard input. `--core C` pins it.
#include <sched.h>
#include <unistd.h>

#include <array>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

#include "adapters/sink/mllp/hl7_bytes.h"

namespace net = boost::asio;
using net::ip::tcp;

namespace {

net::awaitable<void> serve(tcp::socket socket) {
  std::string buffer(256 * 1024, 0), replies;
  std::size_t held = 0;
  boost::system::error_code error;
  socket.set_option(tcp::no_delay(true), error);
  while (true) {
    if (held == buffer.size()) buffer.resize(buffer.size() * 2);
    held += co_await socket.async_read_some(net::buffer(buffer.data() + held, buffer.size() - held),
                                            net::redirect_error(net::use_awaitable, error));
    if (error) co_return;
    const char* at = buffer.data();
    const char* const end = at + held;
    replies.clear();
    while (const auto* stop = static_cast<const char*>(std::memchr(at, 0x1C, static_cast<std::size_t>(end - at)))) {
      const auto* start = static_cast<const char*>(std::memchr(at, 0x0B, static_cast<std::size_t>(stop - at)));
      if (start) {
        replies += "\x0BMSH|^~\\&|HUTONG|REGION|LIS|bc-city|20260302081530+0800||ACK^R01^ACK|1|P|2.5.1\rMSA|AA|";
        replies += hutong::mllp_client::control_id_of({start + 1, static_cast<std::size_t>(stop - start - 1)});
        replies += "\r\x1C\r";
      }
      at = stop + 1;
    }
    held = static_cast<std::size_t>(end - at);
    std::memmove(buffer.data(), at, held);
    if (!replies.empty()) {
      co_await net::async_write(socket, net::buffer(replies), net::redirect_error(net::use_awaitable, error));
      if (error) co_return;
    }
  }
}

net::awaitable<void> accept(tcp::acceptor& acceptor) {
  while (true) {
    auto socket = co_await acceptor.async_accept(net::use_awaitable);
    net::co_spawn(acceptor.get_executor(), serve(std::move(socket)), [](std::exception_ptr) {});
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc == 3 && std::strcmp(argv[1], "--core") == 0) {
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(std::atoi(argv[2]), &set);
    sched_setaffinity(0, sizeof set, &set);
  }
  net::io_context context(1);
  tcp::acceptor acceptor(context, tcp::endpoint(net::ip::address_v4::loopback(), 0));
  std::printf("%u\n", static_cast<unsigned>(acceptor.local_endpoint().port()));
  std::fflush(stdout);
  net::co_spawn(context, accept(acceptor), [](std::exception_ptr) {});
  net::posix::stream_descriptor input(context, dup(0));
  char byte = 0;
  input.async_read_some(net::buffer(&byte, 1), [&](auto, auto) { context.stop(); });
  context.run();
  return 0;
}
