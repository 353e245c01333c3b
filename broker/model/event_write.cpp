// Writing: half of event_json.h.
#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstring>

#include "broker/base/text_equal.h"
#include "broker/model/event_fields.h"
#include "broker/model/event_json.h"

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

namespace hutong::model {
namespace {

using namespace json;

// A word has a byte that JSON must escape: below 0x20, '"' or '\'. (The has-less and has-zero tests of one word.)
bool needs_escape(std::uint64_t word) {
  constexpr std::uint64_t ones = 0x0101010101010101ULL, highs = 0x8080808080808080ULL;
  const auto has_zero = [](std::uint64_t w) { return (w - ones) & ~w & highs; };
  const std::uint64_t control = (word - ones * 0x20) & ~word & highs;
  return (control | has_zero(word ^ (ones * '"')) | has_zero(word ^ (ones * '\\'))) != 0;
}

// Copies and looks in one pass, the last piece overlapping the one before. False: something needs an escape.
bool copy_plain(char* to, const char* from, std::size_t size) {
  if (size < 16) {
    if (size >= 8) {
      std::uint64_t first, last;
      std::memcpy(&first, from, 8);
      std::memcpy(&last, from + size - 8, 8);
      std::memcpy(to, &first, 8);
      std::memcpy(to + size - 8, &last, 8);
      return !needs_escape(first) && !needs_escape(last);
    }
    if (size >= 4) {
      std::uint32_t first, last;
      std::memcpy(&first, from, 4);
      std::memcpy(&last, from + size - 4, 4);
      std::memcpy(to, &first, 4);
      std::memcpy(to + size - 4, &last, 4);
      return !needs_escape(first | static_cast<std::uint64_t>(last) << 32U);
    }
    bool plain = true;
    for (std::size_t i = 0; i < size; ++i) {
      const auto c = static_cast<unsigned char>(to[i] = from[i]);
      plain = plain && c >= 0x20 && c != '"' && c != '\\';
    }
    return plain;
  }
#if defined(__SSE2__)
  const __m128i control = _mm_set1_epi8(0x1F), quote = _mm_set1_epi8('"'), backslash = _mm_set1_epi8('\\');
  __m128i found = _mm_setzero_si128();
  for (std::size_t at = 0;; at += 16) {
    if (at + 16 > size) at = size - 16;
    const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(from + at));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(to + at), bytes);
    found =
        _mm_or_si128(found, _mm_or_si128(_mm_cmpeq_epi8(_mm_min_epu8(bytes, control), bytes),
                                         _mm_or_si128(_mm_cmpeq_epi8(bytes, quote), _mm_cmpeq_epi8(bytes, backslash))));
    if (at + 16 == size) return _mm_movemask_epi8(found) == 0;
  }
#else
  bool plain = true;
  for (std::size_t at = 0;; at += 8) {
    if (at + 8 > size) at = size - 8;
    std::uint64_t word;
    std::memcpy(&word, from + at, 8);
    std::memcpy(to + at, &word, 8);
    plain = plain && !needs_escape(word);
    if (at + 8 == size) return plain;
  }
#endif
}

// Many members of a message say what another says, and are often the very same bytes.
bool same(Text a, Text b) {
  return a.size() == b.size() && (a.data() == b.data() || text_equal(a, b));
}

// JSON into an Arena, of which a stretch is taken ahead and given back at the end: a member is one look at the
// room left and two copies, of a key whose size is known and of a value. RapidJSON's Writer checks each character
// twice, reserves six bytes for each and keeps a stack of levels, which is half of what a message costs here. Every
// value is followed by a comma, which the bracket behind the last one overwrites.
class EventWriter {
 public:
  EventWriter(Arena& arena, std::size_t ahead)
      : arena_(arena), from_(static_cast<char*>(arena.allocate(ahead, 1))), to_(from_), end_(from_ + ahead) {}
  EventWriter(const EventWriter&) = delete;
  EventWriter& operator=(const EventWriter&) = delete;
  // The whole is written: without the comma behind it.
  Text finish() {
    arena_.give_back(--to_, end_);
    return {from_, static_cast<std::size_t>(to_ - from_)};
  }

  void start(char bracket) {
    room(1);
    *to_++ = bracket;
  }
  void end(char bracket) {
    room(2);
    if (to_[-1] == ',') --to_;
    *to_++ = bracket;
    *to_++ = ',';
  }
  template <std::size_t N>
  void key(const char (&name)[N]) {
    room(N + 2);
    to_ = put_key(to_, name);
  }
  void text(Text value) {
    room(value.size() + 3);
    put_text(to_, value);
  }
  // What needs no escape.
  void plain(Text value) {
    room(value.size() + 3);
    put_plain(to_, value);
  }
  template <std::size_t N>
  void plain_member(const char (&name)[N], Text value) {
    room(N + 2 + value.size() + 3);
    put_plain(put_key(to_, name), value);
  }
  template <std::size_t N>
  void word(const char (&name)[N], Text bare) {  // true, 12
    room(N + 2 + bare.size() + 1);
    char* to = put_key(to_, name);
    std::memcpy(to, bare.data(), bare.size());
    to += bare.size();
    *to++ = ',';
    to_ = to;
  }

