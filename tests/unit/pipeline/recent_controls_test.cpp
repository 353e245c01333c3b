#include "broker/pipeline/recent_controls.h"

#include <gtest/gtest.h>

#include <string>

#include "broker/base/limits.h"

namespace hutong::pipeline {
namespace {

RecordId id(const char* name) { return RecordId(sha256(name)); }
const ControlKey control(sha256("control"));
port::Position at(port::Offset offset, std::uint32_t partition = 0) {
  return {{port::Topic::events, partition}, offset};
}

TEST(RecentControls, a_message_in_flight_is_not_yet_a_duplicate) {
  RecentControls recent;
  EXPECT_FALSE(recent.enter(control, id("a")).same);
  EXPECT_FALSE(recent.enter(control, id("a")).same);
  recent.durable(control, id("a"), at(7));
  EXPECT_TRUE(recent.enter(control, id("a")).same);
  EXPECT_FALSE(recent.enter(control, id("a")).other);
}

TEST(RecentControls, other_content_under_a_known_control_id_is_a_conflict_for_the_later_one_only) {
  RecentControls recent;
  EXPECT_FALSE(recent.enter(control, id("a")).other);
  recent.durable(control, id("a"), at(1));
  EXPECT_TRUE(recent.enter(control, id("b")).other);
  recent.durable(control, id("b"), at(2));
  EXPECT_TRUE(recent.enter(control, id("b")).same);
  EXPECT_TRUE(recent.enter(control, id("b")).other);
  EXPECT_TRUE(recent.enter(control, id("a")).same);
  EXPECT_FALSE(recent.enter(control, id("a")).other);
}

TEST(RecentControls, contents_under_one_control_id_are_bounded) {
  RecentControls recent;
  for (std::size_t i = 0; i <= limits::messages_per_control + 1; ++i) {
    recent.enter(control, id(std::to_string(i).c_str()));
    recent.durable(control, id(std::to_string(i).c_str()), at(i));
  }
  EXPECT_TRUE(recent.enter(control, id(std::to_string(limits::messages_per_control).c_str())).same);
  EXPECT_FALSE(recent.enter(control, id(std::to_string(limits::messages_per_control + 1).c_str())).same);
}

TEST(RecentControls, what_the_store_knows_is_forgotten_here) {
  RecentControls recent;
  recent.enter(control, id("a"));
  recent.durable(control, id("a"), at(10));
  recent.projected_below({port::Topic::events, 0}, 10);
  EXPECT_EQ(recent.size(), 1U);
  recent.projected_below({port::Topic::events, 0}, 11);
  EXPECT_EQ(recent.size(), 0U);
  EXPECT_FALSE(recent.enter(control, id("a")).same);
}

TEST(RecentControls, a_failed_append_leaves_nothing_behind) {
  RecentControls recent;
  recent.enter(control, id("a"));
  recent.withdraw(control, id("a"));
  EXPECT_EQ(recent.size(), 0U);
  EXPECT_FALSE(recent.enter(control, id("b")).other);
}

TEST(RecentControls, each_partition_is_projected_for_itself) {
  RecentControls recent;
  const ControlKey other(sha256("other"));
  recent.enter(control, id("a"));
  recent.durable(control, id("a"), at(3, 1));
  recent.projected_below({port::Topic::events, 0}, 100);
  EXPECT_TRUE(recent.enter(control, id("a")).same) << "its own partition is not that far";
  recent.projected_below({port::Topic::events, 1}, 4);
  EXPECT_EQ(recent.size(), 0U);
}

}  // namespace
}  // namespace hutong::pipeline
