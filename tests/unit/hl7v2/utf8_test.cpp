// is_utf8 looks at sixteen bytes at a time; the survey, at one character: both must say the same of everything.
#include "adapters/format/hl7v2/utf8.h"

#include <gtest/gtest.h>

#include <cstddef>
#include <string>

namespace hutong::hl7v2 {
namespace {

// The bytes at which the rules of UTF-8 change.
constexpr unsigned char kEdges[] = {0x00, 0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xC0, 0xC1, 0xC2, 0xDF,
                                    0xE0, 0xE1, 0xE9, 0xEC, 0xED, 0xEE, 0xEF, 0xF0, 0xF4, 0xF5, 0xFF};

std::string hex(const std::string& bytes) {
  std::string text;
  for (const char c : bytes) {
    text += "0123456789ABCDEF"[static_cast<unsigned char>(c) >> 4];
    text += "0123456789ABCDEF"[static_cast<unsigned char>(c) & 15];
  }
  return text;
}

void expect_agreement(const std::string& bytes) {
  ASSERT_EQ(is_utf8(bytes), survey_utf8(bytes, true).broken == 0) << hex(bytes);
}

// Before, across and behind the ends of blocks, and at the very end of the text.
TEST(Utf8, EveryPairOfEdgesAgreesWithTheSurvey) {
  for (const std::size_t before : {0U, 1U, 2U, 13U, 14U, 15U, 16U, 17U, 31U}) {
    for (const std::size_t behind : {0U, 1U, 13U, 16U}) {
      for (const unsigned char a : kEdges) {
        for (const unsigned char b : kEdges) {
          std::string bytes(before, 'x');
          bytes += "\xC3\xA4";  // the blocks are counted from the first that is not ASCII
          bytes.append(before, 'y');
          bytes += static_cast<char>(a);
          bytes += static_cast<char>(b);
          bytes.append(behind, 'z');
          expect_agreement(bytes);
        }
      }
    }
  }
}

TEST(Utf8, EveryThreeEdgesAgreeWithTheSurvey) {
  for (const std::size_t before : {2U, 11U, 12U}) {
    for (const std::size_t behind : {0U, 2U, 15U}) {
      for (const unsigned char a : kEdges) {
        for (const unsigned char b : kEdges) {
          for (const unsigned char c : kEdges) {
            std::string bytes(before, 'x');
            bytes += "\xC3\xA4";
            bytes.append(before, 'y');
            for (const unsigned char each : {a, b, c}) bytes += static_cast<char>(each);
            bytes.append(behind, 'z');
            expect_agreement(bytes);
          }
        }
      }
    }
  }
}

TEST(Utf8, ChineseIsUtf8AndACutCharacterIsNot) {
  const std::string text = "MSH|白细胞计数|中性粒细胞百分比|嗜酸性粒细胞绝对值";
  EXPECT_TRUE(is_utf8(text));
  for (std::size_t cut = 1; cut < 3; ++cut) EXPECT_FALSE(is_utf8(text.substr(0, text.size() - cut))) << cut;
  EXPECT_FALSE(is_utf8(text + "\xED\xA0\x80")) << "a surrogate";
  EXPECT_FALSE(is_utf8(text + "\xE0\x80\xAF")) << "an overlong form";
  EXPECT_TRUE(is_utf8(text + "\xF0\xA0\x80\x8B")) << "a rare character of a name";
}

}  // namespace
}  // namespace hutong::hl7v2
