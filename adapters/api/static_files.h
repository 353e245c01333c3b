// The live page's files and the API's description, built into the program (cmake/embed.cmake): no user string ever
// reaches a path. Threads: any.
#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "adapters/api/route.h"

namespace hutong::api {

struct EmbeddedFile {
  std::string_view name;  // "console/live/index.html"
  std::string_view content;
  std::string_view tag;  // changes with the content
};
std::span<const EmbeddedFile> embedded_files();

// `/`, its script and style, and /api/v1/openapi.json.
std::vector<Route> static_routes();

}  // namespace hutong::api
