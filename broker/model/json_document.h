// Small documents of our own (topic operations, rows of the store): written in one pass, what is not said is left out;
// read with a DOM, which is enough for text that we wrote. For the .cpp files of this room. Threads: any.
#pragma once

#include <rapidjson/document.h>
#include <rapidjson/stringbuffer.h>
#include <rapidjson/writer.h>

#include <optional>
#include <string>
#include <string_view>

#include "broker/base/time.h"

namespace hutong::model {

class Out {
 public:
  Out() : json_(buffer_) {}
  Out& open(const char* name = nullptr) { return key(name), json_.StartObject(), *this; }
  Out& open_list(const char* name) { return key(name), json_.StartArray(), *this; }
  Out& close() { return json_.EndObject(), *this; }
  Out& close_list() { return json_.EndArray(), *this; }
  Out& text(const char* name, std::string_view value) {
    if (value.empty()) return *this;  // what is not said is left out
    key(name);
    json_.String(value.data(), static_cast<rapidjson::SizeType>(value.size()));
    return *this;
  }
  Out& element(std::string_view value) {
    json_.String(value.data(), static_cast<rapidjson::SizeType>(value.size()));
    return *this;
  }
  Out& number(const char* name, std::int64_t value) { return key(name), json_.Int64(value), *this; }
  Out& flag(const char* name, bool value) { return key(name), json_.Bool(value), *this; }
  Out& time(const char* name, Timestamp value) { return text(name, to_iso(value)); }
  std::string take() { return {buffer_.GetString(), buffer_.GetSize()}; }

 private:
  void key(const char* name) {
    if (name) json_.Key(name);
  }
  rapidjson::StringBuffer buffer_;
  rapidjson::Writer<rapidjson::StringBuffer> json_;
};

class In {
 public:
  explicit In(const rapidjson::Value& value) : value_(value) {}
  std::string text(const char* name) const {
    const auto found = value_.FindMember(name);
    return found != value_.MemberEnd() && found->value.IsString()
               ? std::string(found->value.GetString(), found->value.GetStringLength())
               : std::string();
  }
  std::int64_t number(const char* name, std::int64_t otherwise) const {
    const auto found = value_.FindMember(name);
    return found != value_.MemberEnd() && found->value.IsInt64() ? found->value.GetInt64() : otherwise;
  }
  std::optional<bool> flag(const char* name) const {
    const auto found = value_.FindMember(name);
    return found != value_.MemberEnd() && found->value.IsBool() ? std::optional(found->value.GetBool()) : std::nullopt;
  }
  std::optional<Timestamp> time(const char* name) const {
    const auto span = parse_iso(text(name), 0);
    return span ? std::optional(span->first) : std::nullopt;
  }
  template <class Each>
  void each(const char* name, Each take) const {
    const auto found = value_.FindMember(name);
    if (found == value_.MemberEnd() || !found->value.IsArray()) return;
    for (const auto& element : found->value.GetArray()) take(element);
  }
  // Of a member that is an object; nothing otherwise.
  template <class Use>
  void inside(const char* name, Use use) const {
    const auto found = value_.FindMember(name);
    if (found != value_.MemberEnd() && found->value.IsObject()) use(In(found->value));
  }

 private:
  const rapidjson::Value& value_;
};

// false: no document, or of another kind.
inline bool read_document(rapidjson::Document& document, std::string_view json, std::string_view kind) {
  document.Parse<rapidjson::kParseIterativeFlag>(json.data(), json.size());
  return !document.HasParseError() && document.IsObject() && In(document).text("kind") == kind;
}

}  // namespace hutong::model
