// Points in time are microseconds since 1970-01-01T00:00:00Z. Nothing in a domain room asks for the present:
// time is an argument. The Clock exists so that the composition root and the tests can pass one.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace hutong {

struct Timestamp {
  std::int64_t micros = 0;
  auto operator<=>(const Timestamp&) const = default;
};

inline Timestamp operator+(Timestamp t, std::chrono::microseconds d) { return {t.micros + d.count()}; }
inline std::chrono::microseconds operator-(Timestamp a, Timestamp b) {
  return std::chrono::microseconds(a.micros - b.micros);
}

// "2026-01-02T03:04:05.678Z" (milliseconds) in UTC, or with the fixed offset "+08:00" when minutes are given.
std::string to_iso(Timestamp time, int offset_minutes = 0);
// FHIR dateTime or date, any precision ("2026", "2026-01", "2026-01-02", "2026-01-02T03:04[:05[.678]](Z|+08:00)"):
// the half-open interval [first, last) that it covers; a value without zone is read at `offset_minutes`.
struct TimeSpan {
  Timestamp first, last;
};
std::optional<TimeSpan> parse_iso(std::string_view text, int offset_minutes = 480);

// Days since 1970-01-01 of a civil date (proleptic Gregorian), and whether the date exists.
std::int64_t days_from_civil(int year, int month, int day);
bool is_date(int year, int month, int day);

class Clock {
 public:
  virtual ~Clock() = default;
  virtual Timestamp now() const = 0;                       // wall time
  virtual std::chrono::nanoseconds ticks() const = 0;      // never goes back; for durations
};
const Clock& system_clock();

}  // namespace hutong
