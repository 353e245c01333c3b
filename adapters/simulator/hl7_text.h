// Writes one segment: fields in rising order, the gaps as empty fields. This folder only.
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>

namespace hutong::simulator {

inline void append_escaped(std::string& out, std::string_view text) {
  for (const char c : text) {
    switch (c) {
      case '|': out += "\\F\\"; break;
      case '^': out += "\\S\\"; break;
      case '&': out += "\\T\\"; break;
      case '~': out += "\\R\\"; break;
      case '\\': out += "\\E\\"; break;
      case '\n': out += "\\.br\\"; break;
      default: out += c;
    }
  }
}

class Segment {
 public:
  // Behind MSH the next field is MSH-3.
  Segment(std::string& out, std::string_view name) : out_(out), field_(name == "MSH" ? 2 : 0) {
    out_ += name;
    if (name == "MSH") out_ += "|^~\\&";
  }
  ~Segment() { out_ += '\r'; }
  Segment(const Segment&) = delete;
  Segment& operator=(const Segment&) = delete;

  // Field `number`, as it is: delimiters in it are delimiters.
  Segment& raw(int number, std::string_view value) {
    if (value.empty()) return *this;
    reach(number);
    out_ += value;
    return *this;
  }
  Segment& text(int number, std::string_view value) {
    if (value.empty()) return *this;
    reach(number);
    append_escaped(out_, value);
    return *this;
  }
  // A field from several components, escaped.
  Segment& parts(int number, std::initializer_list<std::string_view> components) {
    reach(number);
    std::size_t waiting = 0;
    bool first = true;
    for (const std::string_view component : components) {
      if (!first) ++waiting;
      first = false;
      if (component.empty()) continue;
      out_.append(std::exchange(waiting, 0), '^');
      append_escaped(out_, component);
    }
    return *this;
  }

 private:
  void reach(int number) {
    for (; field_ < number; ++field_) out_ += '|';
  }
  std::string& out_;
  int field_;
};

}  // namespace hutong::simulator
