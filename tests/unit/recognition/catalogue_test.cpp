// The tables of mutual recognition: what is shipped is in order; what is wrong with a set is named; a list that a
// province publishes is laid over a table without rewriting the past.
#include "broker/recognition/catalogue.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "broker/recognition/tables.h"

namespace hutong::recognition {
namespace {

namespace fs = std::filesystem;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;

const fs::path shipped = fs::path(HUTONG_SOURCE_DIR) / "schemas/recognition";

class Tables : public testing::Test {
 protected:
  Tables() : folder_(fs::temp_directory_path() / ("hutong-recognition-" + std::to_string(::getpid()))) {
    fs::remove_all(folder_);
    fs::copy(shipped, folder_);
  }
  ~Tables() override { fs::remove_all(folder_); }

  void write(const std::string& name, const std::string& text) {
    std::ofstream(folder_ / name, std::ios::binary) << text;
  }
  void append(const std::string& name, const std::string& row) {
    std::ofstream(folder_ / name, std::ios::app) << row << "\n";
  }
  std::string refusal() {
    try {
      Catalogue::load({folder_});
    } catch (const std::runtime_error& e) {
      return e.what();
    }
    return "accepted";
  }

  fs::path folder_;
};

TEST_F(Tables, ShippedOnesHaveNoConflict) {
  const auto catalogue = Catalogue::load_unchecked({shipped});
  for (const auto& finding : catalogue->check())
    EXPECT_NE(finding.severity, Severity::error) << finding.place << " " << finding.what;
  EXPECT_TRUE(catalogue->version().starts_with("2026-01-01+")) << catalogue->version();
  const auto* glucose = catalogue->item_of_loinc("14749-6", "2026-03-01");
  ASSERT_TRUE(glucose);
  EXPECT_EQ(glucose->name_zh, "葡萄糖");
  EXPECT_EQ(glucose->window_days, 30);
  EXPECT_FALSE(glucose->window_assumed);
  EXPECT_EQ(catalogue->price("cc-east", glucose->code, "2026-03-01"), 600);
  EXPECT_FALSE(catalogue->item_of_loinc("14749-6", "2023-12-31")) << "before the catalogue was in force";
}

TEST_F(Tables, EveryReasonOfADecisionHasItsWords) {
  const auto catalogue = Catalogue::load({shipped});
  for (const auto* reason :
       {"not-final", "window-exceeded", "same-alliance", "panel-incomplete", "image-unavailable"}) {
    const auto* clause = catalogue->clause(reason, "2026-03-01");
    ASSERT_TRUE(clause) << reason;
    EXPECT_FALSE(clause->text_zh.empty());
    EXPECT_FALSE(clause->text_en.empty());
  }
}

TEST_F(Tables, AnInstallationsTableReplacesTheBuiltInOne) {
  const auto own = folder_ / "own";
  fs::create_directory(own);
  std::ofstream(own / "marks.csv")
      << "mark,valid_from,valid_to,level,areas,text_zh,text_en,source\n"
         "HR.CN,2022-03-01,,national,,全国互认,National,test\nHR.2308,2022-03-01,,area,2308,佳木斯市HR,Jiamusi,test\n";
  const auto catalogue = Catalogue::load({folder_, own});
  EXPECT_EQ(catalogue->mark("HR.CN", "2026-01-01")->text_zh, "全国互认");
  EXPECT_FALSE(catalogue->mark("HR.23", "2026-01-01"));
  EXPECT_NE(catalogue->version(), Catalogue::load({folder_})->version());
}

TEST_F(Tables, TwoRowsForOneDayAreAConflict) {
  append("parameters.csv", "tier_rule,2026-05-01,,same-or-higher,test");
  EXPECT_THAT(refusal(), HasSubstr("parameters tier_rule is said twice for 2026-05-01"));
}

TEST_F(Tables, ARowThatEndsTheDayBeforeIsNone) {
  write("parameters.csv",
        "name,valid_from,valid_to,value,source\ntier_rule,2022-03-01,2026-04-30,off,t\ntier_rule,2026-05-01,,same-or-"
        "higher,t\n");
  const auto catalogue = Catalogue::load({folder_});
  EXPECT_EQ(catalogue->parameter("tier_rule", "2026-04-30"), "off");
  EXPECT_EQ(catalogue->parameter("tier_rule", "2026-05-01"), "same-or-higher");
  EXPECT_EQ(catalogue->parameter("tier_rule", "2022-02-28"), "");
}

TEST_F(Tables, WhatRefersToNothingIsNamedWithItsLine) {
  append("order_codes.csv", "cc-east,77,L999,2026-01-01,,test");
  EXPECT_THAT(refusal(), HasSubstr("item or panel \"L999\" is not known"));
  EXPECT_THAT(refusal(), HasSubstr("order_codes.csv:"));
}

TEST_F(Tables, OneResultCannotBeTwoItems) {
  append("items.csv", "X1,2024-01-01,,血糖二,Glucose two,laboratory,14749-6,,blood,,,,30,sampled,found,no,test");
  EXPECT_THAT(refusal(), HasSubstr("LOINC 14749-6 is both item"));
}

TEST_F(Tables, AGapBetweenTwoWindowsIsAWarning) {
  append("items.csv", "X2,2024-01-01,2024-12-31,甲,A,laboratory,,,blood,,,,30,sampled,found,no,test");
  append("items.csv", "X2,2025-02-01,,甲,A,laboratory,,,blood,,,,20,sampled,found,no,test");
  const auto catalogue = Catalogue::load({folder_});
  std::vector<std::string> said;
  for (const auto& finding : catalogue->check()) said.push_back(finding.what);
  EXPECT_THAT(said, Contains(HasSubstr("items X2 has no row from 2025-01-01 to the day before 2025-02-01")));
  EXPECT_FALSE(catalogue->item("X2", "2025-01-15"));
}

TEST_F(Tables, WhatDoesNotReadIsRefusedWithItsPlace) {
  const std::vector<std::pair<std::string, std::string>> mistakes = {
      {"X,2024-13-01,,甲,A,laboratory,,,blood,,,,30,sampled,found,no,t", "is no day"},
      {"X,2024-01-01,2023-01-01,甲,A,laboratory,,,blood,,,,30,sampled,found,no,t", "ends before it begins"},
      {"X,2024-01-01,,甲,A,laboratory,14749-7,,blood,,,,30,sampled,found,no,t", "is no LOINC"},
      {"X,2024-01-01,,甲,A,laboratory,,,blood,,,,0,sampled,found,no,t", "window is a number of days"},
      {"X,2024-01-01,,甲,A,laboratory,,,blood,,,,30,printed,found,no,t", "window_base"},
      {"X,2024-01-01,,甲,A,laboratory,,,blood,,,,30,sampled,sure,no,t", "window_status"},
      {"X,2024-01-01,,甲,A,laboratory,,,blood,,,,30,sampled,found,maybe,t", "expected yes or no"},
      {",2024-01-01,,甲,A,laboratory,,,blood,,,,30,sampled,found,no,t", "item is not said"}};
  for (const auto& [row, said] : mistakes) {
    fs::copy_file(shipped / "items.csv", folder_ / "items.csv", fs::copy_options::overwrite_existing);
    append("items.csv", row);
    EXPECT_THAT(refusal(), HasSubstr(said)) << row;
    EXPECT_THAT(refusal(), HasSubstr("items.csv:129")) << row;
  }
}

TEST_F(Tables, DifferencesNameKeyColumnAndBothValues) {
  append("alliances.csv", "south,cc-west,2026-01-01,,医共体,test");
  std::ifstream in(folder_ / "marks.csv");
  std::string text((std::istreambuf_iterator<char>(in)), {});
  text.replace(text.find("佳木斯HR"), std::string("佳木斯HR").size(), "佳木斯市HR");
  write("marks.csv", text);
  EXPECT_THAT(differences(shipped, folder_),
              ElementsAre("~ marks HR.2308 2022-03-01: text_zh \"佳木斯HR\" → \"佳木斯市HR\"",
                          "+ alliances south cc-west 2026-01-01"));
  EXPECT_THAT(differences(shipped, shipped), ElementsAre());
}

TEST_F(Tables, AnImportEndsWhatStoodAndKeepsThePast) {
  const auto list = folder_ / "list.csv";
  std::ofstream(list) << "name,value\ntier_rule,same-or-higher\n";
  const auto made = import_rows(*table("parameters"), folder_ / "parameters.csv", list, "2026-07-01");
  EXPECT_EQ(made.added, 1U);
  EXPECT_EQ(made.closed, 1U);
  write("parameters.csv", made.table);
  const auto catalogue = Catalogue::load({folder_});
  EXPECT_EQ(catalogue->parameter("tier_rule", "2026-06-30"), "off");
  EXPECT_EQ(catalogue->parameter("tier_rule", "2026-07-01"), "same-or-higher");
  const auto again = import_rows(*table("parameters"), folder_ / "parameters.csv", list, "2026-07-01");
  EXPECT_EQ(again.table, made.table) << "the same list twice changes nothing";
  EXPECT_EQ(again.unchanged, 1U);
  std::ofstream(list) << "name,wert\ntier_rule,x\n";
  EXPECT_THROW(import_rows(*table("parameters"), folder_ / "parameters.csv", list, "2026-07-01"), std::runtime_error);
}

}  // namespace
}  // namespace hutong::recognition
