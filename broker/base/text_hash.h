// Looks up std::string keys by std::string_view without making a string: std::unordered_map<std::string, T, TextHash,
// std::equal_to<>>.
#pragma once

#include <functional>
#include <string_view>

namespace hutong {

struct TextHash {
  using is_transparent = void;
  std::size_t operator()(std::string_view text) const noexcept { return std::hash<std::string_view>()(text); }
};

}  // namespace hutong
