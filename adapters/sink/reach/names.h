// Looks up names for sinks, beside everything else: the system's look-up blocks, of a name that nobody answers for up
// to half a minute, and others do not wait for that. Threads: any; the awaitable resumes on its caller's executor.
#pragma once

#include <boost/asio/ip/address.hpp>
#include <chrono>
#include <functional>
#include <string>
#include <vector>

#include "broker/base/error.h"
#include "broker/port/net.h"

namespace hutong::reach {

using Addresses = std::vector<net::ip::address>;

// All addresses of a name. Errors: unavailable.
using Resolve = std::function<net::awaitable<Result<Addresses>>(std::string host)>;

// By a look-up that blocks, on so many threads. A name is looked up once at a time, whoever asks for it; who has asked
// waits no longer than `patience`.
using LookUp = std::function<Result<Addresses>(const std::string& host)>;
Resolve resolver(LookUp look_up, std::size_t threads, std::chrono::milliseconds patience);
// By the system's; one for the whole process.
Resolve system_resolver();

// What needs no look-up.
bool is_literal(const std::string& host);
// That, or what `resolve` says.
net::awaitable<Result<Addresses>> addresses_of(std::string host, Resolve resolve);

}  // namespace hutong::reach
