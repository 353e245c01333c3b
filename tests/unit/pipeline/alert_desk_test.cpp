// What operators are told of: read from feeds, deliveries and the machine, waiting for whoever is away.
#include "broker/pipeline/alert_desk.h"

#include "adapters/metrics/prometheus_metrics.h"
#include "adapters/store/memory/memory_store.h"
#include "broker/pipeline/feed_state.h"
#include "broker/port/tables.h"
#include "broker/referral/rules.h"
#include "tests/unit/pipeline/projector_fixture.h"

namespace hutong::pipeline {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using namespace std::chrono_literals;

class Hook final : public port::Sink {
 public:
  std::size_t parallel() const override { return 1; }
  net::awaitable<port::Receipt> hand_over(port::Parcel parcel) override {
    tried.push_back(std::move(parcel));
    co_return port::Receipt{taken, "answer", {}};
  }
  void close() override {}
  std::vector<port::Parcel> tried;
  port::Taken taken = port::Taken::delivered;
};

class AlertDeskTest : public ::testing::Test {
 protected:
  AlertDeskTest() {
    auto made = std::make_shared<Rules>();
    auto facilities = std::make_shared<model::FacilityDirectory>();
    facilities->add({.code = "h1", .name_zh = "一院", .name_en = "First"});
    made->facilities = facilities;
    made->referral = referral::Rules::load({std::filesystem::path(HUTONG_SOURCE_DIR) / "schemas/referral"});
    rules.store(made);
    policy.hold = 10s;
    policy.silence = {{"*", 2h}};
    status.disk_total_bytes = status.disk_free_bytes = 100ULL << 30U;
    make();
  }
  void make() {
    time = std::make_unique<RecordedTime>(clock, Timestamp());
    desk = std::make_unique<AlertDesk>(
        AlertDeps{store, metrics, clock, *time, rules, "bc1", [this] { return status; }, [this] { return ours; },
                  [this]() -> std::optional<std::vector<port::SubscriptionStatus>> {
                    if (!delivering) return std::nullopt;
                    return subscriptions;
                  },
                  [this](std::string_view, std::string what) { events.push_back(std::move(what)); }},
        policy, std::vector<AlertTarget>{{"https://ops", hook}});
  }
  void put_feed(FeedState state) {
    port::StoreBatch batch;
    batch.put(port::tables::feeds, {std::string("h1"), write(state), std::int64_t{1}});
    ASSERT_TRUE(await(store.write(std::move(batch))));
  }
  // A look so much later; the ids that stand then.
  std::vector<std::string> look(std::chrono::microseconds later = 0s) {
    clock.advance(later);
    await(desk->look());
    std::vector<std::string> ids;
    for (const auto& one : desk->alerts().alerts) ids.push_back(one.id);
    return ids;
  }
  // What waits for the webhook is tried once.
  void tell() {
    net::io_context io{1};
    net::co_spawn(io, desk->tell(0), [](std::exception_ptr) {});
    io.run_for(20ms);
  }
  void set_time(std::string_view iso) { clock.advance(parse_iso(iso)->first - clock.now()); }

