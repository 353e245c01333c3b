// Whole persons under the weights that are shipped: what no machine may join, whatever comes in which order.
#include <fstream>
#include <sstream>

#include "broker/identity/persons.h"
#include "broker/identity/weights.h"
#include "tests/unit/pipeline/steward_fixture.h"

namespace hutong::pipeline {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr const char* card_a = "230804198003072521";
constexpr const char* card_b = "230804198003072548";

class ProjectorMatching : public ProjectorSteward {
 protected:
  ProjectorMatching() {
    std::stringstream csv;
    csv << std::ifstream(std::string(HUTONG_SOURCE_DIR) + "/schemas/identity/weights.csv", std::ios::binary).rdbuf();
    weights = std::make_shared<const identity::Weights>(*identity::read_weights(csv.str()));
    restart();
  }
  static Said woman(std::string facility, std::string number, std::string card = "") {
    return {.number = std::move(number),
            .facility = std::move(facility),
            .name = "阿依努尔·买买提",
            .born = "1980-03-07",
            .card = std::move(card),
            .phone = "13904541234",
            .sex = model::Sex::female,
            .street = "和平路12号3单元"};
  }
  // A newborn as it is registered: under its mother's phone and street.
  static Said newborn(std::string facility, std::string number, std::string name, std::string mother,
                      std::string card = "") {
    Said said = woman(std::move(facility), std::move(number), std::move(card));
    said.name = std::move(name);
    said.born = "2026-04-05";
    said.mother = std::move(mother);
    return said;
  }
  static Said mother(std::string facility, std::string number, std::string card = "") {
    Said said = woman(std::move(facility), std::move(number), std::move(card));
    said.name = "王秀英";
    return said;
  }
  void say(Said said) { append(Message("c" + std::to_string(++messages_), std::move(said))); }
  void hear(Said said) {
    say(std::move(said));
    project();
  }
  std::string questions() {
    std::string all;
    for (const auto& row : rows(tables::conflicts)) all += text(row, 1) + "\n";
    return all;
  }
};

TEST_F(ProjectorMatching, two_who_have_no_card_are_linked_by_what_else_agrees) {
  hear(woman("h1", "N3"));
  hear(woman("h2", "N4"));
  EXPECT_TRUE(same_person("h1", "N3", "h2", "N4"));
  EXPECT_THAT(in_log(port::Topic::identity).at(0).record.json, HasSubstr("phone-same +"));
  expect_rebuild_is_equal();
}

TEST_F(ProjectorMatching, a_card_that_comes_after_the_link_keeps_another_card_away) {
  hear(woman("h1", "N3"));
  hear(woman("h2", "N4"));
  ASSERT_TRUE(same_person("h1", "N3", "h2", "N4"));
  hear(woman("h1", "N3", card_a));
  hear(woman("h3", "R1", card_b));
  EXPECT_FALSE(same_person("h1", "N3", "h3", "R1"));
  EXPECT_FALSE(same_person("h2", "N4", "h3", "R1"));
  EXPECT_THAT(questions(), HasSubstr("two-cards"));
  expect_rebuild_is_equal();
}

TEST_F(ProjectorMatching, a_card_that_comes_while_its_link_is_under_way_keeps_another_card_away) {
  say(woman("h1", "N3"));
  say(woman("h2", "N4"));
  say(woman("h1", "N3", card_a));
  say(woman("h3", "R1", card_b));
  project();
  EXPECT_FALSE(same_person("h1", "N3", "h3", "R1"));
  EXPECT_FALSE(same_person("h1", "N3", "h2", "N4") && same_person("h2", "N4", "h3", "R1"));
  EXPECT_THAT(questions(), HasSubstr("two-cards"));
  expect_rebuild_is_equal();
}

TEST_F(ProjectorMatching, a_person_that_comes_to_hold_two_cards_is_a_question_and_takes_nobody_in) {
  hear(woman("h1", "P1"));
  hear(woman("h2", "Q1", card_a));
  ASSERT_TRUE(same_person("h1", "P1", "h2", "Q1"));
  hear(woman("h1", "P1", card_b));
  EXPECT_THAT(questions(), HasSubstr("one-person-now"));
  hear(woman("h3", "R1", card_b));
  EXPECT_FALSE(same_person("h3", "R1", "h2", "Q1"));
  expect_rebuild_is_equal();
  // A steward knows that she has had both: then she has.
  ASSERT_TRUE(decide(Kind::link, {{"h1", "P1"}, {"h2", "Q1"}}));
  EXPECT_THAT(questions(), ::testing::Not(HasSubstr("one-person-now")));
  EXPECT_EQ(decide(Kind::link, {{"h1", "P1"}, {"h2", "Q1"}}).error().message, "they are one person already");
  hear(woman("h4", "S1", card_b));
  EXPECT_TRUE(same_person("h4", "S1", "h2", "Q1"));
  expect_rebuild_is_equal();
}

TEST_F(ProjectorMatching, a_corrected_card_withdraws_the_question) {
  hear(woman("h1", "P1"));
  hear(woman("h2", "Q1", card_a));
  hear(woman("h1", "P1", card_b));
  ASSERT_THAT(questions(), HasSubstr("one-person-now"));
  hear(woman("h1", "P1", card_a));
  EXPECT_THAT(questions(), ::testing::Not(HasSubstr("one-person-now")));
  expect_rebuild_is_equal();
}

TEST_F(ProjectorMatching, what_a_steward_links_is_held_against_cards_too) {
  Said stranger = woman("h1", "P1", card_a);
  stranger.name = "古丽娜尔·买买提", stranger.phone = "", stranger.street = "";
  hear(stranger);
  hear(woman("h2", "Q1"));
  ASSERT_TRUE(decide(Kind::link, {{"h1", "P1"}, {"h2", "Q1"}}));
  hear(woman("h3", "R1", card_b));
  EXPECT_FALSE(same_person("h1", "P1", "h3", "R1"));
  expect_rebuild_is_equal();
}

TEST_F(ProjectorMatching, a_newborn_is_none_of_its_mothers_registrations_under_her_name_and_card) {
  const std::string card = "230804198003072521";
  hear(mother("h1", "M1", card));
  hear(mother("h2", "M9", card));
  ASSERT_TRUE(same_person("h1", "M1", "h2", "M9"));
  hear(newborn("h1", "B1", "王秀英", "M1", card));
  hear(newborn("h1", "B2", "王秀英", "M1"));
  for (const char* baby : {"B1", "B2"}) {
    EXPECT_FALSE(same_person("h1", baby, "h1", "M1")) << baby;
    EXPECT_FALSE(same_person("h1", baby, "h2", "M9")) << baby;
  }
  EXPECT_FALSE(same_person("h1", "B1", "h1", "B2"));
  EXPECT_THAT(questions(), IsEmpty());
}

TEST_F(ProjectorMatching, newborn_twins_stay_two) {
  hear(mother("h1", "M1"));
  hear(newborn("h1", "B1", "王秀英之女", "M1"));
  hear(newborn("h1", "B2", "王秀英之女", "M1"));
  hear(newborn("h1", "B3", "王秀英之女1", "M1"));
  hear(newborn("h2", "C2", "王秀英之女", "M9"));  // one of them, moved to another hospital: which?
  hear(newborn("h3", "D2", "王秀英之女2", ""));
  const std::vector<identity::LocalKey> all{{"h1", "B1"}, {"h1", "B2"}, {"h1", "B3"},
                                            {"h2", "C2"}, {"h3", "D2"}, {"h1", "M1"}};
  for (std::size_t i = 0; i < all.size(); ++i) {
    for (std::size_t j = i + 1; j < all.size(); ++j) {
      EXPECT_FALSE(same_person(all[i].facility, all[i].number, all[j].facility, all[j].number)) << i << " " << j;
    }
  }
}

TEST_F(ProjectorMatching, a_newborn_is_found_again_by_its_own_card) {
  const std::string own = "230804202604050029";
  hear(newborn("h1", "B1", "王子涵", "M1", own));
  Said later = newborn("h2", "C1", "王子涵", "", own);
  hear(later);
  EXPECT_TRUE(same_person("h1", "B1", "h2", "C1"));
}

TEST_F(ProjectorMatching, a_mother_and_her_child_are_not_joined_over_a_third) {
  hear(mother("h1", "M1"));
  hear(newborn("h1", "B1", "王秀英之女", "M1"));
  Said third = mother("h2", "M9", card_a);
  third.name = "李桂英", third.phone = "", third.street = "";
  hear(third);
  ASSERT_TRUE(decide(Kind::link, {{"h1", "B1"}, {"h2", "M9"}}));  // a steward's mistake
  third.number = "M8", third.facility = "h3";
  hear(third);
  ASSERT_TRUE(same_person("h1", "B1", "h3", "M8"));
  Said she = mother("h1", "M1", card_a);  // now it has her name and card, but it is the child's mother
  she.name = "李桂英";
  hear(she);
  EXPECT_FALSE(same_person("h1", "B1", "h1", "M1"));
  expect_rebuild_is_equal();
}

TEST_F(ProjectorMatching, two_newborns_of_one_mother_are_not_joined_over_a_third) {
  const std::string own = "230804202604050029";
  hear(newborn("h1", "B1", "王子涵", "M1", own));
  hear(newborn("h2", "C1", "王子涵", "", own));
  ASSERT_TRUE(same_person("h1", "B1", "h2", "C1"));
  hear(newborn("h1", "B2", "王子涵", "M1", own));  // the sister, with the wrong card
  EXPECT_FALSE(same_person("h1", "B2", "h2", "C1"));
  expect_rebuild_is_equal();
}

TEST_F(ProjectorMatching, a_card_of_somebody_whom_a_merge_had_named_is_held_against_its_person) {
  tell(Message("m1", woman("h1", "P1", card_a)).type("ADT^A40").merge("OLD"));
  ASSERT_TRUE(same_person("h1", "OLD", "h1", "P1"));
  hear(woman("h1", "OLD", card_b));
  EXPECT_THAT(questions(), HasSubstr("one-person-now"));
  expect_rebuild_is_equal();
}

TEST_F(ProjectorMatching, a_mother_who_is_told_of_later_is_a_question) {
  hear(woman("h1", "P1"));
  hear(woman("h2", "Q1"));
  Said said = woman("h1", "P2");
  said.name = "李桂英", said.phone = "", said.street = "";
  hear(said);
  ASSERT_TRUE(decide(Kind::link, {{"h1", "P1"}, {"h1", "P2"}}));
  said.mother = "P1";
  hear(said);
  EXPECT_THAT(questions(), HasSubstr("mother-and-child"));
  expect_rebuild_is_equal();
}

TEST_F(ProjectorMatching, a_card_that_a_crowd_shares_is_one_question) {
  for (int i = 0; i < 40; ++i) {
    Said said = woman("h" + std::to_string(i), "P", card_a);
    said.name = "病人" + std::to_string(i), said.phone = "", said.street = "";
    say(said);
  }
  project();
  const auto before = in_log(port::Topic::identity).size();
  for (int i = 40; i < 60; ++i) {
    Said said = woman("h" + std::to_string(i), "P", card_a);
    said.name = "病人" + std::to_string(i), said.phone = "", said.street = "";
    say(said);
  }
  project();
  EXPECT_EQ(in_log(port::Topic::identity).size(), before);
  EXPECT_THAT(questions(), HasSubstr("card-shared-by-many"));
}

}  // namespace
}  // namespace hutong::pipeline
