#include "broker/identity/spelling.h"

#include <gtest/gtest.h>

#include "broker/identity/candidate.h"
#include "broker/identity/comparison.h"

namespace hutong::identity {
namespace {

std::string folded(std::string_view text) {
  return encode(fold(text));
}

TEST(Spelling, charactersAreReadAsTheirCustomarySyllable) {
  EXPECT_EQ(reading(U'张'), "zhang");
  EXPECT_EQ(reading(U'女'), "nv");
  EXPECT_EQ(reading(U'𬭛'), "bo");  // beyond the basic plane
  EXPECT_EQ(reading(U'a'), "");
  EXPECT_EQ(family_reading(U'曾'), "zeng");  // 曾 is ceng elsewhere
  EXPECT_EQ(family_reading(U'单'), "shan");
  EXPECT_EQ(family_reading(U'仇'), "qiu");
}

TEST(Spelling, variantsAndTraditionalCharactersAreTheSimplifiedOne) {
  EXPECT_EQ(folded("張國偉"), folded("张国伟"));
  EXPECT_EQ(folded("李峯"), folded("李峰"));
  EXPECT_EQ(folded("王喆"), folded("王哲"));
  EXPECT_NE(folded("王伟"), folded("王玮"));
}

TEST(Spelling, dotsBlanksAndCaseOfEthnicAndLatinNamesFold) {
  const auto plain = folded("艾尔肯·买买提");
  for (const char* other :
       {"艾尔肯•买买提", "艾尔肯・买买提", "艾尔肯.买买提", "艾尔肯 买买提", "艾尔肯　买买提", "艾尔肯‧买买提"}) {
    EXPECT_EQ(folded(other), plain) << other;
  }
  EXPECT_EQ(folded("O’Brien, José-María"), "obrien jose maria");
  EXPECT_EQ(folded("ＷＡＮＧ　Ｌｉ"), "wang li");
  EXPECT_EQ(folded("Straße"), "strasse");
}

TEST(Spelling, cyrillicLettersAreHeldAgainstLatinOnes) {
  EXPECT_EQ(folded("Иванов Сергей"), "ivanov sergei");
  EXPECT_EQ(folded("Қасым"), "kasym");
  EXPECT_EQ(folded("Щукин"), "schukin");
}

TEST(Spelling, brokenBytesAreOneReplacementEachAndNoEndlessLoop) {
  EXPECT_EQ(decode("\xE5\xBC").size(), 2u);
  EXPECT_EQ(decode(std::string_view("\xFF\x80z", 3)), U"\uFFFD\uFFFDz");
}

TEST(Spelling, jaroWinklerOfTheLiterature) {
  EXPECT_NEAR(jaro_winkler(U"martha", U"marhta"), 0.9611, 1e-4);
  EXPECT_NEAR(jaro_winkler(U"dwayne", U"duane"), 0.84, 1e-4);
  EXPECT_NEAR(jaro_winkler(U"dixon", U"dicksonx"), 0.8133, 1e-4);
  EXPECT_EQ(jaro_winkler(U"", U"a"), 0);
  EXPECT_EQ(jaro_winkler(U"abc", U"xyz"), 0);
}

TEST(Spelling, oneSlipIsOneEditOrOneSwap) {
  for (const char* other : {"1234", "1243", "124", "12334", "2134", "1235"}) {
    EXPECT_EQ(one_slip("1234", other), std::string_view(other) != "1234") << other;
  }
  EXPECT_FALSE(one_slip("1234", "4321"));
  EXPECT_FALSE(one_slip("1234", "12"));
}

using Levels = std::pair<Level, Level>;
Levels names(std::string_view a, std::string_view b) {
  return compare_names(person_name(a, "", ""), person_name(b, "", ""));
}

TEST(Names, areComparedByPartAndBySound) {
  EXPECT_EQ(names("王小明", "王小明"), Levels(Level::same, Level::same));
  EXPECT_EQ(names("王小明", "王晓明"), Levels(Level::same, Level::sounds));
  EXPECT_EQ(names("章伟", "张伟"), Levels(Level::sounds, Level::same));
  EXPECT_EQ(names("张佳欣", "张佳星"), Levels(Level::same, Level::close));
  EXPECT_EQ(names("张子涵", "张子萱"), Levels(Level::same, Level::part));
  EXPECT_EQ(names("张伟", "李芳"), Levels(Level::other, Level::other));
  EXPECT_EQ(names("欧阳娜", "欧阳娜"), Levels(Level::same, Level::same));
  EXPECT_EQ(person_name("欧阳娜", "", "").family, U"欧阳");
}

TEST(Names, theWrongWayRoundAreTheSame) {
  EXPECT_EQ(compare_names(person_name("", "伟", "张"), person_name("", "张", "伟")), Levels(Level::same, Level::same));
  EXPECT_EQ(names("艾尔肯·买买提", "买买提·艾尔肯"), Levels(Level::same, Level::same));
  EXPECT_EQ(names("Wei Zhang", "Zhang Wei"), Levels(Level::same, Level::same));
}

TEST(Names, aNameInLettersIsHeldAgainstTheSyllables) {
  EXPECT_EQ(names("张伟", "ZHANG WEI"), Levels(Level::sounds, Level::sounds));
  EXPECT_EQ(names("张伟", "Wei Zhang"), Levels(Level::sounds, Level::sounds));
  EXPECT_EQ(names("李芳", "ZHANG WEI"), Levels(Level::other, Level::other));
}

TEST(Names, latinNamesWithASlip) {
  EXPECT_EQ(names("sarah johnson", "sara jonhson"), Levels(Level::close, Level::close));
  EXPECT_EQ(names("Сергей Иванов", "Sergei Ivanov"), Levels(Level::same, Level::same));
}

TEST(BirthDates, slipsAreNear) {
  EXPECT_EQ(compare_births("1980-01-02", "1980-01-02"), Level::same);
  EXPECT_EQ(compare_births("1980-01-02", "1980-02-01"), Level::close);  // day and month exchanged
  EXPECT_EQ(compare_births("1980-01-02", "1980-01-03"), Level::close);
  EXPECT_EQ(compare_births("1980-01-02", "1908-01-02"), Level::close);  // neighbours swapped
  EXPECT_EQ(compare_births("1980-01-02", "1980-01-31"), Level::part);
  EXPECT_EQ(compare_births("1980-01-02", "1975-11-23"), Level::other);
  EXPECT_EQ(compare_births("1980", "1980-01-02"), Level::unknown);
}

}  // namespace
}  // namespace hutong::identity
