#include "broker/pipeline/carry.h"

#include <algorithm>
#include <optional>

namespace hutong::pipeline {
namespace {

using port::Offset;
using port::Partition;
using port::Topic;

constexpr port::ReadLimit at_once{500, 4 * 1024 * 1024, true};

// Where the other log has every record of `topic` below it. Each partition holds its records in the order in which they
// were carried, so the last one tells.
net::awaitable<Result<Offset>> carried_below(port::Log& to, Topic topic) {
  std::optional<Offset> below;
  for (std::uint32_t number = 0; number < to.partitions(topic); ++number) {
    const Partition partition{topic, number};
    auto end = co_await to.end(partition);
    if (!end) co_return tl::unexpected(end.error());
    Offset here = 0;
    if (*end > 0) {
      auto last = co_await to.read(partition, *end - 1, {1, at_once.bytes, false});
      if (!last) co_return tl::unexpected(last.error());
      if (last->records.empty() || !last->records.back().record.carried) {
        co_return fail(
            ErrorCode::conflict,
            "topic " + std::string(to_string(topic)) +
                " of the new log ends with a record that was not carried: the new installation is in service, or "
                "the topics are another's; choose another [log.kafka] topic_prefix");
      }
      here = last->records.back().record.carried->offset + 1;
    }
    below = std::min(below.value_or(here), here);
  }
  co_return below.value_or(0);
}

net::awaitable<Result<std::uint64_t>> count_carried(port::Log& to, Topic topic) {
  std::uint64_t count = 0;
  for (std::uint32_t number = 0; number < to.partitions(topic); ++number) {
    const Partition partition{topic, number};
    std::optional<Offset> highest;
    for (Offset at = 0;;) {
      auto slice = co_await to.read(partition, at, {at_once.records, at_once.bytes, false});
      if (!slice) co_return tl::unexpected(slice.error());
      if (slice->next == at) break;
      at = slice->next;
      for (const auto& stored : slice->records) {
        const auto& carried = stored.record.carried;
        if (!carried || (highest && carried->offset <= *highest)) continue;
        highest = carried->offset;
        ++count;
      }
    }
  }
  co_return count;
}

}  // namespace

std::uint64_t CarryReport::records() const {
  std::uint64_t sum = 0;
  for (const auto& topic : topics) sum += topic.records;
  return sum;
}

bool CarryReport::complete() const {
  return std::all_of(topics.begin(), topics.end(), [](const Topic& topic) { return topic.found == topic.records; });
}

net::awaitable<Result<CarryReport>> carry(port::Log& from, port::Log& to,
                                          std::function<void(std::uint64_t, std::uint64_t)> progress) {
  CarryReport report;
  std::uint64_t total = 0, done = 0;
  for (const Topic topic : port::all_topics) {
    for (std::uint32_t number = 0; number < from.partitions(topic); ++number) {
      auto end = co_await from.end({topic, number});
      if (!end) co_return tl::unexpected(end.error());
      total += *end;
    }
  }
  for (const Topic topic : port::all_topics) {
    if (from.partitions(topic) != 1) {
      co_return fail(ErrorCode::invalid,
                     "only a log of one partition is carried: its offsets are the order to go on in");
    }
    auto& counts = report.topics.at(static_cast<std::size_t>(topic));
    const auto below = co_await carried_below(to, topic);
    if (!below) co_return tl::unexpected(below.error());
    for (Offset at = 0;;) {
      auto slice = co_await from.read({topic, 0}, at, at_once);
      if (!slice) co_return tl::unexpected(slice.error());
      if (slice->next == at) break;
      at = slice->next;
      counts.records += slice->records.size();
      std::vector<port::RecordView> batch;
      for (auto& stored : slice->records) {
        if (stored.offset < *below) continue;
        auto& record = batch.emplace_back(stored.record);
        record.carried = {stored.appended, stored.offset};
      }
      if (!batch.empty()) {
        auto appended = co_await to.append(topic, std::span<const port::RecordView>(batch));
        if (!appended) co_return tl::unexpected(appended.error());
        counts.carried += batch.size();
      }
      done += slice->records.size();
      if (progress) progress(done, total);
    }
    const auto found = co_await count_carried(to, topic);
    if (!found) co_return tl::unexpected(found.error());
    counts.found = *found;
  }
  co_return report;
}

}  // namespace hutong::pipeline
