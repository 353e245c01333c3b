#include "adapters/simulator/feed.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>
#include <set>

namespace hutong::simulator {
namespace {

const std::filesystem::path data = std::filesystem::path(HUTONG_SOURCE_DIR) / "tests/unit/simulator/data";
constexpr LocalSeconds start = 20'780LL * day + 8 * hour;
const std::atomic<bool> never{false};

class FeedTest : public ::testing::Test {
 protected:
  FeedTest() : folder_(std::filesystem::temp_directory_path() / ("feed-test-" + std::to_string(getpid()))) {
    std::filesystem::create_directories(folder_);
    options_.region = data / "region.toml";
    options_.schemas = data;
    options_.start = start;
  }
  ~FeedTest() override { std::filesystem::remove_all(folder_); }

  std::filesystem::path folder_;
  FeedOptions options_;
};

TEST_F(FeedTest, ASecondStartIsANewRunThatGoesOnWhereTheFirstWasAnswered) {
  options_.resume = folder_ / "state.toml";
  std::string bytes;
  Feed::Label label;
  std::set<std::string> ids;
  LocalSeconds stopped = 0;
  {
    Feed feed(options_);
    EXPECT_EQ(feed.run(), 1u);
    for (int i = 0; i < 2'000; ++i) {
      ASSERT_EQ(feed.next(bytes, label, 0), Feed::Next::message);
      if (feed.last().nature != Nature::resend) ids.insert(feed.last().control_id);
      if (i < 1'000) {
        feed.answered(label.ticket, feed.last().expected);
        stopped = feed.last().time;
      } else if (i > 1'000) {
        feed.answered(label.ticket, "AA");  // behind one that never was
      }
    }
    feed.save();
  }
  EXPECT_EQ(read_run_state(*options_.resume)->answered, 1'000u);
  Feed feed(options_);
  EXPECT_EQ(feed.run(), 2u);
  ASSERT_EQ(feed.next(bytes, label, 0), Feed::Next::message);
  EXPECT_GE(feed.last().time, stopped);
  EXPECT_LT(feed.last().time, stopped + hour);
  for (int i = 0; i < 2'000; ++i) {
    ASSERT_EQ(feed.next(bytes, label, 0), Feed::Next::message);
    if (!feed.last().control_id.empty()) ASSERT_FALSE(ids.contains(feed.last().control_id));
  }
  // A crash before any answer: the number is used up all the same.
  EXPECT_EQ(Feed(options_).run(), 3u);
  options_.seed = 99;
  EXPECT_THROW(Feed{options_}, std::runtime_error);
}

TEST_F(FeedTest, AnswersOtherThanDeservedAreCounted) {
  Feed feed(options_);
  std::string bytes;
  Feed::Label label;
  for (int i = 0; i < 100; ++i) {
    feed.next(bytes, label, 0);
    const std::string deserved = feed.last().expected;
    feed.answered(label.ticket, i == 7 ? (deserved == "AA" ? "AE" : "AA") : "C" + deserved.substr(1));
    feed.answered(label.ticket, "AR");  // twice: the first counts
  }
  EXPECT_EQ(feed.unexpected(), 1u);
}

TEST_F(FeedTest, LiveHoldsAMessageUntilItsTime) {
  options_.live = true;
  Feed feed(options_);
  std::string bytes;
  Feed::Label label;
  EXPECT_EQ(feed.next(bytes, label, start - hour), Feed::Next::later);
  EXPECT_EQ(feed.next(bytes, label, start - hour), Feed::Next::later);
  EXPECT_TRUE(bytes.empty());
  EXPECT_EQ(feed.next(bytes, label, start + hour), Feed::Next::message);
  EXPECT_EQ(label.ticket, 0u);
  EXPECT_EQ(feed.truth().messages(), 1u);
}

TEST_F(FeedTest, LanesKeepASendersOrPatientsOrder) {
  std::string bytes;
  Feed::Label label;
  Feed few(options_);
  std::set<std::uint32_t> lanes;
  for (int i = 0; i < 3'000; ++i) {
    few.next(bytes, label, 0);
    lanes.insert(label.lane);
  }
  EXPECT_EQ(lanes.size(), 6u);
  options_.connections = 64;
  Feed many(options_);
  std::map<std::pair<std::size_t, std::uint32_t>, std::uint32_t> lane_of;
  for (int i = 0; i < 500; ++i) {
    many.next(bytes, label, 0);
    const auto patient = std::pair(many.last().sender, many.last().resident);
    EXPECT_EQ(lane_of.emplace(patient, label.lane).first->second, label.lane);
  }
  EXPECT_GT(lane_of.size(), 50u);
}

TEST_F(FeedTest, FilesHoldEveryMessageOnce) {
  options_.messages = 300;
  Feed single(options_);
  const auto report = write_files(single, folder_ / "single", true, never, nullptr);
  EXPECT_EQ(report.messages, 300u);
  EXPECT_EQ(report.files, 300u);
  std::size_t files = 0, bytes = 0;
  for (const auto& entry : std::filesystem::directory_iterator(folder_ / "single")) {
    ++files;
    bytes += entry.file_size();
  }
  EXPECT_EQ(files, 300u);
  EXPECT_GE(bytes, report.bytes);
  EXPECT_LE(bytes, report.bytes + 300) << "at most a line end for each";
  Feed joined(options_);
  const auto by_sender = write_files(joined, folder_ / "joined", false, never, nullptr);
  EXPECT_EQ(by_sender.bytes, report.bytes);
  EXPECT_LE(by_sender.files, 6u);
  EXPECT_EQ(single.truth().json(), joined.truth().json());
  EXPECT_NE(joined.truth().json().find("{\"messages\":300,\"types\":{"), std::string::npos);
}

TEST_F(FeedTest, EndsByTheSimulatedClock) {
  options_.simulated = 2 * hour;
  Feed feed(options_);
  std::string bytes;
  Feed::Label label;
  int count = 0;
  while (feed.next(bytes, label, 0) == Feed::Next::message) {
    ++count;
    ASSERT_LT(feed.last().time, start + 2 * hour);
  }
  EXPECT_GT(count, 300);
  EXPECT_EQ(feed.next(bytes, label, 0), Feed::Next::end);
}

TEST_F(FeedTest, AStateThatCannotBeReadIsNamed) {
  options_.resume = folder_ / "state.toml";
  std::ofstream(*options_.resume) << "run = \"x\"";
  EXPECT_THROW(Feed{options_}, std::runtime_error);
}

}  // namespace
}  // namespace hutong::simulator
