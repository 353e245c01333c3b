// Cursors, resends, feeds, quarantine, failures: what the projector keeps whatever the messages say.
#include "broker/pipeline/feed_state.h"
#include "broker/pipeline/quarantine_entry.h"
#include "tests/unit/pipeline/projector_fixture.h"

namespace hutong::pipeline {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class ProjectorFold : public ProjectorTest {
 protected:
  FeedState feed(const std::string& facility) {
    auto row = *await(store->get(tables::feeds, {facility}));
    if (!row) return {};
    return *read_feed_state(text(*row, 1));
  }
  port::Record quarantined(std::string facility, std::string hash_byte, std::string reason, Timestamp received) {
    QuarantineEntry entry;
    entry.facility = facility;
    entry.answer = model::Answer::header_rejected;
    entry.reason = reason;
    entry.path = "MSH-12";
    entry.type = "ORU^R01";
    entry.control_id = "q1";
    entry.received = received;
    for (int i = 0; i < 32; ++i) entry.raw_hash += hash_byte;
    entry.length = 100;
    Arena arena;
    model::Issues issues;
    issues.add(arena, {model::Severity::error, reason, "MSH-12", "\"1.0\"", "2.1 to 2.8", "203"});
    return {RecordId(sha256(entry.raw_hash)), facility + "/" + entry.raw_hash, std::string(quarantine_entry_kind),
            write(entry, issues), "raw bytes"};
  }
};

TEST_F(ProjectorFold, a_record_becomes_rows_under_its_patient_and_the_cursor_moves_with_them) {
  tell(Message("c1").report({}));
  EXPECT_EQ(rows(tables::patients).size(), 1u);
  EXPECT_EQ(rows(tables::reports, {std::string("h1"), std::string("P1")}).size(), 1u);
  auto cursor = *await(store->cursor({port::Topic::events, 0}));
  ASSERT_TRUE(cursor);
  EXPECT_EQ(cursor->next, 1u);
  EXPECT_EQ(cursor->log_id, log.id());
  EXPECT_EQ(projector->projected(), 1u);
  EXPECT_TRUE(projector->caught_up());
  EXPECT_EQ(projector->lag_records(), 0u);
  EXPECT_EQ(projector->lag_seconds(), 0);
}

TEST_F(ProjectorFold, a_record_id_that_the_log_holds_again_changes_nothing_but_the_count_of_duplicates) {
  Message message("c1");
  message.report({});
  auto record = message.record();
  append(record);
  project();
  const auto before = everything(*store);
  const double created = effect("report_created");
  append(record);
  append(record);
  restart();  // the memory of a resend is the store's
  project();
  auto after = everything(*store);
  EXPECT_EQ(feed("h1").duplicates, 2u);
  EXPECT_EQ(feed("h1").records, 1u);
  for (const auto& [table, rows_before] : before) {
    if (table != "feeds" && table != "no_change") EXPECT_EQ(after[table], rows_before) << table;
  }
  EXPECT_EQ(effect("report_created"), created);
  EXPECT_EQ(effect("report_unchanged"), 0);
  // Nobody is to be told of them.
  ASSERT_EQ(after["no_change"].size(), 2u);
  EXPECT_EQ(number(after["no_change"][0], 1), 1);
  EXPECT_EQ(text(after["no_change"][0], 2), "*");
}

TEST_F(ProjectorFold, a_duplicate_within_one_batch_is_known_too) {
  Message message("c1");
  auto record = message.record();
  append(record);
  append(record);
  project();
  EXPECT_EQ(feed("h1").duplicates, 1u);
}

TEST_F(ProjectorFold, one_control_id_with_other_content_keeps_both_records) {
  Message first("c1"), second("c1");
  append(first, "a");
  append(second, "b");
  project();
  auto controls = rows(tables::controls);
  ASSERT_EQ(controls.size(), 1u);
  EXPECT_EQ(text(controls[0], 1).size(), 32u);
  EXPECT_EQ(feed("h1").records, 2u);
}

TEST_F(ProjectorFold, a_control_id_that_is_never_changed_remembers_the_last_64_records) {
  for (int i = 0; i < 65; ++i) {
    Message message("same");
    append(message, std::to_string(i));
  }
  project();
  auto controls = rows(tables::controls);
  ASSERT_EQ(controls.size(), 1u);
  const auto log_records = in_log(port::Topic::events);
  EXPECT_EQ(text(controls[0], 1).size(), 64u * 16);
  EXPECT_EQ(text(controls[0], 1).substr(0, 16), log_records[1].record.id.view());
  EXPECT_EQ(text(controls[0], 1).substr(63 * 16), log_records[64].record.id.view());
}

TEST_F(ProjectorFold, batches_of_one_and_of_all_leave_the_same_rows) {
  for (int i = 0; i < 100; ++i) {
    append(Message("c" + std::to_string(i), {.number = "P" + std::to_string(i % 3), .card = "110105198001020011"})
               .report({.number = "R" + std::to_string(i % 7), .items = {{"GLU", std::to_string(i)}}}));
  }
  project();
  batch_records = 1;
  auto fresh = rebuilt();
  const auto now = everything(*store), again = everything(*fresh);
  for (const auto& [table, expected] : now) EXPECT_EQ(again.at(table), expected) << table;
}

TEST_F(ProjectorFold, a_message_without_patient_number_is_filed_under_its_record) {
  Message message("c1", {.number = ""});
  message.report({});
  auto record = message.record();
  append(record);
  project();
  EXPECT_EQ(text(rows(tables::patients).at(0), 1), record.id.hex());
  EXPECT_EQ(text(report().row, 1), record.id.hex());
}

TEST_F(ProjectorFold, what_a_message_leaves_out_stays_and_what_it_deletes_goes) {
  tell(Message("c1", {.card = "110105198001020011", .phone = "13800000000"}));
  tell(Message("c2", {.name = "", .born = "", .health_card = "HC1", .sex = model::Sex::unknown}));
  auto patient = rows(tables::patients).at(0);
  EXPECT_EQ(number(patient, 3), 2);
  for (const char* part : {"王小明", "1980-01-02", "110105198001020011", "13800000000", "HC1"}) {
    EXPECT_THAT(text(patient, 2), HasSubstr(part));
  }
  EXPECT_EQ(rows(tables::identifiers).size(), 3u);  // own number, card, health card
  tell(Message("c3", {.name = "", .born = "", .deleted = {"birthDate", "phone"}}));
  patient = rows(tables::patients).at(0);
  EXPECT_THAT(text(patient, 2), ::testing::Not(HasSubstr("1980-01-02")));
  EXPECT_THAT(text(patient, 2), ::testing::Not(HasSubstr("13800000000")));
  EXPECT_THAT(rows(tables::births), IsEmpty());
  tell(Message("c4", {.name = "王大明", .born = ""}));
  EXPECT_EQ(rows(tables::names).size(), 1u);
  EXPECT_EQ(text(rows(tables::names).at(0), 0), "王大明");
}

TEST_F(ProjectorFold, a_message_that_says_nothing_new_changes_no_version) {
  tell(Message("c1", {.card = "110105198001020011"}));
  const auto before = rows(tables::patients);
  tell(Message("c2", {.card = "110105198001020011"}));
  tell(Message("c3", {.name = "", .born = ""}));
  EXPECT_EQ(rows(tables::patients), before);
  EXPECT_EQ(effect("patient_updated"), 0);
}

TEST_F(ProjectorFold, a_corrected_card_takes_the_place_of_the_old_one) {
  tell(Message("c1", {.card = "110105198001020011"}));
  tell(Message("c2", {.card = "110105198001020038"}));
  EXPECT_EQ(rows(tables::identifiers).size(), 2u);
  EXPECT_THAT(text(rows(tables::patients).at(0), 2), ::testing::Not(HasSubstr("110105198001020011")));
}

TEST_F(ProjectorFold, no_card_number_stands_in_a_key) {
  tell(Message("c1", {.card = "110105198001020011"}));
  for (const auto& row : rows(tables::identifiers)) {
    EXPECT_EQ(text(row, 0).size(), 32u);
    EXPECT_EQ(text(row, 0).find("110105"), std::string::npos);
  }
}

TEST_F(ProjectorFold, a_feed_counts_kinds_types_warnings_and_unmapped_codes) {
  tell(Message("c1").report({.items = {{"GLU", "5.8", ResultStatus::final, "", "2345-7"}, {"XYZ", "1"}}}));
  tell(Message("c2").type("ADT^A08").issue({.code = "odd-date", .path = "PID-7"}));
  tell(Message("c3").report({.number = "R2", .items = {{"XYZ", "2"}}}).issue({.code = "control-id-conflict"}));
  auto state = feed("h1");
  EXPECT_EQ(state.records, 3u);
  EXPECT_EQ(state.by_kind["result.reported"], 2u);
  EXPECT_EQ(state.by_type["ORU^R01"], 2u);
  EXPECT_EQ(state.by_type["ADT^A08"], 1u);
  EXPECT_EQ(state.warnings, 2u);
  EXPECT_EQ(state.control_id_conflicts, 1u);
  EXPECT_EQ(state.unmapped, 2u);
  EXPECT_EQ(state.first_received.micros, 1'780'000'000'000'000);
  auto codes = rows(tables::unmapped);
  ASSERT_EQ(codes.size(), 1u);
  EXPECT_EQ(text(codes[0], 1), "XYZ");
  EXPECT_EQ(number(codes[0], 3), 2);
  EXPECT_LT(number(codes[0], 4), number(codes[0], 5));
  expect_rebuild_is_equal();
}

TEST_F(ProjectorFold, a_sender_cannot_grow_its_feed_state_without_bound) {
  FeedState state;
  for (int i = 0; i < 1000; ++i) FeedState::count(state.by_type, "T" + std::to_string(i));
  FeedState::count(state.by_type, std::string(65, 'x'));
  EXPECT_EQ(state.by_type.size(), feed_words_max + 1);
  EXPECT_EQ(state.by_type["other"], 1000 - feed_words_max + 1);
  auto again = read_feed_state(write(state));
  ASSERT_TRUE(again);
  EXPECT_EQ(again->by_type, state.by_type);
}

TEST_F(ProjectorFold, quarantine_is_listed_counted_once_and_marked_when_retried) {
  append(quarantined("h1", "a1", "version-unknown", {2'000'000}), port::Topic::quarantine);
  append(quarantined("h1", "a1", "version-unknown", {3'000'000}), port::Topic::quarantine);
  append(quarantined("h1", "b2", "no-patient", {1'000'000}), port::Topic::quarantine);
  project();
  auto all = rows(tables::quarantine);
  ASSERT_EQ(all.size(), 2u);
  EXPECT_EQ(text(all[0], 1), std::string(32, '\xa1'));
  EXPECT_EQ(number(all[0], 2), 0);
  EXPECT_EQ(text(all[0], 3), "header-rejected");
  EXPECT_EQ(text(all[0], 4), "version-unknown");
  EXPECT_EQ(text(all[0], 9), "");
  auto state = feed("h1");
  EXPECT_EQ(state.rejected, 2u);
  EXPECT_EQ(state.rejects["no-patient"], 1u);
  EXPECT_EQ(state.last_reject.reason, "version-unknown");
  EXPECT_EQ(state.last_reject.at.micros, 2'000'000);

  std::string hash;
  for (int i = 0; i < 32; ++i) hash += "a1";
  append({RecordId(sha256("o")), "h1/" + hash, std::string(quarantine_outcome_kind),
          write(QuarantineOutcome{"h1", hash, "accepted", {5}}), ""},
         port::Topic::quarantine);
  project();
  EXPECT_EQ(text(rows(tables::quarantine).at(0), 9), "accepted");
  EXPECT_EQ(text(rows(tables::quarantine).at(1), 9), "");
  expect_rebuild_is_equal();
}

TEST_F(ProjectorFold, a_quarantine_entry_reads_back_as_written) {
  auto record = quarantined("h1", "a1", "version-unknown", {7});
  auto entry = read_quarantine_entry(record.json);
  ASSERT_TRUE(entry);
  EXPECT_EQ(entry->answer, model::Answer::header_rejected);
  EXPECT_EQ(entry->received.micros, 7);
  EXPECT_EQ(entry->length, 100u);
  ASSERT_EQ(entry->issues.size(), 1u);
  EXPECT_EQ(entry->issues[0].found, "\"1.0\"");
  EXPECT_EQ(entry->issues[0].hl7_code, "203");
  EXPECT_FALSE(read_quarantine_entry("not json"));
}

TEST_F(ProjectorFold, a_document_that_does_not_read_is_counted_and_stops_nobody) {
  append({RecordId(sha256("x")), "h1/P1", "", "{\"broken\":", ""});
  append({RecordId(sha256("y")), "h1/P1", "", "{}", ""}, port::Topic::identity);
  tell(Message("c1").report({}));
  EXPECT_EQ(rows(tables::reports).size(), 1u);
  EXPECT_EQ(feed("h1").unreadable, 1u);
  EXPECT_EQ(metrics.counter("hutong_projector_unreadable_total", "").value(), 2);
}

TEST_F(ProjectorFold, a_store_made_from_another_log_is_refused_with_both_names) {
  tell(Message("c1"));
  memory::MemoryLog other(clock);
  Projector stranger(other, *store, metrics, clock, options());
  auto prepared = await(stranger.prepare());
  ASSERT_FALSE(prepared);
  EXPECT_EQ(prepared.error().code, ErrorCode::conflict);
  EXPECT_THAT(prepared.error().message,
              ::testing::AllOf(HasSubstr(log.id()), HasSubstr(other.id()), HasSubstr("hutong rebuild")));
}

TEST_F(ProjectorFold, a_store_ahead_of_its_log_is_refused_with_both_offsets) {
  port::StoreBatch batch;
  batch.cursor = port::Cursor{{port::Topic::events, 0}, 7, log.id()};
  ASSERT_TRUE(await(store->write(std::move(batch))));
  append(Message("c1"));
  Projector ahead(log, *store, metrics, clock, options());
  auto prepared = await(ahead.prepare());
  ASSERT_FALSE(prepared);
  EXPECT_EQ(prepared.error().code, ErrorCode::conflict);
  EXPECT_THAT(prepared.error().message, ::testing::AllOf(HasSubstr("offset 7"), HasSubstr("ends at 1")));
}

TEST_F(ProjectorFold, a_rebuild_into_a_store_that_is_not_empty_is_refused) {
  tell(Message("c1"));
  PrometheusMetrics other;
  auto done = await(rebuild(log, *store, other, clock, options()));
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().code, ErrorCode::conflict);
}

// A store that refuses its nth call, once.
class FailingStore final : public port::Store {
 public:
  explicit FailingStore(port::Store& store) : store_(store) {}
  int fail_at = -1;
  int calls = 0;

