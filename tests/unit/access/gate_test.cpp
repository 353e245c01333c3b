#include "broker/access/gate.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <future>

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

// A read whose audit record goes to the disk beside what is kept. The disk stands still until release().
struct LookTest : GateTest {
  LookTest() {
    options.sync = [this](int fd) {
      syncing = true;
      released_.wait();
      return broken ? (errno = EIO, -1) : ::fdatasync(fd);
    };
  }
  void release() { release_.set_value(); }
  net::awaitable<Result<std::string>> look(Gate& gate, const Principal& who, std::vector<std::string> whose) {
    return gate.look<std::string>(
        who, {Action::search, "Observation", "", "recognition-check", "", ""},
        [this, whose](const Permit& permit, std::vector<std::string>& subjects) -> net::awaitable<Result<std::string>> {
          EXPECT_EQ(permit.audit_sequence(), 0U);
          found = true;
          subjects = whose;
          if (nothing_there) co_return fail(ErrorCode::invalid, "what is that?");
          co_return std::string("glucose");
        },
        [this](std::string& result) -> net::awaitable<Result<void>> {
          kept = result == "glucose";
          if (cannot_keep) co_return fail(ErrorCode::unavailable, "the log is full");
          co_return Result<void>();
        });
  }
  void start(Gate& gate, std::vector<std::string> whose = {"p1"}) {
    net::co_spawn(io, look(gate, clinic, std::move(whose)),
                  [this](std::exception_ptr, Result<std::string> result) { answer = std::move(result); });
  }
  // All that can happen while the disk stands still.
  void stall() {
    const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while ((!kept || !syncing) && std::chrono::steady_clock::now() < until) io.poll();
    EXPECT_TRUE(kept) << "what is kept waits for the audit";
    for (int i = 0; i < 100; ++i) io.poll();
  }

  const Principal clinic{"clinic", {"system/*.rs"}, ""};
  net::io_context io;
  std::atomic<bool> syncing{false}, broken{false};
  bool found = false, kept = false, nothing_there = false, cannot_keep = false;
  std::optional<Result<std::string>> answer;

 private:
  std::promise<void> release_;
  std::shared_future<void> released_ = release_.get_future().share();
};

TEST_F(LookTest, NothingLeavesBeforeItsRecordIsOnDiskAndItWaitsOnce) {
  {
    AuditChain chain(options, key, clock);
    Gate gate(chain, clock);
    start(gate, {"p1", "p2"});
    stall();
    EXPECT_FALSE(answer) << "the answer left without its audit record";
    release();
    io.run();
    ASSERT_TRUE(answer && *answer);
    EXPECT_EQ(**answer, "glucose");
  }
  const std::string lines = read(options.directory / audit_file_name(1));
  for (const char* part : {"\"subject\":\"p1\"", "\"subject\":\"p2\"", "\"sequence\":2,\"durable\":0,"})
    EXPECT_NE(lines.find(part), std::string::npos) << lines;
  EXPECT_EQ(verify(options.directory, &key)->records, 2U);
}

TEST_F(LookTest, WithoutItsRecordNothingLeaves) {
  broken = true;
  release();
  AuditChain chain(options, key, clock);
  Gate gate(chain, clock);
  start(gate);
  io.run();
  EXPECT_TRUE(found);
  ASSERT_TRUE(answer);
  ASSERT_FALSE(*answer);
  EXPECT_EQ(answer->error().code, ErrorCode::unavailable);
}

TEST_F(LookTest, WhatCannotBeKeptIsNotTold) {
  options.sync = ::fdatasync;
  AuditChain chain(options, key, clock);
  Gate gate(chain, clock);
  cannot_keep = true;
  start(gate);
  io.run();
  ASSERT_TRUE(answer);
  ASSERT_FALSE(*answer);
  EXPECT_EQ(answer->error().message, "the log is full");
  EXPECT_EQ(chain.head().sequence, 1U) << "that it was looked at is recorded all the same";
}

TEST_F(LookTest, AQuestionThatCannotBeAnsweredIsAuditedAndKeepsNothing) {
  options.sync = ::fdatasync;
  AuditChain chain(options, key, clock);
  Gate gate(chain, clock);
  nothing_there = true;
  start(gate, {});
  io.run();
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->error().code, ErrorCode::invalid);
  EXPECT_FALSE(kept);
  EXPECT_EQ(chain.head().sequence, 1U);
}

TEST_F(LookTest, WhoMayNotLooksAtNothing) {
  options.sync = ::fdatasync;
  {
    AuditChain chain(options, key, clock);
    Gate gate(chain, clock);
    const auto denied = wait(look(gate, {"operator", {"hutong/operate"}, ""}, {"p1"}));
    ASSERT_FALSE(denied);
    EXPECT_EQ(denied.error().code, ErrorCode::forbidden);
    EXPECT_FALSE(found);
    EXPECT_FALSE(kept);
  }
  EXPECT_NE(read(options.directory / audit_file_name(1)).find("\"outcome\":\"denied\""), std::string::npos);
}

}  // namespace
}  // namespace hutong::access
