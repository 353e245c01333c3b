#include "adapters/api/oauth.h"

#include <rapidjson/document.h>

#include "tests/support/client_key.h"
#include "tests/unit/api/door.h"

namespace hutong::api {
namespace {

struct OauthTest : DoorTest {
  static inline const tests::ClientPrivateKey client_key{"ES384"};
  int serial = 0;

  void SetUp() override {
    auto keys = access::read_jwks(R"({"keys":[)" + client_key.jwk("k") + "]}");
    clients.add({"ward", {"system/Patient.rs", "system/Observation.r"}, keys.value()});
  }
  std::string assertion(const std::string& audience) {
    const auto seconds = clock.now().micros / 1'000'000;
    return client_key.sign(R"({"alg":"ES384","kid":"k"})", R"({"iss":"ward","sub":"ward","aud":")" + audience +
                                                               R"(","exp":)" + std::to_string(seconds + 60) +
                                                               R"(,"jti":"j)" + std::to_string(++serial) + "\"}");
  }
  static std::string form(const std::string& signed_text, const std::string& more = "") {
    return "grant_type=client_credentials&client_assertion_type=urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%"
           "3Ajwt-bearer"
           "&client_assertion=" +
           signed_text + more;
  }
  Reply post(const std::string& body, const std::string& type = "application/x-www-form-urlencoded") {
    return ask("POST /oauth/token", "Content-Type: " + type + "\r\n", body);
  }
  static constexpr const char* here = "http://127.0.0.1/oauth/token";
  static std::string error_of(const Reply& reply) {
    rapidjson::Document json;
    json.Parse(reply.body.c_str());
    if (json.HasParseError() || !json.IsObject() || !json.HasMember("error") || !json["error"].IsString())
      return reply.body;
    EXPECT_FALSE(std::string_view(json["error_description"].GetString()).empty());
    return std::to_string(reply.status) + " " + json["error"].GetString();
  }
};

TEST_F(OauthTest, ASignedAssertionBecomesATokenThatReads) {
  extra.push_back({"GET", "/who", "system/Patient.rs", [](const Request& r) -> net::awaitable<Response> {
                     Response response;
                     response.body =
                         r.principal->client + (r.principal->has("system/Observation.r") ? " all" : " part");
                     co_return response;
                   }});
  open();
  const auto reply = post(form(assertion(here)));
  ASSERT_EQ(reply.status, 200) << reply.body;
  EXPECT_EQ(reply.headers.at("cache-control"), "no-store");
  rapidjson::Document json;
  json.Parse(reply.body.c_str());
  EXPECT_STREQ(json["token_type"].GetString(), "Bearer");
  EXPECT_EQ(json["expires_in"].GetInt(), 300);
  EXPECT_STREQ(json["scope"].GetString(), "system/Patient.rs system/Observation.r");
  EXPECT_EQ(ask("GET /who", std::string("Authorization: Bearer ") + json["access_token"].GetString() + "\r\n").body,
            "ward all");
  const auto narrow = post(form(assertion(here), "&scope=system%2FPatient.r"));
  json.Parse(narrow.body.c_str());
  EXPECT_STREQ(json["scope"].GetString(), "system/Patient.r");
  EXPECT_EQ(ask("GET /who", std::string("Authorization: Bearer ") + json["access_token"].GetString() + "\r\n").body,
            "ward part");
  EXPECT_NE(audited().find("ward"), std::string::npos) << "every token is in the audit";
}

TEST_F(OauthTest, RefusalsAreThoseOfRfc6749) {
  open();
  const auto once = assertion(here);
  EXPECT_EQ(post(form(once)).status, 200);
  EXPECT_EQ(error_of(post(form(once))), "401 invalid_client");
  EXPECT_EQ(error_of(post(form("abc"))), "401 invalid_client");
  EXPECT_NE(audited().find("denied"), std::string::npos);
  EXPECT_EQ(error_of(post(form(assertion("http://127.0.0.1/token")))), "401 invalid_client");
  EXPECT_EQ(error_of(post(form(assertion(here), "&scope=system%2F*.rs"))), "400 invalid_scope");
  EXPECT_EQ(error_of(post(form(assertion(here), "&scope=a&scope=b"))), "400 invalid_request");
  EXPECT_EQ(error_of(post("grant_type=password&username=a")), "400 unsupported_grant_type");
  EXPECT_EQ(error_of(post("scope=system%2F*.rs")), "400 invalid_request");
  EXPECT_EQ(error_of(post("grant_type=client_credentials&client_id=ward&client_secret=x")), "400 invalid_request");
  EXPECT_EQ(error_of(post(form(assertion(here)), "application/json")), "400 invalid_request");
  EXPECT_EQ(error_of(post(std::string(17 * 1024, 'a'))), "413 invalid_request");
  EXPECT_EQ(error_of(ask("GET /oauth/token")), "405 invalid_request");
  EXPECT_FALSE(post(form("SECRET.SECRET.SECRET")).has("SECRET"));
}

// An assertion that another server got must not be good here because someone calls us by that server's name.
TEST_F(OauthTest, TheNameInTheHostHeaderIsBelievedOnThisMachineOnly) {
  open();
  const std::string elsewhere = "http://other.example/oauth/token";
  Wire wire(port);
  const std::string body = form(assertion(elsewhere));
  wire.send(
      "POST /oauth/token HTTP/1.1\r\nHost: other.example\r\nContent-Type: "
      "application/x-www-form-urlencoded\r\nContent-Length: " +
      std::to_string(body.size()) + "\r\n\r\n" + body);
  const auto reply = wire.reply();
  EXPECT_EQ(error_of(reply), "400 invalid_request");
  EXPECT_TRUE(reply.has("public_url"));
}

TEST_F(OauthTest, APublicUrlIsTheOnlyName) {
  options.public_url = "https://hie.example.cn";
  open();
  EXPECT_EQ(error_of(post(form(assertion(here)))), "401 invalid_client");
  EXPECT_EQ(post(form(assertion("https://hie.example.cn/oauth/token"))).status, 200);
}

TEST_F(OauthTest, TellsWhereAndHow) {
  open();
  const auto reply = ask("GET /.well-known/smart-configuration");
  EXPECT_EQ(reply.status, 200);
  rapidjson::Document json;
  json.Parse(reply.body.c_str());
  EXPECT_STREQ(json["token_endpoint"].GetString(), here);
  EXPECT_STREQ(json["token_endpoint_auth_methods_supported"][0].GetString(), "private_key_jwt");
  EXPECT_STREQ(json["token_endpoint_auth_signing_alg_values_supported"][1].GetString(), "ES384");
  EXPECT_EQ(ask("GET /fhir/.well-known/smart-configuration").body, reply.body);
}

}  // namespace
}  // namespace hutong::api
