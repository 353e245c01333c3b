#include "broker/query/page_token.h"

#include <gtest/gtest.h>

namespace hutong::query {
namespace {

TEST(PageToken, OpensWhatItSealedAtEveryLength) {
  const PageToken token("secret");
  std::string text;
  for (int i = 0; i < 200; ++i) {
    EXPECT_EQ(token.open(token.seal(text)), text);
    text.push_back(static_cast<char>(i));
  }
}

TEST(PageToken, ShowsNothingOfItsContent) {
  const std::string sealed = PageToken("secret").seal("identifier=230804199003072513");
  EXPECT_EQ(sealed.find("2308"), std::string::npos);
  EXPECT_EQ(sealed.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"),
            std::string::npos);
}

TEST(PageToken, IsRefusedWhenAnyCharacterChanged) {
  const PageToken token("secret");
  const std::string sealed = token.seal("Observation\npatient=1\n");
  for (std::size_t i = 0; i < sealed.size(); ++i) {
    std::string changed = sealed;
    changed[i] = changed[i] == 'A' ? 'B' : 'A';
    EXPECT_FALSE(token.open(changed)) << i;
  }
  EXPECT_FALSE(token.open(sealed + "A"));
  EXPECT_FALSE(token.open(sealed.substr(1)));
  EXPECT_FALSE(token.open(""));
  EXPECT_FALSE(token.open("not a token"));
  EXPECT_FALSE(PageToken("other secret").open(sealed));
}

TEST(PageToken, IsTheSameForTheSameContent) {
  EXPECT_EQ(PageToken("secret").seal("a"), PageToken("secret").seal("a"));
  EXPECT_NE(PageToken("secret").seal("a"), PageToken("secret").seal("b"));
}

}  // namespace
}  // namespace hutong::query
