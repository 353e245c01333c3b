// Exact decimal arithmetic on numbers as laboratories write them: no binary fraction ever touches a result.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "broker/base/arena.h"

namespace hutong::terminology {

// coefficient × 10^exponent; digits = significant digits as written ("1.50" has 3, "0.05" has 1, "100" has 3).
struct Decimal {
  std::int64_t coefficient = 0;
  int exponent = 0;
  int digits = 1;
  // "[+-]digits[.digits][e[+-]digits]", at most 18 digits; nothing else.
  static std::optional<Decimal> parse(std::string_view text);
};

// value × factor + offset as text in `arena`; "" where it needs more than 37 digits.
// Rounding: a power of ten only moves the point, every digit stays. Any other result is rounded half away from zero
// to one significant digit more than the value was written with, so that a conversion neither invents precision nor
// loses what can be converted back.
std::string_view convert(std::string_view value, const Decimal& factor, const Decimal& offset, Arena& arena);

}  // namespace hutong::terminology
