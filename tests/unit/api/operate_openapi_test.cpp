#include <rapidjson/document.h>

#include <set>

#include "tests/unit/api/door.h"

namespace hutong::api {
namespace {

struct OpenApiTest : DoorTest {
  rapidjson::Document document;
  void SetUp() override {
    std::ifstream file(std::string(HUTONG_SOURCE_DIR) + "/schemas/api/openapi.json");
    const std::string text(std::istreambuf_iterator<char>(file), {});
    document.Parse(text.c_str());
    ASSERT_FALSE(document.HasParseError());
  }
};

TEST_F(OpenApiTest, ListsExactlyTheRoutes) {
  std::set<std::string> described, served;
  for (const auto& path : document["paths"].GetObject()) {
    for (const auto& operation : path.value.GetObject()) {
      std::string method = operation.name.GetString();
      for (char& c : method) c = static_cast<char>(std::toupper(c));
      described.insert(method + " " + path.name.GetString());
    }
  }
  for (const auto& route : routes()) {
    const bool ours = route.pattern.starts_with("/api/v1/") || route.pattern.starts_with("/oauth/") ||
                      route.pattern.starts_with("/.well-known/");
    if (ours) served.insert(route.method + " " + route.pattern);
  }
  EXPECT_EQ(described, served);
}

TEST_F(OpenApiTest, EveryReferenceLeadsSomewhere) {
  const std::function<void(const rapidjson::Value&)> walk = [&](const rapidjson::Value& value) {
    if (value.IsArray()) {
      for (const auto& item : value.GetArray()) walk(item);
    }
    if (!value.IsObject()) return;
    for (const auto& member : value.GetObject()) {
      if (member.name == "$ref") {
        const std::string reference = member.value.GetString();
        const auto slash = reference.rfind('/');
        const auto kind = reference.substr(13, slash - 13);  // behind "#/components/"
        EXPECT_TRUE(document["components"][kind.c_str()].HasMember(reference.c_str() + slash + 1)) << reference;
      }
      walk(member.value);
    }
  };
  walk(document);
}

TEST_F(OpenApiTest, IsServedAsItStands) {
  open();
  const auto reply = ask("GET /api/v1/openapi.json");
  EXPECT_EQ(reply.status, 200);
  EXPECT_TRUE(reply.has("\"openapi\": \"3.1.0\""));
  EXPECT_EQ(ask("GET /api/v1/openapi.json", "If-None-Match: " + reply.headers.at("etag") + "\r\n").status, 304);
}

TEST_F(OpenApiTest, ThePageComesWithNothingFromElsewhere) {
  open();
  const auto page = ask("GET /");
  EXPECT_TRUE(page.has("<!doctype html>"));
  for (const char* part : {"GET /", "GET /live.js", "GET /live.css", "GET /icon.svg"}) {
    const auto reply = ask(part);
    EXPECT_EQ(reply.status, 200) << part;
    std::string body = reply.body;
    for (auto at = body.find("http://www.w3.org/2000/svg"); at != std::string::npos;
         at = body.find("http://www.w3.org/2000/svg"))
      body.erase(at, 26);
    for (auto at = body.find("http://localhost/"); at != std::string::npos; at = body.find("http://localhost/"))
      body.erase(at, 17);
    EXPECT_EQ(body.find("http://"), std::string::npos) << part;
    EXPECT_EQ(body.find("https://"), std::string::npos) << part;
    EXPECT_EQ(body.find("style=\""), std::string::npos) << part;
    EXPECT_EQ(body.find("innerHTML"), std::string::npos) << part;
  }
}

}  // namespace
}  // namespace hutong::api
