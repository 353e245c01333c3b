#include "adapters/store/postgres/text_codec.h"

#include <cstdint>
#include <cstring>

namespace hutong::store {
namespace {

unsigned byte_at(std::string_view text, std::size_t at) {
  return static_cast<unsigned char>(text[at]);
}
bool continues(std::string_view text, std::size_t at, unsigned low = 0x80, unsigned high = 0xBF) {
  return at < text.size() && byte_at(text, at) >= low && byte_at(text, at) <= high;
}

// Bytes of the UTF-8 character that begins at `at` (RFC 3629 §4); 0: none does.
std::size_t character_at(std::string_view text, std::size_t at) {
  const unsigned first = byte_at(text, at);
  if (first < 0x80) return 1;
  if (first < 0xC2 || first > 0xF4) return 0;
  if (first < 0xE0) return continues(text, at + 1) ? 2 : 0;
  const unsigned low = first == 0xE0 ? 0xA0 : first == 0xF0 ? 0x90 : 0x80;
  const unsigned high = first == 0xED ? 0x9F : first == 0xF4 ? 0x8F : 0xBF;
  if (!continues(text, at + 1, low, high) || !continues(text, at + 2)) return 0;
  if (first < 0xF0) return 3;
  return continues(text, at + 3) ? 4 : 0;
}

// U+10FF80 to U+10FFFF, F4 8F BE 80 to F4 8F BF BF: what stray bytes become, so it cannot stand for itself.
bool is_mark(std::string_view text, std::size_t at) {
  return text.size() - at >= 4 && byte_at(text, at) == 0xF4 && byte_at(text, at + 1) == 0x8F &&
         byte_at(text, at + 2) >= 0xBE;
}

// Where the leading part ends that consists of plain ASCII, eight bytes at a time.
std::size_t plain_from(std::string_view text, std::size_t at) {
  for (; text.size() - at >= 8; at += 8) {
    std::uint64_t eight;
    std::memcpy(&eight, text.data() + at, 8);
    constexpr std::uint64_t ones = 0x0101010101010101, highs = 0x8080808080808080;
    const bool below_two = ((eight - ones * 2) & ~eight & highs) != 0;
    if ((eight & highs) != 0 || below_two) break;
  }
  return at;
}

}  // namespace

void append_storable(std::string& out, std::string_view text) {
  std::size_t copied = 0;
  auto copy_up_to = [&](std::size_t at) { out.append(text.substr(copied, at - copied)); };
  for (std::size_t at = plain_from(text, 0); at < text.size();) {
    const std::size_t character = character_at(text, at);
    const unsigned byte = byte_at(text, at);
    if (byte > 1 && character > 0 && !is_mark(text, at)) {
      at += character;
      if (character == 1) at = plain_from(text, at);
      continue;
    }
    copy_up_to(at);
    if (byte <= 1) {
      out += '\x01';
      out += static_cast<char>(byte + 1);
    } else {
      out += "\xF4\x8F";
      out += static_cast<char>(0xBC + (byte >> 6));
      out += static_cast<char>(0x80 + (byte & 0x3F));
    }
    copied = ++at;
  }
  copy_up_to(text.size());
}

std::string original_text(std::string_view stored) {
  std::string out;
  std::size_t copied = 0;
  for (std::size_t at = 0; (at = stored.find_first_of("\x01\xF4", at)) != std::string_view::npos;) {
    const bool escaped = stored[at] == '\x01' && at + 1 < stored.size();
    if (!escaped && !is_mark(stored, at)) {
      ++at;
      continue;
    }
    out.append(stored.substr(copied, at - copied));
    if (escaped) {
      out += static_cast<char>(byte_at(stored, at + 1) - 1);
      at += 2;
    } else {
      out += static_cast<char>((byte_at(stored, at + 2) - 0xBC) << 6 | (byte_at(stored, at + 3) & 0x3F));
      at += 4;
    }
    copied = at;
  }
  out.append(stored.substr(copied));
  return out;
}

}  // namespace hutong::store
