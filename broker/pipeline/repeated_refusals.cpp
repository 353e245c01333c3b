#include "broker/pipeline/repeated_refusals.h"

namespace hutong::pipeline {
namespace {

std::string name_of(std::string_view facility, std::string_view raw_hash) {
  std::string name(facility);  // a facility's code has no slash
  return name.append("/").append(raw_hash);
}

}  // namespace

void RepeatedRefusals::add(std::string_view facility, std::string_view raw_hash, Timestamp at) {
  auto name = name_of(facility, raw_hash);
  const std::lock_guard lock(mutex_);
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
  auto& count = entries_.front().count;
  ++count.times;
  count.last = at;
}

RepeatedRefusals::Count RepeatedRefusals::of(std::string_view facility, std::string_view raw_hash) const {
  const std::lock_guard lock(mutex_);
  const auto found = by_name_.find(name_of(facility, raw_hash));
  return found == by_name_.end() ? Count{} : found->second->count;
}

}  // namespace hutong::pipeline
