// What a region agreed on about referral, as dated tables under schemas/referral: which pairs may refer, how long who
// may be waited for, working hours and holidays. Every look-up takes a day or a moment that is recorded, so whatever
// was decided or was due on any past day can be said again. Loaded whole, immutable. Threads: any, concurrently.
#pragma once

#include <chrono>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "broker/base/time.h"
#include "broker/model/referral.h"
#include "broker/terminology/dated.h"

namespace hutong::referral {

using std::chrono::microseconds;
using Text = std::string_view;

// What a referral waits for. Who is waited for: the receiver, the patient, the sender, the receiver, the sender.
enum class Wait { answer, arrival, decision, report, closing };
inline constexpr std::size_t waits = 5;
std::string_view to_string(Wait wait);

struct Pace {  // of one wait; counted from its beginning
  microseconds remind{}, escalate{}, again{};
  std::optional<microseconds> end;
  bool working = false;  // only working hours count
};

struct Chronic {  // a disease whose patients are followed up
  std::string code, name_zh, name_en;
};

struct Party {  // as schemas/facilities has it
  std::string code, level, kind;
};

class Rules {
 public:
  // A table in a later folder replaces the same table of the earlier ones. Throws std::runtime_error with file and
  // line: what does not read, two rows for one thing on one day, a wait without its pace.
  static std::shared_ptr<const Rules> load(const std::vector<std::filesystem::path>& folders);

  const std::string& version() const { return version_; }  // "2026-01-01+1a2b3c4d"
  bool agreed(model::Direction direction, const Party& from, const Party& to, bool same_alliance, Text day) const;
  Pace pace(Wait wait, model::Priority urgency, Text day) const;
  // `time` of working hours of `facility` later. A span that holds fewer of them than it should within 60 days (no
  // hours on record) is counted by the clock on the wall: nobody is waited for for ever.
  Timestamp worked(Timestamp from, microseconds time, Text facility) const;
  // The disease of a diagnosis; nullptr: it is none of the chronic ones.
  const Chronic* chronic(Text code, Text day) const;
  std::string day_of(Timestamp at) const;     // in the area's calendar, "2026-01-02"
  Text parameter(Text name, Text day) const;  // "" not set

 private:
  friend class RulesLoader;
  using Validity = terminology::Validity;
  struct Route {
    model::Direction direction;
    std::string from_level, to_level;
    std::vector<std::string> to_kinds;
    bool same_alliance;
    Validity valid;
  };
  struct DatedPace {
    Validity valid;
    Pace pace;
  };
  struct Hours {
    std::string weekdays;
    microseconds opens, closes;
    Validity valid;
  };
  struct DatedChronic {
    Validity valid;
    Chronic chronic;
  };
  struct Value {
    Validity valid;
    std::string value;
  };

  std::string version_;
  int zone_minutes_ = 480;  // of the area
  std::vector<Route> routes_;
  std::map<std::pair<Wait, model::Priority>, std::vector<DatedPace>> paces_;
  std::map<std::string, std::vector<Hours>, std::less<>> hours_;  // in the day's order
  std::vector<DatedChronic> chronic_;
  std::map<std::string, bool, std::less<>> calendar_;             // whether that day is worked
  std::map<std::string, std::vector<Value>, std::less<>> parameters_;
};

// "30s", "90m", "2h", "3d"; nullopt: none.
std::optional<microseconds> duration_of(Text text);

}  // namespace hutong::referral
