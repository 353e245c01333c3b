// The decision table: tests/golden/recognition/decisions.csv, a file that a medical administrator can read and change;
// every case is one test. The rules that it is judged by stand beside it (catalogue/), so that the shipped ones may
// change.
#include <gtest/gtest.h>

#include <filesystem>
#include <map>
#include <set>

#include "broker/recognition/catalogue.h"
#include "broker/recognition/decision.h"
#include "broker/terminology/table.h"

namespace hutong::recognition {
namespace {

namespace fs = std::filesystem;
using terminology::CsvTable;
const fs::path folder = fs::path(HUTONG_SOURCE_DIR) / "tests/golden/recognition";

std::vector<std::string> split(const std::string& text) {
  std::vector<std::string> parts;
  for (std::size_t from = 0; from < text.size();) {
    const auto end = std::min(text.find(';', from), text.size());
    parts.push_back(text.substr(from, end - from));
    from = end + 1;
  }
  return parts;
}

struct Case {
  std::string id, title;
  std::map<std::string, std::string> order;
  std::vector<std::map<std::string, std::string>> results;
};

void PrintTo(const Case& given, std::ostream* out) { *out << given.title; }

std::vector<Case> cases() {
  const auto table = CsvTable::read(folder / "decisions.csv");
  std::vector<Case> all;
  for (std::size_t row = 0; row < table.size(); ++row) {
    std::map<std::string, std::string> cells;
    for (std::size_t i = 0; i < table.header().size(); ++i) cells[table.header()[i]] = table.at(row, i);
    if (!cells["case"].empty()) all.push_back({cells["case"], cells["zh"] + " / " + cells["en"], cells, {}});
    if (!cells["loinc"].empty()) all.back().results.push_back(cells);
  }
  return all;
}

struct Place {
  std::string area, level;
};
const std::map<std::string, Place>& places() {
  static const auto all = [] {
    std::map<std::string, Place> read;
    const auto table = CsvTable::read(folder / "facilities.csv");
    for (std::size_t row = 0; row < table.size(); ++row) read[table.at(row, 0)] = {table.at(row, 1), table.at(row, 2)};
    return read;
  }();
  return all;
}

const Catalogue& catalogue() {
  static const auto loaded = Catalogue::load({folder / "catalogue"});
  return *loaded;
}

model::ResultStatus status_of(const std::string& text) {
  using enum model::ResultStatus;
  for (auto each :
       {registered, partial, preliminary, final, amended, corrected, cancelled, entered_in_error, unknown}) {
    if (to_string(each) == text) return each;
  }
  ADD_FAILURE() << "no such status: " << text;
  return unknown;
}

model::EncounterClass encounter_of(const std::string& text) {
  using enum model::EncounterClass;
  const std::map<std::string, model::EncounterClass> all{
      {"outpatient", outpatient}, {"emergency", emergency}, {"inpatient", inpatient}};
  return all.at(text);
}

std::string flag(const std::map<std::string, std::string>& result, const std::string& name) {
  for (const auto& each : split(result.at("flags"))) {
    if (each == name) return "yes";
    if (each.starts_with(name + "=")) return each.substr(name.size() + 1);
  }
  return "";
}

class DecisionTable : public testing::TestWithParam<Case> {};

TEST_P(DecisionTable, IsAsWritten) {
  const Case& given = GetParam();
  auto in = given.order;
  SCOPED_TRACE(given.id + " " + given.title);

  Order order;
  ASSERT_TRUE(places().contains(in["requester"])) << "facilities.csv does not know " << in["requester"];
  order.facility = in["requester"];
  order.area = places().at(in["requester"]).area;
  order.level = places().at(in["requester"]).level;
  order.encounter = encounter_of(in["encounter"]);
  const auto purpose = purpose_of(in["purpose"]);
  ASSERT_TRUE(purpose);
  order.purpose = *purpose;
  order.identity_certain = in["identity"] == "certain";
  const auto as_of = parse_iso(in["as_of"]);
  ASSERT_TRUE(as_of);
  order.as_of = as_of->first;

  std::vector<Prior> priors;
  std::string laterality;
  for (const auto& result : given.results) {
    const std::string& laboratory = result.at("laboratory");
    ASSERT_TRUE(places().contains(laboratory)) << "facilities.csv does not know " << laboratory;
    Prior prior;
    prior.loinc = result.at("loinc");
    prior.facility = prior.laboratory = laboratory;
    prior.laboratory_level = places().at(laboratory).level;
    prior.status = status_of(result.at("status"));
    prior.material = result.at("material");
    if (!result.at("sampled").empty()) ASSERT_TRUE(prior.sampled = parse_iso(result.at("sampled")));
    if (!result.at("reported").empty()) ASSERT_TRUE(prior.reported = parse_iso(result.at("reported")));
    prior.images = result.at("images") == "yes";
    prior.superseded = !flag(result, "superseded").empty();
    prior.same_person = flag(result, "other-person").empty();
    prior.sensitive = !flag(result, "sensitive").empty();
    prior.laboratory_registered = flag(result, "unregistered").empty();
    if (flag(result, "want_laterality") != "") laterality = flag(result, "want_laterality");
    priors.push_back(prior);
  }
  std::vector<std::vector<std::string>> texts;  // what the views above point to
  for (std::size_t i = 0; i < priors.size(); ++i) {
    const auto& result = given.results[i];
    texts.push_back({flag(result, "body"), flag(result, "laterality"), flag(result, "contrast"),
                     flag(result, "own_mark"), flag(result, "level")});
  }
  for (std::size_t i = 0; i < priors.size(); ++i) {
    priors[i].body_part = texts[i][0];
    priors[i].laterality = texts[i][1];
    priors[i].contrast = texts[i][2];
    priors[i].own_mark = texts[i][3];
    if (!texts[i][4].empty()) priors[i].laboratory_level = texts[i][4];
  }
  const auto codes = split(in["ordered"]);
  std::vector<Line> lines;
  for (const auto& code : codes) lines.push_back({.code = code, .loinc = {}, .laterality = laterality, .contrast = {}});

  const Decision decision = decide(order, lines, priors, catalogue());

  std::string made_lines;
  std::map<std::size_t, const Candidate*> candidates;  // by result
  for (std::size_t i = 0; i < codes.size(); ++i) {
    made_lines += (i ? ";" : "") + codes[i] + "=" + std::string(to_string(decision.lines[i].verdict));
    for (const auto& item : decision.lines[i].items) {
      std::size_t last = 0;
      for (const auto& candidate : item.candidates) {
        candidates[candidate.prior] = &candidate;
        EXPECT_GE(static_cast<std::size_t>(candidate.verdict), last) << "the best verdict comes first";
        last = static_cast<std::size_t>(candidate.verdict);
      }
    }
  }
  EXPECT_EQ(made_lines, in["expect_lines"]);
  EXPECT_EQ(to_string(decision.extent), in["expect_order"]);
  for (std::size_t i = 0; i < given.results.size(); ++i) {
    const auto& result = given.results[i];
    SCOPED_TRACE("result " + std::to_string(i + 1));
    if (result.at("expect") == "hidden") {
      EXPECT_FALSE(candidates.contains(i)) << "a labelled result came out";
      continue;
    }
    ASSERT_TRUE(candidates.contains(i));
    const Candidate& made = *candidates[i];
    EXPECT_EQ(to_string(made.verdict), result.at("expect"));
    std::string reasons;
    for (const auto reason : made.reasons) reasons += (reasons.empty() ? "" : ";") + std::string(to_string(reason));
    EXPECT_EQ(reasons, result.at("reasons"));
    EXPECT_EQ(made.mark ? made.mark->text_zh : "", result.at("mark"));
    EXPECT_EQ(made.mark_differs, !flag(result, "differs").empty());
  }
}

INSTANTIATE_TEST_SUITE_P(Cases, DecisionTable, testing::ValuesIn(cases()),
                         [](const auto& given) { return "case_" + given.param.id; });

TEST(DecisionTable, HasACaseForEveryReason) {
  std::set<std::string> said;
  for (const auto& given : cases()) {
    for (const auto& result : given.results) {
      for (const auto& reason : split(result.at("reasons"))) said.insert(reason);
    }
  }
  for (std::size_t i = 0; i < reason_count; ++i) {
    const auto reason = static_cast<Reason>(i);
    if (reason == Reason::no_result || reason == Reason::panel_incomplete || reason == Reason::order_code_unknown)
      continue;  // of orders
    EXPECT_TRUE(said.contains(std::string(to_string(reason)))) << to_string(reason);
  }
  EXPECT_GE(cases().size(), 80U);
}

}  // namespace
}  // namespace hutong::recognition
