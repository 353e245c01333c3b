// The safety net over a projector, a log and a store: an order that repeats what could have been recognised is counted
// once, however the processes die in between. Shipped tables, one invented patient in two facilities of one card.
#include "broker/query/placed_orders.h"

#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "tests/unit/pipeline/projector_fixture.h"

namespace hutong::pipeline {
namespace {

namespace fs = std::filesystem;
using testing::IsEmpty;
using testing::SizeIs;

const std::string card = "230804199003072513";

class SafetyNet : public ProjectorTest {
 protected:
  SafetyNet() : own_(fs::temp_directory_path() / ("hutong-orders-" + std::to_string(::getpid()))) {
    fs::create_directories(own_);
    const fs::path shipped = fs::path(HUTONG_SOURCE_DIR) / "schemas";
    const auto items = recognition::Catalogue::load_unchecked({shipped / "recognition"});
    glucose_ = items->item_of_loinc("14749-6", "2026-06-01")->code;
    std::ofstream(own_ / "eqa.csv") << "laboratory,item,mark,round,valid_from,valid_to,outcome,source\nlab," << glucose_
                                    << ",HR.CN,all,2024-01-01,,passed,test\n";
    rules_.catalogue = recognition::Catalogue::load_unchecked({shipped / "recognition", own_});
    rules_.terminology = terminology::Terminology::load(shipped / "terminology");
    auto known = std::make_shared<model::FacilityDirectory>();
    known->add({.code = "h1", .name_zh = "甲医院", .level = "3A", .area = "230803"});
    known->add({.code = "h2", .name_zh = "乙社区", .level = "1", .area = "230804"});
    known->add({.code = "lab", .name_zh = "检验中心", .level = "3A", .area = "230803", .uscc = "91350100M000100Y43"});
    rules_.facilities = known;
  }
  ~SafetyNet() override { fs::remove_all(own_); }

  void result(const std::string& control = "r1", ResultStatus status = ResultStatus::final) {
    LabReport lab;
    lab.items = {{"GLU", "5.8", status, "", "14749-6"}};
    lab.observed = "2026-05-27T08:00:00+08:00";
    lab.issued = "2026-05-27T10:00:00+08:00";
    tell(Message(control, {.number = "A1", .facility = "h1", .card = card}).report(lab));
  }
  static Message ordered(const std::string& control, const Ordered& said = {}) {
    Message message(control, {.number = "B1", .facility = "h2", .card = card});
    message.order(said);
    return message;
  }
  std::size_t judge() {
    query::Clinical clinical(*store, "installation key of the tests", [this] { return rules_.facilities; });
    query::Recognition recognition(
        *store, log, clinical, [this] { return rules_; }, clock);
    query::PlacedOrders orders(*store, log, recognition, [this] { return ours_; });
    const auto judged = await(orders.judge());
    EXPECT_TRUE(judged) << judged.error().message;
    return judged.value_or(0);
  }
  // A doctor of h2 was told.
  void told(const std::string& order, const std::string& person = "") {
    model::RecognitionDecided decided;
    decided.id = RecordId(sha256("told" + order + person));
    decided.at = clock.now();
    decided.facility = "h2";
    decided.order = order;
    decided.person = person;
    decided.zone_day = "2026-05-29";
    decided.extent = "all";
    decided.door = "api";
    decided.lines.push_back({"GLU", "", glucose_, "recognisable", {"national-mark"}, {}, 600});
    port::Record record;
    record.id = decided.id;
    record.key = "h2/" + decided.id.hex();
    record.kinds = model::recognition_decided_kind;
    record.json = model::write(decided);
    append(std::move(record), port::Topic::operations);
  }
  std::int64_t counted(const std::string& measure) {
    std::int64_t sum = 0;
    for (const auto& row : rows(tables::recognition_counts)) {
      if (text(row, 4) == measure) sum += number(row, 5);
    }
    return sum;
  }
  std::vector<port::Row> waiting() {
    return rows(tables::pending, {static_cast<std::int64_t>(port::Topic::operations)});
  }

