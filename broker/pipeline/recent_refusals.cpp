#include "broker/pipeline/recent_refusals.h"

namespace hutong::pipeline {
namespace {

std::string name_of(std::string_view facility, std::string_view raw_hash) {
  std::string name(facility);  // a facility's code has no slash
  return name.append("/").append(raw_hash);
}

}  // namespace

RecentRefusals::Entry& RecentRefusals::touch(std::string_view facility, std::string_view raw_hash) {
  auto name = name_of(facility, raw_hash);
  if (const auto found = by_name_.find(name); found != by_name_.end()) {
    entries_.splice(entries_.begin(), entries_, found->second);
  } else {
    if (entries_.size() == most_) {
      by_name_.erase(entries_.back().name);
      entries_.pop_back();
    }
    entries_.push_front({name, {}});
    by_name_.emplace(std::move(name), entries_.begin());
  }
  return entries_.front();
}

const RecentRefusals::Entry* RecentRefusals::find(std::string_view facility, std::string_view raw_hash) const {
  const auto found = by_name_.find(name_of(facility, raw_hash));
  return found == by_name_.end() ? nullptr : &*found->second;
}

void RecentRefusals::kept(std::string_view facility, std::string_view raw_hash) {
  const std::lock_guard lock(mutex_);
  touch(facility, raw_hash);
}

void RecentRefusals::came_again(std::string_view facility, std::string_view raw_hash, Timestamp at) {
  const std::lock_guard lock(mutex_);
  auto& count = touch(facility, raw_hash).count;
  ++count.times;
  count.last = at;
}

bool RecentRefusals::known(std::string_view facility, std::string_view raw_hash) const {
  const std::lock_guard lock(mutex_);
  return find(facility, raw_hash) != nullptr;
}

RecentRefusals::Count RecentRefusals::count(std::string_view facility, std::string_view raw_hash) const {
  const std::lock_guard lock(mutex_);
  const Entry* entry = find(facility, raw_hash);
  return entry ? entry->count : Count{};
}

}  // namespace hutong::pipeline
