#include "broker/pipeline/repeated_refusals.h"

#include <gtest/gtest.h>

namespace hutong::pipeline {
namespace {

TEST(RepeatedRefusals, CountsEachMessageOfEachFacilityByItself) {
  RepeatedRefusals repeated;
  repeated.add("H1", "a", Timestamp{1});
  repeated.add("H1", "a", Timestamp{2});
  repeated.add("H2", "a", Timestamp{3});
  EXPECT_EQ(repeated.of("H1", "a").times, 2U);
  EXPECT_EQ(repeated.of("H1", "a").last.micros, 2);
  EXPECT_EQ(repeated.of("H2", "a").times, 1U);
  EXPECT_EQ(repeated.of("H1", "b").times, 0U);
}

TEST(RepeatedRefusals, ForgetsWhatDidNotRepeatForLongest) {
  RepeatedRefusals repeated(2);
  repeated.add("H1", "a", Timestamp{1});
  repeated.add("H1", "b", Timestamp{2});
  repeated.add("H1", "a", Timestamp{3});
  repeated.add("H1", "c", Timestamp{4});
  EXPECT_EQ(repeated.of("H1", "a").times, 2U);
  EXPECT_EQ(repeated.of("H1", "b").times, 0U);
  EXPECT_EQ(repeated.of("H1", "c").times, 1U);
}

}  // namespace
}  // namespace hutong::pipeline
