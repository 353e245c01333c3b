// After hutong migrate, subscribers go on where they were: offsets of the log that was left, said anew in those of this
// one.
#include "broker/pipeline/delivery_inherit.h"

#include <gmock/gmock.h>

#include "adapters/log/memory/memory_log.h"
#include "broker/model/delivery.h"
#include "broker/pipeline/carry.h"
#include "tests/support/await.h"

namespace hutong::pipeline {
namespace {

using port::Topic;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using tests::await;

port::Record event(int number) {
  port::Record record;
  record.id = RecordId(sha256("e" + std::to_string(number)));
  record.key = "h/P" + std::to_string(number % 7);
  record.json = "{}";
  return record;
}
port::Record operation(std::string_view kind, std::string json, int number) {
  port::Record record;
  record.id = RecordId(sha256("o" + std::to_string(number)));
  record.key = "delivery";
  record.kinds = kind;
  record.json = std::move(json);
  return record;
}
void append(port::Log& log, Topic topic, port::Record record) {
  std::vector<port::Record> batch;
  batch.push_back(std::move(record));
  ASSERT_TRUE(await(log.append(topic, std::move(batch))));
}

class Inherit : public ::testing::Test {
 protected:
  Inherit() {
    for (int i = 0; i < 100; ++i) append(left, Topic::events, event(i));
    model::DeliveryProgressed progressed;
    progressed.id = RecordId(sha256("p"));
    progressed.log = left.id();
    progressed.term = 3;
    progressed.router = {{{}, 90, 90}};
    model::SubscriberProgress ward, idle;
    ward.name = "ward";
    ward.cursors = {{{}, 40, 60}};
    ward.open = {{{{}, 40, 0}, 11}, {{{}, 55, 1}, 19}};
    model::HeldEvent dead;
    dead.ref = {{}, 12, 0};
    dead.state = model::HeldState::dead;
    dead.lanes = {"h/P5"};
    ward.held = {dead};
    ward.delivered = 38;
    idle.name = "idle";
    idle.idle = true;
    idle.cursors = {{{}, 30, 30}};
    progressed.subscribers = {ward, idle};
    append(left, Topic::operations, operation(model::delivery_progressed_kind, write(progressed), 1));
    model::DeliveryCommanded pause;
    pause.id = RecordId(sha256("c"));
    pause.log = left.id();
    pause.subscription = "idle";
    pause.action = model::DeliveryAction::pause;
    append(left, Topic::operations, operation(model::delivery_commanded_kind, write(pause), 2));
  }
  // The key of the event that stood at `offset` in the log that was left.
  static RecordId old_event(std::uint64_t offset) { return RecordId(sha256("e" + std::to_string(offset))); }
  RecordId event_at(const model::EventRef& ref) {
    auto slice = await(log.read({Topic::events, ref.stream.partition}, ref.offset, {1, 1, false}));
    return slice->records.at(0).record.id;
  }

