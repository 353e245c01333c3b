// What every FHIR R4 JSON document of ours must keep: no empty string, object or list (hl7.org/fhir/R4/json.html),
// legal ids, the required elements of each resource type, references that resolve in a collection.
#pragma once

#include <gtest/gtest.h>
#include <rapidjson/document.h>

#include <map>
#include <set>
#include <string>
#include <vector>

namespace hutong::test {

inline rapidjson::Document parse(const std::string& json) {
  rapidjson::Document document;
  document.Parse<rapidjson::kParseIterativeFlag | rapidjson::kParseNumbersAsStringsFlag>(json.data(), json.size());
  EXPECT_FALSE(document.HasParseError()) << json;
  return document;
}

inline void check_filled(const rapidjson::Value& value, const std::string& where) {
  if (value.IsString()) EXPECT_GT(value.GetStringLength(), 0U) << where << " is empty";
  if (value.IsObject()) {
    EXPECT_GT(value.MemberCount(), 0U) << where << " is empty";
    std::set<std::string> seen;
    for (const auto& member : value.GetObject()) {
      EXPECT_TRUE(seen.insert(member.name.GetString()).second) << where << "." << member.name.GetString() << " twice";
      check_filled(member.value, where + "." + member.name.GetString());
    }
  }
  if (value.IsArray()) {
    EXPECT_GT(value.Size(), 0U) << where << " is empty";
    for (const auto& each : value.GetArray()) check_filled(each, where + "[]");
  }
}

inline void check_resource(const rapidjson::Value& resource) {
  static const std::map<std::string, std::vector<std::string>> required = {
      {"Patient", {}},
      {"DiagnosticReport", {"status", "code"}},
      {"Observation", {"status", "code"}},
      {"Specimen", {}},
      {"ServiceRequest", {"status", "intent", "subject"}},
      {"ImagingStudy", {"status", "subject"}},
      {"Endpoint", {"status", "connectionType", "payloadType", "address"}},
      {"Encounter", {"status", "class"}},
      {"Organization", {"name"}},
      {"OperationOutcome", {"issue"}},
      {"CapabilityStatement", {"status", "date", "kind", "fhirVersion", "format", "rest"}}};
  ASSERT_TRUE(resource.IsObject() && resource.HasMember("resourceType"));
  const std::string type = resource["resourceType"].GetString();
  const auto rules = required.find(type);
  ASSERT_NE(rules, required.end()) << type;
  check_filled(resource, type);
  for (const auto& name : rules->second) EXPECT_TRUE(resource.HasMember(name.c_str())) << type << "." << name;
  if (resource.HasMember("id")) {
    const std::string id = resource["id"].GetString();
    EXPECT_LE(id.size(), 64U);
    EXPECT_EQ(id.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-."),
              std::string::npos)
        << id;
  }
  if (type == "Observation") {
    int values = 0;  // value[x] or dataAbsentReason, one of them
    for (const auto& member : resource.GetObject()) {
      const std::string name = member.name.GetString();
      values += name.starts_with("value") || name == "dataAbsentReason";
    }
    EXPECT_EQ(values, 1);
  }
}

inline void references_of(const rapidjson::Value& value, std::vector<std::string>& all) {
  if (value.IsArray()) {
    for (const auto& each : value.GetArray()) references_of(each, all);
  } else if (value.IsObject()) {
    for (const auto& member : value.GetObject()) {
      if (std::string_view(member.name.GetString()) == "reference") all.emplace_back(member.value.GetString());
      references_of(member.value, all);
    }
  }
}

// `outside`: types that may be referred to without being there.
inline void check_bundle(const rapidjson::Document& bundle, const std::set<std::string>& outside) {
  ASSERT_STREQ(bundle["resourceType"].GetString(), "Bundle");
  check_filled(bundle, "Bundle");
  if (!bundle.HasMember("entry")) return;
  std::set<std::string> there;
  for (const auto& entry : bundle["entry"].GetArray()) {
    const auto& resource = entry["resource"];
    check_resource(resource);
    const std::string name = std::string(resource["resourceType"].GetString()) + "/" + resource["id"].GetString();
    EXPECT_TRUE(std::string(entry["fullUrl"].GetString()).ends_with("/" + name));
    EXPECT_TRUE(there.insert(name).second) << name << " twice";
  }
  std::vector<std::string> references;
  references_of(bundle, references);
  for (const auto& each : references) {
    if (!outside.count(each.substr(0, each.find('/')))) EXPECT_TRUE(there.count(each)) << each << " leads nowhere";
  }
}

}  // namespace hutong::test
