// Which characters a message is written in, and the message in UTF-8. The allow-list is closed: UTF-8, GB 18030 (with
// GBK and GB 2312) and ASCII. Precedence: the facility's setting, the label in MSH-18, the bytes themselves; a label
// that the bytes contradict is not believed. Pure; threads: any.
#pragma once

#include <string>
#include <string_view>

#include "broker/base/arena.h"

namespace hutong::hl7v2 {

enum class Charset { ascii, utf8, gb18030 };
std::string_view to_string(Charset charset);  // "ASCII" "UTF-8" "GB18030"

// What a label or a facility's setting asks for.
enum class Label {
  none,         // empty, or a word that senders write without meaning ("CHINESE"): the bytes decide
  ascii,        // "ASCII": no byte above 0x7F
  latin,        // "8859/1", "ISO8859_1": what Java senders write whatever they send; the bytes decide
  utf8,         // "UNICODE UTF-8", "UTF-8", "UNICODE"
  gb18030,      // "GB 18030-2000", "GB18030", "GBK", "GB2312", "CP936"
  unsupported,  // "BIG-5", "UNICODE UTF-16" …: named in an issue, the bytes decide
};
Label read_label(std::string_view label);

struct Decoded {
  std::string_view text;  // `bytes` itself where they are already UTF-8
  Charset charset = Charset::ascii;
  bool contradicted = false;  // a label or setting asked for something else
  std::size_t replaced = 0;   // bytes that are nothing in `charset`, now U+FFFD
};

// `setting` wins over `label`. `bytes` must outlive the result, as must the arena.
Decoded decode(std::string_view bytes, Label setting, Label label, Arena& arena);

// Appends UTF-8 `text` in `charset`.
void encode(std::string_view text, Charset charset, std::string& out);

}  // namespace hutong::hl7v2
