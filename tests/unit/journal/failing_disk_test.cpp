// A disk that says no: what is acknowledged is safe, what is not says so, and a full disk passes by itself.
#include <gmock/gmock.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/steady_timer.hpp>
#include <condition_variable>
#include <mutex>

#include "tests/unit/journal/journal_fixture.h"

namespace hutong::journal {
namespace {

using ::testing::HasSubstr;

class FailingDisk : public JournalTest {};

TEST_F(FailingDisk, a_failed_sync_at_each_of_the_first_calls_is_final_and_loses_nothing_acknowledged) {
  for (int fails_at = 1; fails_at <= 40; ++fails_at) {
    log_.reset();
    fs::remove_all(options_.directory);
    options_.segment_bytes = 16 * 1024;  // some of the syncs are those of new segments
    must_open();
    int calls = 0;
    ops_.on_sync = [&] { return ++calls == fails_at ? EIO : 0; };  // and works again afterwards
    std::uint64_t acknowledged = 0;
    Result<std::vector<port::Position>> last;
    while (last && acknowledged < 200) {
      last = append({record(acknowledged)});
      if (last) ++acknowledged;
    }
    ASSERT_FALSE(last) << fails_at;
    EXPECT_EQ(last.error().code, ErrorCode::unavailable);
    EXPECT_THAT(last.error().message, HasSubstr("the log has failed"));
    const int so_far = ops_.syncs;
    for (int i = 0; i < 3; ++i) EXPECT_EQ(append({record(999)}).error().code, ErrorCode::unavailable);
    EXPECT_EQ(ops_.syncs, so_far) << "a failed sync is never tried again";
    EXPECT_FALSE(log_->health().writable);
    EXPECT_THAT(log_->health().reason, HasSubstr("restart"));
    EXPECT_EQ(wrong(acknowledged), "");  // reading goes on
    EXPECT_FALSE(await(log_->close()));
    ops_.on_sync = nullptr;
    must_open();
    EXPECT_GE(end(), acknowledged);
    const Offset there = end();
    EXPECT_EQ(wrong(there), "");
    EXPECT_TRUE(log_->health().writable);
    ASSERT_TRUE(append({record(there)}));
  }
}

TEST_F(FailingDisk, an_io_error_of_a_write_is_final) {
  must_open();
  fill(0, 2);
  ops_.on_write = [](std::size_t) { return EIO; };
  EXPECT_EQ(append({record(2)}).error().code, ErrorCode::unavailable);
  ops_.on_write = nullptr;
  EXPECT_EQ(append({record(2)}).error().code, ErrorCode::unavailable);
  EXPECT_FALSE(log_->health().writable);
  crash();
  must_open();
  EXPECT_EQ(wrong(2), "");
}

TEST_F(FailingDisk, a_full_disk_refuses_and_resumes_without_restart) {
  must_open();
  std::uint64_t next = 0;
  for (int cycle = 0; cycle < 100; ++cycle) {
    fill(next, 3);
    next += 3;
    ops_.on_write = [](std::size_t) { return ENOSPC; };
    for (int i = 0; i < 2; ++i) {
      const auto refused = append({record(next, 9000), record(next + 1)});
      ASSERT_FALSE(refused);
      EXPECT_EQ(refused.error().code, ErrorCode::unavailable);
      EXPECT_THAT(refused.error().message, HasSubstr("no restart"));
    }
    EXPECT_FALSE(log_->health().writable);
    EXPECT_EQ(end(), next);
    ops_.on_write = nullptr;
  }
  fill(next, 1);
  EXPECT_TRUE(log_->health().writable);
  EXPECT_EQ(wrong(next + 1), "");
  crash();
  must_open();
  EXPECT_EQ(wrong(next + 1), "");
}

TEST_F(FailingDisk, no_room_for_the_next_segment_refuses_and_resumes) {
  options_.segment_bytes = 16 * 1024;
  options_.spare_segments = 0;
  must_open();
  ops_.on_reserve = [] { return ENOSPC; };
  std::uint64_t next = 0;
  while (append({record(next)})) ++next;
  EXPECT_GT(next, 0U);
  EXPECT_LT(next, 10U);
  EXPECT_FALSE(log_->health().writable);
  ops_.on_reserve = nullptr;
  fill(next, 20);
  crash();
  must_open();
  EXPECT_EQ(wrong(next + 20), "");
}

TEST_F(FailingDisk, a_log_that_found_the_disk_full_finds_out_by_itself_that_it_is_not) {
  must_open();
  fill(0, 1);
  std::mutex mutex;
  std::condition_variable changed;
  int probes = 0;
  ops_.on_write = [&](std::size_t) {
    const std::lock_guard lock(mutex);
    ++probes;
    changed.notify_all();
    return probes < 4 ? ENOSPC : 0;
  };
  ASSERT_FALSE(append({record(1)}));
  std::unique_lock lock(mutex);
  ASSERT_TRUE(changed.wait_for(lock, std::chrono::seconds(20), [&] { return probes >= 4; })) << "nobody tried again";
  lock.unlock();
  while (!log_->health().writable) std::this_thread::yield();
  ops_.on_write = nullptr;
  fill(1, 1);
  crash();
  must_open();
  EXPECT_EQ(wrong(2), "");
}

TEST_F(FailingDisk, too_little_free_space_refuses_before_the_disk_is_full) {
  options_.min_free_bytes = 1000;
  ops_.free = 999;
  must_open();
  const auto refused = append({record(0)});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::unavailable);
  EXPECT_THAT(refused.error().message, HasSubstr("1000 bytes"));
  EXPECT_FALSE(log_->health().writable);
  ops_.free = 1000;
  EXPECT_TRUE(log_->health().writable);
  fill(0, 1);
}

TEST_F(FailingDisk, short_writes_are_continued) {
  must_open();
  ops_.short_write = 4096 + 100;
  fill(0, 5, 30'000);
  ops_.short_write = 0;
  crash();
  must_open();
  EXPECT_EQ(wrong(5, 30'000), "");
}

TEST_F(FailingDisk, a_failing_read_is_an_error_not_an_end) {
  options_.recent_bytes = 0;
  must_open();
  fill(0, 3);
  ops_.on_read = [] { return EIO; };
  const auto slice = read(0);
  ASSERT_FALSE(slice);
  EXPECT_EQ(slice.error().code, ErrorCode::unavailable);
  ops_.on_read = nullptr;
  EXPECT_EQ(wrong(3), "");
}

TEST_F(FailingDisk, no_descriptors_left_refuses_a_roll_and_resumes) {
  options_.segment_bytes = 16 * 1024;
  options_.spare_segments = 0;
  must_open();
  ops_.on_open = [] { return EMFILE; };
  std::uint64_t next = 0;
  while (append({record(next)})) ++next;
  ops_.on_open = nullptr;
  fill(next, 5);
  EXPECT_EQ(wrong(next + 5), "");
}

// A sync that blocks until the test lets it go.
class SlowDisk : public JournalTest {
 protected:
  void block() {
    ops_.on_sync = [this] {
      std::unique_lock lock(mutex_);
      ++waiting_;
      changed_.notify_all();
      changed_.wait(lock, [this] { return open_; });
      return 0;
    };
  }
  void wait_until_blocked() {
    std::unique_lock lock(mutex_);
    if (!changed_.wait_for(lock, std::chrono::seconds(20), [this] { return waiting_ > 0; })) {
      throw std::runtime_error("nothing was synced");
    }
  }
  void unblock() {
    const std::lock_guard lock(mutex_);
    open_ = true;
    changed_.notify_all();
  }
  ~SlowDisk() override {
    unblock();
    log_.reset();  // its threads use what this class holds
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool open_ = false;
  int waiting_ = 0;
};

TEST_F(SlowDisk, what_arrives_during_a_sync_goes_out_with_the_next_one) {
  must_open();
  block();
  net::io_context shard{1};
  int done = 0;
  const auto send = [&]() -> net::awaitable<void> {
    if (co_await log_->append(Topic::events, {record(0)})) ++done;
  };
  net::co_spawn(shard, send, net::detached);
  shard.poll();
  wait_until_blocked();
  ops_.syncs = 0;
  for (int i = 0; i < 50; ++i) net::co_spawn(shard, send, net::detached);
  shard.poll();
  EXPECT_EQ(done, 0) << "nothing is acknowledged before its sync";
  EXPECT_EQ(end(), 0U) << "and nothing is shown";
  EXPECT_TRUE(read(0)->records.empty());
  unblock();
  shard.run();
  EXPECT_EQ(done, 51);
  EXPECT_EQ(ops_.syncs, 1) << "one sync for all fifty";
}

TEST_F(SlowDisk, the_queue_is_bounded) {
  options_.queue_bytes = 100'000;
  must_open();
  block();
  net::io_context shard{1};
  int stored = 0, overloaded = 0;
  const auto send = [&]() -> net::awaitable<void> {
    const auto positions = co_await log_->append(Topic::events, {record(0, 9'900)});
    if (positions) ++stored;
    if (!positions && positions.error().code == ErrorCode::overloaded) ++overloaded;
  };
  for (int i = 0; i < 12; ++i) net::co_spawn(shard, send, net::detached);
  shard.poll();  // all are queued or refused; none can be stored before its sync
  unblock();
  shard.run();
  EXPECT_EQ(stored, 10);
  EXPECT_EQ(overloaded, 2);
}

TEST_F(SlowDisk, a_caller_may_stop_waiting) {
  using net::experimental::awaitable_operators::operator||;
  must_open();
  block();
  std::string outcome;
  net::io_context shard{1};
  net::co_spawn(
      shard,
      [&]() -> net::awaitable<void> {
        net::steady_timer deadline(shard);
        deadline.expires_after(std::chrono::milliseconds(1));
        const auto first =
            co_await (log_->append(Topic::events, {record(0)}) || deadline.async_wait(net::use_awaitable));
        outcome = first.index() == 0 ? "appended" : "deadline";
      },
      [&](std::exception_ptr error) { EXPECT_FALSE(error); });
  shard.run();
  EXPECT_EQ(outcome, "deadline");
  wait_until_blocked();
  unblock();
  crash();
  must_open();
  EXPECT_EQ(wrong(1), "") << "the outcome was unknown; here it was stored";
}

}  // namespace
}  // namespace hutong::journal
