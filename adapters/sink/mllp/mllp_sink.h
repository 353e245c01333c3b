// Hands events to a system that listens for HL7 v2 over MLLP: one message under way on each connection, which are kept.
// Its acknowledgement decides (HL7 v2.5.1 §2.9): AA and CA it has it, AE and CE the message is at fault, AR and CR it
// does not want it, with ERR 207 not now. Used for deliveries; files are sent by mllp_client.h.
// Threads: the one of the executor.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <memory>
#include <string>

#include "adapters/sink/reach/client_tls.h"
#include "adapters/sink/reach/names.h"
#include "broker/port/sink.h"

namespace hutong::mllp_client {

struct MllpSinkOptions {
  std::string host;
  std::uint16_t port = 2575;
  reach::Resolve resolve = reach::system_resolver();
  std::size_t connections = 1;
  std::chrono::milliseconds timeout{30'000}, connect_timeout{5'000};
  bool tls = false;
  reach::TlsFiles files;
};

// Throws std::runtime_error where a PEM file cannot be used.
std::shared_ptr<port::Sink> mllp_sink(net::any_io_executor executor, MllpSinkOptions options);

}  // namespace hutong::mllp_client
