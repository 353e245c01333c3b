#include "broker/access/flat_object.h"

#include <rapidjson/memorystream.h>
#include <rapidjson/reader.h>

#include <charconv>

namespace hutong::access {
namespace {

class Collector : public rapidjson::BaseReaderHandler<rapidjson::UTF8<>, Collector> {
 public:
  explicit Collector(std::vector<FlatObject::Member>& members) : members_(members) {}
  bool Default() { return false; }
  bool Null() { return value("", FlatObject::Kind::null); }
  bool Bool(bool is) { return value(is ? "true" : "false", FlatObject::Kind::boolean); }
  bool RawNumber(const char* text, rapidjson::SizeType size, bool) {
    return value({text, size}, FlatObject::Kind::number);
  }
  bool String(const char* text, rapidjson::SizeType size, bool) { return value({text, size}, FlatObject::Kind::text); }
  bool StartObject() { return depth_++ == 0; }
  bool EndObject(rapidjson::SizeType) { return --depth_ == 0; }
  bool Key(const char* text, rapidjson::SizeType size, bool) {
    const std::string_view name(text, size);
    for (const auto& member : members_) {
      if (member.name == name) return false;
    }
    if (members_.size() == most_members) return false;
    members_.push_back({std::string(name), {}, FlatObject::Kind::null});
    return true;
  }

 private:
  static constexpr std::size_t most_members = 64;
  bool value(std::string_view text, FlatObject::Kind kind) {
    if (depth_ != 1) return false;
    members_.back().value = text;
    members_.back().kind = kind;
    return true;
  }
  std::vector<FlatObject::Member>& members_;
  int depth_ = 0;
};

}  // namespace

std::size_t character_bytes(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned first = byte(0);
  if (first < 0x80) return 1;
  const std::size_t size = first >= 0xC2 && first <= 0xDF   ? 2
                           : first >= 0xE0 && first <= 0xEF ? 3
                           : first >= 0xF0 && first <= 0xF4 ? 4
                                                            : 0;
  if (size == 0 || text.size() < size) return 0;
  for (std::size_t i = 1; i < size; ++i) {
    if ((byte(i) & 0xC0U) != 0x80U) return 0;
  }
  if ((first == 0xE0 && byte(1) < 0xA0) || (first == 0xED && byte(1) > 0x9F) || (first == 0xF0 && byte(1) < 0x90) ||
      (first == 0xF4 && byte(1) > 0x8F)) {
    return 0;
  }
  return size;
}

std::optional<FlatObject> FlatObject::read(std::string_view json) {
  // A NUL would end the stream early for the reader and hide what follows.
  if (json.empty() || json.find('\0') != std::string_view::npos) return std::nullopt;
  FlatObject object;
  Collector collector(object.members_);
  rapidjson::MemoryStream stream(json.data(), json.size());
  rapidjson::Reader reader;
  constexpr unsigned flags =
      rapidjson::kParseIterativeFlag | rapidjson::kParseNumbersAsStringsFlag | rapidjson::kParseValidateEncodingFlag;
  if (reader.Parse<flags>(stream, collector).IsError()) return std::nullopt;
  return object;
}

const FlatObject::Member* FlatObject::find(std::string_view name) const {
  for (const auto& member : members_) {
    if (member.name == name) return &member;
  }
  return nullptr;
}

const std::string* FlatObject::text(std::string_view name) const {
  const Member* member = find(name);
  return member && member->kind == Kind::text ? &member->value : nullptr;
}

std::optional<std::int64_t> FlatObject::integer(std::string_view name) const {
  const Member* member = find(name);
  if (!member || member->kind != Kind::number) return std::nullopt;
  std::int64_t value = 0;
  const char* end = member->value.data() + member->value.size();
  const auto [at, error] = std::from_chars(member->value.data(), end, value);
  if (error != std::errc() || at != end) return std::nullopt;
  return value;
}

void append_json_text(std::string& out, std::string_view text, std::size_t max_bytes) {
  out += '"';
  std::size_t taken = 0;
  while (!text.empty()) {
    const std::size_t size = character_bytes(text);
    const std::size_t step = size ? size : 1;
    if (taken + step > max_bytes) break;
    taken += step;
    const auto first = static_cast<unsigned char>(text[0]);
    if (size == 0 || first < 0x20 || first == 0x7F) {
      out += '?';
    } else if (first == '"' || first == '\\') {
      out += '\\';
      out += text[0];
    } else {
      out.append(text.substr(0, size));
    }
    text.remove_prefix(step);
  }
  out += '"';
}

}  // namespace hutong::access
