#include "adapters/format/hl7v2/gb18030.h"
#include "broker/base/limits.h"
#include "tests/unit/hl7v2/support.h"

namespace hutong::hl7v2 {
namespace {

using model::Answer;
using testing::Contains;
using testing::ElementsAre;
using testing::IsEmpty;

std::string header(std::string_view type, std::string_view id, std::string_view processing, std::string_view version) {
  return "MSH|^~\\&|LIS|H1|HUTONG|REG|20260102||" + std::string(type) + "|" + std::string(id) + "|" +
         std::string(processing) + "|" + std::string(version) + "\rPID|1||P1^^^H1^MR||TEST^A\r";
}

struct HeaderCase {
  std::string message;
  Answer answer;
  std::vector<std::string> codes;
};

TEST(Header, IsJudgedAsAnIntegrationEngineerWould) {
  const std::string long_id(limits::control_id_chars, 'i');
  const HeaderCase cases[] = {
      {header("ADT^A28", "1", "P", "2.5.1"), Answer::accepted, {}},
      {header("ADT^A28", "", "P", "2.5.1"), Answer::header_rejected, {"control-id-missing MSH-10"}},
      {header("ADT^A28", long_id, "P", "2.5.1"), Answer::accepted, {}},
      {header("ADT^A28", long_id + "i", "P", "2.5.1"), Answer::header_rejected, {"control-id-too-long MSH-10"}},
      {header("ADT^A28", "1", "", "2.5.1"), Answer::accepted, {"processing-id-missing MSH-11"}},
      {header("ADT^A28", "1", "D^T", "2.5.1"), Answer::accepted, {}},
      {header("ADT^A28", "1", "X", "2.5.1"), Answer::header_rejected, {"processing-id-unsupported MSH-11"}},
      {header("ADT^A28", "1", "P", ""), Answer::accepted, {"version-missing MSH-12"}},
      {header("ADT^A28", "1", "P", "2.1"), Answer::accepted, {}},
      {header("ADT^A28", "1", "P", "2.8.2"), Answer::accepted, {}},
      {header("ADT^A28", "1", "P", "2.5.1^CHN"), Answer::accepted, {}},
      {header("ADT^A28", "1", "P", "2.9"), Answer::header_rejected, {"version-unsupported MSH-12"}},
      {header("ADT^A28", "1", "P", "3.0"), Answer::header_rejected, {"version-unsupported MSH-12"}},
      {header("ADT^A28", "1", "P", "2.3.z"), Answer::header_rejected, {"version-unsupported MSH-12"}},
      {header("", "1", "P", "2.5"), Answer::header_rejected, {"message-type-missing MSH-9"}},
      {header("a b", "1", "P", "2.5"), Answer::header_rejected, {"message-type-invalid MSH-9"}},
      {header("", "", "X", "1"),
       Answer::header_rejected,
       {"message-type-missing MSH-9", "control-id-missing MSH-10", "processing-id-unsupported MSH-11",
        "version-unsupported MSH-12"}},
      {"", Answer::header_rejected, {"not-hl7 "}},
      {"hello", Answer::header_rejected, {"not-hl7 "}},
      {"MSH", Answer::header_rejected, {"header-truncated MSH-2"}},
      {"MSH|^AA|x", Answer::header_rejected, {"delimiters-invalid MSH-2"}},
  };
  for (const HeaderCase& one : cases) {
    Case c(one.message);
    EXPECT_EQ(c.read(), one.answer) << one.message;
    EXPECT_EQ(c.codes(), one.codes) << one.message;
  }
}

TEST(Header, FindsTheTypeWhereverItIs) {
  const std::pair<std::string, std::string> cases[] = {{"ORU^R01^ORU_R01", "ORU^R01"},
                                                       {"ORU", "ORU^R01"},
                                                       {"ORU_R01", "ORU^R01"},
                                                       {"ADT^^ADT_A01", "ADT^A01"},
                                                       {"ACK", "ACK"},
                                                       {"ZZZ^Z01", "ZZZ^Z01"},
                                                       {"ORM^O01", "ORM^O01"},
                                                       {"CUSTOM^PAT", "CUSTOM^PAT"}};
  for (const auto& [sent, type] : cases) {
    Case c(header(sent, "1", "P", "2.5"));
    c.read();
    EXPECT_EQ(c.draft.source.type, type);
  }
  Case c("MSH|^~\\&|A|B|C|D|2026|||1|P|2.2\rEVN|A04|20260101\rPID|1|P1||||TEST^A\r");
  EXPECT_EQ(c.read(), Answer::accepted);
  EXPECT_EQ(c.draft.source.type, "ADT^A04");
}

TEST(Header, FillsTheSource) {
  Case c(header("ADT^A28", "C1", "P", "2.5.1"));
  c.read();
  const auto& s = c.draft.source;
  EXPECT_EQ(s.sender_application, "LIS");
  EXPECT_EQ(s.sender_facility, "H1");
  EXPECT_EQ(s.receiver_application, "HUTONG");
  EXPECT_EQ(s.receiver_facility, "REG");
  EXPECT_EQ(s.control_id, "C1");
  EXPECT_EQ(s.version, "2.5.1");
  EXPECT_EQ(s.format, "hl7v2");
  EXPECT_EQ(s.protocol, "mllp");
  EXPECT_EQ(s.connection, "7");
  EXPECT_EQ(s.charset, "ASCII");
  EXPECT_EQ(c.draft.times.sent.sent, "20260102");
}

model::Facility hospital(std::string code, std::string msh3, std::string msh4, std::string charset = {}) {
  model::Facility facility;
  facility.code = std::move(code);
  facility.aliases.push_back({std::move(msh3), std::move(msh4)});
  facility.charset = std::move(charset);
  return facility;
}

TEST(Sender, IsKnownByItsAlias) {
  Case c(header("ADT^A28", "1", "P", "2.5"), false);
  c.facilities.add(hospital("hospital-1", "LIS", "H1"));
  EXPECT_EQ(c.read(), Answer::accepted);
  EXPECT_EQ(c.draft.source.facility, "hospital-1");
  EXPECT_FALSE(c.draft.source.provisional);
  ASSERT_NE(c.reading.facility, nullptr);
  EXPECT_EQ(c.reading.facility->code, "hospital-1");
}

TEST(Sender, UnknownIsRefusedUnlessAccepted) {
  Case refused(header("ADT^A28", "1", "P", "2.5"), false);
  EXPECT_EQ(refused.read(), Answer::header_rejected);
  EXPECT_THAT(refused.codes(), ElementsAre("unknown-sender MSH-4"));
  Case accepted(header("ADT^A28", "1", "P", "2.5"));
  EXPECT_EQ(accepted.read(), Answer::accepted);
  EXPECT_TRUE(accepted.draft.source.provisional);
  EXPECT_EQ(accepted.draft.source.facility, model::provisional_code("LIS", "H1"));
  EXPECT_EQ(accepted.reading.facility, nullptr);
}

TEST(Sender, MustAgreeWithItsCertificate) {
  Case c(header("ADT^A28", "1", "P", "2.5"));
  c.facilities.add(hospital("hospital-1", "LIS", "H1"));
  c.facilities.add(hospital("hospital-2", "LIS", "H2"));
  c.context.authenticated = c.facilities.find("hospital-2");
  EXPECT_EQ(c.read(), Answer::header_rejected);
  EXPECT_THAT(c.codes(), ElementsAre("sender-not-authenticated MSH-4"));
  c.context.authenticated = c.facilities.find("hospital-1");
  EXPECT_EQ(c.read(), Answer::accepted);
}

std::string gb(std::string_view text) {
  std::string bytes;
  utf8_to_gb18030(text, bytes);
  return bytes;
}

// The trail bytes of these are | ^ | |, and the last takes four bytes.
TEST(Charset, NamesWithDelimitersInThemSurvive) {
  const std::string name = "東區瑋億𬭛";
  const std::string text = msh("ORU^R01", "||||||GB 18030-2000") + "PID|1||P1^^^H1^MR||" + name + "^" + name +
                           "||19900101|M\rOBR|1|O1|F1|C^" + name + "^L|||20260102\rOBX|1|ST|C^" + name + "^L||" + name +
                           "|" + name + "||||F\rNTE|1||" + name + "\r";
  for (const std::string& bytes : {text, gb(text)}) {
    for (const std::string label : {"GB 18030-2000", "", "UTF-8", "GBK"}) {
      std::string labelled = bytes;
      labelled.replace(labelled.find("GB 18030-2000"), 13, label);
      Case c(labelled);
      ASSERT_EQ(c.read(), Answer::accepted);
      EXPECT_EQ(c.subject().names[0].text, name + name);
      EXPECT_EQ(c.report().service.display, name);
      EXPECT_EQ(c.report().observations[0].value.sent, name);
      EXPECT_EQ(c.report().observations[0].value.unit, name);
      EXPECT_EQ(c.report().observations[0].notes[0], name);
      const bool is_gb = bytes != text;
      EXPECT_EQ(c.draft.source.charset, is_gb ? "GB18030" : "UTF-8");
      const bool lies = is_gb ? label == "UTF-8" : label.substr(0, 2) == "GB";
      EXPECT_EQ(c.codes(), lies ? std::vector<std::string>{"charset-mismatch MSH-18"} : std::vector<std::string>{});
    }
  }
}

TEST(Charset, EveryTwoByteCodeSurvivesInAField) {
  for (int lead = 0x81; lead <= 0xFE; ++lead) {
    std::string text = msh("ORU^R01", "||||||GB18030") + "PID|1||P1||A\rOBR|1|O1|F1|C\r", expected;
    for (int trail = 0x40; trail <= 0xFE; ++trail) {
      if (trail == 0x7F) continue;
      const std::string bytes = {static_cast<char>(lead), static_cast<char>(trail)};
      text += "OBX|1|ST|C||" + bytes + "|\r";
    }
    Case c(text);
    ASSERT_EQ(c.read(), Answer::accepted);
    ASSERT_EQ(c.report().observations.size(), 190U);
    std::size_t i = 0;
    for (int trail = 0x40; trail <= 0xFE; ++trail) {
      if (trail == 0x7F) continue;
      const auto& value = c.report().observations[i++].value.sent;
      ASSERT_EQ(gb(value), std::string({static_cast<char>(lead), static_cast<char>(trail)})) << lead << " " << trail;
    }
  }
}

TEST(Charset, TheFacilitysSettingComesBeforeTheLabel) {
  // Valid in both: two characters of GB 18030, or one of UTF-8 and no three-byte one.
  const std::string both = "\xC2\xA1\xC3\xA9";
  const std::string text = msh("ORU^R01", "||||||UTF-8") + "PID|1||P1||" + both + "\rOBR|1|O1|F1|C\r";
  Case by_label(text);
  by_label.read();
  EXPECT_EQ(by_label.draft.source.charset, "UTF-8");
  Case by_setting(text);
  by_setting.facilities.add(hospital("h", "LIS", "H1", "GB18030"));
  by_setting.read();
  EXPECT_EQ(by_setting.draft.source.charset, "GB18030");
}

TEST(Charset, LabelsOutsideTheListAreNeverFollowed) {
  for (const std::string label : {"BIG-5", "UNICODE UTF-16", "ISO-2022-CN-EXT", "UTF-7", "IBM1390", "../../x"}) {
    Case c(msh("ADT^A28", "||||||" + label) + "PID|1||P1||测试");
    EXPECT_EQ(c.read(), Answer::accepted);
    EXPECT_THAT(c.codes(), ElementsAre("charset-unsupported MSH-18"));
    EXPECT_EQ(c.subject().names[0].text, "测试");
  }
}

TEST(Content, ABomAndBlankLinesAreNoPartOfIt) {
  Case c("\xEF\xBB\xBF\r\n" + header("ADT^A28", "1", "P", "2.5") + "\r\n\x1c\r" + std::string(1, '\0'));
  EXPECT_EQ(c.read(), Answer::accepted);
  EXPECT_THAT(c.codes(), IsEmpty());
}

TEST(Content, NulAndSecondMessagesAreRefused) {
  Case nul(header("ADT^A28", "1", "P", "2.5") + "NTE|1|" + std::string(1, '\0') + "x\r");
  EXPECT_EQ(nul.read(), Answer::content_rejected);
  EXPECT_THAT(nul.codes(), ElementsAre("nul-byte "));
  Case two(header("ADT^A28", "1", "P", "2.5") + header("ADT^A28", "2", "P", "2.5"));
  EXPECT_EQ(two.read(), Answer::content_rejected);
  EXPECT_THAT(two.codes(), ElementsAre("several-messages MSH[2]"));
}

TEST(Content, TooLongIsRefused) {
  Case c(header("ADT^A28", "1", "P", "2.5"));
  c.bytes.resize(limits::message_bytes, 'x');
  EXPECT_EQ(c.read(), Answer::accepted);
  c.bytes.push_back('x');
  EXPECT_EQ(c.read(), Answer::header_rejected);
  EXPECT_THAT(c.codes(), ElementsAre("too-long "));
}

TEST(ContentHash, LeavesOutTimeAndControlId) {
  const auto hash = [](std::string message) {
    Case c(std::move(message));
    c.read();
    return to_hex(as_view(c.draft.content_hash));
  };
  const std::string base = header("ADT^A28", "1", "P", "2.5");
  std::string later = base, other_id = base, other = base, moved = base;
  later.replace(later.find("20260102"), 8, "20270102030405");
  other_id = header("ADT^A28", "2", "P", "2.5");
  other.replace(other.find("TEST"), 4, "TSET");
  EXPECT_EQ(hash(base), hash(later));
  EXPECT_EQ(hash(base), hash(other_id));
  EXPECT_NE(hash(base), hash(other));
  EXPECT_NE(hash(base), hash(header("ADT^A28", "1", "T", "2.5")));
  EXPECT_EQ(hash(base), hash(base + "\r\n"));
}

}  // namespace
}  // namespace hutong::hl7v2
