// schemas/operations/v1: the examples of referral and critical values are valid, are read, and are written again letter
// for letter.
#include <gtest/gtest.h>
#include <rapidjson/document.h>
#include <rapidjson/schema.h>
#include <rapidjson/stringbuffer.h>
#include <rapidjson/writer.h>

#include <filesystem>
#include <fstream>

#include "broker/model/care.h"
#include "broker/model/critical.h"
#include "broker/model/delivery.h"
#include "broker/model/referral.h"

namespace hutong::model {
namespace {

namespace fs = std::filesystem;
const fs::path folder = fs::path(HUTONG_SOURCE_DIR) / "schemas/operations/v1";

std::string example(const std::string& name) {
  std::ifstream in(folder / "examples" / (name + ".json"), std::ios::binary);
  EXPECT_TRUE(in) << name;
  return {std::istreambuf_iterator<char>(in), {}};
}

std::string compact(const std::string& json) {
  rapidjson::Document document;
  document.Parse(json.c_str());
  rapidjson::StringBuffer out;
  rapidjson::Writer<rapidjson::StringBuffer> writer(out);
  document.Accept(writer);
  return out.GetString();
}

bool valid(const std::string& kind, const std::string& json) {
  std::ifstream in(folder / (kind + ".schema.json"), std::ios::binary);
  const std::string text{std::istreambuf_iterator<char>(in), {}};
  rapidjson::Document form, document;
  form.Parse(text.c_str());
  EXPECT_FALSE(form.HasParseError()) << kind;
  rapidjson::SchemaDocument schema(form);
  rapidjson::SchemaValidator validator(schema);
  document.Parse(json.c_str());
  return !document.HasParseError() && document.Accept(validator);
}

TEST(OperationsSchema, DeliveryExamplesAreValidAndReadAndWrittenAgain) {
  const auto progressed = example("delivery.progressed");
  EXPECT_TRUE(valid("delivery.progressed", progressed));
  const auto read = read_delivery_progressed(progressed);
  ASSERT_TRUE(read);
  EXPECT_EQ(write(*read), compact(progressed));
  // A row of the store says the same of where a subscriber stands.
  auto standing = read_standing(write_standing(read->subscribers[0]));
  ASSERT_TRUE(standing);
  EXPECT_EQ(standing->cursors, read->subscribers[0].cursors);
  EXPECT_EQ(standing->open, read->subscribers[0].open);
  EXPECT_EQ(standing->delivered, 911U);
  for (const auto* name : {"delivery.commanded", "delivery.commanded.replay"}) {
    const auto json = example(name);
    EXPECT_TRUE(valid("delivery.commanded", json)) << name;
    const auto command = read_delivery_commanded(json);
    ASSERT_TRUE(command) << name;
    EXPECT_EQ(write(*command), compact(json));
  }
}

TEST(OperationsSchema, WhereAnEventStandsIsReadStrictly) {
  for (const auto* good : {"0-0.0", "3:0-12.0", "11-1234.5-r7"}) {
    const auto ref = event_ref_of(good);
    ASSERT_TRUE(ref) << good;
    EXPECT_EQ(to_string(*ref), good);
  }
  for (const auto* bad : {"", "0", "0-", "0-1", "0-1.", "x-1.0", "0-1.0-", "0-1.0-r", "0-1.0 ", "0-1.0-r7x", "-1-1.0", ":0-1.0", "0-99999999999999999999.0"}) {
    EXPECT_FALSE(event_ref_of(bad)) << bad;
  }
}

TEST(OperationsSchema, ReferralExamplesAreValidAndReadAndWrittenAgain) {
  for (const auto* name : {"referral.commanded", "referral.commanded.accept"}) {
    const auto json = example(name);
    EXPECT_TRUE(valid("referral.commanded", json)) << name;
    const auto read = read_referral_command(json);
    ASSERT_TRUE(read) << name;
    EXPECT_EQ(write(*read), compact(json));
  }
  const auto json = example("referral.answered");
  EXPECT_TRUE(valid("referral.answered", json));
  const auto read = read_referral_answered(json);
  ASSERT_TRUE(read);
  EXPECT_EQ(write(*read), compact(json));
}

TEST(OperationsSchema, CriticalExamplesAreValidAndReadAndWrittenAgain) {
  const auto json = example("critical-value.opened");
  EXPECT_TRUE(valid("critical-value.opened", json));
  const auto read = read_critical_opened(json);
  ASSERT_TRUE(read);
  EXPECT_EQ(write(*read), compact(json));
  for (const auto action :
       {CriticalAction::told, CriticalAction::escalated, CriticalAction::confirmed, CriticalAction::withdrawn}) {
    const auto kind = "critical-value." + std::string(to_string(action));
    const auto step_json = example(kind);
    EXPECT_TRUE(valid(kind, step_json)) << kind;
    const auto step = read_critical_step(step_json);
    ASSERT_TRUE(step) << kind;
    EXPECT_EQ(step->action, action);
    EXPECT_EQ(write(*step), compact(step_json));
  }
}

TEST(OperationsSchema, ExamplesOfWhatSurroundsAReferralAreValidAndReadAndWrittenAgain) {
  const auto followup_json = example("chronic.followup");
  EXPECT_TRUE(valid("chronic.followup", followup_json));
  const auto followup = read_chronic_followup(followup_json);
  ASSERT_TRUE(followup);
  EXPECT_EQ(write(*followup), compact(followup_json));
  const auto updated_json = example("resource.updated");
  EXPECT_TRUE(valid("resource.updated", updated_json));
  const auto updated = read_resource_updated(updated_json);
  ASSERT_TRUE(updated);
  EXPECT_EQ(write(*updated), compact(updated_json));
  EXPECT_FALSE(read_resource_updated(followup_json));
}

TEST(OperationsSchema, TheRegionsDutyRoleIsOfNoFacility) {
  CriticalStep step;
  step.action = CriticalAction::escalated;
  step.level = 2;
  step.role = "coordinator";
  EXPECT_TRUE(valid("critical-value.escalated", write(step))) << write(step);
  step.action = CriticalAction::confirmed;
  step.role = {};
  step.practitioner = "001";
  step.name = "总值班";
  EXPECT_TRUE(valid("critical-value.confirmed", write(step))) << write(step);
}

TEST(OperationsSchema, NamesEveryStateActionRoleAndRefusal) {
  ReferralAnswered answered;
  answered.rules = "r";
  for (std::size_t i = 0; i < referral_states; ++i) {
    answered.from = answered.to = static_cast<ReferralState>(i);
    answered.action = static_cast<ReferralAction>(i % referral_actions);
    answered.refusal = static_cast<Refusal>(i);
    EXPECT_TRUE(valid("referral.answered", write(answered))) << write(answered);
  }
  for (std::size_t i = 0; i < refusals; ++i) {
    answered.refusal = static_cast<Refusal>(i);
    answered.action = static_cast<ReferralAction>(i % referral_actions);
    answered.role = static_cast<ReferralRole>(i % referral_roles);
    EXPECT_TRUE(valid("referral.answered", write(answered))) << write(answered);
    const auto read = read_referral_answered(write(answered));
    ASSERT_TRUE(read);
    EXPECT_EQ(read->refusal, answered.refusal);
    EXPECT_EQ(read->action, answered.action);
    EXPECT_EQ(read->role, answered.role);
  }
}

TEST(OperationsSchema, WhatAnActionNeedsIsReadAsWritten) {
  ReferralCommand command;
  command.action = ReferralAction::report;
  command.at = {1'767'294'245'678'000};
  command.happened = Timestamp{1'767'290'000'000'000};
  command.capacity = Capacity::coordinator;
  command.reason = {"03", "床位\"不足\""};
  command.urgency = Priority::stat;
  command.choice = Choice::not_possible;
  command.outside = "专科不在医联体内";
  const auto json = write(command);
  EXPECT_TRUE(valid("referral.commanded", json)) << json;
  const auto read = read_referral_command(json);
  ASSERT_TRUE(read);
  EXPECT_EQ(write(*read), json);
  EXPECT_EQ(read->happened, command.happened);
  EXPECT_EQ(read->reason.text, command.reason.text);
}

TEST(OperationsSchema, OfALabelledCriticalValueNothingIsSaid) {
  auto opened = *read_critical_opened(example("critical-value.opened"));
  opened.labelled = true;
  const auto json = write(opened);
  EXPECT_TRUE(valid("critical-value.opened", json)) << json;
  for (const auto* said : {"2823-3", "high", "6.2"}) EXPECT_EQ(json.find(said), std::string::npos) << said;
}

TEST(OperationsSchema, RefusesWhatIsNotThere) {
  EXPECT_FALSE(read_referral_command("{}"));
  EXPECT_FALSE(read_referral_command(R"({"kind":"referral.commanded","id":"x"})"));
  EXPECT_FALSE(read_referral_answered("[]"));
  EXPECT_FALSE(read_critical_opened("{"));
  EXPECT_FALSE(read_critical_step(R"({"kind":"critical-value.opened"})"));
  auto json = example("referral.answered");
  json.replace(json.find("applied"), 7, "refused");
  EXPECT_FALSE(read_referral_answered(json)) << "refused without saying why";
}

}  // namespace
}  // namespace hutong::model
