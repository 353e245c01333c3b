// Who may have a token by an assertion, and that none is good twice (RFC 7523, SMART Backend Services).
#include "broker/access/client_assertion.h"

#include <gmock/gmock.h>

#include "tests/support/client_key.h"
#include "tests/unit/access/support.h"

namespace hutong::access {
namespace {

using testing::HasSubstr;
using tests::ClientPrivateKey;

constexpr Timestamp now{1'767'000'000'000'000};
constexpr std::int64_t second = 1'767'000'000;
constexpr std::string_view here = "https://hie.example.cn/oauth/token";

struct ClientAssertionTest : testing::Test {
  // Made once: an RSA key takes a while.
  static inline const ClientPrivateKey rsa{"RS384"}, ec{"ES384"}, stranger{"ES384"};
  Folder folder;
  ClientRegistry clients = [] {
    ClientRegistry all;
    all.add({"ward", {"system/*.rs"}, read_jwks(R"({"keys":[)" + rsa.jwk("r1") + "," + ec.jwk("e1") + "]}").value()});
    all.add({"other", {"system/*.rs"}, read_jwks(R"({"keys":[)" + stranger.jwk("e1") + "]}").value()});
    return all;
  }();
  ClientAssertions assertions{clients, folder.path() / "keys" / "assertions"};

  static std::string claims(const std::string& jti, const std::string& name = "", const std::string& value = "") {
    const std::vector<std::pair<std::string, std::string>> members{{"iss", "\"ward\""},
                                                                   {"sub", "\"ward\""},
                                                                   {"aud", "\"" + std::string(here) + "\""},
                                                                   {"exp", std::to_string(second + 300)},
                                                                   {"jti", "\"" + jti + "\""}};
    std::string text;
    bool replaced = false;
    for (const auto& [key, usual] : members) {
      replaced = replaced || key == name;
      const std::string& shown = key == name ? value : usual;
      if (!shown.empty()) text += (text.empty() ? "" : ",") + ("\"" + key + "\":") + shown;
    }
    if (!replaced && !name.empty()) text += ",\"" + name + "\":" + value;
    return "{" + text + "}";
  }
  static constexpr const char* es = R"({"alg":"ES384","kid":"e1","typ":"JWT"})";
  static constexpr const char* rs = R"({"alg":"RS384","kid":"r1"})";
  std::string refusal(const std::string& assertion, Timestamp at = now) {
    const auto client = assertions.spend(assertion, here, at);
    return client ? "taken" : client.error().message;
  }
};

TEST_F(ClientAssertionTest, BothAlgorithmsNameTheirClient) {
  for (const auto& assertion : {ec.sign(es, claims("a")), rsa.sign(rs, claims("b"))}) {
    const auto client = assertions.spend(assertion, here, now);
    ASSERT_TRUE(client) << client.error().message;
    EXPECT_EQ((*client)->name, "ward");
  }
  EXPECT_EQ(refusal(ec.sign(es, claims("c", "iat", std::to_string(second)))), "taken");
}

TEST_F(ClientAssertionTest, IsGoodOnceAlsoAcrossARestart) {
  const auto assertion = ec.sign(es, claims("once"));
  EXPECT_EQ(refusal(assertion), "taken");
  EXPECT_THAT(refusal(assertion), HasSubstr("used before"));
  EXPECT_THAT(refusal(rsa.sign(rs, claims("once"))), HasSubstr("used before")) << "another signature, the same jti";
  ClientAssertions restarted{clients, folder.path() / "keys" / "assertions"};
  EXPECT_FALSE(restarted.spend(assertion, here, now));
  EXPECT_TRUE(restarted.spend(ec.sign(es, claims("twice")), here, now));
  EXPECT_THAT(read(folder.path() / "keys" / "assertions"), testing::Not(HasSubstr("once")));
  const auto later = now + std::chrono::seconds(301);
  EXPECT_THAT(refusal(assertion, later), HasSubstr("expired"));
  EXPECT_EQ(refusal(ec.sign(es, claims("new", "exp", std::to_string(second + 400))), later), "taken");
  EXPECT_EQ(read(folder.path() / "keys" / "assertions").find('\n'),
            read(folder.path() / "keys" / "assertions").size() - 1)
      << "what has expired is forgotten";
}

TEST_F(ClientAssertionTest, LivesFiveMinutesAndNotLonger) {
  EXPECT_THAT(refusal(ec.sign(es, claims("a", "exp", std::to_string(second + 301)))), HasSubstr("5 minutes"));
  EXPECT_THAT(refusal(ec.sign(es, claims("b", "exp", std::to_string(second)))), HasSubstr("expired"));
  EXPECT_EQ(refusal(ec.sign(es, claims("c", "exp", std::to_string(second + 1)))), "taken");
  for (const char* wrong : {"", "\"soon\"", "1e12", "null"}) {
    EXPECT_THAT(refusal(ec.sign(es, claims("d", "exp", wrong))), HasSubstr("no exp")) << wrong;
  }
  EXPECT_THAT(refusal(ec.sign(es, claims("e", "iat", std::to_string(second + 31)))), HasSubstr("not valid yet"));
  EXPECT_THAT(refusal(ec.sign(es, claims("f", "nbf", std::to_string(second + 31)))), HasSubstr("not valid yet"));
}

TEST_F(ClientAssertionTest, WhatIsNotItsOwnIsRefused) {
  const std::string unsigned_text = base64url(R"({"alg":"none","kid":"e1"})") + "." + base64url(claims("n")) + ".";
  EXPECT_THAT(refusal(unsigned_text), HasSubstr("alg"));
  for (const char* header :
       {R"({"alg":"ES256","kid":"e1"})", R"({"alg":"HS384","kid":"e1"})", R"({"alg":"EdDSA","kid":"e1"})"}) {
    EXPECT_THAT(refusal(ec.sign(header, claims("n"))), HasSubstr("alg")) << header;
  }
  EXPECT_THAT(refusal(ec.sign(R"({"alg":"ES384"})", claims("n"))), HasSubstr("kid"));
  for (const char* more : {R"("jku":"https://evil.example")", R"("jwk":"x")", R"("crit":"x")", R"("b64":false)"}) {
    EXPECT_THAT(refusal(ec.sign(std::string(R"({"alg":"ES384","kid":"e1",)") + more + "}", claims("n"))),
                HasSubstr("not allowed"));
  }
  const std::string nobody = "no registered client";
  EXPECT_THAT(refusal(stranger.sign(es, claims("n"))), HasSubstr(nobody)) << "another client's key under the same kid";
  EXPECT_THAT(refusal(ec.sign(R"({"alg":"ES384","kid":"e2"})", claims("n"))), HasSubstr(nobody));
  EXPECT_THAT(refusal(rsa.sign(R"({"alg":"ES384","kid":"r1"})", claims("n"))), HasSubstr(nobody));
  EXPECT_THAT(refusal(rsa.sign(R"({"alg":"RS384","kid":"e1"})", claims("n"))), HasSubstr(nobody));
  EXPECT_THAT(refusal(ec.sign(es, claims("n", "iss", "\"clinic\""))), HasSubstr("iss and sub"));
  const std::string as_clinic = R"({"iss":"clinic","sub":"clinic","aud":"x","exp":1,"jti":"n"})";
  EXPECT_THAT(refusal(ec.sign(es, as_clinic)), HasSubstr(nobody)) << "a client without keys";
  EXPECT_THAT(refusal(ec.sign(es, claims("n", "aud", "\"https://other.example/oauth/token\""))), HasSubstr("aud"));
  EXPECT_THAT(refusal(ec.sign(es, claims("n", "aud", "[\"" + std::string(here) + "\"]"))), HasSubstr("plain"));
  EXPECT_THAT(refusal(ec.sign(es, claims("n", "jti", ""))), HasSubstr("jti"));
  EXPECT_THAT(refusal(ec.sign(es, claims("n", "jti", "\"" + std::string(257, 'j') + "\""))), HasSubstr("jti"));
  std::string forged = ec.sign(es, claims("n"));
  forged[forged.size() - 20] = forged[forged.size() - 20] == 'A' ? 'B' : 'A';
  EXPECT_THAT(refusal(forged), HasSubstr(nobody));
  const std::string whole = ec.sign(es, claims("n"));
  for (const std::string& broken : {std::string(), std::string("a.b"), whole + ".c",
                                    whole.substr(0, whole.rfind('.') + 1), std::string(9000, 'a')}) {
    EXPECT_NE(refusal(broken), "taken");
  }
  EXPECT_EQ(refusal(whole), "taken") << "nothing before has spent its jti";
}

TEST_F(ClientAssertionTest, WithoutItsFileNothingIsTaken) {
  std::filesystem::remove_all(folder.path() / "keys");
  write(folder.path() / "keys", "a file where the folder was");
  const auto assertion = ec.sign(es, claims("a"));
  const auto client = assertions.spend(assertion, here, now);
  ASSERT_FALSE(client);
  EXPECT_EQ(client.error().code, ErrorCode::unavailable);
  std::filesystem::remove(folder.path() / "keys");
  std::filesystem::create_directories(folder.path() / "keys");
  EXPECT_EQ(refusal(assertion), "taken");
  write(folder.path() / "keys" / "assertions", "no line of ours\n");
  EXPECT_THROW(ClientAssertions(clients, folder.path() / "keys" / "assertions"), std::runtime_error);
}

TEST_F(ClientAssertionTest, AKeySetIsReadStrictlyAndSaysWhatIsWrong) {
  const auto problem = [](const std::string& json) {
    const auto keys = read_jwks(json);
    return keys ? std::to_string(keys->size()) + " keys" : keys.error().message;
  };
  const auto set = [](const std::string& keys) { return R"({"keys":[)" + keys + "]}"; };
  EXPECT_EQ(problem(set(ec.jwk("a", R"(,"use":"sig","alg":"ES384","key_ops":["verify"])"))), "1 keys");
  EXPECT_EQ(problem(set(ec.jwk("a", R"(,"use":"enc")") + "," + rsa.jwk("b"))), "1 keys");
  EXPECT_THAT(problem(ec.jwk("a")), HasSubstr("JWK Set"));
  EXPECT_THAT(problem(""), HasSubstr("JWK Set"));
  EXPECT_THAT(problem(set("")), HasSubstr("no key"));
  EXPECT_THAT(problem(set(ec.jwk("a", R"(,"d":"c2VjcmV0")"))), HasSubstr("private"));
  EXPECT_THAT(problem(set(ec.jwk(""))), HasSubstr("kid"));
  EXPECT_THAT(problem(set(ClientPrivateKey("RS384", 1024).jwk("weak"))), HasSubstr("2048"));
  EXPECT_THAT(problem(set(R"({"kty":"EC","crv":"P-384","kid":"off","x":")" + base64url(std::string(48, 'a')) +
                          R"(","y":")" + base64url(std::string(48, 'b')) + "\"}")),
              HasSubstr("off"))
      << "not a point of the curve";
}

}  // namespace
}  // namespace hutong::access
