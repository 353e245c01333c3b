#include "adapters/api/json_tree.h"

#include <rapidjson/reader.h>

#include "broker/base/limits.h"

namespace hutong::api {
namespace {
constexpr std::size_t values_most = 100'000;
}

struct JsonTreeReader : rapidjson::BaseReaderHandler<rapidjson::UTF8<>, JsonTreeReader> {
  JsonTree root;
  std::vector<JsonTree*> open;  // parents are never moved while a child is open: they grow only behind it
  std::string name;
  std::size_t values = 0;

  bool add(JsonTree::Kind kind, std::string text) {
    if (++values > values_most) return false;
    JsonTree* at = &root;
    if (!open.empty()) {
      if (open.back()->kind_ == JsonTree::Kind::object) open.back()->names_.push_back(std::move(name));
      at = &open.back()->elements_.emplace_back();
    }
    at->kind_ = kind;
    at->text_ = std::move(text);
    if (kind == JsonTree::Kind::array || kind == JsonTree::Kind::object) {
      if (open.size() >= limits::json_depth) return false;
      open.push_back(at);
    }
    return true;
  }
  bool close() {
    open.pop_back();
    return true;
  }
  bool Null() { return add(JsonTree::Kind::null, {}); }
  bool Bool(bool value) { return add(JsonTree::Kind::boolean, value ? "true" : "false"); }
  bool RawNumber(const char* text, rapidjson::SizeType size, bool) { return add(JsonTree::Kind::number, {text, size}); }
  bool String(const char* text, rapidjson::SizeType size, bool) { return add(JsonTree::Kind::text, {text, size}); }
  bool StartObject() { return add(JsonTree::Kind::object, {}); }
  bool Key(const char* text, rapidjson::SizeType size, bool) {
    name.assign(text, size);
    return true;
  }
  bool EndObject(rapidjson::SizeType) { return close(); }
  bool StartArray() { return add(JsonTree::Kind::array, {}); }
  bool EndArray(rapidjson::SizeType) { return close(); }
};

Result<JsonTree> JsonTree::read(std::string_view body) {
  const std::string text(body);  // ends with a zero, which RapidJSON's stream needs
  if (text.find('\0') != std::string::npos) return fail(ErrorCode::invalid, "the body is not JSON");
  rapidjson::StringStream stream(text.c_str());
  rapidjson::Reader reader;
  JsonTreeReader handler;
  constexpr unsigned flags =
      rapidjson::kParseIterativeFlag | rapidjson::kParseNumbersAsStringsFlag | rapidjson::kParseValidateEncodingFlag;
  if (!reader.Parse<flags>(stream, handler)) {
    return fail(ErrorCode::invalid, "the body is not JSON that can be read (fault at byte " +
                                        std::to_string(reader.GetErrorOffset()) + "; at most 64 levels)");
  }
  return std::move(handler.root);
}

const JsonTree& JsonTree::operator[](std::string_view name) const {
  static const JsonTree none;
  for (std::size_t i = 0; i < names_.size(); ++i) {
    if (names_[i] == name) return elements_[i];
  }
  return none;
}

}  // namespace hutong::api
