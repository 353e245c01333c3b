// Values, units and intervals, as laboratories write them.
#include <gtest/gtest.h>

#include "tests/unit/normalize/setting.h"

namespace hutong::normalize {
namespace {

using model::SentType;
using model::Text;
using model::ValueKind;

struct Case {
  const char* sent;
  ValueKind kind;
  const char *comparator, *number, *low, *high, *finding;
};

void PrintTo(const Case& c, std::ostream* out) {
  *out << '"' << c.sent << '"';
}
class Values : public testing::TestWithParam<Case> {};

TEST_P(Values, AreRead) {
  const Case& c = GetParam();
  Setting s;
  s.item("1742-6", "", c.sent, "U/L").code.system = "LN";
  const auto& value = s.run().report().observations[0].value;
  EXPECT_EQ(value.kind, c.kind) << c.sent;
  EXPECT_EQ(value.comparator, c.comparator) << c.sent;
  EXPECT_EQ(value.number, c.number) << c.sent;
  EXPECT_EQ(value.low, c.low) << c.sent;
  EXPECT_EQ(value.high, c.high) << c.sent;
  EXPECT_EQ(value.coded.mapped_code, c.finding) << c.sent;
  EXPECT_EQ(value.sent, c.sent);
}

constexpr auto number = ValueKind::number, range = ValueKind::range, ratio = ValueKind::ratio,
               finding = ValueKind::qualitative, text = ValueKind::text, none = ValueKind::none;
INSTANTIATE_TEST_SUITE_P(
    AsSent, Values,
    testing::Values(
        Case{"5.8", number, "", "5.8", "", "", ""}, Case{"1.50", number, "", "1.50", "", "", ""},
        Case{"<0.01", number, "<", "0.01", "", "", ""}, Case{"< 0.01", number, "<", "0.01", "", "", ""},
        Case{"＞５．８", number, ">", "5.8", "", "", ""}, Case{"≥90", number, ">=", "90", "", "", ""},
        Case{"≤ 5", number, "<=", "5", "", "", ""}, Case{"大于1000", number, ">", "1000", "", "", ""},
        Case{"5.8↑", number, "", "5.8", "", "", ""}, Case{"5.8 ↓", number, "", "5.8", "", "", ""},
        Case{"1,234.5", number, "", "1234.5", "", "", ""}, Case{"12,345,678", number, "", "12345678", "", "", ""},
        Case{"1,23", text, "", "", "", "", ""}, Case{"1.20E+03", number, "", "1.20E+03", "", "", ""},
        Case{"1.2×10^5", number, "", "1.2e5", "", "", ""}, Case{"2.5×10⁶", number, "", "2.5e6", "", "", ""},
        Case{"05.8", number, "", "5.8", "", "", ""}, Case{".5", number, "", "0.5", "", "", ""},
        Case{"5.", number, "", "5", "", "", ""}, Case{"-3.2", number, "", "-3.2", "", "", ""},
        Case{"+3.2", number, "", "3.2", "", "", ""}, Case{"0", number, "", "0", "", "", ""},
        Case{"12.5 U/L", number, "", "12.5", "", "", ""}, Case{"10-20", range, "", "", "10", "20", ""},
        Case{"10～20", range, "", "", "10", "20", ""}, Case{"20-10", text, "", "", "", "", ""},
        Case{"1:160", ratio, "", "", "1", "160", ""}, Case{"1：160", ratio, "", "", "1", "160", ""},
        Case{">1:1280", ratio, ">", "", "1", "1280", ""}, Case{"2026-01-02", text, "", "", "", "", ""},
        Case{"阳性", finding, "", "", "", "", "positive"}, Case{"阴性(-)", finding, "", "", "", "", "negative"},
        Case{"±", finding, "", "", "", "", "plus-minus"}, Case{"++", finding, "", "", "", "", "2+"},
        Case{"（＋）", finding, "", "", "", "", "positive"}, Case{"3+", finding, "", "", "", "", "3+"},
        Case{"POS", finding, "", "", "", "", "positive"}, Case{"Non Reactive", finding, "", "", "", "", "non-reactive"},
        Case{"未检出", finding, "", "", "", "", "not-detected"},
        Case{"0.02(-)", number, "", "0.02", "", "", "negative"}, Case{"-", text, "", "", "", "", ""},
        Case{"溶血，请重抽", text, "", "", "", "", ""}, Case{"", none, "", "", "", "", ""},
        Case{"1.2.3", text, "", "", "", "", ""}, Case{"5.8e", text, "", "", "", "", ""}));

TEST(Value, AnArrowBecomesAFlagWhereNoneWasSent) {
  Setting s;
  s.item("1742-6", "", "5.8↑", "U/L");
  s.item("1920-8", "", "5.8↓", "U/L").flags.push(s.draft.arena, "N");
  s.run();
  EXPECT_EQ(s.report().observations[0].flags[0], "H");
  ASSERT_EQ(s.report().observations[1].flags.size(), 1u);
  EXPECT_EQ(s.report().observations[1].flags[0], "N");
}

TEST(Value, AnAnnouncedNumberThatIsNoneIsKeptAndFlagged) {
  Setting s;
  s.item("1742-6", "", "未做", "U/L", SentType::number);
  s.run();
  EXPECT_EQ(s.report().observations[0].value.kind, text);
  EXPECT_TRUE(s.has_issue("not-a-number", "OBX[1]-5"));
}

TEST(Value, ALoneMinusIsAFindingOfAPresenceItem) {
  Setting s;
  s.item("5195-3", "乙肝表面抗原", "-");
  EXPECT_EQ(s.run().report().observations[0].value.coded.mapped_code, "negative");
}

TEST(Value, StructuredPiecesMustBeNumbers) {
  Setting s;
  auto& good = s.item("1742-6", "", ">=10", "U/L", SentType::structured).value;
  good.kind = number;
  good.comparator = ">=";
  good.number = "10";
  auto& bad = s.item("1920-8", "", ">abc", "U/L", SentType::structured).value;
  bad.kind = number;
  bad.comparator = ">";
  bad.number = "abc";
  s.run();
  EXPECT_EQ(s.report().observations[0].value.number, "10");
  EXPECT_EQ(s.report().observations[1].value.kind, text);
  EXPECT_EQ(s.report().observations[1].value.number, "");
}

TEST(Value, ACodedFindingIsMappedAndKept) {
  Setting s;
  auto& value = s.item("5195-3", "", "P^阳性", "", SentType::coded).value;
  value.coded.code = "X1";
  value.coded.display = "阳性";
  s.run();
  EXPECT_EQ(s.report().observations[0].value.kind, finding);
  EXPECT_EQ(s.report().observations[0].value.coded.code, "X1");
  EXPECT_EQ(s.report().observations[0].value.coded.mapped_system, "urn:hutong:qualitative");
}

struct Bounds {
  const char *sent, *low, *high;
};
void PrintTo(const Bounds& b, std::ostream* out) {
  *out << '"' << b.sent << '"';
}
class Intervals : public testing::TestWithParam<Bounds> {};
TEST_P(Intervals, AreRead) {
  Setting s;
  s.item("1742-6", "", "5", "U/L").interval.sent = GetParam().sent;
  const auto& interval = s.run().report().observations[0].interval;
  EXPECT_EQ(interval.sent, GetParam().sent);
  EXPECT_EQ(interval.low, GetParam().low) << GetParam().sent;
  EXPECT_EQ(interval.high, GetParam().high) << GetParam().sent;
}
INSTANTIATE_TEST_SUITE_P(AsSent, Intervals,
                         testing::Values(Bounds{"3.5-9.5", "3.5", "9.5"}, Bounds{"3.5--9.5", "3.5", "9.5"},
                                         Bounds{"3.5～9.5", "3.5", "9.5"}, Bounds{"3.5 - 9.5", "3.5", "9.5"},
                                         Bounds{"<5.2", "", "5.2"}, Bounds{"≤5.2", "", "5.2"},
                                         Bounds{"＜5.2", "", "5.2"}, Bounds{">90", "90", ""},
                                         Bounds{"(3.5-9.5)", "3.5", "9.5"}, Bounds{"3.5-9.5 10^9/L", "3.5", "9.5"},
                                         Bounds{"-3-3", "-3", "3"}, Bounds{"阴性", "", ""}, Bounds{"9.5-3.5", "", ""},
                                         Bounds{"", "", ""}));

struct Conversion {
  const char *loinc, *value, *unit, *ucum, *canonical, *canonical_unit;
};
void PrintTo(const Conversion& c, std::ostream* out) {
  *out << c.loinc << ' ' << c.value << ' ' << c.unit;
}
class Units : public testing::TestWithParam<Conversion> {};
TEST_P(Units, AreReadPerItem) {
  const Conversion& c = GetParam();
  Setting s;
  s.item(c.loinc, "", c.value, c.unit).code.system = "LN";
  const auto& value = s.run().report().observations[0].value;
  EXPECT_EQ(value.ucum, c.ucum) << c.unit;
  EXPECT_EQ(value.canonical, c.canonical) << c.unit;
  EXPECT_EQ(value.canonical_unit, c.canonical_unit) << c.unit;
  EXPECT_EQ(value.unit, c.unit);
  EXPECT_EQ(s.has_issue("unit-mismatch") || s.has_issue("unknown-unit"), *c.ucum == '\0' && *c.unit != '\0') << c.unit;
}
INSTANTIATE_TEST_SUITE_P(
    AsSent, Units,
    testing::Values(Conversion{"6690-2", "5.8", "10^9/L", "10*9/L", "", ""},
                    Conversion{"6690-2", "5.8", "×10⁹/L", "10*9/L", "", ""},
                    Conversion{"6690-2", "5.8", "10E9/L", "10*9/L", "", ""},
                    Conversion{"6690-2", "5.8", "X10^9/L", "10*9/L", "", ""},
                    Conversion{"6690-2", "5.8", "G/L", "10*9/L", "", ""},  // Giga
                    Conversion{"718-7", "135", "G/L", "g/L", "", ""},      // grams, in capitals
                    Conversion{"718-7", "13.5", "g/dL", "g/dL", "135", "g/L"},
                    Conversion{"718-7", "13.50", "g/dl", "g/dL", "135.0", "g/L"},
                    Conversion{"6690-2", "5800", "/uL", "/uL", "5.800", "10*9/L"},
                    Conversion{"14682-9", "80", "μmol/L", "umol/L", "", ""},  // Greek letter
                    Conversion{"14682-9", "80", "µmol/L", "umol/L", "", ""},  // micro sign
                    Conversion{"14682-9", "80", "UMOL/L", "umol/L", "", ""},
                    Conversion{"14682-9", "0.9", "mg/dL", "mg/dL", "80", "umol/L"},
                    Conversion{"14682-9", "1.20", "mg/dL", "mg/dL", "106.1", "umol/L"},
                    Conversion{"2345-7", "100", "mg/dL", "mg/dL", "5.551", "mmol/L"},  // a mass LOINC of the sender
                    Conversion{"1742-6", "30", "IU/L", "U/L", "", ""},                 // an enzyme
                    Conversion{"1742-6", "0.5", "ukat/L", "ukat/L", "30", "U/L"},
                    Conversion{"3016-3", "2.5", "IU/L", "[IU]/L", "2500", "m[IU]/L"},  // a hormone: never U/L
                    Conversion{"3016-3", "2.5", "uIU/mL", "u[IU]/mL", "2.5", "m[IU]/L"},
                    Conversion{"5902-2", "12", "秒", "s", "", ""}, Conversion{"6301-6", "1.1", "", "{INR}", "", ""},
                    Conversion{"4548-4", "42", "mmol/mol", "mmol/mol", "5.99", "%"},  // affine
                    Conversion{"48065-7", "0.5", "mg/L DDU", "", "", ""},             // forbidden
                    Conversion{"1742-6", "30", "mmol/L", "", "", ""}, Conversion{"1742-6", "30", "furlong", "", "", ""},
                    Conversion{"2000-8", "4.6", "mEq/L", "mEq/L", "2.30", "mmol/L"},
                    Conversion{"10839-9", "12", "pg/mL", "pg/mL", "0.012", "ng/mL"},
                    Conversion{"10334-1", "30", "U/mL", "[arb'U]/mL", "", ""},
                    Conversion{"62238-1", "95", "ml/min/1.73m2", "mL/min/{1.73_m2}", "", ""}));

}  // namespace
}  // namespace hutong::normalize
