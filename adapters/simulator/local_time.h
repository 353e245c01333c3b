// The simulated clock: seconds since 1970-01-01T00:00 of the region's own wall clock (no zone, no daylight saving).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace hutong::simulator {

using LocalSeconds = std::int64_t;
inline constexpr LocalSeconds minute = 60, hour = 3'600, day = 86'400;

struct Civil {
  int year, month, day;
};
Civil civil_of(LocalSeconds time);
std::string hl7_time(LocalSeconds time);  // YYYYMMDDHHMMSS
std::string hl7_date(const Civil& date);  // YYYYMMDD
std::string iso_time(LocalSeconds time);  // YYYY-MM-DDTHH:MM:SS
// "YYYY-MM-DD", with or without "THH:MM:SS".
std::optional<LocalSeconds> parse_local(std::string_view text);

}  // namespace hutong::simulator
