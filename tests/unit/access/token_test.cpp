#include "broker/access/token.h"

#include <gtest/gtest.h>

#include "broker/base/hash.h"

namespace hutong::access {
namespace {

constexpr Timestamp now{1'767'000'000'000'000};
constexpr std::int64_t second = 1'767'000'000;

struct TokenTest : testing::Test {
  SigningKey key = SigningKey::from_seed(std::string(32, 'k'));
  SigningKey stranger = SigningKey::from_seed(std::string(32, 'x'));
  ClientRegistry clients;
  TokenMint mint{key, clients};
  TokenVerifier verifier{key, clients};

  static std::string assemble(const std::string& header, const std::string& claims, const SigningKey& with) {
    std::string text = base64url(header) + "." + base64url(claims);
    return text + "." + base64url(with.sign(text));
  }
  static std::string claims(const std::string& change = "", const std::string& name = "") {
    std::vector<std::pair<std::string, std::string>> members{{"iss", "\"hutong\""},
                                                             {"aud", "\"hutong\""},
                                                             {"sub", "\"clinic\""},
                                                             {"scope", "\"system/*.rs\""},
                                                             {"iat", std::to_string(second)},
                                                             {"exp", std::to_string(second + 300)},
                                                             {"jti", "\"one\""}};
    std::string text = "{";
    for (const auto& [key_name, value] : members) {
      if (key_name == name && change.empty()) continue;
      text += (text.size() > 1 ? "," : "") + ("\"" + key_name + "\":") + (key_name == name ? change : value);
    }
    return text + "}";
  }
  static constexpr const char* plain_header = R"({"alg":"EdDSA","typ":"JWT"})";
};

TEST_F(TokenTest, WhatTheMintMakesIsTaken) {
  const auto minted = mint.mint("clinic", std::chrono::seconds(300), now);
  ASSERT_TRUE(minted);
  const auto principal = verifier.verify(minted->token, now);
  ASSERT_TRUE(principal) << principal.error().message;
  EXPECT_EQ(principal->client, "clinic");
  EXPECT_EQ(principal->scopes, std::vector<std::string>{"system/*.rs"});
  EXPECT_EQ(principal->token_id, minted->id);
}

TEST_F(TokenTest, LivesItsTimeAndNotLonger) {
  const auto token = mint.mint("clinic", std::chrono::seconds(300), now)->token;
  EXPECT_TRUE(verifier.verify(token, now + std::chrono::seconds(329)));
  EXPECT_FALSE(verifier.verify(token, now + std::chrono::seconds(330)));
  EXPECT_TRUE(verifier.verify(token, now + std::chrono::seconds(-30)));
  EXPECT_FALSE(verifier.verify(token, now + std::chrono::seconds(-31)));
  EXPECT_FALSE(mint.mint("clinic", std::chrono::hours(13), now));
  EXPECT_TRUE(mint.mint("clinic", std::chrono::hours(12), now));
  EXPECT_FALSE(mint.mint("clinic", std::chrono::seconds(0), now));
  EXPECT_EQ(mint.mint("nobody", std::chrono::seconds(300), now).error().code, ErrorCode::not_found);
}

TEST_F(TokenTest, TheTestsOwnTokenIsTakenWhenNothingIsWrong) {
  EXPECT_TRUE(verifier.verify(assemble(plain_header, claims(), key), now));
  EXPECT_TRUE(verifier.verify(assemble(R"({"alg":"EdDSA"})", claims(), key), now));
  EXPECT_TRUE(verifier.verify(assemble(R"({"alg":"EdDSA","kid":")" + key.id() + "\"}", claims(), key), now));
}

TEST_F(TokenTest, MalformedAndForgedTokensAreRefused) {
  const std::string good = assemble(plain_header, claims(), key);
  const auto first = good.find('.'), last = good.rfind('.');
  const std::string h = good.substr(0, first), c = good.substr(first + 1, last - first - 1), s = good.substr(last + 1);
  const auto hmac = [&](const std::string& head, const std::string& secret) {
    const std::string text = base64url(head) + "." + base64url(claims());
    const auto digest = hmac_sha256(secret, text);
    return text + "." + base64url(as_view(digest));
  };
  const auto with_header = [&](const std::string& head) { return assemble(head, claims(), key); };
  const auto with = [&](const char* name, const std::string& value) {
    return assemble(plain_header, claims(value, name), key);
  };
  const auto without = [&](const char* name) { return assemble(plain_header, claims("", name), key); };
  std::string flipped = s;
  flipped[10] = flipped[10] == 'A' ? 'B' : 'A';
  const std::vector<std::pair<const char*, std::string>> cases{
      {"empty", ""},
      {"one dot", "."},
      {"two dots", ".."},
      {"three dots", "..."},
      {"one part", h},
      {"two parts", h + "." + c},
      {"no signature", h + "." + c + "."},
      {"no header", "." + c + "." + s},
      {"no claims", h + ".." + s},
      {"four parts", good + "." + s},
      {"trailing dot", good + "."},
      {"leading space", " " + good},
      {"trailing space", good + " "},
      {"trailing newline", good + "\n"},
      {"NUL inside", h + "." + c + std::string(1, '\0') + "." + s},
      {"padding", h + "=." + c + "." + s},
      {"padded signature", good + "=="},
      {"standard alphabet", h + "." + c + "." + std::string(s.size(), '+')},
      {"bytes that are not base64", h + "." + c + ".\xff\xfe"},
      {"one character too few", h + "." + c + "." + s.substr(0, s.size() - 1)},
      {"one character too many", good + "A"},
      {"unused bits set", h + "." + c + "." + s.substr(0, s.size() - 1) + (s.back() == 'B' ? 'D' : 'B')},
      {"flipped signature", h + "." + c + "." + flipped},
      {"signature of zeros", h + "." + c + "." + base64url(std::string(64, '\0'))},
      {"signature too short", h + "." + c + "." + base64url(std::string(32, 'a'))},
      {"signature too long", h + "." + c + "." + base64url(std::string(65, 'a'))},
      {"another key's signature", assemble(plain_header, claims(), stranger)},
      {"claims of another token", h + "." + base64url(claims("\"operator\"", "sub")) + "." + s},
      {"longer than 4096 bytes", assemble(plain_header, claims("\"" + std::string(4096, 'a') + "\"", "jti"), key)},
      {"alg none, unsigned", base64url(R"({"alg":"none"})") + "." + c + "."},
      {"alg None, unsigned", base64url(R"({"alg":"None"})") + "." + c + "."},
      {"alg none, signed", with_header(R"({"alg":"none"})")},
      {"alg NONE, signed", with_header(R"({"alg":"NONE"})")},
      {"alg HS256 under the key's id", hmac(R"({"alg":"HS256"})", key.id())},
      {"alg HS256, signed", with_header(R"({"alg":"HS256"})")},
      {"alg RS256, signed", with_header(R"({"alg":"RS256"})")},
      {"alg ES384, signed", with_header(R"({"alg":"ES384"})")},
      {"alg eddsa in lower case", with_header(R"({"alg":"eddsa"})")},
      {"alg missing", with_header(R"({"typ":"JWT"})")},
      {"alg empty", with_header(R"({"alg":""})")},
      {"alg a number", with_header(R"({"alg":1})")},
      {"alg null", with_header(R"({"alg":null})")},
      {"alg twice", with_header(R"({"alg":"none","alg":"EdDSA"})")},
      {"alg twice, other order", with_header(R"({"alg":"EdDSA","alg":"none"})")},
      {"typ of another kind", with_header(R"({"alg":"EdDSA","typ":"dpop+jwt"})")},
      {"kid of another key", with_header(R"({"alg":"EdDSA","kid":"00000000"})")},
      {"kid a path", with_header(R"({"alg":"EdDSA","kid":"../../etc/passwd"})")},
      {"kid a query", with_header(R"({"alg":"EdDSA","kid":"' OR 1=1"})")},
      {"kid a number", with_header(R"({"alg":"EdDSA","kid":1})")},
      {"its own key in jwk", with_header(R"({"alg":"EdDSA","jwk":"x"})")},
      {"a key address in jku", with_header(R"({"alg":"EdDSA","jku":"https://example.org/k"})")},
      {"a certificate in x5c", with_header(R"({"alg":"EdDSA","x5c":"x"})")},
      {"crit", with_header(R"({"alg":"EdDSA","crit":"exp"})")},
      {"b64 false", with_header(R"({"alg":"EdDSA","b64":false})")},
      {"zip", with_header(R"({"alg":"EdDSA","zip":"DEF"})")},
      {"header nested", with_header(R"({"alg":"EdDSA","typ":{"a":1}})")},
      {"header an array", with_header(R"(["EdDSA"])")},
      {"header a text", with_header(R"("EdDSA")")},
      {"header empty", with_header("")},
      {"header with text behind it", with_header(R"({"alg":"EdDSA"} {})")},
      {"header not UTF-8", with_header("{\"alg\":\"EdDSA\",\"typ\":\"\xff\"}")},
      {"header not closed", with_header(R"({"alg":"EdDSA")")},
      {"header after a NUL", with_header(std::string("{\"alg\":\"EdDSA\"}\0{", 17))},
      {"claims an array", assemble(plain_header, "[]", key)},
      {"claims empty", assemble(plain_header, "", key)},
      {"claims {}", assemble(plain_header, "{}", key)},
      {"claims nested deep", assemble(plain_header, std::string(5000, '['), key)},
      {"sub twice", assemble(plain_header, claims("\"clinic\",\"sub\":\"operator\"", "sub"), key)},
      {"iss missing", without("iss")},
      {"iss of another", with("iss", "\"hutong2\"")},
      {"iss a number", with("iss", "1")},
      {"aud missing", without("aud")},
      {"aud of another", with("aud", "\"other\"")},
      {"aud a list", with("aud", "[\"hutong\"]")},
      {"aud with a space", with("aud", "\"hutong \"")},
      {"sub missing", without("sub")},
      {"sub empty", with("sub", "\"\"")},
      {"sub unknown", with("sub", "\"nobody\"")},
      {"sub null", with("sub", "null")},
      {"scope missing", without("scope")},
      {"scope empty", with("scope", "\"\"")},
      {"scope beyond the client", with("scope", "\"hutong/operate\"")},
      {"scope partly beyond the client", with("scope", "\"system/*.rs hutong/operate\"")},
      {"scope with more letters", with("scope", "\"system/*.cruds\"")},
      {"scope with two spaces", with("scope", "\"system/*.rs  system/*.rs\"")},
      {"scope a list", with("scope", "[\"system/*.rs\"]")},
      {"iat missing", without("iat")},
      {"iat a text", with("iat", "\"1767000000\"")},
      {"iat negative", with("iat", "-1")},
      {"iat in the future", with("iat", std::to_string(second + 60))},
      {"exp missing", without("exp")},
      {"exp past", with("exp", std::to_string(second - 31))},
      {"exp equal to iat", with("exp", std::to_string(second))},
      {"exp too far", with("exp", std::to_string(second + 12 * 3600 + 1))},
      {"exp beyond 64 bits", with("exp", "99999999999999999999")},
      {"exp a fraction", with("exp", "1767000300.5")},
      {"exp with an exponent", with("exp", "1.7670003e9")},
      {"exp a text", with("exp", "\"1767000300\"")},
      {"jti missing", without("jti")},
      {"jti empty", with("jti", "\"\"")},
      {"jti too long", with("jti", "\"" + std::string(65, 'a') + "\"")},
      {"nbf in the future", assemble(plain_header, claims("\"one\",\"nbf\":" + std::to_string(second + 31), "jti"), key)},
      {"nbf a text", assemble(plain_header, claims("\"one\",\"nbf\":\"0\"", "jti"), key)},
  };
  EXPECT_GE(cases.size(), 60U);
  for (const auto& [name, token] : cases) {
    for (int round = 0; round < 2; ++round) {  // a refused token is not remembered as a good one
      const auto principal = verifier.verify(token, now);
      ASSERT_FALSE(principal) << name;
      EXPECT_EQ(principal.error().code, ErrorCode::forbidden) << name;
    }
  }
}

TEST_F(TokenTest, AForgottenClientLosesItsTokens) {
  ClientRegistry wide;
  wide.add({"lab", {"hutong/send"}});
  const TokenMint wide_mint(key, wide);
  EXPECT_FALSE(verifier.verify(wide_mint.mint("lab", std::chrono::seconds(300), now)->token, now));
}

TEST_F(TokenTest, Base64IsThatOfTheStandard) {
  EXPECT_EQ(base64url("foobar"), "Zm9vYmFy");
  EXPECT_EQ(base64url("fooba"), "Zm9vYmE");
  EXPECT_EQ(*from_base64url("Zm9vYmE"), "fooba");
  EXPECT_EQ(base64url("\xfb\xff"), "-_8");
  EXPECT_FALSE(from_base64url("Z"));
}

}  // namespace
}  // namespace hutong::access
