// The least of UTF-8 that reading needs: runs of ASCII, one strict code point, whether bytes are UTF-8 and how
// nearly. Pure; threads: any.
#pragma once

#include <cstdint>
#include <cstring>
#include <string_view>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

namespace hutong::hl7v2 {

// How many bytes at the start are ASCII.
inline std::size_t ascii_prefix(std::string_view bytes) {
  std::size_t at = 0;
#if defined(__SSE2__)
  for (; at + 16 <= bytes.size(); at += 16) {
    const int high = _mm_movemask_epi8(_mm_loadu_si128(reinterpret_cast<const __m128i*>(bytes.data() + at)));
    if (high) return at + static_cast<std::size_t>(__builtin_ctz(static_cast<unsigned>(high)));
  }
#else
  for (; at + 8 <= bytes.size(); at += 8) {
    std::uint64_t word;
    std::memcpy(&word, bytes.data() + at, 8);
    if (word & 0x8080808080808080ULL) break;
  }
#endif
  while (at < bytes.size() && static_cast<signed char>(bytes[at]) >= 0) ++at;
  return at;
}

struct CodePoint {
  std::uint32_t point;
  std::size_t length;  // 0: not UTF-8 (also overlong forms, surrogates, beyond U+10FFFF)
};

inline CodePoint code_point(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<std::uint32_t>(static_cast<unsigned char>(text[i])); };
  const auto follows = [&](std::size_t i) { return (byte(i) & 0xC0U) == 0x80U; };
  if (text.empty()) return {0, 0};
  const std::uint32_t lead = byte(0);
  if (lead < 0x80) return {lead, 1};
  if (lead < 0xC2 || lead > 0xF4) return {0, 0};
  if (lead < 0xE0) {
    if (text.size() < 2 || !follows(1)) return {0, 0};
    return {(lead & 0x1FU) << 6U | (byte(1) & 0x3FU), 2};
  }
  if (lead < 0xF0) {
    if (text.size() < 3 || !follows(1) || !follows(2)) return {0, 0};
    const std::uint32_t point = (lead & 0x0FU) << 12U | (byte(1) & 0x3FU) << 6U | (byte(2) & 0x3FU);
    return {point, point < 0x800 || (point >= 0xD800 && point <= 0xDFFF) ? std::size_t{0} : std::size_t{3}};
  }
  if (text.size() < 4 || !follows(1) || !follows(2) || !follows(3)) return {0, 0};
  const std::uint32_t point =
      (lead & 0x07U) << 18U | (byte(1) & 0x3FU) << 12U | (byte(2) & 0x3FU) << 6U | (byte(3) & 0x3FU);
  return {point, point < 0x10000 || point > 0x10FFFF ? std::size_t{0} : std::size_t{4}};
}

// Writes a code point as UTF-8; returns the place behind it.
inline char* put_utf8(char* to, std::uint32_t point) {
  const auto put = [&](std::uint32_t byte) { *to++ = static_cast<char>(byte); };
  if (point < 0x80) {
    put(point);
  } else if (point < 0x800) {
    put(0xC0U | point >> 6U);
    put(0x80U | (point & 0x3FU));
  } else if (point < 0x10000) {
    put(0xE0U | point >> 12U);
    put(0x80U | (point >> 6U & 0x3FU));
    put(0x80U | (point & 0x3FU));
  } else {
    put(0xF0U | point >> 18U);
    put(0x80U | (point >> 12U & 0x3FU));
    put(0x80U | (point >> 6U & 0x3FU));
    put(0x80U | (point & 0x3FU));
  }
  return to;
}

// What a look at all bytes as UTF-8 finds.
struct Utf8Survey {
  std::size_t broken = 0;      // bytes that belong to no character
  std::size_t characters = 0;  // of more than one byte
  std::size_t cjk = 0;         // of three bytes with lead 0xE3..0xE9, or four bytes: what Chinese text is made of
};

// `stop_at_broken`: only whether there is any; broken is then 0 or 1 and the other counts end there.
inline Utf8Survey survey_utf8(std::string_view bytes, bool stop_at_broken) {
  Utf8Survey found;
  std::size_t at = 0;
  while (at < bytes.size()) {
    at += ascii_prefix(bytes.substr(at));
    while (at < bytes.size() && static_cast<signed char>(bytes[at]) < 0) {
      const CodePoint next = code_point(bytes.substr(at));
      if (next.length == 0) {
        ++found.broken;
        if (stop_at_broken) return found;
        ++at;
        continue;
      }
      ++found.characters;
      const auto lead = static_cast<unsigned char>(bytes[at]);
      found.cjk += (lead >= 0xE3 && lead <= 0xE9) || lead >= 0xF0;
      at += next.length;
    }
  }
  return found;
}

// Whether all of it is UTF-8. Sixteen bytes at a time: in what Chinese messages consist of, a byte continues a
// character exactly where the byte before leads one, or the one before that leads one of three. Bytes that need a
// closer look (an end that could be overlong or a surrogate, four bytes) are rare, and leave the whole to the survey.
inline bool is_utf8(std::string_view bytes) {
#if defined(__SSE2__)
  const std::size_t first = ascii_prefix(bytes);
  if (first == bytes.size()) return true;
  if (first >= 2) {
    const auto load = [](const char* from) { return _mm_loadu_si128(reinterpret_cast<const __m128i*>(from)); };
    const auto equal = [](__m128i v, int byte) { return _mm_cmpeq_epi8(v, _mm_set1_epi8(static_cast<char>(byte))); };
    const auto least = [](__m128i v, int byte) {  // unsigned v >= byte
      const __m128i bound = _mm_set1_epi8(static_cast<char>(byte));
      return _mm_cmpeq_epi8(_mm_max_epu8(v, bound), v);
    };
    __m128i wrong = _mm_setzero_si128(), unusual = wrong;
    const auto look = [&](const char* at) {
      const __m128i here = load(at), one = load(at - 1), two = load(at - 2);
      if (_mm_movemask_epi8(_mm_or_si128(here, _mm_or_si128(one, two))) == 0) return;
      const __m128i continues = _mm_cmplt_epi8(here, _mm_set1_epi8(static_cast<char>(0xC0)));
      wrong = _mm_or_si128(wrong, _mm_xor_si128(continues, _mm_or_si128(least(one, 0xC0), least(two, 0xE0))));
      unusual = _mm_or_si128(
          unusual,
          _mm_or_si128(_mm_or_si128(equal(here, 0xE0), equal(here, 0xED)),
                       _mm_or_si128(least(here, 0xF0),
                                    equal(_mm_and_si128(here, _mm_set1_epi8(static_cast<char>(0xFE))), 0xC0))));
    };
    std::size_t at = first;
    for (; at + 16 <= bytes.size(); at += 16) look(bytes.data() + at);
    // What is left, and at least one zero behind it, into which no character may reach.
    char tail[2 + 16] = {};
    std::memcpy(tail, bytes.data() + at - 2, 2 + bytes.size() - at);
    look(tail + 2);
    if (_mm_movemask_epi8(unusual) == 0) return _mm_movemask_epi8(wrong) == 0;
  }
#endif
  return survey_utf8(bytes, true).broken == 0;
}

}  // namespace hutong::hl7v2
