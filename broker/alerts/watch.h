// Which conditions hold, and what is to be told of them: readings go in, what is new comes out. A condition is raised
// once it has been wrong for `hold`, told again after `repeat_after` while it lasts, and cleared once it has been well
// for `hold`. A watch begins with what it finds, after twice `hold`: once for everything to be there to be read, once
// to hold. That is told as standing, not as news: it may have been told before a restart or by another broker. No I/O
// and no clock: time is an argument, and durations are of ticks, so that a wall clock that is set tells nothing and
// forgets nothing. Threads: one owner.
#pragma once

#include <chrono>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "broker/alerts/conditions.h"

namespace hutong::alerts {

using Ticks = std::chrono::nanoseconds;

struct Moment {
  Timestamp wall;  // for people
  Ticks ticks{0};  // for durations
};

enum class State { raised, standing, cleared };
std::string_view to_string(State state);

struct Alert {
  std::string id;  // "lag:ward": the same whenever this is wrong with this
  State state = State::raised;
  Reading reading;  // as it was read last; cleared: as it was while it lasted
  Timestamp since;
  double seconds = 0;  // that it lasts, or lasted
};
Text text_of(const Alert& alert);

class Watch {
 public:
  Watch(Ticks hold, Ticks repeat_after) : hold_(hold), repeat_after_(repeat_after) {}

  struct Said {
    bool begins = false;  // with these: whatever is not among them does not hold
    std::vector<Alert> alerts;
  };
  // Everything there is to be read now; what is not among it is well.
  Said look(const std::vector<Reading>& readings, Moment now);
  // Since it was made, or forgot.
  bool has_looked() const { return began_.has_value(); }
  // What holds now, by id.
  std::vector<Alert> standing(Moment now) const;
  // Another broker watches from here on: nothing is known any more.
  void forget();

 private:
  struct Condition {
    Reading reading;
    Moment since;               // it is wrong
    std::optional<Ticks> well;  // raised: it is well since
    bool raised = false;
    Ticks told{0};
  };
  std::optional<Alert> read(Condition& condition, const Reading& reading, Moment now, bool may_tell);

  Ticks hold_, repeat_after_;
  std::optional<Ticks> began_;
  bool has_begun_ = false;  // what held then has been told
  std::map<std::string, Condition> conditions_;
};

// Of what was counted lately, how much was bad. Counters may begin anew.
class Share {
 public:
  void count(double bad, double all, Ticks now, Ticks within);
  double bad() const;
  double percent() const;  // 0 of nothing

 private:
  struct Sample {
    Ticks at;
    double bad, all;
  };
  std::deque<Sample> samples_;  // ten of `within`, and the newest
};

// How long nothing came. `heard` is anything that changes whenever something comes; at first `last` says when that was.
class Ear {
 public:
  Ticks silent(double heard, Timestamp last, Moment now);

 private:
  std::optional<double> heard_;
  Ticks at_{0};
};

}  // namespace hutong::alerts
