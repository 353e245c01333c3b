// A critical value as the store keeps it: the record that it was found, then those of its steps, one a line.
// Threads: any (pure).
#pragma once

#include <string>
#include <string_view>

#include "broker/critical/critical.h"

namespace hutong::critical {

std::string write(const CriticalValue& value);
// Errors: corrupt.
Result<CriticalValue> read_critical_value(std::string_view lines);

// "open", "confirmed", "withdrawn".
std::string_view state_of(const CriticalValue& value);

}  // namespace hutong::critical
