// The journal as a whole: its directory, reading from disk, sealing, backup and verification.
#include <gmock/gmock.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <thread>

#include "tests/unit/journal/journal_fixture.h"

namespace hutong::journal {
namespace {

using ::testing::HasSubstr;

class Journal : public JournalTest {};

class SetClock final : public Clock {
 public:
  Timestamp now() const override { return time; }
  std::chrono::nanoseconds ticks() const override { return {}; }
  Timestamp time{1'000'000};
};

TEST_F(Journal, two_brokers_cannot_open_one_log) {
  must_open();
  const auto second = JournalLog::open(options_);
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, ErrorCode::conflict);
  EXPECT_THAT(second.error().message, HasSubstr("another broker"));
  log_.reset();
  must_open();
}

TEST_F(Journal, an_interrupted_creation_is_made_anew) {
  for (int fails_at = 1; fails_at < 12; ++fails_at) {
    fs::remove_all(options_.directory);
    int calls = 0;
    ops_.on_sync = [&] { return ++calls == fails_at ? EIO : 0; };
    (void)open();
    log_.reset();
    ops_.on_sync = nullptr;
    must_open();
    fill(0, 2);
    EXPECT_EQ(wrong(2), "");
    log_.reset();
  }
}

TEST_F(Journal, times_never_fall_even_if_the_clock_does) {
  SetClock clock;
  options_.clock = &clock;
  must_open();
  fill(0, 1);
  clock.time.micros -= 500'000;
  fill(1, 1);
  crash();
  must_open();
  fill(2, 1);
  clock.time.micros = 2'000'000;
  fill(3, 1);
  const auto slice = read(0);
  std::vector<std::int64_t> times;
  for (const auto& stored : slice->records) times.push_back(stored.appended.micros);
  EXPECT_THAT(times, ::testing::ElementsAre(1'000'000, 1'000'000, 1'000'000, 2'000'000));
}

TEST_F(Journal, times_never_fall_across_an_empty_last_segment) {
  SetClock clock;
  options_.clock = &clock;
  options_.segment_bytes = 16 * 1024;
  options_.spare_segments = 0;
  must_open();
  std::uint64_t next = 0;
  // Rolls, then finds no room for the batch itself: the new segment stays empty.
  int files = 1;
  ops_.on_write = [&](std::size_t bytes) { return files == 2 && bytes > 3 * block_bytes ? ENOSPC : 0; };
  for (; segments().size() < 2; ++next) {
    files = static_cast<int>(segments().size());
    if (!append({record(next)})) break;
  }
  ops_.on_write = nullptr;
  crash();
  clock.time.micros = 5;
  must_open();
  fill(end(), 1);
  EXPECT_GE(read(end() - 1)->records[0].appended.micros, 1'000'000);
}

TEST_F(Journal, reads_from_disk_by_any_offset_and_limit_over_segments) {
  options_.segment_bytes = 64 * 1024;
  options_.recent_bytes = 0;
  must_open();
  std::vector<port::Record> batch;
  for (std::uint64_t i = 0; i < 300; ++i) {
    batch.push_back(record(i, 700));
    if (batch.size() == i % 9 + 1) ASSERT_TRUE(append(std::exchange(batch, {})));
  }
  if (!batch.empty()) ASSERT_TRUE(append(std::move(batch)));
  for (const bool reopened : {false, true}) {
    if (reopened) must_open();
    EXPECT_EQ(wrong(300, 700), "");
    for (const Offset from : {299, 150, 3, 77, 0, 298, 12}) {
      const auto slice = read(from, {.records = 20, .bytes = 1 << 20, .with_raw = true});
      ASSERT_TRUE(slice);
      ASSERT_EQ(slice->records.size(), std::min<std::size_t>(20, 300 - from));
      for (std::size_t i = 0; i < slice->records.size(); ++i) {
        EXPECT_EQ(slice->records[i].offset, from + i);
        EXPECT_EQ(slice->records[i].record.id, record(from + i).id);
      }
    }
  }
}

TEST_F(Journal, the_tail_in_memory_and_the_rest_on_disk_read_as_one) {
  options_.recent_bytes = 20'000;
  must_open();
  fill(0, 100);
  ops_.on_read = [] { return EIO; };
  EXPECT_TRUE(read(99)) << "the newest is still in memory";
  EXPECT_FALSE(read(0));
  ops_.on_read = nullptr;
  EXPECT_EQ(wrong(100), "");
}

TEST_F(Journal, a_seal_follows_an_idle_sync) {
  options_.seal_after = std::chrono::milliseconds(0);
  must_open();
  fill(0, 1);
  while (tail().unproved_from < tail().end) std::this_thread::yield();
  EXPECT_EQ(tail().batches, 2U);
  // From then on damage to the last record is told from a torn write.
  crash();
  write_at(segments().back(), block_bytes + 150, "XX");
  const auto opened = open();
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code, ErrorCode::corrupt);
}