  memory::MemoryLog left, log{system_clock(), 4};
};

TEST_F(Inherit, everything_is_said_anew_in_the_offsets_of_this_log) {
  ASSERT_TRUE(await(carry(left, log, {})));
  append(log, Topic::events, event(1000));  // the new installation goes on
  const auto records = await(inherited_deliveries(log, Timestamp{1}, 70));
  ASSERT_TRUE(records);
  ASSERT_THAT(*records, SizeIs(2));
  const auto progressed = model::read_delivery_progressed((*records)[0].json);
  ASSERT_TRUE(progressed);
  EXPECT_EQ(progressed->log, log.id());
  EXPECT_EQ(progressed->term, 70U);
  ASSERT_THAT(progressed->subscribers, SizeIs(2));
  const auto& idle = progressed->subscribers[0];
  const auto& ward = progressed->subscribers[1];
  EXPECT_EQ(ward.delivered, 38U);
  ASSERT_THAT(ward.open, SizeIs(2));
  EXPECT_EQ(event_at(ward.open[0].ref), old_event(40));
  EXPECT_EQ(event_at(ward.open[1].ref), old_event(55));
  EXPECT_EQ(ward.open[1].place, 19U);
  ASSERT_THAT(ward.held, SizeIs(1));
  EXPECT_EQ(event_at(ward.held[0].ref), old_event(12));
  // Below each cursor lies exactly what lay below the old one, in all partitions together.
  const auto below = [&](const model::SubscriberProgress& one, auto member) {
    std::size_t count = 0;
    for (const auto& cursor : one.cursors) {
      for (std::uint64_t at = 0; at < cursor.*member; ++at) count += 1;
    }
    return count;
  };
  EXPECT_THAT(ward.cursors, SizeIs(4));
  EXPECT_EQ(below(ward, &model::StreamCursor::next), 40U);
  EXPECT_EQ(below(ward, &model::StreamCursor::read), 60U);
  EXPECT_EQ(below(idle, &model::StreamCursor::next), 90U) << "an idle one has read what the router had";
  EXPECT_FALSE(idle.idle);
  const auto pause = model::read_delivery_commanded((*records)[1].json);
  ASSERT_TRUE(pause);
  EXPECT_EQ(pause->action, model::DeliveryAction::pause);
  EXPECT_EQ(pause->log, log.id());
}

// A subscriber that was told of referrals goes on there; one of before that was not, begins behind what was carried.
TEST_F(Inherit, the_place_in_the_operations_is_carried_too) {
  model::DeliveryProgressed progressed;
  progressed.id = RecordId(sha256("later"));
  progressed.log = left.id();
  progressed.term = 4;
  const model::Stream operations{0, static_cast<std::uint8_t>(Topic::operations), 0};
  progressed.router = {{{}, 90, 90}, {operations, 2, 2}};
  model::SubscriberProgress told, before;
  told.name = "told";
  told.cursors = {{{}, 90, 90}, {operations, 1, 2}};
  told.open = {{{operations, 1, 0}, 3}};
  before.name = "before";
  before.cursors = {{{}, 90, 90}};
  progressed.subscribers = {told, before};
  append(left, Topic::operations, operation(model::delivery_progressed_kind, write(progressed), 3));
  ASSERT_TRUE(await(carry(left, log, {})));
  const auto said = model::read_delivery_progressed((*await(inherited_deliveries(log, Timestamp{1}, 70)))[0].json);
  ASSERT_TRUE(said);
  const auto place = [&](const std::vector<model::StreamCursor>& cursors) -> std::optional<std::pair<int, int>> {
    for (const auto& each : cursors) {
      if (each.stream == operations) return std::pair(static_cast<int>(each.next), static_cast<int>(each.read));
    }
    return std::nullopt;
  };
  EXPECT_EQ(place(said->router), std::pair(2, 2));
  for (const auto& one : said->subscribers) {
    if (one.name == "told") {
      EXPECT_EQ(place(one.cursors), std::pair(1, 2));
      ASSERT_THAT(one.open, SizeIs(1));
      EXPECT_EQ(one.open[0].ref, (model::EventRef{operations, 1, 0}));
    } else {
      EXPECT_FALSE(place(one.cursors)) << one.name << " begins where the router is";
    }
  }
}

TEST_F(Inherit, a_router_that_never_read_the_operations_begins_behind_what_was_carried) {
  append(left, Topic::identity, operation("identity.linked", "{}", 7));
  ASSERT_TRUE(await(carry(left, log, {})));
  const auto said = model::read_delivery_progressed((*await(inherited_deliveries(log, Timestamp{1}, 70)))[0].json);
  ASSERT_TRUE(said);
  ASSERT_FALSE(said->router.empty());
  const auto& last = said->router.back();
  EXPECT_EQ(last.stream.topic, static_cast<std::uint8_t>(Topic::operations));
  EXPECT_EQ(last.next, 2u);
  const auto is_identity = [](const auto& cursor) { return cursor.stream.topic == 2; };
  const auto decisions = std::find_if(said->router.begin(), said->router.end(), is_identity);
  ASSERT_NE(decisions, said->router.end());
  EXPECT_EQ(decisions->next, 1u) << "the one that was carried is told to nobody";
}

TEST_F(Inherit, a_log_of_its_own_inherits_nothing) {
  EXPECT_THAT(*await(inherited_deliveries(left, Timestamp{1}, 1)), IsEmpty());
  EXPECT_THAT(*await(inherited_deliveries(log, Timestamp{1}, 1)), IsEmpty());
}

}  // namespace
}  // namespace hutong::pipeline
