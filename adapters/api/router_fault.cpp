#include "adapters/api/router_fault.h"

#include "broker/access/flat_object.h"

namespace hutong::api {
namespace {

std::string_view issue_type(int status) {
  switch (status) {
    case 401: return "login";
    case 403: return "forbidden";
    case 404: return "not-found";
    case 405:
    case 415:
    case 501: return "not-supported";
    case 408: return "timeout";
    case 409:
    case 412: return "conflict";
    case 413:
    case 414:
    case 431: return "too-long";
    case 429:
    case 503: return "transient";
    case 500: return "exception";
    default: return status == 410 ? "deleted" : "invalid";
  }
}

}  // namespace

int http_status(ErrorCode code) {
  switch (code) {
    case ErrorCode::invalid:
    case ErrorCode::too_costly: return 400;
    case ErrorCode::forbidden: return 403;
    case ErrorCode::not_found: return 404;
    case ErrorCode::gone: return 410;
    case ErrorCode::conflict: return 409;
    case ErrorCode::too_large: return 413;
    case ErrorCode::overloaded:
    case ErrorCode::unavailable:
    case ErrorCode::timeout: return 503;
    case ErrorCode::corrupt:
    case ErrorCode::internal: return 500;
  }
  return 500;
}

bool is_fhir(std::string_view path) {
  return path == "/fhir" || path.starts_with("/fhir/");
}

Response json_response(std::string body, int status) {
  Response response;
  response.status = status;
  response.body = std::move(body);
  return response;
}

Response fhir_response(std::string_view content_type, int status, std::string body) {
  auto response = json_response(std::move(body), status);
  response.content_type = content_type;
  response.headers.emplace_back("Cache-Control", "no-store");
  return response;
}

Response oauth_fault(int status, std::string_view code, std::string_view message) {
  std::string body = "{\"error\":";
  access::append_json_text(body, code);
  body += ",\"error_description\":";
  access::append_json_text(body, message, 1024);
  auto response = json_response(body + "}\n", status);
  response.headers.emplace_back("Cache-Control", "no-store");
  if (status == 503) response.headers.emplace_back("Retry-After", "5");
  return response;
}

Response fault(std::string_view path, int status, std::string_view code, std::string_view message) {
  if (path.starts_with("/oauth/")) {
    return oauth_fault(status, status >= 500 ? "temporarily_unavailable" : "invalid_request", message);
  }
  Response response;
  response.status = status;
  if (is_fhir(path)) {
    response.content_type = "application/fhir+json; charset=utf-8";
    response.body = "{\"resourceType\":\"OperationOutcome\",\"issue\":[{\"severity\":\"error\",\"code\":\"" +
                    std::string(issue_type(status)) + "\",\"diagnostics\":";
    access::append_json_text(response.body, message, 1024);
    response.body += "}]}";
  } else {
    response.body = "{\"error\":{\"code\":";
    access::append_json_text(response.body, code);
    response.body += ",\"message\":";
    access::append_json_text(response.body, message, 1024);
    response.body += "}}\n";
  }
  if (status == 503) response.headers.emplace_back("Retry-After", "5");
  return response;
}

Response fault(std::string_view path, const Error& error) {
  return fault(path, http_status(error.code), to_string(error.code), error.message);
}

}  // namespace hutong::api
