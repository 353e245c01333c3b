#include "adapters/format/hl7v2/charset.h"

#include <map>
#include <set>

#include "adapters/format/hl7v2/gb18030.h"
#include "adapters/format/hl7v2/utf8.h"
#include "tests/unit/hl7v2/support.h"

namespace hutong::hl7v2 {
namespace {

std::string to_utf8(std::string_view bytes) {
  Arena arena;
  std::string_view text;
  return gb18030_to_utf8(bytes, arena, text) ? std::string(text) : "broken";
}
std::string to_gb(std::string_view text) {
  std::string bytes;
  utf8_to_gb18030(text, bytes);
  return bytes;
}

TEST(Gb18030, KnowsCharactersThatHoldDelimiters) {
  const std::map<std::string, std::string> known = {{"\x96\x7C", "東"},
                                                    {"\x85\x5E", "區"},
                                                    {"\xAC\x7C", "瑋"},
                                                    {"\x83\x7C", "億"},
                                                    {"\x81\x7E", "亊"},
                                                    {"\x81\x5C", "乗"},
                                                    {"\xB0\xA1", "啊"},
                                                    {"\xA1\xA1", "\u3000"},
                                                    {"\x99\x33\xAA\x35", "\U0002CB5B"},
                                                    {"\xA8\xBC", "\u1E3F"},
                                                    {"\x81\x35\xF4\x37", "\uE7C7"},  // exchanged in 2005
                                                    {"\x81\x30\x81\x30", "\u0080"},
                                                    {"\x90\x30\x81\x30", "\U00010000"},
                                                    {"\xE3\x32\x9A\x35", "\U0010FFFF"},
                                                    {"\x84\x31\xA4\x37", "\uFFFD"},
                                                    {"\xA2\xE3", "€"}};
  for (const auto& [bytes, text] : known) {
    EXPECT_EQ(to_utf8(bytes), text);
    EXPECT_EQ(to_gb(text), bytes) << text;
  }
}

TEST(Gb18030, EveryTwoByteCodeComesBack) {
  std::set<std::string> seen;
  for (int lead = 0x81; lead <= 0xFE; ++lead) {
    for (int trail = 0x40; trail <= 0xFE; ++trail) {
      if (trail == 0x7F) continue;
      const std::string bytes = {static_cast<char>(lead), static_cast<char>(trail)};
      const std::string text = to_utf8(bytes);
      ASSERT_NE(text, "broken") << lead << " " << trail;
      ASSERT_EQ(to_gb(text), bytes) << text;
      seen.insert(text);
    }
  }
  EXPECT_EQ(seen.size(), 23'940U);
}

TEST(Gb18030, EveryCodePointComesBack) {
  std::size_t points = 0;
  for (std::uint32_t point = 0; point <= 0x10FFFF; ++point) {
    if (point >= 0xD800 && point <= 0xDFFF) continue;
    char buffer[4];
    const std::string text(buffer, put_utf8(buffer, point));
    const std::string bytes = to_gb(text);
    ASSERT_NE(bytes, point == '?' ? "" : "?") << point;
    ASSERT_EQ(to_utf8(bytes), text) << point;
    ++points;
  }
  EXPECT_EQ(points, 0x110000U - 0x800);
}

TEST(Gb18030, RefusesWhatItDoesNotHave) {
  for (const std::string& bytes :
       {std::string("\x80"), std::string("\xFF"), std::string("\x81"), std::string("\x81\x7F"), std::string("\x81\x0D"),
        std::string("\x81\x30"), std::string("\x81\x30\x81"), std::string("\x81\x30\x81\x20"), std::string("\x81\xFF"),
        std::string("\x84\x31\xA5\x30"), std::string("\xE3\x32\x9A\x36"), std::string("\xFE\x39\xFE\x39")}) {
    EXPECT_EQ(to_utf8("ab" + bytes + ""), "broken");
    Arena arena;
    std::string_view text;
    EXPECT_GT(gb18030_to_utf8_replacing("ab" + bytes + "\rc", arena, text), 0U);
    EXPECT_EQ(text.substr(0, 2), "ab");
    EXPECT_EQ(survey_utf8(text, true).broken, 0U);
  }
}

TEST(Utf8, IsStrict) {
  for (const std::string broken : {"\xC0\x80", "\xC1\xBF", "\xE0\x80\x80", "\xED\xA0\x80", "\xF4\x90\x80\x80",
                                   "\xF0\x8F\xBF\xBF", "\xE4\xB8", "\x80", "\xFF"}) {
    EXPECT_GT(survey_utf8(broken, true).broken, 0U);
  }
  EXPECT_EQ(survey_utf8("a東\U0002CB5Bé", false).characters, 3U);
  EXPECT_EQ(survey_utf8("a東\U0002CB5Bé", false).cjk, 2U);
}

TEST(Label, ReadsWhatSendersWrite) {
  const std::map<std::string, Label> known = {{"", Label::none},
                                              {"UNICODE UTF-8", Label::utf8},
                                              {"utf-8", Label::utf8},
                                              {"UTF8", Label::utf8},
                                              {"UNICODE", Label::utf8},
                                              {"GB 18030-2000", Label::gb18030},
                                              {"GB18030", Label::gb18030},
                                              {"gbk", Label::gb18030},
                                              {"GB2312", Label::gb18030},
                                              {"ASCII", Label::ascii},
                                              {"8859/1", Label::latin},
                                              {"ISO8859_1", Label::latin},
                                              {"CHINESE", Label::none},
                                              {"BIG-5", Label::unsupported},
                                              {"UNICODE UTF-16", Label::unsupported},
                                              {"ISO-2022-CN-EXT", Label::unsupported},
                                              {std::string(1000, 'A'), Label::unsupported}};
  for (const auto& [label, meaning] : known) EXPECT_EQ(read_label(label), meaning) << label;
}

struct Expect {
  Charset charset;
  bool contradicted;
};
void expect_decoded(std::string bytes, Label setting, Label label, std::string_view text, Expect expected) {
  Arena arena;
  const Decoded decoded = decode(bytes, setting, label, arena);
  EXPECT_EQ(decoded.text, text);
  EXPECT_EQ(decoded.charset, expected.charset) << to_string(decoded.charset);
  EXPECT_EQ(decoded.contradicted, expected.contradicted);
}

TEST(Decode, BelievesTheBytes) {
  const std::string utf8 = "東區瑋億|a", gb = to_gb(utf8);
  for (const Label setting : {Label::none, Label::utf8, Label::gb18030}) {
    for (const Label label : {Label::none, Label::utf8, Label::gb18030, Label::latin, Label::unsupported}) {
      const Label asked = setting != Label::none ? setting : label;
      expect_decoded(utf8, setting, label, utf8, {Charset::utf8, asked == Label::gb18030});
      expect_decoded(gb, setting, label, utf8, {Charset::gb18030, asked == Label::utf8});
    }
    expect_decoded("plain", setting, Label::none, "plain", {Charset::ascii, false});
  }
  expect_decoded(utf8, Label::none, Label::ascii, utf8, {Charset::utf8, true});
  expect_decoded(gb, Label::none, Label::ascii, utf8, {Charset::gb18030, true});
}

TEST(Decode, CopiesNothingThatIsUtf8) {
  Arena arena;
  const std::string bytes = "測試甲";
  EXPECT_EQ(decode(bytes, Label::none, Label::none, arena).text.data(), bytes.data());
}

TEST(Decode, KeepsUtf8ThatIsCutInTheMiddleOfACharacter) {
  Arena arena;
  const std::string bytes = std::string("测试甲乙丙丁戊").substr(0, 19) + "|rest";
  const Decoded decoded = decode(bytes, Label::none, Label::none, arena);
  EXPECT_EQ(decoded.charset, Charset::utf8);
  EXPECT_EQ(decoded.text, "测试甲乙丙丁\uFFFD|rest");
  EXPECT_EQ(decoded.replaced, 1U);
}

TEST(Decode, ReplacesWhatIsNothing) {
  Arena arena;
  const Decoded decoded = decode("a\xFF|b\x80", Label::none, Label::none, arena);
  EXPECT_EQ(decoded.text, "a\uFFFD|b\uFFFD");
  EXPECT_EQ(decoded.replaced, 2U);
}

}  // namespace
}  // namespace hutong::hl7v2
