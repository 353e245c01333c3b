#include "adapters/api/static_files.h"

#include "broker/base/invariant.h"

namespace hutong::api {
namespace {

struct Place {
  const char *address, *name, *content_type;
};
constexpr Place places[] = {
    {"/", "console/live/index.html", "text/html; charset=utf-8"},
    {"/live.js", "console/live/live.js", "text/javascript; charset=utf-8"},
    {"/live.css", "console/live/live.css", "text/css; charset=utf-8"},
    {"/icon.svg", "console/live/icon.svg", "image/svg+xml"},
    {"/api/v1/openapi.json", "schemas/api/openapi.json", "application/json; charset=utf-8"},
};

const EmbeddedFile& file_of(std::string_view name) {
  for (const auto& file : embedded_files()) {
    if (file.name == name) return file;
  }
  HUTONG_INVARIANT(false, "a page's file was not built in: see cmake/embed.cmake");
  std::abort();
}

net::awaitable<Response> give(const EmbeddedFile* file, const char* content_type, const Request* request) {
  const std::string tag = "\"" + std::string(file->tag) + "\"";
  Response response;
  response.content_type = content_type;
  response.headers.emplace_back("ETag", tag);
  response.headers.emplace_back("Cache-Control", "no-cache");
  if (request->header("if-none-match") == tag) {
    response.status = 304;
  } else {
    response.body = file->content;
  }
  co_return response;
}

}  // namespace

std::vector<Route> static_routes() {
  std::vector<Route> routes;
  for (const auto& place : places) {
    const EmbeddedFile* file = &file_of(place.name);
    routes.push_back({"GET", place.address, "", [file, type = place.content_type](const Request& request) {
                        return give(file, type, &request);
                      }});
  }
  return routes;
}

}  // namespace hutong::api
