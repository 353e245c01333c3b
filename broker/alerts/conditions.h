// The conditions that somebody is told of: one table (conditions.cpp) says of each kind what is counted, when it is
// over, whose it is and in which words it is told. A reading is one of them as it is at this moment.
// Pure; threads: any.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>

#include "broker/base/time.h"

namespace hutong::alerts {

enum class Kind {
  lag,           // a subscriber's oldest event that is not delivered, in seconds
  dead_letters,  // that wait for an operator, of a subscriber
  failures,      // of a subscriber's latest attempts, in percent
  refusals,      // of a feed's latest messages, in percent
  silence,       // of a feed, in seconds
  disk,          // bytes free where the data are
  disk_days,     // until it is full at today's rate
  dependency,    // log, store, projector or audit is not ready
};
inline constexpr Kind all_kinds[] = {Kind::lag,     Kind::dead_letters, Kind::failures,  Kind::refusals,
                                     Kind::silence, Kind::disk,         Kind::disk_days, Kind::dependency};
std::string_view to_string(Kind kind);  // "dead-letters"

// Where it is read. What concerns this broker's machine each broker tells of itself; the rest is the same for all, and
// one of them tells.
enum class Source { broker, feeds, deliveries };
Source source_of(Kind kind);

// [alerts] in hutong.toml, explained there. Zero turns a condition off.
struct Policy {
  std::chrono::milliseconds hold{30'000}, repeat_after = std::chrono::hours(4);
  std::chrono::milliseconds lag = std::chrono::minutes(10);
  std::uint64_t dead_letters = 1;
  unsigned failures = 50, refusals = 50;                        // percent,
  std::uint64_t least = 10;                                     // where so many failed or were refused
  std::chrono::milliseconds within = std::chrono::minutes(10);  // of the latest: so long
  std::map<std::string, std::chrono::milliseconds, std::less<>> silence{{"*", std::chrono::hours(8)}};  // by facility
  bool silence_in_working_hours = true;
  std::uint64_t disk_free = 2ULL << 30U;  // bytes,
  unsigned disk_free_percent = 0;         // or of the whole, where that is not zero
  double disk_days = 14;                  // [disk] warn_days_left
  std::chrono::milliseconds silent_after(std::string_view facility) const;
};

// What is to count as over lies a little off what counts as wrong, so that a value at the limit does not flap.
enum class Level { well, between, wrong };

struct Subject {
  std::string id;      // a subscription's name, a facility's code, a broker's name
  std::string zh, en;  // as people call it; "" its id
};

struct Reading {
  Kind kind = Kind::lag;
  Subject subject;
  double value = 0, limit = 0;
  Level level = Level::well;
  std::string detail;  // what it answered last, in the wire's words; never a patient's
};
// Held against its limit by the table; a limit of zero is never reached.
Reading reading(Kind kind, Subject subject, double value, double limit, std::string detail = {});

struct Text {
  std::string zh, en;
};
// What is told while it lasts, and that it is over after so many seconds.
Text text_of(const Reading& reading);
Text text_of_end(const Reading& reading, double seconds);

}  // namespace hutong::alerts
