// Reading: the other half of event_json.h. What we wrote ourselves has its members in the order of event_fields.h,
// without blanks: it is read straight from its bytes, each member where the last one ended, and texts are views of
// them. Anything else (another version's document, or one edited by hand) stops that reading; RapidJSON then parses it
// in the Arena, and members are searched by name.
#include <rapidjson/document.h>
#include <rapidjson/error/en.h>

#include <charconv>

#include "broker/base/limits.h"
#include "broker/model/event_fields.h"
#include "broker/model/event_json.h"

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

namespace hutong::model {
namespace {

using namespace json;

// --- the two sources of members
// --------------------------------------------------------------------------------------- find(name) makes a member's
// value the current one; the others read the current value. What is not as it should be reads as nothing.

// Document bytes in the written order. Whatever differs fails the whole: nothing that was read counts then.
class WrittenOrder {
 public:
  struct Place {
    const char* at;
    const char* end;
    Arena& arena;
    bool failed = false;
  };
  explicit WrittenOrder(Place& place) : place_(&place) {}

  template <std::size_t N>
  bool find(const char (&name)[N]) {
    const char* at = place_->at;
    if (static_cast<std::size_t>(place_->end - at) < N + 2 || at[0] != '"' || at[N] != '"' || at[N + 1] != ':' ||
        std::memcmp(at + 1, name, N - 1) != 0)
      return false;
    place_->at = at + N + 2;
    return true;
  }
  bool is_text() const { return place_->at != place_->end && *place_->at == '"'; }
  bool is_object() const { return place_->at != place_->end && *place_->at == '{'; }

  Text text() {
    if (!skip('"')) return {};
    const char* from = place_->at;
    const char* at = until_special(from);
    if (at != place_->end && *at == '\\') return escaped(from, at);
    place_->at = at;
    if (!skip('"')) return {};
    ended();
    return {from, static_cast<std::size_t>(at - from)};
  }
  Text number() {
    const char* from = place_->at;
    while (place_->at != place_->end && *place_->at >= '0' && *place_->at <= '9') ++place_->at;
    const Text digits(from, static_cast<std::size_t>(place_->at - from));
    if (digits.empty()) fail();
    ended();
    return digits;
  }
  bool boolean(bool) {
    const Text rest(place_->at, static_cast<std::size_t>(place_->end - place_->at));
    const bool yes = rest.starts_with("true");
    if (!yes && !rest.starts_with("false")) return fail();
    place_->at += yes ? 4 : 5;
    ended();
    return yes;
  }
  template <class Members>
  void object(Members members) {
    if (!skip('{')) return;
    members(*this);
    close('}');
  }
  // How many elements there are shows at their end only: the list grows by itself.
  template <class Room, class Element>
  void array(Room, Element element) {
    if (!skip('[')) return;
    while (!place_->failed && place_->at != place_->end && *place_->at != ']') element(*this);
    close(']');
  }

