#include "broker/identity/matching.h"

#include <gmock/gmock.h>

#include <algorithm>

namespace hutong::identity {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;

constexpr const char* card = "110105198001020011";

Candidate person(std::string number, std::string name = "王小明", std::string born = "1980-01-02",
                 model::Sex sex = model::Sex::male, std::vector<std::string> cards = {card}) {
  Candidate out;
  out.facility = "h1";
  out.number = std::move(number);
  out.cards = std::move(cards);
  if (!name.empty()) out.names.push_back(person_name(name, "", ""));
  out.birth_date = std::move(born);
  out.sex = sex;
  return out;
}

Decision of(const Candidate& a, const Candidate& b) {
  return compare(a, b, Weights());
}

TEST(Matching, equal_card_with_equal_name_and_birth_date_links) {
  auto decision = of(person("1", "王小明", "1980-01-02", model::Sex::unknown),
                     person("2", "王小明", "1980-01-02", model::Sex::male));
  EXPECT_EQ(decision.outcome, Outcome::link);
  EXPECT_THAT(decision.reasons, ElementsAre("same-card", "same-name", "same-birth-date", "no-sex"));
}

TEST(Matching, equal_card_with_equal_name_and_sex_links_without_a_birth_date) {
  EXPECT_EQ(of(person("1", "王小明", ""), person("2")).outcome, Outcome::link);
}

TEST(Matching, a_clerks_other_character_of_one_sound_links_beside_an_equal_card_and_birth_date) {
  auto decision = of(person("1"), person("2", "王晓明"));
  EXPECT_EQ(decision.outcome, Outcome::link);
  EXPECT_THAT(decision.reasons, Contains("name-sounds-same"));
  EXPECT_EQ(of(person("1"), person("2", "王晓明", "1981-01-02")).outcome, Outcome::conflict);
}

TEST(Matching, twins_on_one_card_stay_a_conflict) {
  EXPECT_EQ(of(person("1", "张佳欣"), person("2", "张佳星")).outcome, Outcome::conflict);
  EXPECT_EQ(of(person("1", "张子涵"), person("2", "张子萱")).outcome, Outcome::conflict);
}

TEST(Matching, a_child_on_a_parents_card_is_a_conflict) {
  auto decision = of(person("1"), person("2", "王小宝", "2018-05-06"));
  EXPECT_EQ(decision.outcome, Outcome::conflict);
  EXPECT_THAT(decision.reasons, Contains("other-name"));
}

TEST(Matching, equal_name_alone_beside_an_equal_card_is_a_conflict) {
  EXPECT_EQ(of(person("1", "王小明", "", model::Sex::unknown), person("2")).outcome, Outcome::conflict);
  EXPECT_EQ(of(person("1", "王小明", "1999-01-01", model::Sex::female), person("2")).outcome, Outcome::conflict);
}

TEST(Matching, no_name_on_one_side_is_a_conflict) {
  EXPECT_EQ(of(person("1", ""), person("2")).outcome, Outcome::conflict);
}

TEST(Matching, another_valid_card_on_one_side_never_links) {
  auto decision = of(person("1", "王小明", "1980-01-02", model::Sex::male, {card, "110105198001020038"}), person("2"));
  EXPECT_EQ(decision.outcome, Outcome::conflict);
  EXPECT_THAT(decision.reasons, Contains("another-card"));
}

TEST(Matching, without_weights_and_a_common_card_there_is_no_decision_however_alike) {
  EXPECT_EQ(of(person("1"), person("2", "王小明", "1980-01-02", model::Sex::male, {"110105198001020038"})).outcome,
            Outcome::none);
  EXPECT_EQ(of(person("1", "王小明", "1980-01-02", model::Sex::male, {}),
               person("2", "王小明", "1980-01-02", model::Sex::male, {}))
                .outcome,
            Outcome::none);
}

TEST(Matching, a_newborn_is_its_mothers_relation_and_never_she) {
  Candidate mother = person("1", "李梅"), child = person("2", "李梅");  // registered under her name and card
  child.mother_number = "1";
  EXPECT_EQ(of(mother, child).outcome, Outcome::none);
  EXPECT_EQ(of(child, mother).outcome, Outcome::none);
}

TEST(Matching, decides_for_each_in_order) {
  std::vector<Candidate> others{person("2", "李四"), person("3")};
  auto decisions = decide(person("1"), others, Weights());
  ASSERT_EQ(decisions.size(), 2u);
  EXPECT_EQ(decisions[0].outcome, Outcome::conflict);
  EXPECT_EQ(decisions[1].outcome, Outcome::link);
}

// Whether one who comes now finds one who is known.
bool finds(const Candidate& newcomer, const Candidate& known) {
  const auto sought = block_keys(newcomer).sought, kept = block_keys(known).kept;
  return std::find_first_of(sought.begin(), sought.end(), kept.begin(), kept.end()) != sought.end();
}

TEST(Blocks, a_name_alone_brings_together_where_one_does_not_say_when_it_was_born) {
  const auto born = person("1"), undated = person("2", "王晓明", "");
  EXPECT_TRUE(finds(born, undated));
  EXPECT_TRUE(finds(undated, born));
  EXPECT_TRUE(finds(undated, person("3", "王小明", "")));
  EXPECT_FALSE(finds(born, person("4", "王小明", "1964-11-23")));
}

TEST(Blocks, any_two_parts_of_a_birth_date_bring_a_name_together_and_one_exchanged) {
  for (const auto* other : {"1980-01-17", "1980-05-02", "1957-01-02", "1980-02-01"}) {
    EXPECT_TRUE(finds(person("1"), person("2", "王小明", other))) << other;
    EXPECT_TRUE(finds(person("1", "王小明", other), person("2"))) << other;
  }
  EXPECT_FALSE(finds(person("1"), person("2", "李建国", "1980-05-02")));
}

TEST(Matching, a_candidate_takes_only_cards_that_may_link_and_folds_names) {
  Arena arena;
  model::Subject subject;
  subject.identifiers.push(arena, {.kind = model::IdentifierKind::resident_card, .value = card});
  subject.identifiers.push(arena, {.kind = model::IdentifierKind::resident_card, .value = "1", .valid = false});
  subject.identifiers.push(
      arena, {.kind = model::IdentifierKind::resident_card, .value = "110101190001010000", .placeholder = true});
  subject.identifiers.push(arena, {.kind = model::IdentifierKind::health_card, .value = "H1"});
  subject.names.push(arena, {.text = "ABUDU·Reyimu"});
  subject.born.iso = "1980-01-02T03:04:05+08:00";
  subject.sex = model::Sex::female;
  Candidate made = candidate("h1", "7", subject);
  EXPECT_THAT(made.cards, ElementsAre(card));
  ASSERT_EQ(made.names.size(), 1u);
  EXPECT_EQ(made.names[0].family_sound, "reyimu");
  EXPECT_EQ(made.names[0].given_sound, "abudu");
  EXPECT_THAT(made.numbers, ElementsAre(Number{model::IdentifierKind::health_card, "H1"}));
  EXPECT_EQ(made.birth_date, "1980-01-02");
  subject.born.iso = "1980";
  EXPECT_EQ(candidate("h1", "7", subject).birth_date, "");  // a year is no birth date
}

}  // namespace
}  // namespace hutong::identity
