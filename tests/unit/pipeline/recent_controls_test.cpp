#include "broker/pipeline/recent_controls.h"

#include <gtest/gtest.h>

namespace hutong::pipeline {
namespace {

RecordId id(const char* name) { return RecordId(sha256(name)); }
const std::string control = std::string(16, 'c');

TEST(RecentControls, a_message_in_flight_is_not_yet_a_duplicate) {
  RecentControls recent;
  recent.begin(control, id("a"));
  EXPECT_FALSE(recent.look(control, id("a")).same);
  recent.durable(control, id("a"), 7);
  EXPECT_TRUE(recent.look(control, id("a")).same);
  EXPECT_FALSE(recent.look(control, id("a")).other);
}

TEST(RecentControls, other_content_under_a_known_control_id_is_a_conflict_for_the_later_one_only) {
  RecentControls recent;
  recent.begin(control, id("a"));
  EXPECT_TRUE(recent.look(control, id("b")).other);
  recent.durable(control, id("a"), 1);
  recent.begin(control, id("b"));
  recent.durable(control, id("b"), 2);
  EXPECT_TRUE(recent.look(control, id("b")).same);
  EXPECT_TRUE(recent.look(control, id("b")).other);
  EXPECT_TRUE(recent.look(control, id("a")).same);
  EXPECT_FALSE(recent.look(control, id("a")).other);
}

TEST(RecentControls, what_the_store_knows_is_forgotten_here) {
  RecentControls recent;
  recent.begin(control, id("a"));
  recent.durable(control, id("a"), 10);
  recent.projected_below(10);
  EXPECT_EQ(recent.size(), 1U);
  recent.projected_below(11);
  EXPECT_EQ(recent.size(), 0U);
  EXPECT_FALSE(recent.look(control, id("a")).same);
}

TEST(RecentControls, a_failed_append_leaves_nothing_behind) {
  RecentControls recent;
  recent.begin(control, id("a"));
  recent.withdraw(control, id("a"));
  EXPECT_EQ(recent.size(), 0U);
  EXPECT_FALSE(recent.look(control, id("b")).other);
}

}  // namespace
}  // namespace hutong::pipeline
