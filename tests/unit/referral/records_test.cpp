// Who may read what travels with a referral, by the referral alone.
#include <gtest/gtest.h>

#include "tests/unit/referral/region.h"

namespace hutong::referral {
namespace {

namespace fs = std::filesystem;
const fs::path source = HUTONG_SOURCE_DIR;
constexpr const char* report = "45c48cce2e2d7fbdea1afc51c7c6ad26";

class Records : public testing::Test {
 protected:
  Records() {
    auto asked = request("cc-east", "county", "T1", now);
    asked.documents = {{"report", report, 1}};
    here.send(asked);
  }
  void say(Action action, const std::string& facility, std::string receiver = {}) {
    now = now + std::chrono::minutes(1);
    auto made = command(action, facility, "T1", now);
    made.receiver = std::move(receiver);
    const auto answered = here.send(made);
    ASSERT_FALSE(answered.refusal) << to_string(*answered.refusal);
  }
  bool reads(const std::string& facility, Timestamp at, const char* what = report) {
    return may_read(*here.find(model::referral_id("cc-east", "T1")), facility, "report", what, here.rules(), at);
  }
  bool reads(const std::string& facility) { return reads(facility, now); }

  Timestamp now = at("2026-03-02T09:00:00");
  Region here{Rules::load({source / "schemas/referral"}), source / "tests/golden/referral/facilities.csv"};
};

TEST_F(Records, TheParties) {
  EXPECT_TRUE(reads("cc-east"));
  EXPECT_TRUE(reads("county"));
  EXPECT_FALSE(reads("city"));
  EXPECT_FALSE(reads("county", now, "00000000000000000000000000000000"));
}

TEST_F(Records, WhoDeclinesLosesItAtOnceAndHasItAgainWhenItTakesThePatientAfterAll) {
  say(Action::decline, "county");
  EXPECT_FALSE(reads("county"));
  EXPECT_TRUE(reads("cc-east"));
  say(Action::accept, "county");
  EXPECT_TRUE(reads("county"));
}

TEST_F(Records, WhoIsPassedOverLosesItAtOnce) {
  say(Action::redirect, "cc-east", "city");
  EXPECT_FALSE(reads("county"));
  EXPECT_TRUE(reads("city"));
}

TEST_F(Records, UntilSoLongAfterClosing) {
  say(Action::report, "county");
  say(Action::close, "cc-east");
  EXPECT_TRUE(reads("county", now + std::chrono::days(30)));
  EXPECT_FALSE(reads("county", now + std::chrono::days(30) + std::chrono::seconds(1)));
  EXPECT_FALSE(reads("cc-east", now + std::chrono::days(31)));
}

TEST_F(Records, OfACancelledReferralNobody) {
  say(Action::cancel, "cc-east");
  EXPECT_FALSE(reads("county"));
  EXPECT_FALSE(reads("cc-east"));
}

}  // namespace
}  // namespace hutong::referral