 private:
  bool fail() {
    place_->failed = true;
    place_->at = place_->end;  // nothing is found any more
    return false;
  }
  bool skip(char c) {
    if (place_->at == place_->end || *place_->at != c) return fail();
    ++place_->at;
    return true;
  }
  void close(char bracket) {
    if (place_->failed) return;
    if (place_->at[-1] == ',' || !skip(bracket)) {
      fail();  // a comma before the bracket, or a member that stands elsewhere
      return;
    }
    ended();
  }
  void ended() {
    if (place_->at != place_->end && *place_->at == ',') ++place_->at;
  }
  const char* until_special(const char* at) const {
    const char* end = place_->end;
#if defined(__SSE2__)
    const __m128i control = _mm_set1_epi8(0x1F), quote = _mm_set1_epi8('"'), backslash = _mm_set1_epi8('\\');
    for (; end - at >= 16; at += 16) {
      const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(at));
      const __m128i found = _mm_or_si128(_mm_cmpeq_epi8(_mm_min_epu8(bytes, control), bytes),
                                         _mm_or_si128(_mm_cmpeq_epi8(bytes, quote), _mm_cmpeq_epi8(bytes, backslash)));
      if (const int mask = _mm_movemask_epi8(found); mask != 0) return at + __builtin_ctz(static_cast<unsigned>(mask));
    }
#endif
    while (at != end && *at != '"' && *at != '\\' && static_cast<unsigned char>(*at) >= 0x20) ++at;
    return at;
  }
  // The escapes that EventWriter makes; `at` is the first one.
  Text escaped(const char* from, const char* at) {
    const char* end = at;
    while (end != place_->end && *end != '"') end += *end == '\\' && place_->end - end > 1 ? 2 : 1;
    char* const text = static_cast<char*>(place_->arena.allocate(static_cast<std::size_t>(end - from) + 1, 1));
    std::memcpy(text, from, static_cast<std::size_t>(at - from));
    char* to = text + (at - from);
    while (at != end) {
      if (*at != '\\') {
        if (static_cast<unsigned char>(*at) < 0x20) return fail(), Text();
        *to++ = *at++;
        continue;
      }
      if (end - at < 2) return fail(), Text();
      switch (at[1]) {
        case 'b': *to++ = '\b'; break;
        case 'f': *to++ = '\f'; break;
        case 'n': *to++ = '\n'; break;
        case 'r': *to++ = '\r'; break;
        case 't': *to++ = '\t'; break;
        case '"':
        case '\\': *to++ = at[1]; break;
        case 'u': {
          unsigned code = 0;
          if (end - at < 6 || std::from_chars(at + 2, at + 6, code, 16).ptr != at + 6 || code >= 0x80)
            return fail(), Text();
          *to++ = static_cast<char>(code);
          at += 4;
          break;
        }
        default: return fail(), Text();
      }
      at += 2;
    }
    place_->at = end;
    if (!skip('"')) return {};
    ended();
    return {text, static_cast<std::size_t>(to - text)};
  }

  Place* place_;
};

// RapidJSON's memory, taken from the message's Arena.
class ArenaAllocator {
 public:
  static const bool kNeedFree = false;
  ArenaAllocator() = default;  // RapidJSON asks for it where none is given; never used
  explicit ArenaAllocator(Arena& arena) : arena_(&arena) {}
  void* Malloc(std::size_t size) { return size ? arena_->allocate(size, 8) : nullptr; }
  void* Realloc(void* from, std::size_t old_size, std::size_t new_size) {
    if (new_size == 0) return nullptr;
    if (from != nullptr && new_size <= old_size) return from;
    void* to = Malloc(new_size);
    if (old_size) std::memcpy(to, from, old_size);
    return to;
  }
  static void Free(void*) {}

 private:
  Arena* arena_ = nullptr;
};

using Document = rapidjson::GenericDocument<rapidjson::UTF8<>, ArenaAllocator, ArenaAllocator>;
using Json = Document::ValueType;

// Passes what the parser says on to the document, and stops it below limits::json_depth.
class DepthLimit {
 public:
  explicit DepthLimit(Document& document) : to_(document) {}
  bool Null() { return to_.Null(); }
  bool Bool(bool b) { return to_.Bool(b); }
  bool Int(int i) { return to_.Int(i); }
  bool Uint(unsigned i) { return to_.Uint(i); }
  bool Int64(std::int64_t i) { return to_.Int64(i); }
  bool Uint64(std::uint64_t i) { return to_.Uint64(i); }
  bool Double(double d) { return to_.Double(d); }
  bool RawNumber(const char* s, rapidjson::SizeType n, bool copy) { return to_.RawNumber(s, n, copy); }
  bool String(const char* s, rapidjson::SizeType n, bool copy) { return to_.String(s, n, copy); }
  bool Key(const char* s, rapidjson::SizeType n, bool copy) { return to_.Key(s, n, copy); }
  bool StartObject() { return ++depth_ <= limits::json_depth && to_.StartObject(); }
  bool EndObject(rapidjson::SizeType n) { return --depth_, to_.EndObject(n); }
  bool StartArray() { return ++depth_ <= limits::json_depth && to_.StartArray(); }
  bool EndArray(rapidjson::SizeType n) { return --depth_, to_.EndArray(n); }

