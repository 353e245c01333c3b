#include "broker/terminology/decimal.h"

#include <algorithm>
#include <cstdlib>

namespace hutong::terminology {
namespace {

__extension__ using Wide = __int128;

Wide power_of_ten(int n) {
  Wide value = 1;
  while (n-- > 0) value *= 10;
  return value;
}

int digits_in(Wide value) {
  int n = 0;
  for (; value != 0; value /= 10) ++n;
  return std::max(n, 1);
}

std::string_view write(bool negative, Wide value, int exponent, Arena& arena) {
  char digits[40];
  int size = 0;
  do {
    digits[size++] = static_cast<char>('0' + static_cast<int>(value % 10));
    value /= 10;
  } while (value != 0);
  char text[96];
  char* to = text;
  if (negative) *to++ = '-';
  int point = size + exponent;  // digits before the point
  if (point <= 0) {
    *to++ = '0';
    *to++ = '.';
    for (; point < 0; ++point) *to++ = '0';
    point = -1;
  }
  while (size > 0) {
    if (point == 0) *to++ = '.';
    --point;
    *to++ = digits[--size];
  }
  for (; exponent > 0; --exponent) *to++ = '0';
  return arena.copy({text, static_cast<std::size_t>(to - text)});
}

}  // namespace

std::optional<Decimal> Decimal::parse(std::string_view text) {
  Decimal d;
  bool negative = false, point = false, any = false;
  std::size_t i = 0;
  if (!text.empty() && (text[0] == '-' || text[0] == '+')) negative = text[i++] == '-';
  int digits = 0;
  for (; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '.' && !point) {
      point = true;
    } else if (c >= '0' && c <= '9') {
      any = true;
      if (d.coefficient != 0 || c != '0') ++digits;
      if (digits > 18) return std::nullopt;
      d.coefficient = d.coefficient * 10 + (c - '0');
      if (point && --d.exponent < -24) return std::nullopt;
    } else {
      break;
    }
  }
  if (!any) return std::nullopt;
  if (i < text.size()) {
    if (text[i] != 'e' && text[i] != 'E') return std::nullopt;
    ++i;
    const bool minus = i < text.size() && text[i] == '-';
    if (i < text.size() && (text[i] == '-' || text[i] == '+')) ++i;
    if (i == text.size() || text.size() - i > 2) return std::nullopt;
    int exponent = 0;
    for (; i < text.size(); ++i) {
      if (text[i] < '0' || text[i] > '9') return std::nullopt;
      exponent = exponent * 10 + (text[i] - '0');
    }
    d.exponent += minus ? -exponent : exponent;
  }
  if (std::abs(d.exponent) > 24) return std::nullopt;
  d.digits = std::max(digits, 1);
  if (negative) d.coefficient = -d.coefficient;
  return d;
}

std::string_view convert(std::string_view value, const Decimal& factor, const Decimal& offset, Arena& arena) {
  const auto number = Decimal::parse(value);
  if (!number) return {};
  Wide result = static_cast<Wide>(number->coefficient) * factor.coefficient;
  int exponent = number->exponent + factor.exponent;
  const bool only_moves_point = factor.coefficient == 1 && offset.coefficient == 0;
  if (offset.coefficient != 0) {
    const int low = std::min(exponent, offset.exponent);
    const int up = exponent - low, offset_up = offset.exponent - low;
    if (digits_in(result < 0 ? -result : result) + up > 36 || offset_up > 17) return {};
    result = result * power_of_ten(up) + static_cast<Wide>(offset.coefficient) * power_of_ten(offset_up);
    exponent = low;
  }
  const bool negative = result < 0;
  if (negative) result = -result;
  if (!only_moves_point) {
    const int surplus = digits_in(result) - (number->digits + 1);
    if (surplus > 0) {
      const Wide unit = power_of_ten(surplus);
      result = (result + unit / 2) / unit;
      exponent += surplus;
      if (digits_in(result) > number->digits + 1) {  // 999.6 became 1000
        result /= 10;
        ++exponent;
      }
    }
  }
  // 0.07 × 10^3 = 70, not 70.; trailing zeros of the result stand for precision and stay.
  if (digits_in(result) + std::abs(exponent) > 60) return {};
  return write(negative, result, exponent, arena);
}

}  // namespace hutong::terminology
