#include "broker/query/clinical.h"

#include <gmock/gmock.h>

#include "tests/unit/query/region.h"

namespace hutong {
namespace {

using model::ViewKind;
using test::item;
using test::run;
using testing::ElementsAre;
using testing::SizeIs;

std::vector<std::string> ids(const std::vector<model::View>& views) {
  std::vector<std::string> all;
  for (const auto& view : views) all.push_back(model::id_of(view));
  return all;
}

std::vector<std::string> values(const std::vector<model::View>& views) {
  std::vector<std::string> all;
  for (const auto& view : views) all.emplace_back(view.report->report.observations[view.item].value.sent);
  return all;
}

struct ClinicalTest : testing::Test {
  test::Region region;
  access::Permit permit = region.permit();

  ReportId glucose(const std::string& facility, const std::string& number, const std::string& filler,
                   const std::string& day, const std::string& value, std::uint64_t version = 1) {
    return region.report(
        facility, number, filler, day,
        [&](Arena& arena, model::Report& report) {
          report.observations.push(arena, item("GLU", "14749-6", value));
          report.observations.push(arena, item("NA", "2951-2", "140"));
        },
        version);
  }
  Result<query::Answer> search(query::ResultSearch asked) {
    return run(region.clinical.results(permit, std::move(asked)));
  }
};

TEST_F(ClinicalTest, SearchWithoutPatientOrIdIsRefusedWithAdvice) {
  const auto answer = search({});
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().code, ErrorCode::too_costly);
  EXPECT_NE(answer.error().message.find("patient"), std::string::npos);
}

TEST_F(ClinicalTest, ObservationsOfAllLocalPatientsComeNewestFirst) {
  const auto person = region.patient("county", "1"), other = region.patient("lab", "9");
  region.merge(person, other, R"([["county","1"],["lab","9"]])");
  glucose("county", "1", "A", "2026-01-01", "1");
  glucose("lab", "9", "B", "2026-01-02", "2");
  glucose("county", "1", "C", "2026-01-03", "3");
  region.patient("county", "2");
  glucose("county", "2", "D", "2026-01-04", "4");  // somebody else
  query::ResultSearch asked;
  asked.person = person;
  asked.codes = {{{std::nullopt, "14749-6"}}};
  const auto newest = search(asked);
  ASSERT_TRUE(newest) << newest.error().message;
  EXPECT_THAT(values(newest->matches), ElementsAre("3", "2", "1"));
  EXPECT_EQ(newest->offset, 41U);
  asked.oldest_first = true;
  EXPECT_THAT(values(search(asked)->matches), ElementsAre("1", "2", "3"));
  asked.person = other;  // an id from before the merge finds who it is now
  const auto merged = search(asked);
  EXPECT_THAT(values(merged->matches), SizeIs(3));
  EXPECT_EQ(merged->matches[0].report->person, person);
}

TEST_F(ClinicalTest, CodesMatchByLoincAndBySendersOwnWithAndWithoutSystem) {
  const auto person = region.patient("county", "1");
  glucose("county", "1", "A", "2026-01-01", "1");
  const auto count = [&](query::Token token) {
    query::ResultSearch asked;
    asked.person = person;
    asked.codes = {{std::move(token)}};
    return search(asked)->matches.size();
  };
  EXPECT_EQ(count({std::nullopt, "GLU"}), 1U);
  EXPECT_EQ(count({"http://loinc.org", "14749-6"}), 1U);
  EXPECT_EQ(count({"urn:hutong:facility:lab:codes", "GLU"}), 1U);
  EXPECT_EQ(count({"http://loinc.org", "GLU"}), 0U);
  EXPECT_EQ(count({std::nullopt, "OTHER"}), 0U);
}

TEST_F(ClinicalTest, PagesJoinWithoutGapOrRepetitionWhileRowsArrive) {
  const auto person = region.patient("county", "1");
  for (int day = 1; day <= 9; ++day) {
    glucose("county", "1", "R" + std::to_string(day), "2026-01-0" + std::to_string(day), std::to_string(day));
  }
  for (const bool oldest_first : {false, true}) {
    query::ResultSearch asked;
    asked.person = person;
    asked.count = 5;  // two items a report: a page ends inside a report
    asked.oldest_first = oldest_first;
    std::vector<std::string> seen;
    for (int page = 0; page < 10; ++page) {
      const auto answer = search(asked);
      ASSERT_TRUE(answer) << answer.error().message;
      for (auto& id : ids(answer->matches)) seen.push_back(id);
      if (answer->next.empty()) break;
      asked.position = answer->next;
      if (page == 1) {  // behind us in either direction
        glucose("county", "1", oldest_first ? "OLD" : "NEW", oldest_first ? "2025-01-01" : "2027-01-01", "x");
      }
    }
    const std::size_t expected = oldest_first ? 20 : 18;
    EXPECT_EQ(seen.size(), expected);
    EXPECT_EQ(std::set<std::string>(seen.begin(), seen.end()).size(), expected);
  }
}

TEST_F(ClinicalTest, DatePrefixesCompareIntervals) {
  const auto person = region.patient("county", "1");
  glucose("county", "1", "A", "2026-01-01T08:00:00+08:00", "1");
  glucose("county", "1", "B", "2026-01-02", "2");
  const auto found = [&](query::Compare compare, const char* text) {
    query::ResultSearch asked;
    asked.person = person;
    asked.codes = {{{std::nullopt, "GLU"}}};
    asked.dates = {{{compare, *parse_iso(text), text}}};
    return values(search(asked)->matches);
  };
  using enum query::Compare;
  EXPECT_THAT(found(eq, "2026-01-01"), ElementsAre("1"));
  EXPECT_THAT(found(eq, "2026-01"), ElementsAre("2", "1"));
  EXPECT_THAT(found(eq, "2026-01-02T08:00:00+08:00"), ElementsAre());  // a day is not within a second
  EXPECT_THAT(found(ne, "2026-01-01"), ElementsAre("2"));
  EXPECT_THAT(found(lt, "2026-01-02"), ElementsAre("1"));
  EXPECT_THAT(found(gt, "2026-01-01"), ElementsAre("2"));
  EXPECT_THAT(found(ge, "2026-01-02"), ElementsAre("2"));
  EXPECT_THAT(found(le, "2026-01-01"), ElementsAre("1"));
  EXPECT_THAT(found(sa, "2026-01-01"), ElementsAre("2"));
  EXPECT_THAT(found(eb, "2026-01-02"), ElementsAre("1"));
}

TEST_F(ClinicalTest, VersionsStayReadableAndAnItemsHistoryHoldsItsChanges) {
  region.patient("county", "1");
  const auto id = glucose("county", "1", "A", "2026-01-01", "5.6");
  glucose("county", "1", "A", "2026-01-02", "6.5", 2);  // the time moves too
  const auto now = run(region.clinical.read(permit, ViewKind::report, id.hex()));
  ASSERT_TRUE(now) << now.error().message;
  EXPECT_EQ(now->matches[0].report->version, 2U);
  const std::string changed = now->matches[0].report->item_ids[0], same = now->matches[0].report->item_ids[1];
  EXPECT_THAT(values(run(region.clinical.version(permit, ViewKind::observation, changed, 1))->matches),
              ElementsAre("5.6"));
  EXPECT_EQ(run(region.clinical.version(permit, ViewKind::observation, changed, 3)).error().code, ErrorCode::not_found);
  EXPECT_THAT(values(run(region.clinical.history(permit, ViewKind::observation, changed))->matches),
              ElementsAre("6.5", "5.6"));
  EXPECT_THAT(run(region.clinical.history(permit, ViewKind::report, id.hex()))->matches, SizeIs(2));
  // The other item says the same at another time of its report: that is a change of its effective time.
  EXPECT_THAT(run(region.clinical.history(permit, ViewKind::observation, same))->matches, SizeIs(2));
}

TEST_F(ClinicalTest, AnItemThatSaysTheSameHasOneEntryInItsHistory) {
  region.patient("county", "1");
  const auto id = glucose("county", "1", "A", "2026-01-01", "5.6");
  glucose("county", "1", "A", "2026-01-01", "6.5", 2);
  const auto now = run(region.clinical.read(permit, ViewKind::report, id.hex()));
  const auto history = run(region.clinical.history(permit, ViewKind::observation, now->matches[0].report->item_ids[1]));
  ASSERT_THAT(history->matches, SizeIs(1));
  EXPECT_EQ(history->matches[0].report->version, 2U);
}

TEST_F(ClinicalTest, AnItemThatACorrectionTookOutIsGone) {
  region.patient("county", "1");
  const auto id = glucose("county", "1", "A", "2026-01-01", "5.6");
  const auto first = run(region.clinical.read(permit, ViewKind::report, id.hex()));
  const std::string sodium = first->matches[0].report->item_ids[1];
  region.report(
      "county", "1", "A", "2026-01-01",
      [&](Arena& arena, model::Report& report) { report.observations.push(arena, item("GLU", "14749-6", "5.6")); }, 2);
  EXPECT_EQ(run(region.clinical.read(permit, ViewKind::observation, sodium)).error().code, ErrorCode::gone);
  EXPECT_EQ(run(region.clinical.read(permit, ViewKind::observation, id.hex() + "-0000000000000000")).error().code,
            ErrorCode::not_found);
}

TEST_F(ClinicalTest, TheSameItemTwiceInAReportHasTwoIds) {
  region.patient("county", "1");
  const auto id = region.report("county", "1", "A", "2026-01-01", [&](Arena& arena, model::Report& report) {
    report.observations.push(arena, item("GLU", "", "1"));
    report.observations.push(arena, item("GLU", "", "2"));
  });
  const auto now = run(region.clinical.read(permit, ViewKind::report, id.hex()));
  const auto& both = now->matches[0].report->item_ids;
  EXPECT_NE(both[0], both[1]);
  EXPECT_THAT(values(run(region.clinical.read(permit, ViewKind::observation, both[1]))->matches), ElementsAre("2"));
}

TEST_F(ClinicalTest, PatientsAreFoundByCardNameAndBirthDate) {
  const auto say = [](std::string_view card, std::string_view name, std::string_view born) {
    return [=](Arena& arena, model::Subject& subject) {
      subject.identifiers.push(arena, {.kind = model::IdentifierKind::resident_card, .value = card});
      subject.names.push(arena, {.text = name});
      subject.born = {born, born};
      subject.sex = model::Sex::female;
    };
  };
  const auto first = region.patient("county", "1", say("23080419900307251X", "王小芳", "1990-03-07"));
  const auto second = region.patient("county", "2", say("231083195511204329", "王小明", "1955-11-20"));
  const auto found = [&](query::PersonSearch asked) {
    const auto answer = run(region.clinical.persons(permit, std::move(asked)));
    return answer ? ids(answer->matches) : std::vector<std::string>{answer.error().message};
  };
  query::PersonSearch card;
  card.identifiers = {{"urn:oid:2.16.156.10011.1.3", "23080419900307251Ｘ"}};  // full-width X, as typed
  EXPECT_THAT(found(card), ElementsAre(first.hex()));
  card.identifiers = {{std::nullopt, "231083195511204329"}};
  EXPECT_THAT(found(card), ElementsAre(second.hex()));
  card.identifiers = {{"urn:oid:2.16.156.10011.1.19", "231083195511204329"}};  // a health card of that number: none
  EXPECT_THAT(found(card), ElementsAre());
  card.identifiers = {{"urn:hutong:facility:county:mrn", "2"}};  // the number it is kept under
  EXPECT_THAT(found(card), ElementsAre(second.hex()));
  card.identifiers = {{"urn:hutong:facility:lab:mrn", "2"}};
  EXPECT_THAT(found(card), ElementsAre());
  query::PersonSearch named;
  named.names = {{{query::NameFilter::Mode::starts, "王小"}}};
  EXPECT_THAT(found(named), SizeIs(2));
  named.births = {{{query::Compare::eq, *parse_iso("1955-11-20"), "1955-11-20"}}};
  EXPECT_THAT(found(named), ElementsAre(second.hex()));
  named.names = {{{query::NameFilter::Mode::contains, "芳"}}};
  EXPECT_THAT(found(named), ElementsAre());
  query::PersonSearch year;
  year.births = {{{query::Compare::ge, *parse_iso("1980"), "1980"}}};
  EXPECT_THAT(found(year), ElementsAre(first.hex()));
  EXPECT_EQ(run(region.clinical.persons(permit, {})).error().code, ErrorCode::too_costly);
}

TEST_F(ClinicalTest, AMergedPersonNamesWhoReplacedThem) {
  const auto person = region.patient("county", "1"), prior = region.patient("county", "2");
  region.merge(person, prior, R"([["county","1"],["county","2"]])");
  const auto old = run(region.clinical.read(permit, ViewKind::person, prior.hex()));
  EXPECT_EQ(old->matches[0].person->replaced_by, person);
  EXPECT_THAT(run(region.clinical.read(permit, ViewKind::person, person.hex()))->matches[0].person->members, SizeIs(2));
}

TEST_F(ClinicalTest, EverythingComesInPagesEachThingOnce) {
  const auto person = region.patient("county", "1");
  region.encounter("county", "1", "V1", "2026-01-01");
  region.encounter("county", "1", "V2", "2026-01-05");
  for (int day = 1; day <= 4; ++day)
    glucose("county", "1", "R" + std::to_string(day), "2026-01-0" + std::to_string(day), "5");
  std::vector<std::string> seen;
  std::string position;
  int pages = 0;
  do {
    const auto answer = run(region.clinical.everything(permit, person, 3, position));
    ASSERT_TRUE(answer) << answer.error().message;
    EXPECT_LE(answer->matches.size(), 3U);
    for (const auto& view : answer->matches) {
      seen.push_back(std::to_string(static_cast<int>(view.kind)) + model::id_of(view));
    }
    position = answer->next;
    ++pages;
  } while (!position.empty() && pages < 20);
  EXPECT_EQ(seen.size(), 1 + 1 + 2 + 4 * 3U);  // person, facility, stays, reports with two items
  EXPECT_EQ(std::set<std::string>(seen.begin(), seen.end()).size(), seen.size());
}

TEST_F(ClinicalTest, LatestGivesTheNewestOfEachCode) {
  const auto person = region.patient("county", "1");
  for (int day = 1; day <= 4; ++day) {
    glucose("county", "1", "R" + std::to_string(day), "2026-01-0" + std::to_string(day), std::to_string(day));
  }
  query::ResultSearch asked;
  asked.person = person;
  const auto answer = run(region.clinical.latest(permit, asked, 2));
  EXPECT_THAT(values(answer->matches), ElementsAre("4", "3", "140", "140"));
}

TEST_F(ClinicalTest, IncludesEachThingOnce) {
  const auto person = region.patient("county", "1");
  glucose("county", "1", "A", "2026-01-01", "1");
  query::ResultSearch asked;
  asked.person = person;
  asked.includes = {ViewKind::person, ViewKind::facility};
  const auto answer = search(asked);
  EXPECT_THAT(answer->matches, SizeIs(2));
  EXPECT_THAT(ids(answer->includes), ElementsAre(person.hex(), "lab"));
}

TEST_F(ClinicalTest, AnUnregisteredFacilityIsShownByItsCode) {
  EXPECT_TRUE(run(region.clinical.read(permit, ViewKind::facility, "x-0123456789ab")));
  EXPECT_EQ(run(region.clinical.read(permit, ViewKind::facility, "nowhere")).error().code, ErrorCode::not_found);
}

TEST_F(ClinicalTest, OrdersAreFoundByPatientNumberStatusAndTime) {
  const auto person = region.patient("county", "1");
  const auto first = region.order("county", "1", "O1", "2026-01-02T08:00:00+08:00"),
             second = region.order("county", "1", "O2", "2026-01-04T08:00:00+08:00", model::OrderStatus::revoked);
  region.patient("lab", "9");
  const auto elsewhere = region.order("lab", "9", "O1", "2026-01-05T08:00:00+08:00");
  const auto report = region.report("county", "1", "F1", "2026-01-03", [](Arena&, model::Report& made) {
    made.order_number = "O1";
    made.requested = {"2026-01-03", "2026-01-03"};
  });
  query::ResultSearch asked;
  asked.kind = ViewKind::order;
  asked.person = person;
  const auto behind = report.hex() + "-r";
  EXPECT_THAT(ids(search(asked)->matches), ElementsAre(second.hex(), behind, first.hex())) << "in one order of time";
  asked.count = 1;
  std::vector<std::string> paged;
  for (int page = 0; page < 5; ++page) {
    const auto answer = search(asked);
    ASSERT_TRUE(answer) << answer.error().message;
    for (auto& id : ids(answer->matches)) paged.push_back(id);
    if (answer->next.empty()) break;
    asked.position = answer->next;
  }
  EXPECT_THAT(paged, ElementsAre(second.hex(), behind, first.hex()));
  asked.count = 10;
  asked.position.clear();
  asked.statuses = {{{std::nullopt, "active"}}};
  EXPECT_THAT(ids(search(asked)->matches), ElementsAre(first.hex()));
  asked.statuses.clear();
  asked.identifiers = {{{std::nullopt, "O1"}}};
  EXPECT_THAT(ids(search(asked)->matches), ElementsAre(behind, first.hex()));
  asked.person.reset();
  std::vector<std::string> both{first.hex(), elsewhere.hex()};
  std::sort(both.begin(), both.end());
  EXPECT_EQ(ids(search(asked)->matches), both);
  asked.identifiers = {{{"urn:hutong:facility:lab:placer", "O1"}}};
  EXPECT_THAT(ids(search(asked)->matches), ElementsAre(elsewhere.hex()));
  asked.identifiers = {{{std::nullopt, "O9"}}};
  EXPECT_TRUE(search(asked)->matches.empty());
}

TEST_F(ClinicalTest, APlacedOrderIsReadByItsIdAndComesWithEverything) {
  const auto person = region.patient("county", "1");
  const auto order = region.order("county", "1", "O1", "2026-01-02T08:00:00+08:00");
  const auto read = run(region.clinical.read(permit, ViewKind::order, order.hex()));
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(read->matches[0].order->person, person);
  EXPECT_EQ(model::status_of(read->matches[0]), "active");
  EXPECT_TRUE(run(region.clinical.version(permit, ViewKind::order, order.hex(), 1)));
  EXPECT_EQ(run(region.clinical.version(permit, ViewKind::order, order.hex(), 2)).error().code, ErrorCode::not_found);
  EXPECT_EQ(run(region.clinical.history(permit, ViewKind::order, order.hex()))->matches.size(), 1U);
  EXPECT_EQ(run(region.clinical.read(permit, ViewKind::order, std::string(32, 'a'))).error().code,
            ErrorCode::not_found);
  const auto all = run(region.clinical.everything(permit, person, 100, ""));
  ASSERT_TRUE(all);
  EXPECT_THAT(ids(all->matches), testing::Contains(order.hex()));
}

}  // namespace
}  // namespace hutong