 private:
  Document& to_;
  std::size_t depth_ = 0;
};

struct Generator {
  rapidjson::InsituStringStream& stream;
  rapidjson::Reader& reader;
  bool operator()(Document& document) {
    // Recursive, which is faster than RapidJSON's iterative parser and no deeper than DepthLimit lets it go.
    constexpr unsigned flags = rapidjson::kParseInsituFlag | rapidjson::kParseNumbersAsStringsFlag;
    DepthLimit limited(document);
    return !reader.Parse<flags>(stream, limited).IsError();
  }
};

// A parsed document, in whatever order its members stand.
class Searched {
 public:
  explicit Searched(const Json& value) : value_(&value) {}

  bool find(Text name) {
    const Json key(rapidjson::StringRef(name.data(), static_cast<rapidjson::SizeType>(name.size())));
    const auto found = object_->FindMember(key);
    if (found == object_->MemberEnd()) return false;
    value_ = &found->value;
    return true;
  }
  bool is_text() const { return value_->IsString(); }
  bool is_object() const { return value_->IsObject(); }
  Text text() { return value_->IsString() ? Text(value_->GetString(), value_->GetStringLength()) : Text(); }
  Text number() { return text(); }  // parsed as text, see Generator
  bool boolean(bool usual) { return value_->IsBool() ? value_->GetBool() : usual; }
  template <class Members>
  void object(Members members) {
    if (!value_->IsObject()) return;
    Searched inner(*value_);
    inner.object_ = value_;
    members(inner);
  }
  template <class Room, class Element>
  void array(Room room, Element element) {
    if (!value_->IsArray()) return;
    room(value_->Size());
    for (const Json& each : value_->GetArray()) {
      Searched inner(each);
      element(inner);
    }
  }

 private:
  const Json* value_;
  const Json* object_ = nullptr;
};

// --- members into nouns ----------------------------------------------------------------------------------------------

template <class E>
E word(Text text, E last, E usual) {
  for (int i = 0; i <= static_cast<int>(last); ++i)
    if (to_string(static_cast<E>(i)) == text) return static_cast<E>(i);
  return usual;  // a later version's word: unknown is better than lost
}
template <class E>
constexpr E last_of() {
  if constexpr (std::is_same_v<E, IdentifierKind>) return IdentifierKind::other;
  if constexpr (std::is_same_v<E, Sex>) return Sex::other;
  if constexpr (std::is_same_v<E, ResultStatus>) return ResultStatus::unknown;
  if constexpr (std::is_same_v<E, ValueKind>) return ValueKind::attachment;
  if constexpr (std::is_same_v<E, SentType>) return SentType::attachment;
  if constexpr (std::is_same_v<E, EncounterStatus>) return EncounterStatus::unknown;
  if constexpr (std::is_same_v<E, EncounterClass>) return EncounterClass::virtual_visit;
  if constexpr (std::is_same_v<E, OrderStatus>) return OrderStatus::unknown;
  if constexpr (std::is_same_v<E, Priority>) return Priority::stat;
  if constexpr (std::is_same_v<E, EventKind>) return EventKind::referral_told;
  if constexpr (std::is_same_v<E, Severity>) return Severity::error;
}

Timestamp time_of(Text text) {
  const auto span = parse_iso(text, 0);
  return span ? span->first : Timestamp{};
}

// The visitor of event_fields.h, for one object.
template <class Source>
class EventReader {
 public:
  EventReader(Arena& arena, Source& source, const Observation* previous = nullptr)
      : arena_(arena), in_(source), previous_(previous) {}

