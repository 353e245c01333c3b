// schemas/event/v1: the examples, and what write_record makes, are valid; the record's reader reads them.
#include <gtest/gtest.h>
#include <rapidjson/document.h>
#include <rapidjson/schema.h>
#include <rapidjson/writer.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <sstream>

#include "broker/model/event_json.h"
#include "tests/unit/model/sample.h"

namespace hutong::model {
namespace {

namespace fs = std::filesystem;
const fs::path folder = fs::path(HUTONG_SOURCE_DIR) / "schemas" / "event" / "v1";

std::string whole(const fs::path& file) {
  std::ifstream in(file, std::ios::binary);
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

class Schemas : public rapidjson::IRemoteSchemaDocumentProvider {
 public:
  // RapidJSON 1.1 says the length one too short; the text goes on with the fragment.
  const rapidjson::SchemaDocument* GetRemoteDocument(const char* uri, rapidjson::SizeType) override {
    return &get(std::string(uri, std::strcspn(uri, "#")));
  }
  const rapidjson::SchemaDocument& get(const std::string& name) {
    auto& schema = schemas_[name];
    if (!schema) {
      const std::string text = whole(folder / name);
      rapidjson::Document document;
      document.Parse(text.c_str());
      EXPECT_FALSE(document.HasParseError()) << name;
      schema = std::make_unique<rapidjson::SchemaDocument>(document, this);
    }
    return *schema;
  }

 private:
  std::map<std::string, std::unique_ptr<rapidjson::SchemaDocument>> schemas_;
};

// "" when `json` is valid under `schema`, else where and why.
std::string fault(const std::string& schema, const std::string& json) {
  Schemas schemas;
  rapidjson::Document document;
  document.Parse(json.c_str());
  if (document.HasParseError()) return "not JSON";
  rapidjson::SchemaValidator validator(schemas.get(schema));
  if (document.Accept(validator)) return "";
  rapidjson::StringBuffer where, rule;
  validator.GetInvalidDocumentPointer().StringifyUriFragment(where);
  validator.GetInvalidSchemaPointer().StringifyUriFragment(rule);
  return std::string(where.GetString()) + " against " + rule.GetString() + "/" + validator.GetInvalidSchemaKeyword();
}

TEST(Schema, EveryKindHasAValidExampleThatIsRead) {
  for (auto kind :
       {EventKind::message_received, EventKind::patient_updated, EventKind::patient_merged, EventKind::patient_linked,
        EventKind::patient_unlinked, EventKind::encounter_changed, EventKind::result_reported, EventKind::exam_reported,
        EventKind::order_placed, EventKind::referral_told}) {
    const fs::path file = folder / "examples" / (std::string(to_string(kind)) + ".json");
    ASSERT_TRUE(fs::exists(file)) << file;
    const std::string json = whole(file);
    EXPECT_EQ(fault("record.schema.json", json), "") << file;
    Arena arena;
    RecordView record;
    ASSERT_TRUE(read_record(json, arena, record)) << file;
    ASSERT_FALSE(record.events.empty());
    EXPECT_EQ(record.events.back().kind, kind);

    // Written again it says the same: nothing in an example is unknown to the code, nor in another order.
    Draft draft;
    draft.source = record.source;
    draft.times = record.times;
    draft.map_version = record.map_version;
    draft.issues = record.issues;
    Part part{record.subject, record.events};
    const std::string out(write_record(arena, record.id, draft, part));
    rapidjson::Document document;
    document.Parse(json.c_str());
    rapidjson::StringBuffer compact;
    rapidjson::Writer<rapidjson::StringBuffer> writer(compact);
    document.Accept(writer);
    EXPECT_EQ(out, compact.GetString()) << file;
  }
}

TEST(Schema, WhatIsWrittenIsValid) {
  Draft draft;
  sample::fill(draft);
  const std::string out(write_record(draft.arena, RecordId(sha256("a record")), draft, draft.parts[0]));
  EXPECT_EQ(fault("record.schema.json", out), "") << out;
}

TEST(Schema, SingleNounsAreValid) {
  Arena arena;
  const auto fault_of = [](const char* schema, Text json) { return fault(schema, std::string(json)); };
  EXPECT_EQ(fault_of("subject.schema.json", write_subject(arena, sample::subject(arena))), "");
  EXPECT_EQ(fault_of("report.schema.json", write_report(arena, *sample::report(arena))), "");
  EXPECT_EQ(fault_of("encounter.schema.json", write_encounter(arena, sample::encounter(arena))), "");
  EXPECT_EQ(fault_of("order.schema.json", write_order(arena, *sample::order(arena))), "");
}

TEST(Schema, RefusesWhatTheDocumentDoesNotHave) {
  EXPECT_NE(fault("subject.schema.json", R"({"nummer":"1"})"), "");
  EXPECT_NE(fault("subject.schema.json", R"({"born":"02.01.2026"})"), "");
  EXPECT_NE(fault("record.schema.json", R"({"id":"00"})"), "");
  EXPECT_NE(fault("report.schema.json", R"({"observations":[{"value":{"number":"1,5"}}]})"), "");
}

}  // namespace
}  // namespace hutong::model
