// Small JSON documents, written member by member. Only for this folder's handlers.
#pragma once

#include <rapidjson/stringbuffer.h>
#include <rapidjson/writer.h>

#include <cmath>
#include <concepts>
#include <string>
#include <string_view>

#include "broker/base/time.h"

namespace hutong::api {

class JsonText {
 public:
  JsonText() : writer_(out_) {}
  JsonText& begin_object(std::string_view name = {}) { return key(name), writer_.StartObject(), *this; }
  JsonText& begin_array(std::string_view name = {}) { return key(name), writer_.StartArray(), *this; }
  JsonText& end_object() { return writer_.EndObject(), *this; }
  JsonText& end_array() { return writer_.EndArray(), *this; }
  JsonText& add(std::string_view name, std::string_view value) {
    key(name);
    writer_.String(value.data(), static_cast<rapidjson::SizeType>(value.size()));
    return *this;
  }
  JsonText& add(std::string_view name, const char* value) { return add(name, std::string_view(value)); }
  JsonText& add(std::string_view name, bool value) { return key(name), writer_.Bool(value), *this; }
  template <std::unsigned_integral T>
  JsonText& add(std::string_view name, T value) {
    return key(name), writer_.Uint64(value), *this;
  }
  JsonText& add_null(std::string_view name) { return key(name), writer_.Null(), *this; }
  JsonText& add(std::string_view name, double value) {
    return key(name), writer_.Double(std::isfinite(value) ? value : 0), *this;
  }
  JsonText& add(std::string_view name, Timestamp value) { return add(name, std::string_view(to_iso(value))); }
  // A document of our own, as it is.
  JsonText& add_document(std::string_view name, std::string_view json) {
    key(name);
    writer_.RawValue(json.data(), json.size(), rapidjson::kObjectType);
    return *this;
  }
  std::string take() {
    std::string text(out_.GetString(), out_.GetSize());
    return text + "\n";
  }

 private:
  void key(std::string_view name) {
    if (!name.empty()) writer_.Key(name.data(), static_cast<rapidjson::SizeType>(name.size()));
  }
  rapidjson::StringBuffer out_;
  rapidjson::Writer<rapidjson::StringBuffer> writer_;
};

}  // namespace hutong::api
