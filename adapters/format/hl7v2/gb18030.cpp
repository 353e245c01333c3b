#include "adapters/format/hl7v2/gb18030.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <vector>

#include "adapters/format/hl7v2/utf8.h"

namespace hutong::hl7v2 {
namespace {

// In a run of `count` four-byte codes the linear position and the code point rise together.
struct FourByteRun {
  std::uint16_t position;
  std::uint16_t point;
  std::uint16_t count;
};

#include "adapters/format/hl7v2/gb18030_table.inc"

constexpr std::size_t kTrails = 190;
constexpr std::uint32_t kSupplementary = 189'000;  // linear position of U+10000: 0x90308130
static_assert(sizeof kTwoByte / sizeof kTwoByte[0] == 126 * kTrails + 1);

std::uint32_t four_byte_point(std::uint32_t position) {
  if (position >= kSupplementary) {
    const std::uint32_t point = position - kSupplementary + 0x10000;
    return point <= 0x10FFFF ? point : 0;
  }
  const auto* run = std::upper_bound(std::begin(kFourByteRuns), std::end(kFourByteRuns), position,
                                     [](std::uint32_t at, const FourByteRun& r) { return at < r.position; });
  if (run == std::begin(kFourByteRuns)) return 0;
  --run;
  return position - run->position < run->count ? run->point + (position - run->position) : 0;
}

bool is_digit(unsigned char byte) {
  return byte >= 0x30 && byte <= 0x39;
}
bool is_lead(unsigned char byte) {
  return byte >= 0x81 && byte <= 0xFE;
}

// One character of two or four bytes at `at`: its code point and length, or 0.
struct Character {
  std::uint32_t point;
  std::size_t length;
};
Character character_at(const unsigned char* at, const unsigned char* end) {
  if (!is_lead(at[0]) || end - at < 2) return {0, 0};
  const unsigned char trail = at[1];
  if (trail >= 0x40 && trail != 0x7F && trail != 0xFF) {
    return {kTwoByte[(at[0] - 0x81U) * kTrails + trail - (trail > 0x7F ? 0x41U : 0x40U)], 2};
  }
  if (!is_digit(trail) || end - at < 4 || !is_lead(at[2]) || !is_digit(at[3])) return {0, 0};
  const std::uint32_t point =
      four_byte_point(((at[0] - 0x81U) * 10 + (at[1] - 0x30U)) * 1260 + (at[2] - 0x81U) * 10 + (at[3] - 0x30U));
  return {point, point ? std::size_t{4} : std::size_t{0}};
}

// `replacing` decides at compile time what a broken sequence does; -1 stands for "stop".
template <bool replacing>
std::ptrdiff_t decode(std::string_view bytes, Arena& arena, std::string_view& text) {
  // Two bytes become at most three, four at most four; one broken byte becomes three.
  const std::size_t room = replacing ? bytes.size() * 3 : bytes.size() + bytes.size() / 2 + 4;
  char* const first = static_cast<char*>(arena.allocate(room, 1));
  char* to = first;
  std::ptrdiff_t broken = 0;
  const auto* at = reinterpret_cast<const unsigned char*>(bytes.data());
  const auto* const end = at + bytes.size();
  while (at < end) {
    const std::size_t ascii = ascii_prefix({reinterpret_cast<const char*>(at), static_cast<std::size_t>(end - at)});
    std::memcpy(to, at, ascii);
    to += ascii;
    at += ascii;
    while (at < end && *at >= 0x80) {
      const Character character = character_at(at, end);
      if (character.length == 0) {
        if (!replacing) return -1;
        ++broken;
        to = put_utf8(to, 0xFFFD);
        ++at;
        continue;
      }
      to = put_utf8(to, character.point);
      at += character.length;
    }
  }
  text = {first, static_cast<std::size_t>(to - first)};
  return broken;
}

// Code of each BMP code point: two bytes where the table has it, else 0. Built once, from the decoder's table.
const std::vector<std::uint16_t>& two_byte_codes() {
  static const std::vector<std::uint16_t> codes = [] {
    std::vector<std::uint16_t> made(0x10000);
    for (std::size_t i = 0; i < 126 * kTrails; ++i) {
      const std::size_t trail = i % kTrails + 0x40;
      made[kTwoByte[i]] = static_cast<std::uint16_t>((i / kTrails + 0x81) << 8U | (trail >= 0x7F ? trail + 1 : trail));
    }
    return made;
  }();
  return codes;
}

std::uint32_t four_byte_position(std::uint32_t point) {
  if (point >= 0x10000) return point - 0x10000 + kSupplementary;
  const auto* run = std::upper_bound(std::begin(kFourByteRuns), std::end(kFourByteRuns), point,
                                     [](std::uint32_t p, const FourByteRun& r) { return p < r.point; });
  if (run != std::begin(kFourByteRuns) && point - std::prev(run)->point < std::prev(run)->count) {
    return std::prev(run)->position + (point - std::prev(run)->point);
  }
  // The pair exchanged in 2005 stands outside the rising order.
  for (const FourByteRun& r : kFourByteRuns) {
    if (point >= r.point && point - r.point < r.count) return r.position + (point - r.point);
  }
  return UINT32_MAX;
}

}  // namespace

bool gb18030_to_utf8(std::string_view bytes, Arena& arena, std::string_view& text) {
  return decode<false>(bytes, arena, text) == 0;
}

std::size_t gb18030_to_utf8_replacing(std::string_view bytes, Arena& arena, std::string_view& text) {
  return static_cast<std::size_t>(decode<true>(bytes, arena, text));
}

void utf8_to_gb18030(std::string_view text, std::string& bytes) {
  const auto& two_byte = two_byte_codes();
  while (!text.empty()) {
    const std::size_t ascii = ascii_prefix(text);
    bytes.append(text.substr(0, ascii));
    text.remove_prefix(ascii);
    if (text.empty()) break;
    const CodePoint next = code_point(text);
    text.remove_prefix(next.length ? next.length : 1);
    const std::uint16_t code = next.length && next.point < 0x10000 ? two_byte[next.point] : 0;
    const std::uint32_t position = !next.length || code ? UINT32_MAX : four_byte_position(next.point);
    if (code) {
      bytes.push_back(static_cast<char>(code >> 8U));
      bytes.push_back(static_cast<char>(code & 0xFFU));
    } else if (position == UINT32_MAX) {
      bytes.push_back('?');
    } else {
      bytes.push_back(static_cast<char>(0x81 + position / 12600));
      bytes.push_back(static_cast<char>(0x30 + position / 1260 % 10));
      bytes.push_back(static_cast<char>(0x81 + position / 10 % 126));
      bytes.push_back(static_cast<char>(0x30 + position % 10));
    }
  }
}

}  // namespace hutong::hl7v2
