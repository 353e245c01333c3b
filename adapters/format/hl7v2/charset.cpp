#include "adapters/format/hl7v2/charset.h"

#include <array>
#include <utility>

#include "adapters/format/hl7v2/gb18030.h"
#include "adapters/format/hl7v2/utf8.h"

namespace hutong::hl7v2 {
namespace {

constexpr std::pair<std::string_view, Label> kLabels[] = {
    {"UTF8", Label::utf8},           {"UNICODEUTF8", Label::utf8},    {"UNICODE", Label::utf8},
    {"GB18030", Label::gb18030},     {"GB180302000", Label::gb18030}, {"GB180302005", Label::gb18030},
    {"GB180302022", Label::gb18030}, {"GBK", Label::gb18030},         {"GB2312", Label::gb18030},
    {"GB23121980", Label::gb18030},  {"CP936", Label::gb18030},       {"MS936", Label::gb18030},
    {"ASCII", Label::ascii},         {"USASCII", Label::ascii},       {"88591", Label::latin},
    {"ISO88591", Label::latin},      {"LATIN1", Label::latin},        {"CHINESE", Label::none},
};

void replace_broken_utf8(std::string_view bytes, Arena& arena, Decoded& decoded) {
  char* const first = static_cast<char*>(arena.allocate(bytes.size() * 3 + 1, 1));
  char* to = first;
  while (!bytes.empty()) {
    const CodePoint next = code_point(bytes);
    const std::size_t taken = next.length ? next.length : 1;
    if (next.length) {
      std::memcpy(to, bytes.data(), taken);
      to += taken;
    } else {
      to = put_utf8(to, 0xFFFD);
      ++decoded.replaced;
    }
    bytes.remove_prefix(taken);
  }
  decoded.text = {first, static_cast<std::size_t>(to - first)};
  decoded.charset = Charset::utf8;
}

// A text of some length that is valid UTF-8 is UTF-8: two Chinese characters of three bytes each are hardly ever
// anything sensible in GB 18030, while a GB 18030 reading of them would swallow the delimiters behind odd ones.
bool surely_utf8(const Utf8Survey& survey) {
  return survey.broken == 0 && survey.cjk >= 2;
}

// Senders cut fields at a number of bytes: a few broken characters among many whole ones.
bool mostly_utf8(const Utf8Survey& survey) {
  return survey.characters >= 4 && survey.characters >= 4 * survey.broken;
}

}  // namespace

std::string_view to_string(Charset charset) {
  switch (charset) {
    case Charset::ascii: return "ASCII";
    case Charset::utf8: return "UTF-8";
    case Charset::gb18030: return "GB18030";
  }
  return "ASCII";
}

Label read_label(std::string_view label) {
  std::array<char, 32> folded{};
  std::size_t size = 0;
  for (char c : label) {
    if (c == ' ' || c == '-' || c == '_' || c == '/' || c == '\0') continue;
    if (size == folded.size()) return Label::unsupported;
    folded[size++] = c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
  }
  const std::string_view word(folded.data(), size);
  if (word.empty()) return Label::none;
  for (const auto& [name, meaning] : kLabels) {
    if (word == name) return meaning;
  }
  return Label::unsupported;
}

Decoded decode(std::string_view bytes, Label setting, Label label, Arena& arena) {
  Decoded decoded;
  decoded.text = bytes;
  if (ascii_prefix(bytes) == bytes.size()) return decoded;

  const Label asked = setting != Label::none ? setting : label;
  Utf8Survey survey;
  const bool valid_utf8 = is_utf8(bytes);
  if (valid_utf8 && (asked != Label::gb18030 || surely_utf8(survey_utf8(bytes, true)))) {
    decoded.charset = Charset::utf8;
    decoded.contradicted = asked == Label::gb18030 || asked == Label::ascii;
    return decoded;
  }
  decoded.contradicted = asked == Label::utf8 || asked == Label::ascii;
  if (!valid_utf8 && asked != Label::gb18030) {
    survey = survey_utf8(bytes, false);
    if (mostly_utf8(survey)) {
      decoded.contradicted = asked == Label::ascii;
      replace_broken_utf8(bytes, arena, decoded);
      return decoded;
    }
  }
  if (gb18030_to_utf8(bytes, arena, decoded.text)) {
    decoded.charset = Charset::gb18030;
    return decoded;
  }
  if (valid_utf8) {  // labelled GB 18030, is not, and is UTF-8 of few characters
    decoded.text = bytes;
    decoded.charset = Charset::utf8;
    decoded.contradicted = true;
    return decoded;
  }
  decoded.contradicted = false;
  if (asked == Label::utf8) {
    replace_broken_utf8(bytes, arena, decoded);
    return decoded;
  }
  if (asked == Label::gb18030) {
    survey = survey_utf8(bytes, false);
    if (mostly_utf8(survey)) {
      decoded.contradicted = true;
      replace_broken_utf8(bytes, arena, decoded);
      return decoded;
    }
  }
  decoded.replaced = gb18030_to_utf8_replacing(bytes, arena, decoded.text);
  decoded.charset = Charset::gb18030;
  return decoded;
}

void encode(std::string_view text, Charset charset, std::string& out) {
  if (charset == Charset::gb18030) {
    utf8_to_gb18030(text, out);
  } else {
    out.append(text);
  }
}

}  // namespace hutong::hl7v2
