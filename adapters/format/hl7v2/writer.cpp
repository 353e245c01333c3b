#include "adapters/format/hl7v2/writer.h"

#include <charconv>
#include <utility>

namespace hutong::hl7v2 {

Writer& Writer::segment(Text name) {
  if (out_.empty()) {
    out_.reserve(256);
  } else {
    out_.push_back('\r');
  }
  out_.append(name);
  return *this;
}

Writer& Writer::fields(int count) {
  out_.append(static_cast<std::size_t>(count), d_.field);
  return *this;
}

Writer& Writer::raw(Text bytes) {
  out_.append(bytes);
  return *this;
}

Writer& Writer::text(Text text) {
  for (char c : text) {
    const char name = c == d_.field                             ? 'F'
                      : c == d_.component                       ? 'S'
                      : c == d_.repetition && d_.repetition     ? 'R'
                      : c == d_.escape && d_.escape             ? 'E'
                      : c == d_.subcomponent && d_.subcomponent ? 'T'
                                                                : '\0';
    if (name != '\0') {
      if (d_.escape == '\0') {
        out_.push_back(' ');  // nothing to escape with
      } else {
        out_.append({d_.escape, name, d_.escape});
      }
    } else if (c == '\n' && d_.escape) {
      out_.append({d_.escape, '.', 'b', 'r', d_.escape});
    } else if (static_cast<unsigned char>(c) < 0x20) {
      out_.push_back(' ');  // never a control character: it could end the segment or the frame
    } else {
      out_.push_back(c);
    }
  }
  return *this;
}

Writer& Writer::number(std::size_t value) {
  char digits[20];
  const auto end = std::to_chars(digits, digits + sizeof digits, value).ptr;
  out_.append(digits, end);
  return *this;
}

Writer& Writer::time(Timestamp time, int offset_minutes) {
  // By hand: an acknowledgement is written for every message, and snprintf would be most of its cost.
  constexpr std::int64_t day = 86'400'000;
  const std::int64_t ms = time.micros / 1000 - (time.micros % 1000 < 0) + offset_minutes * 60'000LL;
  std::int64_t days = ms / day;
  std::int64_t rest = ms % day;
  if (rest < 0) {
    rest += day;
    --days;
  }
  // Days to a civil date in eras of 400 years, the year beginning in March.
  const std::int64_t z = days + 719'468;
  const std::int64_t era = (z >= 0 ? z : z - 146'096) / 146'097;
  const std::int64_t of_era = z - era * 146'097;
  const std::int64_t year_of_era = (of_era - of_era / 1460 + of_era / 36'524 - of_era / 146'096) / 365;
  const std::int64_t of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
  const std::int64_t shifted = (5 * of_year + 2) / 153;
  const std::int64_t date = of_year - (153 * shifted + 2) / 5 + 1;
  const std::int64_t month = shifted < 10 ? shifted + 3 : shifted - 9;
  const std::int64_t year = year_of_era + era * 400 + (month <= 2);
  const auto digits = [this](std::int64_t value, int count) {
    char text[8];
    for (int i = count; i-- > 0; value /= 10) text[i] = static_cast<char>('0' + value % 10);
    out_.append(text, static_cast<std::size_t>(count));
  };
  digits(year, 4);
  digits(month, 2);
  digits(date, 2);
  digits(rest / 3'600'000, 2);
  digits(rest / 60'000 % 60, 2);
  digits(rest / 1000 % 60, 2);
  out_.push_back('.');
  digits(rest % 1000, 3);
  out_.push_back(offset_minutes < 0 ? '-' : '+');
  const int minutes = offset_minutes < 0 ? -offset_minutes : offset_minutes;
  digits(minutes / 60, 2);
  digits(minutes % 60, 2);
  return *this;
}

Writer& Writer::encoding_characters() {
  for (char c : {d_.component, d_.repetition, d_.escape, d_.subcomponent}) {
    if (c != '\0') out_.push_back(c);
  }
  return *this;
}

std::string Writer::finish() {
  out_.push_back('\r');
  return std::exchange(out_, {});
}

}  // namespace hutong::hl7v2
