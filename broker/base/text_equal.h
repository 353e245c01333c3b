// Whether two short texts are equal, in line: for a few bytes the library call costs more than the comparison.
#pragma once

#include <cstdint>
#include <cstring>
#include <string_view>

namespace hutong {

inline bool text_equal(std::string_view a, std::string_view b) {
  const std::size_t size = a.size();
  if (size != b.size()) return false;
  const char *x = a.data(), *y = b.data();
  const auto differ = [x, y](std::size_t at, auto word) {
    auto other = word;
    std::memcpy(&word, x + at, sizeof word);
    std::memcpy(&other, y + at, sizeof other);
    return word != other;
  };
  if (size >= 8) {
    for (std::size_t i = 0; i + 8 < size; i += 8)
      if (differ(i, std::uint64_t{})) return false;
    return !differ(size - 8, std::uint64_t{});  // overlapping the one before
  }
  if (size >= 4) return !differ(0, std::uint32_t{}) && !differ(size - 4, std::uint32_t{});
  for (std::size_t i = 0; i < size; ++i)
    if (x[i] != y[i]) return false;
  return true;
}

}  // namespace hutong
