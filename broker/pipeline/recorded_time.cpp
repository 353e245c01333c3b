#include "broker/pipeline/recorded_time.h"

#include <algorithm>

#include "broker/model/critical.h"
#include "broker/model/referral.h"

namespace hutong::pipeline {
namespace {

constexpr port::Offset looked_back_max = 10'000;
constexpr port::Offset stamped_back = 1'000;
constexpr std::size_t looked_at_once = 100, looked_at_bytes = 8 * 1024 * 1024;

// The time that this process, or one before it, gave a record. It may be ahead of the log's: after the wall clock was
// set back the log goes on with its last stamp, and this time with the ticks.
std::optional<Timestamp> stamped(const port::Record& record) {
  const auto at = [](const auto& read) { return read ? std::optional(read->at) : std::nullopt; };
  if (record.kinds == model::referral_commanded_kind) return at(model::read_referral_command(record.json));
  if (record.kinds == model::referral_answered_kind) return at(model::read_referral_answered(record.json));
  if (record.kinds == model::critical_opened_kind) return at(model::read_critical_opened(record.json));
  if (record.kinds.starts_with("critical-value.")) return at(model::read_critical_step(record.json));
  return std::nullopt;
}

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
      bool found = false;
      for (auto to = *end; to > first && *end - to < looked_back_max;) {
        const auto from = to - std::min<port::Offset>(to - first, looked_at_once);
        const auto slice = co_await log.read(partition, from, {looked_at_once, looked_at_bytes, false});
        if (!slice) co_return tl::unexpected(slice.error());
        for (const auto& each : slice->records) {
          if (each.offset >= to || each.record.kinds.starts_with("delivery.")) continue;
          newest = std::max(newest, each.appended);
          if (const auto at = stamped(each.record)) newest = std::max(newest, *at);
          found = true;
        }
        to = from;
        if (found && (topic != port::Topic::operations || *end - to >= stamped_back)) break;
      }
    }
  }
  co_return newest;
}

}  // namespace hutong::pipeline