  // Members that are not said are not written.
  template <std::size_t N>
  void operator()(const char (&name)[N], Text value) {
    if (!value.empty()) always(name, value);
  }
  template <std::size_t N>
  void always(const char (&name)[N], Text value) {
    room(N + 2 + value.size() + 3);
    put_text(put_key(to_, name), value);
  }
  template <std::size_t N>
  void operator()(const char (&name)[N], bool value, bool usual) {
    if (value != usual) word(name, value ? "true" : "false");
  }
  template <std::size_t N>
  void operator()(const char (&name)[N], std::uint32_t value, std::uint32_t usual) {
    if (value == usual) return;
    char digits[12];
    const char* end = std::to_chars(digits, digits + sizeof digits, value).ptr;
    word(name, {digits, static_cast<std::size_t>(end - digits)});
  }
  template <std::size_t N, class E>
    requires std::is_enum_v<E>
  void operator()(const char (&name)[N], E value, E usual) {
    if (value != usual) plain_member(name, to_string(value));
  }
  template <std::size_t N, class Tag>
  void operator()(const char (&name)[N], const HashId<Tag>& id) {
    if (id.empty()) return;
    char hex[32];
    for (std::size_t i = 0; i < 16; ++i) {
      const auto byte = static_cast<unsigned char>(id.view()[i]);
      hex[2 * i] = "0123456789abcdef"[byte >> 4];
      hex[2 * i + 1] = "0123456789abcdef"[byte & 15];
    }
    plain_member(name, {hex, sizeof hex});
  }
  template <std::size_t N>
  void operator()(const char (&name)[N], const Moment& moment) {
    if (moment.iso.empty() && moment.sent.empty()) return;
    key(name);
    write(moment);
  }
  template <std::size_t N>
  void operator()(const char (&name)[N], Timestamp time) {
    if (time.micros == 0) return;
    key(name);
    write(time);
  }
  template <std::size_t N>
  void operator()(const char (&name)[N], const List<Text>& list) {
    if (list.empty()) return;
    key(name);
    start('[');
    for (Text each : list) text(each);
    end(']');
  }
  template <std::size_t N, class T>
  void operator()(const char (&name)[N], const List<T>& list) {
    if (list.empty()) return;
    key(name);
    start('[');
    for (const T& each : list) object(each);
    end(']');
  }
  template <std::size_t N>
  void operator()(const char (&name)[N], const List<Observation>& list, const Report& report) {
    if (list.empty()) return;
    const Observation first = before_items(report);
    previous_ = &first;
    key(name);
    start('[');
    for (const Observation& each : list) {
      object(each);
      previous_ = &each;
    }
    end(']');
  }
  const Observation& previous() const { return *previous_; }
  template <std::size_t N>
  void repeated(const char (&name)[N], Text value, Text before) {
    if (!same(value, before)) always(name, value);
  }
  template <std::size_t N>
  void counted(const char (&name)[N], Text path, Text before) {
    char next[48];
    if (!text_equal(path, Text(next, next_path(before, next)))) always(name, path);
  }
  template <std::size_t N, class T>
  void operator()(const char (&name)[N], const T* noun) {
    if (noun == nullptr) return;
    key(name);
    object(*noun);
  }
  template <std::size_t N, class T>
    requires std::is_class_v<T>
  void operator()(const char (&name)[N], const T& noun) {
    if (is_empty(noun)) return;
    key(name);
    object(noun);
  }

