#include <gtest/gtest.h>

#include "adapters/api/live_sample.h"
#include "broker/access/flat_object.h"

namespace hutong::api {
namespace {

Counted at(int second, double accepted, std::vector<std::uint64_t> counts = {}) {
  Counted counted;
  counted.at = std::chrono::seconds(second);
  counted.accepted = accepted;
  counted.acknowledgements = {{0.001, 0.01}, std::move(counts)};
  return counted;
}

query::Feed feed(std::uint64_t total, std::int64_t first_second, std::int64_t last_second) {
  query::Feed feed;
  feed.facility = "H1";
  feed.total = total;
  feed.first = Timestamp{first_second * 1'000'000};
  feed.last = Timestamp{last_second * 1'000'000};
  return feed;
}
Timestamp second(std::int64_t s) {
  return {s * 1'000'000};
}

TEST(Live, RatesAreDifferencesOverTime) {
  LiveWindow window;
  EXPECT_EQ(window.add(at(0, 100)).accepted, 0);
  EXPECT_EQ(window.add(at(2, 300)).accepted, 100);
  EXPECT_EQ(window.history().back(), 100);
  for (int i = 0; i < 400; ++i) window.add(at(3 + i, 300));
  EXPECT_EQ(window.history().size(), LiveWindow::history_most);
}

TEST(Live, PercentilesAreOfTheLastTenSecondsOnly) {
  LiveWindow window;
  window.add(at(0, 0, {0, 0, 0}));
  window.add(at(1, 0, {1000, 0, 0}));
  const auto mixed = window.add(at(2, 0, {1000, 1000, 0}));
  EXPECT_NEAR(mixed.p50, 0.001, 1e-9);
  EXPECT_GT(mixed.p99, 0.009);
  LiveRates last;
  for (int s = 3; s <= 13; ++s) last = window.add(at(s, 0, {1000, 1000, 0}));
  EXPECT_EQ(last.p99, 0);
  EXPECT_EQ(last.acknowledged, 0U);
}

TEST(Live, APercentileBeyondTheLastBoundIsThatBound) {
  EXPECT_EQ(percentile({}, {{0.001, 0.01}, {0, 0, 5}}, 0.99), 0.01);
  EXPECT_EQ(percentile({}, {}, 0.5), 0);
}

TEST(Live, SilenceIsAgainstTheFeedsOwnHabit) {
  LiveWindow window;
  // A busy feed, ten a second: a minute without any is silence.
  EXPECT_FALSE(window.feed(feed(6000, 0, 600), second(659)).silent);
  EXPECT_TRUE(window.feed(feed(6000, 0, 600), second(661)).silent);
  // One an hour: five hours are not, twenty-one are.
  LiveWindow slow;
  EXPECT_FALSE(slow.feed(feed(101, 0, 360'000), second(360'000 + 5 * 3600)).silent);
  EXPECT_TRUE(slow.feed(feed(101, 0, 360'000), second(360'000 + 21 * 3600)).silent);
  // Nine messages are no habit yet; none at all is not silence but absence.
  EXPECT_FALSE(LiveWindow().feed(feed(9, 0, 9), second(1'000'000)).silent);
  EXPECT_EQ(LiveWindow().feed({}, second(1)).silence_seconds, -1);
}

TEST(Live, AFeedsRateIsPerMinuteAndSurvivesARebuild) {
  LiveWindow window;
  for (int s = 0; s < 120; ++s) window.feed(feed(static_cast<std::uint64_t>(s) * 2, 0, s), second(s));
  EXPECT_NEAR(window.feed(feed(240, 0, 120), second(120)).per_minute, 120, 2.1);
  EXPECT_EQ(window.feed(feed(0, 0, 120), second(121)).per_minute, 0);
}

TEST(Live, TheDocumentHoldsWhatAFeedSendsAsText) {
  auto one = feed(1, 0, 0);
  one.name_zh = "\"</script>\n医院";
  const auto document = write_live({}, {}, {one}, {FeedRate{}}, {1, 2});
  EXPECT_EQ(document.find('\n'), std::string::npos);  // a line break would end the event
  EXPECT_NE(document.find(",\"history\":[1.0,2.0]}"), std::string::npos);
}

}  // namespace
}  // namespace hutong::api
