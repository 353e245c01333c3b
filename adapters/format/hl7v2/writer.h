// Builds an HL7 v2 message: segments, fields and components with the receiver's delimiters, escaped as they need.
// Threads: one owner.
#pragma once

#include <string>
#include <string_view>

#include "adapters/format/hl7v2/message.h"
#include "broker/base/time.h"

namespace hutong::hl7v2 {

class Writer {
 public:
  explicit Writer(const Delimiters& delimiters) : d_(delimiters) {}

  Writer& segment(Text name);  // ends the one before
  Writer& field() { return put(d_.field); }
  Writer& fields(int count);  // empty ones, then the next
  Writer& component() { return put(d_.component); }
  Writer& subcomponent() { return put(d_.subcomponent ? d_.subcomponent : ' '); }
  Writer& repetition() { return put(d_.repetition ? d_.repetition : ' '); }
  Writer& text(Text text);  // escaped
  Writer& raw(Text bytes);  // already in these delimiters, as fields of the message that is answered
  Writer& number(std::size_t value);
  Writer& time(Timestamp time, int offset_minutes);  // "20260102030405.678+0800"
  Writer& encoding_characters();

  // The message, its last segment ended. The writer is empty then.
  std::string finish();

 private:
  Writer& put(char c) {
    out_.push_back(c);
    return *this;
  }
  Delimiters d_;
  std::string out_;
};

}  // namespace hutong::hl7v2
