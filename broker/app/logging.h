// Structured logs: one JSON object a line on stderr, for journald and log shippers. Never personal data: callers pass
// codes, counts and ids; control characters are escaped, so no line can be forged (reliability F32).
// Threads: any.
#pragma once

#include <string>
#include <string_view>

namespace hutong::app {

// "debug" | "info" | "warning" | "error". Throws ConfigError for another word.
void start_logging(const std::string& level);
void log_event(std::string_view level, std::string_view message);

}  // namespace hutong::app
