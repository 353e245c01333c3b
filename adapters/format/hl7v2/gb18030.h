// GB 18030-2005 to UTF-8 and back, by a generated table (gb18030_table.py). GBK and GB 2312 are its subsets, so one
// decoder reads all three. A character's later bytes include `\ ^ | ~`: text is decoded before it is split.
// Never iconv: a label of a peer must not choose code of the C library. Pure; threads: any.
#pragma once

#include <string>
#include <string_view>

#include "broker/base/arena.h"

namespace hutong::hl7v2 {

// The text in UTF-8, in the arena. false: a byte sequence that GB 18030 does not have; `text` is then undefined.
bool gb18030_to_utf8(std::string_view bytes, Arena& arena, std::string_view& text);
// The same, a broken sequence becoming U+FFFD (and the byte after it is read again); how many there were.
std::size_t gb18030_to_utf8_replacing(std::string_view bytes, Arena& arena, std::string_view& text);
// Appends. Broken UTF-8 and surrogates become '?'. Every other code point has a code in GB 18030.
void utf8_to_gb18030(std::string_view text, std::string& bytes);

}  // namespace hutong::hl7v2
