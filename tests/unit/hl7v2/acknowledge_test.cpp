#include "adapters/format/hl7v2/gb18030.h"
#include "adapters/format/hl7v2/writer.h"
#include "broker/base/limits.h"
#include "tests/unit/hl7v2/support.h"

namespace hutong::hl7v2 {
namespace {

using model::Answer;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::StartsWith;

constexpr const char* kPid = "PID|1||P1^^^H1^MR||TEST^A\r";

TEST(Acknowledge, OriginalModeSaysAA) {
  Case c(msh("ADT^A28^ADT_A05") + kPid);
  EXPECT_THAT(c.answer(), ElementsAre("MSH|^~\\&|HUTONG|REG|LIS|H1|20260102030405.678+0800||ACK^A28^ACK|A1|P|2.5.1\r"
                                      "MSA|AA|M1\r"));
}

TEST(Acknowledge, SpeaksAsItIsSpokenTo) {
  Case c("MSH$%*!@$LIS%x$H1$HUT%y$REG$2026$$ADT%A28$M!F!1$T%C$2.3$$$$$$UTF-8*GBK\rPID$1$$P1$$A\r");
  ASSERT_EQ(c.read(), Answer::accepted);
  EXPECT_THAT(c.acknowledge(Answer::accepted),
              ElementsAre("MSH$%*!@$HUT%y$REG$LIS%x$H1$20260102030405.678+0800$$ACK%A28$A1$T%C$2.3$$$$$$UTF-8\r"
                          "MSA$AA$M!F!1\r"));
}

TEST(Acknowledge, NamesTheSegmentAndField) {
  Case c(msh("ADT^A01^ADT_A01") + "PID|1\r");
  const auto out = c.answer();
  ASSERT_EQ(out.size(), 1U);
  EXPECT_THAT(out[0], HasSubstr("MSA|AE|M1\r"));
  EXPECT_THAT(out[0], HasSubstr("ERR||PID^1^3|101^Required field missing^HL70357|E|patient-unknown||"));
  EXPECT_THAT(out[0], HasSubstr("PID-3: found neither a number nor a name; expected the patient's number"));
}

TEST(Acknowledge, WarningsComeWithTheYes) {
  Case c(msh("ADT^A01^ADT_A01") + kPid);
  const auto out = c.answer();
  EXPECT_THAT(out[0], HasSubstr("MSA|AA|M1\rERR||PV1^1|100^Segment sequence error^HL70357|W|segment-missing|"));
}

TEST(Acknowledge, SequencesAndComponentsOfAPath) {
  Case c(msh("ADT^A28^ADT_A05") + kPid);
  c.read();
  c.draft.issues.add(c.draft.arena,
                     {model::Severity::warning, "unmapped-code", "OBX[12]-3.1", "WBC", "a mapped code", "103"});
  c.draft.issues.add(c.draft.arena, {model::Severity::information, "note", "", "a|b^c&d~e\\f\r\x1c", "", ""});
  const auto out = c.acknowledge(Answer::accepted);
  EXPECT_THAT(out[0], HasSubstr("ERR||OBX^12^3^1^1|103^Table value not found^HL70357|W|unmapped-code||WBC|OBX[12]-3.1: "
                                "found WBC; expected a mapped code\r"));
  EXPECT_THAT(out[0],
              HasSubstr("ERR|||0^Message accepted^HL70357|I|note||a\\F\\b\\S\\c\\T\\d\\R\\e\\E\\f  |found a\\F\\b"));
}

TEST(Acknowledge, OldVersionsHaveTheOldErr) {
  Case c("MSH|^~\\&|A|B|C|D|2026||ORU^R01|M1|P|2.3\rOBX|1|NM|X||1\r");
  const auto out = c.answer();
  EXPECT_THAT(out[0], HasSubstr("|ACK^R01|A1|P|2.3\rMSA|AE|M1|PID: found no such segment; expected"));
  EXPECT_THAT(out[0], HasSubstr("\rERR|PID^1^^100&Segment sequence error&HL70357"));
  Case accepted("MSH|^~\\&|A|B|C|D|2026||ADT^A01|M1|P|2.2\rPID|1||P1||A\r");
  const auto yes = accepted.answer();
  EXPECT_THAT(yes[0], HasSubstr("||ACK|A1|P|2.2\rMSA|AA|M1\r"));
  EXPECT_THAT(yes[0], Not(HasSubstr("ERR")));
}

TEST(Acknowledge, HeaderAtFault) {
  Case c("MSH|^~\\&|A|B|C|D|2026||ORU^R01||P|2.5\r");
  const auto out = c.answer();
  EXPECT_THAT(out[0], HasSubstr("MSA|AR|\rERR||MSH^1^10|101^Required field missing^HL70357|E|control-id-missing|"));
  Case garbage("\xFF\xFEgarbage\rwith|bars");
  EXPECT_THAT(garbage.answer()[0],
              StartsWith("MSH|^~\\&|HUTONG||||20260102030405.678+0800||ACK|A1|P|2.5\rMSA|AR|\rERR|||100^"));
}

TEST(Acknowledge, TryAgainIs207) {
  Case c(msh("ADT^A28^ADT_A05") + kPid);
  c.read();
  port::Verdict verdict;
  verdict.answer = Answer::try_again;
  verdict.reason = "log unavailable";
  verdict.answer_id = "A1";
  std::vector<std::string> out;
  Hl7v2().acknowledge(c.draft, verdict, out);
  EXPECT_THAT(out[0],
              HasSubstr("MSA|AR|M1\rERR|||207^Application internal error^HL70357|E|try-again||log unavailable|"));
}

TEST(Acknowledge, EnhancedModeFollowsItsConditions) {
  struct {
    std::string commit, application;
    Answer answer;
    std::vector<std::string> codes;
  } cases[] = {{"AL", "AL", Answer::accepted, {"CA", "AA"}},
               {"AL", "NE", Answer::accepted, {"CA"}},
               {"NE", "AL", Answer::accepted, {"AA"}},
               {"NE", "NE", Answer::accepted, {}},
               {"AL", "", Answer::accepted, {"CA"}},
               {"", "AL", Answer::accepted, {"AA"}},
               {"ER", "ER", Answer::accepted, {}},
               {"SU", "SU", Answer::accepted, {"CA", "AA"}},
               {"AL", "AL", Answer::content_rejected, {"CE"}},
               {"NE", "AL", Answer::content_rejected, {"AE"}},
               {"SU", "ER", Answer::content_rejected, {"AE"}},
               {"ER", "NE", Answer::content_rejected, {"CE"}},
               {"AL", "AL", Answer::header_rejected, {"CR"}},
               {"AL", "AL", Answer::try_again, {"CR"}},
               {"NE", "ER", Answer::try_again, {"AR"}},
               {"", "", Answer::try_again, {"AR"}}};
  for (const auto& one : cases) {
    Case c(msh("ADT^A28^ADT_A05", "|||" + one.commit + "|" + one.application) + kPid);
    c.read();
    std::vector<std::string> codes;
    for (const auto& message : c.acknowledge(one.answer)) codes.push_back(message.substr(message.find("MSA|") + 4, 2));
    EXPECT_EQ(codes, one.codes) << one.commit << " " << one.application;
  }
  Case both(msh("ADT^A28^ADT_A05", "|||AL|AL") + kPid);
  const auto out = both.answer();
  EXPECT_THAT(out[0], HasSubstr("|A1|P|"));
  EXPECT_THAT(out[1], HasSubstr("|A1.A|P|"));
}

TEST(Acknowledge, IsInTheSendersCharacters) {
  std::string name = "東", bytes;
  std::string text = msh("ADT^A28^ADT_A05", "||||||UTF-8") + "PID|1||P1||A\r";
  text.replace(text.find("LIS"), 3, name);
  utf8_to_gb18030(text, bytes);
  Case c(bytes);
  const auto out = c.answer();
  EXPECT_THAT(out[0], HasSubstr("|REG|\x96\x7C|H1|"));
  EXPECT_THAT(out[0], HasSubstr("|GB 18030-2000\r"));  // the label lied
  EXPECT_THAT(out[0], HasSubstr("charset-mismatch"));
}

TEST(Acknowledge, SaysOnlySoMuch) {
  Case c(msh("ADT^A28^ADT_A05") + kPid);
  c.read();
  for (std::size_t i = 0; i < limits::issues_per_message + 7; ++i)
    c.draft.issues.add(c.draft.arena, {model::Severity::warning, "x", "PID-3", "", "y", "101"});
  const auto out = c.acknowledge(Answer::accepted);
  std::size_t errors = 0;
  for (std::size_t at = 0; (at = out[0].find("\rERR|", at)) != std::string::npos; ++at) ++errors;
  EXPECT_EQ(errors, limits::issues_per_message + 1);
  EXPECT_THAT(out[0], HasSubstr("|I|further-issues|||7 further issues\r"));
}

TEST(Acknowledge, NeverEchoesThePatient) {
  const std::string secret = "990101199001010019";
  for (const std::string& rest : std::vector<std::string>{
           "PID|1||||\r", "PID|1||||" + secret + "\r", "OBX|1|NM|A||" + secret + "||||||" + secret + "\r",
           "PID|1||" + secret + "||A\r", "PID|1||" + secret + "\rOBR|1|||X" + std::string(21, '|') + secret + "\r"}) {
    Case c(msh("ORU^R01") + rest);
    for (const auto& message : c.answer()) EXPECT_THAT(message, Not(HasSubstr(secret))) << rest;
  }
}

TEST(Writer, WritesTimes) {
  const auto written = [](std::int64_t micros, int offset) {
    Writer writer{Delimiters{}};
    std::string text = writer.time(Timestamp{micros}, offset).finish();
    text.pop_back();
    return text;
  };
  EXPECT_EQ(written(0, 0), "19700101000000.000+0000");
  EXPECT_EQ(written(0, 480), "19700101080000.000+0800");
  EXPECT_EQ(written(-1, 0), "19691231235959.999+0000");
  EXPECT_EQ(written(1709164799999000, 0), "20240228235959.999+0000");
  EXPECT_EQ(written(1709164800000000, -330), "20240228183000.000-0530");
  for (std::int64_t day = -20'000; day < 40'000; day += 37) {
    const Timestamp time{day * 86'400'000'000 + 12'345'678'000};
    std::string iso = to_iso(time);
    std::erase_if(iso, [](char c) { return c == '-' || c == ':' || c == 'T' || c == 'Z'; });
    EXPECT_EQ(written(time.micros, 0), iso + "+0000");
  }
}

}  // namespace
}  // namespace hutong::hl7v2
