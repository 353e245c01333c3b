// What of a record goes to a subscriber: its event, and nothing of what else the message said.
#include "broker/pipeline/event_payload.h"

#include <gmock/gmock.h>
#include <rapidjson/document.h>
#include <rapidjson/schema.h>
#include <rapidjson/stringbuffer.h>
#include <rapidjson/writer.h>

#include <fstream>

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

// Each example of schemas/identity/v1 is valid, and what is said of such a decision, letter for letter.
class DecisionPayload : public ::testing::Test {
 protected:
  static constexpr const char* folder = HUTONG_SOURCE_DIR "/schemas/identity/v1/";
  static std::string file(const std::string& name) {
    std::ifstream in(folder + name, std::ios::binary);
    EXPECT_TRUE(in) << name;
    return {std::istreambuf_iterator<char>(in), {}};
  }
  static std::string compact(const std::string& json) {
    rapidjson::Document document;
    document.Parse(json.c_str());
    rapidjson::StringBuffer out;
    rapidjson::Writer<rapidjson::StringBuffer> writer(out);
    document.Accept(writer);
    return out.GetString();
  }
  static bool valid(const std::string& json) {
    rapidjson::Document form, document;
    form.Parse(file("decision.schema.json").c_str());
    EXPECT_FALSE(form.HasParseError());
    rapidjson::SchemaDocument schema(form);
    rapidjson::SchemaValidator validator(schema);
    document.Parse(json.c_str());
    return !document.HasParseError() && document.Accept(validator);
  }
  static PersonId person(unsigned char digit) {
    return *PersonId::from_bytes(std::string(16, static_cast<char>(digit)));
  }

  DecisionPayload() {
    record.source.facility = "bc-county";
    notice.record = &record;
    notice.identity = &said;
    notice.event_id = "1111.0";
    notice.person = person(0x0a);
    said.patient = {"bc-county", "C1", person(0x0a)};
  }
  void expect_example(const char* kind, const char* digits, const char* at) {
    notice.kind = kind;
    std::string id;
    for (int i = 0; i < 16; ++i) id += digits;
    said.id = *RecordId::from_hex(id);
    said.at = {parse_iso(at)->first};
    const auto example = file("examples/" + std::string(kind) + ".json");
    EXPECT_TRUE(valid(example)) << kind;
    EXPECT_EQ(event_payload(model::PayloadKind::event)->write(notice, {})->body, compact(example)) << kind;
  }
  model::RecordView record;
  port::IdentityNotice said;
  port::Notice notice;
};

TEST_F(DecisionPayload, says_what_was_decided_and_why_and_who_they_are_now) {
  said.other = {"bc-city", "Z7", person(0x0a)};
  said.reasons = {"phone-same +7.1", "born-same +4.9"};
  said.chance = 0.9987;
  expect_example("identity.linked", "11", "2026-03-02T02:00:00.000Z");
  said.chance = -1;
  said.other = {"bc-county", "C9", person(0x0a)};
  said.reasons = {"merged-by-steward"};
  expect_example("identity.merged", "12", "2026-03-02T03:00:00.000Z");
  said.rest = {said.patient, said.other};
  said.other = {"bc-city", "Z7", person(0x0b)};
  said.apart = {said.other};
  said.reasons = {"unlinked-by-steward"};
  said.unites = false;
  expect_example("identity.split", "13", "2026-03-02T04:00:00.000Z");
  said.other.person = said.apart[0].person = person(0x0a);
  said.reasons = {"undone-by-steward"};
  said.of = "13131313131313131313131313131313";
  said.undoes = "identity.split";
  said.unites = true;
  expect_example("identity.undone", "14", "2026-03-02T05:00:00.000Z");
}

TEST_F(DecisionPayload, names_the_persons_where_only_names_are_told) {
  notice.kind = "identity.linked";
  said.persons.resize(2);
  said.persons[0].id = person(0x0a);
  said.persons[1].id = person(0x0b);
  const auto letter = event_payload(model::PayloadKind::id_only)->write(notice, {});
  EXPECT_THAT(letter->body, HasSubstr(R"("facility":"bc-county")"));
  EXPECT_THAT(letter->body, HasSubstr(R"("resources":["Patient/0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a","Patient/0b0b)"));
  EXPECT_TRUE(event_payload(model::PayloadKind::empty)->write(notice, {})->body.empty());
}

}  // namespace
}  // namespace hutong::pipeline
