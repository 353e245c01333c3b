// Damage below what was durable: found, named, never skipped.
#include <gmock/gmock.h>

#include <map>
#include <random>

#include "tests/unit/journal/journal_fixture.h"

namespace hutong::journal {
namespace {

using ::testing::HasSubstr;

constexpr std::uint64_t count = 120;

// Several small segments, closed cleanly: every batch is proved durable.
class Damage : public JournalTest {
 protected:
  void SetUp() override {
    options_.segment_bytes = 32 * 1024;
    options_.recent_bytes = 0;
    must_open();
    fill(0, count);
    log_.reset();
    ASSERT_GE(segments().size(), 4U);
    ASSERT_TRUE(JournalLog::verify(options_.directory));
  }
  // Opens and reads all; the error if there is one, or what differs.
  std::string outcome() {
    const auto opened = open();
    if (!opened) return opened.error().code == ErrorCode::corrupt ? "corrupt: " + opened.error().message : "other";
    const std::string found = wrong(count);
    log_.reset();
    return found.starts_with("log damaged") ? "corrupt: " + found : found;
  }
  // Keeps what `change` does to the file, tries, and puts the file back.
  template <class Change>
  std::string outcome_of(const fs::path& path, Change change) {
    const std::string before = bytes_of(path);
    std::map<fs::path, std::string> others;
    others[segments().back()] = bytes_of(segments().back());
    change(path, before);
    const auto verified = JournalLog::verify(options_.directory);
    std::string found = outcome();
    if (found.starts_with("corrupt") && verified) found = "verify missed it; " + found;
    fs::remove(path);
    std::ofstream(path, std::ios::binary) << before;
    for (const auto& [file, bytes] : others) write_at(file, 0, bytes);
    return found;
  }
};

TEST_F(Damage, two_thousand_flipped_bits_are_each_detected_or_harmless) {
  std::mt19937_64 chance(20260102);
  const auto files = segments();
  int detected = 0, in_data = 0;
  for (int round = 0; round < 2000; ++round) {
    const fs::path& path = files[chance() % files.size()];
    const std::uint64_t at = chance() % fs::file_size(path);
    const int bit = static_cast<int>(chance() % 8);
    bool data = false;
    const std::string found = outcome_of(path, [&](const fs::path& file, const std::string& bytes) {
      const char flipped = static_cast<char>(bytes[at] ^ (1 << bit));
      data = bytes[at] != 0;
      write_at(file, at, {&flipped, 1});
    });
    if (data) ++in_data;
    if (found.empty()) continue;  // beyond the last batch, or in the last seal: nothing that was acknowledged
    ASSERT_THAT(found, ::testing::StartsWith("corrupt: log damaged: segment events/")) << path << " byte " << at;
    ++detected;
  }
  EXPECT_GE(detected, in_data * 95 / 100) << "of " << in_data;
  EXPECT_GT(detected, 500);
}

TEST_F(Damage, a_zeroed_block_anywhere_is_detected) {
  const auto files = segments();
  for (const fs::path& path : files) {
    const std::string bytes = bytes_of(path);
    const std::uint64_t used = bytes.find_last_not_of('\0') / block_bytes;
    // The last block of all is the seal: losing it loses no record.
    const std::uint64_t blocks = path == files.back() ? used : used + 1;
    for (std::uint64_t block = 0; block < blocks; ++block) {
      const std::string found = outcome_of(path, [&](const fs::path& file, const std::string&) {
        write_at(file, block * block_bytes, std::string(block_bytes, '\0'));
      });
      const bool closing = path != files.back() && block == used;  // the closing batch of a sealed segment
      if (closing) {
        EXPECT_EQ(found, "") << "no record lies there";
      } else {
        EXPECT_THAT(found, HasSubstr("corrupt: log damaged: segment events/" + path.filename().string()));
      }
    }
  }
}

TEST_F(Damage, a_missing_segment_is_named) {
  const auto files = segments();
  for (std::size_t i = 0; i < files.size(); ++i) {
    fs::rename(files[i], directory_ / "away");
    const auto opened = open();
    ASSERT_FALSE(opened) << files[i];
    EXPECT_EQ(opened.error().code, ErrorCode::corrupt);
    EXPECT_THAT(opened.error().message, HasSubstr("missing"));
    EXPECT_FALSE(JournalLog::verify(options_.directory));
    fs::rename(directory_ / "away", files[i]);
  }
  EXPECT_EQ(outcome(), "");
}

TEST_F(Damage, all_segments_missing_is_not_an_empty_log) {
  for (const auto& file : segments()) fs::remove(file);
  const auto opened = open();
  ASSERT_FALSE(opened);
  EXPECT_THAT(opened.error().message, HasSubstr("no segment"));
}

TEST_F(Damage, a_segment_of_another_log_or_topic_is_refused) {
  const fs::path mine = segments()[1];
  options_.directory = directory_ / "other";
  must_open();
  fill(0, count);
  log_.reset();
  const std::string foreign = bytes_of(segments()[1]);
  ASSERT_EQ(mine.filename(), segments()[1].filename());
  options_.directory = directory_ / "log";
  EXPECT_THAT(outcome_of(mine, [&](const fs::path& file, const std::string&) { write_at(file, 0, foreign); }),
              HasSubstr("belongs to another log"));

  const fs::path identity = options_.directory / "identity" / segments()[0].filename();
  fs::copy_file(identity, segments()[0], fs::copy_options::overwrite_existing);
  const auto opened = open();
  ASSERT_FALSE(opened);
  EXPECT_THAT(opened.error().message, HasSubstr("belongs to another log"));
}

TEST_F(Damage, a_renamed_segment_is_refused) {
  const auto files = segments();
  fs::rename(files[1], files[1].parent_path() / "00000000000000000008.segment");
  const auto opened = open();
  ASSERT_FALSE(opened);
  EXPECT_THAT(opened.error().message, HasSubstr("renamed"));
}

TEST_F(Damage, a_sealed_segment_cut_short_is_detected) {
  const auto files = segments();
  for (const std::uint64_t left : {std::uint64_t{100}, std::uint64_t{5000}, fs::file_size(files[1]) / 2}) {
    EXPECT_THAT(outcome_of(files[1], [&](const fs::path& file, const std::string&) { fs::resize_file(file, left); }),
                HasSubstr("log damaged: segment events/"));
  }
}

TEST_F(Damage, batches_of_a_newer_version_are_never_cut) {
  log_.reset();
  must_open();
  fill(count, 1);
  crash();
  const Tail last = tail();
  const auto listed = list_segments(place());
  BatchHeader header =
      follow(listed->back()->header, {last.end, last.next, last.sequence, last.previous}, BatchKind::seal);
  std::string block(block_bytes, '\0');
  write_batch_header(header, block.data(), 0);
  block[7] = 1;  // a codec that this version does not know
  const std::uint32_t checksum = crc32c(std::string_view(block).substr(0, 92));
  block.replace(92, 4, reinterpret_cast<const char*>(&checksum), 4);
  write_at(listed->back()->path, last.end, block);
  const auto opened = open();
  ASSERT_FALSE(opened);
  EXPECT_THAT(opened.error().message, HasSubstr("newer version"));
}

TEST_F(Damage, a_lost_or_spoiled_id_is_refused) {
  const fs::path id = options_.directory / "log.id";
  const std::string text = bytes_of(id);
  fs::remove(id);
  auto opened = open();
  ASSERT_FALSE(opened);
  EXPECT_THAT(opened.error().message, HasSubstr("log.id"));
  EXPECT_EQ(opened.error().code, ErrorCode::corrupt);
  std::ofstream(id) << "hutong log\nformat 2\n";
  opened = open();
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code, ErrorCode::corrupt);
  std::ofstream(id) << text;
  EXPECT_EQ(outcome(), "");
}

TEST_F(Damage, reading_names_the_offset_and_the_rest_stays_readable) {
  const auto files = segments();
  write_at(files[1], block_bytes + 200, "XXXX");
  must_open();
  const Offset first = std::stoull(files[1].stem().string());
  const auto slice = read(first);
  ASSERT_FALSE(slice);
  EXPECT_EQ(slice.error().code, ErrorCode::corrupt);
  EXPECT_THAT(slice.error().message, HasSubstr("offset " + std::to_string(first)));
  EXPECT_TRUE(read(0));
  EXPECT_TRUE(read(std::stoull(files[2].stem().string())));
  ASSERT_TRUE(append({record(count)}));
}

}  // namespace
}  // namespace hutong::journal
