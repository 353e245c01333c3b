// TLS 1.2 or later as the one that connects: whom to believe, and who we are. Threads: any.
#pragma once

#include <boost/asio/ssl/context.hpp>
#include <string>

#include "broker/port/net.h"

namespace hutong::reach {

// PEM files. `authority` "": those whom the system believes; `certificate` "": we do not say who we are.
struct TlsFiles {
  std::string authority, certificate, key;
};

// The peer's certificate is always verified. std::runtime_error: a file cannot be used; it names the receiver.
net::ssl::context client_tls(const TlsFiles& files, const std::string& receiver);

}  // namespace hutong::reach
