// A JSON body of a stranger as a small tree: read by events (RapidJSON's DOM has open faults), bounded in depth and
// size, with numbers as the texts they were. Absent members read as nothing, so a handler asks without checking.
// Threads: any.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "broker/base/error.h"

namespace hutong::api {

class JsonTree {
 public:
  enum class Kind { null, boolean, number, text, array, object };

  // Errors: invalid (no JSON, too deep, too many values).
  static Result<JsonTree> read(std::string_view body);

  Kind kind() const { return kind_; }
  bool is_object() const { return kind_ == Kind::object; }
  bool is_array() const { return kind_ == Kind::array; }
  // The member, or an empty tree. Of a member that is said twice the first counts.
  const JsonTree& operator[](std::string_view name) const;
  const std::vector<JsonTree>& elements() const { return elements_; }
  const std::vector<std::string>& names() const { return names_; }  // of an object's elements
  // Of a text or number; "" otherwise.
  const std::string& text() const { return text_; }
  bool truth() const { return kind_ == Kind::boolean && text_ == "true"; }

 private:
  friend struct JsonTreeReader;
  Kind kind_ = Kind::null;
  std::string text_;
  std::vector<std::string> names_;
  std::vector<JsonTree> elements_;
};

}  // namespace hutong::api
