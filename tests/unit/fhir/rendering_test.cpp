#include <gmock/gmock.h>

#include "adapters/format/fhir/fhir_rendering.h"
#include "tests/unit/fhir/shape.h"
#include "tests/unit/model/sample.h"

namespace hutong::fhir {
namespace {

using model::ValueKind;
using model::ViewKind;
using test::parse;

struct RenderingTest : testing::Test {
  Arena arena;
  FhirRendering rendering;
  model::ReportView view;

  // A plain laboratory report with one item.
  model::Observation& item() {
    view.report.id = ReportId(sha256("r"));
    view.report.issuer = "lab";
    view.report.status = model::ResultStatus::final;
    view.report.service.code = "CBC";
    view.person = PersonId(sha256("p"));
    view.updated = {1'767'300'000'123'000};
    view.event_id = "0123456789abcdef0123456789abcdef.1";
    auto& observation = view.report.observations.push(arena);
    observation.code.code = "GLU";
    observation.code.display = "葡萄糖";
    observation.status = model::ResultStatus::final;
    observation.path = "OBX[3]";
    return observation;
  }
  std::string observation_json() {
    view.item_ids = model::item_ids(view.report);
    return rendering.one({.kind = ViewKind::observation, .report = &view});
  }
  rapidjson::Document observation() {
    auto json = parse(observation_json());
    test::check_resource(json);
    return json;
  }
};

TEST_F(RenderingTest, NumbersKeepEveryDigitAndBothUnits) {
  auto& one = item();
  one.value.kind = ValueKind::number;
  one.value.comparator = "<";
  one.value.number = one.value.sent = "1.50";
  one.value.unit = "毫克/分升";
  one.value.ucum = "mg/dL";
  one.value.canonical = "0.0833";
  one.value.canonical_unit = "mmol/L";
  one.interval = {"1.0-2.0", "1.0", "2.0"};
  const auto json = observation();
  const auto& quantity = json["valueQuantity"];
  EXPECT_STREQ(quantity["value"].GetString(), "1.50");  // the parser here keeps numbers as they are written
  EXPECT_NE(observation_json().find("\"value\":1.50,"), std::string::npos);
  EXPECT_STREQ(quantity["comparator"].GetString(), "<");
  EXPECT_STREQ(quantity["unit"].GetString(), "毫克/分升");
  EXPECT_STREQ(quantity["code"].GetString(), "mg/dL");
  const auto& canonical = quantity["extension"][0]["valueQuantity"];
  EXPECT_STREQ(canonical["value"].GetString(), "0.0833");
  EXPECT_STREQ(canonical["code"].GetString(), "mmol/L");
  EXPECT_STREQ(json["referenceRange"][0]["low"]["value"].GetString(), "1.0");
  EXPECT_STREQ(json["referenceRange"][0]["text"].GetString(), "1.0-2.0");
}

TEST_F(RenderingTest, WhatIsNoJsonNumberIsTextWithItsUnit) {
  for (const char* sent : {"05", "+5", ".5", "5.", "1,5", "0x10", "1e", "--1", "NaN", ""}) {
    view = {};
    auto& one = item();
    one.value.kind = ValueKind::number;
    one.value.number = sent;
    one.value.sent = "as sent";
    one.value.unit = "g/L";
    const auto json = observation();
    ASSERT_TRUE(json.HasMember("valueString")) << sent;
    EXPECT_STREQ(json["valueString"].GetString(), "as sent g/L");
  }
}

TEST_F(RenderingTest, EveryKindOfValueHasItsElement) {
  const auto element = [&](ValueKind kind, auto fill) {
    view = {};
    auto& one = item();
    one.value.kind = kind;
    fill(one.value);
    const auto json = observation();
    for (const auto& member : json.GetObject()) {
      const std::string name = member.name.GetString();
      if (name.starts_with("value") || name == "dataAbsentReason") return name;
    }
    return std::string();
  };
  EXPECT_EQ(element(ValueKind::none, [](auto&) {}), "dataAbsentReason");
  EXPECT_EQ(element(ValueKind::range, [](auto& v) { v.low = "10", v.high = "20"; }), "valueRange");
  EXPECT_EQ(element(ValueKind::ratio, [](auto& v) { v.low = "1", v.high = "160"; }), "valueRatio");
  EXPECT_EQ(element(ValueKind::qualitative, [](auto& v) { v.sent = "阳性"; }), "valueCodeableConcept");
  EXPECT_EQ(element(ValueKind::coded, [](auto& v) { v.coded.code = "A", v.coded.display = "甲"; }),
            "valueCodeableConcept");
  EXPECT_EQ(element(ValueKind::text, [](auto& v) { v.sent = "未见异常"; }), "valueString");
  EXPECT_EQ(element(ValueKind::time, [](auto& v) { v.time.iso = "2026-01-02"; }), "valueDateTime");
  EXPECT_EQ(element(ValueKind::time, [](auto& v) { v.sent = "yesterday"; }), "valueString");
  EXPECT_EQ(element(ValueKind::attachment, [](auto& v) { v.attachment.mime = "application/pdf"; }), "valueString");
}

TEST_F(RenderingTest, AValueLeadsBackToMessageSegmentAndLabels) {
  auto& one = item();
  one.labels.push(arena, "HIV");
  one.observed.iso = "2026-01-02T03:04+08:00";
  const auto json = observation();
  const auto& meta = json["meta"];
  EXPECT_STREQ(meta["source"].GetString(), "urn:hutong:event:0123456789abcdef0123456789abcdef.1#OBX[3]");
  EXPECT_STREQ(meta["versionId"].GetString(), "1");
  EXPECT_STREQ(meta["lastUpdated"].GetString(), "2026-01-01T20:40:00.123Z");
  EXPECT_STREQ(meta["security"][0]["code"].GetString(), "R");
  EXPECT_STREQ(meta["security"][1]["code"].GetString(), "HIV");
  EXPECT_STREQ(json["effectiveDateTime"].GetString(), "2026-01-02T03:04:00+08:00");  // FHIR asks for the seconds
}

TEST_F(RenderingTest, AnItemKeptFromAnEarlierMessageLeadsBackToThatOne) {
  item().path = "fedcba9876543210fedcba9876543210.1#OBX[7]";
  EXPECT_STREQ(observation()["meta"]["source"].GetString(),
               "urn:hutong:event:fedcba9876543210fedcba9876543210.1#OBX[7]");
}

TEST_F(RenderingTest, SharedCodeComesFirstAndTheSendersOwnStays) {
  auto& one = item();
  one.code.mapped_code = "14749-6";
  one.code.mapped_system = "http://loinc.org";
  one.code.system = "99HIS";
  const auto json = observation();
  const auto& coding = json["code"]["coding"];
  EXPECT_STREQ(coding[0]["system"].GetString(), "http://loinc.org");
  EXPECT_STREQ(coding[1]["system"].GetString(), "urn:hutong:facility:lab:codes:99HIS");
  EXPECT_STREQ(coding[1]["code"].GetString(), "GLU");
  EXPECT_STREQ(json["code"]["text"].GetString(), "葡萄糖");
}

TEST_F(RenderingTest, EverythingASampleReportSaysIsShapedRight) {
  model::ReportView full;
  full.report = *model::sample::report(arena);
  full.person = PersonId(sha256("p"));
  full.item_ids = model::item_ids(full.report);
  full.event_id = "e.1";
  const auto views = model::views_of(full);
  const std::string json = rendering.many({.type = "searchset",
                                           .base_url = "http://h/fhir",
                                           .matches = views,
                                           .includes = {},
                                           .total = views.size(),
                                           .links = {{"self", "http://h/fhir/x"}}});
  const auto bundle = parse(json);
  test::check_bundle(bundle, {"Patient", "Organization"});
  for (const char* text : {"双肺纹理清晰", "未见异常", "已复查", "https://images.example/1", "urn:oid:1.2.3"}) {
    EXPECT_NE(json.find(text), std::string::npos) << text;
  }
}

TEST_F(RenderingTest, EmbeddedDocumentsBecomePresentedForms) {
  auto& one = item();
  one.value.kind = ValueKind::attachment;
  one.value.attachment = {"application/pdf", "hex", "255044460a", "报告"};
  auto& second = view.report.observations.push(arena);
  second.code.code = "LINK";
  second.value.kind = ValueKind::attachment;
  second.value.attachment = {"image/jpeg", "", "https://images.example/2", ""};
  view.item_ids = model::item_ids(view.report);
  const auto json = parse(rendering.one({.kind = ViewKind::report, .report = &view}));
  test::check_resource(json);
  EXPECT_STREQ(json["presentedForm"][0]["data"].GetString(), "JVBERgo=");
  EXPECT_STREQ(json["presentedForm"][1]["url"].GetString(), "https://images.example/2");
}

TEST_F(RenderingTest, TheWardThatAskedIsTheRequesterAndPerformedNothing) {
  item();
  view.report.order_number = "SQ1";
  view.report.department.name = "内科三病区";
  view.item_ids = model::item_ids(view.report);
  const auto report = parse(rendering.one({.kind = ViewKind::report, .report = &view}));
  EXPECT_EQ(report["performer"].Size(), 1U);
  EXPECT_STREQ(report["performer"][0]["reference"].GetString(), "Organization/lab");
  const auto order = parse(rendering.one({.kind = ViewKind::order, .report = &view}));
  test::check_resource(order);
  EXPECT_STREQ(order["requester"]["display"].GetString(), "内科三病区");
  view.report.orderer.name = "李医生";
  const auto by_doctor = parse(rendering.one({.kind = ViewKind::order, .report = &view}));
  EXPECT_STREQ(by_doctor["requester"]["display"].GetString(), "李医生");
}

TEST_F(RenderingTest, APersonShowsTheNumbersOfAllFacilitiesOnce) {
  model::PersonView person;
  person.id = PersonId(sha256("p"));
  for (const char* facility : {"county", "lab"}) {
    model::LocalPatient local;
    local.facility = facility;
    local.number = local.subject.number = "1";
    local.updated = {facility == std::string_view("lab") ? 2 : 1};
    local.subject.identifiers.push(arena,
                                   {.kind = model::IdentifierKind::resident_card, .value = "23080419900307251X"});
    local.subject.names.push(arena, {.text = "王東億", .use = "L"});
    local.subject.sex = model::Sex::female;
    local.subject.born.iso = facility == std::string_view("lab") ? "1990-03" : "1990-03-07";
    person.members.push_back(local);
  }
  const auto json = parse(rendering.one({.kind = ViewKind::person, .person = &person}));
  test::check_resource(json);
  ASSERT_EQ(json["identifier"].Size(), 3U);
  EXPECT_STREQ(json["identifier"][0]["system"].GetString(), "urn:hutong:facility:county:mrn");
  EXPECT_STREQ(json["identifier"][1]["system"].GetString(), "urn:oid:2.16.156.10011.1.3");
  EXPECT_STREQ(json["identifier"][2]["system"].GetString(), "urn:hutong:facility:lab:mrn");
  EXPECT_EQ(json["name"].Size(), 1U);
  EXPECT_STREQ(json["name"][0]["text"].GetString(), "王東億");
  EXPECT_STREQ(json["birthDate"].GetString(), "1990-03");  // of the record updated last, with its precision
  EXPECT_TRUE(json["active"].GetBool());
  EXPECT_FALSE(json.HasMember("link"));

  person.replaced_by = PersonId(sha256("q"));
  const auto merged = parse(rendering.one({.kind = ViewKind::person, .person = &person}));
  EXPECT_FALSE(merged["active"].GetBool());
  EXPECT_STREQ(merged["link"][0]["type"].GetString(), "replaced-by");
  EXPECT_EQ(merged["link"][0]["other"]["reference"].GetString(), "Patient/" + person.replaced_by.hex());
}

TEST_F(RenderingTest, AStayNamesItsWardOnce) {
  model::EncounterView stay;
  stay.facility = "county";
  const auto places = [&](model::Text location, model::Text department) {
    stay.encounter.location = location;
    stay.encounter.department = department;
    const auto json = parse(rendering.one({.kind = ViewKind::encounter, .encounter = &stay}));
    std::string all;
    for (const auto& each : json["location"].GetArray())
      all += each["location"]["display"].GetString() + std::string(";");
    return all;
  };
  EXPECT_EQ(places("W3", "W3"), "W3;");
  EXPECT_EQ(places("W3 301 2", "W3"), "W3 301 2;");
  EXPECT_EQ(places("W31 2", "W3"), "W31 2;W3;");
  EXPECT_EQ(places("W3", "CARD"), "W3;CARD;");
  EXPECT_EQ(places("", "CARD"), "CARD;");
  EXPECT_EQ(places("W3", ""), "W3;");
}

TEST_F(RenderingTest, OutcomesSayWhatToDo) {
  const auto json = parse(rendering.outcome(ErrorCode::too_costly, "add a patient", "code"));
  test::check_resource(json);
  EXPECT_STREQ(json["issue"][0]["code"].GetString(), "too-costly");
  EXPECT_STREQ(json["issue"][0]["diagnostics"].GetString(), "add a patient");
}

TEST_F(RenderingTest, OneRecordIsACollectionWhoseReferencesResolve) {
  model::RecordView record;
  record.id = RecordId(sha256("record"));
  record.source.facility = "county";
  record.subject.number = "7";
  record.subject.names.push(arena, {.text = "李雷"});
  model::Event reported;
  reported.kind = model::EventKind::exam_reported;
  reported.report = model::sample::report(arena);
  record.events.push(arena, reported);
  model::Event stay;
  stay.kind = model::EventKind::encounter_changed;
  stay.encounter.id = model::encounter_id("county", "7", "V1");
  stay.encounter.number = "V1";
  record.events.push(arena, stay);
  model::Event merge;
  merge.kind = model::EventKind::patient_merged;
  merge.merge.prior_number = "8";
  record.events.push(arena, merge);
  const std::string json = render_bundle(record);
  const auto bundle = parse(json);
  EXPECT_STREQ(bundle["type"].GetString(), "collection");
  test::check_bundle(bundle, {"Organization"});
  EXPECT_EQ(json, render_bundle(record));
}

TEST_F(RenderingTest, AnOrganizationCarriesItsCreditCode) {
  model::Facility facility;
  facility.code = "county";
  facility.uscc = "91350100M000100Y43";
  const auto organization = parse(rendering.one({.kind = ViewKind::facility, .facility = &facility}));
  test::check_resource(organization);
  ASSERT_EQ(organization["identifier"].Size(), 2U);
  EXPECT_STREQ(organization["identifier"][1]["system"].GetString(), "urn:hutong:uscc");
  EXPECT_STREQ(organization["identifier"][1]["value"].GetString(), "91350100M000100Y43");
}

TEST_F(RenderingTest, AnIdentifierHasThePeriodInWhichItCounts) {
  model::PersonView person;
  person.id = PersonId(sha256("p"));
  auto& local = person.members.emplace_back();
  local.facility = "county";
  local.number = local.subject.number = "P1";
  const auto number = [&](model::Text value, model::Text from, model::Text to) {
    model::Identifier id;
    id.kind = model::IdentifierKind::passport;
    id.value = value;
    id.effective.iso = from;
    id.expires.iso = to;
    local.subject.identifiers.push(arena, id);
  };
  number("E1", "2020-01-01", "2030-01-01");
  number("E2", "", "2030");
  number("E3", "", "");
  number("E4", "2030-01-01", "2020-01-01");  // a slip: FHIR knows no such period
  const auto json = parse(rendering.one({.kind = ViewKind::person, .person = &person}));
  test::check_resource(json);
  const auto& all = json["identifier"];
  ASSERT_EQ(all.Size(), 5U);
  EXPECT_STREQ(all[1]["period"]["start"].GetString(), "2020-01-01");
  EXPECT_STREQ(all[1]["period"]["end"].GetString(), "2030-01-01");
  EXPECT_FALSE(all[2]["period"].HasMember("start"));
  EXPECT_STREQ(all[2]["period"]["end"].GetString(), "2030");
  EXPECT_FALSE(all[3].HasMember("period"));
  EXPECT_FALSE(all[4].HasMember("period"));
}

TEST_F(RenderingTest, ANewbornsMotherIsARelatedPersonAndNeverALink) {
  model::PersonView person;
  person.id = PersonId(sha256("p"));
  for (const model::Text facility : {"county", "city"}) {
    auto& local = person.members.emplace_back();
    local.facility = facility;
    local.number = local.subject.number = "N1";
    local.subject.mother_number = "M9";
  }
  const auto json = parse(rendering.one({.kind = ViewKind::person, .person = &person}));
  test::check_resource(json);
  EXPECT_FALSE(json.HasMember("link"));
  ASSERT_EQ(json["contained"].Size(), 2U);
  const auto& mother = json["contained"][0];
  EXPECT_STREQ(mother["resourceType"].GetString(), "RelatedPerson");
  EXPECT_STREQ(mother["id"].GetString(), "mother");
  EXPECT_STREQ(json["contained"][1]["id"].GetString(), "mother-2");
  EXPECT_STREQ(mother["patient"]["reference"].GetString(), "#");
  EXPECT_STREQ(mother["relationship"][0]["coding"][0]["code"].GetString(), "MTH");
  EXPECT_STREQ(mother["identifier"][0]["system"].GetString(), "urn:hutong:facility:county:mrn");
  EXPECT_STREQ(mother["identifier"][0]["value"].GetString(), "M9");
}

}  // namespace
}  // namespace hutong::fhir
