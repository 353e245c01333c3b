// One HL7 v2 message as an index over its decoded text: one pass finds every field separator and segment end;
// components, repetitions and escapes are looked at only where a field is read. Nothing is copied: every text is a
// view into the decoded message, or into the arena where an escape had to be resolved.
// Threads: one owner. Lifetime: the arena's.
#pragma once

#include <array>
#include <cstdint>
#include <cstring>
#include <string_view>

#include "adapters/format/hl7v2/charset.h"
#include "broker/base/arena.h"

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

namespace hutong::hl7v2 {

using Text = std::string_view;

// More segments in one message are refused: each costs up to a kilobyte when it is read.
inline constexpr std::size_t kMaxSegments = 100'000;

struct Delimiters {
  char field = '|';
  char component = '^';
  char repetition = '~';
  char escape = '\\';  // '\0' where the sender declares none; likewise below
  char subcomponent = '&';
};

// A segment's name as a number, to compare and switch on; 0: not three characters.
constexpr std::uint32_t segment_name(Text name) {
  if (name.size() != 3) return 0;
  return static_cast<std::uint32_t>(static_cast<unsigned char>(name[0])) |
         static_cast<std::uint32_t>(static_cast<unsigned char>(name[1])) << 8U |
         static_cast<std::uint32_t>(static_cast<unsigned char>(name[2])) << 16U;
}

struct Segment {
  std::uint32_t name = 0;
  std::uint32_t begin = 0;       // offset of its name
  std::uint32_t first_mark = 0;  // marks[first_mark] ends the name, marks[first_mark + n] ends field n
  std::uint32_t fields = 0;
};

enum class Fault {
  none,
  not_hl7,           // does not begin with MSH
  header_truncated,  // nothing behind MSH or MSH-2
  delimiters,        // letters, digits, control characters or two equal ones
  too_many_segments,
};

// Reads the delimiters from MSH (or from FHS and BHS, which have the same). `doubled`: MSH-2 is "^~\\\\&".
Fault read_delimiters(Text text, Delimiters& delimiters, bool& doubled);

class Message {
 public:
  // Reads MSH's delimiters, then the whole. After a fault the message has no segments; after too_many_segments it has
  // its first.
  Fault index(Text text, Charset charset, Arena& arena);

  Text text() const { return text_; }
  Charset charset() const { return charset_; }
  const Delimiters& delimiters() const { return delimiters_; }
  const List<Segment>& segments() const { return segments_; }
  const Segment& header() const { return segments_[0]; }

  bool has_nul() const { return has_nul_; }                   // a 0x00 somewhere
  bool escape_doubled() const { return escape_doubled_; }     // MSH-2 is "^~\\&"
  std::size_t joined_lines() const { return joined_lines_; }  // line breaks taken as part of a field

  // Field `n` of `segment` with its delimiters, from 1. In MSH field 1 is the separator itself (not answered here).
  Text field(const Segment& segment, std::uint32_t n) const {
    if (n == 0 || n > segment.fields) return {};
    const std::uint32_t* mark = marks_ + segment.first_mark + n;
    return {text_.data() + mark[-1] + 1, mark[0] - mark[-1] - 1};
  }
  Text header_field(std::uint32_t n) const { return segments_.empty() ? Text() : field(segments_[0], n - 1); }

  // Which of the at most 64 bytes of `part` are `a` or `b`: a bit each. Whole vectors are read where they lie within
  // the message: a field's end is hard to predict for a loop over its bytes.
  std::uint64_t hits(Text part, char a, char b) const {
    std::uint64_t found = 0;
#if defined(__SSE2__)
    const auto at = reinterpret_cast<std::uintptr_t>(part.data()),
               begin = reinterpret_cast<std::uintptr_t>(text_.data());
    if (at >= begin && at + ((part.size() + 15) & ~std::size_t{15}) <= begin + text_.size()) {
      const __m128i first = _mm_set1_epi8(a), second = _mm_set1_epi8(b);
      for (std::size_t from = 0; from < part.size(); from += 16) {
        const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(part.data() + from));
        const int mask = _mm_movemask_epi8(_mm_or_si128(_mm_cmpeq_epi8(bytes, first), _mm_cmpeq_epi8(bytes, second)));
        found |= static_cast<std::uint64_t>(static_cast<unsigned>(mask)) << from;
      }
      return part.size() == 64 ? found : found & ((std::uint64_t{1} << part.size()) - 1);
    }
#endif
    for (std::size_t i = 0; i < part.size(); ++i) found |= std::uint64_t{part[i] == a || part[i] == b} << i;
    return found;
  }

  // Without surrounding blanks, escapes resolved, HL7's delete mark "" as empty.
  Text clean(Text part, Arena& arena) const {
    if (part.empty()) return {};
    if (part.front() != ' ' && part.back() != ' ' && part.front() != '"' && !has_escape_) return part;
    return clean_slowly(part, arena);
  }
  Text unescape(Text part, Arena& arena) const {
    if (!has_escape_ || part.empty() || !std::memchr(part.data(), delimiters_.escape, part.size())) return part;
    return resolve_escapes(part, arena);
  }

 private:
  Fault scan(Arena& arena);
  Fault scan_wide(Arena& arena);
  Text clean_slowly(Text part, Arena& arena) const;
  Text resolve_escapes(Text part, Arena& arena) const;
  Text resolve_hex(Text rest, std::size_t& used, Arena& arena) const;

  Text text_;
  Charset charset_ = Charset::ascii;
  Delimiters delimiters_;
  List<Segment> segments_;
  std::uint32_t* marks_ = nullptr;
  bool has_escape_ = false;
  bool has_nul_ = false;
  bool escape_doubled_ = false;
  std::size_t joined_lines_ = 0;
};

// The first `N` parts of `text` between `separator`s and before `stop`; missing ones are empty. '\0' is no separator.
template <std::size_t N>
std::array<Text, N> split(Text text, char separator, char stop = '\0') {
  std::array<Text, N> parts{};
  if (text.empty()) return parts;
  const char* from = text.data();
  const char* const end = from + text.size();
  std::size_t i = 0;
  for (const char* at = from; at != end; ++at) {
    const char c = *at;
    if (c != separator && c != stop) [[likely]]
      continue;
    if (c == '\0') continue;
    parts[i] = {from, static_cast<std::size_t>(at - from)};
    from = at + 1;
    if (++i == N || c == stop) return parts;
  }
  parts[i] = {from, static_cast<std::size_t>(end - from)};
  return parts;
}

// Takes the next part up to `separator` off `rest`. for (Text rest = field, one; next_part(rest, '~', one);)
inline bool next_part(Text& rest, char separator, Text& part) {
  if (rest.data() == nullptr) return false;
  const void* hit = separator == '\0' ? nullptr : std::memchr(rest.data(), separator, rest.size());
  if (hit == nullptr) {
    part = rest;
    rest = {};
    return true;
  }
  const auto size = static_cast<std::size_t>(static_cast<const char*>(hit) - rest.data());
  part = rest.substr(0, size);
  rest = rest.substr(size + 1);
  return true;
}

// The first line, without its end.
inline Text first_line(Text text) {
  const Text line = text.substr(0, text.find('\r'));
  return line.substr(0, line.find('\n'));
}

inline Text first_part(Text text, char separator) {
  const std::size_t end = separator == '\0' ? Text::npos : text.find(separator);
  return end == Text::npos ? text : text.substr(0, end);
}

}  // namespace hutong::hl7v2
