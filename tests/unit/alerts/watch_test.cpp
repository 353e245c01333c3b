// What is told when: once, again while it lasts, and when it is over; whatever wavers, is restarted or is set.
#include "broker/alerts/watch.h"

#include <gmock/gmock.h>

namespace hutong::alerts {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class Watching : public ::testing::Test {
 protected:
  // A look so long after the one before it, in which the ward's oldest event waits for `seconds` of at most 100.
  std::vector<std::string> look(Ticks later, double seconds) {
    now.ticks += later;
    now.wall = now.wall + std::chrono::duration_cast<std::chrono::microseconds>(later);
    return look({reading(Kind::lag, {"ward", "", ""}, seconds, 100)});
  }
  std::vector<std::string> look(const std::vector<Reading>& readings) {
    said = watch.look(readings, now);
    std::vector<std::string> words;
    for (const auto& alert : said.alerts) words.push_back(std::string(to_string(alert.state)) + " " + alert.id);
    return words;
  }
  // Past the beginning, which tells what held before.
  void begin() {
    look(0s, 0);
    look(20s, 0);
  }
  Moment now{{1'767'000'000'000'000}, 1h};
  Watch watch{10s, 1h};
  Watch::Said said;
};

TEST_F(Watching, a_condition_is_told_once_it_has_held_and_once_it_has_been_well_as_long) {
  begin();
  EXPECT_THAT(look(1s, 100), IsEmpty());
  EXPECT_THAT(look(9s, 130), IsEmpty());
  EXPECT_THAT(look(1s, 150), ElementsAre("raised lag:ward"));
  EXPECT_EQ(said.alerts[0].reading.value, 150);
  EXPECT_EQ(said.alerts[0].seconds, 10);
  EXPECT_EQ(said.alerts[0].since.micros, now.wall.micros - 10'000'000);
  EXPECT_THAT(look(30s, 150), IsEmpty());
  EXPECT_THAT(look(1s, 3), IsEmpty());
  EXPECT_THAT(look(9s, 3), IsEmpty());
  EXPECT_THAT(look(1s, 3), ElementsAre("cleared lag:ward"));
  EXPECT_EQ(said.alerts[0].seconds, 41) << "until it was well, not until that was told";
  EXPECT_EQ(said.alerts[0].reading.value, 150) << "what was wrong, not what is well";
  EXPECT_THAT(look(100s, 3), IsEmpty());
  EXPECT_THAT(watch.standing(now), IsEmpty());
}

TEST_F(Watching, what_wavers_around_the_limit_is_neither_raised_nor_cleared_again_and_again) {
  begin();
  for (int i = 0; i < 20; ++i) {
    EXPECT_THAT(look(8s, 120), IsEmpty());
    EXPECT_THAT(look(1s, 20), IsEmpty());
  }
  look(1s, 120);
  EXPECT_THAT(look(10s, 120), ElementsAre("raised lag:ward"));
  for (int i = 0; i < 20; ++i) {
    EXPECT_THAT(look(30s, 90), IsEmpty()) << "below the limit, and not yet well";
    EXPECT_THAT(look(8s, 20), IsEmpty());
    EXPECT_THAT(look(1s, 120), IsEmpty());
  }
}

TEST_F(Watching, it_is_told_again_while_it_lasts) {
  begin();
  look(1s, 200);
  EXPECT_THAT(look(10s, 200), ElementsAre("raised lag:ward"));
  EXPECT_THAT(look(59min, 200), IsEmpty());
  EXPECT_THAT(look(1min, 300), ElementsAre("standing lag:ward"));
  EXPECT_EQ(said.alerts[0].reading.value, 300);
  EXPECT_THAT(look(59min, 300), IsEmpty());
  EXPECT_THAT(look(1min, 10), IsEmpty()) << "not of what may be over";
}

TEST_F(Watching, never_again_where_that_is_turned_off) {
  watch = Watch(10s, 0s);
  begin();
  look(1s, 200);
  look(10s, 200);
  EXPECT_THAT(look(1000h, 200), IsEmpty());
}

TEST_F(Watching, what_holds_when_the_watch_begins_is_no_news) {
  EXPECT_THAT(look(0s, 0), IsEmpty());
  EXPECT_THAT(look(5s, 200), IsEmpty()) << "found a little later";
  EXPECT_THAT(look(10s, 200), IsEmpty());
  EXPECT_FALSE(said.begins);
  EXPECT_THAT(look(5s, 200), ElementsAre("standing lag:ward"));
  EXPECT_TRUE(said.begins);
  look(1s, 200);
  EXPECT_FALSE(said.begins) << "once";
  watch.forget();
  EXPECT_THAT(look(1s, 0), IsEmpty());
  EXPECT_THAT(look(20s, 0), IsEmpty());
  EXPECT_TRUE(said.begins) << "also where nothing holds: what was told before is over";
  look(1s, 200);
  EXPECT_THAT(look(10s, 200), ElementsAre("raised lag:ward"));
}

TEST_F(Watching, a_wall_clock_that_is_set_tells_nothing_and_forgets_nothing) {
  begin();
  look(1s, 200);
  now.wall = now.wall + 240h;
  EXPECT_THAT(look(1s, 200), IsEmpty()) << "ten days on the wall are no hold";
  EXPECT_THAT(look(9s, 200), ElementsAre("raised lag:ward"));
  now.wall = now.wall + -480h;
  EXPECT_THAT(look(1s, 200), IsEmpty());
  look(1s, 0);
  EXPECT_THAT(look(10s, 0), ElementsAre("cleared lag:ward"));
  EXPECT_EQ(said.alerts[0].seconds, 12);
}

TEST_F(Watching, what_is_not_there_any_more_is_over) {
  begin();
  look(1s, 200);
  look(10s, 200);
  EXPECT_THAT(look({}), IsEmpty());
  now.ticks += 10s;
  EXPECT_THAT(look({}), ElementsAre("cleared lag:ward"));
}

TEST_F(Watching, many_at_once_are_said_together) {
  begin();
  std::vector<Reading> readings;
  for (int i = 0; i < 100; ++i) readings.push_back(reading(Kind::silence, {std::to_string(i), "", ""}, 5, 5));
  EXPECT_THAT(look(readings), IsEmpty());
  now.ticks += 20s;
  EXPECT_EQ(look(readings).size(), 100);
  EXPECT_EQ(watch.standing(now).size(), 100);
}

TEST(Condition, is_wrong_from_its_limit_on_or_below_it) {
  const auto level = [](Kind kind, double value, double limit) {
    return reading(kind, {"s", "", ""}, value, limit).level;
  };
  EXPECT_EQ(level(Kind::lag, 100, 100), Level::wrong);
  EXPECT_EQ(level(Kind::lag, 99, 100), Level::between);
  EXPECT_EQ(level(Kind::lag, 79, 100), Level::well);
  EXPECT_EQ(level(Kind::dead_letters, 1, 1), Level::wrong);
  EXPECT_EQ(level(Kind::dead_letters, 0, 1), Level::well);
  EXPECT_EQ(level(Kind::disk, 99, 100), Level::wrong);
  EXPECT_EQ(level(Kind::disk, 100, 100), Level::between);
  EXPECT_EQ(level(Kind::disk, 111, 100), Level::well);
  for (const auto kind : all_kinds) EXPECT_EQ(level(kind, 1e9, 0), Level::well) << "turned off";
  for (const auto kind : all_kinds) EXPECT_EQ(level(kind, 0, 0), Level::well) << "turned off";
}

TEST(Condition, is_told_in_both_languages) {
  const auto silent = reading(Kind::silence, {"cc-east", "东区社区卫生服务中心", "East centre"}, 90'000, 28'800);
  EXPECT_EQ(text_of(silent).zh, "东区社区卫生服务中心：已有 25 小时没有发来消息（限 8 小时）");
  EXPECT_EQ(text_of(silent).en, "East centre: nothing came for 25 h (limit 8 h)");
  EXPECT_EQ(text_of_end(silent, 300).zh, "东区社区卫生服务中心：又发来消息，历时 5 分钟");
  EXPECT_EQ(text_of_end(silent, 300).en, "East centre: is heard again, after 5 min");
  const auto disk = reading(Kind::disk, {"bc1", "", ""}, 1.5 * (1ULL << 30U), 2.0 * (1ULL << 30U));
  EXPECT_EQ(text_of(disk).en, "bc1: 1.5 GiB of the disk are free (limit 2 GiB)");
  const auto log = reading(Kind::dependency, {"bc1/log", "", ""}, 1, 1, "no space left");
  EXPECT_EQ(text_of(log).zh, "bc1/log：不可用：no space left");
  for (const auto kind : all_kinds) {
    const auto one = reading(kind, {"s", "", ""}, 1, 1);
    for (const auto& text : {text_of(one), text_of_end(one, 1)}) {
      EXPECT_THAT(text.zh, HasSubstr("s")) << to_string(kind);
      EXPECT_THAT(text.en, ::testing::Not(HasSubstr("{"))) << to_string(kind);
      EXPECT_NE(text.zh, text.en);
    }
  }
}

TEST(Condition, a_facility_without_a_time_of_its_own_has_everybodys) {
  Policy policy;
  policy.silence["lab"] = 30min;
  EXPECT_EQ(policy.silent_after("lab"), 30min);
  EXPECT_EQ(policy.silent_after("other"), 8h);
  policy.silence.erase("*");
  EXPECT_EQ(policy.silent_after("other"), 0ms);
}

TEST(ShareOf, is_of_what_was_counted_lately) {
  Share share;
  share.count(1000, 5000, 0s, 10min);
  EXPECT_EQ(share.percent(), 0) << "what was counted before is not late";
  share.count(1005, 5010, 5s, 10min);
  EXPECT_EQ(share.percent(), 50);
  EXPECT_EQ(share.bad(), 5);
  for (int i = 2; i < 400; ++i) share.count(1005, 5010 + i, i * 5s, 10min);
  EXPECT_EQ(share.percent(), 0);
  share.count(0, 3, 3000s, 10min);
  EXPECT_EQ(share.percent(), 0) << "the counters began anew";
  share.count(3, 6, 3005s, 10min);
  EXPECT_EQ(share.percent(), 100);
}

TEST(ShareOf, forgets_no_sooner_than_within_and_not_much_later) {
  Share share;
  share.count(0, 0, 0s, 10min);
  share.count(10, 10, 5s, 10min);
  for (int i = 2; i <= 119; ++i) share.count(10, 10, i * 5s, 10min);
  EXPECT_EQ(share.bad(), 10);
  for (int i = 120; i <= 150; ++i) share.count(10, 10, i * 5s, 10min);
  EXPECT_EQ(share.bad(), 0);
}

TEST(EarOf, hears_by_what_changes_and_not_by_the_wall) {
  Ear ear;
  Moment now{{1'767'000'000'000'000}, 1h};
  EXPECT_EQ(ear.silent(7, now.wall + -60s, now), 60s) << "from before the start";
  now.ticks += 5s;
  now.wall = now.wall + 240h;
  EXPECT_EQ(ear.silent(7, now.wall, now), 65s);
  EXPECT_EQ(ear.silent(8, now.wall, now), 0s);
  now.ticks += 5s;
  EXPECT_EQ(ear.silent(8, now.wall, now), 5s);
  Ear other;
  EXPECT_EQ(other.silent(1, now.wall + 1h, now), 0s) << "last heard tomorrow";
}

}  // namespace
}  // namespace hutong::alerts
