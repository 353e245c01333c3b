#include "broker/terminology/spelling.h"

namespace hutong::terminology {
namespace {

bool digit(char c) {
  return c >= '0' && c <= '9';
}

}  // namespace

void Folded::to_lower() {
  for (std::size_t i = 0; i < size_; ++i)
    if (text_[i] >= 'A' && text_[i] <= 'Z') text_[i] = static_cast<char>(text_[i] - 'A' + 'a');
}

void fold(std::string_view text, Folded& to) {
  to.clear();
  if (text.size() > Folded::capacity) return;
  bool raised = false;  // inside superscripts
  const auto raise = [&](int digit_value) {
    if (!raised) to.put('^');
    raised = true;
    to.put(static_cast<char>('0' + digit_value));
  };
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto at = [&](std::size_t k) { return i + k < text.size() ? static_cast<unsigned char>(text[i + k]) : 0u; };
    const unsigned a = at(0), b = at(1), c = at(2);
    if (a < 0x80) {
      raised = false;
      if (a > ' ') to.put(static_cast<char>(a));
    } else if (a == 0xC2 && (b == 0xB2 || b == 0xB3 || b == 0xB9)) {  // ² ³ ¹
      raise(b == 0xB2 ? 2 : b == 0xB3 ? 3 : 1);
      ++i;
    } else if (a == 0xC2 && b == 0xB5) {  // µ, the micro sign
      to.put('u');
      ++i;
    } else if (a == 0xCE && b == 0xBC) {  // μ, the Greek letter
      to.put('u');
      ++i;
    } else if (a == 0xC3 && b == 0x97) {  // ×
      to.put('*');
      ++i;
    } else if (a == 0xC2 && b == 0xB7) {  // ·
      to.put('.');
      ++i;
    } else if (a == 0xC2 && b == 0xA0) {
      ++i;
    } else if (a == 0xE2 && b == 0x81 && (c == 0xB0 || (c >= 0xB4 && c <= 0xB9))) {  // ⁰ ⁴–⁹
      raise(static_cast<int>(c - 0xB0));
      i += 2;
    } else if (a == 0xE3 && b == 0x80 && c == 0x80) {  // U+3000
      i += 2;
    } else if (a == 0xEF && (b == 0xBC || b == 0xBD)) {
      const unsigned code = (b == 0xBC ? 0u : 0x40u) + (c - 0x80u);  // from U+FF00
      if (code >= 1 && code <= 0x5E) {
        to.put(static_cast<char>(0x20 + code));
        i += 2;
      } else {
        to.put(text[i]);
      }
    } else {
      raised = false;
      to.put(text[i]);
    }
  }
}

void fold_unit(std::string_view text, Folded& to) {
  Folded plain;
  fold(text, plain);
  std::string_view rest = plain.view();
  to.clear();
  // "x10", "*10": a multiplication sign in front of the power
  if (rest.size() > 3 && (rest[0] == '*' || rest[0] == 'x' || rest[0] == 'X') && rest.substr(1, 2) == "10") {
    rest.remove_prefix(1);
  }
  if (rest.starts_with("10")) {
    std::string_view power = rest.substr(2);
    for (std::string_view mark : {"**", "E+", "e+", "^", "*", "E", "e"}) {
      if (!power.starts_with(mark)) continue;
      power.remove_prefix(mark.size());
      if (power.empty() || !digit(power.front())) break;
      to.put('1');
      to.put('0');
      to.put('*');
      rest = power;
      break;
    }
  }
  for (char c : rest) to.put(c);
}

void fold_finding(std::string_view text, Folded& to) {
  fold(text, to);
  to.to_lower();
  const std::string_view whole = to.view();
  if (whole.size() > 2 && (whole.front() == '(' || whole.front() == '[') &&
      (whole.back() == ')' || whole.back() == ']') && whole.find_first_of(")]") == whole.size() - 1) {
    Folded inner;
    for (char c : whole.substr(1, whole.size() - 2)) inner.put(c);
    to = inner;
  }
}

}  // namespace hutong::terminology