  StepClock clock;
  store::MemoryStore store;
  PrometheusMetrics metrics;
  CurrentRules rules;
  alerts::Policy policy;
  port::StatusView status;
  bool ours = true, delivering = true;
  std::vector<port::SubscriptionStatus> subscriptions;
  std::vector<std::string> events;
  std::shared_ptr<Hook> hook = std::make_shared<Hook>();
  std::unique_ptr<RecordedTime> time;
  std::unique_ptr<AlertDesk> desk;
};

TEST_F(AlertDeskTest, silence_counts_while_somebody_works_there) {
  set_time("2026-06-05T16:00:00+08:00");  // a Friday
  make();
  FeedState state;
  state.records = 1;
  state.first_received = state.last_received = clock.now();
  put_feed(state);
  look();
  EXPECT_THAT(look(59min), IsEmpty());
  EXPECT_THAT(look(24h), IsEmpty()) << "one hour of Friday, and a Saturday";
  set_time("2026-06-08T08:59:00+08:00");
  EXPECT_THAT(look(), IsEmpty());
  look(61s);
  EXPECT_THAT(look(10s), ElementsAre("silence:h1"));
  ++state.duplicates;
  ++state.records;
  put_feed(state);
  look(1s);
  EXPECT_THAT(look(10s), IsEmpty());
}

TEST_F(AlertDeskTest, silence_at_any_hour_where_that_is_wanted) {
  policy.silence_in_working_hours = false;
  set_time("2026-06-05T16:00:00+08:00");
  make();
  FeedState state;
  state.records = 1;
  state.first_received = state.last_received = clock.now();
  put_feed(state);
  look();
  EXPECT_THAT(look(2h), IsEmpty());
  EXPECT_THAT(look(10s), ElementsAre("silence:h1"));
  EXPECT_THAT(desk->alerts().alerts[0].zh, HasSubstr("一院：已有"));
}

TEST_F(AlertDeskTest, who_was_never_heard_is_not_silent) {
  FeedState state;
  state.rejected = 5;
  put_feed(state);
  look();
  EXPECT_THAT(look(1000h), IsEmpty());
  EXPECT_THAT(look(10s), IsEmpty());
}

TEST_F(AlertDeskTest, another_broker_tells_of_feeds_and_deliveries_and_each_of_its_own_disk) {
  subscriptions = {{.name = "ward"}};
  subscriptions[0].dead = 1;
  status.disk_free_bytes = 1;
  ours = false;
  look();
  EXPECT_THAT(look(20s), ElementsAre("disk:bc1"));
  EXPECT_FALSE(desk->alerts().all);
  ours = true;
  look(1s);
  EXPECT_THAT(look(20s), ElementsAre("disk:bc1", "dead-letters:ward"));
  EXPECT_EQ(desk->alerts().webhooks[0].untold, 2);
  ours = false;
  EXPECT_THAT(look(1s), ElementsAre("disk:bc1"));
  EXPECT_EQ(desk->alerts().webhooks[0].untold, 1) << "the other broker tells";
}

TEST_F(AlertDeskTest, what_cannot_be_read_is_neither_wrong_nor_well) {
  subscriptions = {{.name = "ward"}};
  subscriptions[0].oldest_seconds = 10'000;
  look();
  EXPECT_THAT(look(20s), ElementsAre("lag:ward"));
  delivering = false;
  EXPECT_THAT(look(1h), ElementsAre("lag:ward"));
  EXPECT_THAT(look(1h), ElementsAre("lag:ward"));
}

TEST_F(AlertDeskTest, the_last_word_waits_for_a_webhook_that_is_away) {
  look();
  look(20s);
  tell();
  ASSERT_EQ(hook->tried.size(), 1U);
  EXPECT_THAT(
      hook->tried[0].body,
      HasSubstr(
          R"("begins":["lag","dead-letters","failures","refusals","silence","disk","disk-days","dependency"],"alerts":[])"));
  hook->taken = port::Taken::broken;
  status.dependencies = {{"log", false, "no space left"}};
  look(1s);
  look(10s);
  look(5h);  // repeated, and still news to who has not heard of it
  tell();
  ASSERT_EQ(hook->tried.size(), 2U);
  EXPECT_THAT(hook->tried[1].body, AllOf(HasSubstr(R"("id":"dependency:bc1/log")"), HasSubstr(R"("state":"raised")"),
                                         HasSubstr("bc1/log：不可用：no space left"), HasSubstr(R"("begins":[])")));
  EXPECT_FALSE(desk->alerts().alerts[0].told);
  EXPECT_EQ(desk->alerts().webhooks[0].answer, "answer");
  status.dependencies[0].ready = true;
  look(1s);
  look(10s);
  hook->taken = port::Taken::delivered;
  tell();
  ASSERT_EQ(hook->tried.size(), 3U);
  EXPECT_THAT(hook->tried[2].body, AllOf(HasSubstr(R"("state":"cleared")"), Not(HasSubstr("raised"))));
  EXPECT_EQ(desk->alerts().webhooks[0].untold, 0);
  EXPECT_NE(hook->tried[1].event_id, hook->tried[2].event_id);
  tell();
  EXPECT_EQ(hook->tried.size(), 3U) << "nothing is left to say";
}

TEST_F(AlertDeskTest, refusals_of_a_feed_that_is_new_count_from_its_first) {
  look();
  look(20s);
  FeedState state;
  state.rejected = 10;
  put_feed(state);
  look(1s);
  EXPECT_THAT(look(10s), ElementsAre("refusals:h1"));
  EXPECT_EQ(desk->alerts().alerts[0].value, 100);
}

}  // namespace
}  // namespace hutong::pipeline
