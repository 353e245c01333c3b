#include "broker/pipeline/recent_controls.h"

#include <algorithm>

#include "broker/base/limits.h"

namespace hutong::pipeline {

RecentControls::Known RecentControls::look(const std::string& control, const RecordId& message) {
  Shard& shard = shard_of(control);
  const std::lock_guard lock(shard.mutex);
  Known known;
  const auto found = shard.entries.find(control);
  if (found == shard.entries.end()) return known;
  for (const Entry& entry : found->second) {
    if (entry.message == message) {
      known.same = known.same || entry.durable;
    } else if (!known.same) {
      known.other = true;  // what came after this message is not its conflict
    }
  }
  return known;
}

void RecentControls::begin(const std::string& control, const RecordId& message) {
  Shard& shard = shard_of(control);
  const std::lock_guard lock(shard.mutex);
  if (shard.entries.size() >= limits::recent_controls / shards_.size()) return;
  auto& entries = shard.entries[control];
  const auto same = [&](const Entry& entry) { return entry.message == message; };
  if (std::none_of(entries.begin(), entries.end(), same)) entries.push_back({message, false});
}

void RecentControls::durable(const std::string& control, const RecordId& message, port::Offset offset) {
  Shard& shard = shard_of(control);
  const std::lock_guard lock(shard.mutex);
  const auto found = shard.entries.find(control);
  if (found == shard.entries.end()) return;
  for (Entry& entry : found->second) {
    if (entry.message == message && !entry.durable) {
      entry.durable = true;
      shard.by_offset.emplace_back(offset, control);
    }
  }
}

void RecentControls::withdraw(const std::string& control, const RecordId& message) {
  Shard& shard = shard_of(control);
  const std::lock_guard lock(shard.mutex);
  const auto found = shard.entries.find(control);
  if (found == shard.entries.end()) return;
  std::erase_if(found->second, [&](const Entry& entry) { return entry.message == message && !entry.durable; });
  if (found->second.empty()) shard.entries.erase(found);
}

void RecentControls::projected_below(port::Offset offset) {
  for (Shard& shard : shards_) {
    const std::lock_guard lock(shard.mutex);
    // Offsets of one shard are nearly in order; one that is late is only remembered a little longer.
    while (!shard.by_offset.empty() && shard.by_offset.front().first < offset) {
      const auto found = shard.entries.find(shard.by_offset.front().second);
      if (found != shard.entries.end()) {
        const auto durable = std::find_if(found->second.begin(), found->second.end(),
                                          [](const Entry& entry) { return entry.durable; });
        if (durable != found->second.end()) found->second.erase(durable);
        if (found->second.empty()) shard.entries.erase(found);
      }
      shard.by_offset.pop_front();
    }
  }
}

std::size_t RecentControls::size() const {
  std::size_t total = 0;
  for (const Shard& shard : shards_) {
    const std::lock_guard lock(shard.mutex);
    total += shard.entries.size();
  }
  return total;
}

}  // namespace hutong::pipeline
