#include "adapters/format/hl7v2/reader.h"

#include <charconv>

namespace hutong::hl7v2 {
namespace {

bool is_cjk(Text text) {
  return !text.empty() && static_cast<unsigned char>(text[0]) >= 0xE3 && static_cast<unsigned char>(text[0]) != 0xEF;
}

bool has_high_bytes(Text text) {
  for (char c : text) {
    if (static_cast<signed char>(c) < 0) return true;
  }
  return false;
}

}  // namespace

Text Reader::lines(Text field) const {
  const char repetition = message.delimiters().repetition;
  if (field == "\"\"") return {};
  const bool repeats = field.size() <= 64 ? message.hits(field, repetition, repetition) != 0
                                          : std::memchr(field.data(), repetition, field.size()) != nullptr;
  if (!repeats || repetition == '\0') {
    return message.unescape(field, arena);
  }
  char* const first = static_cast<char*>(arena.allocate(field.size(), 1));
  for (std::size_t i = 0; i < field.size(); ++i) first[i] = field[i] == repetition ? '\n' : field[i];
  return message.unescape({first, field.size()}, arena);
}

void Reader::read_coded(Text field, model::Coded& coded) const {
  if (field.empty()) return;
  const auto part = components<9>(field);
  coded.code = clean(part[0]);
  if (part[1].data() == nullptr) return;
  coded.display = clean(part[1]);
  coded.system = clean(part[2]);
  if (part[3].data() == nullptr) return;
  coded.alt_code = clean(part[3]);
  coded.alt_display = clean(part[4]);
  coded.alt_system = clean(part[5]);
  coded.original = clean(part[8]);
}

Text Reader::namespace_of(Text hd) const {
  const auto part = subcomponents<2>(hd);
  const Text name = clean(part[0]);
  return name.empty() ? clean(part[1]) : name;
}

Text Reader::person_name(Text family, Text given, Text middle) const {
  const int parts = !family.empty() + !given.empty() + !middle.empty();
  if (parts == 0) return {};
  if (parts == 1) return !family.empty() ? family : !given.empty() ? given : middle;
  if (is_cjk(family) || is_cjk(given)) return arena.concat({family, given, middle});
  const Text blank = " ";
  return arena.concat(
      {given, given.empty() ? Text() : blank, middle, middle.empty() || family.empty() ? Text() : blank, family});
}

model::Party Reader::person(Text xcn) const {
  if (xcn.empty()) return {};
  auto part = components<9>(xcn);
  const char subcomponent = message.delimiters().subcomponent;
  if (subcomponent != '\0' && part[0].find(subcomponent) != Text::npos) part = subcomponents<9>(part[0]);
  const Text code = clean(part[0]);
  const Text family = clean(first_part(part[1], subcomponent));
  const Text name = person_name(family, clean(part[2]), clean(part[3]));
  // A lone Chinese word is a name in the place of a number.
  if (name.empty() && has_high_bytes(code)) return {{}, code, {}};
  return {code, name, namespace_of(part[8])};
}

model::Party Reader::organisation(Text xon) const {
  if (xon.empty()) return {};
  const auto part = components<10>(xon);
  const Text code = clean(part[9]);
  return {code.empty() ? clean(part[2]) : code, clean(part[0]), namespace_of(part[5])};
}

Text Reader::place(Text pl) const {
  if (pl.empty()) return {};
  const auto part = components<4>(pl);
  const Text ward = clean(first_part(part[0], message.delimiters().subcomponent));
  const Text room = clean(part[1]), bed = clean(part[2]);
  if (room.empty() && bed.empty()) return ward.empty() ? namespace_of(part[3]) : ward;
  const auto blank = [](bool wanted) { return wanted ? Text(" ") : Text(); };
  return arena.concat({ward, blank(!ward.empty()), room, blank(!room.empty() && !bed.empty()), bed});
}

Text Reader::path(Text segment, std::size_t ordinal) const {
  char* const first = static_cast<char*>(arena.allocate(segment.size() + 22, 1));
  std::memcpy(first, segment.data(), segment.size());
  char* to = first + segment.size();
  *to++ = '[';
  to = std::to_chars(to, to + 20, ordinal).ptr;
  *to++ = ']';
  return {first, static_cast<std::size_t>(to - first)};
}

Text Reader::shown(Text sent) const {
  bool plain = sent.size() <= 20;
  int digits_seen = 0;  // a number that could be somebody's is never shown, wherever it was put
  for (char c : sent) {
    plain = plain && c > 0x20 && c < 0x7F;
    digits_seen += c >= '0' && c <= '9';
  }
  plain = plain && digits_seen < 6;
  if (plain && !sent.empty()) return sent;
  if (sent.empty()) return "nothing";
  char digits[20];
  const auto end = std::to_chars(digits, digits + sizeof digits, sent.size()).ptr;
  return arena.concat({Text(digits, static_cast<std::size_t>(end - digits)), " bytes of text"});
}

}  // namespace hutong::hl7v2
