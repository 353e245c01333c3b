#include "broker/normalize/value.h"

#include "broker/terminology/spelling.h"

namespace hutong::normalize {
namespace {

using model::SentType;
using model::Value;
using model::ValueKind;

constexpr std::size_t longest_number = 64;  // what is longer is a text

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

Text trimmed(Text text) {
  while (!text.empty() && static_cast<unsigned char>(text.front()) <= ' ') text.remove_prefix(1);
  while (!text.empty() && static_cast<unsigned char>(text.back()) <= ' ') text.remove_suffix(1);
  return text;
}

bool is_ascii(Text text) {
  for (char c : text)
    if (static_cast<signed char>(c) < 0) return false;
  return true;
}

// Full width, × and superscripts as ASCII; the text itself where nothing is to do.
Text plain(Text text, Arena& arena) {
  if (is_ascii(text)) return text;
  terminology::Folded folded;
  terminology::fold(text, folded);
  return arena.copy(folded.view());
}

// How much of the text is a decimal that needs no change, as nearly all are: "142", "0.02". 0: none, or another
// spelling.
std::size_t plain_decimal(Text text) {
  std::size_t n = 0;
  while (n < text.size() && is_digit(text[n])) ++n;
  if (n == 0 || (n > 1 && text[0] == '0')) return 0;
  if (n == text.size() || text[n] != '.') return n;
  const std::size_t point = n++;
  while (n < text.size() && is_digit(text[n])) ++n;
  return n - point > 1 ? n : 0;
}

class Scanner {
 public:
  Scanner(Text text, Arena& arena) : rest_(text), arena_(arena) {}

  bool done() const { return rest_.empty(); }
  Text rest() const { return rest_; }
  bool skip(Text text) {
    if (!rest_.starts_with(text)) return false;
    rest_.remove_prefix(text.size());
    return true;
  }
  void skip_blanks() {
    while (!rest_.empty() && rest_.front() == ' ') rest_.remove_prefix(1);
  }

  Text comparator() {
    static constexpr struct {
      Text sent, meaning;
    } spellings[] = {{"<=", "<="},       {"=<", "<="},       {"≤", "<="},   {"≦", "<="},  {">=", ">="}, {"=>", ">="},
                     {"≥", ">="},        {"≧", ">="},        {"<", "<"},    {"〈", "<"},  {">", ">"},   {"〉", ">"},
                     {"大于等于", ">="}, {"小于等于", "<="}, {"大于", ">"}, {"小于", "<"}};
    if (rest_.empty() || is_digit(rest_.front())) return {};
    for (const auto& each : spellings) {
      if (!skip(each.sent)) continue;
      skip_blanks();
      return each.meaning;
    }
    return {};
  }

  // A decimal as FHIR and JSON write it: without plus sign, thousands separators and leading zeros; its other digits
  // and its exponent as sent. Empty (and nothing taken) when there is none.
  Text number(bool signs = true) {
    const Text before = rest_;
    bool negative = false;
    if (signs && (skip("-") || skip("−"))) {
      negative = true;
    } else if (signs) {
      skip("+");
    }
    const Text digits = whole_part();
    Text fraction;
    if (rest_.size() > 1 && rest_[0] == '.' && is_digit(rest_[1])) {
      std::size_t n = 1;
      while (n < rest_.size() && is_digit(rest_[n])) ++n;
      fraction = take(n);
    } else if (!digits.empty() && rest_.size() == 1 && rest_[0] == '.') {
      take(1);
    }
    if (digits.empty() && fraction.empty()) {
      rest_ = before;
      return {};
    }
    const Text exponent = exponent_part();
    Text integer = digits;
    while (integer.size() > 1 && integer[0] == '0') integer.remove_prefix(1);
    // As sent, where it needs no change: a view, nothing is copied.
    if (const Text sent = before.substr(0, before.size() - rest_.size());
        integer.size() + fraction.size() + exponent.size() + (negative ? 1 : 0) == sent.size() && !integer.empty() &&
        (!negative || sent[0] == '-'))
      return sent;
    return arena_.concat({negative ? Text("-") : Text(), integer.empty() ? Text("0") : integer, fraction, exponent});
  }

  bool range_mark() {
    skip_blanks();
    bool any = false;
    while (!rest_.empty()) {
      if (rest_.front() == '-' || rest_.front() == '~') {
        rest_.remove_prefix(1);
      } else if (is_digit(rest_.front()) || !(skip("～") || skip("—") || skip("–") || skip("至") || skip("－"))) {
        break;
      }
      any = true;
    }
    skip_blanks();
    return any;
  }

