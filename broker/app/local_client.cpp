#include "broker/app/local_client.h"

#include <boost/asio/io_context.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>
#include <stdexcept>

namespace hutong::app {

namespace beast = boost::beast;
namespace http = beast::http;
using local = boost::asio::local::stream_protocol;

bool LocalClient::reachable() const {
  boost::asio::io_context io;
  local::socket socket(io);
  boost::system::error_code failed;
  socket.connect(local::endpoint(socket_.string()), failed);
  return !failed;
}

void require_stopped(const std::filesystem::path& data) {
  if (LocalClient(data).reachable()) {
    throw std::runtime_error("the broker of " + data.string() + " is running; stop it first (SIGTERM)");
  }
}

Result<LocalAnswer> LocalClient::call(std::string_view method, std::string_view target, std::string_view body,
                                      std::string_view content_type) const {
  boost::asio::io_context io;
  local::socket socket(io);
  boost::system::error_code failed;
  socket.connect(local::endpoint(socket_.string()), failed);
  if (failed) {
    return fail(ErrorCode::unavailable, "no broker answers at " + socket_.string() + " (" + failed.message() +
                                            "); start it: hutong serve --config FILE");
  }
  http::request<http::string_body> request;
  request.method_string(std::string(method));
  request.target(std::string(target));
  request.version(11);
  request.set(http::field::host, "localhost");
  request.set(http::field::connection, "close");
  if (!body.empty()) request.set(http::field::content_type, std::string(content_type));
  request.body() = std::string(body);
  request.prepare_payload();
  http::write(socket, request, failed);
  if (failed) return fail(ErrorCode::unavailable, "the broker closed the connection: " + failed.message());
  beast::flat_buffer buffer;
  http::response_parser<http::string_body> parser;
  parser.body_limit(1ULL << 30U);
  http::read(socket, buffer, parser, failed);
  if (failed) return fail(ErrorCode::unavailable, "the broker's answer broke off: " + failed.message());
  return LocalAnswer{static_cast<int>(parser.get().result_int()), std::move(parser.get().body())};
}

}  // namespace hutong::app
