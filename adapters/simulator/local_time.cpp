#include "adapters/simulator/local_time.h"

#include <cstdio>

#include "broker/base/time.h"

namespace hutong::simulator {
namespace {

std::int64_t floor_days(LocalSeconds time) {
  return (time >= 0 ? time : time - (day - 1)) / day;
}

bool read_number(std::string_view text, std::size_t at, std::size_t count, int& value) {
  value = 0;
  for (std::size_t i = at; i < at + count; ++i) {
    if (i >= text.size() || text[i] < '0' || text[i] > '9') return false;
    value = value * 10 + (text[i] - '0');
  }
  return true;
}

}  // namespace

// Days to a civil date, counting in 400-year eras from 0000-03-01 (the leap day is then the year's last).
Civil civil_of(LocalSeconds time) {
  const std::int64_t days = floor_days(time) + 719'468;
  const std::int64_t era = (days >= 0 ? days : days - 146'096) / 146'097;
  const std::int64_t of_era = days - era * 146'097;
  const std::int64_t year_of_era = (of_era - of_era / 1'460 + of_era / 36'524 - of_era / 146'096) / 365;
  const std::int64_t of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
  const std::int64_t shifted_month = (5 * of_year + 2) / 153;
  const int month = static_cast<int>(shifted_month < 10 ? shifted_month + 3 : shifted_month - 9);
  return {static_cast<int>(year_of_era + era * 400 + (month <= 2 ? 1 : 0)), month,
          static_cast<int>(of_year - (153 * shifted_month + 2) / 5 + 1)};
}

std::string hl7_date(const Civil& date) {
  char text[48];
  std::snprintf(text, sizeof text, "%04d%02d%02d", date.year, date.month, date.day);
  return text;
}

std::string hl7_time(LocalSeconds time) {
  const int second = static_cast<int>(time - floor_days(time) * day);
  char text[48];
  std::snprintf(text, sizeof text, "%02d%02d%02d", second / 3600, second / 60 % 60, second % 60);
  return hl7_date(civil_of(time)) + text;
}

std::string iso_time(LocalSeconds time) {
  const std::string t = hl7_time(time);
  return t.substr(0, 4) + "-" + t.substr(4, 2) + "-" + t.substr(6, 2) + "T" + t.substr(8, 2) + ":" + t.substr(10, 2) +
         ":" + t.substr(12, 2);
}

std::optional<LocalSeconds> parse_local(std::string_view text) {
  int year = 0, month = 0, day_of_month = 0, hours = 0, minutes = 0, seconds = 0;
  if (text.size() != 10 && text.size() != 19) return std::nullopt;
  if (!read_number(text, 0, 4, year) || text[4] != '-' || !read_number(text, 5, 2, month) || text[7] != '-' ||
      !read_number(text, 8, 2, day_of_month) || !is_date(year, month, day_of_month)) {
    return std::nullopt;
  }
  if (text.size() == 19 &&
      (text[10] != 'T' || !read_number(text, 11, 2, hours) || text[13] != ':' || !read_number(text, 14, 2, minutes) ||
       text[16] != ':' || !read_number(text, 17, 2, seconds) || hours > 23 || minutes > 59 || seconds > 59)) {
    return std::nullopt;
  }
  return days_from_civil(year, month, day_of_month) * day + hours * hour + minutes * minute + seconds;
}

}  // namespace hutong::simulator
