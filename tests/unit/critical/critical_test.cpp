// Critical values: what is one, and the loop until somebody has confirmed by name.
#include "broker/critical/critical.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <map>

namespace hutong::critical {
namespace {

using model::CriticalAction;
using model::CriticalStep;
using model::Degree;
using namespace std::chrono_literals;
namespace fs = std::filesystem;
const fs::path shipped = fs::path(HUTONG_SOURCE_DIR) / "schemas/critical";

const Rules& rules() {
  static const auto loaded = Rules::load({shipped});
  return *loaded;
}

Timestamp at(std::string_view iso) {
  return parse_iso(iso)->first;
}

model::Observation potassium(model::Text number, model::Text comparator = {}) {
  model::Observation made;
  made.code.mapped_code = "2823-3";
  made.status = model::ResultStatus::final;
  made.value.kind = model::ValueKind::number;
  made.value.number = number;
  made.value.comparator = comparator;
  made.value.ucum = "mmol/L";
  return made;
}

std::string found(const model::Observation& observation, std::optional<int> age_days = 20'000,
                  Text laboratory = "lab-regional") {
  const auto critical = detect(observation, laboratory, age_days, "2026-03-02", rules());
  return critical ? std::string(to_string(critical->degree)) + ", " + critical->basis : "no";
}

TEST(Detection, PotassiumOfSevenPointOneIsCritical) {
  EXPECT_EQ(found(potassium("7.1")), "high, limit high 6.2 mmol/L");
  EXPECT_EQ(found(potassium("2.7")), "low, limit low 2.8 mmol/L");
  for (const auto* fine : {"2.8", "4.0", "6.2", "6.20"}) EXPECT_EQ(found(potassium(fine)), "no") << fine;
}

TEST(Detection, ABoundThatProvesItIsEnough) {
  EXPECT_EQ(found(potassium("10", ">")), "high, limit high 6.2 mmol/L");
  EXPECT_EQ(found(potassium("6.2", ">")), "high, limit high 6.2 mmol/L");
  EXPECT_EQ(found(potassium("6.2", ">=")), "no");
  EXPECT_EQ(found(potassium("2.8", "<")), "low, limit low 2.8 mmol/L");
  EXPECT_EQ(found(potassium("3.0", "<")), "no");
  EXPECT_EQ(found(potassium("2.0", ">")), "no");
}

TEST(Detection, TheLaboratorysFlagDecidesWithoutALimit) {
  Arena arena;
  auto result = potassium("5.0");
  result.code.mapped_code = "";
  const std::map<model::Text, std::string> all{{"LL", "low, flag LL"},
                                               {"HH", "high, flag HH"},
                                               {"AA", "abnormal, flag AA"},
                                               {"H", "no"},
                                               {"L", "no"},
                                               {"A", "no"},
                                               {"N", "no"}};
  for (const auto& [flag, degree] : all) {
    result.flags = {};
    result.flags.push(arena, flag);
    EXPECT_EQ(found(result), degree);
  }
  auto flagged_high = potassium("7.1");
  flagged_high.flags.push(arena, "H");
  EXPECT_EQ(found(flagged_high), "high, limit high 6.2 mmol/L") << "a flag that says less does not hide it";
}

TEST(Detection, UnitStatusAndKindMustFit) {
  auto other_unit = potassium("7.1");
  other_unit.value.ucum = "mg/dL";
  EXPECT_EQ(found(other_unit), "no");
  other_unit.value.canonical = "7.1";
  other_unit.value.canonical_unit = "mmol/L";
  EXPECT_EQ(found(other_unit), "high, limit high 6.2 mmol/L") << "converted";
  auto early = potassium("7.1");
  early.status = model::ResultStatus::preliminary;
  EXPECT_NE(found(early), "no") << "danger does not wait for approval";
  for (const auto gone : {model::ResultStatus::cancelled, model::ResultStatus::entered_in_error}) {
    early.status = gone;
    EXPECT_EQ(found(early), "no");
  }
  auto text = potassium("7.1");
  text.value.kind = model::ValueKind::text;
  EXPECT_EQ(found(text), "no");
  EXPECT_EQ(found(potassium("溶血")), "no");
  EXPECT_EQ(found(potassium("")), "no");
}

TEST(Detection, NewbornsHaveLimitsOfTheirOwn) {
  auto glucose = potassium("2.5");
  glucose.code.mapped_code = "14749-6";
  EXPECT_EQ(found(glucose, 20'000), "low, limit low 2.8 mmol/L");
  EXPECT_EQ(found(glucose, 3), "no");
  EXPECT_EQ(found(glucose, 28), "no");
  EXPECT_EQ(found(glucose, 29), "low, limit low 2.8 mmol/L");
  EXPECT_EQ(found(glucose, std::nullopt), "no") << "whose limit it is, is not known";
}

class OwnTables : public testing::Test {
 protected:
  OwnTables() : folder_(fs::temp_directory_path() / ("hutong-critical-" + std::to_string(::getpid()))) {
    fs::remove_all(folder_);
    fs::copy(shipped, folder_);
  }
  ~OwnTables() override { fs::remove_all(folder_); }
  void append(const std::string& table, const std::string& row) {
    std::ofstream(folder_ / (table + ".csv"), std::ios::app) << row << "\n";
  }
  std::string refusal() {
    try {
      Rules::load({folder_});
    } catch (const std::runtime_error& e) {
      return e.what();
    }
    return "accepted";
  }
  fs::path folder_;
};

TEST_F(OwnTables, AHospitalsOwnLimitStandsInsteadOfTheSharedOnes) {
  append("limits", "bc-city,2823-3,mmol/L,,,3.0,6.0,2026-03-01,,钾,its own");
  const auto loaded = Rules::load({folder_});
  const auto high = [&](Text laboratory, Text day) {
    return detect(potassium("6.1"), laboratory, 20'000, day, *loaded).has_value();
  };
  EXPECT_TRUE(high("bc-city", "2026-03-02"));
  EXPECT_FALSE(high("bc-city", "2026-02-28")) << "of that day";
  EXPECT_FALSE(high("bc-county", "2026-03-02"));
  EXPECT_NE(loaded->version(), rules().version());
}

TEST_F(OwnTables, AreRefusedWithTheirPlace) {
  const auto expect = [&](const std::string& table, const std::string& row, const std::string& words) {
    const auto kept = fs::file_size(folder_ / (table + ".csv"));
    append(table, row);
    EXPECT_NE(refusal().find(words), std::string::npos) << refusal();
    EXPECT_NE(refusal().find(table + ".csv:"), std::string::npos) << refusal();
    fs::resize_file(folder_ / (table + ".csv"), kept);
  };
  expect("limits", "*,2823-3,mmol/L,,,3.0,6.0,2026-03-01,,钾,twice", "a second row");
  expect("limits", "*,1-1,,,,3.0,6.0,2026-03-01,,x,x", "ucum");
  expect("limits", "*,1-1,g/L,,,,,2026-03-01,,x,x", "neither");
  expect("limits", "*,1-1,g/L,,,3;0,,2026-03-01,,x,x", "no number");
  expect("flags", "*,HH,low,2026-01-01,,x", "a second row");
  expect("chain", "2,duty,30m,10m,2026-01-01,,x", "a second row");
  expect("chain", "4,director,30m,10m,2026-01-01,,x", "gap");
  expect("chain", "3,director,15m,10m,2026-01-01,,x", "told later");
  expect("chain", "3,director,40m,,2026-01-01,,x", "again");
  EXPECT_EQ(refusal(), "accepted");
}

CriticalValue opened() {
  CriticalValue value;
  value.opened.value = model::critical_id("r", "o", 1);
  value.opened.id = model::opened_id(value.opened.value);
  value.opened.at = at("2026-03-01T02:00:00");
  value.opened.report = "r";
  value.opened.laboratory = "lab-regional";
  value.opened.facility = "vc-01";
  value.opened.loinc = "2823-3";
  value.opened.degree = Degree::high;
  return value;
}

CriticalStep confirmation(const std::string& id, Timestamp when) {
  CriticalStep step;
  step.id = RecordId(sha256(id));
  step.value = opened().opened.value;
  step.action = CriticalAction::confirmed;
  step.at = when;
  step.facility = "vc-01";
  step.practitioner = "V01";
  step.name = "柳一";
  return step;
}

std::string shown(const std::optional<Deadline>& deadline) {
  return deadline
             ? std::to_string(deadline->level) + " " + deadline->role + " " + to_iso(deadline->at, 480).substr(11, 5)
             : "none";
}

TEST(Loop, IsToldThenEscalatesEveryTenMinutesUntilSomebodyConfirms) {
  auto value = opened();
  std::vector<std::string> told;
  for (int i = 0; i < 5; ++i) {
    const auto deadline = next(value, rules());
    told.push_back(shown(deadline));
    EXPECT_TRUE(apply(value, tell(value, *deadline, "vc-01", deadline->at + 1s)));
  }
  EXPECT_EQ(told, (std::vector<std::string>{"0 orderer 02:00", "1 duty 02:10", "2 coordinator 02:20",
                                            "2 coordinator 02:30", "2 coordinator 02:40"}));
  EXPECT_TRUE(value.open());
  EXPECT_TRUE(apply(value, confirmation("a", at("2026-03-01T02:45:00"))));
  EXPECT_FALSE(value.open());
  EXPECT_EQ(shown(next(value, rules())), "none");
  EXPECT_EQ(value.confirmed()->name, "柳一");
}

TEST(Loop, AfterAnOutageEveryLevelThatIsOverdueIsToldAtOnce) {
  auto value = opened();
  const auto back = value.opened.at + 1h;
  std::vector<CriticalAction> done;
  for (auto deadline = next(value, rules()); deadline && deadline->at <= back; deadline = next(value, rules())) {
    const auto step = tell(value, *deadline, "vc-01", back);
    EXPECT_EQ(tell(value, *deadline, "vc-01", back + 1min).id, step.id) << "made again it is the same";
    apply(value, step);
    done.push_back(step.action);
    EXPECT_FALSE(apply(value, step));
  }
  EXPECT_EQ(done, (std::vector{CriticalAction::told, CriticalAction::escalated, CriticalAction::escalated}));
  EXPECT_EQ(next(value, rules())->at, back + 10min);
}

TEST(Loop, EndsTheSameInAnyOrderWithResends) {
  auto first = opened();
  std::vector<CriticalStep> steps;
  for (int i = 0; i < 4; ++i) {
    const auto deadline = *next(first, rules());
    steps.push_back(tell(first, deadline, "vc-01", deadline.at));
    apply(first, steps.back());
  }
  steps.push_back(confirmation("a", at("2026-03-01T02:35:00")));
  steps.push_back(confirmation("b", at("2026-03-01T02:36:00")));
  const auto seen = [](const CriticalValue& value) {
    std::string text;
    for (const auto& step : value.steps) text += model::write(step) + "\n";
    return text;
  };
  std::vector<std::size_t> order{0, 1, 2, 3, 4, 5};
  std::string ended;
  do {
    auto value = opened();
    for (std::size_t i = 0; i < order.size(); ++i) {
      apply(value, steps[order[i]]);
      apply(value, steps[order[i / 2]]);
    }
    for (const auto& step : steps) apply(value, step);
    if (ended.empty()) ended = seen(value);
    ASSERT_EQ(seen(value), ended);
    ASSERT_EQ(value.confirmed()->id, RecordId(sha256("a")));
  } while (std::next_permutation(order.begin(), order.end()));
}

TEST(Loop, StaysSmallHoweverLongNobodyConfirms) {
  auto value = opened();
  for (int i = 0; i < 2000; ++i) {
    const auto deadline = *next(value, rules());
    apply(value, tell(value, deadline, "vc-01", deadline.at));
  }
  EXPECT_LE(value.steps.size(), 6U);
  EXPECT_TRUE(value.told(2));
}

TEST(Loop, IsConfirmedByNameByWhoWasTold) {
  auto value = opened();
  const auto when = at("2026-03-01T02:05:00");
  EXPECT_FALSE(object(value, confirmation("a", when)));
  auto nameless = confirmation("a", when);
  nameless.name.clear();
  EXPECT_EQ(object(value, nameless), Objection::name_missing);
  auto unknown = confirmation("a", when);
  unknown.practitioner.clear();
  EXPECT_EQ(object(value, unknown), Objection::practitioner_missing);
  auto stranger = confirmation("a", when);
  stranger.facility = "cc-east";
  EXPECT_EQ(object(value, stranger), Objection::not_told_here);
  const Deadline coordinator{2, "coordinator", when};
  apply(value, tell(value, coordinator, "cc-east", when));
  EXPECT_FALSE(object(value, stranger)) << "told by escalation";
  apply(value, confirmation("a", when));
  EXPECT_FALSE(object(value, confirmation("a", when))) << "again is no objection";
  EXPECT_EQ(object(value, confirmation("b", when)), Objection::confirmed);
  for (const auto objection : {Objection::name_missing, Objection::practitioner_missing, Objection::not_told_here,
                               Objection::withdrawn, Objection::confirmed}) {
    EXPECT_GE(explain(objection).zh.size(), 10U);
    EXPECT_GE(explain(objection).en.size(), 10U);
  }
}

TEST(Loop, ACorrectionWithdrawsIt) {
  auto value = opened();
  CriticalStep step;
  step.id = RecordId(sha256("w"));
  step.value = value.opened.value;
  step.action = CriticalAction::withdrawn;
  step.at = at("2026-03-01T02:08:00");
  step.reason = "corrected";
  EXPECT_TRUE(apply(value, step));
  EXPECT_EQ(shown(next(value, rules())), "none");
  EXPECT_EQ(object(value, confirmation("a", step.at)), Objection::withdrawn);
  EXPECT_NE(model::critical_id("r", "o", 2), value.opened.value) << "the new version's is another one";
}

}  // namespace
}  // namespace hutong::critical
