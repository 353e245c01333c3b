// Links, merges and conflicts: decided once, kept in the log, applied again by a rebuild and never made again.
#include "broker/pipeline/effects_identity.h"
#include "tests/unit/pipeline/projector_fixture.h"

namespace hutong::pipeline {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

constexpr const char* card = "110105198001020011";

class ProjectorIdentity : public ProjectorTest {
 protected:
  Message at(std::string facility, std::string number, std::string name = "王小明", std::string card_number = card) {
    return Message("c" + std::to_string(++messages_), {.number = std::move(number),
                                                       .facility = std::move(facility),
                                                       .name = std::move(name),
                                                       .card = std::move(card_number)});
  }
  int messages_ = 0;
};

TEST_F(ProjectorIdentity, one_card_one_name_and_one_birth_date_at_two_facilities_is_one_person_the_older_one) {
  tell(at("h1", "P1"));
  EXPECT_THAT(rows(tables::persons), SizeIs(1));  // the row that leads from the person's id back to the patient
  tell(at("h2", "Q7"));
  EXPECT_TRUE(same_person("h1", "P1", "h2", "Q7"));
  EXPECT_EQ(person_of(*store, "h2", "Q7"), model::first_person_id("h1", "P1").view());
  auto row = *await(store->get(tables::persons, {std::string(model::first_person_id("h1", "P1").view())}));
  ASSERT_TRUE(row);
  EXPECT_EQ(text(*row, 1), R"([["h1","P1"],["h2","Q7"]])");
  EXPECT_EQ(number(*row, 2), 2);
  auto gone = *await(store->get(tables::persons, {std::string(model::first_person_id("h2", "Q7").view())}));
  ASSERT_TRUE(gone);
  EXPECT_EQ(text(*gone, 1), "[]");
  EXPECT_EQ(text(*gone, 4), model::first_person_id("h1", "P1").view());
  EXPECT_THAT(rows(tables::pending), IsEmpty());
  ASSERT_EQ(in_log(port::Topic::identity).size(), 1u);
  const auto record = in_log(port::Topic::identity)[0].record;
  EXPECT_EQ(record.kinds, "identity.linked");
  EXPECT_THAT(record.json, HasSubstr(R"("reasons":["same-card","same-name","same-birth-date","same-sex"])"));
  EXPECT_THAT(record.json, Not(HasSubstr(card)));
  EXPECT_THAT(record.json, Not(HasSubstr("王小明")));
  // The time is the cause's, not when it was decided.
  EXPECT_EQ(number(*row, 3), in_log(port::Topic::events)[1].appended.micros);
}

TEST_F(ProjectorIdentity, a_child_on_a_parents_card_stays_apart_and_becomes_a_conflict) {
  tell(at("h1", "P1"));
  tell(at("h2", "Q7", "王小宝"));
  EXPECT_FALSE(same_person("h1", "P1", "h2", "Q7"));
  ASSERT_EQ(rows(tables::conflicts).size(), 1u);
  EXPECT_THAT(text(rows(tables::conflicts)[0], 1), HasSubstr("other-name"));
  EXPECT_EQ(in_log(port::Topic::identity).at(0).record.kinds, "identity.conflict");
  EXPECT_EQ(effect("conflict"), 1);
  expect_rebuild_is_equal();
}

TEST_F(ProjectorIdentity, a_conflict_that_a_corrected_name_resolves_is_taken_from_the_steward) {
  tell(at("h1", "P1"));
  tell(at("h2", "Q7", "王大明"));
  ASSERT_EQ(rows(tables::conflicts).size(), 1u);
  tell(at("h2", "Q7", "王小明"));
  EXPECT_TRUE(same_person("h1", "P1", "h2", "Q7"));
  EXPECT_THAT(rows(tables::conflicts), IsEmpty());
  expect_rebuild_is_equal();
}

TEST_F(ProjectorIdentity, invalid_and_placeholder_cards_never_link_nor_conflict) {
  tell(Message("c1", {.card = card, .card_valid = false}));
  tell(Message("c2", {.facility = "h2", .card = card, .card_valid = false}));
  tell(Message("c3", {.facility = "h3", .card = "110101190001010000", .card_placeholder = true}));
  tell(Message("c4", {.facility = "h4", .card = "110101190001010000", .card_placeholder = true}));
  EXPECT_THAT(in_log(port::Topic::identity), IsEmpty());
  EXPECT_THAT(rows(tables::persons), SizeIs(4));
  EXPECT_THAT(rows(tables::person_of), IsEmpty());
}

TEST_F(ProjectorIdentity, a_card_told_later_links_then) {
  tell(at("h1", "P1"));
  tell(at("h2", "Q7", "王小明", ""));
  EXPECT_FALSE(same_person("h1", "P1", "h2", "Q7"));
  tell(at("h2", "Q7"));
  EXPECT_TRUE(same_person("h1", "P1", "h2", "Q7"));
}

TEST_F(ProjectorIdentity, a_pair_is_decided_once_however_often_it_is_seen) {
  tell(at("h1", "P1"));
  tell(at("h2", "Q7"));
  tell(at("h1", "P1", "王小明小"));
  tell(at("h1", "P1", "王小明"));
  tell(at("h2", "Q7"));
  restart();
  tell(at("h2", "Q7", "王小明"));
  std::vector<std::string> kinds;
  for (const auto& record : in_log(port::Topic::identity)) kinds.push_back(record.record.kinds);
  EXPECT_THAT(kinds, ElementsAre("identity.linked", "identity.conflict"));
}

TEST_F(ProjectorIdentity, three_facilities_become_one_person_in_every_order_of_arrival_and_in_one_batch) {
  std::vector<std::string> order{"h1", "h2", "h3"};
  do {
    memory::MemoryLog own(clock);
    store::MemoryStore fresh;
    Projector again(own, fresh, metrics, clock, options());
    std::vector<port::Record> batch;
    for (const auto& facility : order) {
      auto message = at(facility, "P");
      batch.push_back(message.record());
    }
    ASSERT_TRUE(await(own.append(port::Topic::events, std::move(batch))));
    ASSERT_TRUE(await(again.catch_up()));
    const auto person = person_of(fresh, "h1", "P");
    EXPECT_EQ(person_of(fresh, "h2", "P"), person);
    EXPECT_EQ(person_of(fresh, "h3", "P"), person);
    auto row = *await(fresh.get(tables::persons, {person}));
    ASSERT_TRUE(row);
    EXPECT_EQ(text(*row, 1), R"([["h1","P"],["h2","P"],["h3","P"]])");
    EXPECT_THAT(rows_of(fresh, tables::pending), IsEmpty());
  } while (std::next_permutation(order.begin(), order.end()));
}

TEST_F(ProjectorIdentity, a_merge_leads_the_prior_numbers_person_to_the_surviving_one) {
  tell(at("h1", "OLD", "李四", ""));
  tell(Message("m1", {.number = "NEW", .name = "李四"}).type("ADT^A40").merge("OLD"));
  EXPECT_EQ(person_of(*store, "h1", "OLD"), model::first_person_id("h1", "NEW").view());
  auto gone = *await(store->get(tables::persons, {std::string(model::first_person_id("h1", "OLD").view())}));
  ASSERT_TRUE(gone);
  EXPECT_EQ(text(*gone, 4), model::first_person_id("h1", "NEW").view());
  const auto record = in_log(port::Topic::identity).at(0).record;
  EXPECT_EQ(record.kinds, "identity.merged");
  EXPECT_THAT(record.json, HasSubstr(R"("reasons":["merged-by-facility","A40"])"));
  expect_rebuild_is_equal();
}

TEST_F(ProjectorIdentity, a_merge_before_anything_is_known_of_the_prior_number_holds_for_what_comes_later) {
  tell(Message("m1", {.number = "NEW", .name = "李四"}).merge("OLD"));
  tell(at("h1", "OLD", "李四", ""));
  EXPECT_TRUE(same_person("h1", "OLD", "h1", "NEW"));
  expect_rebuild_is_equal();
}

TEST_F(ProjectorIdentity, merged_persons_bring_all_their_members) {
  tell(at("h1", "A"));
  tell(at("h2", "B"));  // A and B are one
  tell(at("h1", "C", "李四", ""));
  tell(Message("m1", {.number = "C", .name = "李四"}).merge("A"));
  EXPECT_TRUE(same_person("h1", "C", "h2", "B"));
  auto row = *await(store->get(tables::persons, {std::string(model::first_person_id("h1", "C").view())}));
  ASSERT_TRUE(row);
  EXPECT_EQ(text(*row, 1), R"([["h1","A"],["h1","C"],["h2","B"]])");
}

TEST_F(ProjectorIdentity, a_rebuild_applies_the_decisions_of_the_log_and_makes_none) {
  tell(at("h1", "P1"));
  tell(at("h2", "P2"));
  tell(at("h3", "P3", "王小宝"));
  tell(at("h3", "P4"));
  tell(Message("m1", {.number = "NEW", .facility = "h2"}).merge("P2"));
  tell(at("h3", "P3"));
  const auto decided = in_log(port::Topic::identity).size();
  expect_rebuild_is_equal();
  // A projector that goes on from the rebuilt store finds nothing to say either.
  store = rebuilt();
  restart();
  project();
  EXPECT_EQ(in_log(port::Topic::identity).size(), decided);
  EXPECT_THAT(rows(tables::pending), IsEmpty());
}

TEST_F(ProjectorIdentity, a_decision_that_was_appended_before_a_crash_is_not_appended_again_after_it) {
  tell(at("h1", "P1"));
  append(at("h2", "P2"));
  ASSERT_TRUE(await(projector->step()));  // applied, emitted; the process dies before it meets its own decision
  ASSERT_EQ(in_log(port::Topic::identity).size(), 1u);
  ASSERT_EQ(rows(tables::pending).size(), 1u);
  restart();
  project();
  EXPECT_EQ(in_log(port::Topic::identity).size(), 1u);
  EXPECT_THAT(rows(tables::pending), IsEmpty());
  EXPECT_TRUE(same_person("h1", "P1", "h2", "P2"));
}

TEST_F(ProjectorIdentity, a_decision_that_the_log_refused_is_appended_later_once) {
  tell(at("h1", "P1"));
  append(at("h2", "P2"));
  log.fail_appends(1, {ErrorCode::unavailable, "disk full"});
  auto refused = await(projector->catch_up());
  ASSERT_FALSE(refused);
  EXPECT_EQ(rows(tables::pending).size(), 1u);
  project();
  EXPECT_EQ(in_log(port::Topic::identity).size(), 1u);
  EXPECT_TRUE(same_person("h1", "P1", "h2", "P2"));
}

TEST_F(ProjectorIdentity, a_decision_that_the_log_holds_twice_counts_once) {
  tell(at("h1", "P1"));
  tell(at("h2", "P2"));
  const auto before = everything(*store);
  append(in_log(port::Topic::identity)[0].record, port::Topic::identity);
  project();
  EXPECT_EQ(everything(*store), before);
}

TEST_F(ProjectorIdentity, nothing_is_emitted_before_the_log_as_it_was_at_start_is_applied) {
  append(at("h1", "P1"));
  append(at("h2", "P2"));
  append(at("h3", "P3"));
  batch_records = 1;
  restart();
  ASSERT_TRUE(await(projector->step()));
  ASSERT_TRUE(await(projector->step()));  // the pair is known, one record is still to come
  EXPECT_FALSE(projector->caught_up());
  EXPECT_EQ(rows(tables::pending).size(), 1u);
  EXPECT_THAT(in_log(port::Topic::identity), IsEmpty());
  project();
  EXPECT_EQ(in_log(port::Topic::identity).size(), 3u);
}

TEST_F(ProjectorIdentity, a_card_that_a_crowd_shares_links_nobody_and_tells_the_steward) {
  for (int i = 0; i < 33; ++i) append(at("h" + std::to_string(i), "P", "病人" + std::to_string(i)));
  project();
  const auto before = in_log(port::Topic::identity).size();
  tell(at("h99", "P", "病人3"));
  const auto records = in_log(port::Topic::identity);
  ASSERT_EQ(records.size(), before + 1);
  EXPECT_EQ(records.back().record.kinds, "identity.conflict");
  EXPECT_THAT(records.back().record.json, HasSubstr("card-shared-by-many"));
}

TEST_F(ProjectorIdentity, a_decision_reads_back_as_written) {
  IdentityDecision decision;
  decision.id = pair_id(DecisionKind::linked, {"h1", "1"}, {"h2", "2"});
  decision.patient = {"h1", "1"};
  decision.other = {"h2", "2\"\n"};
  decision.reasons = {"same-card"};
  decision.cause = "cause";
  decision.at = {42};
  decision.chance = 0.9876;
  decision.patient_guard = {{41}, {"a", "b"}, "M1"};
  decision.by = "steward";
  decision.apart = {{"h3", "3"}};
  decision.rest = {{"h4", "4"}, {"h5", "5"}};
  decision.of = decision.id;
  decision.decided_in = "log";
  decision.decided = {{0, 7}};
  auto read = read_identity_decision(write(decision));
  ASSERT_TRUE(read);
  EXPECT_EQ(read->id, decision.id);
  EXPECT_EQ(read->other, decision.other);
  EXPECT_EQ(read->reasons, decision.reasons);
  EXPECT_EQ(read->at, decision.at);
  EXPECT_DOUBLE_EQ(read->chance, decision.chance);
  EXPECT_EQ(read->patient_guard, decision.patient_guard);
  EXPECT_EQ(read->other_guard, decision.other_guard);
  EXPECT_EQ(read->by, decision.by);
  EXPECT_EQ(read->apart, decision.apart);
  EXPECT_EQ(read->rest, decision.rest);
  EXPECT_EQ(read->of, decision.of);
  EXPECT_EQ(read->decided_in, decision.decided_in);
  EXPECT_EQ(read->decided, decision.decided);
  EXPECT_EQ(pair_id(DecisionKind::linked, {"h2", "2"}, {"h1", "1"}), decision.id);
  EXPECT_NE(pair_id(DecisionKind::conflict, {"h2", "2"}, {"h1", "1"}), decision.id);
  EXPECT_FALSE(read_identity_decision("{}"));
}

}  // namespace
}  // namespace hutong::pipeline