  void mapping(const Coded& c) {
    if (c.mapped_code.empty() && c.mapped_system.empty() && c.mapped_display.empty()) return;
    if (c.mapped_system == loinc_system && !c.mapped_code.empty()) {
      always("loinc", c.mapped_code);
    } else {
      always("mapped", c.mapped_code);
      (*this)("mappedSystem", c.mapped_system);
    }
    if (!same(c.mapped_display, c.display)) always("mappedName", c.mapped_display);
  }
  void sent_value(const Value& value) {
    (*this)("sentAs", value.sent_type, usual_type(value.kind));
    if (value.kind == ValueKind::number) {
      const std::size_t split = value.comparator.size();
      if (value.sent.size() == split + value.number.size() &&
          text_equal(value.sent.substr(0, split), value.comparator) &&
          text_equal(value.sent.substr(split), value.number))
        return;
      always("sent", value.sent);
    } else {
      (*this)("sent", value.sent);
    }
  }
  void ucum(const Value& value) {
    if (!same(value.ucum, value.unit)) always("ucum", value.ucum);
  }
  void interval(const Interval& interval) {
    if (interval.sent.empty() && interval.low.empty() && interval.high.empty()) return;
    key("interval");
    Text low, high;
    bounds_of(interval.sent, low, high);
    if (!interval.sent.empty() && same(low, interval.low) && same(high, interval.high)) {
      text(interval.sent);
      return;
    }
    start('{');
    (*this)("sent", interval.sent);
    (*this)("low", interval.low);
    (*this)("high", interval.high);
    end('}');
  }
  void inherited(const Observation& o, const Observation& before) {
    if (o.status != before.status || !same(o.status_sent, before.status_sent)) {
      always("status", to_string(o.status));
      (*this)("statusSent", o.status_sent);
    }
    if (!same(o.observed.iso, before.observed.iso) || !same(o.observed.sent, before.observed.sent)) {
      key("observed");
      write(o.observed);
    }
    const Party &own = o.performer, &its = before.performer;
    if (!same(own.code, its.code) || !same(own.name, its.name) || !same(own.system, its.system)) {
      key("performer");
      object(own);
    }
  }

  template <class T>
  void object(const T& noun) {
    start('{');
    fields(*this, noun);
    end('}');
  }
  void write(const Moment& moment) {
    // A report's items have one time as a rule, and its ISO text is then the same bytes.
    if (moment.iso.data() == usual_.iso.data() && moment.iso.size() == usual_.iso.size() &&
        same(moment.sent, usual_.sent) && !moment.iso.empty()) {
      text(moment.iso);
      return;
    }
    char digits[24];
    if (const std::size_t size = digits_of(moment.iso, digits);
        (size != 0 && text_equal(Text(digits, size), moment.sent)) || (moment.iso.empty() && moment.sent.empty())) {
      usual_ = moment;
      text(moment.iso);
      return;
    }
    start('{');
    (*this)("iso", moment.iso);
    (*this)("sent", moment.sent);
    end('}');
  }
  // Microseconds, which to_iso does not say: what is read back must be what was written.
  void write(Timestamp time) {
    std::int64_t seconds = time.micros / 1'000'000, micros = time.micros % 1'000'000;
    if (micros < 0) {
      micros += 1'000'000;
      --seconds;
    }
    std::int64_t days = seconds / 86'400, second = seconds % 86'400;
    if (second < 0) {
      second += 86'400;
      --days;
    }
    const std::chrono::year_month_day date{std::chrono::sys_days{std::chrono::days{days}}};
    char text[27];
    const auto put = [&text](std::size_t at, std::size_t width, std::int64_t value) {
      for (std::size_t i = at + width; i-- > at; value /= 10) text[i] = static_cast<char>('0' + value % 10);
    };
    put(0, 4, static_cast<int>(date.year()));
    text[4] = text[7] = '-';
    put(5, 2, static_cast<unsigned>(date.month()));
    put(8, 2, static_cast<unsigned>(date.day()));
    text[10] = 'T';
    put(11, 2, second / 3600);
    text[13] = text[16] = ':';
    put(14, 2, second / 60 % 60);
    put(17, 2, second % 60);
    text[19] = '.';
    put(20, 6, micros);
    text[26] = 'Z';
    plain({text, 27});
  }

 private:
  void room(std::size_t bytes) {
    if (static_cast<std::size_t>(end_ - to_) < bytes) [[unlikely]]
      take(bytes);
  }
  [[gnu::noinline]] void take(std::size_t bytes) {
    const auto written = static_cast<std::size_t>(to_ - from_);
    const std::size_t size = written + std::max(bytes, written);
    char* const larger = static_cast<char*>(arena_.allocate(size, 1));
    std::memcpy(larger, from_, written);
    from_ = larger;
    to_ = from_ + written;
    end_ = from_ + size;
  }

