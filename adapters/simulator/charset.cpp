#include "adapters/simulator/charset.h"

#include <iconv.h>

#include <stdexcept>

#include "broker/base/invariant.h"

namespace hutong::simulator {

Gb18030Encoder::Gb18030Encoder() : conversion_(iconv_open("GB18030", "UTF-8")) {
  if (conversion_ == reinterpret_cast<iconv_t>(-1)) {
    throw std::runtime_error("the C library cannot convert to GB18030; install libc6 with its gconv modules");
  }
}
Gb18030Encoder::~Gb18030Encoder() {
  iconv_close(conversion_);
}

void Gb18030Encoder::encode(std::string_view utf8, std::string& bytes) {
  const std::size_t start = bytes.size();
  bytes.resize(start + utf8.size() * 2 + 8);  // two UTF-8 bytes may become four
  char* from = const_cast<char*>(utf8.data());
  char* to = bytes.data() + start;
  std::size_t from_left = utf8.size(), to_left = bytes.size() - start;
  const std::size_t result = iconv(conversion_, &from, &from_left, &to, &to_left);
  HUTONG_INVARIANT(result != static_cast<std::size_t>(-1) && from_left == 0, "a text of the region is not UTF-8");
  bytes.resize(bytes.size() - to_left);
}

}  // namespace hutong::simulator
