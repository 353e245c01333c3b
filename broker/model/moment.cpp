#include "broker/model/moment.h"

#include <cstring>

namespace hutong::model {
namespace {

struct Parts {
  int year = 0, month = 0, day = 0, hour = -1, minute = 0, second = 0;
  Text fraction;  // digits
  bool zoned = false;
  int zone = 0;
};

bool digit(char c) {
  return c >= '0' && c <= '9';
}

class Scanner {
 public:
  explicit Scanner(Text text) : rest_(text) {}
  bool done() const { return rest_.empty(); }
  char peek() const { return rest_.empty() ? '\0' : rest_.front(); }
  std::size_t digits() const {
    std::size_t n = 0;
    while (n < rest_.size() && digit(rest_[n])) ++n;
    return n;
  }
  int number(std::size_t count) {
    int value = 0;
    for (std::size_t i = 0; i < count; ++i) value = value * 10 + (rest_[i] - '0');
    rest_.remove_prefix(count);
    return value;
  }
  Text take(std::size_t count) {
    Text taken = rest_.substr(0, count);
    rest_.remove_prefix(count);
    return taken;
  }
  bool skip(Text text) {
    if (!rest_.starts_with(text)) return false;
    rest_.remove_prefix(text.size());
    return true;
  }
  // One or two digits.
  bool small(int& value) {
    const std::size_t n = digits();
    if (n == 0 || n > 2) return false;
    value = number(n);
    return true;
  }

