#include "broker/access/sign_in.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include "broker/access/key_file.h"
#include "broker/access/sessions.h"
#include "tests/unit/access/support.h"

namespace hutong::access {
namespace {

constexpr Timestamp now{1'767'000'000'000'000};

TEST(SignIn, IsGoodOnceAndNotAfterARestart) {
  Folder folder;
  const auto file = folder.path() / "keys" / "sign-ins";
  std::string used, kept;
  {
    SignIns sign_ins(file);
    used = *sign_ins.issue("operator", std::chrono::seconds(60), now);
    kept = *sign_ins.issue("operator", std::chrono::seconds(60), now);
    EXPECT_EQ(used.size(), 22U);
    EXPECT_EQ(*sign_ins.spend(used, now), "operator");
    EXPECT_FALSE(sign_ins.spend(used, now));
  }
  EXPECT_EQ(read(file).find(kept), std::string::npos);  // only hashes are kept
  SignIns again(file);
  EXPECT_FALSE(again.spend(used, now));
  EXPECT_EQ(*again.spend(kept, now), "operator");
  EXPECT_FALSE(again.spend(kept, now));
}

TEST(SignIn, ExpiresAndUnknownOnesSayTheSame) {
  Folder folder;
  SignIns sign_ins(folder.path() / "sign-ins");
  const auto secret = *sign_ins.issue("operator", std::chrono::seconds(60), now);
  const auto late = sign_ins.spend(secret, now + std::chrono::seconds(60));
  const auto unknown = sign_ins.spend("nonsense", now);
  ASSERT_FALSE(late);
  ASSERT_FALSE(unknown);
  EXPECT_EQ(late.error().message, unknown.error().message);
}

TEST(SignIn, HasAsManyOpenAsItsLimitAndNotOneMore) {
  Folder folder;
  SignIns sign_ins(folder.path() / "sign-ins");
  // Writing a thousand synced files takes a while; the limit is reached through a file made here.
  std::string full;
  for (int i = 0; i < 999; ++i) {
    full += "{\"hash\":\"" + std::to_string(i) + "\",\"client\":\"operator\",\"expires\":9999999999}\n";
  }
  write(folder.path() / "full", full);
  SignIns many(folder.path() / "full");
  EXPECT_TRUE(many.issue("operator", std::chrono::seconds(60), now));
  EXPECT_EQ(many.issue("operator", std::chrono::seconds(60), now).error().code, ErrorCode::overloaded);
}

TEST(Session, EndsWhenIdleWhenOldAndWhenTold) {
  StillClock clock;
  Sessions sessions(clock);
  const Principal who{"operator", {"hutong/operate"}, ""};
  const auto idle = sessions.begin(who), used = sessions.begin(who), ended = sessions.begin(who);
  EXPECT_EQ(used.size(), 43U);
  EXPECT_EQ(sessions.use(used)->client, "operator");
  sessions.end(ended);
  EXPECT_FALSE(sessions.use(ended));
  clock.passed += std::chrono::minutes(14);
  EXPECT_TRUE(sessions.use(used));
  clock.passed += std::chrono::minutes(1);
  EXPECT_FALSE(sessions.use(idle));
  EXPECT_FALSE(sessions.use("nonsense"));
  for (int quarter = 0; quarter < 60 && sessions.use(used); ++quarter) clock.passed += std::chrono::minutes(14);
  EXPECT_FALSE(sessions.use(used));
  EXPECT_LE(clock.passed, std::chrono::hours(12) + std::chrono::minutes(15));
}

TEST(Session, TheLongestUnusedMakesRoom) {
  StillClock clock;
  Sessions sessions(clock);
  const auto first = sessions.begin({"operator", {}, ""});
  for (std::size_t i = 1; i <= sessions_most; ++i) {
    clock.passed += std::chrono::milliseconds(1);
    sessions.begin({"operator", {}, ""});
  }
  EXPECT_EQ(sessions.size(), sessions_most);
  EXPECT_FALSE(sessions.use(first));
}

TEST(KeyFile, IsMadeOncePrivateAndRefusedWhenOpenToOthers) {
  Folder folder;
  const auto path = folder.path() / "keys" / "token.key";
  const std::string id = load_or_create_key(path).id();
  EXPECT_EQ(load_or_create_key(path).id(), id);
  struct stat status {};
  ASSERT_EQ(::stat(path.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600U);
  std::filesystem::permissions(path, std::filesystem::perms::group_read, std::filesystem::perm_options::add);
  EXPECT_THROW(load_or_create_key(path), std::runtime_error);
  write(path, "not a key");
  std::filesystem::permissions(path, std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
  EXPECT_THROW(load_or_create_key(path), std::runtime_error);
}

}  // namespace
}  // namespace hutong::access
