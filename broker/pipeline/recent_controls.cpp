#include "broker/pipeline/recent_controls.h"

#include <algorithm>

#include "broker/base/limits.h"

namespace hutong::pipeline {

namespace {

// Every entry, oldest first; stops where `visit` says false.
template <class Entries, class Visit>
void each(Entries& entries, Visit visit) {
  if (entries.empty) return;
  if (!visit(entries.first)) return;
  for (auto& entry : entries.others) {
    if (!visit(entry)) return;
  }
}

// Takes the oldest entry out that `matches`.
template <class Entries, class Matches>
void take_out(Entries& entries, Matches matches) {
  if (entries.empty) return;
  const auto other = std::find_if(entries.others.begin(), entries.others.end(), matches);
  if (matches(entries.first)) {
    if (entries.others.empty()) {
      entries.empty = true;
    } else {
      entries.first = entries.others.front();
      entries.others.erase(entries.others.begin());
    }
  } else if (other != entries.others.end()) {
    entries.others.erase(other);
  }
}

}  // namespace

RecentControls::Known RecentControls::enter(const ControlKey& control, const RecordId& message) {
  Shard& shard = shard_of(control);
  const std::lock_guard lock(shard.mutex);
  Known known;
  auto found = shard.entries.find(control);
  if (found == shard.entries.end()) {
    if (shard.entries.size() < limits::recent_controls / shards_.size()) {
      shard.entries.emplace(control, Entries{{message, false}, {}, false});
    }
    return known;
  }
  auto& entries = found->second;
  bool there = false;
  each(entries, [&](const Entry& entry) {
    if (entry.message == message) {
      there = true;
      known.same = known.same || entry.durable;
    } else if (!known.same) {
      known.other = true;  // what came after this message is not its conflict
    }
    return true;
  });
  if (there) return known;
  if (entries.empty) {
    entries.first = {message, false};
    entries.empty = false;
  } else if (entries.others.size() < limits::messages_per_control) {
    entries.others.push_back({message, false});
  }
  return known;
}

void RecentControls::durable(const ControlKey& control, const RecordId& message, port::Position position) {
  Shard& shard = shard_of(control);
  const std::lock_guard lock(shard.mutex);
  const auto found = shard.entries.find(control);
  if (found == shard.entries.end()) return;
  each(found->second, [&](Entry& entry) {
    if (entry.message == message && !entry.durable) {
      entry.durable = true;
      shard.by_position.emplace_back(position, found->first);
    }
    return true;
  });
}

void RecentControls::withdraw(const ControlKey& control, const RecordId& message) {
  Shard& shard = shard_of(control);
  const std::lock_guard lock(shard.mutex);
  const auto found = shard.entries.find(control);
  if (found == shard.entries.end()) return;
  take_out(found->second, [&](const Entry& entry) { return entry.message == message && !entry.durable; });
  if (found->second.empty) shard.entries.erase(found);
}

void RecentControls::projected_below(port::Partition partition, port::Offset offset) {
  for (Shard& shard : shards_) {
    const std::lock_guard lock(shard.mutex);
    shard.projected[partition] = offset;
    // Positions stand in the order of their appends; what waits behind another partition is only remembered a little
    // longer.
    while (!shard.by_position.empty()) {
      const auto& position = shard.by_position.front().first;
      const auto known = shard.projected.find(position.partition);
      if (known == shard.projected.end() || position.offset >= known->second) break;
      const auto found = shard.entries.find(shard.by_position.front().second);
      if (found != shard.entries.end()) {
        take_out(found->second, [](const Entry& entry) { return entry.durable; });
        if (found->second.empty) shard.entries.erase(found);
      }
      shard.by_position.pop_front();
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
