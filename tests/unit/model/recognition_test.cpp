// schemas/operations/v1: the examples are valid, are read, and are written again letter for letter.
#include "broker/model/recognition.h"

#include <gtest/gtest.h>
#include <rapidjson/document.h>
#include <rapidjson/schema.h>
#include <rapidjson/stringbuffer.h>
#include <rapidjson/writer.h>

#include <filesystem>
#include <fstream>

namespace hutong::model {
namespace {

namespace fs = std::filesystem;
const fs::path folder = fs::path(HUTONG_SOURCE_DIR) / "schemas/operations/v1";

std::string whole(const fs::path& file) {
  std::ifstream in(file, std::ios::binary);
  EXPECT_TRUE(in) << file;
  return {std::istreambuf_iterator<char>(in), {}};
}

std::string compact(const std::string& json) {
  rapidjson::Document document;
  document.Parse(json.c_str());
  rapidjson::StringBuffer out;
  rapidjson::Writer<rapidjson::StringBuffer> writer(out);
  document.Accept(writer);
  return out.GetString();
}

bool valid(const std::string& kind, const std::string& json) {
  rapidjson::Document form, document;
  form.Parse(whole(folder / (kind + ".schema.json")).c_str());
  EXPECT_FALSE(form.HasParseError()) << kind;
  rapidjson::SchemaDocument schema(form);
  rapidjson::SchemaValidator validator(schema);
  document.Parse(json.c_str());
  return !document.HasParseError() && document.Accept(validator);
}

TEST(RecognitionSchema, TheExamplesAreValidAndReadAndWrittenAgain) {
  const auto decided = whole(folder / "examples/recognition.decided.json"),
             outcome = whole(folder / "examples/recognition.outcome.json");
  EXPECT_TRUE(valid("recognition.decided", decided));
  EXPECT_TRUE(valid("recognition.outcome", outcome));
  const auto read_decided = read_recognition_decided(decided);
  const auto read_outcome = read_recognition_outcome(outcome);
  ASSERT_TRUE(read_decided);
  ASSERT_TRUE(read_outcome);
  EXPECT_EQ(write(*read_decided), compact(decided));
  EXPECT_EQ(write(*read_outcome), compact(outcome));
}

TEST(RecognitionSchema, AnOrderThatCameAsAMessageSaysSo) {
  auto decided = *read_recognition_decided(whole(folder / "examples/recognition.decided.json"));
  EXPECT_FALSE(decided.by_message());
  decided.door = order_door;
  decided.follows = decided.id;
  const auto json = write(decided);
  EXPECT_TRUE(valid("recognition.decided", json)) << json;
  const auto read = read_recognition_decided(json);
  ASSERT_TRUE(read);
  EXPECT_TRUE(read->by_message());
  EXPECT_EQ(read->follows, decided.id);
}

TEST(PlacedOrder, IsReadAsWritten) {
  PlacedOrder placed;
  placed.id = placed_order_id(OrderId(sha256("an order")));
  placed.at = {1'767'294'245'678'901};
  placed.facility = "cc-east";
  placed.patient_of = "cc-east";
  placed.patient = "B1";
  placed.number = "O1";
  placed.encounter = "EMER";
  placed.preoperative = true;
  placed.code = "GLU\"";
  placed.loinc = "14749-6";
  const auto json = write(placed);
  const auto read = read_placed_order(json, placed.id);
  ASSERT_TRUE(read);
  EXPECT_EQ(write(*read), json);
  EXPECT_EQ(read->at, placed.at);
  EXPECT_EQ(read->code, placed.code);
  EXPECT_TRUE(read->preoperative);
  EXPECT_FALSE(read_placed_order("[]", placed.id));
}

TEST(RecognitionSchema, RefusesWhatTheDocumentDoesNotHave) {
  EXPECT_FALSE(valid("recognition.outcome", R"({"kind":"recognition.outcome"})"));
  auto decided = *read_recognition_decided(whole(folder / "examples/recognition.decided.json"));
  decided.lines[0].verdict = "perhaps";
  EXPECT_FALSE(valid("recognition.decided", write(decided)));
}

}  // namespace
}  // namespace hutong::model
