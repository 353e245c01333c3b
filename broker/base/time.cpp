#include "broker/base/time.h"

#include <cstdio>

namespace hutong {
namespace {

struct Civil {
  std::int64_t year;
  int month, day;
};

// Howard Hinnant's days-from-civil algorithms: exact over the whole range, no tables.
Civil civil_from_days(std::int64_t z) {
  z += 719468;
  const std::int64_t era = (z >= 0 ? z : z - 146096) / 146097;
  const auto doe = static_cast<unsigned>(z - era * 146097);
  const unsigned yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
  const unsigned doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
  const unsigned mp = (5 * doy + 2) / 153;
  const int day = static_cast<int>(doy - (153 * mp + 2) / 5 + 1);
  const int month = static_cast<int>(mp < 10 ? mp + 3 : mp - 9);
  return {static_cast<std::int64_t>(yoe) + era * 400 + (month <= 2), month, day};
}

class Digits {
 public:
  explicit Digits(std::string_view text) : rest_(text) {}
  std::optional<int> take(std::size_t count) {
    if (rest_.size() < count) return std::nullopt;
    int value = 0;
    for (std::size_t i = 0; i < count; ++i) {
      if (rest_[i] < '0' || rest_[i] > '9') return std::nullopt;
      value = value * 10 + (rest_[i] - '0');
    }
    rest_.remove_prefix(count);
    return value;
  }
  bool skip(char c) {
    if (rest_.empty() || rest_.front() != c) return false;
    rest_.remove_prefix(1);
    return true;
  }
  bool done() const { return rest_.empty(); }
  std::string_view rest() const { return rest_; }

 private:
  std::string_view rest_;
};

constexpr std::int64_t day_micros = 86'400'000'000;

class SystemClock final : public Clock {
 public:
  Timestamp now() const override {
    return {std::chrono::duration_cast<std::chrono::microseconds>(std::chrono::system_clock::now().time_since_epoch())
                .count()};
  }
  std::chrono::nanoseconds ticks() const override { return std::chrono::steady_clock::now().time_since_epoch(); }
};

}  // namespace

std::int64_t days_from_civil(int year, int month, int day) {
  std::int64_t y = year - (month <= 2);
  const std::int64_t era = (y >= 0 ? y : y - 399) / 400;
  const auto yoe = static_cast<unsigned>(y - era * 400);
  const auto doy = static_cast<unsigned>((153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1);
  const unsigned doe = yoe * 365 + yoe / 4 - yoe / 100 + doy;
  return era * 146097 + static_cast<std::int64_t>(doe) - 719468;
}

bool is_date(int year, int month, int day) {
  if (year < 1 || month < 1 || month > 12 || day < 1) return false;
  static constexpr int lengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  const bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
  return day <= lengths[month - 1] + (month == 2 && leap ? 1 : 0);
}

std::string to_iso(Timestamp time, int offset_minutes) {
  std::int64_t micros = time.micros + offset_minutes * 60'000'000LL;
  std::int64_t days = micros / day_micros;
  std::int64_t rest = micros % day_micros;
  if (rest < 0) {
    rest += day_micros;
    --days;
  }
  const Civil civil = civil_from_days(days);
  const auto ms = static_cast<int>(rest / 1000);
  char buffer[64];
  int size = std::snprintf(buffer, sizeof buffer, "%04lld-%02d-%02dT%02d:%02d:%02d.%03d",
                           static_cast<long long>(civil.year), civil.month, civil.day, ms / 3'600'000,
                           ms / 60'000 % 60, ms / 1000 % 60, ms % 1000);
  std::string text(buffer, static_cast<std::size_t>(size));
  if (offset_minutes == 0) return text + "Z";
  const int minutes = offset_minutes < 0 ? -offset_minutes : offset_minutes;
  std::snprintf(buffer, sizeof buffer, "%c%02d:%02d", offset_minutes < 0 ? '-' : '+', minutes / 60, minutes % 60);
  return text + buffer;
}

std::optional<TimeSpan> parse_iso(std::string_view text, int offset_minutes) {
  Digits digits(text);
  const auto year = digits.take(4);
  if (!year) return std::nullopt;
  const auto at = [&](int month, int day) { return Timestamp{days_from_civil(*year, month, day) * day_micros}; };
  const auto shift = [&](TimeSpan span, int minutes) {
    const std::int64_t micros = minutes * 60'000'000LL;
    return TimeSpan{{span.first.micros - micros}, {span.last.micros - micros}};
  };
  if (digits.done()) return shift({at(1, 1), Timestamp{days_from_civil(*year + 1, 1, 1) * day_micros}}, offset_minutes);
  if (!digits.skip('-')) return std::nullopt;
  const auto month = digits.take(2);
  if (!month || *month < 1 || *month > 12) return std::nullopt;
  if (digits.done()) {
    const Timestamp last = *month == 12 ? Timestamp{days_from_civil(*year + 1, 1, 1) * day_micros} : at(*month + 1, 1);
    return shift({at(*month, 1), last}, offset_minutes);
  }
  if (!digits.skip('-')) return std::nullopt;
  const auto day = digits.take(2);
  if (!day || !is_date(*year, *month, *day)) return std::nullopt;
  std::int64_t first = at(*month, *day).micros;
  if (digits.done()) return shift({{first}, {first + day_micros}}, offset_minutes);
  if (!digits.skip('T')) return std::nullopt;
  const auto hour = digits.take(2);
  if (!hour || *hour > 24 || !digits.skip(':')) return std::nullopt;
  const auto minute = digits.take(2);
  if (!minute || *minute > 59) return std::nullopt;
  first += *hour * 3'600'000'000LL + *minute * 60'000'000LL;
  std::int64_t width = 60'000'000;
  if (digits.skip(':')) {
    const auto second = digits.take(2);
    if (!second || *second > 60) return std::nullopt;
    first += *second * 1'000'000LL;
    width = 1'000'000;
    if (digits.skip('.')) {
      std::int64_t unit = 1'000'000;
      bool any = false;
      while (auto digit = digits.take(1)) {
        unit /= 10;
        first += *digit * unit;
        any = true;
      }
      if (!any) return std::nullopt;
      width = unit > 0 ? unit : 1;
    }
  }
  int minutes = offset_minutes;
  if (digits.skip('Z')) {
    minutes = 0;
  } else if (!digits.done()) {
    const bool minus = digits.rest().front() == '-';
    if (!digits.skip('+') && !digits.skip('-')) return std::nullopt;
    const auto hours = digits.take(2);
    digits.skip(':');
    const auto rest = digits.take(2);
    if (!hours || !rest || *hours > 14 || *rest > 59) return std::nullopt;
    minutes = (*hours * 60 + *rest) * (minus ? -1 : 1);
  }
  if (!digits.done()) return std::nullopt;
  return shift({{first}, {first + width}}, minutes);
}

const Clock& system_clock() {
  static const SystemClock clock;
  return clock;
}

}  // namespace hutong