  fs::path own_;
  std::string glucose_;
  query::RecognitionRules rules_;
  bool ours_ = true;
};

TEST_F(SafetyNet, AnOrderThatRepeatsARecognisableResultIsCountedAndTold) {
  result();
  tell(ordered("o1"));
  EXPECT_EQ(judge(), 1U);
  project();
  EXPECT_THAT(waiting(), IsEmpty());
  EXPECT_EQ(counted("repeated"), 1);
  EXPECT_EQ(counted("ordered"), 1);
  const auto decided = *model::read_recognition_decided(in_log(port::Topic::operations).back().record.json);
  EXPECT_EQ(decided.door, "order");
  EXPECT_EQ(decided.order, "O1");
  EXPECT_EQ(decided.practitioner, "D07");
  ASSERT_THAT(decided.lines, SizeIs(1));
  EXPECT_EQ(decided.lines[0].verdict, "recognisable");
  EXPECT_THAT(decided.lines[0].results, SizeIs(1));
  ASSERT_THAT(rows(tables::recognition_notices, {std::string("h2")}), SizeIs(1));
  EXPECT_EQ(judge(), 0U);
  expect_rebuild_is_equal();
}

TEST_F(SafetyNet, WithoutAResultOrAsAnEmergencyNothingIsRepeated) {
  tell(ordered("o1"));
  EXPECT_EQ(judge(), 1U);
  project();
  result();  // came after the order did
  tell(ordered("o2", {.number = "O2", .encounter = model::EncounterClass::emergency}));
  EXPECT_EQ(judge(), 1U);
  project();
  EXPECT_EQ(counted("ordered"), 2);
  EXPECT_EQ(counted("repeated"), 0);
  EXPECT_THAT(rows(tables::recognition_notices), IsEmpty());
}

TEST_F(SafetyNet, AnOrderIsJudgedAsOfWhenItCame) {
  tell(ordered("o1"));
  result();
  EXPECT_EQ(judge(), 1U);
  project();
  EXPECT_EQ(counted("repeated"), 0);
}

TEST_F(SafetyNet, AnOrderWithADecisionIsNotCountedAgain) {
  result();
  told("O1");
  append(ordered("o1").record());
  project();
  EXPECT_EQ(judge(), 1U);
  project();
  EXPECT_EQ(counted("repeated"), 0);
  EXPECT_EQ(counted("ordered"), 1) << "where its doctor was told";
  EXPECT_EQ(counted("orders"), 1);
  expect_rebuild_is_equal();
}

TEST_F(SafetyNet, ADecisionThatTheViewsDoNotShowYetIsWaitedFor) {
  result();
  tell(ordered("o1"));
  told("O1");  // in the log, as it was before the order in a log of two topics
  EXPECT_EQ(judge(), 0U);
  project();
  EXPECT_EQ(judge(), 1U);
  project();
  EXPECT_EQ(counted("repeated"), 0);
}

TEST_F(SafetyNet, ADecisionThatNamesNoOrderIsKnownByPersonAndItem) {
  result();
  tell(Message("a", {.number = "B1", .facility = "h2", .card = card}));  // linked before anybody asks
  const auto person = person_of(*store, "h2", "B1");
  told("", to_hex(person));
  project();
  tell(ordered("o1"));
  tell(ordered("o2", {.number = "O2", .service = "K", .loinc = "2823-3"}));
  clock.advance(std::chrono::hours(30));
  tell(ordered("o3", {.number = "O3"}));
  EXPECT_EQ(judge(), 3U);
  project();
  EXPECT_EQ(counted("repeated"), 1) << "the third came more than a day later";
  EXPECT_EQ(counted("orders"), 3) << "the first followed the decision";
}

TEST_F(SafetyNet, ALaboratoryThatIsNamedByItsCreditCodeHasItsMarks) {
  LabReport lab;
  lab.items = {{"GLU", "5.8", ResultStatus::final, "", "14749-6"}};
  lab.issuer = "h1";
  lab.observed = "2026-05-27T08:00:00+08:00";
  lab.issued = "2026-05-27T10:00:00+08:00";
  lab.performer = "91350100M000100Y43";
  tell(Message("r", {.number = "A1", .facility = "h1", .card = card}).report(lab));
  tell(ordered("o1"));
  EXPECT_EQ(judge(), 1U);
  project();
  EXPECT_EQ(counted("repeated"), 1);
  const auto decided = *model::read_recognition_decided(in_log(port::Topic::operations).back().record.json);
  ASSERT_THAT(decided.lines.at(0).results, SizeIs(1));
  EXPECT_EQ(decided.lines[0].results[0].laboratory, "lab");
}

TEST_F(SafetyNet, CountsOnTheDayOfTheAreasZone) {
  for (const int zone : {-720, 840}) {  // it is never the same day in both
    rules_.zone_minutes = zone;
    tell(ordered("o" + std::to_string(zone), {.number = "O" + std::to_string(zone)}));
    EXPECT_EQ(judge(), 1U);
    project();
    const auto decided = *model::read_recognition_decided(in_log(port::Topic::operations).back().record.json);
    EXPECT_EQ(decided.zone_day, recognition::day_of(decided.at, zone));
    EXPECT_EQ(decided.day, recognition::day_of(decided.at, zone)) << "whose rules they are";
    EXPECT_FALSE(rows(tables::recognition_counts, {decided.zone_day}).empty());
  }
}

TEST_F(SafetyNet, WhoThePatientIsIsDecidedFirst) {
  result();
  append(ordered("o1").record());  // the first that is heard of B1: who it is is not in the log yet
  ASSERT_TRUE(await(projector->step()));
  EXPECT_EQ(judge(), 0U);
  project();
  EXPECT_EQ(judge(), 1U);
  project();
  EXPECT_EQ(counted("repeated"), 1);
}

TEST_F(SafetyNet, ACrashAtAnyPointCountsOnce) {
  result();
  tell(ordered("o1"));
  restart();
  EXPECT_EQ(judge(), 1U);
  EXPECT_EQ(judge(), 0U) << "what was appended is to be met first";
  restart();  // before it was met
  EXPECT_EQ(judge(), 0U);
  project();
  restart();
  project();
  EXPECT_EQ(judge(), 0U);
  tell(ordered("o1 again"));  // the same order under another control id
  EXPECT_EQ(judge(), 0U);
  EXPECT_EQ(counted("repeated"), 1);
  auto fresh = rebuilt();
  store = std::move(fresh);
  restart();
  project();
  EXPECT_EQ(judge(), 0U) << "a rebuild makes none twice";
  EXPECT_EQ(counted("repeated"), 1);
}

TEST_F(SafetyNet, AnotherBrokersOrdersAreLeftToIt) {
  result();
  tell(ordered("o1"));
  ours_ = false;
  EXPECT_EQ(judge(), 0U);
}

TEST_F(SafetyNet, ItsOwnResultIsNoneFromBefore) {
  LabReport lab;
  lab.items = {{"GLU", "5.8", ResultStatus::final, "", "14749-6"}};
  lab.observed = "2026-05-27T08:00:00+08:00";
  lab.issued = "2026-05-27T10:00:00+08:00";
  lab.order = "O1";
  tell(Message("r", {.number = "B1", .facility = "h2", .card = card}).report(lab));
  tell(ordered("o1"));  // late
  EXPECT_EQ(judge(), 1U);
  project();
  EXPECT_EQ(counted("repeated"), 0);
}

}  // namespace
}  // namespace hutong::pipeline
