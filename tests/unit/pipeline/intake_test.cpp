// "Acknowledged means durable" as a unit: no positive answer while the log has not said so, waiting and AR 207 while it
// is away, resends and conflicts, quarantine, all with a log in memory that can be told to stall and to fail.
#include "broker/pipeline/intake.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/steady_timer.hpp>
#include <functional>

#include "adapters/format/hl7v2/hl7v2.h"
#include "adapters/log/memory/memory_log.h"
#include "adapters/metrics/prometheus_metrics.h"
#include "adapters/store/memory/memory_store.h"
#include "broker/port/tables.h"
#include "tests/support/await.h"

namespace hutong::pipeline {
namespace {

using model::Answer;
using testing::HasSubstr;
using testing::Not;

const port::Partition events{port::Topic::events, 0};
const port::Partition quarantine{port::Topic::quarantine, 0};

// Every look at the clock moves it by 50 ms: deadlines pass without anybody waiting for them.
class SteppingClock final : public Clock {
 public:
  Timestamp now() const override { return {1'767'000'000'000'000}; }
  std::chrono::nanoseconds ticks() const override { return std::chrono::milliseconds(50 * ++steps_); }

 private:
  mutable std::int64_t steps_ = 0;
};

std::string oru(const std::string& control, const std::string& value = "5.8", const std::string& number = "P1") {
  return "MSH|^~\\&|LIS|HOSP|HUTONG|REGION|20260105081500||ORU^R01^ORU_R01|" + control + "|P|2.5.1\rPID|1||" + number +
         "^^^HOSP^MR||A^B||19800101|F\rOBR|1||R1|BIO^x^L|||20260105073000\r"
         "OBX|1|NM|GLU^x^L||" +
         value + "|mmol/L||N|||F\r";
}

// A store a network away: counts the journeys, and may not come back from one.
class DistantStore final : public port::Store {
 public:
  explicit DistantStore(store::MemoryStore& store) : store_(store) {}
  net::awaitable<Result<std::vector<std::optional<port::Row>>>> get_many(std::vector<port::Lookup> lookups) override {
    ++journeys;
    if (silent) {
      net::steady_timer never(co_await net::this_coro::executor, std::chrono::hours(1));
      co_await never.async_wait(net::use_awaitable);
    }
    auto rows = co_await store_.get_many(std::move(lookups));
    if (meanwhile) meanwhile();
    co_return rows;
  }
  net::awaitable<Result<void>> write(port::StoreBatch batch) override { return store_.write(std::move(batch)); }
  net::awaitable<Result<std::vector<port::Row>>> scan(const port::Table& table, port::Scan scan) override {
    return store_.scan(table, std::move(scan));
  }
  net::awaitable<Result<std::optional<port::Cursor>>> cursor(port::Partition of) override { return store_.cursor(of); }
  net::awaitable<Result<void>> checkpoint(const std::filesystem::path& to) override { return store_.checkpoint(to); }
  std::uint64_t bytes() const override { return 0; }
  net::awaitable<Result<void>> close() override { return store_.close(); }

  std::size_t journeys = 0;
  bool silent = false;
  std::function<void()> meanwhile;  // happens when the store has been read

 private:
  store::MemoryStore& store_;
};

class IntakeTest : public testing::Test {
 protected:
  IntakeTest() {
    auto made = std::make_shared<Rules>();
    auto facilities = std::make_shared<model::FacilityDirectory>();
    model::Facility hospital;
    hospital.code = "hosp";
    hospital.aliases = {{"", "HOSP"}};
    facilities->add(hospital);
    model::Facility lenient;
    lenient.code = "lenient";
    lenient.aliases = {{"", "LENIENT"}};
    lenient.on_quarantine = model::OnQuarantine::accept_with_warning;
    facilities->add(lenient);
    made->facilities = facilities;
    made->normalizer = std::make_shared<normalize::Normalizer>(
        terminology::Terminology::load(std::filesystem::path(HUTONG_SOURCE_DIR) / "schemas/terminology"));
    rules.store(made);
    peer.protocol = "mllp";
    peer.trusted_network = true;
  }

  std::vector<port::Reply> accept(const std::vector<std::string>& messages) {
    std::vector<port::Frame> frames;
    for (const auto& message : messages) frames.push_back({message, clock.now(), 0, {}});
    return tests::await(intake.accept(peer, frames));
  }
  port::Reply accept(const std::string& message) { return accept(std::vector<std::string>{message}).front(); }
  // What the projector makes of a message from LIS at HOSP: its control id's row.
  void projected(const std::string& control_id, const RecordId& message) {
    model::Source source;
    source.facility = "hosp";
    source.sender_application = "LIS";
    source.sender_facility = "HOSP";
    source.control_id = control_id;
    port::StoreBatch batch;
    batch.put(port::tables::controls, {std::string(model::control_key(source).view()), std::string(message.view()),
                                       std::int64_t{0}, std::string("[]"), clock.now().micros});
    ASSERT_TRUE(tests::await(store.write(std::move(batch))));
  }
  std::size_t stored(port::Partition partition) { return tests::await(log.read(partition, 0, {}))->records.size(); }

  SteppingClock clock;
  memory::MemoryLog log{clock};
  store::MemoryStore store;
  hl7v2::Hl7v2 format;
  PrometheusMetrics metrics;
  CurrentRules rules;
  RecentControls recent;
  port::Peer peer;
  RecentRefusals refusals;
  Intake intake{log, store, format, rules, recent, metrics, clock, {.refusals = &refusals}};
};

TEST_F(IntakeTest, answers_only_after_the_log_says_durable) {
  log.hold_appends();
  net::io_context io(1);
  const std::string message = oru("1");
  const port::Frame frame{message, clock.now(), 0, {}};
  bool answered = false;
  net::co_spawn(io, intake.accept(peer, std::span(&frame, 1)),
                [&](std::exception_ptr, std::vector<port::Reply> replies) {
                  answered = true;
                  EXPECT_THAT(replies[0].messages[0], HasSubstr("MSA|AA|1"));
                });
  io.poll();
  EXPECT_EQ(log.held(), 1U);
  EXPECT_FALSE(answered) << "acknowledged before it was safe";
  log.release_appends();
  io.restart();
  io.run();
  EXPECT_TRUE(answered);
  EXPECT_EQ(stored(events), 1U);
}

TEST_F(IntakeTest, waits_for_a_log_that_comes_back) {
  log.fail_appends(3, {ErrorCode::unavailable, "disk full"});
  EXPECT_EQ(accept(oru("1")).answer, Answer::accepted);
  EXPECT_EQ(stored(events), 1U);
}

TEST_F(IntakeTest, says_207_when_the_log_stays_away_and_keeps_nothing) {
  log.fail_appends(1'000'000, {ErrorCode::unavailable, "disk full"});
  Intake hasty(log, store, format, rules, recent, metrics, clock, {std::chrono::milliseconds(200)});
  const std::string message = oru("1");
  const port::Frame frame{message, clock.now(), 0, {}};
  const auto reply = tests::await(hasty.accept(peer, std::span(&frame, 1))).front();
  EXPECT_EQ(reply.answer, Answer::try_again);
  EXPECT_THAT(reply.messages[0], HasSubstr("MSA|AR|1"));
  EXPECT_THAT(reply.messages[0], HasSubstr("207"));
  EXPECT_TRUE(reply.records.empty());
  EXPECT_EQ(recent.size(), 0U);
  log.fail_appends(0, {});
  EXPECT_FALSE(accept(oru("1")).duplicate) << "what was not stored is no resend";
}

TEST_F(IntakeTest, a_resend_gets_the_same_answer_and_is_not_appended) {
  const auto first = accept(oru("1"));
  const auto again = accept(oru("1"));
  EXPECT_TRUE(again.duplicate);
  EXPECT_EQ(again.records, first.records);
  EXPECT_THAT(again.messages[0], HasSubstr("MSA|AA|1"));
  EXPECT_EQ(stored(events), 1U);
  EXPECT_TRUE(
      accept("MSH|^~\\&|LIS|HOSP|HUTONG|REGION|20270105081500" + oru("1").substr(oru("1").find("||ORU"))).duplicate)
      << "a resend may bear another time";
}

TEST_F(IntakeTest, other_content_under_the_same_control_id_is_accepted_and_flagged) {
  EXPECT_THAT(accept(oru("1")).messages[0], Not(HasSubstr("ERR|")));
  const auto other = accept(oru("1", "6.8"));
  EXPECT_FALSE(other.duplicate);
  EXPECT_THAT(other.messages[0], HasSubstr("MSA|AA|1"));
  EXPECT_THAT(other.messages[0], HasSubstr("MSH^1^10"));
  EXPECT_EQ(stored(events), 2U);
  EXPECT_EQ(metrics.counter("hutong_control_id_conflicts_total", "").value(), 1);
}

// The first message is in the store already, the second only in flight.
TEST_F(IntakeTest, a_resend_of_the_first_is_no_conflict_with_what_came_after_it) {
  const auto first = accept(oru("1"));
  projected("1", first.records.front());
  recent.projected_below({port::Topic::events, 0}, 1);
  EXPECT_THAT(accept(oru("1", "6.8")).messages[0], HasSubstr("MSH^1^10"));
  const auto again = accept(oru("1"));
  EXPECT_TRUE(again.duplicate);
  EXPECT_THAT(again.messages[0], Not(HasSubstr("ERR|")));
  EXPECT_THAT(accept(oru("1", "6.8")).messages[0], HasSubstr("MSH^1^10"));
}

TEST_F(IntakeTest, several_frames_go_in_one_append_and_are_answered_in_order) {
  const auto replies = accept(std::vector<std::string>{oru("1"), oru("", "5.8"), oru("3")});
  ASSERT_EQ(replies.size(), 3U);
  EXPECT_THAT(replies[0].messages[0], HasSubstr("MSA|AA|1"));
  EXPECT_THAT(replies[1].messages[0], HasSubstr("MSA|AR|"));
  EXPECT_THAT(replies[2].messages[0], HasSubstr("MSA|AA|3"));
  EXPECT_EQ(stored(events), 2U);
  EXPECT_EQ(stored(quarantine), 1U);
}

// A laboratory's night run in one message: the record names each kind once, however long the message is.
TEST_F(IntakeTest, a_message_of_five_thousand_reports_is_one_record_that_names_its_kind_once) {
  std::string message = "MSH|^~\\&|LIS|HOSP|HUTONG|REGION|20260105081500||ORU^R01|1|P|2.5.1\rPID|1||P1^^^^MR\r";
  for (int i = 0; i < 5000; ++i) message += "OBR|1||R" + std::to_string(i) + "|GLU\rOBX|1|NM|GLU||5.1\r";
  EXPECT_EQ(accept(message).answer, Answer::accepted);
  const auto record = tests::await(log.read(events, 0, {}));
  ASSERT_EQ(record->records.size(), 1U);
  EXPECT_EQ(record->records[0].record.kinds, "result.reported");
  EXPECT_EQ(metrics.sum("hutong_events_total", {{"kind", "result.reported"}}), 5000);
}

TEST_F(IntakeTest, asks_a_distant_store_once_about_all_frames_that_came_together) {
  DistantStore distant(store);
  Intake far(log, distant, format, rules, recent, metrics, clock, {.store_patience = std::chrono::seconds(1)});
  const std::vector<std::string> messages{oru("1"), oru(""), oru("3"), oru("4")};
  std::vector<port::Frame> frames;
  for (const auto& message : messages) frames.push_back({message, clock.now(), 0, {}});
  EXPECT_EQ(tests::await(far.accept(peer, frames)).size(), 4U);
  EXPECT_EQ(distant.journeys, 1U);
  EXPECT_EQ(stored(events), 3U);
}

// Control characters are six bytes each in JSON: what no log takes is refused and kept, not answered 207 for ever.
TEST_F(IntakeTest, a_message_whose_event_no_log_takes_is_refused_and_kept) {
  const auto reply = accept(oru("1", std::string(11U << 20U, '\x01')));
  EXPECT_EQ(reply.answer, Answer::content_rejected);
  EXPECT_THAT(reply.messages[0], HasSubstr("event-too-large"));
  EXPECT_EQ(stored(events), 0U);
  EXPECT_EQ(stored(quarantine), 1U);
  EXPECT_EQ(recent.size(), 0U);
  EXPECT_FALSE(accept(oru("1")).duplicate);
}

// Two messages of a thousand patients each are more records than one append takes.
TEST_F(IntakeTest, many_records_are_several_appends_and_a_message_stays_in_one) {
  const auto crowd = [](const std::string& control) {
    std::string message = oru(control);
    for (int i = 2; i <= 700; ++i) {
      message += "PID|1||P" + std::to_string(i) + "^^^HOSP^MR||A^B\rOBR|1||R" + std::to_string(i) + "|BIO^x^L\r";
    }
    return message;
  };
  const auto replies = accept(std::vector<std::string>{crowd("1"), crowd("2")});
  EXPECT_EQ(replies[0].answer, Answer::accepted);
  EXPECT_EQ(replies[1].answer, Answer::accepted);
  EXPECT_EQ(*tests::await(log.end(events)), 1400U);
  EXPECT_TRUE(accept(crowd("2")).duplicate);
}

// The store knows the second of three; the others stay new, and each is answered as itself.
TEST_F(IntakeTest, what_only_the_store_knows_is_a_resend_among_new_messages) {
  const auto first = accept(oru("2"));
  projected("2", first.records.front());
  recent.projected_below({port::Topic::events, 0}, 1);
  ASSERT_EQ(recent.size(), 0U);

  const auto replies = accept(std::vector<std::string>{oru("1"), oru("2"), oru("3"), oru("2", "9.9")});
  EXPECT_FALSE(replies[0].duplicate);
  EXPECT_TRUE(replies[1].duplicate);
  EXPECT_EQ(replies[1].records, first.records);
  EXPECT_FALSE(replies[2].duplicate);
  EXPECT_THAT(replies[3].messages[0], HasSubstr("MSH^1^10")) << "other content under a control id that the store knows";
  EXPECT_EQ(stored(events), 4U);
  recent.projected_below({port::Topic::events, 0}, 100);
  EXPECT_EQ(recent.size(), 0U) << "what the store knows is not remembered as on its way for ever";
}

// The store was read a moment too early to know the message, and RecentControls is asked again a moment too late.
TEST_F(IntakeTest, what_is_projected_while_the_store_is_asked_is_still_a_resend) {
  const auto first = accept(oru("2"));
  ASSERT_FALSE(accept(oru("2", "9.9")).duplicate);
  projected("2", first.records.front());
  DistantStore late(store);
  late.meanwhile = [this] { recent.projected_below({port::Topic::events, 0}, 100); };
  Intake intake_beside(log, late, format, rules, recent, metrics, clock, {});
  const std::string again = oru("2", "9.9");
  const std::vector<port::Frame> frames{{again, clock.now(), 0, {}}};
  EXPECT_TRUE(tests::await(intake_beside.accept(peer, frames)).front().duplicate);
  EXPECT_EQ(stored(events), 2U);
  EXPECT_EQ(metrics.sum("hutong_control_id_conflicts_total", {}), 1);
}

TEST_F(IntakeTest, a_store_that_does_not_answer_holds_an_acknowledgement_up_for_its_patience_only) {
  DistantStore distant(store);
  distant.silent = true;
  Intake far(log, distant, format, rules, recent, metrics, clock, {.store_patience = std::chrono::milliseconds(30)});
  net::io_context io(1);
  const std::string message = oru("1");
  const port::Frame frame{message, clock.now(), 0, {}};
  bool answered = false;
  net::co_spawn(io, far.accept(peer, std::span(&frame, 1)), [&](std::exception_ptr, std::vector<port::Reply> replies) {
    answered = true;
    EXPECT_EQ(replies[0].answer, Answer::accepted);
    io.stop();
  });
  io.run_for(std::chrono::seconds(5));
  EXPECT_TRUE(answered);
  EXPECT_EQ(stored(events), 1U);
}

TEST_F(IntakeTest, an_unknown_sender_from_elsewhere_leaves_nothing_behind) {
  peer.trusted_network = false;
  auto message = oru("1");
  message.replace(message.find("HOSP"), 4, "NONE");
  EXPECT_EQ(accept(message).answer, Answer::header_rejected);
  EXPECT_EQ(stored(quarantine), 0U);
  peer.trusted_network = true;
  EXPECT_EQ(accept(message).answer, Answer::header_rejected);
  EXPECT_EQ(stored(quarantine), 1U);
}

TEST_F(IntakeTest, a_refusal_repeated_before_the_projector_saw_it_is_counted_and_not_kept_again) {
  const auto message = oru("");
  const auto digest = sha256(message);
  const std::string_view hash = as_view(digest);
  for (const auto& reply : accept({message, oru("1"), message})) EXPECT_FALSE(reply.messages.empty());
  EXPECT_EQ(stored(quarantine), 1U);
  EXPECT_EQ(refusals.count("hosp", hash).times, 1U);
  EXPECT_EQ(accept(message).answer, Answer::header_rejected);
  EXPECT_EQ(stored(quarantine), 1U);
  EXPECT_EQ(refusals.count("hosp", hash).times, 2U);
}

TEST_F(IntakeTest, a_refusal_that_could_not_be_kept_is_not_remembered_as_kept) {
  const auto message = oru("");
  log.fail_appends(1'000'000, {ErrorCode::unavailable, "disk full"});
  Intake hasty(log, store, format, rules, recent, metrics, clock,
               {.append_deadline = std::chrono::milliseconds(200), .refusals = &refusals});
  const std::vector<port::Frame> frames(2, {message, clock.now(), 0, {}});
  for (const auto& reply : tests::await(hasty.accept(peer, frames))) EXPECT_EQ(reply.answer, Answer::try_again);
  log.fail_appends(0, {});
  EXPECT_EQ(accept(message).answer, Answer::header_rejected);
  EXPECT_EQ(stored(quarantine), 1U);
}

TEST_F(IntakeTest, what_is_in_quarantine_already_is_counted_and_not_kept_again) {
  const auto message = oru("");
  const auto digest = sha256(message);
  const std::string hash(as_view(digest));
  port::StoreBatch batch;  // what the projector made of it before a restart
  batch.put(port::tables::quarantine, {std::string("hosp"), hash, std::int64_t{0}, std::string(), std::string(),
                                       std::string(), std::string(), std::string(), std::int64_t{0}, std::string()});
  ASSERT_TRUE(tests::await(store.write(std::move(batch))));
  EXPECT_EQ(accept(message).answer, Answer::header_rejected);
  EXPECT_EQ(accept(message).answer, Answer::header_rejected);
  peer.protocol = "retry";
  EXPECT_EQ(accept(message).answer, Answer::header_rejected);
  EXPECT_EQ(stored(quarantine), 0U);
  EXPECT_EQ(refusals.count("hosp", hash).times, 2U);
}

TEST_F(IntakeTest, an_acknowledgement_is_kept_and_never_acknowledged) {
  const std::string header = "MSH|^~\\&|LIS|HOSP|HUTONG|REGION|20260105081500||ACK^R01^ACK|";
  for (const std::string& message : {header + "A1|P|2.5.1\rMSA|AA|x\r", header + "|P|2.5.1\rMSA|AA|x\r",
                                     header + "A2|P|2.5.1|||AL|AL\rMSA|AA|x\r"}) {
    const auto reply = accept(message);
    EXPECT_TRUE(reply.messages.empty()) << reply.messages.front();
    EXPECT_TRUE(reply.acknowledgement);
  }
  EXPECT_FALSE(accept(oru("1")).acknowledgement);
  EXPECT_EQ(stored(events), 3U);
  EXPECT_EQ(stored(quarantine), 1U);
  EXPECT_EQ(metrics.sum("hutong_acknowledgements_received_total", {{"facility", "hosp"}}), 3);
  log.fail_appends(1'000'000, {ErrorCode::unavailable, "disk full"});
  Intake hasty(log, store, format, rules, recent, metrics, clock, {.append_deadline = std::chrono::milliseconds(200)});
  const std::string lost = header + "A3|P|2.5.1\rMSA|AA|x\r";
  const std::vector<port::Frame> frames{{lost, clock.now(), 0, {}}};
  EXPECT_TRUE(tests::await(hasty.accept(peer, frames)).front().messages.empty()) << "nor asked for again";
}

TEST_F(IntakeTest, a_laboratory_that_must_not_be_blocked_hears_AA_and_its_bytes_are_kept) {
  auto message = oru("1");
  message.replace(message.find("HOSP"), 4, "LENIENT");
  message.erase(message.find("PID|"), message.find("OBR|") - message.find("PID|"));
  const auto reply = accept(message);
  EXPECT_EQ(reply.answer, Answer::accepted);
  EXPECT_THAT(reply.messages[0], HasSubstr("MSA|AA|1"));
  EXPECT_TRUE(reply.records.empty());
  EXPECT_EQ(stored(quarantine), 1U);
}

TEST_F(IntakeTest, two_patients_of_one_message_are_two_records_in_one_append) {
  const auto two = oru("1") + oru("1", "6.1", "P2").substr(oru("1").find("PID|"));
  EXPECT_EQ(accept(two).records.size(), 2U);
  const auto slice = *tests::await(log.read(events, 0, {}));
  ASSERT_EQ(slice.records.size(), 2U);
  EXPECT_EQ(slice.records[0].record.key, "hosp/P1");
  EXPECT_EQ(slice.records[1].record.key, "hosp/P2");
  EXPECT_EQ(slice.records[0].record.raw, two) << "the original is kept, once";
  EXPECT_TRUE(slice.records[1].record.raw.empty());
  EXPECT_TRUE(accept(two).duplicate);
}

}  // namespace
}  // namespace hutong::pipeline