  template <std::size_t N>
  void operator()(const char (&name)[N], Text& value) {
    if (in_.find(name)) value = in_.text();
  }
  template <std::size_t N>
  void operator()(const char (&name)[N], bool& value, bool usual) {
    value = in_.find(name) ? in_.boolean(usual) : usual;
  }
  template <std::size_t N>
  void operator()(const char (&name)[N], std::uint32_t& value, std::uint32_t usual) {
    value = usual;
    if (!in_.find(name)) return;
    const Text digits = in_.number();
    std::from_chars(digits.data(), digits.data() + digits.size(), value);
  }
  template <std::size_t N, class E>
    requires std::is_enum_v<E>
  void operator()(const char (&name)[N], E& value, E usual) {
    value = in_.find(name) ? word(in_.text(), last_of<E>(), usual) : usual;
  }
  template <std::size_t N, class Tag>
  void operator()(const char (&name)[N], HashId<Tag>& id) {
    if (in_.find(name)) id = HashId<Tag>::from_hex(in_.text()).value_or(HashId<Tag>());
  }
  template <std::size_t N>
  void operator()(const char (&name)[N], Moment& moment) {
    if (in_.find(name)) moment = read_moment();
  }
  template <std::size_t N>
  void operator()(const char (&name)[N], Timestamp& time) {
    if (in_.find(name)) time = time_of(in_.text());
  }
  template <std::size_t N>
  void operator()(const char (&name)[N], List<Text>& list) {
    if (!in_.find(name)) return;
    in_.array([&](std::size_t count) { list.reserve(arena_, static_cast<std::uint32_t>(count)); },
              [&](Source& each) { list.push(arena_, each.text()); });
  }
  template <std::size_t N, class T>
  void operator()(const char (&name)[N], List<T>& list) {
    if (!in_.find(name)) return;
    in_.array([&](std::size_t count) { list.reserve(arena_, static_cast<std::uint32_t>(count)); },
              [&](Source& each) { read(each, list.push(arena_)); });
  }
  template <std::size_t N>
  void operator()(const char (&name)[N], List<Observation>& list, const Report& report) {
    if (!in_.find(name)) return;
    const Observation first = before_items(report);
    const Observation* previous = &first;  // stays readable when the list moves: the arena keeps what was
    in_.array([&](std::size_t count) { list.reserve(arena_, static_cast<std::uint32_t>(count)); },
              [&](Source& each) {
                Observation& item = list.push(arena_);
                read(each, item, previous);
                previous = &item;
              });
  }
  const Observation& previous() const { return *previous_; }
  template <std::size_t N>
  void repeated(const char (&name)[N], Text& value, Text before) {
    value = before;
    (*this)(name, value);
  }
  template <std::size_t N>
  void counted(const char (&name)[N], Text& path, Text before) {
    if (in_.find(name)) {
      path = in_.text();
      return;
    }
    char next[48];
    path = arena_.copy({next, next_path(before, next)});
  }
  template <std::size_t N, class T>
  void operator()(const char (&name)[N], T*& noun) {
    if (!in_.find(name) || !in_.is_object()) return;
    noun = arena_.make<T>();
    read(in_, *noun);
  }
  template <std::size_t N, class T>
    requires std::is_class_v<T>
  void operator()(const char (&name)[N], T& noun) {
    if (in_.find(name)) read(in_, noun);
  }

  void mapping(Coded& c) {
    if (in_.find("loinc")) {
      c.mapped_code = in_.text();
      c.mapped_system = loinc_system;
    } else if (in_.find("mapped")) {
      c.mapped_code = in_.text();
      (*this)("mappedSystem", c.mapped_system);
    } else {
      return;
    }
    c.mapped_display = c.display;
    (*this)("mappedName", c.mapped_display);
  }
  void sent_value(Value& value) {
    (*this)("sentAs", value.sent_type, usual_type(value.kind));
    if (in_.find("sent")) {
      value.sent = in_.text();
    } else if (value.kind == ValueKind::number) {
      value.sent = value.comparator.empty() ? value.number : arena_.concat({value.comparator, value.number});
    }
  }
  void ucum(Value& value) {
    value.ucum = value.unit;
    (*this)("ucum", value.ucum);
  }
  void interval(Interval& interval) {
    if (!in_.find("interval")) return;
    if (in_.is_text()) {
      interval.sent = in_.text();
      bounds_of(interval.sent, interval.low, interval.high);
      return;
    }
    in_.object([&](Source& members) {
      EventReader inner(arena_, members);
      inner("sent", interval.sent);
      inner("low", interval.low);
      inner("high", interval.high);
    });
  }
  void inherited(Observation& o, const Observation& before) {
    o.status = before.status;
    o.status_sent = before.status_sent;
    if (in_.find("status")) {
      o.status = word(in_.text(), ResultStatus::unknown, ResultStatus::unknown);
      o.status_sent = {};
      (*this)("statusSent", o.status_sent);
    }
    o.observed = in_.find("observed") ? read_moment() : before.observed;
    if (in_.find("performer")) {
      read(in_, o.performer);
    } else {
      o.performer = before.performer;
    }
  }

