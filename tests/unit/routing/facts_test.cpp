// What routing sees of a record, and in whose order its events stand.
#include "broker/routing/facts.h"

#include <gmock/gmock.h>

namespace hutong::routing {
namespace {

using model::Flag;
using ::testing::ElementsAre;

class FactsOf : public ::testing::Test {
 protected:
  FactsOf() {
    model::Facility lab;
    lab.code = "lab";
    lab.area = "230803";
    directory.add(lab);
    record.source.facility = "lab";
    record.subject.facility = "lab";
    record.subject.number = "P1";
    event.kind = model::EventKind::result_reported;
    event.report = &report;
  }
  void item(std::string_view loinc, std::initializer_list<std::string_view> flags) {
    model::Observation item;
    item.code.mapped_code = loinc;
    for (auto flag : flags) item.flags.push(arena, flag);
    report.observations.push(arena, item);
  }
  Arena arena;
  model::FacilityDirectory directory;
  model::RecordView record;
  model::Report report;
  model::Event event;
};

TEST_F(FactsOf, a_report_says_its_items_with_their_flags_and_its_panel_with_the_worst_of_them) {
  report.service.mapped_code = "24326-1";
  item("2823-3", {"N", "HH"});
  item("2951-2", {"L"});
  item("2075-0", {"N"});
  const auto facts = facts_of(record, event, directory);
  EXPECT_EQ(facts.kind, "result.reported");
  EXPECT_EQ(facts.area, "230803");
  ASSERT_EQ(facts.items.size(), 4U);
  EXPECT_EQ(facts.items[0].flag, Flag::critical);
  EXPECT_EQ(facts.items[1].flag, Flag::abnormal);
  EXPECT_EQ(facts.items[2].flag, Flag::any);
  EXPECT_EQ(facts.items[3].loinc, "24326-1");
  EXPECT_EQ(facts.items[3].flag, Flag::critical);
  EXPECT_FALSE(facts.labelled);
}

TEST_F(FactsOf, what_corrects_is_told_to_whoever_was_perhaps_told_of_a_critical_one) {
  using enum model::ResultStatus;
  for (const auto status : {amended, corrected, cancelled, entered_in_error}) {
    report = {};
    report.status = status;
    item("2823-3", {"N"});
    EXPECT_EQ(facts_of(record, event, directory).items[0].flag, Flag::critical) << to_string(status);
  }
  report = {};
  report.status = final;
  item("2823-3", {"N"});
  item("2951-2", {"N"});
  report.observations[0].status = corrected;  // one item of a report that stands
  const auto facts = facts_of(record, event, directory);
  EXPECT_EQ(facts.items[0].flag, Flag::critical);
  EXPECT_EQ(facts.items[1].flag, Flag::any);
  EXPECT_EQ(facts.items[2].flag, Flag::critical);
}

TEST_F(FactsOf, one_labelled_item_labels_the_whole_event) {
  item("2823-3", {});
  item("56888-1", {});
  report.observations[1].labels.push(arena, "HIV");
  EXPECT_TRUE(facts_of(record, event, directory).labelled);
}

TEST_F(FactsOf, a_label_of_an_event_of_a_report_and_of_an_order_counts_each) {
  model::Event of_event = event, of_order = event;
  of_event.labels.push(arena, "MIN");
  EXPECT_TRUE(facts_of(record, of_event, directory).labelled);
  model::Order order;
  order.labels.push(arena, "REP");
  of_order.report = nullptr;
  of_order.order = &order;
  EXPECT_TRUE(facts_of(record, of_order, directory).labelled);
  report.labels.push(arena, "STD");
  EXPECT_TRUE(facts_of(record, event, directory).labelled);
}

TEST_F(FactsOf, the_patient_is_whose_number_it_is_whoever_sends) {
  const RecordId id(sha256("r"));
  EXPECT_EQ(patient_of(record, id).lane(), "lab/P1");
  record.subject.facility = "h1";
  EXPECT_EQ(patient_of(record, id).lane(), "h1/P1") << "the laboratory says PID-3.4";
  EXPECT_EQ(facts_of(record, event, directory).facility, "lab") << "it is the laboratory's message nevertheless";
  record.subject.facility = {};
  EXPECT_EQ(patient_of(record, id).lane(), "lab/P1");
  record.subject.number = {};
  EXPECT_EQ(patient_of(record, id).lane(), "lab/" + id.hex());
}

TEST_F(FactsOf, a_merge_stands_in_the_order_of_both_numbers) {
  const Patient patient{"h1", "P1"};
  EXPECT_THAT(lanes_of(event, patient), ElementsAre("h1/P1"));
  model::Event merge;
  merge.kind = model::EventKind::patient_merged;
  merge.merge.prior_number = "P0";
  EXPECT_THAT(lanes_of(merge, patient), ElementsAre("h1/P1", "h1/P0"));
  merge.merge.prior_facility = "ward";
  EXPECT_THAT(lanes_of(merge, patient), ElementsAre("h1/P1", "ward/P0"));
  merge.merge.prior_facility = "h1";
  merge.merge.prior_number = "P1";
  EXPECT_THAT(lanes_of(merge, patient), ElementsAre("h1/P1"));
}

}  // namespace
}  // namespace hutong::routing
