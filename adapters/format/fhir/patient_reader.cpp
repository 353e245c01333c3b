#include "adapters/format/fhir/patient_reader.h"

#include <rapidjson/memorystream.h>
#include <rapidjson/reader.h>

#include <charconv>
#include <map>
#include <string>
#include <vector>

#include "broker/base/limits.h"
#include "broker/model/identifier.h"

namespace hutong::fhir {
namespace {

using model::Text;

constexpr std::size_t depth_max = 64, values_max = 2'000, text_bytes_max = 4'096;

// Every value of a document under its path, "resource.name.0.family".
class Flat : public rapidjson::BaseReaderHandler<rapidjson::UTF8<>, Flat> {
 public:
  std::map<std::string, std::string> values;

  bool String(const char* text, rapidjson::SizeType size, bool) { return put({text, size}); }
  bool RawNumber(const char* text, rapidjson::SizeType size, bool) { return put({text, size}); }
  bool Bool(bool value) { return put(value ? "true" : "false"); }
  bool Null() { return put(""); }
  bool Default() { return false; }
  bool Key(const char* text, rapidjson::SizeType size, bool) {
    levels_.back().name.assign(text, size);
    return size <= 128;
  }
  bool StartObject() { return enter(false); }
  bool StartArray() { return enter(true); }
  bool EndObject(rapidjson::SizeType) { return leave(); }
  bool EndArray(rapidjson::SizeType) { return leave(); }

 private:
  struct Level {
    bool list;
    std::string name;
    std::size_t index = 0;
  };
  std::string path() const {
    std::string out;
    for (const auto& level : levels_) {
      if (!out.empty()) out += '.';
      out += level.list ? std::to_string(level.index) : level.name;
    }
    return out;
  }
  bool put(std::string_view text) {
    if (levels_.empty() || text.size() > text_bytes_max || values.size() >= values_max) return false;
    values.emplace(path(), text);
    next();
    return true;
  }
  bool enter(bool list) {
    if (levels_.size() >= depth_max) return false;
    levels_.push_back({list, {}, 0});
    return true;
  }
  bool leave() {
    levels_.pop_back();
    next();
    return true;
  }
  void next() {
    if (!levels_.empty() && levels_.back().list) ++levels_.back().index;
  }
  std::vector<Level> levels_;
};

class Reading {
 public:
  Reading(const Flat& flat, std::string prefix, Arena& arena)
      : flat_(flat), prefix_(std::move(prefix)), arena_(arena) {}

  Text text(const std::string& path) const {
    const auto found = flat_.values.find(prefix_ + path);
    return found == flat_.values.end() ? Text() : arena_.copy(found->second);
  }
  // Whether anything stands under "name.0", "name.1" …
  bool has(const std::string& path) const {
    const auto found = flat_.values.lower_bound(prefix_ + path + ".");
    return found != flat_.values.end() && found->first.starts_with(prefix_ + path + ".");
  }

