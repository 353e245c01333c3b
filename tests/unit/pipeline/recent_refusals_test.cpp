#include "broker/pipeline/recent_refusals.h"

#include <gtest/gtest.h>

namespace hutong::pipeline {
namespace {

TEST(RecentRefusals, CountsEachMessageOfEachFacilityByItself) {
  RecentRefusals refusals;
  refusals.kept("H1", "a");
  EXPECT_EQ(refusals.count("H1", "a").times, 0U);
  refusals.came_again("H1", "a", Timestamp{1});
  refusals.came_again("H1", "a", Timestamp{2});
  refusals.came_again("H2", "a", Timestamp{3});
  EXPECT_EQ(refusals.count("H1", "a").times, 2U);
  EXPECT_EQ(refusals.count("H1", "a").last.micros, 2);
  EXPECT_EQ(refusals.count("H2", "a").times, 1U);
  EXPECT_EQ(refusals.count("H1", "b").times, 0U);
}

TEST(RecentRefusals, KnowsWhatWasKept) {
  RecentRefusals refusals;
  EXPECT_FALSE(refusals.known("H1", "a"));
  refusals.kept("H1", "a");
  EXPECT_TRUE(refusals.known("H1", "a"));
  EXPECT_FALSE(refusals.known("H2", "a"));
}

TEST(RecentRefusals, ForgetsWhatDidNotComeForLongest) {
  RecentRefusals refusals(2);
  refusals.kept("H1", "a");
  refusals.came_again("H1", "b", Timestamp{2});
  refusals.came_again("H1", "a", Timestamp{3});
  refusals.kept("H1", "c");
  EXPECT_EQ(refusals.count("H1", "a").times, 1U);
  EXPECT_FALSE(refusals.known("H1", "b"));
  EXPECT_TRUE(refusals.known("H1", "c"));
}

}  // namespace
}  // namespace hutong::pipeline
