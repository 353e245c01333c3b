// Writers and followers at work on a log whose cluster is being disturbed, and the check of what they were told against
// what they read: what was acknowledged is where its position says, with its bytes; what is there twice is there twice
// the same; a follower sees all of it, once.
#pragma once

#include <gtest/gtest.h>

#include <atomic>
#include <map>
#include <random>
#include <thread>

#include "tests/contract/log/log_fixture.h"

namespace hutong::contract {

class Traffic {
 public:
  static constexpr int sessions = 8, batch_most = 20;

  Traffic(port::Log& log, int appends) : log_(log), appends_(appends), ends_(log.partitions(port::Topic::events)) {
    following_ = std::thread([this] { follow(); });
    writing_ = std::thread([this] { write(); });
  }

  bool writes() const { return writers_ > 0; }

  // Once nothing disturbs any more, or not for long.
  void finish() {
    writing_.join();
    for (std::uint32_t each = 0; each < ends_.size(); ++each) ends_[each] = end_of(each);
    written_ = true;
    following_.join();
    check();
  }

  int acknowledged = 0, refused = 0, twice = 0;

  // Every session has one key. Holds where the cluster itself keeps a producer's order, which the mock does not.
  void expect_order() const {
    std::map<std::string, int> newest;
    for (const auto& [place, id] : told_) {
      const port::Record& record = sent_.at(id);
      EXPECT_LT(std::exchange(newest[record.key], std::stoi(record.kinds)), std::stoi(record.kinds)) << record.key;
    }
  }

 private:
  using Place = std::pair<std::uint32_t, port::Offset>;

  void write() {
    net::io_context shard{1};
    for (int session = 0; session < sessions; ++session) {
      net::co_spawn(shard, write_session(session), [this](const std::exception_ptr& failed) {
        EXPECT_FALSE(failed);
        --writers_;
      });
    }
    shard.run();
  }

  net::awaitable<void> write_session(int session) {
    std::mt19937 sizes(static_cast<unsigned>(session));
    int index = 0;
    for (int i = 0; i < appends_; ++i) {
      std::vector<port::Record> batch(1 + sizes() % batch_most);
      for (port::Record& each : batch) {
        each = record(std::to_string(session) + "." + std::to_string(++index), 100);
        each.key = "hospital/" + std::to_string(session);
        each.kinds = std::to_string(index);
        sent_[each.id] = each;
      }
      const auto kept = batch;
      const auto positions = co_await log_.append(port::Topic::events, std::move(batch));
      ++(positions ? acknowledged : refused);
      for (std::size_t k = 0; positions && k < kept.size(); ++k) {
        told_[{(*positions)[k].partition.number, (*positions)[k].offset}] = kept[k].id;
      }
    }
  }

  void follow() {
    net::io_context shard{1};
    for (std::uint32_t each = 0; each < ends_.size(); ++each) {
      net::co_spawn(shard, follow_partition({port::Topic::events, each}),
                    [](const std::exception_ptr& failed) { EXPECT_FALSE(failed); });
    }
    shard.run();
  }

  net::awaitable<void> follow_partition(port::Partition partition) {
    port::Offset next = 0;
    while (!written_ || next < ends_[partition.number]) {
      const auto slice = co_await log_.read(partition, next, {.records = 100});
      if (!slice) {
        if (slice.error().code != ErrorCode::unavailable) ADD_FAILURE() << slice.error().message;
        continue;
      }
      for (const auto& stored : slice->records) {
        EXPECT_TRUE(followed_.try_emplace({partition.number, stored.offset}, stored.record).second) << "seen twice";
      }
      next = slice->next;
      if (slice->records.empty()) co_await log_.wait_beyond(partition, next, std::chrono::milliseconds(100));
    }
  }

  port::Offset end_of(std::uint32_t partition) {
    for (;;) {
      if (const auto end = tests::await(log_.end({port::Topic::events, partition}))) return *end;
    }
  }

  void check() {
    for (const auto& [place, id] : told_) {
      const auto found = followed_.find(place);
      ASSERT_NE(found, followed_.end()) << "lost: partition " << place.first << ", offset " << place.second;
      EXPECT_EQ(found->second.id, id) << "partition " << place.first << ", offset " << place.second;
    }
    std::map<RecordId, int> times;
    for (const auto& [place, stored] : followed_) {
      const auto original = sent_.find(stored.id);
      ASSERT_NE(original, sent_.end());
      EXPECT_EQ(stored.key, original->second.key);
      EXPECT_EQ(stored.kinds, original->second.kinds);
      EXPECT_EQ(stored.json, original->second.json);
      EXPECT_EQ(stored.raw, original->second.raw);
      if (times[stored.id]++ == 1) ++twice;
    }
  }

  port::Log& log_;
  const int appends_;
  std::vector<port::Offset> ends_;
  std::map<RecordId, port::Record> sent_;   // the writing thread's, as told_ and the counts, until it is joined
  std::map<Place, RecordId> told_;          // what appends answered
  std::map<Place, port::Record> followed_;  // the following thread's: what was read
  std::atomic<int> writers_{sessions};
  std::atomic<bool> written_{false};
  std::thread writing_, following_;
};

}  // namespace hutong::contract