TEST_F(Journal, a_batch_larger_than_a_segment_gets_its_own) {
  options_.segment_bytes = 16 * 1024;
  must_open();
  fill(0, 2);
  ASSERT_TRUE(append({record(2, 500'000)}));
  ASSERT_TRUE(append({record(3)}));
  crash();
  must_open();
  EXPECT_EQ(end(), 4U);
  EXPECT_EQ(read(2)->records[0].record.raw.size(), 500'000U);
  EXPECT_TRUE(JournalLog::verify(options_.directory));
}

TEST_F(Journal, verify_counts_and_does_not_touch) {
  options_.segment_bytes = 32 * 1024;
  must_open();
  fill(0, 50);
  ASSERT_TRUE(append({record(0), record(1)}, Topic::identity));
  crash();
  const std::string before = bytes_of(segments().back());
  const std::uint64_t end = tail().end;
  auto report = JournalLog::verify(options_.directory);
  ASSERT_TRUE(report) << report.error().message;
  EXPECT_EQ(report->records, 52U);
  EXPECT_EQ(report->torn_bytes, 0U);
  EXPECT_EQ(bytes_of(segments().back()), before);
  write_at(segments().back(), end, "torn");
  report = JournalLog::verify(options_.directory);
  ASSERT_TRUE(report);
  EXPECT_EQ(report->torn_bytes, 4U);
}

TEST_F(Journal, a_copy_while_running_is_a_whole_log_of_its_own) {
  options_.segment_bytes = 32 * 1024;
  must_open();
  fill(0, 100);
  std::thread sender([this] {
    for (std::uint64_t i = 100; i < 300; ++i) (void)append({record(i)});
  });
  const fs::path copy = directory_ / "copy";
  const auto copied = log_->copy_to(copy);
  sender.join();
  ASSERT_TRUE(copied) << copied.error().message;
  EXPECT_EQ(log_->copy_to(copy).error().code, ErrorCode::conflict);
  const std::string id = log_->id();
  EXPECT_EQ(wrong(300), "");
  const auto report = JournalLog::verify(copy);
  ASSERT_TRUE(report) << report.error().message;
  EXPECT_EQ(report->torn_bytes, 0U);
  log_.reset();
  options_.directory = copy;
  must_open();
  EXPECT_EQ(log_->id(), id);
  const Offset there = end();
  EXPECT_GE(there, 100U);
  EXPECT_EQ(wrong(there), "");
  fill(there, 5);
  must_open();
  EXPECT_EQ(wrong(there + 5), "");
  log_.reset();
  options_.directory = directory_ / "log";
  must_open();
  EXPECT_EQ(wrong(300), "") << "what is written to the copy never reaches the original";
}

TEST_F(Journal, many_appends_survive_rolls_with_prepared_segments) {
  options_.segment_bytes = 64 * 1024;
  must_open();
  fill(0, 2000, 2000);
  EXPECT_GT(segments().size(), 10U);
  crash();
  must_open();
  EXPECT_EQ(wrong(2000, 2000), "");
  const auto report = [&] {
    log_.reset();
    return JournalLog::verify(options_.directory);
  }();
  ASSERT_TRUE(report) << report.error().message;
  EXPECT_EQ(report->records, 2000U);
}

TEST_F(Journal, an_idle_log_starts_no_threads) {
  const auto threads = [] {
    return std::distance(fs::directory_iterator("/proc/self/task"), fs::directory_iterator());
  };
  const auto before = threads();
  must_open();
  EXPECT_EQ(threads(), before);
}

}  // namespace
}  // namespace hutong::journal
