// How senders spell units and findings, folded to fewer spellings. Pure; no allocation.
#pragma once

#include <cstddef>
#include <string_view>

namespace hutong::terminology {

// A text folded into a fixed buffer; empty when the text is too long to be a unit or a finding.
class Folded {
 public:
  static constexpr std::size_t capacity = 64;
  std::string_view view() const { return {text_, size_}; }
  void put(char c) {
    if (size_ < capacity) text_[size_++] = c;
  }
  void clear() { size_ = 0; }
  void to_lower();

 private:
  char text_[capacity];
  std::size_t size_ = 0;
};

// Full-width ASCII and U+3000 → ASCII; µ μ → u; superscripts → ^n; × → *; · → .; all blanks and no-break spaces gone.
void fold(std::string_view text, Folded& to);
// fold, and powers of ten in UCUM's spelling: "×10⁹/L", "10^9/L", "X10E9/L" → "10*9/L".
void fold_unit(std::string_view text, Folded& to);
// fold, lower case, without brackets around the whole: "（＋）" → "+".
void fold_finding(std::string_view text, Folded& to);

}  // namespace hutong::terminology
