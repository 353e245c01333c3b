// Persons under links, merges, splits and their undoing, by matching and by stewards: what stands is what the decisions
// give, and a rebuild gives it again.
#include <random>

#include "broker/identity/persons.h"
#include "broker/pipeline/effects_identity.h"
#include "tests/unit/pipeline/steward_fixture.h"

namespace hutong::pipeline {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr const char* card = "110105198001020011";
constexpr const char* other_card = "230804199003072513";

TEST_F(ProjectorSteward, links_unlinks_and_undoes_with_names_and_words) {
  patient("h1", "P", "甲");
  patient("h2", "P", "乙");
  const auto link = linked_by_steward("h1", "h2");
  EXPECT_TRUE(one("h1", "h2"));
  const auto record = in_log(port::Topic::identity).back().record;
  EXPECT_EQ(record.kinds, "identity.linked");
  EXPECT_THAT(record.json, HasSubstr(R"("by":"steward","client":"client","note":"seen at the desk")"));
  EXPECT_EQ(decide(Kind::link, {{"h1", "P"}, {"h2", "P"}}).error().code, ErrorCode::conflict);
  const auto unlink = decide(Kind::unlink, {{"h2", "P"}});
  ASSERT_TRUE(unlink) << unlink.error().message;
  EXPECT_FALSE(one("h1", "h2"));
  EXPECT_EQ(person_of(*store, "h2", "P"), model::first_person_id("h2", "P").view());
  const auto back = decide(Kind::undo, {}, unlink->decision);
  ASSERT_TRUE(back) << back.error().message;
  EXPECT_TRUE(one("h1", "h2"));
  EXPECT_EQ(decide(Kind::undo, {}, unlink->decision).error().code, ErrorCode::conflict);  // undone already
  ASSERT_TRUE(decide(Kind::undo, {}, link));
  EXPECT_FALSE(one("h1", "h2"));
  EXPECT_THAT(rows(tables::person_history, {std::string("h1"), std::string("P")}), SizeIs(4));
  expect_rebuild_is_equal();
}

TEST_F(ProjectorSteward, an_undone_link_leaves_persons_as_if_it_had_never_been) {
  for (const char* facility : {"h1", "h2", "h3", "h4"}) patient(facility, "P", facility);
  linked_by_steward("h1", "h2");
  const auto members = [&] {
    std::map<std::string, std::string> out;
    for (const auto& row : rows(tables::persons)) out[text(row, 0)] = text(row, 1) + text(row, 4);
    return out;
  };
  const auto before = members();
  const auto bridge = linked_by_steward("h2", "h3");
  linked_by_steward("h3", "h4");
  EXPECT_TRUE(one("h1", "h4"));
  ASSERT_TRUE(decide(Kind::undo, {}, bridge));
  EXPECT_TRUE(one("h1", "h2"));
  EXPECT_TRUE(one("h3", "h4"));
  EXPECT_FALSE(one("h1", "h3"));
  EXPECT_EQ(members().at(std::string(model::first_person_id("h1", "P").view())),
            before.at(std::string(model::first_person_id("h1", "P").view())));
  expect_rebuild_is_equal();
}

TEST_F(ProjectorSteward, what_a_steward_has_split_no_machine_puts_together_again) {
  patient("h1", "P", "王小明", card);
  patient("h2", "P", "王小明", card);
  EXPECT_TRUE(one("h1", "h2"));
  ASSERT_TRUE(decide(Kind::unlink, {{"h2", "P"}}));
  EXPECT_FALSE(one("h1", "h2"));
  patient("h3", "P", "王小明", card);  // would join them both
  EXPECT_TRUE(one("h1", "h3") != one("h2", "h3"));
  EXPECT_FALSE(one("h1", "h2"));
  EXPECT_THAT(rows(tables::conflicts), IsEmpty());
  expect_rebuild_is_equal();
  // The facility says later that two of its numbers are one: that counts.
  patient("h2", "Q", "王小明");
  tell(Message("m1", {.number = "Q", .facility = "h2", .name = "王小明"}).merge("P"));
  EXPECT_TRUE(same_person("h2", "P", "h2", "Q"));
  ASSERT_TRUE(decide(Kind::unlink, {{"h2", "P"}}));
  tell(Message("m2", {.number = "Q", .facility = "h2", .name = "王小明"}).merge("P"));
  EXPECT_TRUE(same_person("h2", "P", "h2", "Q"));
  EXPECT_FALSE(one("h1", "h2") && one("h2", "h3"));
}

TEST_F(ProjectorSteward, persons_with_other_cards_are_not_joined_over_a_third_without_one) {
  patient("h1", "P", "王小明", card);
  patient("h2", "P", "王小明");
  patient("h3", "P", "王小明", other_card);
  const auto machine = [&](const char* a, const char* b, std::vector<std::string> cards_a,
                           std::vector<std::string> cards_b) {
    IdentityDecision decision;
    decision.patient = {a, "P"};
    decision.other = {b, "P"};
    decision.id = pair_id(DecisionKind::linked, decision.patient, decision.other);
    decision.at = clock.now();
    decision.patient_guard = {decision.at, std::move(cards_a), ""};
    decision.other_guard = {decision.at, std::move(cards_b), ""};
    append({decision.id, "k", "identity.linked", write(decision), ""}, port::Topic::identity);
    project();
  };
  machine("h1", "h2", {"one"}, {});
  EXPECT_TRUE(one("h1", "h2"));
  machine("h2", "h3", {}, {"two"});
  EXPECT_FALSE(one("h2", "h3"));
  ASSERT_THAT(rows(tables::conflicts), SizeIs(1));
  EXPECT_THAT(text(rows(tables::conflicts)[0], 1), HasSubstr("two-cards"));
  expect_rebuild_is_equal();
  // A steward knows better: and the question is answered.
  linked_by_steward("h2", "h3");
  EXPECT_TRUE(one("h1", "h3"));
  EXPECT_THAT(rows(tables::conflicts), IsEmpty());
  expect_rebuild_is_equal();
}

TEST_F(ProjectorSteward, a_question_is_answered_by_separating_and_comes_back_when_that_is_undone) {
  patient("h1", "P", "王小明", card);
  patient("h2", "P", "王小宝", card);
  ASSERT_THAT(rows(tables::conflicts), SizeIs(1));
  const auto apart = decide(Kind::separate, {{"h1", "P"}, {"h2", "P"}});
  ASSERT_TRUE(apart) << apart.error().message;
  EXPECT_THAT(rows(tables::conflicts), IsEmpty());
  ASSERT_TRUE(decide(Kind::undo, {}, apart->decision));
  EXPECT_THAT(rows(tables::conflicts), SizeIs(1));
  expect_rebuild_is_equal();
}

TEST_F(ProjectorSteward, a_separation_that_links_came_before_is_refused_as_it_changes_nothing) {
  for (const char* facility : {"h1", "h2", "h3"}) patient(facility, "P", facility);
  for (const auto& [a, b] : {std::pair("h1", "h3"), std::pair("h3", "h2")}) {  // appended, not yet met
    IdentityDecision decision;
    decision.patient = {a, "P"};
    decision.other = {b, "P"};
    decision.id = pair_id(DecisionKind::linked, decision.patient, decision.other);
    decision.at = clock.now();
    append({decision.id, "k", "identity.linked", write(decision), ""}, port::Topic::identity);
  }
  const auto apart = decide(Kind::separate, {{"h1", "P"}, {"h2", "P"}});
  ASSERT_FALSE(apart);
  EXPECT_EQ(apart.error().code, ErrorCode::conflict);
  EXPECT_THAT(apart.error().message, HasSubstr("changes nothing"));
  EXPECT_TRUE(one("h1", "h2"));
  expect_rebuild_is_equal();
}

TEST_F(ProjectorSteward, a_split_holds_however_long_the_history_of_a_patient_is) {
  patient("h1", "P", "王小明", card);
  patient("h2", "P", "王小明", card);
  ASSERT_TRUE(one("h1", "h2"));
  std::vector<port::Record> batch;
  for (int i = 0; i < 10'000; ++i) {
    IdentityDecision decision;
    decision.patient = {"h1", "P"};
    decision.other = i % 2 == 0 ? decision.patient : LocalKey{"h9", std::to_string(i)};
    decision.kind = i % 2 == 0 ? DecisionKind::guarded : DecisionKind::conflict;
    decision.patient_guard = {{1 + i}, {}, ""};
    decision.id = i % 2 == 0 ? guard_id(decision.patient, decision.patient_guard)
                             : pair_id(DecisionKind::conflict, decision.patient, decision.other);
    batch.push_back({decision.id, "k", std::string(to_string(decision.kind)), write(decision), ""});
    if (batch.size() == 500) {
      ASSERT_TRUE(await(log.append(port::Topic::identity, std::move(batch))));
      batch.clear();
    }
  }
  project();
  const auto unlink = decide(Kind::unlink, {{"h2", "P"}});
  ASSERT_TRUE(unlink) << unlink.error().message;
  EXPECT_FALSE(one("h1", "h2"));
  ASSERT_TRUE(decide(Kind::undo, {}, unlink->decision));
  EXPECT_TRUE(one("h1", "h2"));
}

TEST_F(ProjectorSteward, a_merge_message_read_anew_does_not_undo_a_split) {
  patient("h1", "OLD", "李四");
  Message merge("m1", {.number = "NEW", .facility = "h1", .name = "李四"});
  merge.merge("OLD");
  tell(merge);
  ASSERT_TRUE(same_person("h1", "OLD", "h1", "NEW"));
  ASSERT_TRUE(decide(Kind::unlink, {{"h1", "OLD"}}));
  ASSERT_FALSE(same_person("h1", "OLD", "h1", "NEW"));
  Message again("m1", {.number = "NEW", .facility = "h1", .name = "李思"});  // a better map reads the name otherwise
  again.merge("OLD").event_version(2);
  auto record = again.record();
  record.id = RecordId(PartsHash().add("renormalized").finish());
  append(std::move(record));
  project();
  EXPECT_FALSE(same_person("h1", "OLD", "h1", "NEW"));
  expect_rebuild_is_equal();
}

TEST_F(ProjectorSteward, a_facility_links_and_unlinks_its_own_numbers_in_the_order_it_says_so) {
  patient("h1", "A", "李四");
  patient("h1", "B", "王五");
  const auto say = [&](std::string control, model::EventKind kind) {
    Message message(std::move(control), {.number = "A", .facility = "h1", .name = "李四"});
    message.relate("B", kind).received(clock.now());
    append(message);
  };
  say("l1", model::EventKind::patient_linked);
  project();
  EXPECT_TRUE(same_person("h1", "A", "h1", "B"));
  EXPECT_THAT(in_log(port::Topic::identity).back().record.json, HasSubstr(R"("reasons":["linked-by-facility","A24"])"));
  say("u1", model::EventKind::patient_unlinked);
  project();
  EXPECT_FALSE(same_person("h1", "A", "h1", "B"));
  EXPECT_THAT(in_log(port::Topic::identity).back().record.json,
              HasSubstr(R"("reasons":["unlinked-by-facility","A37"])"));
  say("l2", model::EventKind::patient_linked);
  say("u2", model::EventKind::patient_unlinked);
  say("l3", model::EventKind::patient_linked);
  project();
  EXPECT_TRUE(same_person("h1", "A", "h1", "B"));
  expect_rebuild_is_equal();
}

TEST_F(ProjectorSteward, an_error_names_no_patient) {
  patient("h1", "P");
  EXPECT_EQ(decide(Kind::link, {{"h1", "P"}, {"h1", "NOBODY"}}).error().message, "the second patient is not known");
  patient("h2", "P", "乙");
  EXPECT_EQ(decide(Kind::split, {{"h1", "P"}, {"h2", "P"}}).error().message,
            "the second patient is another person than the first one");
}

TEST_F(ProjectorSteward, commands_that_make_no_sense_are_refused_and_append_nothing) {
  patient("h1", "P");
  patient("h2", "P", "李四");
  EXPECT_EQ(decide(Kind::link, {{"h1", "P"}}).error().code, ErrorCode::invalid);
  EXPECT_EQ(decide(Kind::link, {{"h1", "P"}, {"h9", "P"}}).error().code, ErrorCode::not_found);
  EXPECT_EQ(decide(Kind::unlink, {{"h1", "P"}}).error().code, ErrorCode::conflict);
  EXPECT_EQ(decide(Kind::split, {{"h1", "P"}, {"h2", "P"}}).error().code, ErrorCode::conflict);
  EXPECT_EQ(decide(Kind::undo, {}, "00").error().code, ErrorCode::invalid);
  EXPECT_EQ(decide(Kind::undo, {}, std::string(32, '0')).error().code, ErrorCode::not_found);
  EXPECT_THAT(in_log(port::Topic::identity), IsEmpty());
}

// Merges and unmerges at random, the projector killed in between at any step: what stands is what a fresh rebuild
// gives, and what replaying all decisions from nothing gives.
class ProjectorRandom : public ProjectorSteward, public ::testing::WithParamInterface<std::uint32_t> {};
INSTANTIATE_TEST_SUITE_P(Seeds, ProjectorRandom, ::testing::Range(1U, 26U));

TEST_P(ProjectorRandom, decisions_with_kills_in_between_end_where_a_fresh_rebuild_does) {
  const std::uint32_t seed = GetParam();
  std::mt19937 random(seed);
  batch_records = 1 + random() % 7;
  restart();
  constexpr int patients = 12;
  const auto key = [](std::uint64_t i) { return LocalKey{"h" + std::to_string(i % patients), "P"}; };
  for (int i = 0; i < patients; ++i)
    append(Message("c" + std::to_string(seed) + "-" + std::to_string(i),
                   {.number = "P", .facility = "h" + std::to_string(i), .name = "n" + std::to_string(i)}));
  project();
  std::vector<IdentityDecision> made;
  for (int round = 0; round < 60; ++round) {
    IdentityDecision decision;
    const auto dice = random() % 10;
    decision.patient = key(random());
    do decision.other = key(random());
    while (decision.other == decision.patient);
    decision.kind = dice < 5                        ? DecisionKind::linked
                    : dice < 6 && random() % 2 == 0 ? DecisionKind::guarded
                    : dice < 6                      ? DecisionKind::merged
                    : dice < 8                      ? DecisionKind::split
                                                    : DecisionKind::undone;
    if (random() % 3 == 0) decision.by = "steward";
    if (decision.kind == DecisionKind::guarded) {
      decision.other = decision.patient;
      decision.by.clear();
    }
    if (random() % 4 == 0)
      decision.patient_guard = {{1'780'000'000'000'000 + round / 2}, {"card" + std::to_string(random() % 3)}, ""};
    if (random() % 8 == 0) decision.other_guard = {{1'780'000'000'000'000 + round / 2}, {}, "P"};
    if (decision.kind == DecisionKind::split) {
      decision.apart = {decision.other};
      decision.rest = {decision.patient};
      for (std::uint64_t i = 0; i < patients; ++i) {
        if (key(i) != decision.other && random() % 2 == 0) decision.rest.push_back(key(i));
      }
      decision.by = "steward";
    }
    if (decision.kind == DecisionKind::undone) {
      if (made.empty()) continue;
      const auto& of = made[random() % made.size()];
      decision.of = of.id;
      decision.patient = of.patient, decision.other = of.other, decision.apart = of.apart, decision.rest = of.rest;
      decision.by = "steward";
    }
    PartsHash hash;
    decision.id = RecordId(hash.add(std::to_string(seed)).add(std::to_string(round)).finish());
    decision.at = {1'780'000'000'000'000 + round};
    made.push_back(decision);
    append({decision.id, "k", std::string(to_string(decision.kind)), write(decision), ""}, port::Topic::identity);
    if (random() % 3 == 0) ASSERT_TRUE(await(projector->step()));
    if (random() % 5 == 0) restart();
  }
  project();
  expect_rebuild_is_equal();
  std::vector<const IdentityDecision*> order;
  for (const auto& each : made) order.push_back(&each);
  const auto persons = identity::replay(order);
  for (const auto& [local, person] : persons.person_of) {
    EXPECT_EQ(person_of(*store, local.facility, local.number), person.view()) << local.facility;
  }
}

}  // namespace
}  // namespace hutong::pipeline
