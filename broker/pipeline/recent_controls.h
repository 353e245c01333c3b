// Control ids on their way between the log and the store: what intake has appended and the projector has not applied
// yet. Together with the store's `controls` table it answers a resend without reading the log.
// Bounded: beyond limits::recent_controls nothing more is remembered, and a resend in that window is appended a second
// time, which the projector recognises by its record id (product.md §6.3: the log may hold a record id twice).
// Threads: any; sixteen independent locks, held for a look-up each.
#pragma once

#include <array>
#include <boost/unordered/unordered_flat_map.hpp>
#include <deque>
#include <map>
#include <mutex>
#include <vector>

#include "broker/base/id.h"
#include "broker/port/log.h"

namespace hutong::pipeline {

class RecentControls {
 public:
  struct Known {
    bool same = false;   // this very message is durable already
    bool other = false;  // the control id came with other content before
  };
  // What came before under `control`. `message` is the record id of a message's first patient; unless it is durable
  // already it is remembered as being appended, so that other content under the same id is noticed at once.
  Known enter(const ControlKey& control, const RecordId& message);
  void durable(const ControlKey& control, const RecordId& message, port::Position position);
  void withdraw(const ControlKey& control, const RecordId& message);
  // The store knows everything of this partition below `offset` now.
  void projected_below(port::Partition partition, port::Offset offset);
  std::size_t size() const;

 private:
  struct Entry {
    RecordId message;
    bool durable = false;
  };
  // Nearly always one message under one control id; what comes beside it is a conflict.
  struct Entries {
    Entry first;
    std::vector<Entry> others;
    bool empty = true;
  };
  struct Shard {
    mutable std::mutex mutex;
    boost::unordered_flat_map<ControlKey, Entries, std::hash<ControlKey>> entries;
    std::deque<std::pair<port::Position, ControlKey>> by_position;
    std::map<port::Partition, port::Offset> projected;
  };
  Shard& shard_of(const ControlKey& control) {
    return shards_[static_cast<unsigned char>(control.view()[8]) % shards_.size()];
  }
  std::array<Shard, 16> shards_;
};

}  // namespace hutong::pipeline
