// What this build is.
#pragma once

#include <string_view>

namespace hutong::app {
inline constexpr std::string_view version = "0.1.0";
inline constexpr std::string_view event_schema_version = "1";
}  // namespace hutong::app
