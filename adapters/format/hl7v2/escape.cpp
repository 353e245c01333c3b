// HL7's escapes. Only texts that hold the escape character come here.
#include <algorithm>

#include "adapters/format/hl7v2/gb18030.h"
#include "adapters/format/hl7v2/message.h"
#include "adapters/format/hl7v2/utf8.h"

namespace hutong::hl7v2 {
namespace {

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return -1;
}

bool is_hex(Text body) {
  if (body.size() < 3 || body.size() % 2 == 0 || body[0] != 'X') return false;
  for (char c : body.substr(1)) {
    if (hex_digit(c) < 0) return false;
  }
  return true;
}

// How many of ".sp3" and its kin; 1 where no number is written, never more than a page.
std::size_t count_of(Text digits) {
  if (!digits.empty() && digits[0] == '+') digits.remove_prefix(1);
  std::size_t count = 0;
  for (char c : digits) {
    if (c < '0' || c > '9') return 1;
    count = std::min<std::size_t>(count * 10 + static_cast<std::size_t>(c - '0'), 99);
  }
  return count ? count : 1;
}

constexpr Text kLineFeeds =
    "\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n"
    "\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n";
constexpr Text kBlanks =
    "                                                  "
    "                                                  ";

// The text of an escape's body, or false where it is none that we know: the sender's characters then stay.
bool resolve(Text body, const Delimiters& d, Text& out) {
  const auto one = [&out](const char& c) {
    out = {&c, c == '\0' ? std::size_t{0} : std::size_t{1}};
    return c != '\0';
  };
  static constexpr char hash = '#';
  if (body.size() == 1) {
    switch (body[0]) {
      case 'F': return one(d.field);
      case 'S': return one(d.component);
      case 'T': return one(d.subcomponent);
      case 'R': return one(d.repetition);
      case 'E': return one(d.escape);
      case 'P': return one(hash);
      case 'H':
      case 'N': out = {}; return true;  // highlighting has no meaning in our text
      default: return false;
    }
  }
  if (body.size() < 3 || body[0] != '.') return false;
  const Text command = body.substr(1, 2);
  const Text rest = body.substr(3);
  if (command == "br" || command == "ce") {
    out = kLineFeeds.substr(0, 1);
  } else if (command == "sp") {
    out = kLineFeeds.substr(0, count_of(rest));
  } else if (command == "sk") {
    out = kBlanks.substr(0, count_of(rest));
  } else if (command == "fi" || command == "nf" || command == "in" || command == "ti") {
    out = {};
  } else {
    return false;
  }
  return true;
}

}  // namespace

// `rest` begins at an \X…\ : the bytes of it and of those that follow at once (`used` characters in all) are one
// text, because a character may be spread over them. Empty where they are no text of the message's charset; the
// whole run then stays as written.
Text Message::resolve_hex(Text rest, std::size_t& used, Arena& arena) const {
  used = 0;
  while (rest.size() > used + 1 && rest[used] == delimiters_.escape) {
    const std::size_t end = rest.find(delimiters_.escape, used + 1);
    if (end == Text::npos || !is_hex(rest.substr(used + 1, end - used - 1))) break;
    used = end + 1;
  }
  char* const bytes = static_cast<char*>(arena.allocate(used / 2 + 1, 1));
  std::size_t size = 0;
  for (std::size_t at = 0; at < used;) {
    if (rest[at] == delimiters_.escape || rest[at] == 'X') {
      ++at;
      continue;
    }
    const int byte = hex_digit(rest[at]) * 16 + hex_digit(rest[at + 1]);
    if (byte == 0) return {};
    bytes[size++] = static_cast<char>(byte);
    at += 2;
  }
  const Text raw(bytes, size);
  Text text;
  if (charset_ == Charset::gb18030) return gb18030_to_utf8(raw, arena, text) ? text : Text();
  if (survey_utf8(raw, true).broken == 0) return raw;
  // In a message of pure ASCII nothing says what its bytes are.
  return charset_ == Charset::ascii && gb18030_to_utf8(raw, arena, text) ? text : Text();
}

Text Message::clean_slowly(Text part, Arena& arena) const {
  while (!part.empty() && part.front() == ' ') part.remove_prefix(1);
  while (!part.empty() && part.back() == ' ') part.remove_suffix(1);
  if (part == "\"\"") return {};
  return unescape(part, arena);
}

Text Message::resolve_escapes(Text part, Arena& arena) const {
  // An escape of n bytes gives at most: \.sp99\ 99 line feeds; \X..\ 3 bytes for 2 digits. Grown where needed.
  std::size_t room = part.size() * 2 + 128;
  char* first = static_cast<char*>(arena.allocate(room, 1));
  std::size_t size = 0;
  const auto append = [&](Text text) {
    if (size + text.size() > room) {
      room = (size + text.size()) * 2;
      char* larger = static_cast<char*>(arena.allocate(room, 1));
      std::memcpy(larger, first, size);
      first = larger;
    }
    if (!text.empty()) std::memcpy(first + size, text.data(), text.size());
    size += text.size();
  };
  while (!part.empty()) {
    const std::size_t begin = part.find(delimiters_.escape);
    append(part.substr(0, begin));
    if (begin == Text::npos) break;
    part.remove_prefix(begin);
    const std::size_t end = part.find(delimiters_.escape, 1);
    const Text body = end == Text::npos ? Text() : part.substr(1, end - 1);
    Text resolved;
    if (is_hex(body)) {
      std::size_t used = 0;
      resolved = resolve_hex(part, used, arena);
      append(resolved.empty() ? part.substr(0, used) : resolved);
      part.remove_prefix(used);
      continue;
    }
    if (!body.empty() && resolve(body, delimiters_, resolved)) {
      append(resolved);
      part.remove_prefix(end + 1);
      continue;
    }
    // Not an escape, or none that we know. A known-looking one (\C2842\, \Zxx\) stays whole; a lone one stays too.
    const std::size_t kept = body.empty() || body.size() > 32 || body.find(' ') != Text::npos ? 1 : end + 1;
    append(part.substr(0, kept));
    part.remove_prefix(kept);
  }
  return {first, size};
}

}  // namespace hutong::hl7v2
