// The compiled matcher against what each filter says for itself, and what a filter says.
#include "broker/routing/matcher.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <chrono>
#include <deque>
#include <random>

namespace hutong::routing {
namespace {

using model::Flag;
using model::SubscriptionFilter;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

std::vector<std::uint32_t> matched(const Matcher& matcher, const Facts& facts) {
  Matcher::Scratch scratch;
  std::vector<std::uint32_t> out;
  matcher.match(facts, scratch, out);
  return out;
}

Facts potassium(Flag flag) {
  Facts facts;
  facts.kind = "result.reported";
  facts.facility = "lab";
  facts.area = "230803";
  facts.items = {{"2823-3", flag}, {"2951-2", Flag::any}};
  return facts;
}

TEST(Filter, an_empty_one_accepts_everything_but_what_is_labelled) {
  auto facts = potassium(Flag::any);
  EXPECT_TRUE(accepts({}, facts));
  facts.labelled = true;
  EXPECT_FALSE(accepts({}, facts));
  const SubscriptionFilter filters[] = {{}};
  EXPECT_THAT(matched(Matcher(filters), facts), IsEmpty());
}

TEST(Filter, a_flag_is_wanted_of_an_item_that_is_wanted) {
  SubscriptionFilter filter;
  filter.items = {"2951-2"};
  filter.flag = Flag::critical;
  const SubscriptionFilter filters[] = {filter};
  // Potassium is critical, sodium, which is asked for, is not.
  EXPECT_THAT(matched(Matcher(filters), potassium(Flag::critical)), IsEmpty());
  filter.items = {"2823-3"};
  const SubscriptionFilter others[] = {filter};
  EXPECT_THAT(matched(Matcher(others), potassium(Flag::critical)), ElementsAre(0));
  EXPECT_THAT(matched(Matcher(others), potassium(Flag::abnormal)), IsEmpty());
}

TEST(Filter, an_area_is_its_beginning_and_a_kind_its_family) {
  SubscriptionFilter city, county, elsewhere, family;
  city.areas = {"2308"};
  county.areas = {"230803"};
  elsewhere.areas = {"2309", "2308031"};
  family.kinds = {"result.*"};
  const SubscriptionFilter filters[] = {city, county, elsewhere, family};
  EXPECT_THAT(matched(Matcher(filters), potassium(Flag::any)), ElementsAre(0, 1, 3));
}

// A third party that subscribed to everything hears nothing of a referral, nor whoever names another facility.
TEST(Filter, a_referral_and_a_critical_value_are_for_their_parties_alone) {
  SubscriptionFilter named, party, other;
  named.kinds = {"referral.*", "critical-value.*"};
  party.parties = {"f1", "cc-east"};
  other.parties = {"f9"};
  const SubscriptionFilter filters[] = {{}, named, party, other};
  const SubscriptionFilter nobodys[] = {{}, named};
  for (const auto* kind : {"referral.answered", "referral.told", "critical-value.opened"}) {
    Facts facts;
    facts.kind = kind;
    facts.facility = "f9";  // who acted is not yet a party
    facts.parties = {"bc-county", "cc-east"};
    EXPECT_THAT(matched(Matcher(filters), facts), ElementsAre(2)) << kind;
    EXPECT_THAT(matched(Matcher(nobodys), facts), IsEmpty()) << kind;
    EXPECT_FALSE(accepts({}, facts)) << kind;
    facts.parties.clear();
    EXPECT_THAT(matched(Matcher(filters), facts), IsEmpty()) << kind;
  }
  EXPECT_TRUE(model::is_for_parties("referral.answered"));
  EXPECT_FALSE(model::is_for_parties("result.reported"));
  const auto& told = model::told_kinds();
  EXPECT_EQ(std::count(told.begin(), told.end(), "referral.told"), 0) << "what a message claims is told to nobody";
}

TEST(Filter, a_party_may_be_meant_as_sender_or_receiver) {
  using model::AsParty;
  SubscriptionFilter any, sender, receiver;
  any.parties = sender.parties = receiver.parties = {"cc-east"};
  sender.as = AsParty::sender;
  receiver.as = AsParty::receiver;
  const SubscriptionFilter filters[] = {any, sender, receiver};
  Facts facts;
  facts.kind = "referral.answered";
  facts.parties = {"cc-east", "bc-county", model::party_named("cc-east", AsParty::sender),
                   model::party_named("bc-county", AsParty::receiver)};
  EXPECT_THAT(matched(Matcher(filters), facts), ElementsAre(0, 1));
  EXPECT_TRUE(accepts(sender, facts));
  EXPECT_FALSE(accepts(receiver, facts));
}

TEST(Filter, a_decision_about_persons_is_for_each_facility_and_area_that_knows_one_of_them) {
  SubscriptionFilter one, other, area, elsewhere, kind, item, party;
  one.facilities = {"h1"};
  other.facilities = {"h2"};
  area.areas = {"2309"};
  elsewhere.facilities = {"h3"};
  kind.kinds = {"identity.*"};
  item.items = {"2823-3"};
  party.parties = {"h1"};
  const SubscriptionFilter filters[] = {{}, one, other, area, elsewhere, kind, item, party};
  Facts facts;
  facts.kind = "identity.linked";
  facts.facility = "h1";
  facts.area = "230803";
  facts.others = {{"h2", "230904"}};
  EXPECT_THAT(matched(Matcher(filters), facts), ElementsAre(0, 1, 2, 3, 5));
  const auto& told = model::told_kinds();
  EXPECT_EQ(std::count(told.begin(), told.end(), "identity.undone"), 1);
  for (const auto* asked : {"identity.conflict", "identity.possible", "identity.guarded"})
    EXPECT_EQ(std::count(told.begin(), told.end(), asked), 0) << asked;
}

TEST(Filter, an_item_without_a_code_is_nobodys) {
  SubscriptionFilter filter;
  filter.items = {""};
  Facts facts = potassium(Flag::any);
  facts.items = {{"", Flag::critical}};
  const SubscriptionFilter filters[] = {filter};
  EXPECT_FALSE(accepts(filter, facts));
  EXPECT_THAT(matched(Matcher(filters), facts), IsEmpty());
}

TEST(Matcher, nobody_subscribed_and_nobody_is_told) {
  EXPECT_THAT(matched(Matcher(), potassium(Flag::any)), IsEmpty());
  EXPECT_TRUE(Matcher().wants_none_of("result.reported"));
}

TEST(Matcher, what_nobody_wants_need_not_be_read) {
  SubscriptionFilter results, referrals;
  results.kinds = {"result.reported"};
  referrals.kinds = {"referral.*"};
  const SubscriptionFilter filters[] = {results, referrals};
  const Matcher matcher(filters);
  EXPECT_TRUE(matcher.wants_none_of("patient.updated encounter.changed"));
  EXPECT_FALSE(matcher.wants_none_of("patient.updated result.reported"));
  EXPECT_FALSE(matcher.wants_none_of("referral.answered"));
  EXPECT_FALSE(matcher.wants_none_of("message.renormalized"));
  const SubscriptionFilter open[] = {results, {}};
  EXPECT_FALSE(Matcher(open).wants_none_of("patient.updated"));
}

// A region's worth of filters and events by chance, few values so that everything meets.
class Chance {
 public:
  explicit Chance(std::uint32_t seed) : random_(seed) {}
  std::uint32_t below(std::uint32_t limit) { return static_cast<std::uint32_t>(random_() % limit); }
  bool once_in(std::uint32_t times) { return below(times) == 0; }
  std::string kind() {
    static constexpr const char* kinds[] = {"result.reported", "exam.reported",     "patient.updated",
                                            "order.placed",    "referral.answered", "encounter.changed"};
    return kinds[below(6)];
  }
  std::string facility() { return "f" + std::to_string(below(300)); }
  std::string area() {
    std::string code = std::to_string(110'000 + below(80) * 97);
    return code.substr(0, 2 + 2 * below(3));
  }
  std::string item() { return std::to_string(below(600)) + "-1"; }
  Flag flag() { return static_cast<Flag>(below(3)); }

  SubscriptionFilter filter() {
    SubscriptionFilter filter;
    for (std::uint32_t i = below(3); i > 0; --i) filter.kinds.push_back(once_in(4) ? "referral.*" : kind());
    if (once_in(2)) {
      for (std::uint32_t i = below(3); i > 0; --i) filter.facilities.push_back(facility());
    }
    if (once_in(3)) filter.areas.push_back(area());
    if (once_in(2)) {
      for (std::uint32_t i = below(9); i > 0; --i) filter.items.push_back(item());
    }
    if (once_in(3)) filter.flag = flag();
    if (once_in(5)) filter.centres.push_back(facility());
    if (once_in(8)) filter.parties.push_back(facility());
    return filter;
  }

 private:
  std::mt19937 random_;
};

struct Owned {
  std::deque<std::string> texts;
  Facts facts;
};

void make(Chance& chance, Owned& owned) {
  const auto keep = [&](std::string text) -> std::string_view { return owned.texts.emplace_back(std::move(text)); };
  owned.facts.kind = keep(chance.kind());
  owned.facts.facility = keep(chance.facility());
  owned.facts.area = keep(std::to_string(110'000 + chance.below(80) * 97));
  for (std::uint32_t i = chance.below(25); i > 0; --i) {
    owned.facts.items.push_back({chance.once_in(10) ? std::string_view() : keep(chance.item()), chance.flag()});
  }
  for (std::uint32_t i = chance.below(3); i > 0; --i) owned.facts.centres.push_back(chance.facility());
  for (std::uint32_t i = chance.below(3); i > 0; --i) owned.facts.parties.push_back(chance.facility());
  for (std::uint32_t i = chance.once_in(4) ? chance.below(3) : 0; i > 0; --i)
    owned.facts.others.push_back({keep(chance.facility()), keep(std::to_string(110'000 + chance.below(80) * 97))});
  owned.facts.labelled = chance.once_in(20);
}

TEST(Matcher, agrees_with_every_filter_asked_alone_also_of_ten_thousand) {
  for (const std::size_t count : {1U, 7U, 63U, 64U, 65U, 10'000U}) {
    Chance chance(static_cast<std::uint32_t>(count));
    std::vector<SubscriptionFilter> filters;
    for (std::size_t i = 0; i < count; ++i) filters.push_back(chance.filter());
    const Matcher matcher(filters);
    std::size_t told = 0;
    for (int event = 0; event < 300; ++event) {
      Owned owned;
      make(chance, owned);
      std::vector<std::uint32_t> expected;
      for (std::uint32_t place = 0; place < filters.size(); ++place) {
        if (accepts(filters[place], owned.facts)) expected.push_back(place);
      }
      told += expected.size();
      ASSERT_EQ(matched(matcher, owned.facts), expected) << count << " subscriptions, event " << event;
    }
    if (count == 10'000) EXPECT_GT(told, 10'000U) << "hardly anything matched: the comparison says little";
  }
}

// Ten thousand subscriptions of one kind and facility, of which one is told: the index must not look at each of them.
TEST(Matcher, costs_hardly_more_with_ten_thousand_than_with_ten) {
  const auto filters_of = [](std::size_t count) {
    std::vector<SubscriptionFilter> filters(count);
    for (std::size_t i = 0; i < count; ++i) {
      filters[i].kinds = {"result.reported"};
      filters[i].facilities = {"lab"};
      filters[i].items = {std::to_string(i) + "-0"};
    }
    return filters;
  };
  const auto filters = filters_of(10'000);
  const Matcher many(filters);
  Facts facts = potassium(Flag::any);
  facts.items = {{"9999-0", Flag::any}};
  EXPECT_THAT(matched(many, facts), ElementsAre(9999));
  Matcher::Scratch scratch;
  std::vector<std::uint32_t> out;
  const auto began = std::chrono::steady_clock::now();
  for (int i = 0; i < 1'000; ++i) {
    out.clear();
    many.match(facts, scratch, out);
  }
  const auto each = (std::chrono::steady_clock::now() - began) / 1'000;
  EXPECT_LT(each, std::chrono::microseconds(50)) << "microseconds an event, of 10,000 subscriptions";
}

}  // namespace
}  // namespace hutong::routing
