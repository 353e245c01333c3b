#include "broker/pipeline/recorded_time.h"

#include <algorithm>

namespace hutong::pipeline {
namespace {

constexpr port::Offset looked_back_max = 10'000;
constexpr std::size_t looked_at_once = 100, looked_at_bytes = 8 * 1024 * 1024;

}  // namespace

RecordedTime::RecordedTime(const Clock& clock, Timestamp newest_recorded)
    : clock_(clock), time_(clock.now(), clock.ticks(), newest_recorded) {}

Timestamp RecordedTime::now() {
  const std::lock_guard lock(mutex_);
  const auto now = time_.at(clock_.now(), clock_.ticks());
  return {now.micros - now.micros % 1000};
}

bool RecordedTime::jumped() const {
  const std::lock_guard lock(mutex_);
  return time_.jumped();
}

net::awaitable<Result<Timestamp>> newest_recorded(port::Log& log) {
  Timestamp newest;
  for (const auto topic : port::all_topics) {
    for (std::uint32_t number = 0; number < log.partitions(topic); ++number) {
      const port::Partition partition{topic, number};
      const auto end = co_await log.end(partition);
      if (!end) co_return tl::unexpected(end.error());
      // Backwards: the last offset may be a gap, and deliveries are no command's and are stamped by the wall clock,
      // which may have been set.
      const auto first = log.first(partition);
      for (auto to = *end; to > first && *end - to < looked_back_max;) {
        const auto from = to - std::min<port::Offset>(to - first, looked_at_once);
        const auto slice = co_await log.read(partition, from, {looked_at_once, looked_at_bytes, false});
        if (!slice) co_return tl::unexpected(slice.error());
        const auto found = std::find_if(slice->records.rbegin(), slice->records.rend(), [&](const auto& each) {
          return each.offset < to && !each.record.kinds.starts_with("delivery.");
        });
        if (found != slice->records.rend()) {
          newest = std::max(newest, found->appended);
          break;
        }
        to = from;
      }
    }
  }
  co_return newest;
}

}  // namespace hutong::pipeline
