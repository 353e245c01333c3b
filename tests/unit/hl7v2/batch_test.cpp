#include "adapters/format/hl7v2/batch.h"

#include "tests/unit/hl7v2/support.h"

namespace hutong::hl7v2 {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

TEST(Batch, OpensEnvelopesInOrder) {
  const std::string batch =
      "FHS|^~\\&|A\rBHS|^~\\&|A\rMSH|^~\\&|1\rPID|1\rMSH|^~\\&|2\rPID|2\rBTS|2\rBHS|^~\\&|B\rMSH|^~\\&|3\rBTS|1\rFTS|"
      "2\r";
  EXPECT_TRUE(is_batch(batch));
  EXPECT_THAT(split_batch(batch), ElementsAre("MSH|^~\\&|1\rPID|1\r", "MSH|^~\\&|2\rPID|2\r", "MSH|^~\\&|3\r"));
  EXPECT_THAT(split_batch("FHS|^~\\&|A\rFTS"), IsEmpty());
}

TEST(Batch, FindsMessagesInFiles) {
  EXPECT_FALSE(is_batch("MSH|^~\\&|1"));
  EXPECT_THAT(split_file("\xEF\xBB\xBF\r\nMSH|^~\\&|1\r\nPID|1\r\n\r\nMSH|^~\\&|2"),
              ElementsAre("MSH|^~\\&|1\r\nPID|1\r\n\r\n", "MSH|^~\\&|2"));
  EXPECT_THAT(split_file("a comment\nMSH|^~\\&|1\n"), ElementsAre("MSH|^~\\&|1\n"));
  EXPECT_THAT(split_file("\x0bMSH|^~\\&|1\r\x1c\r\x0bMSH|^~\\&|2\r\x1c\r"), testing::SizeIs(2));
  EXPECT_THAT(split_file(""), IsEmpty());
  EXPECT_THAT(split_file("PID|1"), IsEmpty());
  EXPECT_THAT(split_file("NTE|1|see MSH|x\rMSHX|1"), IsEmpty());
  // 0x96 0x7C, 0x85 0x5E: their trail bytes are delimiters, but never line ends or letters at a line's start.
  EXPECT_THAT(split_file("MSH|^~\\&|\x96\x7C\rPID|\x85\x5E\rMSH|^~\\&|2"), testing::SizeIs(2));
}

TEST(Batch, AFrameWithABatchIsNotOneMessage) {
  Case c("BHS|^~\\&|A\rMSH|^~\\&|1\r");
  EXPECT_EQ(c.read(), model::Answer::header_rejected);
  EXPECT_THAT(c.codes(), ElementsAre("batch-not-split "));
}

}  // namespace
}  // namespace hutong::hl7v2