  net::awaitable<Result<void>> write(port::StoreBatch batch) override {
    if (calls++ == fail_at) co_return fail(ErrorCode::unavailable, "no space");
    co_return co_await store_.write(std::move(batch));
  }
  net::awaitable<Result<std::vector<std::optional<port::Row>>>> get_many(std::vector<port::Lookup> lookups) override {
    if (calls++ == fail_at) co_return fail(ErrorCode::unavailable, "disk");
    co_return co_await store_.get_many(std::move(lookups));
  }
  net::awaitable<Result<std::vector<port::Row>>> scan(const port::Table& table, port::Scan scan) override {
    if (calls++ == fail_at) co_return fail(ErrorCode::unavailable, "disk");
    co_return co_await store_.scan(table, std::move(scan));
  }
  net::awaitable<Result<std::optional<port::Cursor>>> cursor(port::Partition partition) override {
    return store_.cursor(partition);
  }
  net::awaitable<Result<void>> checkpoint(const std::filesystem::path& path) override {
    return store_.checkpoint(path);
  }
  std::uint64_t bytes() const override { return 0; }
  net::awaitable<Result<void>> close() override { return store_.close(); }

 private:
  port::Store& store_;
};

TEST_F(ProjectorFold, whichever_call_the_store_refuses_the_next_try_leaves_the_same_rows) {
  append(Message("c1", {.card = "110105198001020011"}).report({}));
  append(Message("c1b", {.number = "P2", .card = "110105198001020011"}).report({.number = "R2"}));
  append(Message("c2").report({.items = {{"GLU", "6.8"}, {"XYZ", "1"}}}));
  for (int i = 0; i < 12; ++i) {  // each new patient with a card is looked for on its own
    const auto number = std::to_string(i);
    append(Message("d" + number, {.number = "Q" + number, .card = "110105198001020011"}));
  }
  auto quiet = options();
  quiet.emit = false;  // nothing is decided in the log yet: each try decides anew
  PrometheusMetrics once;
  ASSERT_TRUE(await(Projector(log, *store, once, clock, quiet).catch_up()));
  const auto expected = everything(*store);
  for (int call = 0;; ++call) {
    store::MemoryStore memory;
    FailingStore failing(memory);
    failing.fail_at = call;
    PrometheusMetrics own;
    Projector again(log, failing, own, clock, quiet);
    auto first = await(again.catch_up());
    if (first) {
      ASSERT_GT(call, 20);  // every call was refused once
      break;
    }
    EXPECT_EQ(first.error().code, ErrorCode::unavailable);
    ASSERT_TRUE(await(again.catch_up()));
    EXPECT_EQ(everything(memory), expected) << "call " << call;
    EXPECT_EQ(own.counter("hutong_effects_total", "", {{"effect", "report_created"}}).value(), 2);
  }
}

TEST_F(ProjectorFold, lag_is_the_age_of_the_oldest_record_not_applied) {
  batch_records = 1;
  restart();
  append(Message("c1"));
  append(Message("c2"));
  clock.advance(std::chrono::seconds(10));
  ASSERT_TRUE(await(projector->step()));
  EXPECT_EQ(projector->lag_records(), 1u);
  EXPECT_GE(projector->lag_seconds(), 10);
  ASSERT_TRUE(await(projector->step()));
  EXPECT_EQ(projector->lag_records(), 0u);
  EXPECT_EQ(projector->lag_seconds(), 0);
}

TEST_F(ProjectorFold, run_tails_the_log_until_it_is_stopped_and_tells_who_waits) {
  port::Offset told = 0;
  auto with = options();
  with.on_projected = [&](port::Partition partition, port::Offset next) {
    if (partition.topic == port::Topic::events) told = next;
  };
  Projector tailing(log, *store, metrics, clock, with);
  net::io_context context{1};
  bool waited = false;
  net::co_spawn(context, tailing.run(), [](std::exception_ptr failed) { EXPECT_FALSE(failed); });
  net::co_spawn(
      context,
      [&]() -> net::awaitable<void> {
        std::vector<port::Record> batch;
        Message message("c1");
        batch.push_back(message.record());
        co_await log.append(port::Topic::events, std::move(batch));
        waited = co_await tailing.wait_until(1, std::chrono::hours(1));
        tailing.stop();
      },
      [](std::exception_ptr failed) { EXPECT_FALSE(failed); });
  context.run();
  EXPECT_TRUE(waited);
  EXPECT_EQ(told, 1u);
}

// Stays.

class Encounters : public ProjectorTest {
 protected:
  std::string status() {
    auto all = rows(tables::encounters);
    EXPECT_EQ(all.size(), 1u);
    return text(all.at(0), 5);
  }
  std::string body() { return text(rows(tables::encounters).at(0), 8); }
  Message said(std::string change, model::EncounterStatus status, std::string occurred) {
    Message message("c" + std::to_string(++messages_));
    message.type("ADT^A01").encounter(change, status, occurred, [&](model::Encounter& encounter, Message& keeper) {
      if (change == "admitted") {
        encounter.admitted.iso = keeper.keep(occurred);
        encounter.location = "W1";
      }
      if (change == "transferred") {
        encounter.prior_location = "W1";
        encounter.location = "W2";
      }
      if (change == "discharged") encounter.discharged.iso = keeper.keep(occurred);
    });
    return message;
  }
  int messages_ = 0;
};

using enum model::EncounterStatus;

TEST_F(Encounters, a_stay_lives_from_admission_to_discharge_in_one_row) {
  tell(said("admitted", in_progress, "2026-05-01T08:00:00+08:00"));
  EXPECT_EQ(status(), "in-progress");
  tell(said("transferred", in_progress, "2026-05-02T08:00:00+08:00"));
  EXPECT_THAT(body(), HasSubstr("W2"));
  tell(said("discharged", finished, "2026-05-03T08:00:00+08:00"));
  EXPECT_EQ(status(), "finished");
  EXPECT_EQ(number(rows(tables::encounters).at(0), 4), 3);
  EXPECT_EQ(rows(tables::encounter_ids).size(), 1u);
}

TEST_F(Encounters, a_cancelled_admission_cancels_and_an_update_does_not_revive_it) {
  tell(said("admitted", in_progress, "2026-05-01T08:00:00+08:00"));
  tell(said("cancelled-admit", cancelled, "2026-05-01T09:00:00+08:00"));
  EXPECT_EQ(status(), "cancelled");
  tell(said("updated", finished, "2026-05-01T10:00:00+08:00"));
  EXPECT_EQ(status(), "cancelled");
}

TEST_F(Encounters, a_cancelled_discharge_reopens_the_stay) {
  tell(said("admitted", in_progress, "2026-05-01T08:00:00+08:00"));
  tell(said("discharged", finished, "2026-05-03T08:00:00+08:00"));
  tell(said("cancelled-discharge", in_progress, "2026-05-03T09:00:00+08:00"));
  EXPECT_EQ(status(), "in-progress");
  EXPECT_THAT(body(), ::testing::Not(HasSubstr("\"discharged\":")));
}

TEST_F(Encounters, a_cancelled_transfer_leads_back_to_the_prior_place) {
  tell(said("admitted", in_progress, "2026-05-01T08:00:00+08:00"));
  tell(said("transferred", in_progress, "2026-05-02T08:00:00+08:00"));
  tell(said("cancelled-transfer", in_progress, "2026-05-02T09:00:00+08:00"));
  EXPECT_THAT(body(), HasSubstr("\"location\":\"W1\""));
}

TEST_F(Encounters, a_resent_event_changes_nothing) {
  tell(said("admitted", in_progress, "2026-05-01T08:00:00+08:00"));
  const auto before = rows(tables::encounters);
  tell(said("admitted", in_progress, "2026-05-01T08:00:00+08:00"));
  EXPECT_EQ(rows(tables::encounters), before);
}

// Arrival in any order ends in the same state where the events' own times tell the order.
TEST_F(Encounters, a_story_of_six_events_ends_the_same_in_every_order_of_arrival) {
  struct Step {
    const char* change;
    model::EncounterStatus status;
    const char* occurred;
  };
  const std::vector<Step> story{{"admitted", in_progress, "2026-05-01T08:00:00+08:00"},
                                {"transferred", in_progress, "2026-05-02T08:00:00+08:00"},
                                {"discharged", finished, "2026-05-03T08:00:00+08:00"},
                                {"cancelled-discharge", in_progress, "2026-05-03T09:00:00+08:00"},
                                {"updated", unknown, "2026-05-03T10:00:00+08:00"},
                                {"discharged", finished, "2026-05-04T08:00:00+08:00"}};
  std::vector<int> order{0, 1, 2, 3, 4, 5};
  int permutations = 0;
  do {
    store = std::make_unique<store::MemoryStore>();
    memory::MemoryLog own(clock);
    Projector again(own, *store, metrics, clock, options());
    std::vector<port::Record> batch;
    for (int at : order) {
      const auto& step = story[static_cast<std::size_t>(at)];
      batch.push_back(said(step.change, step.status, step.occurred).record());
    }
    ASSERT_TRUE(await(own.append(port::Topic::events, std::move(batch))));
    ASSERT_TRUE(await(again.catch_up()));
    ASSERT_EQ(status(), "finished") << ::testing::PrintToString(order);
    ASSERT_THAT(body(), HasSubstr("\"admitted\":{\"iso\":\"2026-05-01T08:00:00+08:00\""))
        << ::testing::PrintToString(order);
    ASSERT_THAT(body(), HasSubstr("\"discharged\":{\"iso\":\"2026-05-04T08:00:00+08:00\""))
        << ::testing::PrintToString(order);
    ++permutations;
  } while (std::next_permutation(order.begin(), order.end()));
  EXPECT_EQ(permutations, 720);
}

TEST_F(ProjectorFold, results_end_the_same_in_every_order_of_arrival_where_status_or_time_tells) {
  const std::vector<LabReport> story{
      {.status = ResultStatus::registered, .items = {}, .issued = "2026-05-01T08:00:00+08:00"},
      {.status = ResultStatus::preliminary,
       .items = {{"GLU", "5.1", ResultStatus::preliminary}},
       .issued = "2026-05-01T09:00:00+08:00"},
      {.issued = "2026-05-01T10:00:00+08:00"},
      {.status = ResultStatus::corrected,
       .items = {{"GLU", "6.8", ResultStatus::corrected}, {"ALT", "31"}},
       .issued = "2026-05-01T11:00:00+08:00"},
      {.status = ResultStatus::corrected,
       .items = {{"GLU", "6.8", ResultStatus::corrected}, {"ALT", "31"}},
       .issued = "2026-05-01T12:00:00+08:00"}};
  std::vector<int> order{0, 1, 2, 3, 4};
  do {
    store = std::make_unique<store::MemoryStore>();
    memory::MemoryLog own(clock);
    Projector again(own, *store, metrics, clock, options());
    std::vector<port::Record> batch;
    for (int at : order) {
      Message message("c" + std::to_string(at));
      message.report(story[static_cast<std::size_t>(at)]);
      batch.push_back(message.record());
    }
    ASSERT_TRUE(await(own.append(port::Topic::events, std::move(batch))));
    ASSERT_TRUE(await(again.catch_up()));
    ASSERT_EQ(report().status, "corrected") << ::testing::PrintToString(order);
    ASSERT_THAT(report().items, ElementsAre(ShownItem{"GLU", "6.8", "corrected"}, ShownItem{"ALT", "31", "final"}))
        << ::testing::PrintToString(order);
  } while (std::next_permutation(order.begin(), order.end()));
}

}  // namespace
}  // namespace hutong::pipeline
