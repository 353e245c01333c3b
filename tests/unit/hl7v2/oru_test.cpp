#include "broker/base/limits.h"
#include "tests/unit/hl7v2/support.h"

namespace hutong::hl7v2 {
namespace {

using model::Answer;
using model::EventKind;
using model::ResultStatus;
using model::SentType;
using testing::ElementsAre;
using testing::IsEmpty;

TEST(Report, IsReadWhole) {
  Case c(
      msh("ORU^R01^ORU_R01") + "PID|1||P1^^^H1^MR||测试^甲\r" + segment("PV1", {{3, "W1"}, {10, "CARD"}}) +
      segment("ORC", {{1, "RE"}, {2, "PO"}, {3, "FO"}, {5, "CM"}, {9, "20260101"}, {12, "D9^Ou"}, {17, "DEP^心内科"}}) +
      segment("OBR", {{1, "1"},
                      {2, "O1"},
                      {3, "F1"},
                      {4, "CBC^血常规^L^58410-2^CBC^LN"},
                      {6, "20260102"},
                      {7, "20260102010000"},
                      {14, "20260102020000"},
                      {15, "BLD&全血&L^^^ARM&臂&L"},
                      {16, "D1^Li^Si"},
                      {22, "20260102030000"},
                      {24, "LAB"},
                      {25, "F"},
                      {31, "R1^发热"},
                      {32, "I1&审&核"}}) +
      "NTE|1||order note\r" +
      segment("OBX", {{2, "NM"},
                      {3, "WBC^白细胞^L^6690-2^WBC^LN"},
                      {4, "1"},
                      {5, "5.80"},
                      {6, "10^9/L^^L"},
                      {7, "3.5-9.5"},
                      {8, "H~A"},
                      {11, "C"},
                      {14, "20260102025000"},
                      {15, "LAB9^区域检验^L"},
                      {16, "T1^检验"},
                      {17, "M1^法"},
                      {18, "DEV1"}}) +
      "NTE|1||item note~second line\rNTE|2||another\r" +
      segment("SPM", {{2, "PS&x^FS&y"},
                      {4, "SER^血清"},
                      {7, "ASP^抽吸"},
                      {8, "VEIN^静脉"},
                      {17, "20260102003000"},
                      {18, "20260102004000"},
                      {21, "HEM^溶血"}}));
  ASSERT_EQ(c.read(), Answer::accepted);
  EXPECT_THAT(c.codes(), IsEmpty());
  ASSERT_EQ(c.draft.parts[0].events.size(), 1U);
  EXPECT_EQ(c.event().kind, EventKind::result_reported);
  EXPECT_EQ(c.event().occurred.sent, "20260102030000");
  const auto& r = c.report();
  EXPECT_EQ(r.path, "OBR[1]");
  EXPECT_EQ(r.order_number, "O1");
  EXPECT_EQ(r.filler_number, "F1");
  EXPECT_EQ(r.service.code, "CBC");
  EXPECT_EQ(r.service.alt_code, "58410-2");
  EXPECT_EQ(r.section, "LAB");
  EXPECT_EQ(r.status, ResultStatus::final);
  EXPECT_EQ(r.status_sent, "F");
  EXPECT_EQ(r.requested.sent, "20260102");
  EXPECT_EQ(r.observed.sent, "20260102010000");
  EXPECT_EQ(r.received.sent, "20260102020000");
  EXPECT_EQ(r.issued.sent, "20260102030000");
  EXPECT_EQ(r.orderer.code, "D1");
  EXPECT_EQ(r.interpreter.code, "I1");
  EXPECT_EQ(r.interpreter.name, "审核");
  EXPECT_EQ(r.performer.code, "LAB9");
  EXPECT_EQ(r.department.name, "心内科");
  EXPECT_EQ(r.reason.display, "发热");
  EXPECT_THAT(texts(r.notes), ElementsAre("order note"));
  EXPECT_FALSE(r.is_exam);
  EXPECT_TRUE(r.specimen.present);
  EXPECT_EQ(r.specimen.number, "FS");
  EXPECT_EQ(r.specimen.type.display, "血清");
  EXPECT_EQ(r.specimen.method.code, "ASP");
  EXPECT_EQ(r.specimen.site.code, "VEIN");
  EXPECT_EQ(r.specimen.collected.sent, "20260102003000");
  EXPECT_EQ(r.specimen.received.sent, "20260102004000");
  EXPECT_THAT(texts(r.specimen.conditions), ElementsAre("HEM"));
  ASSERT_EQ(r.observations.size(), 1U);
  const auto& o = r.observations[0];
  EXPECT_EQ(o.path, "OBX[1]");
  EXPECT_EQ(o.code.code, "WBC");
  EXPECT_EQ(o.code.alt_code, "6690-2");
  EXPECT_EQ(o.sub_id, "1");
  EXPECT_EQ(o.value.sent, "5.80");
  EXPECT_EQ(o.value.sent_type, SentType::number);
  EXPECT_EQ(o.value.unit, "10^9/L");
  EXPECT_EQ(o.interval.sent, "3.5-9.5");
  EXPECT_THAT(texts(o.flags), ElementsAre("H", "A"));
  EXPECT_EQ(o.status, ResultStatus::corrected);
  EXPECT_EQ(o.observed.sent, "20260102025000");
  EXPECT_EQ(o.performer.name, "区域检验");
  EXPECT_EQ(o.method.code, "M1");
  EXPECT_THAT(texts(o.notes), ElementsAre("item note\nsecond line", "another"));
}

TEST(Report, FillsItsGapsFromTheOrder) {
  Case c(msh("ORU^R01") + "PID|1||P1||A\rORC|RE|O1^x|F1^y||CA||||20260101|||D9^Ou\rOBR|1|||CBC\rOBX|1|NM|A||1\r");
  ASSERT_EQ(c.read(), Answer::accepted);
  EXPECT_EQ(c.report().order_number, "O1");
  EXPECT_EQ(c.report().filler_number, "F1");
  EXPECT_EQ(c.report().requested.sent, "20260101");
  EXPECT_EQ(c.report().orderer.code, "D9");
  EXPECT_EQ(c.report().status, ResultStatus::cancelled);
}

TEST(Report, SeveralOrdersAndPatientsStayApart) {
  Case c(msh("ORU^R01") +
         "PID|1||P1||A\rORC|RE||F1\rOBR|1||F1|X\rOBX|1|NM|A||1||||||F\rOBR|2||F2|Y\rOBX|1|NM|B||2||||||P\rOBX|2|NM|C||"
         "3||||||F\r"
         "PID|2||P2||B\rOBR|1||F3|Z\rOBX|1|NM|D||4||||||F\r");
  ASSERT_EQ(c.read(), Answer::accepted);
  ASSERT_EQ(c.draft.parts.size(), 2U);
  ASSERT_EQ(c.draft.parts[0].events.size(), 2U);
  EXPECT_EQ(c.report(0).observations.size(), 1U);
  EXPECT_EQ(c.report(1).observations.size(), 2U);
  EXPECT_EQ(c.report(1).path, "OBR[2]");
  EXPECT_EQ(c.report(1).observations[1].path, "OBX[3]");
  EXPECT_EQ(c.report(1).status, ResultStatus::partial);
  EXPECT_EQ(c.event(1).ordinal, 1U);
  EXPECT_EQ(c.draft.parts[1].subject.number, "P2");
  EXPECT_EQ(c.report(0, 1).filler_number, "F3");
  EXPECT_EQ(c.report(0, 1).observations[0].path, "OBX[4]");
}

TEST(Report, StatusLettersHaveTheirMeaning) {
  const std::pair<std::string, ResultStatus> of_items[] = {{"F", ResultStatus::final},
                                                           {"U", ResultStatus::final},
                                                           {"C", ResultStatus::corrected},
                                                           {"P", ResultStatus::preliminary},
                                                           {"R", ResultStatus::preliminary},
                                                           {"S", ResultStatus::partial},
                                                           {"A", ResultStatus::partial},
                                                           {"I", ResultStatus::registered},
                                                           {"O", ResultStatus::registered},
                                                           {"N", ResultStatus::registered},
                                                           {"X", ResultStatus::cancelled},
                                                           {"D", ResultStatus::entered_in_error},
                                                           {"W", ResultStatus::entered_in_error},
                                                           {"f", ResultStatus::final},
                                                           {"", ResultStatus::unknown},
                                                           {"done", ResultStatus::unknown}};
  for (const auto& [letter, status] : of_items) {
    Case c(oru("OBX|1|NM|A||1||||||" + letter + "\r"));
    c.read();
    EXPECT_EQ(c.report().observations[0].status, status) << letter;
    EXPECT_EQ(c.report().observations[0].status_sent, letter);
  }
  Case odd(msh("ORU^R01") + "PID|1||P1||A\rOBR|1||F1|X" + std::string(21, '|') + "done\rOBX|1|NM|A||1||||||F\r");
  EXPECT_EQ(odd.read(), Answer::accepted);
  EXPECT_EQ(odd.report().status, ResultStatus::final);
  EXPECT_THAT(odd.codes(), ElementsAre("status-unknown OBR[1]-25"));
}

TEST(Report, WithoutANumberIsNamedByItsMessage) {
  Case c(msh("ORU^R01") + "PID|1||P1||A\rOBR|1|||X\rOBX|1|NM|A||1\rOBR|2|||X\r");
  EXPECT_EQ(c.read(), Answer::accepted);
  EXPECT_EQ(c.report(0).filler_number, "M1");
  EXPECT_EQ(c.report(1).filler_number, "M1[2]");
  EXPECT_THAT(c.codes(), ElementsAre("report-number-missing OBR[1]-3", "report-number-missing OBR[2]-3"));
}

TEST(Oru, ItemsWithoutAnOrderAreKept) {
  Case c(msh("ORU^R01") + "PID|1||P1||A\rOBX|1|NM|A||1\rORC|RE\rOBR|1||F1|X\rOBX|1|NM|B||2\r");
  ASSERT_EQ(c.read(), Answer::accepted);
  ASSERT_EQ(c.draft.parts[0].events.size(), 2U);
  EXPECT_EQ(c.report(0).observations[0].code.code, "A");
  EXPECT_EQ(c.report(1).observations[0].code.code, "B");
  EXPECT_THAT(c.codes(), ElementsAre("report-number-missing OBR-3", "result-without-order OBX[1]"));
}

TEST(Oru, WhatCannotBeAttributedIsRefused) {
  const std::pair<std::string, std::string> cases[] = {
      {"OBR|1||F1|X\r", "segment-missing PID"},
      {"OBX|1|NM|A||1\r", "segment-missing PID"},
      {"PID|1||P1||A\r", "segment-missing OBR"},
      {"", "segment-missing PID"},
      {"PID|1\rOBR|1||F1|X\r", "patient-unknown PID-3"},
      {"PID|1||P1||A\rOBR|1||F1|X\rPID|2\rOBR|1||F2|X\r", "patient-unknown PID[2]-3"}};
  for (const auto& [rest, code] : cases) {
    Case c(msh("ORU^R01") + rest);
    EXPECT_EQ(c.read(), Answer::content_rejected) << rest;
    ASSERT_FALSE(c.codes().empty());
    EXPECT_EQ(c.codes()[0], code);
    EXPECT_TRUE(c.draft.parts.empty());
  }
}

TEST(Oru, APatientWithoutResultsAmongOthersIsKept) {
  for (const std::size_t without : {0U, 1U}) {
    Case c(msh("ORU^R30") + "PID|1||P1||A\r" + (without == 0 ? "" : "OBR|1||F1|X\r") + "PID|2||P2||B\r" + (without == 1 ? "" : "OBR|1||F1|X\r"));
    ASSERT_EQ(c.read(), Answer::accepted);
    ASSERT_EQ(c.draft.parts.size(), 2U);
    ASSERT_EQ(c.draft.parts[without].events.size(), 1U);
    EXPECT_EQ(c.event(0, without).kind, EventKind::message_received);
    EXPECT_EQ(c.event(0, 1 - without).kind, EventKind::result_reported);
  }
}

TEST(Oru, PatientsAreLimited) {
  std::string patients;
  for (std::size_t i = 0; i < limits::patients_per_message; ++i) patients += "PID|1||P||A\rOBR|1||F|X\r";
  Case most(msh("ORU^R01") + patients);
  EXPECT_EQ(most.read(), Answer::accepted);
  EXPECT_EQ(most.draft.parts.size(), limits::patients_per_message);
  Case beyond(msh("ORU^R01") + patients + "PID|1||P||A\r");
  EXPECT_EQ(beyond.read(), Answer::content_rejected);
  EXPECT_THAT(beyond.codes(), ElementsAre("too-many-patients PID"));
}

const model::Value& value_of(Case& c) {
  c.read();
  return c.report().observations[0].value;
}

TEST(Value, OfEachType) {
  struct {
    std::string type, sent;
    SentType kind;
    std::string text;
  } cases[] = {{"NM", "1.50", SentType::number, "1.50"},
               {"ST", "<0.01", SentType::text, "<0.01"},
               {"TX", "line one~line two", SentType::text, "line one\nline two"},
               {"FT", "a\\.br\\b", SentType::text, "a\nb"},
               {"", "阳性", SentType::text, "阳性"},
               {"XYZ", "a^b", SentType::text, "a^b"},
               {"CWE", "POS^阳性^L", SentType::coded, "POS^阳性^L"},
               {"CE", "POS^阳性^L~NEG", SentType::coded, "POS^阳性^L\nNEG"},
               {"IS", "POS", SentType::coded, "POS"},
               {"DT", "20260102", SentType::time, "20260102"},
               {"TS", "20260102030405+0800", SentType::time, "20260102030405+0800"},
               {"ST", "", SentType::none, ""},
               {"ST", "\"\"", SentType::none, ""}};
  for (const auto& one : cases) {
    Case c(oru("OBX|1|" + one.type + "|A||" + one.sent + "||||||F\r"));
    const auto& value = value_of(c);
    EXPECT_EQ(value.sent_type, one.kind) << one.type;
    EXPECT_EQ(value.sent, one.text) << one.type;
  }
  Case coded(oru("OBX|1|CWE|A||P^阳性^L^LA1^Positive^LN^^^pos+||||||F\r"));
  EXPECT_EQ(value_of(coded).coded.code, "P");
  EXPECT_EQ(value_of(coded).coded.alt_code, "LA1");
  EXPECT_EQ(value_of(coded).coded.original, "pos+");
  Case time(oru("OBX|1|DTM|A||20260102||||||F\r"));
  EXPECT_EQ(value_of(time).time.sent, "20260102");
}

TEST(Value, StructuredNumbers) {
  struct {
    std::string sent, text, comparator, number, low, high;
    model::ValueKind kind;
  } cases[] = {{"<^0.01", "<0.01", "<", "0.01", "", "", model::ValueKind::number},
               {"^20", "20", "", "20", "", "", model::ValueKind::number},
               {"=^20", "=20", "", "20", "", "", model::ValueKind::number},
               {"^1^:^160", "1:160", "", "", "1", "160", model::ValueKind::ratio},
               {"^10^-^20", "10-20", "", "", "10", "20", model::ValueKind::range},
               {"^2^+", "2+", "", "", "", "", model::ValueKind::text},
               {">=^5", ">=5", ">=", "5", "", "", model::ValueKind::number}};
  for (const auto& one : cases) {
    Case c(oru("OBX|1|SN|A||" + one.sent + "||||||F\r"));
    const auto& value = value_of(c);
    EXPECT_EQ(value.sent_type, SentType::structured);
    EXPECT_EQ(value.sent, one.text);
    EXPECT_EQ(value.comparator, one.comparator);
    EXPECT_EQ(value.number, one.number);
    EXPECT_EQ(value.low, one.low);
    EXPECT_EQ(value.high, one.high);
    EXPECT_EQ(value.kind, one.kind);
  }
}

TEST(Value, DocumentsAndLinks) {
  struct {
    std::string type, sent, mime, encoding, data;
  } cases[] = {{"ED", "LIS^Application^PDF^Base64^QUJD", "application/pdf", "base64", "QUJD"},
               {"ED", "^PDF^^BASE64^QUJD", "application/pdf", "base64", "QUJD"},
               {"ED", "^AP^Octet-stream^Hex^4142", "application/octet-stream", "hex", "4142"},
               {"ED", "^TEXT^HTML^A^a\\T\\b", "text/html", "text", "a&b"},
               {"ED", "^IM^BMP^Base64^QUJD", "image/bmp", "base64", "QUJD"},
               {"RP", "https://viewer.invalid/v?a=1&b=2^^Application^DICOM", "application/dicom", "",
                "https://viewer.invalid/v?a=1&b=2"},
               {"RP", "x.jpg^^image^JPEG", "image/jpeg", "", "x.jpg"}};
  for (const auto& one : cases) {
    Case c(oru("OBX|1|" + one.type + "|DOC^报告文件^L||" + one.sent + "||||||F\r"));
    const auto& attachment = value_of(c).attachment;
    EXPECT_EQ(value_of(c).sent_type, SentType::attachment);
    EXPECT_EQ(attachment.mime, one.mime);
    EXPECT_EQ(attachment.encoding, one.encoding);
    EXPECT_EQ(attachment.data, one.data);
    EXPECT_EQ(attachment.title, "报告文件");
  }
}

TEST(Value, UnitsAsTheyAreWritten) {
  for (const auto& [sent, unit] : std::vector<std::pair<std::string, std::string>>{{"mmol/L", "mmol/L"},
                                                                                   {"mmol/L^millimole^UCUM", "mmol/L"},
                                                                                   {"^mg", "mg"},
                                                                                   {"10^9/L", "10^9/L"},
                                                                                   {"×10^12/L", "×10^12/L"},
                                                                                   {"10\\S\\9/L", "10^9/L"},
                                                                                   {"d^day [time]^UCUM", "d"},
                                                                                   {"", ""}}) {
    Case c(oru("OBX|1|NM|A||1|" + sent + "|||||F\r"));
    EXPECT_EQ(value_of(c).unit, unit);
  }
}

std::string exam(std::string_view section, std::string_view service, std::string_view items) {
  return msh("ORU^R01") + "PID|1||P1||A\rOBR|1|O1|ACC1|CT001^" + std::string(service) + "^L" + std::string(20, '|') +
         std::string(section) + "|F\r" + std::string(items);
}

TEST(Exam, IsKnownByItsSection) {
  for (const auto& [section, modality] : std::vector<std::pair<std::string, std::string>>{{"CT", "CT"},
                                                                                          {"RX", "DX"},
                                                                                          {"MR", "MR"},
                                                                                          {"NMR", "MR"},
                                                                                          {"US", "US"},
                                                                                          {"CUS", "US"},
                                                                                          {"EC", "ECG"},
                                                                                          {"SP", "SM"},
                                                                                          {"RAD", "CT"}}) {
    Case c(exam(section, "检查", "OBX|1|TX|A||x||||||F\r"));
    c.read();
    EXPECT_EQ(c.event().kind, EventKind::exam_reported) << section;
    EXPECT_TRUE(c.report().is_exam);
    EXPECT_EQ(c.report().exam.modality, modality) << section;
  }
  for (const std::string section : {"LAB", "CH", "MB", "", "F"}) {
    Case c(exam(section, "CT检查", "OBX|1|TX|A||x||||||F\r"));
    c.read();
    EXPECT_EQ(c.event().kind, EventKind::result_reported) << section;
  }
}

TEST(Exam, IsKnownByItsStudy) {
  for (const std::string items :
       {"ZDS|1.2.3.4^RIS^Application^DICOM\r", "OBX|1|HD|113014^DICOM Study^DCM||1.2.3.4||||||F\r",
        "OBX|1|ST|110180^Study Instance UID^DCM||1.2.3.4||||||F\r", "IPC|ACC9|RP1|1.2.3.4|SPS|CT\r"}) {
    Case c(exam("", "胸部CT平扫", items));
    c.read();
    EXPECT_TRUE(c.report().is_exam) << items;
    EXPECT_EQ(c.report().exam.study_uid, "1.2.3.4");
    EXPECT_EQ(c.report().exam.modality, "CT");
    EXPECT_EQ(c.report().exam.accession, items[0] == 'I' ? "ACC9" : "ACC1");
    EXPECT_EQ(c.report().exam.contrast, "without");
  }
}

TEST(Exam, SaysWhatWasSeen) {
  Case c(exam(
      "CT", "左膝关节CT平扫+增强",
      "OBX|1|TX|18782-3^Study observation^LN||line 1||||||F\rOBX|2|TX|18782-3^Study observation^LN||line 2||||||F\r"
      "OBX|3|TX|19005-8^Impression^LN||impression||||||F\r"
      "OBX|4|RP|L^影像链接^L||https://viewer.invalid/v^^Application^DICOM||||||F\r"
      "OBX|5|RP|L^影像链接^L||https://pacs.invalid/dicom-web/studies/1.2||||||F\r"
      "OBX|6|RP|K^关键图像^L||https://pacs.invalid/1.jpg^^image^JPEG||||||F\r"));
  c.read();
  const auto& e = c.report().exam;
  EXPECT_EQ(e.findings, "line 1\nline 2");
  EXPECT_EQ(e.impression, "impression");
  EXPECT_EQ(e.laterality, "left");
  EXPECT_EQ(e.contrast, "both");
  ASSERT_EQ(e.access.size(), 3U);
  EXPECT_EQ(e.access[0].kind, "viewer");
  EXPECT_EQ(e.access[1].kind, "wado-rs");
  EXPECT_EQ(e.access[2].kind, "key-image");
  EXPECT_EQ(c.report().observations.size(), 6U);
  Case words(
      exam("US", "腹部彩超", "OBX|1|FT|1^超声所见^L||所见文字||||||F\rOBX|2|FT|2^诊断意见^L||意见文字||||||F\r"));
  words.read();
  EXPECT_EQ(words.report().exam.findings, "所见文字");
  EXPECT_EQ(words.report().exam.impression, "意见文字");
  Case suffix(exam("RX", "Chest", "OBX|1|FT|71020&GDT^Chest||seen||||||F\rOBX|2|FT|71020&IMP^Chest||meant||||||F\r"));
  suffix.read();
  EXPECT_EQ(suffix.report().exam.findings, "seen");
  EXPECT_EQ(suffix.report().exam.impression, "meant");
}

TEST(Item, AStatusOfNoTableIsToldWithItsPlace) {
  Case c(oru("OBX|1|NM|A||1||||||F\rOBX|2|NM|B||2||||||q\rOBX|3|NM|C||3\r"));
  c.read();
  EXPECT_THAT(c.codes(), ElementsAre("status-unknown OBX[2]-11"));
}

TEST(Exam, KnowsSideAndSiteOfTheSource) {
  Case c(msh("ORU^R01") + "PID|1||P1||A\r" +
         segment("OBR", {{3, "F1"}, {4, "X^Knee"}, {15, "^^^KNEE&膝&L^R"}, {18, "ACC7"}, {24, "CT"}, {25, "F"}}));
  ASSERT_EQ(c.read(), Answer::accepted);
  EXPECT_EQ(c.report().exam.body_part.display, "膝");
  EXPECT_EQ(c.report().exam.laterality, "right");
  EXPECT_EQ(c.report().exam.accession, "ACC7");
}

}  // namespace
}  // namespace hutong::hl7v2
