// The JSON writer of the FHIR renderers and the datatypes of FHIR R4 (hl7.org/fhir/R4/datatypes.html) that several
// resources share. An empty text writes no member at all: FHIR knows no empty strings and no empty objects.
// One writer per document; not shared between threads.
#pragma once

#include <rapidjson/stringbuffer.h>
#include <rapidjson/writer.h>

#include <string>
#include <string_view>
#include <vector>

#include "broker/model/views.h"

namespace hutong::fhir {

using model::Text;

class Writer {
 public:
  void open() { json_.StartObject(); }
  void open(std::string_view key) {
    name(key);
    json_.StartObject();
  }
  void close() { json_.EndObject(); }
  void open_list(std::string_view key) {
    name(key);
    json_.StartArray();
  }
  void close_list() { json_.EndArray(); }
  void name(std::string_view key) { json_.Key(key.data(), static_cast<rapidjson::SizeType>(key.size())); }
  void text(std::string_view value) { json_.String(value.data(), static_cast<rapidjson::SizeType>(value.size())); }
  void member(std::string_view key, std::string_view value) {
    if (value.empty()) return;
    name(key);
    text(value);
  }
  void flag(std::string_view key, bool value) {
    name(key);
    json_.Bool(value);
  }
  void count(std::string_view key, std::uint64_t value) {
    name(key);
    json_.Uint64(value);
  }
  // An exact decimal as a JSON number, digit for digit; `value` is a JSON number already (is_json_number).
  void decimal(std::string_view key, std::string_view value) {
    name(key);
    json_.RawValue(value.data(), value.size(), rapidjson::kNumberType);
  }
  std::string take() const { return {buffer_.GetString(), buffer_.GetSize()}; }

 private:
  rapidjson::StringBuffer buffer_;
  rapidjson::Writer<rapidjson::StringBuffer> json_{buffer_};
};

bool is_json_number(Text text);
// FHIR dateTime: a time to the minute gets its seconds; "" where the text is none.
std::string date_time(const model::Moment& moment);
std::string date(const model::Moment& moment);     // to the day at most
std::string instant(const model::Moment& moment);  // "" unless known to the second, with zone
std::string base64(std::string_view bytes);

void write_coding(Writer& out, std::string_view system, std::string_view code, std::string_view display);
// "key": {"coding": […], "text": …}; nothing where the code is empty.
void write_concept(Writer& out, std::string_view key, const model::Coded& coded, Text facility);
void write_concept_body(Writer& out, const model::Coded& coded, Text facility);
void write_text_concept(Writer& out, std::string_view key, std::string_view text);
// "key": {"reference": "Type/id", "display": …}
void write_reference(Writer& out, std::string_view key, std::string_view type, std::string_view id,
                     std::string_view display = {});
void write_reference_body(Writer& out, std::string_view type, std::string_view id, std::string_view display = {});
// A clinician or department that is named but has no resource of its own here.
void write_party_body(Writer& out, const model::Party& party, std::string_view type, Text facility);
bool is_named(const model::Party& party);
// "key": [{"text": …}, …]
void write_annotations(Writer& out, std::string_view key, const List<Text>& notes);
void write_identifier(Writer& out, std::string_view type_code, std::string_view system, std::string_view value);
// versionId, lastUpdated, source (the event and where in the message), security labels.
void write_meta(Writer& out, std::uint64_t version, Timestamp updated, Text event_id, Text path,
                const std::vector<Text>& labels);

}  // namespace hutong::fhir
