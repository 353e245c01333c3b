// What the log's records about persons tell subscribers: what stewards and the machine decided, as far as it stands.
#include "broker/pipeline/delivery_matter.h"

#include "broker/pipeline/effects_identity.h"
#include "tests/unit/pipeline/steward_fixture.h"

namespace hutong::pipeline {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

constexpr port::Partition identity{port::Topic::identity, 0};
constexpr const char* card = "110105198001020011";
constexpr const char* other_card = "230804199003072513";

class DecisionTold : public ProjectorSteward {
 protected:
  std::optional<Matter> matter(const port::StoredRecord& stored) { return *await(matter_of(*store, identity, stored)); }
  // Of every record of the topic that tells something: "linked h1/P h2/P", one or two persons, what is undone.
  std::vector<std::string> told() {
    std::vector<std::string> all;
    for (const auto& stored : in_log(port::Topic::identity)) {
      const auto found = matter(stored);
      if (!found) continue;
      const auto& what = std::get<DecisionMatter>(found->what);
      std::string text = found->kind.substr(found->kind.find('.') + 1);
      for (const auto& lane : found->lanes()) text += " " + lane;
      text += what.unites ? " one" : " two";
      if (!what.undoes.empty()) text += " undoes " + what.undoes;
      all.push_back(text);
    }
    return all;
  }
  std::string last_decision() { return in_log(port::Topic::identity).back().record.id.hex(); }
};

TEST_F(DecisionTold, what_the_machine_and_stewards_decide_and_undo) {
  patient("h1", "P", "王小明", card);
  patient("h2", "P", "王小明", card);
  EXPECT_THAT(told(), ElementsAre("linked h1/P h2/P one"));
  patient("h3", "P", "李伟");
  patient("h4", "P", "赵敏");
  ASSERT_TRUE(decide(Kind::merge, {{"h3", "P"}, {"h4", "P"}}));
  const auto merged = last_decision();
  ASSERT_TRUE(decide(Kind::undo, {}, merged));
  const auto undone = last_decision();
  ASSERT_TRUE(decide(Kind::undo, {}, undone));
  ASSERT_TRUE(decide(Kind::unlink, {{"h2", "P"}}));
  const auto split = last_decision();
  ASSERT_TRUE(decide(Kind::undo, {}, split));
  EXPECT_THAT(told(),
              ElementsAre("linked h1/P h2/P one", "merged h3/P h4/P one", "undone h3/P h4/P two undoes identity.merged",
                          "undone h3/P h4/P one undoes identity.undone", "split h1/P h2/P two",
                          "undone h1/P h2/P one undoes identity.split"));
  store = rebuilt();
  EXPECT_THAT(told(), ::testing::SizeIs(6)) << "a rebuild says the same";
}

TEST_F(DecisionTold, a_decision_names_everybody_in_whose_order_it_stands) {
  for (const char* facility : {"h1", "h2", "h3", "h4"}) patient(facility, "P", facility);
  linked_by_steward("h1", "h2");
  linked_by_steward("h2", "h3");
  linked_by_steward("h3", "h4");
  ASSERT_TRUE(decide(Kind::split, {{"h3", "P"}, {"h4", "P"}}));
  EXPECT_EQ(told().back(), "split h1/P h3/P h2/P h4/P two");
}

TEST_F(DecisionTold, nothing_of_questions_of_what_guards_and_of_what_does_not_stand) {
  patient("h1", "P", "王小明", card);
  patient("h2", "P", "李伟", card);  // a conflict
  patient("h3", "P", "赵敏");
  patient("h3", "P", "赵敏", other_card);  // guarded
  patient("h4", "P", "孙丽", card);
  IdentityDecision refused;  // by a machine, between two who hold two cards
  refused.id = RecordId(sha256("refused"));
  refused.patient = {"h3", "P"};
  refused.other = {"h4", "P"};
  refused.reasons = {"phone-same +7.1"};
  refused.cause = refused.id.hex();
  refused.at = clock.now();
  const Timestamp seen = clock.now();
  refused.patient_guard = {seen, {"a"}, ""};
  refused.other_guard = {seen, {"b"}, ""};
  append({refused.id, "h3/P", "identity.linked", write(refused), ""}, port::Topic::identity);
  project();
  EXPECT_GE(in_log(port::Topic::identity).size(), 3U);
  EXPECT_FALSE(same_person("h3", "P", "h4", "P"));
  EXPECT_THAT(told(), IsEmpty());
}

TEST_F(DecisionTold, a_facilitys_own_word_is_told_as_the_event_that_it_was_and_a_stewards_undoing_of_it_is_news) {
  patient("h1", "P");
  patient("h1", "Q");
  tell(Message("m1", {.number = "P"}).merge("Q"));
  patient("h1", "R");
  tell(Message("m2", {.number = "P"}).relate("R", model::EventKind::patient_linked));
  tell(Message("m3", {.number = "P"}).relate("R", model::EventKind::patient_unlinked));
  ASSERT_TRUE(same_person("h1", "P", "h1", "Q"));
  EXPECT_THAT(told(), IsEmpty());
  std::string merge;
  for (const auto& stored : in_log(port::Topic::identity)) {
    if (stored.record.kinds == "identity.merged" && merge.empty()) merge = stored.record.id.hex();
  }
  ASSERT_TRUE(decide(Kind::undo, {}, merge));
  EXPECT_THAT(told(), ElementsAre("undone h1/P h1/Q two undoes identity.merged"));
}

TEST_F(DecisionTold, what_the_log_holds_twice_is_told_once) {
  patient("h1", "P", "甲");
  patient("h2", "P", "乙");
  linked_by_steward("h1", "h2");
  auto again = in_log(port::Topic::identity).back().record;
  append(std::move(again), port::Topic::identity);
  project();
  EXPECT_THAT(told(), ElementsAre("linked h1/P h2/P one"));
}

TEST_F(DecisionTold, its_facts_are_those_of_every_facility_that_it_names) {
  model::FacilityDirectory directory;
  for (const auto& [code, area] : {std::pair("h1", "230803"), std::pair("h2", "230904")}) {
    model::Facility facility;
    facility.code = code;
    facility.area = area;
    directory.add(facility);
  }
  patient("h1", "P", "甲");
  patient("h2", "P", "乙");
  linked_by_steward("h1", "h2");
  const auto found = matter(in_log(port::Topic::identity).back());
  ASSERT_TRUE(found);
  const auto facts = facts_of(*found, directory);
  EXPECT_EQ(facts.kind, "identity.linked");
  EXPECT_EQ(facts.facility, "h1");
  std::vector<std::string> places;
  for (const auto& place : facts.others) places.push_back(std::string(place.facility) + " " + std::string(place.area));
  EXPECT_THAT(places, UnorderedElementsAre("h1 230803", "h2 230904"));
  EXPECT_THAT(facts.items, IsEmpty());
  EXPECT_THAT(facts.parties, IsEmpty());
}

}  // namespace
}  // namespace hutong::pipeline
