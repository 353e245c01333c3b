// libFuzzer: any bytes decode to valid UTF-8 or are refused, what decodes comes back letter for letter, and the
// decision about a message's characters never fails. Build: the fuzz preset, target fuzz_gb18030.
#include "adapters/format/hl7v2/gb18030.h"

#include <cstdint>
#include <cstdlib>

#include "adapters/format/hl7v2/charset.h"
#include "adapters/format/hl7v2/utf8.h"

namespace {

void require(bool condition) {
  if (!condition) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace hutong;
  using namespace hutong::hl7v2;
  if (size == 0) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  static Arena arena;
  arena.reset();

  std::string_view strict, replaced;
  const bool whole = gb18030_to_utf8(bytes, arena, strict);
  const std::size_t broken = gb18030_to_utf8_replacing(bytes, arena, replaced);
  require(whole == (broken == 0));
  require(survey_utf8(replaced, true).broken == 0);
  if (whole) {
    require(strict == replaced);
    std::string back;
    utf8_to_gb18030(strict, back);
    require(back == bytes);
  }
  if (survey_utf8(bytes, true).broken == 0) {
    std::string encoded;
    utf8_to_gb18030(bytes, encoded);
    std::string_view again;
    require(gb18030_to_utf8(encoded, arena, again) && again == bytes);
  }
  constexpr Label labels[] = {Label::none, Label::ascii, Label::latin, Label::utf8, Label::gb18030, Label::unsupported};
  const Decoded decoded = decode(bytes, labels[data[0] % 6], labels[data[0] / 6 % 6], arena);
  require(survey_utf8(decoded.text, true).broken == 0);
  require(decoded.charset != Charset::ascii || decoded.text == bytes);
  (void)read_label(bytes);
  return 0;
}
