#include "broker/access/gate.h"

#include <gtest/gtest.h>

#include "broker/access/audit_chain.h"
#include "broker/access/audit_verify.h"
#include "tests/unit/access/support.h"

namespace hutong::access {
namespace {

TEST(Scopes, GrantsCoverWhatTheyNameAndNothingElse) {
  struct Case {
    std::vector<std::string> granted;
    const char* asked;
    bool covered;
  };
  const Case cases[] = {
      {{"system/*.rs"}, "system/Observation.r", true},
      {{"system/*.rs"}, "system/Observation.s", true},
      {{"system/*.rs"}, "system/*.rs", true},
      {{"system/*.rs"}, "system/Observation.c", false},
      {{"system/*.rs"}, "system/Observation.rsd", false},
      {{"system/*.rs"}, "hutong/operate", false},
      {{"system/Observation.rs"}, "system/Observation.rs", true},
      {{"system/Observation.rs"}, "system/Patient.r", false},
      {{"system/Observation.rs"}, "system/*.r", false},
      {{"system/Observation.r", "system/*.s"}, "system/Observation.rs", true},
      {{"system/Observation.r"}, "system/Observation.rs", false},
      {{"system/Observation.read"}, "system/Observation.r", false},
      {{"system/*.sr"}, "system/Observation.r", false},
      {{"system/*.rr"}, "system/Observation.r", false},
      {{"system/*."}, "system/Observation.r", false},
      {{"system/*"}, "system/Observation.r", false},
      {{"system/.rs"}, "system/.r", false},
      {{"user/*.rs"}, "system/Observation.r", false},
      {{"patient/*.rs"}, "system/Observation.r", false},
      {{"hutong/operate"}, "hutong/operate", true},
      {{"hutong/operate"}, "hutong/metrics", false},
      {{"hutong/operate"}, "hutong/raw", false},
      {{"hutong/operate"}, "hutong/identity", false},
      {{"hutong/operate"}, "system/Patient.r", false},
      {{"hutong/operate"}, "system/*.rs", false},
      {{"hutong/*"}, "hutong/operate", false},
      {{"HUTONG/OPERATE"}, "hutong/operate", false},
      {{}, "hutong/operate", false},
      {{}, "", false},
      {{"system/broken"}, "system/broken", false},
  };
  for (const auto& one : cases) {
    const Principal principal{"c", one.granted, ""};
    EXPECT_EQ(principal.has(one.asked), one.covered)
        << (one.granted.empty() ? "" : one.granted[0]) << " → " << one.asked;
  }
}

struct GateTest : testing::Test {
  Folder folder;
  StillClock clock;
  SigningKey key = SigningKey::from_seed(std::string(32, 'k'));
  AuditOptions options{.directory = folder.path() / "audit"};
};

TEST_F(GateTest, AllowedAndDeniedAreBothAudited) {
  {
    AuditChain chain(options, key, clock);
    Gate gate(chain, clock);
    const Principal clinic{"clinic", {"system/*.rs"}, "jti-1"};
    auto permit = wait(gate.decide(clinic, {Action::search, "Observation", "", "code,patient", "TREAT", "10.0.0.7"}));
    ASSERT_TRUE(permit);
    EXPECT_EQ(permit->audit_sequence(), 1U);
    EXPECT_EQ(permit->principal().client, "clinic");
    auto denied = wait(gate.decide(clinic, {Action::operate, "quarantine", "", "", "", ""}));
    ASSERT_FALSE(denied);
    EXPECT_EQ(denied.error().code, ErrorCode::forbidden);
  }
  const std::string lines = read(options.directory / audit_file_name(1));
  EXPECT_NE(lines.find("\"outcome\":\"allowed\""), std::string::npos);
  EXPECT_NE(lines.find("\"resource\":\"quarantine\",\"outcome\":\"denied\""), std::string::npos) << lines;
  EXPECT_EQ(verify(options.directory, &key)->records, 2U);
}

TEST_F(GateTest, OperatingGrantsNoClinicalContent) {
  AuditChain chain(options, key, clock);
  Gate gate(chain, clock);
  const Principal one{"operator", {"hutong/operate"}, ""};
  EXPECT_TRUE(wait(gate.decide(one, {Action::operate, "feeds", "", "", "", ""})));
  EXPECT_FALSE(wait(gate.decide(one, {Action::operate, "quarantine/raw", "", "", "", ""})));
  EXPECT_FALSE(wait(gate.decide(one, {Action::operate, "identity/person", "", "", "", ""})));
  EXPECT_TRUE(
      wait(gate.decide({"steward", {"hutong/identity"}, ""}, {Action::operate, "identity/person", "", "", "", ""})));
  EXPECT_FALSE(wait(gate.decide(one, {Action::read, "Patient", "", "", "", ""})));
  EXPECT_FALSE(wait(gate.decide(one, {Action::search, "Observation", "", "", "", ""})));
  EXPECT_FALSE(wait(gate.decide(one, {Action::read, "Patient/$everything", "", "", "", ""})));
}

TEST_F(GateTest, WhatTravelsWithAReferralIsReadByItAndTheAuditSaysSo) {
  {
    AuditChain chain(options, key, clock);
    Gate gate(chain, clock);
    const Principal ward{"ward", {"system/Task.rus"}, ""};
    const auto demand = [](Action action, std::string grant) {
      Demand made{action, "DiagnosticReport", "r1", "", "", ""};
      made.grant = std::move(grant);
      return made;
    };
    EXPECT_TRUE(wait(gate.decide(ward, demand(Action::read, "referral/f7"))));
    EXPECT_FALSE(wait(gate.decide(ward, demand(Action::read, ""))));
    EXPECT_FALSE(wait(gate.decide(ward, demand(Action::search, "referral/f7"))));
    EXPECT_FALSE(wait(gate.decide({"lab", {"system/Patient.r"}, ""}, demand(Action::read, "referral/f7"))));
    EXPECT_TRUE(wait(gate.decide(ward, {Action::update, "Task", "", "", "", ""})));
    EXPECT_FALSE(wait(gate.decide(ward, {Action::create, "Task", "", "", "", ""})));
    EXPECT_FALSE(wait(gate.decide(ward, {Action::operate, "coordination", "", "", "", ""})));
    EXPECT_TRUE(
        wait(gate.decide({"duty", {"hutong/coordinate"}, ""}, {Action::operate, "coordination", "", "", "", ""})));
  }
  EXPECT_NE(read(options.directory / audit_file_name(1)).find("referral/f7"), std::string::npos);
}

TEST_F(GateTest, WithoutAnAuditRecordNothingIsPermitted) {
  auto broken = options;
  broken.sync = [](int) { return errno = EIO, -1; };
  AuditChain chain(broken, key, clock);
  Gate gate(chain, clock);
  auto permit = wait(gate.decide({"clinic", {"system/*.rs"}, ""}, {Action::read, "Patient", "", "", "", ""}));
  ASSERT_FALSE(permit);
  EXPECT_EQ(permit.error().code, ErrorCode::unavailable);
}

}  // namespace
}  // namespace hutong::access
