// Between Beast's messages and the handlers' Request and Response. Only for server*.cpp. Threads: any (pure).
#pragma once

#include <boost/beast/http.hpp>
#include <string>

#include "adapters/api/guard.h"
#include "adapters/api/route.h"
#include "adapters/api/router.h"

namespace hutong::api {

namespace http = boost::beast::http;

Request request_of(Head head, Address address);
// Headers that every answer carries: what a browser may do with it, and that it is kept nowhere.
http::response<http::string_body> message_of(Response response, bool tls, bool head_only, bool version_1_1,
                                             bool keep_alive);
std::string allow_of(const std::vector<std::string>& methods);

}  // namespace hutong::api
