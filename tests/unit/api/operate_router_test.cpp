#include <gtest/gtest.h>

#include "adapters/api/router.h"

namespace hutong::api {
namespace {

Route route(const char* method, const char* pattern) {
  return {method, pattern, "", nullptr};
}

std::string found(const Router& router, const char* method, const char* target) {
  const auto address = read_address(target);
  if (!address) return "invalid";
  const auto match = router.find(method, address->segments);
  if (!match.route) return match.allowed.empty() ? "nothing" : "method";
  std::string text = match.route->pattern;
  for (const auto& capture : match.captures) text += " " + capture;
  return text;
}

TEST(Router, PrefersWhatIsWrittenOverCaptures) {
  const Router router({route("GET", "/fhir/{type}/{id}"), route("GET", "/fhir/Patient/$match"),
                       route("GET", "/fhir/{type}"), route("GET", "/"), route("POST", "/fhir/{type}"),
                       route("GET", "/fhir/{type}/{id}/_history/{version}"), route("GET", "/fhir/metadata"),
                       route("DELETE", "/only")});
  EXPECT_EQ(found(router, "GET", "/fhir/Patient/$match"), "/fhir/Patient/$match");
  EXPECT_EQ(found(router, "GET", "/fhir/Patient/a1"), "/fhir/{type}/{id} Patient a1");
  EXPECT_EQ(found(router, "GET", "/fhir/metadata?x=1"), "/fhir/metadata");
  EXPECT_EQ(found(router, "GET", "/fhir/A/b/_history/2"), "/fhir/{type}/{id}/_history/{version} A b 2");
  EXPECT_EQ(found(router, "HEAD", "/fhir/Patient"), "/fhir/{type} Patient");
  EXPECT_EQ(found(router, "GET", "/"), "/");
  EXPECT_EQ(found(router, "GET", "/fhir/"), "nothing");
  EXPECT_EQ(found(router, "GET", "//"), "nothing");
  EXPECT_EQ(found(router, "GET", "/only"), "method");
  EXPECT_EQ(found(router, "GET", "/fhir/A%2Fb"), "/fhir/{type} A/b");
}

TEST(Router, RefusesTwoRoutesForOneAddress) {
  EXPECT_THROW(Router({route("GET", "/a/{x}"), route("GET", "/a/{y}")}), std::invalid_argument);
}

TEST(Router, ReadsAddresses) {
  const auto address = read_address("/a/%E4%B8%AD+?name=%E6%9D%8E+a&flag&empty=&b=%2B&&c=d=e");
  ASSERT_TRUE(address);
  EXPECT_EQ(address->path, "/a/中+");
  const std::vector<std::pair<std::string, std::string>> query{
      {"name", "李 a"}, {"flag", ""}, {"empty", ""}, {"b", "+"}, {"c", "d=e"}};
  EXPECT_EQ(address->query, query);
}

TEST(Router, RefusesAddressesThatCouldMeanTwoThings) {
  for (const char* target : {"/a/../b", "/a/%2e%2e/b", "/./a", "/%", "/%4", "/%zz", "/a%00", "/a%0d%0a", "/%ff",
                             "/%c0%af", "/%ed%a0%80", "/a?x=%0a", "/a?%", "/a?x=%e4%b8"}) {
    EXPECT_FALSE(read_address(target)) << target;
  }
}

TEST(Router, TakesTwoHundredParametersAndNotOneMore) {
  std::string query = "a=1";
  for (int i = 1; i < 200; ++i) query += "&a=1";
  EXPECT_TRUE(read_query(query));
  EXPECT_FALSE(read_query(query + "&a=1"));
}

}  // namespace
}  // namespace hutong::api
