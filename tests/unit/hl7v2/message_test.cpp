#include "adapters/format/hl7v2/message.h"

#include "adapters/format/hl7v2/gb18030.h"
#include "tests/unit/hl7v2/support.h"

namespace hutong::hl7v2 {
namespace {

struct Indexed {
  explicit Indexed(std::string t, Charset charset = Charset::utf8) : text(std::move(t)) {
    fault = message.index(text, charset, arena);
  }
  std::vector<std::string> names() const {
    std::vector<std::string> all;
    for (const auto& s : message.segments()) {
      all.push_back({static_cast<char>(s.name), static_cast<char>(s.name >> 8U), static_cast<char>(s.name >> 16U)});
    }
    return all;
  }
  std::string field(std::size_t segment, std::uint32_t n) const {
    return std::string(message.field(message.segments()[segment], n));
  }
  std::string text;
  Arena arena;
  Message message;
  Fault fault;
};

using testing::ElementsAre;

TEST(Index, FindsSegmentsAndFields) {
  const Indexed m("MSH|^~\\&|A|B\rPID|1||P1^^^H^MR\rPV1\rZXY|z|");
  ASSERT_EQ(m.fault, Fault::none);
  EXPECT_THAT(m.names(), ElementsAre("MSH", "PID", "PV1", "ZXY"));
  EXPECT_EQ(m.message.header_field(2), "^~\\&");
  EXPECT_EQ(m.message.header_field(3), "A");
  EXPECT_EQ(m.message.header_field(4), "B");
  EXPECT_EQ(m.message.header_field(5), "");
  EXPECT_EQ(m.field(1, 1), "1");
  EXPECT_EQ(m.field(1, 2), "");
  EXPECT_EQ(m.field(1, 3), "P1^^^H^MR");
  EXPECT_EQ(m.field(1, 4), "");
  EXPECT_EQ(m.field(1, 0), "");
  EXPECT_EQ(m.field(2, 1), "");
  EXPECT_EQ(m.field(3, 1), "z");
  EXPECT_EQ(m.field(3, 2), "");
}

TEST(Index, TakesEveryLineEnd) {
  for (const std::string end : {"\r", "\n", "\r\n", "\r\r\n", "\n\n"}) {
    const Indexed m("MSH|^~\\&|A|B" + end + "PID|1|x" + end + "PV1|2" + end);
    EXPECT_THAT(m.names(), ElementsAre("MSH", "PID", "PV1"));
    EXPECT_EQ(m.message.header_field(4), "B");
    EXPECT_EQ(m.field(1, 2), "x");
    EXPECT_EQ(m.field(2, 1), "2");
    EXPECT_EQ(m.message.joined_lines(), 0U);
  }
}

// Positions beyond one block of the scanner, and at its edges.
TEST(Index, CountsRightAcrossBlocks) {
  for (std::size_t width = 0; width < 140; ++width) {
    const std::string filler(width, 'x');
    const Indexed m("MSH|^~\\&|" + filler + "|B\rPID|" + filler + "|y\rOBX|1|" + filler + "\r\nNTE|" + filler);
    ASSERT_THAT(m.names(), ElementsAre("MSH", "PID", "OBX", "NTE")) << width;
    ASSERT_EQ(m.message.header_field(3), filler);
    ASSERT_EQ(m.field(1, 1), filler);
    ASSERT_EQ(m.field(1, 2), "y");
    ASSERT_EQ(m.field(2, 2), filler);
    ASSERT_EQ(m.field(3, 1), filler);
  }
}

TEST(Index, KeepsALineThatBeginsNoSegmentInItsField) {
  const Indexed m("MSH|^~\\&|A\rOBX|1|TX|||first line\nsecond | line\rNTE|1");
  EXPECT_THAT(m.names(), ElementsAre("MSH", "OBX", "NTE"));
  EXPECT_EQ(m.field(1, 5), "first line\nsecond ");
  EXPECT_EQ(m.field(1, 6), " line");
  EXPECT_EQ(m.message.joined_lines(), 1U);
}

TEST(Index, TakesOtherDelimiters) {
  const Indexed m("MSH$%*!@$A%1$B\rPID$1$x%y*z@w!S!");
  ASSERT_EQ(m.fault, Fault::none);
  EXPECT_EQ(m.message.header_field(3), "A%1");
  EXPECT_EQ(m.field(1, 2), "x%y*z@w!S!");
  EXPECT_EQ(m.message.delimiters().component, '%');
  EXPECT_EQ(m.message.delimiters().repetition, '*');
  EXPECT_EQ(m.message.delimiters().escape, '!');
  EXPECT_EQ(m.message.delimiters().subcomponent, '@');
}

TEST(Index, RefusesBadDelimiters) {
  const std::pair<const char*, Fault> cases[] = {
      {"", Fault::not_hl7},
      {"MS", Fault::not_hl7},
      {"PID|1", Fault::not_hl7},
      {"MSH", Fault::header_truncated},
      {"MSH|", Fault::header_truncated},
      {"MSH|^~\\&", Fault::header_truncated},
      {"MSH\rPID|1", Fault::header_truncated},
      {"MSH|^~\\&\rPID|1", Fault::header_truncated},
      {"MSH||A|B", Fault::delimiters},
      {"MSH|^AA|A|B", Fault::delimiters},    // letters
      {"MSH|&&&&|A|B", Fault::delimiters},   // one for everything
      {"MSH|^~\\|", Fault::none},            // three, and then the end
      {"MSH|^~^&|A|B", Fault::delimiters},   // one twice
      {"MSH|^~\\&#x|A", Fault::delimiters},  // six
      {"MSHA^~\\&A|B", Fault::delimiters},
      {"MSH|\x01~\\&|A", Fault::delimiters},
      {"MSH|\xE4~\\&|A", Fault::delimiters},
      {"MSH|^~\\&#|A|B", Fault::none},  // truncation character of 2.7
      {"MSH|^~|A|B", Fault::none},
      {"MSH|^|A|B", Fault::none},
  };
  for (const auto& [text, fault] : cases) EXPECT_EQ(Indexed(text).fault, fault) << text;
  EXPECT_TRUE(Indexed("MSH|^~\\\\&|A|B").message.escape_doubled());
  EXPECT_EQ(Indexed("MSH|^~\\\\&|A|B").message.delimiters().subcomponent, '&');
}

TEST(Index, StopsAtTheLimitOfSegments) {
  std::string text = "MSH|^~\\&|A|B";
  for (std::size_t i = 1; i < kMaxSegments; ++i) text += "\rNTE";
  EXPECT_EQ(Indexed(text).fault, Fault::none);
  const Indexed beyond(text + "\rNTE");
  EXPECT_EQ(beyond.fault, Fault::too_many_segments);
  EXPECT_EQ(beyond.message.segments().size(), 1U);
}

TEST(Index, TakesSixteenMebibytes) {
  std::string text = "MSH|^~\\&|A|B\rOBX|1|ED|||^^PDF^Base64^";
  text.append(16 * 1024 * 1024 - text.size() - 4, 'A');
  text += "|a|b";
  const Indexed m(text);
  ASSERT_EQ(m.fault, Fault::none);
  EXPECT_EQ(m.field(1, 7), "b");
  const Indexed bars("MSH|^~\\&|" + std::string(1 << 20, '|'));
  EXPECT_EQ(bars.message.segments()[0].fields, (1U << 20) + 2);
}

TEST(Index, NoticesNulBytes) {
  EXPECT_TRUE(Indexed(std::string("MSH|^~\\&|A\rPID|\0|", 17)).message.has_nul());
  EXPECT_TRUE(
      Indexed("MSH|^~\\&|A" + std::string(100, 'x') + std::string(1, '\0') + std::string(100, 'x')).message.has_nul());
  EXPECT_FALSE(Indexed("MSH|^~\\&|A\rPID||" + std::string(200, 'x')).message.has_nul());
}

std::string unescaped(std::string text, Charset charset = Charset::utf8) {
  Indexed m("MSH|^~\\&|A\rNTE|" + text, charset);
  return std::string(m.message.unescape(m.message.field(m.message.segments()[1], 1), m.arena));
}

TEST(Escape, ResolvesWhatItKnows) {
  EXPECT_EQ(unescaped("a\\F\\b\\S\\c\\T\\d\\R\\e\\E\\f\\P\\g"), "a|b^c&d~e\\f#g");
  EXPECT_EQ(unescaped("a\\.br\\b\\.sp\\c\\.sp2\\d\\.ce\\e"), "a\nb\nc\n\nd\ne");
  EXPECT_EQ(unescaped("\\H\\bold\\N\\ \\.in+4\\x\\.ti-2\\y\\.fi\\\\.nf\\"), "bold xy");
  EXPECT_EQ(unescaped("a\\.sk+3\\b"), "a   b");
  EXPECT_EQ(unescaped("\\.sp999999999\\"), std::string(99, '\n'));
  EXPECT_EQ(unescaped("10\\S\\9/L"), "10^9/L");
  EXPECT_EQ(unescaped("\\X0D\\\\X41\\"), "\rA");
}

TEST(Escape, KeepsWhatItDoesNotKnow) {
  for (const std::string text : {"\\Zabc\\", "\\C2842\\", "\\M1A2B3C\\", "\\.zz\\", "a\\b", "trailing\\", "\\", "\\\\",
                                 "C:\\dir\\file name", "\\X4\\", "\\XZZ\\", "\\X\\", "\\X00\\", "\\x41\\"}) {
    EXPECT_EQ(unescaped(text), text);
  }
  EXPECT_EQ(unescaped("a\\b c\\F\\"), "a\\b c|");
}

TEST(Escape, ReadsHexInTheMessagesCharacters) {
  EXPECT_EQ(unescaped("\\XE6B58B\\"), "测");
  EXPECT_EQ(unescaped("\\XE6\\\\XB5\\\\X8B\\"), "测");
  EXPECT_EQ(unescaped("\\X967C\\", Charset::gb18030), "東");
  EXPECT_EQ(unescaped("\\X967C\\", Charset::ascii), "東");
  EXPECT_EQ(unescaped("\\XE6B5\\", Charset::utf8), "\\XE6B5\\");
}

TEST(Escape, IsLinearInLongTexts) {
  std::string hex, broken, lone;
  for (int i = 0; i < 200'000; ++i) {
    hex += "\\X41\\ ";
    broken += "\\XFF\\";
    lone += "\\a ";
  }
  EXPECT_EQ(unescaped(hex).size(), 400'000U);
  EXPECT_EQ(unescaped(broken), broken);
  EXPECT_EQ(unescaped(lone), lone);
}

TEST(Parts, SplitAsAsked) {
  const auto two = split<2>("a^b^c", '^');
  EXPECT_EQ(two[0], "a");
  EXPECT_EQ(two[1], "b");
  const auto three = split<3>("a^b~c^d", '^', '~');
  EXPECT_EQ(three[1], "b");
  EXPECT_EQ(three[2], "");
  EXPECT_EQ(split<2>("a^b", '\0')[0], "a^b");
  EXPECT_EQ(split<1>("", '^')[0], "");
  std::vector<std::string_view> parts;
  for (Text rest = "a~~b~", one; next_part(rest, '~', one);) parts.push_back(one);
  EXPECT_THAT(parts, ElementsAre("a", "", "b", ""));
}

}  // namespace
}  // namespace hutong::hl7v2
