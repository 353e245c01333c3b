// What of a record goes to a subscriber: its event, and nothing of what else the message said.
#include "broker/pipeline/event_payload.h"

#include <gmock/gmock.h>

#include "broker/model/event_json.h"

namespace hutong::pipeline {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

TEST(EventPayload, what_was_noticed_of_another_report_of_the_message_does_not_go_along) {
  Arena arena;
  model::RecordView record;
  record.id = RecordId(sha256("r"));
  record.source.facility = "lab";
  record.subject.number = "P1";
  record.issues.add(arena, {model::Severity::warning, "unmapped-code", "OBR[2].4", "HIV1/2", "", ""});
  model::Report glucose;
  glucose.service.code = "GLU";
  glucose.path = "OBR[1]";
  model::Event event;
  event.kind = model::EventKind::result_reported;
  event.report = &glucose;
  record.events.push(arena, event);
  port::Notice notice;
  notice.record = &record;
  notice.event = &record.events[0];
  const auto letter = event_payload(model::PayloadKind::event)->write(notice, {});
  ASSERT_TRUE(letter);
  EXPECT_THAT(letter->body, HasSubstr("GLU"));
  EXPECT_THAT(letter->body, Not(HasSubstr("HIV1/2")));
  EXPECT_THAT(letter->body, Not(HasSubstr("issues")));
}

}  // namespace
}  // namespace hutong::pipeline
