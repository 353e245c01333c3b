// What a crash or a loss of power leaves at the end of the log: every prefix is either a log or refused, never half.
#include <random>

#include "tests/unit/journal/journal_fixture.h"

namespace hutong::journal {
namespace {

constexpr std::uint64_t cut_range = 64 * 1024;

class TornTail : public JournalTest {
 protected:
  // One batch as it lies in the file.
  struct Laid {
    std::uint64_t begin, used, end;  // `used`: behind its last byte that is not zero
    Offset next;
  };

  // About 100 KiB of batches of one to seven records in one segment; the process dies without a seal.
  void crash_with_many_batches() {
    options_.segment_bytes = 256 * 1024;
    must_open();
    for (std::uint64_t number = 0, size = 1; number < 90; number += size, size = number % 7 + 1) {
      std::vector<port::Record> batch;
      for (std::uint64_t i = 0; i < size; ++i) batch.push_back(record(number + i, 200 + (number * 37) % 2500));
      ASSERT_TRUE(append(std::move(batch)));
    }
    crash();
    path_ = segments().back();
    whole_ = bytes_of(path_);
    const auto header = *read_segment_header(whole_);
    for (std::uint64_t at = block_bytes;;) {
      const auto batch = read_batch_header(std::string_view(whole_).substr(at), header, at);
      if (!batch) break;
      const std::uint64_t end = at + batch->bytes();
      laid_.push_back({at, whole_.find_last_not_of('\0', end - 1) + 1, end, batch->end()});
      at = end;
    }
    ASSERT_GT(laid_.back().end, cut_range + block_bytes);
  }
  Offset expected_end(std::uint64_t kept) const {
    Offset next = 0;
    for (const Laid& batch : laid_) {
      if (batch.used <= kept) next = batch.next;
    }
    return next;
  }

  fs::path path_;
  std::string whole_;
  std::vector<Laid> laid_;
};

TEST_F(TornTail, every_byte_at_which_a_write_can_stop_leaves_the_batches_before_it) {
  crash_with_many_batches();
  const TopicPlace events = place();
  const std::uint64_t end = laid_.back().end;
  const std::string zeros(end, '\0');
  for (std::uint64_t kept = end; kept-- > end - cut_range;) {
    write_at(path_, end - cut_range - block_bytes,
             std::string_view(whole_).substr(end - cut_range - block_bytes, kept - (end - cut_range - block_bytes)));
    write_at(path_, kept, std::string_view(zeros).substr(0, end + block_bytes - kept));
    const auto recovered = recover_topic(events);
    ASSERT_TRUE(recovered) << "kept " << kept << ": " << recovered.error().message;
    ASSERT_EQ(recovered->tail.next, expected_end(kept)) << "kept " << kept;
    if (kept % 997 == 0) {
      const auto again = recover_topic(events);
      ASSERT_TRUE(again) << again.error().message;
      ASSERT_EQ(again->tail.next, recovered->tail.next);
      ASSERT_EQ(again->tail.garbage_end, again->tail.end) << "the first recovery left garbage";
    }
  }
}

TEST_F(TornTail, a_file_cut_short_at_any_byte_is_refused) {
  crash_with_many_batches();
  const auto header = *read_segment_header(whole_);
  const std::uint64_t end = laid_.back().end;
  for (std::uint64_t kept = end - cut_range; kept < end; ++kept) {
    const auto scanned = scan_segment(std::string_view(whole_).substr(0, kept), header, "s");
    ASSERT_FALSE(scanned) << kept;
    ASSERT_EQ(scanned.error().code, ErrorCode::corrupt);
  }
  fs::resize_file(path_, end - 1);
  const auto opened = open();
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code, ErrorCode::corrupt);
  EXPECT_NE(opened.error().message.find("events/00000000000000000000.segment"), std::string::npos);
}

TEST_F(TornTail, any_sectors_of_the_last_write_may_be_missing) {
  crash_with_many_batches();
  std::mt19937 chance(7);
  const Laid last = laid_.back();
  const Offset before = laid_[laid_.size() - 2].next;
  for (int round = 0; round < 500; ++round) {
    std::string torn = whole_;
    bool changed = false;
    for (std::uint64_t at = last.begin; at < last.used; at += 512) {
      if (chance() % 2 == 0) continue;
      const std::size_t size = std::min<std::size_t>(512, last.end - at);
      changed |= torn.compare(at, size, std::string(size, '\0')) != 0;
      torn.replace(at, size, size, '\0');
    }
    write_at(path_, 0, torn);
    must_open();
    ASSERT_EQ(end(), changed ? before : last.next) << "round " << round;
    log_.reset();
  }
}

TEST_F(TornTail, the_log_goes_on_behind_the_cut_and_nothing_of_the_torn_write_comes_back) {
  crash_with_many_batches();
  const Laid last = laid_.back();
  write_at(path_, last.begin, std::string(512, '\0'));  // the header is lost, the records behind it are there
  must_open();
  const Offset first = end();
  EXPECT_EQ(first, laid_[laid_.size() - 2].next);
  for (int i = 0; i < 20; ++i) ASSERT_TRUE(append({record(1000 + static_cast<std::uint64_t>(i))}));
  crash();
  must_open();
  EXPECT_EQ(end(), first + 20);
  const auto slice = read(first);
  ASSERT_TRUE(slice);
  for (std::uint64_t i = 0; i < 20; ++i) EXPECT_EQ(slice->records[i].record.id, record(1000 + i).id);
}

TEST_F(TornTail, what_was_not_proved_durable_is_written_and_synced_again_before_it_is_shown) {
  must_open();
  fill(0, 3);
  crash();
  ops_.syncs = 0;
  must_open();
  EXPECT_GE(ops_.syncs, 1);
  EXPECT_EQ(wrong(3), "");
  crash();
  ops_.syncs = 0;
  must_open();  // a seal proves it now
  EXPECT_EQ(ops_.syncs, 0);
}

TEST_F(TornTail, a_disk_that_fails_during_recovery_opens_nothing_and_loses_nothing) {
  must_open();
  fill(0, 5);
  crash();
  ops_.on_sync = [] { return EIO; };
  const auto refused = open();
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::unavailable);
  ops_.on_sync = nullptr;
  must_open();
  EXPECT_EQ(wrong(5), "");
}

