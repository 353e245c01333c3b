// Reads the pipeline's own small documents (feed state, quarantine entry, identity decision). Their texts come from
// the log or the store, checksummed there; still nothing in them is trusted: numbers are read as text, depth is
// bounded by the shapes that are asked for, and what is missing reads as empty.
// Internal to broker/pipeline. Threads: one owner.
#pragma once

#include <rapidjson/document.h>

#include <charconv>
#include <cstdint>
#include <string>
#include <string_view>

#include "broker/base/error.h"

namespace hutong::pipeline {

using Json = rapidjson::Value;

class SmallDocument {
 public:
  // False: not a JSON object.
  bool parse(std::string_view json) {
    document_.Parse<rapidjson::kParseIterativeFlag | rapidjson::kParseNumbersAsStringsFlag>(json.data(), json.size());
    return !document_.HasParseError() && document_.IsObject();
  }
  const Json& root() const { return document_; }

 private:
  rapidjson::Document document_;
};

inline const Json* member(const Json& object, const char* name) {
  if (!object.IsObject()) return nullptr;
  auto found = object.FindMember(name);
  return found == object.MemberEnd() ? nullptr : &found->value;
}

inline std::string_view text_of(const Json& value) {
  return value.IsString() ? std::string_view(value.GetString(), value.GetStringLength()) : std::string_view();
}
inline std::string text_of(const Json& object, const char* name) {
  const Json* value = member(object, name);
  return value ? std::string(text_of(*value)) : std::string();
}

inline std::int64_t integer_of(const Json& value) {
  auto text = text_of(value);
  std::int64_t number = 0;
  std::from_chars(text.data(), text.data() + text.size(), number);
  return number;
}
inline std::int64_t integer_of(const Json& object, const char* name) {
  const Json* value = member(object, name);
  return value ? integer_of(*value) : 0;
}

}  // namespace hutong::pipeline
