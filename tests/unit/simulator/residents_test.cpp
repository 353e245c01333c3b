#include "adapters/simulator/residents.h"

#include <gtest/gtest.h>

#include <set>

#include "adapters/simulator/charset.h"
#include "adapters/simulator/random.h"
#include "broker/base/time.h"

namespace hutong::simulator {
namespace {

TEST(Random, IsTheSameOnEveryMachine) {
  Random random(7);
  const std::uint64_t first = random.bits(), second = random.bits();
  EXPECT_EQ(first, Random(7).bits());
  EXPECT_NE(first, second);
  // Pinned: a change of the generator changes every simulated region.
  EXPECT_EQ(mix(0), 0xE220A8397B1DCDAFULL);
  double sum = 0;
  int high = 0;
  for (int i = 0; i < 100'000; ++i) {
    sum += random.normal();
    high += random.normal() > 1.96 ? 1 : 0;
  }
  EXPECT_NEAR(sum / 100'000, 0, 0.02);
  EXPECT_NEAR(high / 100'000.0, 0.025, 0.004);
}

TEST(LocalTime, GoesThroughEveryDay) {
  for (std::int64_t days = -200; days < 40'000; days += 17) {
    const Civil date = civil_of(days * day + 5);
    EXPECT_EQ(days_from_civil(date.year, date.month, date.day), days);
  }
  EXPECT_EQ(hl7_time(*parse_local("2028-02-29T23:59:58")), "20280229235958");
  EXPECT_EQ(iso_time(*parse_local("2026-11-22")), "2026-11-22T00:00:00");
  for (const char* wrong : {"2026-02-29", "2026-1-2", "2026-01-02T24:00:00", "2026-01-02 10:00:00", "x", ""}) {
    EXPECT_FALSE(parse_local(wrong)) << wrong;
  }
}

TEST(Residents, OwnCardsAreValidAndNobodyElses) {
  EXPECT_EQ(card_check_character("11010519491231002"), 'X');  // the standard's example
  EXPECT_EQ(card_check_character("23080419900307251"), '3');
  const Residents residents(42, 50'000, 0.003);
  std::set<std::string> cards, numbers;
  for (std::uint32_t i = 0; i < residents.count(); ++i) {
    const std::string card = residents.own_card(i);
    ASSERT_EQ(card.size(), 18u);
    ASSERT_TRUE(cards.insert(card).second) << "two residents have " << card;
    ASSERT_EQ(card[17], card_check_character(card.substr(0, 17))) << card;
    ASSERT_TRUE(is_date(std::stoi(card.substr(6, 4)), std::stoi(card.substr(10, 2)), std::stoi(card.substr(12, 2))))
        << card;
    ASSERT_TRUE(numbers.insert(residents.patient_digits(i, 2)).second);
  }
}

TEST(Residents, ACardAgreesWithSexAndBirthDate) {
  const Residents residents(42, 5'000, 0.003);
  for (std::uint32_t i = 0; i < residents.count(); ++i) {
    const Resident r = residents.resident(i);
    const std::string card = residents.own_card(i);
    ASSERT_EQ((card[16] - '0') % 2 == 1, r.male);
    ASSERT_EQ(card.substr(6, 8), hl7_date(r.born));
    ASSERT_FALSE(r.name().empty());
    if (r.card_kind == CardKind::own) {
      ASSERT_EQ(r.card, card);
    } else {
      ASSERT_NE(r.card, card);
    }
  }
}

TEST(Residents, ThreeInAThousandHaveAPlaceholderOrSomebodyElsesCard) {
  const Residents residents(1, 100'000, 0.003);
  int placeholder = 0, borrowed = 0, dotted = 0, rare = 0;
  for (std::uint32_t i = 0; i < residents.count(); ++i) {
    const Resident r = residents.resident(i);
    placeholder += r.card_kind == CardKind::placeholder ? 1 : 0;
    borrowed += r.card_kind == CardKind::borrowed ? 1 : 0;
    dotted += r.family.find("·") != std::string::npos ? 1 : 0;
    rare += r.given.find("𬭛") != std::string::npos ? 1 : 0;
  }
  EXPECT_NEAR(placeholder + borrowed, 300, 60);
  EXPECT_GT(placeholder, 100);
  EXPECT_GT(borrowed, 100);
  EXPECT_GT(dotted, 300);
  EXPECT_GT(rare, 50);
}

TEST(Residents, AreTheSameInEveryRunAndOthersWithAnotherSeed) {
  const Residents one(5, 1'000, 0.003), again(5, 1'000, 0.003), other(6, 1'000, 0.003);
  int equal = 0;
  for (std::uint32_t i = 0; i < 1'000; ++i) {
    EXPECT_EQ(one.resident(i).name(), again.resident(i).name());
    EXPECT_EQ(one.resident(i).card, again.resident(i).card);
    equal += one.resident(i).card == other.resident(i).card ? 1 : 0;
  }
  EXPECT_LT(equal, 20);
  EXPECT_EQ(one.baseline(3, 17), again.baseline(3, 17));
  EXPECT_NE(one.baseline(3, 17), one.baseline(4, 17));
}

TEST(Gb18030, CharactersWhoseTrailByteIsADelimiterAndFourByteOnes) {
  Gb18030Encoder encoder;
  std::string bytes = "|";
  encoder.encode("東瑋億區亊乗𬭛A·", bytes);
  EXPECT_EQ(bytes,
            "|\x96\x7C\xAC\x7C\x83\x7C\x85\x5E\x81\x7E\x81\x5C\x99\x33\xAA\x35"
            "A\xA1\xA4");
}

}  // namespace
}  // namespace hutong::simulator