  // These have room already.
  template <std::size_t N>
  static char* put_key(char* to, const char (&name)[N]) {
    *to++ = '"';
    std::memcpy(to, name, N - 1);
    to += N - 1;
    *to++ = '"';
    *to++ = ':';
    return to;
  }
  [[gnu::noinline]] void put_text(char* to, Text value) {
    *to++ = '"';
    if (!copy_plain(to, value.data(), value.size())) {
      to_ = to;
      escaped(value);
      return;
    }
    close(to + value.size());
  }
  void put_plain(char* to, Text value) {
    *to++ = '"';
    std::memcpy(to, value.data(), value.size());
    close(to + value.size());
  }
  void close(char* to) {
    to[0] = '"';
    to[1] = ',';
    to_ = to + 2;
  }
  // Behind its opening quote.
  [[gnu::noinline]] void escaped(Text value) {
    for (const char c : value) {
      room(6 + 2);
      const auto byte = static_cast<unsigned char>(c);
      if (byte >= 0x20 && c != '"' && c != '\\') {
        *to_++ = c;
        continue;
      }
      *to_++ = '\\';
      switch (c) {
        case '\b': *to_++ = 'b'; break;
        case '\f': *to_++ = 'f'; break;
        case '\n': *to_++ = 'n'; break;
        case '\r': *to_++ = 'r'; break;
        case '\t': *to_++ = 't'; break;
        case '"':
        case '\\': *to_++ = c; break;
        default:
          std::memcpy(to_, "u00", 3);
          to_[3] = "0123456789ABCDEF"[byte >> 4];
          to_[4] = "0123456789ABCDEF"[byte & 15];
          to_ += 5;
      }
    }
    room(2);
    close(to_);
  }

  // Whether a noun says nothing at all: such a member is not written. Walks the same list.
  struct Emptiness {
    bool empty = true;
    void operator()(Text, Text value) { empty = empty && value.empty(); }
    void operator()(Text, bool value, bool usual) { empty = empty && value == usual; }
    void operator()(Text, std::uint32_t value, std::uint32_t usual) { empty = empty && value == usual; }
    template <class E>
      requires std::is_enum_v<E>
    void operator()(Text, E value, E usual) {
      empty = empty && value == usual;
    }
    template <class Tag>
    void operator()(Text, const HashId<Tag>& id) {
      empty = empty && id.empty();
    }
    void operator()(Text, const Moment& m) { empty = empty && m.iso.empty() && m.sent.empty(); }
    void operator()(Text, Timestamp t) { empty = empty && t.micros == 0; }
    template <class T>
    void operator()(Text, const List<T>& list) {
      empty = empty && list.empty();
    }
    template <class T>
      requires std::is_class_v<T>
    void operator()(Text, const T& noun) {
      if (empty) fields(*this, noun);
    }
    void mapping(const Coded& c) {
      empty = empty && c.mapped_code.empty() && c.mapped_display.empty() && c.mapped_system.empty();
    }
    void sent_value(const Value& v) { empty = empty && v.sent.empty() && v.sent_type == SentType::none; }
    void ucum(const Value& v) { empty = empty && v.ucum.empty(); }
  };
  template <class T>
  static bool is_empty(const T& noun) {
    if constexpr (std::is_same_v<T, Value>) {
      if (noun.kind != ValueKind::none) return false;
      Value as_number = noun;
      as_number.kind = ValueKind::number;  // `kind` is empty when none, which is not what the document leaves out
      return is_silent(as_number);
    } else if constexpr (std::is_same_v<T, Specimen>) {
      if (noun.present) return false;
      Specimen present = noun;
      present.present = true;
      return is_silent(present);
    } else {
      return is_silent(noun);
    }
  }
  template <class T>
  static bool is_silent(const T& noun) {
    Emptiness test;
    fields(test, noun);
    return test.empty;
  }

  Arena& arena_;
  char* from_;                             // where the document begins,
  char* to_;                               // where the next byte goes,
  char* end_;                              // and where what was taken ends
  Moment usual_;                           // the last one that its ISO text alone said
  const Observation* previous_ = nullptr;  // of the report being written
};

constexpr std::size_t usual_bytes = 8192;  // taken ahead

template <class T>
Text write_noun(Arena& arena, const T& noun) {
  EventWriter writer(arena, usual_bytes);
  writer.object(noun);
  return writer.finish();
}

}  // namespace

Text write_record(Arena& arena, const RecordId& id, const Draft& draft, const Part& part) {
  EventWriter writer(arena, usual_bytes);
  writer.start('{');
  writer("id", id);
  writer("source", draft.source);
  writer("times", draft.times);
  writer("mapVersion", draft.map_version);
  writer("issues", draft.issues.list());
  const auto further = static_cast<std::uint32_t>(draft.issues.total() - draft.issues.list().size());
  writer("issuesFurther", further, 0u);
  writer("subject", part.subject);
  writer("events", part.events);
  writer.end('}');
  return writer.finish();
}

Text write_subject(Arena& arena, const Subject& subject) {
  return write_noun(arena, subject);
}
Text write_report(Arena& arena, const Report& report) {
  return write_noun(arena, report);
}
Text write_encounter(Arena& arena, const Encounter& encounter) {
  return write_noun(arena, encounter);
}
Text write_order(Arena& arena, const Order& order) {
  return write_noun(arena, order);
}

}  // namespace hutong::model