 private:
  Text take(std::size_t n) {
    const Text taken = rest_.substr(0, n);
    rest_.remove_prefix(n);
    return taken;
  }
  // Digits, with separators where they stand between groups of three: "1,234,567".
  Text whole_part() {
    std::size_t n = 0;
    while (n < rest_.size() && is_digit(rest_[n])) ++n;
    const auto group_at = [this](std::size_t at) {
      return at + 3 < rest_.size() && rest_[at] == ',' && is_digit(rest_[at + 1]) && is_digit(rest_[at + 2]) &&
             is_digit(rest_[at + 3]) && (at + 4 == rest_.size() || !is_digit(rest_[at + 4]));
    };
    if (n == 0 || n > 3 || !group_at(n)) return take(n);
    Text digits = take(n);
    while (group_at(0)) {
      digits = arena_.concat({digits, rest_.substr(1, 3)});
      take(4);
    }
    return digits;
  }
  // "E+03", "e5"; "*10^5" and "x10^5" as "e5".
  Text exponent_part() {
    const auto exponent_digits = [this](std::size_t at) {
      std::size_t n = at;
      if (n < rest_.size() && (rest_[n] == '+' || rest_[n] == '-')) ++n;
      const std::size_t first = n;
      while (n < rest_.size() && is_digit(rest_[n])) ++n;
      return n > first && n - first <= 3 ? n : 0;
    };
    if (!rest_.empty() && (rest_[0] == 'e' || rest_[0] == 'E')) {
      const std::size_t end = exponent_digits(1);
      return end ? take(end) : Text();
    }
    if (rest_.size() > 4 && (rest_[0] == '*' || rest_[0] == 'x' || rest_[0] == 'X') && rest_.substr(1, 3) == "10^") {
      const std::size_t end = exponent_digits(4);
      if (end) return arena_.concat({"e", take(end).substr(4)});
    }
    return {};
  }

