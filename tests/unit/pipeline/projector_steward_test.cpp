// Persons under links, merges, splits and their undoing, by matching and by stewards: what stands is what the decisions
// give, and a rebuild gives it again.
#include <random>

#include "broker/identity/persons.h"
#include "broker/pipeline/effects_identity.h"
#include "broker/pipeline/steward.h"
#include "tests/unit/pipeline/projector_fixture.h"

namespace hutong::pipeline {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using Kind = port::IdentityCommand::Kind;

constexpr const char* card = "110105198001020011";
constexpr const char* other_card = "230804199003072513";

class ProjectorSteward : public ProjectorTest {
 protected:
  void patient(std::string facility, std::string patient_number, std::string name = "王小明",
               std::string card_number = "") {
    tell(Message("c" + std::to_string(++messages_), {.number = std::move(patient_number),
                                                     .facility = std::move(facility),
                                                     .name = std::move(name),
                                                     .card = std::move(card_number)}));
  }
  // As the API does, with the projector beside it.
  Result<port::IdentityVerdict> decide(Kind kind, std::vector<std::pair<std::string, std::string>> patients,
                                       std::string of = "") {
    clock.advance(std::chrono::seconds(1));
    Steward steward(log, *store, clock);
    port::IdentityCommand command{kind, std::move(patients), std::move(of), "steward", "seen at the desk"};
    net::io_context io;
    std::optional<Result<port::IdentityVerdict>> verdict;
    net::co_spawn(io, steward.decide(std::move(command)),
                  [&](std::exception_ptr, Result<port::IdentityVerdict> made) { verdict = std::move(made); });
    while (!verdict) {
      io.run_one();
      project();
    }
    return *verdict;
  }
  std::string linked_by_steward(const char* a, const char* b) {
    auto verdict = decide(Kind::link, {{a, "P"}, {b, "P"}});
    EXPECT_TRUE(verdict) << verdict.error().message;
    EXPECT_TRUE(verdict->applied);
    return verdict->decision;
  }
  bool one(const char* a, const char* b) { return same_person(a, "P", b, "P"); }
  std::map<std::string, std::vector<port::Row>> persons_now() {
    return {{"persons", rows(tables::persons)}, {"person_of", rows(tables::person_of)}};
  }
  int messages_ = 0;
};

TEST_F(ProjectorSteward, links_unlinks_and_undoes_with_names_and_words) {
  patient("h1", "P", "甲");
  patient("h2", "P", "乙");
  const auto link = linked_by_steward("h1", "h2");
  EXPECT_TRUE(one("h1", "h2"));
  const auto record = in_log(port::Topic::identity).back().record;
  EXPECT_EQ(record.kinds, "identity.linked");
  EXPECT_THAT(record.json, HasSubstr(R"("by":"steward","note":"seen at the desk")"));
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
  // The facility says later that both of its numbers are one: that counts.
  expect_rebuild_is_equal();
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
    decision.patient_cards = std::move(cards_a);
    decision.other_cards = std::move(cards_b);
    append({decision.id, "k", "identity.linked", write(decision), ""}, port::Topic::identity);
    project();
  };
  machine("h1", "h2", {"one"}, {});
  EXPECT_TRUE(one("h1", "h2"));
  machine("h2", "h3", {}, {"two"});
  EXPECT_FALSE(one("h2", "h3"));
  ASSERT_THAT(rows(tables::conflicts), SizeIs(1));
  EXPECT_THAT(text(rows(tables::conflicts)[0], 1), HasSubstr("joins-two-cards"));
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
    decision.kind = dice < 5   ? DecisionKind::linked
                    : dice < 6 ? DecisionKind::merged
                    : dice < 8 ? DecisionKind::split
                               : DecisionKind::undone;
    if (random() % 3 == 0) decision.by = "steward";
    if (random() % 4 == 0) decision.patient_cards = {"card" + std::to_string(random() % 3)};
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
