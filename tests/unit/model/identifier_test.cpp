#include "broker/model/identifier.h"

#include <gtest/gtest.h>

namespace hutong::model {
namespace {

TEST(ResidentCard, TheStandardsVectors) {
  for (Text good :
       {"11010519491231002X", "440524188001010014", "34052419800101001X", "53010219200508011X", "230804199003072513",
        "231083195511204329", "231083198506150024", "11010519491231002x", "932682198501010017", "911124198108030024"})
    EXPECT_TRUE(read_resident_card(good)) << good;
  for (Text bad : {"110105194912310021", "110105194902310026", "11010519491231002", "1101051949123100 2X", "",
                   "A1010519491231002X", "010105194912310020"})
    EXPECT_FALSE(read_resident_card(bad)) << bad;
}

TEST(ResidentCard, EveryOtherCheckCharacterIsWrong) {
  const std::string stem = "23080419900307251";
  int valid = 0;
  for (char c : std::string("0123456789X")) valid += read_resident_card(stem + c).has_value();
  EXPECT_EQ(valid, 1);
}

TEST(ResidentCard, SaysBirthAndSex) {
  const auto facts = read_resident_card("230804199003072513");
  ASSERT_TRUE(facts);
  EXPECT_EQ(facts->year, 1990);
  EXPECT_EQ(facts->month, 3);
  EXPECT_EQ(facts->day, 7);
  EXPECT_EQ(facts->sex, Sex::male);
  EXPECT_EQ(read_resident_card("231083195511204329")->sex, Sex::female);
}

TEST(ResidentCard, FifteenDigitsBecomeEighteen) {
  Arena arena;
  const Text modern = modern_card("110105491231002", arena);
  EXPECT_EQ(modern, "11010519491231002X");
  EXPECT_EQ(modern_card("110105491331002", arena), "");  // month 13
  EXPECT_EQ(modern_card("11010549123100", arena), "");
}

// The vectors of the national standard as the domain's facts have them, through every spelling that systems send.
TEST(ResidentCard, EverySpellingOfAVectorIsOneValidCard) {
  for (const std::string& card :
       {std::string("11010519491231002X"), std::string("440524188001010014"), std::string("34052419800101001X"),
        std::string("53010219200508011X"), std::string("230804199003072513"), std::string("231083195511204329"),
        std::string("231083198506150024"), std::string("932682198501010017"), std::string("911124198108030024")}) {
    std::string wide, small = card;
    for (const char c : card) wide += std::string("\xEF\xBC") + static_cast<char>(0x80 + c - 0x20);  // U+FF00 + …
    if (small.back() == 'X') small.back() = 'x';
    for (const std::string& sent : {card, wide, small, card.substr(0, 17) + (card[17] == 'X' ? "Ｘ" : card.substr(17)),
                                    card.substr(0, 6) + " " + card.substr(6)}) {
      Arena arena;
      Identifier id;
      id.type = "NI";
      id.value = sent;
      complete(id, "f", arena);
      EXPECT_EQ(id.kind, IdentifierKind::resident_card) << sent;
      EXPECT_EQ(id.value, card) << sent;
      EXPECT_TRUE(id.valid) << sent;
    }
    if (card.substr(6, 2) != "19") continue;
    Arena arena;  // as it was written until 1999: without the century and the check character
    EXPECT_EQ(normal_number(IdentifierKind::resident_card, card.substr(0, 6) + card.substr(8, 9), arena), card);
  }
}

TEST(Uscc, TheStandardsVectors) {
  for (Text good : {"91350100M000100Y43", "91440300708461136T", "91110108551385082Q", "122308004140000017"})
    EXPECT_TRUE(is_uscc(good)) << good;
  for (Text bad : {"91350100M000100Y44", "91440300708461136t", "9144030070846113T6", "91440300708461136", "",
                   "914403007084611360T", "9I350100M000100Y43", "91A50100M000100Y43", "11010519491231002X"})
    EXPECT_FALSE(is_uscc(bad)) << bad;
}

TEST(Uscc, EverySlipOfOneCharacterIsFound) {
  constexpr Text alphabet = "0123456789ABCDEFGHJKLMNPQRTUWXY";
  const std::string good = "91350100M000100Y43";
  for (std::size_t i = 0; i < good.size(); ++i) {
    std::string other = good;
    for (const char c : alphabet) {
      other[i] = c;
      EXPECT_EQ(is_uscc(other), other == good) << other;
    }
  }
}

TEST(FoldNumber, FullWidthAndBlanks) {
  Arena arena;
  EXPECT_EQ(fold_number("１１０１０５１９４９１２３１００２Ｘ", arena), "11010519491231002X");
  EXPECT_EQ(fold_number(" 1101 05\xE3\x80\x80"
                        "1949",
                        arena),
            "1101051949");
  const Text plain = "P1";
  EXPECT_EQ(fold_number(plain, arena).data(), plain.data());  // nothing to do, nothing copied
  EXPECT_EQ(fold_number("张\xEF\xBC", arena), "张\xEF\xBC");  // cut characters stay as they are
}

struct Case {
  const char *type, *authority, *value;
  IdentifierKind kind;
  const char* system;
  bool valid = true;
};
void PrintTo(const Case& c, std::ostream* out) {
  *out << c.type << '/' << c.authority << '/' << c.value;
}
class Identifiers : public testing::TestWithParam<Case> {};
TEST_P(Identifiers, AreClassified) {
  Arena arena;
  Identifier id;
  id.type = GetParam().type;
  id.authority = GetParam().authority;
  id.value = GetParam().value;
  complete(id, "bc-county", arena);
  EXPECT_EQ(id.kind, GetParam().kind) << to_string(id.kind);
  EXPECT_EQ(id.system, GetParam().system);
  EXPECT_EQ(id.valid, GetParam().valid);
}
constexpr auto card = "230804199003072513";
constexpr auto card_system = "urn:oid:2.16.156.10011.1.3";
constexpr auto hex64 = "98ff9f2c05145cb9305e9d8a57e072bb51180ca49e5be5e9d41bce3a9a571928";
INSTANTIATE_TEST_SUITE_P(
    AsSent, Identifiers,
    testing::Values(Case{"MR", "bc-county", "P1", IdentifierKind::facility_number, "urn:hutong:facility:bc-county:mrn"},
                    Case{"PI", "", "P1", IdentifierKind::facility_number, "urn:hutong:facility:bc-county:mrn"},
                    Case{"NI", "", card, IdentifierKind::resident_card, card_system},
                    Case{"NNCHN", "", card, IdentifierKind::resident_card, card_system},
                    Case{"01", "", card, IdentifierKind::resident_card, card_system},
                    Case{"身份证", "", card, IdentifierKind::resident_card, card_system},
                    Case{"", "2.16.156.10011.1.3", card, IdentifierKind::resident_card, card_system},
                    Case{"", "", card, IdentifierKind::resident_card, card_system},  // by its form and checksum alone
                    Case{"", "", "230804199003072514", IdentifierKind::other, "urn:hutong:facility:bc-county:other"},
                    Case{"NI", "", "230804199003072514", IdentifierKind::resident_card, card_system, false},
                    Case{"NI", "", "110105491231002", IdentifierKind::resident_card, card_system},
                    Case{"SS", "", card, IdentifierKind::resident_card, card_system},
                    Case{"SS", "", "B12345678", IdentifierKind::social_security, "urn:hutong:facility:bc-county:ss"},
                    Case{"HC", "", hex64, IdentifierKind::health_card, "urn:oid:2.16.156.10011.1.19"},
                    Case{"HC", "", "123", IdentifierKind::other, "urn:hutong:facility:bc-county:hc"},
                    Case{"", "2.16.156.10011.1.19", "A1", IdentifierKind::health_card, "urn:oid:2.16.156.10011.1.19"},
                    Case{"PPN", "", "E12345678", IdentifierKind::passport, "urn:hutong:facility:bc-county:ppn"},
                    Case{"03", "", "E12345678", IdentifierKind::passport, "urn:hutong:facility:bc-county:03"},
                    Case{"06", "", "H0123456789", IdentifierKind::permit, "urn:hutong:facility:bc-county:06"},
                    Case{"MI", "", "2301", IdentifierKind::insurance, "urn:hutong:facility:bc-county:mi"},
                    Case{"VN", "", "V1", IdentifierKind::visit, "urn:hutong:facility:bc-county:visit"},
                    Case{"XX", "1.2.156.99", "1", IdentifierKind::other, "urn:oid:1.2.156.99"},
                    Case{"军官证", "", "1", IdentifierKind::other, "urn:hutong:facility:bc-county:other"}));

// The vector of the national specification, as domain facts quote it: opaque to us, one card however it is written.
TEST(Identifier, AHealthCardIsOneHoweverItsDigitsAreWritten) {
  constexpr auto upper = "98FF9F2C05145CB9305E9D8A57E072BB51180CA49E5BE5E9D41BCE3A9A571928";
  for (const std::string& sent :
       {std::string(upper), std::string(hex64), std::string(hex64) + ":1", std::string(hex64) + ":1:x"}) {
    Arena arena;
    Identifier id;
    id.type = "HC";
    id.value = sent;
    complete(id, "f", arena);
    EXPECT_EQ(id.kind, IdentifierKind::health_card) << sent;
    EXPECT_EQ(id.value, upper) << sent;
  }
}

TEST(Identifier, AnInsuranceTokenIsNeverKept) {
  for (const char* type : {"医保电子凭证", "ecQrcode", "ECTOKEN"}) {
    Arena arena;
    Identifier id;
    id.type = type;
    id.value = "28000000000000000000000000000000";
    complete(id, "f", arena);
    EXPECT_EQ(id.kind, IdentifierKind::insurance) << type;
    EXPECT_EQ(id.value, "") << type;
  }
}

TEST(Identifier, PassportsAndPermitsAreInCapitals) {
  Arena arena;
  EXPECT_EQ(normal_number(IdentifierKind::passport, "e1234 5678", arena), "E12345678");
  EXPECT_EQ(normal_number(IdentifierKind::permit, "ｈ0123456789", arena), "H0123456789");
  EXPECT_EQ(normal_number(IdentifierKind::facility_number, "p1", arena), "p1");  // a facility's own may tell them apart
}

TEST(Identifier, ALowerCaseXIsRaised) {
  Arena arena;
  Identifier id;
  id.type = "NI";
  id.value = "11010519491231002ｘ";
  complete(id, "f", arena);
  EXPECT_EQ(id.value, "11010519491231002X");
  EXPECT_TRUE(id.valid);
}

}  // namespace
}  // namespace hutong::model