  Text rest_;
  Arena& arena_;
};

// Whether low <= high, by their digits as Scanner::number leaves them: no leading zeros. A guard against dates and
// telephone numbers; exponents do not occur in intervals.
bool rises(Text low, Text high) {
  const bool minus = low.front() == '-';
  if (minus) return true;  // `high` is read without a sign
  bool exponent = false;
  const auto whole_of = [&exponent](Text number) {
    std::size_t whole = number.size();
    for (std::size_t i = 0; i < number.size(); ++i) {
      exponent = exponent || number[i] == 'e' || number[i] == 'E';
      if (number[i] == '.' && i < whole) whole = i;
    }
    return number.substr(0, whole);
  };
  const Text low_whole = whole_of(low), high_whole = whole_of(high);
  if (exponent) return false;
  if (low_whole.size() != high_whole.size()) return low_whole.size() < high_whole.size();
  if (low_whole != high_whole) return low_whole < high_whole;
  // Equal before the point: the fractions compare as texts, but "5.0" is not above "5".
  Text fraction = low.substr(low_whole.size());
  while (!fraction.empty() && (fraction.back() == '0' || fraction.back() == '.')) fraction.remove_suffix(1);
  return fraction <= high.substr(high_whole.size());
}

// The flag that marks behind a number stand for; "" for none.
Text flag_of(Text mark) {
  static constexpr struct {
    Text mark, flag;
  } marks[] = {{"↑", "H"},   {"↓", "L"}, {"↑↑", "HH"}, {"↓↓", "LL"}, {"H", "H"},   {"L", "L"},  {"HH", "HH"},
               {"LL", "LL"}, {"h", "H"}, {"l", "L"},   {"*", "A"},   {"(H)", "H"}, {"(L)", "L"}};
  for (const auto& each : marks)
    if (each.mark == mark) return each.flag;
  return {};
}

void set_finding(model::Coded& coded, const terminology::Finding& finding) {
  coded.mapped_code = finding.code;
  coded.mapped_display = finding.name_zh;
  coded.mapped_system = terminology::qualitative_system;
}

// "5.8", "<0.01", "10-20", "1:160", "5.8↑", "0.02(-)", "5.8 mmol/L": the whole text, or nothing.
bool read_numeric(model::Observation& o, Text text, const terminology::Item* item,
                  const terminology::Terminology& terms, Arena& arena) {
  Value& value = o.value;
  Scanner in(plain(text, arena), arena);
  const Text comparator = in.comparator();
  const Text first = in.number();
  if (first.empty()) return false;
  in.skip_blanks();
  if (in.done()) {
    value.kind = ValueKind::number;
    value.comparator = comparator;
    value.number = first;
    return true;
  }
  const Text rest = in.rest();
  if (in.skip(":")) {
    in.skip_blanks();
    const Text second = in.number(false);
    if (second.empty() || !in.done()) return false;
    value.kind = ValueKind::ratio;
    value.comparator = comparator;
    value.low = first;
    value.high = second;
    return true;
  }
  if (comparator.empty() && in.range_mark()) {
    const Text second = in.number(false);
    if (second.empty() || !in.done() || !rises(first, second)) return false;
    value.kind = ValueKind::range;
    value.low = first;
    value.high = second;
    return true;
  }
  if (const Text flag = flag_of(rest); !flag.empty()) {
    if (o.flags.empty()) o.flags.push(arena, flag);
  } else if (const auto* finding = rest == "+" ? nullptr : terms.finding_of(rest)) {
    set_finding(value.coded, *finding);
  } else if (terms.unit_of(rest, item).known) {
    if (value.unit.empty()) value.unit = rest;
  } else {
    return false;
  }
  value.kind = ValueKind::number;
  value.comparator = comparator;
  value.number = first;
  return true;
}

bool read_text(model::Observation& o, const terminology::Item* item, const terminology::Terminology& terms,
               Arena& arena) {
  Value& value = o.value;
  const Text text = trimmed(value.sent);
  if (text.empty()) {
    value.kind = ValueKind::none;
    return true;
  }
  value.kind = ValueKind::text;
  if (text.size() > longest_number) return false;
  if (plain_decimal(text) == text.size()) {
    value.kind = ValueKind::number;
    value.comparator = {};
    value.number = text;
    return true;
  }
  if (read_numeric(o, text, item, terms, arena)) return true;
  const bool no_value = item && item->is_quantity() && (text == "-" || text == "--" || text == "—" || text == "/");
  if (no_value) return true;
  if (const auto* finding = terms.finding_of(text)) {
    value.kind = ValueKind::qualitative;
    set_finding(value.coded, *finding);
  }
  return false;
}

// What the Format took apart: its pieces must be numbers.
bool read_structured(model::Observation& o, Arena& arena) {
  Value& value = o.value;
  const auto decimal = [&](Text& text) {
    Scanner in(plain(trimmed(text), arena), arena);
    const Text number = in.number();
    if (number.empty() || !in.done()) return false;
    text = number;
    return true;
  };
  bool good = true;
  if (!value.comparator.empty()) {
    Scanner in(value.comparator, arena);
    value.comparator = in.comparator();
    good = !value.comparator.empty() && in.done();
  }
  if (value.kind == ValueKind::number) return good && decimal(value.number);
  if (value.kind == ValueKind::range || value.kind == ValueKind::ratio)
    return good && decimal(value.low) && decimal(value.high);
  return true;
}

}  // namespace

bool read_value(model::Observation& o, const terminology::Item* item, const terminology::Terminology& terms,
                Arena& arena) {
  Value& value = o.value;
  switch (value.sent_type) {
    case SentType::none: return true;
    case SentType::attachment: value.kind = ValueKind::attachment; return true;
    case SentType::time: value.kind = ValueKind::time; return true;
    case SentType::number: return read_text(o, item, terms, arena);
    case SentType::text: read_text(o, item, terms, arena); return true;
    case SentType::coded: {
      value.kind = ValueKind::coded;
      for (Text text : {value.coded.code, value.coded.display, value.coded.alt_code, value.coded.alt_display}) {
        const auto* finding = terms.finding_of(trimmed(text));
        if (!finding) continue;
        value.kind = ValueKind::qualitative;
        set_finding(value.coded, *finding);
        break;
      }
      return true;
    }
    case SentType::structured:
      if (value.kind == ValueKind::number || value.kind == ValueKind::range || value.kind == ValueKind::ratio) {
        if (read_structured(o, arena)) return true;
        value.comparator = value.number = value.low = value.high = {};
        value.kind = ValueKind::text;
        return false;
      }
      read_text(o, item, terms, arena);
      return true;
  }
  return true;
}

void read_interval(model::Interval& interval, Arena& arena) {
  Text text = trimmed(interval.sent);
  if (text.empty() || text.size() > longest_number) return;
  if (const std::size_t dash = plain_decimal(text); dash != 0 && dash < text.size() && text[dash] == '-') {
    const Text high = text.substr(dash + 1);
    if (!high.empty() && plain_decimal(high) == high.size()) {
      if (!rises(text.substr(0, dash), high)) return;
      interval.low = text.substr(0, dash);
      interval.high = high;
      return;
    }
  }
  if (text.size() > 2 && (text.front() == '(' || text.front() == '[') && (text.back() == ')' || text.back() == ']'))
    text = trimmed(text.substr(1, text.size() - 2));
  Scanner in(plain(text, arena), arena);
  const Text comparator = in.comparator();
  const Text first = in.number();
  if (first.empty()) return;
  in.skip_blanks();
  if (!comparator.empty()) {
    (comparator[0] == '<' ? interval.high : interval.low) = first;
    return;
  }
  if (!in.range_mark()) return;
  const Text second = in.number(false);
  if (second.empty() || !rises(first, second)) return;
  interval.low = first;
  interval.high = second;
}

}  // namespace hutong::normalize
