// Errors in the form that the address promises: {"error":{"code","message"}} under /api, an OperationOutcome under
// /fhir, {"error","error_description"} under /oauth. Threads: any (pure).
#pragma once

#include <string_view>

#include "adapters/api/route.h"
#include "broker/base/error.h"

namespace hutong::api {

int http_status(ErrorCode code);
bool is_fhir(std::string_view path);
// `code`: kebab-case, for programs; `message`: for people, what to do.
Response fault(std::string_view path, int status, std::string_view code, std::string_view message);
Response fault(std::string_view path, const Error& error);
// RFC 6749 §5.2; what fault() gives under /oauth.
Response oauth_fault(int status, std::string_view code, std::string_view message);
Response json_response(std::string body, int status = 200);
// A resource: never kept by a cache, because it is somebody's.
Response fhir_response(std::string_view content_type, int status, std::string body);

}  // namespace hutong::api
