// From one log into another: everything once, with its append time; interrupted anywhere, it goes on.
#include "broker/pipeline/carry.h"

#include <gtest/gtest.h>

#include "adapters/log/memory/memory_log.h"
#include "tests/support/await.h"

namespace hutong::pipeline {
namespace {

using port::Topic;
using tests::await;

port::Record record(int number) {
  const std::string name = std::to_string(number);
  return {RecordId(sha256(name)), "h/P" + std::to_string(number % 3), "kind", "{\"n\":" + name + "}", "raw" + name, {}};
}

void append(port::Log& log, Topic topic, int first, int last) {
  for (int i = first; i < last; ++i) ASSERT_TRUE(await(log.append(topic, std::vector{record(i)})));
}

std::vector<port::StoredRecord> all(port::Log& log, Topic topic) {
  auto slice = await(log.read({topic, 0}, 0, {100'000, 1 << 30, true}));
  return slice ? std::move(slice->records) : std::vector<port::StoredRecord>();
}

TEST(Carry, EveryRecordOfEveryTopicWithItsAppendTime) {
  memory::MemoryLog from{system_clock()}, to{system_clock()};
  append(from, Topic::events, 0, 1203);
  append(from, Topic::quarantine, 2000, 2007);
  append(from, Topic::identity, 3000, 3001);
  std::uint64_t last_done = 0, last_total = 0;
  const auto report = await(carry(from, to, [&](std::uint64_t done, std::uint64_t total) {
    EXPECT_GT(done, last_done);
    last_done = done;
    last_total = total;
  }));
  ASSERT_TRUE(report) << report.error().message;
  EXPECT_TRUE(report->complete());
  EXPECT_EQ(report->records(), 1211U);
  EXPECT_EQ(last_done, 1211U);
  EXPECT_EQ(last_total, 1211U);
  for (const Topic topic : port::all_topics) {
    const auto old_records = all(from, topic), new_records = all(to, topic);
    ASSERT_EQ(new_records.size(), old_records.size());
    for (std::size_t i = 0; i < old_records.size(); ++i) {
      EXPECT_EQ(new_records[i].appended, old_records[i].appended);
      EXPECT_EQ(new_records[i].record.id, old_records[i].record.id);
      EXPECT_EQ(new_records[i].record.raw, old_records[i].record.raw);
      EXPECT_EQ(new_records[i].record.json, old_records[i].record.json);
      EXPECT_EQ(new_records[i].record.key, old_records[i].record.key);
    }
  }
}

TEST(Carry, GoesOnBehindWhatIsThereAndSaysHowMuchThatWas) {
  memory::MemoryLog from{system_clock()}, to{system_clock()};
  append(from, Topic::events, 0, 700);
  ASSERT_TRUE(await(carry(from, to, {})));
  append(from, Topic::events, 700, 750);
  const auto report = await(carry(from, to, {}));
  ASSERT_TRUE(report) << report.error().message;
  EXPECT_EQ(report->topics[0].records, 750U);
  EXPECT_EQ(report->topics[0].carried, 50U);
  EXPECT_EQ(report->topics[0].found, 750U);
  EXPECT_EQ(all(to, Topic::events).size(), 750U);
}

TEST(Carry, ALogInServiceIsLeftAlone) {
  memory::MemoryLog from{system_clock()}, to{system_clock()};
  append(from, Topic::events, 0, 10);
  ASSERT_TRUE(await(carry(from, to, {})));
  append(to, Topic::events, 10, 11);
  const auto report = await(carry(from, to, {}));
  ASSERT_FALSE(report);
  EXPECT_EQ(report.error().code, ErrorCode::conflict);
  EXPECT_NE(report.error().message.find("topic_prefix"), std::string::npos) << report.error().message;
  EXPECT_EQ(all(to, Topic::events).size(), 11U);
}

}  // namespace
}  // namespace hutong::pipeline