TEST_F(TornTail, a_full_disk_does_not_keep_the_log_from_opening) {
  must_open();
  fill(0, 5);
  crash();
  int writes = 0;
  ops_.on_write = [&writes](std::size_t) { return ++writes > 1 ? -ENOSPC : 0; };  // the seal finds no room
  must_open();
  EXPECT_EQ(wrong(5), "");
  ops_.on_write = nullptr;
}

// Two batches in flight at once are not what this writer does, but what the format allows: a power cut may keep the
// later one only.
TEST_F(TornTail, a_later_block_behind_a_hole_is_cut_when_nothing_was_proved_and_refused_when_it_was) {
  for (const bool proved : {false, true}) {
    log_.reset();
    fs::remove_all(options_.directory);
    must_open();
    fill(0, 3);
    crash();
    const fs::path path = segments().back();
    const std::string bytes = bytes_of(path);
    const auto segment = *read_segment_header(bytes);
    const Tail tail = JournalTest::tail();
    const std::uint64_t hole = tail.end, later = tail.end + block_bytes;
    BatchHeader header = follow(segment, {later, 4, tail.sequence + 1, 12345}, BatchKind::records);
    header.durable = 3;
    header.durable_position = proved ? later : hole;
    header.records = 1;
    std::string block(block_bytes, '\0');
    header.payload_bytes = static_cast<std::uint32_t>(encoded_bytes(record(4)));
    encode_record(record(4), {}, block.data() + batch_header_bytes);
    write_batch_header(header, block.data(), crc32c(payload_of(block, header)));
    write_at(path, later, block);
    const auto opened = open();
    ASSERT_EQ(opened.has_value(), !proved);
    if (proved) {
      EXPECT_EQ(opened.error().code, ErrorCode::corrupt);
      EXPECT_NE(opened.error().message.find("byte " + std::to_string(hole)), std::string::npos)
          << opened.error().message;
      EXPECT_EQ(bytes_of(path).substr(later, block_bytes), block) << "a refused log is not changed";
    } else {
      EXPECT_EQ(wrong(3), "");
      EXPECT_EQ(bytes_of(path).substr(later, block_bytes), std::string(block_bytes, '\0'));
    }
  }
}

TEST_F(TornTail, stale_batches_of_a_recycled_segment_are_not_read) {
  options_.segment_bytes = 16 * 1024;
  must_open();
  fill(0, 40);
  crash();
  const auto files = segments();
  ASSERT_GT(files.size(), 3U);
  const Tail last = tail();
  const std::string old = bytes_of(files[files.size() - 3]);
  ASSERT_LT(last.end, old.size()) << "the test needs room behind the tail";
  write_at(files.back(), last.end, std::string_view(old).substr(last.end));  // same place, older epoch
  must_open();
  EXPECT_EQ(wrong(40), "");
  fill(40, 30);
  crash();
  must_open();
  EXPECT_EQ(wrong(70), "");
}

}  // namespace
}  // namespace hutong::journal