  // The current value of `source`.
  template <class T>
  void read(Source& source, T& noun, const Observation* previous = nullptr) {
    source.object([&](Source& members) {
      EventReader inner(arena_, members, previous);
      fields(inner, noun);
    });
  }

 private:
  Moment read_moment() {
    Moment moment;
    if (in_.is_text()) {
      moment.iso = in_.text();
      char digits[24];
      moment.sent = arena_.copy({digits, digits_of(moment.iso, digits)});
      return moment;
    }
    in_.object([&](Source& members) {
      EventReader inner(arena_, members);
      inner("iso", moment.iso);
      inner("sent", moment.sent);
    });
    return moment;
  }

  Arena& arena_;
  Source& in_;
  const Observation* previous_;  // of an item: the one before it
};

// Hands the document's members to `take`, which begins anew each time: as written, else as RapidJSON parses it.
// The parsed document is an arena object too: nothing to free.
template <class Take>
Result<void> read_document(std::string_view json, Arena& arena, std::string_view noun, Take take) {
  {
    WrittenOrder::Place place{json.data(), json.data() + json.size(), arena};
    WrittenOrder source(place);
    source.object([&](WrittenOrder& members) {
      EventReader reader(arena, members);
      take(reader);
    });
    if (!place.failed && place.at == place.end) return {};
  }
  char* copy = static_cast<char*>(arena.allocate(json.size() + 1, 1));
  if (!json.empty()) std::memcpy(copy, json.data(), json.size());
  copy[json.size()] = '\0';
  ArenaAllocator allocator(arena);
  Document document(&allocator, 2048, &allocator);
  rapidjson::InsituStringStream stream(copy);
  rapidjson::Reader reader;
  Generator generator{stream, reader};
  document.Populate(generator);
  const auto corrupt = [&](std::size_t offset, std::string_view why) {
    return fail(ErrorCode::corrupt, "stored " + std::string(noun) + " document, byte " + std::to_string(offset) + ": " +
                                        std::string(why) + " (renormalize or rebuild it)");
  };
  if (reader.HasParseError()) {
    if (reader.GetParseErrorCode() == rapidjson::kParseErrorTermination)
      return corrupt(reader.GetErrorOffset(), "nested deeper than " + std::to_string(limits::json_depth));
    return corrupt(reader.GetErrorOffset(), rapidjson::GetParseError_En(reader.GetParseErrorCode()));
  }
  if (!document.IsObject()) return corrupt(0, "not an object");
  Searched source(document);
  source.object([&](Searched& members) {
    EventReader searching(arena, members);
    take(searching);
  });
  return {};
}

template <class T>
Result<void> read_noun(std::string_view json, Arena& arena, std::string_view name, T& noun) {
  return read_document(json, arena, name, [&](auto& reader) {
    noun = T();
    fields(reader, noun);
  });
}

}  // namespace

Result<void> read_record(std::string_view json, Arena& arena, RecordView& record) {
  record = RecordView();
  return read_document(json, arena, "record", [&](auto& reader) {
    record = RecordView();
    List<Issue> issues;
    std::uint32_t further = 0;
    reader("id", record.id);
    reader("source", record.source);
    reader("times", record.times);
    reader("mapVersion", record.map_version);
    reader("issues", issues);
    reader("issuesFurther", further, 0u);
    reader("subject", record.subject);
    reader("events", record.events);
    for (const Issue& issue : issues) record.issues.add(arena, issue);
    record.issues.count_further(further);
  });
}

Result<void> read_subject(std::string_view json, Arena& arena, Subject& subject) {
  return read_noun(json, arena, "subject", subject);
}
Result<void> read_report(std::string_view json, Arena& arena, Report& report) {
  return read_noun(json, arena, "report", report);
}
Result<void> read_encounter(std::string_view json, Arena& arena, Encounter& encounter) {
  return read_noun(json, arena, "encounter", encounter);
}
Result<void> read_order(std::string_view json, Arena& arena, Order& order) {
  return read_noun(json, arena, "order", order);
}

}  // namespace hutong::model
