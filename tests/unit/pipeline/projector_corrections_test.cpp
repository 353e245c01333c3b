// Corrections as laboratories send them (product.md §5; broker/pipeline/effects_correction.h).
#include "tests/unit/pipeline/projector_fixture.h"

namespace hutong::pipeline {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class Corrections : public ProjectorTest {
 protected:
  using Shown = ShownItem;
  void tell_first() { tell(Message("c1").report({})); }
};

TEST_F(Corrections, a_corrected_report_changes_its_item_and_keeps_the_others) {
  tell_first();
  tell(Message("c2").report({.status = ResultStatus::corrected, .items = {{"GLU", "6.8", ResultStatus::corrected}}}));
  EXPECT_EQ(report().version, 2);
  EXPECT_EQ(report().status, "corrected");
  EXPECT_THAT(report().items, ElementsAre(Shown{"GLU", "6.8", "corrected"}, Shown{"ALT", "31", "final"}));
  EXPECT_THAT(earlier(1).items, ElementsAre(Shown{"GLU", "5.8", "final"}, Shown{"ALT", "31", "final"}));
  EXPECT_EQ(earlier(1).status, "final");
  EXPECT_EQ(effect("report_superseded"), 1);
}

TEST_F(Corrections, an_item_kept_from_an_earlier_message_says_which) {
  tell_first();
  const std::string first_event = text(report().row, 9);
  tell(Message("c2").report({.status = ResultStatus::corrected, .items = {{"GLU", "6.8", ResultStatus::corrected}}}));
  EXPECT_THAT(report().body, HasSubstr(first_event + "#OBX[2]"));
  EXPECT_THAT(report().body, HasSubstr("\"OBX[1]\""));
}

TEST_F(Corrections, a_second_final_with_other_content_and_a_new_control_id_replaces_the_whole_report) {
  tell(Message("c1").report({.items = {{"GLU", "5.8"}, {"ALT", "31"}, {"CK", "9"}}}));
  tell(Message("c2").report({.items = {{"GLU", "6.8"}, {"ALT", "31"}}}));
  EXPECT_EQ(report().version, 2);
  EXPECT_EQ(report().status, "final");
  EXPECT_THAT(report().items, ElementsAre(Shown{"GLU", "6.8", "final"}, Shown{"ALT", "31", "final"}));
  EXPECT_EQ(earlier(1).items.size(), 3u);
  EXPECT_EQ(effect("report_superseded"), 1);
}

TEST_F(Corrections, an_identical_retrigger_is_no_change_whatever_its_control_id_print_time_and_order_of_segments) {
  tell_first();
  const auto before = report().row;
  tell(Message("c2").report({.issued = "2026-05-02T09:09:09+08:00", .path = "OBR[2]"}));
  EXPECT_EQ(report().row, before);
  EXPECT_THAT(rows(tables::report_versions), IsEmpty());
  EXPECT_EQ(effect("report_unchanged"), 1);
  EXPECT_EQ(effect("report_superseded"), 0);
}

TEST_F(Corrections, an_identical_retrigger_read_with_a_better_map_is_not_the_laboratorys_correction) {
  tell_first();
  tell(Message("c2").report({.items = {{"GLU", "5.8", ResultStatus::final, "", "2345-7"}, {"ALT", "31"}}}));
  EXPECT_EQ(report().version, 1);
}

TEST_F(Corrections, a_retrigger_of_a_correction_is_no_change) {
  tell_first();
  const LabReport correction{.status = ResultStatus::corrected, .items = {{"GLU", "6.8", ResultStatus::corrected}}};
  tell(Message("c2").report(correction));
  const auto before = report().row;
  tell(Message("c3").report(correction));
  EXPECT_EQ(report().row, before);
}

TEST_F(Corrections, a_deleted_item_stays_as_entered_in_error_without_its_value) {
  tell_first();  // the normalizer reads D as entered-in-error
  tell(Message("c2").report({.items = {{"GLU", "", ResultStatus::entered_in_error}}}));
  EXPECT_EQ(report().version, 2);
  EXPECT_EQ(report().status, "corrected");
  EXPECT_THAT(report().items, ElementsAre(Shown{"GLU", "", "entered-in-error"}, Shown{"ALT", "31", "final"}));
  EXPECT_THAT(earlier(1).items, ElementsAre(Shown{"GLU", "5.8", "final"}, Shown{"ALT", "31", "final"}));
}

TEST_F(Corrections, an_item_that_cannot_be_obtained_becomes_cancelled) {
  tell_first();
  tell(Message("c2").report({.items = {{"ALT", "", ResultStatus::cancelled}}}));
  EXPECT_THAT(report().items, ElementsAre(Shown{"GLU", "5.8", "final"}, Shown{"ALT", "", "cancelled"}));
}

TEST_F(Corrections, a_result_posted_as_wrong_becomes_entered_in_error) {
  tell_first();
  tell(Message("c2").report(
      {.status = ResultStatus::corrected,
       .items = {{"GLU", "5.8", ResultStatus::entered_in_error}, {"ALT", "31", ResultStatus::final}}}));
  EXPECT_THAT(report().items, ElementsAre(Shown{"GLU", "5.8", "entered-in-error"}, Shown{"ALT", "31", "final"}));
  EXPECT_EQ(report().status, "corrected");
}

TEST_F(Corrections, a_late_preliminary_never_replaces_a_final_a_corrected_or_a_withdrawn_report) {
  const LabReport late{.status = ResultStatus::preliminary, .items = {{"GLU", "5.1", ResultStatus::preliminary}}};
  tell_first();
  auto before = report().row;
  tell(Message("p1").report(late));
  EXPECT_EQ(report().row, before);
  tell(Message("c2").report({.status = ResultStatus::corrected, .items = {{"GLU", "6.8", ResultStatus::corrected}}}));
  before = report().row;
  tell(Message("p2").report(late));
  EXPECT_EQ(report().row, before);
  tell(Message("c3").report({.status = ResultStatus::entered_in_error, .items = {}}));
  before = report().row;
  tell(Message("p3").report(late));
  EXPECT_EQ(report().row, before);
  EXPECT_EQ(effect("report_late"), 3);
}

TEST_F(Corrections, a_preliminary_item_inside_a_correction_does_not_replace_a_final_one) {
  tell_first();
  tell(Message("c2").report(
      {.status = ResultStatus::corrected,
       .items = {{"GLU", "6.8", ResultStatus::corrected}, {"ALT", "1", ResultStatus::preliminary}}}));
  EXPECT_THAT(report().items, ElementsAre(Shown{"GLU", "6.8", "corrected"}, Shown{"ALT", "31", "final"}));
}

TEST_F(Corrections, preliminary_then_final_is_an_ordinary_progress) {
  tell(Message("p1").report(
      {.status = ResultStatus::preliminary, .items = {{"GLU", "5.1", ResultStatus::preliminary}}}));
  EXPECT_EQ(report().status, "preliminary");
  tell_first();
  EXPECT_EQ(report().version, 2);
  EXPECT_EQ(report().status, "final");
  EXPECT_THAT(report().items, ElementsAre(Shown{"GLU", "5.8", "final"}, Shown{"ALT", "31", "final"}));
}

TEST_F(Corrections, a_withdrawn_report_is_entered_in_error_with_all_its_items_and_both_versions_are_readable) {
  tell_first();
  tell(Message("c2").report({.status = ResultStatus::entered_in_error, .items = {}}));
  EXPECT_EQ(report().version, 2);
  EXPECT_EQ(report().status, "entered-in-error");
  EXPECT_THAT(report().items,
              ElementsAre(Shown{"GLU", "5.8", "entered-in-error"}, Shown{"ALT", "31", "entered-in-error"}));
  EXPECT_THAT(earlier(1).items, ElementsAre(Shown{"GLU", "5.8", "final"}, Shown{"ALT", "31", "final"}));
}

TEST_F(Corrections, a_report_cancelled_as_a_whole_leaves_no_item_final) {
  tell_first();
  tell(Message("c2").report({.status = ResultStatus::cancelled, .items = {}}));
  EXPECT_EQ(report().status, "cancelled");
  EXPECT_THAT(report().items, ElementsAre(Shown{"GLU", "5.8", "cancelled"}, Shown{"ALT", "31", "cancelled"}));
}

TEST_F(Corrections, a_report_all_of_whose_items_are_taken_back_is_withdrawn) {
  tell_first();
  tell(Message("c2").report(
      {.items = {{"GLU", "5.8", ResultStatus::entered_in_error}, {"ALT", "31", ResultStatus::entered_in_error}}}));
  EXPECT_EQ(report().status, "entered-in-error");
  EXPECT_EQ(report().version, 2);
}

TEST_F(Corrections, withdrawn_and_reported_anew_under_the_same_number_is_a_third_version) {
  tell_first();
  tell(Message("c2").report({.status = ResultStatus::cancelled, .items = {}}));
  tell(Message("c3").report({.items = {{"GLU", "6.8"}, {"ALT", "31"}}, .issued = "2026-05-01T12:00:00+08:00"}));
  EXPECT_EQ(report().version, 3);
  EXPECT_EQ(report().status, "final");
  EXPECT_THAT(report().items, ElementsAre(Shown{"GLU", "6.8", "final"}, Shown{"ALT", "31", "final"}));
}

TEST_F(Corrections, the_final_that_a_correction_overtook_is_late) {
  tell(Message("c2").report({.status = ResultStatus::corrected,
                             .items = {{"GLU", "6.8", ResultStatus::corrected}, {"ALT", "31", ResultStatus::final}},
                             .issued = "2026-05-01T12:00:00+08:00"}));
  const auto before = report().row;
  tell_first();  // issued at 10:00
  EXPECT_EQ(report().row, before);
  EXPECT_EQ(effect("report_late"), 1);
}

TEST_F(Corrections, two_laboratories_with_the_same_report_number_are_two_reports) {
  tell(Message("c1").report({.issuer = "lab"}));
  tell(Message("c1", {.facility = "h2"}).report({.issuer = "lab2", .items = {{"GLU", "9.9"}}}));
  auto all = rows(tables::reports);
  ASSERT_EQ(all.size(), 2u);
  EXPECT_EQ(number(all[0], 4), 1);
  EXPECT_EQ(number(all[1], 4), 1);
  EXPECT_NE(all[0][3], all[1][3]);
  EXPECT_EQ(effect("report_created"), 2);
}

TEST_F(Corrections, one_report_number_with_two_services_is_two_reports) {
  tell(Message("c1").report({}).report({.service = "LIPIDS", .items = {{"TG", "1.1"}}}));
  EXPECT_EQ(rows(tables::reports).size(), 2u);
}

TEST_F(Corrections, a_report_sent_in_pieces_as_final_keeps_every_piece) {
  tell(Message("c1").report({.items = {{"GLU", "5.8"}}}));
  tell(Message("c2").report({.items = {{"ALT", "31"}}}));
  EXPECT_THAT(report().items, ElementsAre(Shown{"GLU", "5.8", "final"}, Shown{"ALT", "31", "final"}));
}

TEST_F(Corrections, repeated_items_under_one_key_are_replaced_together) {
  tell(Message("c1").report({.items = {{"NOTE", "1"}, {"NOTE", "2"}, {"ALT", "31"}}}));
  tell(Message("c2").report({.status = ResultStatus::corrected, .items = {{"NOTE", "3", ResultStatus::corrected}}}));
  EXPECT_THAT(report().items, ElementsAre(Shown{"NOTE", "3", "corrected"}, Shown{"ALT", "31", "final"}));
}

TEST_F(Corrections, the_same_item_under_another_sub_id_is_another_item) {
  tell(Message("c1").report(
      {.items = {{"GLU", "5.8", ResultStatus::final, "1"}, {"GLU", "9.0", ResultStatus::final, "2"}}}));
  tell(Message("c2").report(
      {.status = ResultStatus::corrected, .items = {{"GLU", "9.9", ResultStatus::corrected, "2"}}}));
  EXPECT_THAT(report().items, ElementsAre(Shown{"GLU", "5.8", "final"}, Shown{"GLU", "9.9", "corrected"}));
}

TEST_F(Corrections, a_corrected_time_moves_the_report_and_leaves_nothing_behind) {
  tell_first();
  tell(Message("c2").report({.observed = "2026-04-30T08:00:00+08:00"}));
  EXPECT_EQ(report().version, 2);  // report() expects one row
  auto ids = rows(tables::report_ids);
  ASSERT_EQ(ids.size(), 1u);
  EXPECT_EQ(ids[0][3], report().row[2]);
}

TEST_F(Corrections, a_report_filed_under_the_wrong_patient_moves_and_its_earlier_version_says_whose_it_was) {
  tell_first();
  tell(Message("c2", {.number = "P2", .name = "李四"}).report({}));
  EXPECT_EQ(text(report().row, 1), "P2");
  EXPECT_EQ(report().version, 2);
  EXPECT_EQ(text(earlier(1).row, 8), "P1");
}

TEST_F(Corrections, the_time_shown_is_when_the_record_was_appended) {
  tell_first();
  const auto first = in_log(port::Topic::events).at(0).appended.micros;
  EXPECT_EQ(number(report().row, 7), first);
  clock.advance(std::chrono::hours(5));
  tell(Message("c2").report({.items = {{"GLU", "6.8"}, {"ALT", "31"}}}));
  EXPECT_EQ(number(report().row, 7), in_log(port::Topic::events).at(1).appended.micros);
  EXPECT_EQ(number(earlier(1).row, 3), first);
}

TEST_F(Corrections, a_renormalized_record_heals_the_current_version_and_no_other) {
  tell_first();
  tell(Message("c1")
           .report({.items = {{"GLU", "5.8", ResultStatus::final, "", "2345-7"}, {"ALT", "31"}}})
           .event_version(2));
  EXPECT_EQ(report().version, 2);
  EXPECT_THAT(report().body, HasSubstr("2345-7"));
  tell(Message("c2").report({.items = {{"GLU", "6.8"}, {"ALT", "31"}}}));
  const auto before = report().row;
  tell(Message("c1")
           .report({.items = {{"GLU", "5.8", ResultStatus::final, "", "9999-9"}, {"ALT", "31"}}})
           .event_version(3));
  EXPECT_EQ(report().row, before);
  expect_rebuild_is_equal();
}

TEST_F(Corrections, a_whole_life_rebuilds_to_the_same_bytes) {
  tell(Message("p1").report(
      {.status = ResultStatus::preliminary, .items = {{"GLU", "5.1", ResultStatus::preliminary}}}));
  tell_first();
  tell(Message("c2").report({.status = ResultStatus::corrected, .items = {{"GLU", "6.8", ResultStatus::corrected}}}));
  tell(Message("c3").report({.status = ResultStatus::cancelled, .items = {}}));
  tell(Message("c4").report({.items = {{"GLU", "7.0"}}, .issued = "2026-05-01T12:00:00+08:00"}));
  EXPECT_EQ(report().version, 5);
  expect_rebuild_is_equal();
}

}  // namespace
}  // namespace hutong::pipeline
