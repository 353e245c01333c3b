#include "broker/alerts/watch.h"

#include <algorithm>

namespace hutong::alerts {
namespace {

double seconds_of(Ticks ticks) {
  return std::chrono::duration<double>(ticks).count();
}

}  // namespace

std::string_view to_string(State state) {
  switch (state) {
    case State::raised: return "raised";
    case State::standing: return "standing";
    default: return "cleared";
  }
}

Text text_of(const Alert& alert) {
  return alert.state == State::cleared ? text_of_end(alert.reading, alert.seconds) : text_of(alert.reading);
}

std::optional<Alert> Watch::read(Condition& condition, const Reading& reading, Moment now, bool may_tell) {
  const auto said = [&](State state, Ticks until) {
    return Alert{"", state, condition.reading, condition.since.wall, seconds_of(until - condition.since.ticks)};
  };
  if (reading.level != Level::well) condition.reading = reading;
  if (!condition.raised) {
    if (!may_tell || now.ticks - condition.since.ticks < hold_) return std::nullopt;
    condition.raised = true;
    condition.told = now.ticks;
    return said(has_begun_ ? State::raised : State::standing, now.ticks);
  }
  if (reading.level == Level::well) {
    if (!condition.well) condition.well = now.ticks;
    if (now.ticks - *condition.well < hold_) return std::nullopt;
    return said(State::cleared, *condition.well);
  }
  condition.well.reset();
  if (repeat_after_ == Ticks(0) || now.ticks - condition.told < repeat_after_) return std::nullopt;
  condition.told = now.ticks;
  return said(State::standing, now.ticks);
}

Watch::Said Watch::look(const std::vector<Reading>& readings, Moment now) {
  if (!began_) began_ = now.ticks;
  Said said;
  said.begins = !has_begun_ && now.ticks - *began_ >= 2 * hold_;
  std::map<std::string, const Reading*> by_id;
  for (const auto& each : readings) by_id[std::string(to_string(each.kind)) + ":" + each.subject.id] = &each;
  for (const auto& [id, reading] : by_id) {
    if (reading->level == Level::wrong) conditions_.try_emplace(id, Condition{*reading, now, {}, false, Ticks(0)});
  }
  for (auto at = conditions_.begin(); at != conditions_.end();) {
    auto& [id, condition] = *at;
    const auto found = by_id.find(id);
    Reading gone = condition.reading;
    gone.level = Level::well;
    const Reading& reading = found == by_id.end() ? gone : *found->second;
    bool over = !condition.raised && reading.level != Level::wrong;
    if (!over) {
      if (auto alert = read(condition, reading, now, has_begun_ || said.begins)) {
        over = alert->state == State::cleared;
        alert->id = id;
        said.alerts.push_back(std::move(*alert));
      }
    }
    at = over ? conditions_.erase(at) : std::next(at);
  }
  if (said.begins) has_begun_ = true;
  return said;
}

std::vector<Alert> Watch::standing(Moment now) const {
  std::vector<Alert> all;
  for (const auto& [id, condition] : conditions_) {
    if (!condition.raised) continue;
    all.push_back(
        {id, State::standing, condition.reading, condition.since.wall, seconds_of(now.ticks - condition.since.ticks)});
  }
  return all;
}

void Watch::forget() {
  conditions_.clear();
  began_.reset();
  has_begun_ = false;
}

void Share::count(double bad, double all, Ticks now, Ticks within) {
  if (!samples_.empty() && (bad < samples_.back().bad || all < samples_.back().all)) samples_.clear();
  // What is older than `within` goes, but for the one that it is counted from.
  while (samples_.size() > 1 && now - samples_[1].at >= within) samples_.pop_front();
  if (samples_.size() > 1 && now - samples_[samples_.size() - 2].at < within / 10) samples_.pop_back();
  samples_.push_back({now, bad, all});
}

double Share::bad() const {
  return samples_.empty() ? 0 : samples_.back().bad - samples_.front().bad;
}

double Share::percent() const {
  const double all = samples_.empty() ? 0 : samples_.back().all - samples_.front().all;
  return all > 0 ? 100 * bad() / all : 0;
}

Ticks Ear::silent(double heard, Timestamp last, Moment now) {
  if (!heard_)
    at_ = now.ticks - std::max(Ticks(0), Ticks(now.wall - last));
  else if (*heard_ != heard)
    at_ = now.ticks;
  heard_ = heard;
  return now.ticks - at_;
}

}  // namespace hutong::alerts
