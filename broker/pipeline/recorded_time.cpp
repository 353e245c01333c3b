#include "broker/pipeline/recorded_time.h"

namespace hutong::pipeline {

RecordedTime::RecordedTime(const Clock& clock, Timestamp newest_recorded)
    : clock_(clock), newest_at_start_(newest_recorded), time_(clock.now(), clock.ticks(), newest_recorded) {}

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
      // The last offset may be a gap: then one of the few before it is a record.
      for (port::Offset back = 1; back <= 10 && back <= *end && *end - back >= log.first(partition); ++back) {
        const auto last = co_await log.read(partition, *end - back, {1, 1, false});
        if (!last) co_return tl::unexpected(last.error());
        if (last->records.empty()) continue;
        newest = std::max(newest, last->records.back().appended);
        break;
      }
    }
  }
  co_return newest;
}

}  // namespace hutong::pipeline
