#include "adapters/format/hl7v2/message.h"

#include <algorithm>
#include <bit>

namespace hutong::hl7v2 {
namespace {

bool is_line_end(char c) {
  return c == '\r' || c == '\n';
}

// Whether a segment may begin here: "OBX|", or a bare "OBX" on its line.
bool begins_segment(Text rest, char field) {
  const auto upper = [](char c) { return c >= 'A' && c <= 'Z'; };
  const auto word = [&](char c) { return upper(c) || (c >= '0' && c <= '9'); };
  if (rest.size() < 3 || !upper(rest[0]) || !word(rest[1]) || !word(rest[2])) return false;
  return rest.size() == 3 || rest[3] == field || is_line_end(rest[3]);
}

struct Seen {
  bool escape = false;
  bool nul = false;
};

// Walks the text from `at` in blocks of at most 64 bytes and calls on(offset, fields, lines) for each that has a field
// separator or a line end: bit n stands for the byte at offset + n. on() answers false to stop.
template <class OnBlock>
[[gnu::always_inline]] inline Seen for_each_block(Text text, std::size_t at, const Delimiters& delimiters,
                                                  OnBlock&& on) {
  Seen seen;
  const char* const data = text.data();
  const std::size_t size = text.size();
#if defined(__SSE2__)
  const __m128i field = _mm_set1_epi8(delimiters.field), cr = _mm_set1_epi8('\r'), lf = _mm_set1_epi8('\n');
  const __m128i escape = _mm_set1_epi8(delimiters.escape), zero = _mm_setzero_si128();
  __m128i escapes = zero, zeros = zero;
  bool go_on = true;
  for (; at + 64 <= size && go_on; at += 64) {
    std::uint64_t fields = 0, lines = 0;
    for (unsigned part = 0; part < 64; part += 16) {
      const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(data + at + part));
      const __m128i ends = _mm_or_si128(_mm_cmpeq_epi8(bytes, cr), _mm_cmpeq_epi8(bytes, lf));
      escapes = _mm_or_si128(escapes, _mm_cmpeq_epi8(bytes, escape));
      zeros = _mm_or_si128(zeros, _mm_cmpeq_epi8(bytes, zero));
      fields |= static_cast<std::uint64_t>(static_cast<unsigned>(_mm_movemask_epi8(_mm_cmpeq_epi8(bytes, field))))
                << part;
      lines |= static_cast<std::uint64_t>(static_cast<unsigned>(_mm_movemask_epi8(ends))) << part;
    }
    if (fields | lines) go_on = on(at, fields, lines);
  }
  seen.escape = _mm_movemask_epi8(escapes) != 0;
  seen.nul = _mm_movemask_epi8(zeros) != 0;
  if (!go_on) return seen;
#endif
  while (at < size) {
    std::uint64_t fields = 0, lines = 0;
    const std::size_t end = std::min<std::size_t>(size - at, 64);
    for (std::size_t i = 0; i < end; ++i) {
      const char c = data[at + i];
      seen.escape |= c == delimiters.escape;
      seen.nul |= c == '\0';
      fields |= std::uint64_t{c == delimiters.field} << i;
      lines |= std::uint64_t{is_line_end(c)} << i;
    }
    if ((fields | lines) && !on(at, fields, lines)) break;
    at += end;
  }
  return seen;
}

// The positions of a mask's bits, written behind each other. Four at a time, wanted or not: counting is cheaper than
// guessing how many there are. Up to kMarkSlack more are written than there are.
constexpr std::size_t kMarkSlack = 4;
[[gnu::always_inline]] inline std::uint32_t* put_marks(std::uint32_t* to, std::size_t offset, std::uint64_t mask) {
  const auto base = static_cast<std::uint32_t>(offset);
  const int count = __builtin_popcountll(mask);
  for (int done = 0; done < count; done += 4) {
    for (int i = 0; i < 4; ++i) {
      to[done + i] = base + static_cast<std::uint32_t>(std::countr_zero(mask));
      mask &= mask - 1;
    }
  }
  return to + count;
}

// Small messages get room for the worst case, of which they touch a part; large ones are counted first.
std::size_t mark_room(Text text, const Delimiters& delimiters) {
  if (text.size() <= 64 * 1024) return text.size() + 1 + kMarkSlack;
  std::size_t count = 1 + kMarkSlack;
  for_each_block(text, 0, delimiters, [&](std::size_t, std::uint64_t fields, std::uint64_t lines) {
    count += static_cast<std::size_t>(__builtin_popcountll(fields) + __builtin_popcountll(lines));
    return true;
  });
  return count;
}

bool may_delimit(char c) {
  const auto byte = static_cast<unsigned char>(c);
  const bool alphanumeric = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
  return byte > 0x20 && byte < 0x7F && !alphanumeric;
}

}  // namespace