 private:
  const Flat& flat_;
  std::string prefix_;
  Arena& arena_;
};

model::Identifier identifier_of(const Reading& patient, const std::string& path, Arena& arena) {
  model::Identifier out;
  out.value = patient.text(path + ".value");
  out.authority = patient.text(path + ".system");
  out.type = patient.text(path + ".type.coding.0.code");
  Text facility;
  constexpr Text root = "urn:hutong:facility:";
  if (out.authority.starts_with(root)) {
    facility = out.authority.substr(root.size());
    const bool number = facility.ends_with(":mrn");
    facility = facility.substr(0, facility.find(':'));
    out.authority = {};
    if (number) out.type = "MR";
  }
  model::complete(out, facility, arena);
  return out;
}

}  // namespace

Result<port::MatchQuestion> read_match(std::string_view body, Arena& arena) {
  Flat flat;
  rapidjson::Reader reader;
  rapidjson::MemoryStream stream(body.data(), body.size());
  constexpr unsigned flags =
      rapidjson::kParseIterativeFlag | rapidjson::kParseNumbersAsStringsFlag | rapidjson::kParseValidateEncodingFlag;
  if (!reader.Parse<flags>(stream, flat)) {
    return fail(ErrorCode::invalid,
                "the body is no JSON document of a reasonable size: a Parameters with `resource`, a Patient");
  }
  port::MatchQuestion out;
  std::string prefix;
  if (flat.values["resourceType"] == "Parameters") {
    prefix = "-";
    for (std::size_t i = 0; i < 16; ++i) {
      const std::string parameter = "parameter." + std::to_string(i) + ".";
      const std::string name = flat.values[parameter + "name"];
      if (name == "resource") prefix = parameter + "resource.";
      if (name == "onlyCertainMatches") out.only_certain = flat.values[parameter + "valueBoolean"] == "true";
      if (name == "count") {
        const std::string count = flat.values[parameter + "valueInteger"];
        std::size_t value = 0;
        const auto [end, error] = std::from_chars(count.data(), count.data() + count.size(), value);
        if (error != std::errc() || value < 1 || value > limits::page_items_max) {
          return fail(ErrorCode::invalid, "count: a whole number from 1 to " + std::to_string(limits::page_items_max));
        }
        out.count = value;
      }
    }
  }
  if (flat.values[prefix + "resourceType"] != "Patient") {
    return fail(ErrorCode::invalid,
                "resource: a Patient is expected, with what is known of the one that is looked for");
  }
  const Reading patient(flat, prefix, arena);
  auto& subject = out.subject;
  const auto each = [&](const std::string& list, auto take) {
    for (std::size_t i = 0; i < 16; ++i) {
      const std::string path = list + "." + std::to_string(i);
      if (!patient.has(path)) break;
      take(path);
    }
  };
  each("identifier", [&](const std::string& path) {
    auto identifier = identifier_of(patient, path, arena);
    if (!identifier.value.empty()) subject.identifiers.push(arena, identifier);
  });
  each("name", [&](const std::string& path) {
    model::Name name;
    name.text = patient.text(path + ".text");
    name.family = patient.text(path + ".family");
    std::string given;
    for (std::size_t i = 0; i < 8; ++i) {
      const Text one = patient.text(path + ".given." + std::to_string(i));
      if (!one.empty()) given += (given.empty() ? "" : " ") + std::string(one);
    }
    name.given = arena.copy(given);
    if (name.text.empty()) {
      const bool han = !name.family.empty() && static_cast<unsigned char>(name.family[0]) >= 0xE3;
      name.text = han ? arena.concat({name.family, name.given}) : arena.concat({name.given, " ", name.family});
    }
    if (name.text.find_first_not_of(' ') != Text::npos) subject.names.push(arena, name);
  });
  subject.born.iso = patient.text("birthDate");
  const Text gender = patient.text("gender");
  subject.sex = gender == "male"     ? model::Sex::male
                : gender == "female" ? model::Sex::female
                : gender == "other"  ? model::Sex::other
                                     : model::Sex::unknown;
  each("telecom", [&](const std::string& path) {
    const Text value = patient.text(path + ".value"), system = patient.text(path + ".system");
    if (!value.empty())
      subject.contacts.push(arena, {.value = value, .use = system == "email" ? Text("email") : Text()});
  });
  each("address", [&](const std::string& path) {
    model::Address address;
    address.text = patient.text(path + ".text");
    address.street = patient.text(path + ".line.0");
    address.district = patient.text(path + ".district");
    address.city = patient.text(path + ".city");
    address.postcode = patient.text(path + ".postalCode");
    subject.addresses.push(arena, address);
  });
  if (subject.names.empty() && subject.identifiers.empty()) {
    return fail(ErrorCode::invalid, "resource: a name or an identifier is needed to look for somebody");
  }
  return out;
}

}  // namespace hutong::fhir
