#include "broker/model/moment.h"

#include <gtest/gtest.h>

namespace hutong::model {
namespace {

struct Case {
  const char *sent, *iso;
  bool good = true;
};
void PrintTo(const Case& c, std::ostream* out) {
  *out << '"' << c.sent << '"';
}

class Moments : public testing::TestWithParam<Case> {};
TEST_P(Moments, AreRead) {
  Arena arena;
  MomentReader reader(arena, 480);
  for (int round = 0; round < 2; ++round) {  // the second from memory
    Moment moment{GetParam().sent, {}};
    EXPECT_EQ(reader.read(moment), GetParam().good) << GetParam().sent;
    EXPECT_EQ(moment.iso, GetParam().iso) << GetParam().sent;
    EXPECT_EQ(moment.sent, GetParam().sent);
    if (!moment.iso.empty()) EXPECT_TRUE(parse_iso(moment.iso).has_value()) << moment.iso;
  }
}
INSTANTIATE_TEST_SUITE_P(
    AsSent, Moments,
    testing::Values(Case{"2026", "2026"}, Case{"202601", "2026-01"}, Case{"20260102", "2026-01-02"},
                    Case{"2026010203", "2026-01-02T03:00:00+08:00"}, Case{"202601020304", "2026-01-02T03:04:00+08:00"},
                    Case{"20260102030405", "2026-01-02T03:04:05+08:00"},
                    Case{"20260102030405.1234", "2026-01-02T03:04:05.1234+08:00"},
                    Case{"20260102030405678", "2026-01-02T03:04:05.678+08:00"},
                    Case{"20260102030405+0900", "2026-01-02T03:04:05+09:00"},
                    Case{"202601020304-0530", "2026-01-02T03:04:00-05:30"},
                    Case{"20260102030405+0000", "2026-01-02T03:04:05Z"},
                    Case{"20260102030405Z", "2026-01-02T03:04:05Z"}, Case{"2026-01-02", "2026-01-02"},
                    Case{"2026/1/2", "2026-01-02"}, Case{"2026.1.2", "2026-01-02"}, Case{"2026-01", "2026-01"},
                    Case{"2026-1-2 3:04", "2026-01-02T03:04:00+08:00"},
                    Case{"2026-01-02 03:04:05", "2026-01-02T03:04:05+08:00"},
                    Case{"2026-01-02 03:04:05.123", "2026-01-02T03:04:05.123+08:00"},
                    Case{"2026-01-02T03:04:05+08:00", "2026-01-02T03:04:05+08:00"},
                    Case{"2026-01-02T03:04:05Z", "2026-01-02T03:04:05Z"}, Case{"2026年1月2日", "2026-01-02"},
                    Case{"2026年1月2日 3:04:05", "2026-01-02T03:04:05+08:00"}, Case{" 20260102 ", "2026-01-02"},
                    Case{"20240229", "2024-02-29"}, Case{"", ""}, Case{"00000000", ""}, Case{"00000000000000", ""},
                    Case{"0000-00-00 00:00:00", ""}, Case{"0001-01-01 00:00:00", ""}, Case{"20260230", "", false},
                    Case{"20230229", "", false}, Case{"20261301", "", false}, Case{"2026010224", "", false},
                    Case{"202601026", "", false}, Case{"17000101", "", false}, Case{"昨天", "", false},
                    Case{"2026-01-02 03", "", false}, Case{"20260102030405+9900", "", false},
                    Case{"2026-01/02", "", false}, Case{"12:30", "", false}));

TEST(Moment, TheFacilitysZoneHoldsWhereNoneWasSent) {
  Arena arena;
  MomentReader reader(arena, -300);
  Moment moment{"20260102030405", {}};
  EXPECT_TRUE(reader.read(moment));
  EXPECT_EQ(moment.iso, "2026-01-02T03:04:05-05:00");
}

TEST(Moment, MemoryNeverAnswersForAnotherText) {
  Arena arena;
  MomentReader reader(arena);
  Moment bad{"nonsense", {}}, good{"20260102", {}}, none{"", {}};
  EXPECT_FALSE(reader.read(bad));
  EXPECT_TRUE(reader.read(good));
  EXPECT_EQ(good.iso, "2026-01-02");
  EXPECT_TRUE(reader.read(none));
  EXPECT_EQ(none.iso, "");
  Moment bad_again{"nonsense", {}};
  EXPECT_FALSE(reader.read(bad_again));
}

TEST(Moment, ASpanCoversItsPrecision) {
  const auto day = span_of({"20260102", "2026-01-02"}, 480);
  EXPECT_EQ(day.last - day.first, std::chrono::hours(24));
  EXPECT_EQ(to_iso(day.first), "2026-01-01T16:00:00.000Z");
}

}  // namespace
}  // namespace hutong::model
