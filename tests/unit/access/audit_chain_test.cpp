#include "broker/access/audit_chain.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>

#include "broker/access/audit_verify.h"
#include "tests/unit/access/support.h"

namespace hutong::access {
namespace {

struct AuditChainTest : testing::Test {
  Folder folder;
  StillClock clock;
  SigningKey key = SigningKey::from_seed(std::string(32, 'k'));

  AuditOptions options() const {
    AuditOptions options;
    options.directory = folder.path() / "audit";
    return options;
  }
  AuditEntry entry(const std::string& subject) const {
    return {clock.time, "clinic", "token-1", "read", "Patient", subject, "code,date", "TREAT", "127.0.0.1", "allowed"};
  }
  Result<std::uint64_t> add(AuditChain& chain, const std::string& subject) {
    return wait(chain.record(entry(subject)));
  }
  void fill(int count, AuditOptions with) {
    AuditChain chain(std::move(with), key, clock);
    for (int i = 0; i < count; ++i) ASSERT_TRUE(add(chain, "p" + std::to_string(i)));
  }
  std::filesystem::path first_file() const { return options().directory / audit_file_name(1); }
  AuditReport verified() const { return *verify(options().directory, &key); }
};

TEST_F(AuditChainTest, RecordsAreNumberedChainedAndPrivate) {
  fill(5, options());
  const auto report = verified();
  EXPECT_FALSE(report.bad) << report.bad->what;
  EXPECT_EQ(report.records, 5U);
  EXPECT_EQ(report.checkpoints, 1U);  // at close
  struct stat status {};
  ASSERT_EQ(::stat(first_file().c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600U);
  EXPECT_NE(read(first_file()).find("\"purpose\":\"TREAT\""), std::string::npos);
}

TEST_F(AuditChainTest, ARecordIsSyncedBeforeItsCallerGoesOn) {
  std::atomic<int> synced{0};
  auto with = options();
  with.sync = [&](int fd) {
    ++synced;
    return ::fdatasync(fd);
  };
  AuditChain chain(with, key, clock);
  for (int i = 1; i <= 3; ++i) {
    const int before = synced;
    ASSERT_TRUE(add(chain, "p"));
    EXPECT_GT(synced, before);
  }
}

TEST_F(AuditChainTest, GoesOnAfterARestartAndAcrossFiles) {
  auto small = options();
  small.rotate_bytes = 1000;
  fill(6, small);
  fill(6, small);
  std::size_t files = 0;
  for (const auto& file : std::filesystem::directory_iterator(small.directory))
    files += file.path().extension() == ".jsonl";
  EXPECT_GE(files, 3U);
  const auto report = verified();
  EXPECT_FALSE(report.bad) << report.bad->file << " " << report.bad->what;
  EXPECT_EQ(report.records, 12U);
}

TEST_F(AuditChainTest, ChecksPointsAreSignedByCountAndByTime) {
  auto often = options();
  often.checkpoint_records = 4;
  {
    AuditChain chain(often, key, clock);
    for (int i = 0; i < 9; ++i) ASSERT_TRUE(add(chain, "p"));
    EXPECT_EQ(verified().checkpoints, 2U);
    clock.passed += std::chrono::seconds(61);
    ASSERT_TRUE(add(chain, "p"));
    EXPECT_EQ(verified().checkpoints, 3U);
  }
  const SigningKey other = SigningKey::from_seed(std::string(32, 'x'));
  EXPECT_TRUE(verify(often.directory, &other)->bad);
}

TEST_F(AuditChainTest, EveryChangedLineIsNamed) {
  fill(20, options());
  const std::string good = read(first_file());
  std::vector<std::size_t> begins{0};
  for (std::size_t i = 0; i + 1 < good.size(); ++i) {
    if (good[i] == '\n') begins.push_back(i + 1);
  }
  for (std::size_t line = 0; line < begins.size(); ++line) {
    std::string changed = good;
    char& at = changed[begins[line] + 20 + line];
    at = at == 'a' ? 'b' : 'a';
    write(first_file(), changed);
    const auto report = verified();
    ASSERT_TRUE(report.bad) << "line " << line + 1;
    EXPECT_EQ(report.bad->line, line + 1);
    EXPECT_EQ(report.bad->sequence, line + 1);
  }
}

TEST_F(AuditChainTest, RemovedAndSwappedLinesAreNamed) {
  fill(10, options());
  const std::string good = read(first_file());
  std::vector<std::string> lines;
  std::istringstream in(good);
  for (std::string line; std::getline(in, line);) lines.push_back(line + "\n");
  const auto joined = [&](const std::vector<std::string>& parts) {
    std::string all;
    for (const auto& part : parts) all += part;
    return all;
  };
  auto removed = lines;
  removed.erase(removed.begin() + 3);
  write(first_file(), joined(removed));
  EXPECT_EQ(verified().bad.value().line, 4U);
  auto swapped = lines;
  std::swap(swapped[5], swapped[6]);
  write(first_file(), joined(swapped));
  EXPECT_EQ(verified().bad.value().line, 6U);
}

TEST_F(AuditChainTest, ACutTailIsFoundBackToTheLastCheckpoint) {
  fill(10, options());  // ten records and the checkpoint at close
  std::string content = read(first_file());
  for (int cut = 0; cut < 2; ++cut) content.erase(content.rfind('\n', content.size() - 2) + 1);
  write(first_file(), content);
  const auto report = verified();
  ASSERT_TRUE(report.bad);
  EXPECT_EQ(report.bad->sequence, 10U);
  EXPECT_THROW(AuditChain(options(), key, clock), std::runtime_error);
}

TEST_F(AuditChainTest, AChainWrittenAnewContradictsAShippedHead) {
  fill(4, options());
  const std::string shipped = read(options().directory / audit_head_file);
  std::filesystem::remove_all(options().directory);
  clock.time.micros += 1'000'000;
  fill(8, options());
  EXPECT_FALSE(verified().bad);
  EXPECT_TRUE(verify(options().directory, &key, shipped)->bad);
}

TEST_F(AuditChainTest, AnUnfinishedLineIsCutAtOpenAndReported) {
  fill(3, options());
  const std::string good = read(first_file());
  write(first_file(), good + "{\"sequence\":5,\"durab");
  EXPECT_EQ(verified().unfinished_bytes, 20U);
  EXPECT_FALSE(verified().bad);
  {
    AuditChain chain(options(), key, clock);
    EXPECT_EQ(chain.cut_bytes(), 20U);
    ASSERT_TRUE(add(chain, "after"));
  }
  EXPECT_FALSE(verified().bad);
  EXPECT_EQ(verified().records, 4U);
}

TEST_F(AuditChainTest, APromisedLineThatIsDamagedRefusesToOpen) {
  fill(3, options());
  std::string content = read(first_file());
  // A hole where the second record was: later lines prove that it had been on disk.
  const auto second = content.find('\n') + 1;
  std::fill(content.begin() + static_cast<std::ptrdiff_t>(second),
            content.begin() + static_cast<std::ptrdiff_t>(second) + 50, '\0');
  write(first_file(), content);
  std::filesystem::remove(options().directory / audit_head_file);
  try {
    AuditChain chain(options(), key, clock);
    FAIL() << "opened";
  } catch (const std::runtime_error& e) {
    EXPECT_NE(std::string(e.what()).find("line 2 (sequence 2)"), std::string::npos) << e.what();
  }
}

TEST_F(AuditChainTest, AFailedSyncRefusesFromThenOn) {
  auto with = options();
  std::atomic<bool> broken{false};
  with.sync = [&](int fd) { return broken ? (errno = EIO, -1) : ::fdatasync(fd); };
  AuditChain chain(with, key, clock);
  ASSERT_TRUE(add(chain, "before"));
  broken = true;
  EXPECT_EQ(add(chain, "during").error().code, ErrorCode::unavailable);
  broken = false;  // a second sync could succeed without the pages
  EXPECT_EQ(add(chain, "after").error().code, ErrorCode::unavailable);
  EXPECT_FALSE(chain.health());
}

TEST_F(AuditChainTest, AFullDiskRefusesAndAFreedOneGoesOn) {
  auto with = options();
  std::atomic<bool> full{false};
  with.write = [&](int fd, const void* bytes, std::size_t size) -> ssize_t {
    if (!full) return ::write(fd, bytes, size);
    if (size > 10) return ::write(fd, bytes, 10);  // a part, then nothing more
    return errno = ENOSPC, -1;
  };
  {
    AuditChain chain(with, key, clock);
    ASSERT_TRUE(add(chain, "before"));
    full = true;
    EXPECT_EQ(add(chain, "during").error().code, ErrorCode::unavailable);
    EXPECT_FALSE(chain.health());
    full = false;
    ASSERT_TRUE(add(chain, "after"));
    EXPECT_TRUE(chain.health());
  }
  EXPECT_FALSE(verified().bad) << verified().bad->what;
  EXPECT_EQ(verified().records, 2U);
}

TEST_F(AuditChainTest, ManyWaitTogetherForFewSyncs) {
  auto with = options();
  std::atomic<int> synced{0};
  with.sync = [&](int fd) {
    ++synced;
    return ::fdatasync(fd);
  };
  AuditChain chain(with, key, clock);
  net::io_context io;
  int done = 0;
  for (int i = 0; i < 500; ++i) {
    net::co_spawn(io, chain.record(entry("p")),
                  [&](std::exception_ptr, Result<std::uint64_t> result) { done += result.has_value(); });
  }
  io.run();
  EXPECT_EQ(done, 500);
  EXPECT_LT(synced, 500);
}

TEST_F(AuditChainTest, WhatAPeerSendsCannotForgeALine) {
  {
    AuditChain chain(options(), key, clock);
    auto forged = entry("x");
    forged.purpose = "a\"}\n{\"sequence\":99\x1b[31m\xff";
    ASSERT_TRUE(wait(chain.record(forged)));
  }
  EXPECT_FALSE(verified().bad);
  EXPECT_EQ(read(first_file()).find('\x1b'), std::string::npos);
}

}  // namespace
}  // namespace hutong::access