 private:
  Text rest_;
};

bool read_zone(Scanner& in, Parts& parts) {
  if (in.done()) return true;
  parts.zoned = true;
  if (in.skip("Z") || in.skip("z")) return in.done();
  const char sign = in.peek();
  if (sign != '+' && sign != '-') return false;
  in.take(1);
  int hours = 0, minutes = 0;
  const std::size_t n = in.digits();
  if (n == 4) {
    hours = in.number(2);
    minutes = in.number(2);
  } else if (n == 2) {
    hours = in.number(2);
    if (in.skip(":") && (in.digits() != 2 || (minutes = in.number(2), false))) return false;
  } else {
    return false;
  }
  if (hours > 14 || minutes > 59) return false;
  parts.zone = (hours * 60 + minutes) * (sign == '-' ? -1 : 1);
  return in.done();
}

bool read_fraction(Scanner& in, Parts& parts) {
  if (!in.skip(".")) return true;
  const std::size_t n = in.digits();
  parts.fraction = in.take(n);
  return true;
}

// YYYY[MM[DD[HH[MM[SS[.SSSS]]]]]][+ZZZZ]
bool read_packed(Scanner& in, std::size_t n, Parts& parts) {
  if (n != 4 && n != 6 && n != 8 && n != 10 && n != 12 && n != 14 && n != 17) return false;
  parts.year = in.number(4);
  if (n >= 6) parts.month = in.number(2);
  if (n >= 8) parts.day = in.number(2);
  if (n >= 10) parts.hour = in.number(2);
  if (n >= 12) parts.minute = in.number(2);
  if (n >= 14) parts.second = in.number(2);
  if (n == 17) {
    parts.fraction = in.take(3);
  } else if (n == 14 && !read_fraction(in, parts)) {
    return false;
  }
  return read_zone(in, parts);
}

// Y-M-D, Y/M/D, Y.M.D or Y年M月D日, then a time behind a blank or T.
bool read_separated(Scanner& in, Parts& parts) {
  if (in.digits() != 4) return false;
  parts.year = in.number(4);
  const bool chinese = in.skip("年");
  const char separator = in.peek();
  if (!chinese) {
    if (separator != '-' && separator != '/' && separator != '.') return false;
    in.take(1);
  }
  if (!in.small(parts.month)) return false;
  if (in.done()) return true;
  if (chinese) {
    if (!in.skip("月")) return false;
    if (in.done()) return true;
  } else if (in.peek() != separator) {
    return false;
  } else {
    in.take(1);
  }
  if (!in.small(parts.day)) return false;
  if (chinese && !in.skip("日")) return false;
  if (in.done()) return true;
  if (!in.skip("T") && !in.skip(" ")) {
    if (!chinese) return false;
  }
  while (in.skip(" ")) {
  }
  if (!in.small(parts.hour)) return false;
  if (!in.skip(":") || !in.small(parts.minute)) return false;
  if (in.skip(":") && (!in.small(parts.second) || !read_fraction(in, parts))) return false;
  return read_zone(in, parts);
}

void put(char*& to, int value, int width) {
  for (int i = width; i-- > 0; value /= 10) to[i] = static_cast<char>('0' + value % 10);
  to += width;
}

bool is_plausible(const Parts& p) {
  if (p.year < 1800 || p.year > 2200) return false;
  if (p.month == 0) return p.day == 0 && p.hour < 0;
  if (p.month > 12) return false;
  if (p.day == 0) return p.hour < 0;
  return is_date(p.year, p.month, p.day) && p.hour <= 23 && p.minute <= 59 && p.second <= 60;
}

// No digit but zeros, or the databases' zero date.
bool says_nothing(Text text) {
  if (text.starts_with("0001-01-01") || text.starts_with("00010101") || text.starts_with("0001/")) return true;
  for (char c : text)
    if (c >= '1' && c <= '9') return false;
  for (char c : text)
    if (c != '0' && c != '-' && c != '/' && c != ':' && c != ' ' && c != '.' && c != 'T' && c != '+') return false;
  return true;
}

Text trimmed(Text text) {
  while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
  while (!text.empty() && text.back() == ' ') text.remove_suffix(1);
  return text;
}

}  // namespace

bool MomentReader::read(Moment& moment) {
  if (!moment.iso.empty() || moment.sent.empty()) return true;
  if (moment.sent == last_sent_) {
    moment.iso = last_iso_;
    return last_good_;
  }
  last_sent_ = moment.sent;
  last_iso_ = {};
  last_good_ = true;
  const Text text = trimmed(moment.sent);
  if (says_nothing(text)) return true;

  Parts parts;
  Scanner in(text);
  const std::size_t leading = in.digits();
  // "2026.1.2" has four leading digits too, but no packed year is followed by a point.
  const bool packed =
      leading > 4 || (leading == 4 && (text.size() == 4 || text[4] == '+' ||
                                       (text[4] == '-' && text.size() == 9 && Scanner(text.substr(5)).digits() == 4)));
  if (!(packed ? read_packed(in, leading, parts) : read_separated(in, parts)) || !is_plausible(parts)) {
    return last_good_ = false;
  }

  char buffer[48];
  char* to = buffer;
  put(to, parts.year, 4);
  if (parts.month != 0) {
    *to++ = '-';
    put(to, parts.month, 2);
  }
  if (parts.day != 0) {
    *to++ = '-';
    put(to, parts.day, 2);
  }
  if (parts.hour >= 0) {
    *to++ = 'T';
    put(to, parts.hour, 2);
    *to++ = ':';
    put(to, parts.minute, 2);
    *to++ = ':';
    put(to, parts.second, 2);
    if (!parts.fraction.empty()) {
      const Text fraction = parts.fraction.substr(0, 6);
      *to++ = '.';
      std::memcpy(to, fraction.data(), fraction.size());
      to += fraction.size();
    }
    int zone = parts.zoned ? parts.zone : zone_minutes_;
    if (zone == 0) {
      *to++ = 'Z';
    } else {
      *to++ = zone < 0 ? '-' : '+';
      if (zone < 0) zone = -zone;
      put(to, zone / 60, 2);
      *to++ = ':';
      put(to, zone % 60, 2);
    }
  }
  last_iso_ = moment.iso = arena_.copy({buffer, static_cast<std::size_t>(to - buffer)});
  return true;
}

TimeSpan span_of(const Moment& moment, int zone_minutes) {
  return parse_iso(moment.iso, zone_minutes).value_or(TimeSpan{});
}

}  // namespace hutong::model
