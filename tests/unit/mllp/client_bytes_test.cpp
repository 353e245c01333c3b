#include <gtest/gtest.h>

#include "adapters/sink/mllp/hl7_bytes.h"
#include "adapters/sink/mllp/latency_histogram.h"

namespace hutong::mllp_client {
namespace {

using std::chrono::nanoseconds;

TEST(MessagesInFile, SplitsAtMshAndOpensBatches) {
  const auto messages = messages_in_file(
      "FHS|^~\\&|A\nBHS|^~\\&|A\r\nMSH|^~\\&|A|B|||1||ADT^A01|1|P|2.4\nPID|1\n\nMSH|^~\\&|A|B|||1||ADT^A01|2|P|2.4\r"
      "NTE|1||a line with MSH| inside\rBTS|2\rFTS|1\r");
  ASSERT_EQ(messages.size(), 2u);
  EXPECT_EQ(messages[0], "MSH|^~\\&|A|B|||1||ADT^A01|1|P|2.4\rPID|1\r");
  EXPECT_EQ(messages[1], "MSH|^~\\&|A|B|||1||ADT^A01|2|P|2.4\rNTE|1||a line with MSH| inside\r");
}

TEST(MessagesInFile, LeavesOutFramingByteOrderMarkAndJunkBeforeTheFirstMessage) {
  const auto messages = messages_in_file("\xEF\xBB\xBFjunk\r\x0BMSH|^~\\&|A\rPID|1\r\x1C\r\x0BMSH|^~\\&|B\r\x1C\r");
  ASSERT_EQ(messages.size(), 2u);
  EXPECT_EQ(messages[0], "MSH|^~\\&|A\rPID|1\r");
  EXPECT_EQ(messages[1], "MSH|^~\\&|B\r");
  EXPECT_TRUE(messages_in_file("").empty());
  EXPECT_TRUE(messages_in_file("MSHX|no\r").empty());
}

TEST(MessagesInFile, KeepsGb18030BytesThatLookLikeDelimiters) {
  const std::string name = "\x96\x7C\x85\x5E\x81\x7E\x81\x5C\x99\x33\xAA\x35";  // 東區亊乗𬭛
  EXPECT_EQ(messages_in_file("MSH|^~\\&|A\nPID|" + name + "\n").at(0), "MSH|^~\\&|A\rPID|" + name + "\r");
}

TEST(ControlId, StandsBehindTheNinthSeparator) {
  EXPECT_EQ(control_id_of("MSH|^~\\&|a|b|c|d|20260101||ADT^A01|X-1|P|2.4\rPID|"), "X-1");
  EXPECT_EQ(control_id_of("MSH#^~\\&#a#b#c#d#20260101##ADT^A01#X-1\rPID#"), "X-1");
  EXPECT_EQ(control_id_of("MSH|^~\\&|a|b|c|d|20260101||ADT^A01||P|2.4\r"), "");
  EXPECT_EQ(control_id_of("MSH|^~\\&|a\rPID|1|2|3|4|5|6|7|8|9|10"), "");
  EXPECT_EQ(control_id_of("PID|1"), "");
  EXPECT_EQ(control_id_of(""), "");
}

TEST(Answer, ReadsCodeIdAndSendAgain) {
  const auto accepted = parse_answer("MSH|^~\\&|H|X|a|b|1||ACK^R01^ACK|9|P|2.5.1\rMSA|AA|R1-5\r");
  EXPECT_EQ(accepted.code, AnswerCode::AA);
  EXPECT_EQ(accepted.control_id, "R1-5");
  EXPECT_FALSE(accepted.send_again);
  const auto busy = parse_answer("MSH|^~\\&|H\rMSA|AR|7\rERR|||207^busy^HL70357|E\r");
  EXPECT_EQ(busy.code, AnswerCode::AR);
  EXPECT_TRUE(busy.send_again);
  const auto refused = parse_answer("MSH|^~\\&|H\rMSA|AR|7\rERR|||203^version^HL70357|E\r");
  EXPECT_FALSE(refused.send_again);
  const auto content = parse_answer("MSH|^~\\&|H\nMSA|AE|8\nERR|||207\n");
  EXPECT_EQ(content.code, AnswerCode::AE);
  EXPECT_FALSE(content.send_again) << "only AR and CR ask for another attempt";
  EXPECT_EQ(parse_answer("HTTP/1.1 400 Bad Request").code, AnswerCode::unreadable);
  EXPECT_EQ(parse_answer("MSH|^~\\&|H\rMSA|ZZ|7\r").code, AnswerCode::unreadable);
  EXPECT_EQ(parse_answer("").code, AnswerCode::unreadable);
}

TEST(Answer, IsNotExpectedByWhoAsksForNoneOrIsOne) {
  EXPECT_FALSE(expects_no_answer("MSH|^~\\&|a|b|c|d|1||ADT^A01|X|P|2.4"));
  EXPECT_TRUE(expects_no_answer("MSH|^~\\&|a|b|c|d|1||ADT^A01|X|P|2.4|||NE|NE"));
  EXPECT_FALSE(expects_no_answer("MSH|^~\\&|a|b|c|d|1||ADT^A01|X|P|2.4|||NE|AL"));
  EXPECT_TRUE(expects_no_answer("MSH|^~\\&|a|b|c|d|1||ACK|X|P|2.4|||AL|AL"));
  EXPECT_TRUE(expects_no_answer("MSH|^~\\&|a|b|c|d|1||ACK^A01^ACK|X|P|2.4"));
  EXPECT_FALSE(expects_no_answer("MSH|^~\\&|a|b|c|d|1||ACKNOW^A01|X|P|2.4"));
}

TEST(LatencyHistogram, PercentilesAreWithinTwoPercent) {
  LatencyHistogram histogram;
  EXPECT_EQ(histogram.percentile(50).count(), 0);
  for (int i = 1; i <= 100'000; ++i) histogram.add(nanoseconds(i * 1000));
  for (const double percent : {1.0, 50.0, 90.0, 99.0, 99.9}) {
    const double expected = percent * 1000 * 1000;
    EXPECT_NEAR(static_cast<double>(histogram.percentile(percent).count()), expected, expected * 0.02) << percent;
  }
  EXPECT_EQ(histogram.max(), nanoseconds(100'000'000));
  EXPECT_EQ(histogram.percentile(100), histogram.max());
  LatencyHistogram other;
  other.add(std::chrono::hours(3));
  other.add(nanoseconds(-5));
  histogram.merge(other);
  EXPECT_EQ(histogram.count(), 100'002u);
  EXPECT_EQ(histogram.percentile(100), histogram.max());
}

}  // namespace
}  // namespace hutong::mllp_client
