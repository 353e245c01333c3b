// Linking a simulated population of known truth by weights that are estimated from it, and the weights' own file.
// Through the projector, and with the weights that are shipped: tests/identity; at a million people: tests/campaign.sh
// identity.
#include "tests/support/population.h"

#include <gmock/gmock.h>

#include <cstdio>
#include <fstream>
#include <sstream>

#include "broker/identity/comparison.h"
#include "broker/identity/estimate.h"
#include "broker/identity/spelling.h"
#include "tests/unit/identity/linkage.h"

namespace hutong::identity {
namespace {

using ::testing::HasSubstr;

struct Registered {
  std::vector<Candidate> people;
  std::vector<std::uint32_t> truth;
  std::vector<int> side;
  std::vector<bool> odd_card;  // a placeholder, or another's
};

Registered registered(std::uint64_t seed, std::uint32_t people) {
  Registered out;
  const hutong::tests::Population population(seed, people);
  for (std::uint32_t person = 0; person < people; ++person) {
    for (const auto& registration : population.registrations(person)) {
      Arena arena;
      out.people.push_back(candidate(registration.facility, registration.number, registration.subject(arena)));
      out.truth.push_back(person);
      out.side.push_back(0);
      out.odd_card.push_back(registration.placeholder || registration.borrowed);
    }
  }
  return out;
}

TEST(Population, weights_estimated_from_it_link_it) {
  const auto all = registered(1, 5'000);
  auto weights = estimate(all.people, "population");
  ASSERT_TRUE(weights) << weights.error().message;
  const auto quality = tests::link(all.people, all.truth, all.side, *weights);
  std::printf("registrations %zu, true pairs %llu, precision %.5f, recall %.5f, F1 %.5f\n", all.people.size(),
              static_cast<unsigned long long>(quality.true_pairs), quality.precision(), quality.recall(), quality.f1());
  EXPECT_GE(quality.f1(), 0.99);
  EXPECT_GE(double(quality.blocked_true_pairs) / double(quality.true_pairs), 0.998);
}

TEST(Population, an_estimate_is_the_same_every_time_and_reads_back_as_written) {
  const auto all = registered(3, 1'000);
  const auto once = write_weights(*estimate(all.people, "v1"), "remark"),
             again = write_weights(*estimate(all.people, "v1"), "remark");
  EXPECT_EQ(once, again);
  auto read = read_weights(once);
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(write_weights(*read, "remark"), once);
}

TEST(Population, too_few_people_give_no_weights) {
  const auto all = registered(3, 20);
  const auto none = estimate(all.people, "v1");
  ASSERT_FALSE(none);
  EXPECT_THAT(none.error().message, HasSubstr("at least 100"));
}

std::string shipped() {
  std::stringstream out;
  out << std::ifstream(std::string(HUTONG_SOURCE_DIR) + "/schemas/identity/weights.csv", std::ios::binary).rdbuf();
  return out.str();
}

TEST(Weights, the_shipped_ones_read) {
  auto read = read_weights(shipped());
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_GT(read->link, read->steward);
  EXPECT_GT(read->family_share.size(), 30u);
}

TEST(Weights, a_fault_is_named_with_its_line) {
  const std::string good = shipped();
  const auto faulty = [&](std::string_view from, std::string_view to) {
    std::string csv = good;
    csv.replace(csv.find(from), from.size(), to);
    const auto read = read_weights(csv);
    return read ? std::string("no fault") : read.error().message;
  };
  EXPECT_THAT(faulty("weight,sex,same", "weight,sox,same"), HasSubstr("no such field or level"));
  EXPECT_THAT(faulty("setting,link,0", "setting,link,1"), HasSubstr("between 0 and 1"));
  EXPECT_THAT(faulty("setting,link", "settings,link"), HasSubstr("line"));
  EXPECT_THAT(read_weights("").error().message, HasSubstr("missing"));
  std::string without = good;
  const auto at = without.find("weight,phone,same");
  without.erase(at, without.find('\n', at) - at + 1);
  EXPECT_THAT(read_weights(without).error().message, HasSubstr("phone same has no weight"));
}

class ShippedWeights : public ::testing::Test {
 protected:
  Weights weights = *read_weights(shipped());
  static Candidate person(std::string name, std::string born = "1980-03-07", std::string phone = "",
                          std::string street = "") {
    Candidate out;
    out.facility = "h1";
    out.number = name;
    out.names.push_back(person_name(name, "", ""));
    out.birth_date = std::move(born);
    out.sex = model::Sex::female;
    if (!phone.empty()) out.phones.push_back(std::move(phone));
    if (!street.empty()) out.addresses.push_back({fold(street), U"向阳区", "154002"});
    return out;
  }
};

TEST_F(ShippedWeights, say_why_field_by_field) {
  const auto decision = compare(person("王小明", "1980-03-07", "13900001111", "和平路12号3单元"),
                                person("汪小明", "1980-03-07", "13900001111", "和平路12号3单元"), weights);
  EXPECT_EQ(decision.outcome, Outcome::link);
  EXPECT_GT(decision.chance, 0.999);
  EXPECT_THAT(decision.reasons, ::testing::Contains(::testing::StartsWith("family-name-sounds +")));
  EXPECT_THAT(decision.reasons, ::testing::Contains(::testing::StartsWith("phone-same +")));
}

TEST_F(ShippedWeights, a_common_name_and_a_birth_date_alone_are_for_a_steward_a_rare_name_links) {
  Weights common = weights;
  common.family_share["wang"] = 0.07;
  common.given_share["xiu ying"] = 0.02;
  EXPECT_NE(compare(person("王秀英"), person("王秀英"), common).outcome, Outcome::link);
  EXPECT_EQ(compare(person("阿依努尔·买买提"), person("阿依努尔·买买提"), weights).outcome, Outcome::link);
}

TEST_F(ShippedWeights, a_name_typed_the_wrong_way_round_is_no_rarer_for_that) {
  const auto bits = [&](const Candidate& a, const Candidate& b) { return score(weights, compare_fields(a, b)).chance; };
  const auto right = person("丁勇", "1980-03-07"), turned = person("勇丁", "1980-03-07");
  EXPECT_NEAR(bits(turned, right), bits(right, right), 1e-9);
  EXPECT_NEAR(bits(turned, turned), bits(right, right), 1e-9);
}

TEST_F(ShippedWeights, a_name_is_nobodys_alone_however_rare_it_is) {
  Weights rare = weights;
  rare.family_rest = rare.given_rest = 1e-6;
  const auto decision = compare(person("司鸾鹫", ""), person("司鸾鹫"), rare);
  EXPECT_EQ(decision.outcome, Outcome::possible);
  EXPECT_GT(decision.chance, weights.link);
  EXPECT_EQ(compare(person("司鸾鹫", "", "13900001111"), person("司鸾鹫", "1980-03-07", "13900001111"), rare).outcome,
            Outcome::link);
}

TEST_F(ShippedWeights, a_newborn_under_its_mothers_name_is_not_its_twin) {
  auto nameless = person("程德莲", "2026-01-07", "", "和平路12号3单元"), twin = nameless;
  nameless.mother_number = "198840";
  twin.facility = "h2";  // where nobody says whose child it is
  EXPECT_EQ(compare(nameless, twin, weights).outcome, Outcome::possible);
  nameless.numbers = twin.numbers = {{model::IdentifierKind::social_security, "H1"}};
  EXPECT_EQ(compare(nameless, twin, weights).outcome, Outcome::link);
}

TEST_F(ShippedWeights, twins_of_one_household_are_never_linked) {
  for (const char* other : {"张子萱", "张佳星", "张子琪"}) {
    const auto decision = compare(
        person(std::string(other) == "张佳星" ? "张佳欣" : "张子涵", "2020-05-06", "13900001111", "和平路12号3单元"),
        person(other, "2020-05-06", "13900001111", "和平路12号3单元"), weights);
    EXPECT_NE(decision.outcome, Outcome::link) << other;
  }
}

TEST_F(ShippedWeights, a_household_is_not_one_person) {
  const auto at_home = [](std::string name, std::string born) {
    return person(std::move(name), std::move(born), "13900001111", "和平路12号3单元");
  };
  auto child = at_home("张", "2024-05-06"), father = at_home("张伟", "1990-01-02");
  child.sex = father.sex = model::Sex::male;
  EXPECT_NE(compare(child, father, weights).outcome, Outcome::link);
  // One toneless sound: brothers, and twins.
  EXPECT_NE(compare(at_home("张子涵", "2020-05-06"), at_home("张子晗", "2014-01-02"), weights).outcome, Outcome::link);
  EXPECT_NE(compare(at_home("张子涵", "2020-05-06"), at_home("张子晗", "2020-05-07"), weights).outcome, Outcome::link);
  EXPECT_EQ(compare(at_home("张子涵", "2020-05-06"), at_home("张子晗", "2020-05-06"), weights).outcome,
            Outcome::possible);
  // Grown twins share no home: a clerk's other character. Brothers of one sound stay two.
  const auto grown = [&](const char* born) {
    return compare(at_home("王小明", "1980-03-07"), at_home("王晓明", born), weights, "2026-11-26").outcome;
  };
  EXPECT_EQ(grown("1980-03-07"), Outcome::link);
  EXPECT_NE(grown("1981-03-07"), Outcome::link);
  EXPECT_NE(grown("1985-01-02"), Outcome::link);
  // With a number of one's own it is a clerk's other character.
  auto one = at_home("张子涵", "2020-05-06"), same = at_home("张子晗", "2020-05-06");
  one.numbers = same.numbers = {{model::IdentifierKind::social_security, "H1"}};
  EXPECT_EQ(compare(one, same, weights).outcome, Outcome::link);
}

TEST_F(ShippedWeights, two_valid_cards_never_link_however_alike_and_a_steward_is_told) {
  auto a = person("阿依努尔·买买提", "1980-03-07", "13900001111", "和平路12号3单元"), b = a;
  a.cards = {"230804198003072521"};
  b.cards = {"230804198003072548"};
  const auto decision = compare(a, b, weights);
  EXPECT_EQ(decision.outcome, Outcome::conflict);
  EXPECT_THAT(decision.reasons, ::testing::Contains("another-card"));
}

TEST_F(ShippedWeights, nobody_is_linked_without_a_name) {
  auto nameless = person("无名氏", "1980-03-07", "13900001111", "和平路12号3单元");
  nameless.names.clear();
  EXPECT_EQ(compare(nameless, person("王秀英", "1980-03-07", "13900001111", "和平路12号3单元"), weights).outcome,
            Outcome::none);
}

}  // namespace
}  // namespace hutong::identity
