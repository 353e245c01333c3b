// A JSON object of plain members, read strictly: the form of token headers and claims, of audit lines and of our
// small request bodies. Foreign input: no nesting, no member twice, valid UTF-8, numbers kept as written.
// Threads: any. Lifetime: owns what it read.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace hutong::access {

class FlatObject {
 public:
  enum class Kind : std::uint8_t { text, number, boolean, null };
  struct Member {
    std::string name;
    std::string value;  // of a number: as written; of a boolean: "true", "false"
    Kind kind = Kind::text;
  };

  // nullopt: not one JSON object, or one that is nested, repeats a member or is not UTF-8.
  static std::optional<FlatObject> read(std::string_view json);

  const Member* find(std::string_view name) const;
  // The member's text; nullptr when it is absent or of another kind.
  const std::string* text(std::string_view name) const;
  // A whole number without sign trouble, fraction or exponent; nullopt otherwise.
  std::optional<std::int64_t> integer(std::string_view name) const;
  const std::vector<Member>& members() const { return members_; }

 private:
  std::vector<Member> members_;
};

// Of the character of UTF-8 with which `text` begins; 0 where it begins with none: cut, overlong or a surrogate.
std::size_t character_bytes(std::string_view text);
// Appends `text` as a JSON string with its quotes. Bytes that are not UTF-8 and control characters become '?', so
// that nothing a peer sends can forge a line; longer texts are cut at `max_bytes`.
void append_json_text(std::string& out, std::string_view text, std::size_t max_bytes = 512);

}  // namespace hutong::access
