// A decision about persons as a Bundle: who they are now, as reading shows them.
#include <gmock/gmock.h>

#include "adapters/format/fhir/fhir_notification.h"
#include "adapters/format/fhir/fhir_payload.h"
#include "adapters/format/fhir/fhir_rendering.h"
#include "tests/unit/fhir/shape.h"

namespace hutong::fhir {
namespace {

using test::parse;

class DecisionPayload : public testing::Test {
 protected:
  DecisionPayload() {
    said.persons.resize(2);
    auto& stays = said.persons[0];
    stays.id = PersonId(sha256("stays"));
    for (const auto& [facility, number] : {std::pair("h1", "P1"), std::pair("h2", "Q1")}) {
      model::Subject subject;
      subject.number = number;
      subject.facility = facility;
      stays.members.push_back({facility, number, subject, 1, {1'780'000'000'000'000}});
    }
    auto& goes = said.persons[1];
    goes.id = PersonId(sha256("goes"));
    goes.replaced_by = stays.id;
    notice.record = &record;
    notice.identity = &said;
    notice.kind = "identity.linked";
    notice.event_number = 4;
    notice.appended = {1'780'000'000'000'000};
  }
  model::RecordView record;
  port::IdentityNotice said;
  port::Notice notice;
};

TEST_F(DecisionPayload, shows_who_stands_and_who_became_part_of_it) {
  const auto payload = fhir_payload("https://x/fhir");
  EXPECT_TRUE(payload->has_words_for("identity.undone"));
  EXPECT_TRUE(payload->shows_views());
  const auto letter = payload->write(notice, {});
  ASSERT_TRUE(letter);
  const auto bundle = parse(letter->body);
  ASSERT_EQ(bundle["entry"].Size(), 2U);
  const auto& stays = bundle["entry"][0]["resource"];
  const auto& goes = bundle["entry"][1]["resource"];
  EXPECT_EQ(stays["id"].GetString(), said.persons[0].id.hex());
  EXPECT_EQ(stays["identifier"].Size(), 2U);
  EXPECT_FALSE(goes["active"].GetBool());
  EXPECT_STREQ(goes["link"][0]["type"].GetString(), "replaced-by");
  EXPECT_EQ(goes["link"][0]["other"]["reference"].GetString(), "Patient/" + said.persons[0].id.hex());
  const FhirRendering rendering;  // as it is read
  const auto read = parse(rendering.one({.kind = model::ViewKind::person, .person = &said.persons[1]}));
  EXPECT_EQ(read, goes);
}

TEST_F(DecisionPayload, has_the_standing_person_as_its_focus) {
  model::Subscription subscription;
  subscription.notification = "s1";
  const auto letter = fhir_notification(model::PayloadKind::id_only, "https://x/fhir")->write(notice, subscription);
  ASSERT_TRUE(letter);
  EXPECT_THAT(letter->body,
              testing::HasSubstr(R"("name":"focus","valueReference":{"reference":"https://x/fhir/Patient/)" +
                                 said.persons[0].id.hex()));
  EXPECT_THAT(resources_of({"identity.linked"}), testing::ElementsAre("Patient"));
}

}  // namespace
}  // namespace hutong::fhir