// "MSH" + separator + "^~\&" (a fifth, the truncation character of 2.7, needs no care when reading).
Fault read_delimiters(Text text, Delimiters& delimiters, bool& doubled) {
  if (text.size() < 3 || text.substr(0, 3) != "MSH") return Fault::not_hl7;
  if (text.size() < 4 || is_line_end(text[3])) return Fault::header_truncated;
  const char field = text[3];
  if (!may_delimit(field)) return Fault::delimiters;
  const Text line = first_line(text.substr(4));
  const Text encoding = first_part(line, field);
  if (encoding.size() == line.size()) return Fault::header_truncated;
  if (encoding.empty() || encoding.size() > 5) return Fault::delimiters;
  Delimiters found{field, encoding[0], '\0', '\0', '\0'};
  if (encoding.size() > 1) found.repetition = encoding[1];
  if (encoding.size() > 2) found.escape = encoding[2];
  if (encoding.size() > 3) found.subcomponent = encoding[3];
  // Programs that build messages from string literals double the backslash; what they mean is plain.
  doubled = encoding == "^~\\\\&";
  if (doubled) found.subcomponent = '&';
  const char all[] = {found.field, found.component, found.repetition, found.escape, found.subcomponent};
  for (std::size_t i = 0; i < sizeof all; ++i) {
    if (all[i] == '\0') continue;
    if (!may_delimit(all[i])) return Fault::delimiters;
    for (std::size_t k = 0; k < i; ++k) {
      if (all[k] == all[i]) return Fault::delimiters;
    }
  }
  delimiters = found;
  return Fault::none;
}

[[gnu::always_inline]] inline Fault Message::scan(Arena& arena) {
  const Text text = text_;
  const char* const data = text.data();
  const std::size_t size = text.size();
  const char field = delimiters_.field;
  std::uint32_t* to = marks_;
  Segment segment;
  bool too_many = false;
  const auto close = [&](std::size_t end) __attribute__((always_inline)) {
    *to++ = static_cast<std::uint32_t>(end);
    segment.name = segment_name({data + segment.begin, marks_[segment.first_mark] - segment.begin});
    segment.fields = static_cast<std::uint32_t>(to - marks_) - segment.first_mark - 1;
    too_many = segments_.size() == kMaxSegments;
    if (!too_many) segments_.push(arena, segment);
  };
  // MSH's name is marked here and its encoding characters are stepped over: they are no use of themselves.
  *to++ = 3;
  const std::size_t start = 4 + first_part(text.substr(4), field).size();
  std::size_t taken = 0;  // line ends before this offset are already answered for
  const auto on_block = [&](std::size_t offset, std::uint64_t fields, std::uint64_t lines)
      __attribute__((always_inline)) {
    for (; lines; lines &= lines - 1) {
      const auto bit = static_cast<unsigned>(__builtin_ctzll(lines));
      const std::uint64_t before = fields & ((std::uint64_t{1} << bit) - 1);
      to = put_marks(to, offset, before);
      fields ^= before;
      const std::size_t position = offset + bit;
      if (position < taken) continue;
      std::size_t next = position + 1;
      while (next < size && is_line_end(data[next])) ++next;
      taken = next;
      if (next < size && !begins_segment({data + next, size - next}, field)) {
        ++joined_lines_;
        continue;
      }
      close(position);
      if (too_many) return false;
      segment.begin = static_cast<std::uint32_t>(next);
      segment.first_mark = static_cast<std::uint32_t>(to - marks_);
    }
    to = put_marks(to, offset, fields);
    return true;
  };
  const Seen seen = for_each_block(text, start, delimiters_, on_block);
  if (!too_many && segment.begin < size) close(size);
  has_escape_ = seen.escape && delimiters_.escape != '\0';
  has_nul_ = seen.nul;
  if (!too_many) return Fault::none;
  while (segments_.size() > 1) segments_.pop();
  return Fault::too_many_segments;
}

Fault Message::index(Text text, Charset charset, Arena& arena) {
  *this = Message();
  text_ = text;
  charset_ = charset;
  if (const Fault fault = read_delimiters(text, delimiters_, escape_doubled_); fault != Fault::none) return fault;
  marks_ = static_cast<std::uint32_t*>(
      arena.allocate(mark_room(text_, delimiters_) * sizeof(std::uint32_t), alignof(std::uint32_t)));
  segments_.reserve(arena, 32);
#if defined(__x86_64__)
  static const bool wide =
      __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi") && __builtin_cpu_supports("popcnt");
  if (wide) return scan_wide(arena);
#endif
  return scan(arena);
}

// The same code for newer processors: their bit instructions halve what it costs.
#if defined(__x86_64__)
__attribute__((target("avx2,bmi,popcnt"))) Fault Message::scan_wide(Arena& arena) {
  return scan(arena);
}
#endif

}  // namespace hutong::hl7v2
