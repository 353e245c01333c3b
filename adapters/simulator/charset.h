// UTF-8 to GB18030 for the region's own messages, by the C library (the label is ours, never a sender's).
// Threads: one owner.
#pragma once

#include <string>
#include <string_view>

namespace hutong::simulator {

class Gb18030Encoder {
 public:
  Gb18030Encoder();  // throws std::runtime_error where the C library lacks the conversion
  ~Gb18030Encoder();
  Gb18030Encoder(const Gb18030Encoder&) = delete;
  Gb18030Encoder& operator=(const Gb18030Encoder&) = delete;
  // Appends; the text is valid UTF-8 (ours).
  void encode(std::string_view utf8, std::string& bytes);

 private:
  void* conversion_;
};

}  // namespace hutong::simulator
