// Reading: the other half of event_json.h. RapidJSON parses a copy of the text in place in the Arena; the nouns then
// take views of its strings. Members come in the order in which they are written, so each is found where the last one
// ended; a document whose order differs (another version's, or edited by hand) is searched instead.
#include <rapidjson/document.h>
#include <rapidjson/error/en.h>

#include <charconv>

#include "broker/base/limits.h"
#include "broker/model/event_fields.h"
#include "broker/model/event_json.h"

namespace hutong::model {
namespace {

using namespace json;

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

Text view(const Json& value) {
  return value.IsString() ? Text(value.GetString(), value.GetStringLength()) : Text();
}

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
  if constexpr (std::is_same_v<E, EventKind>) return EventKind::exam_reported;
  if constexpr (std::is_same_v<E, Severity>) return Severity::error;
}

Timestamp time_of(Text text) {
  const auto span = parse_iso(text, 0);
  return span ? span->first : Timestamp{};
}

class EventReader {
 public:
  EventReader(Arena& arena, const Json& object, bool search, const Report* report = nullptr,
              const PreviousItem& previous = {})
      : arena_(arena),
        object_(object),
        at_(object.MemberBegin()),
        search_(search),
        report_(report),
        previous_(previous) {}

  // All members were met in order; else the object is to be read again by searching.
  bool done() const { return search_ || at_ == object_.MemberEnd(); }

  const Json* find(Text name) {
    if (search_) {
      const Json key(rapidjson::StringRef(name.data(), static_cast<rapidjson::SizeType>(name.size())));
      const auto found = object_.FindMember(key);
      return found == object_.MemberEnd() ? nullptr : &found->value;
    }
    if (at_ == object_.MemberEnd() || view(at_->name) != name) return nullptr;
    return &(at_++)->value;
  }

  void operator()(Text name, Text& value) {
    if (const Json* json = find(name)) value = view(*json);
  }
  void operator()(Text name, bool& value, bool usual) {
    const Json* json = find(name);
    value = json && json->IsBool() ? json->GetBool() : usual;
  }
  void operator()(Text name, std::uint32_t& value, std::uint32_t usual) {
    value = usual;
    if (const Json* json = find(name)) {
      const Text digits = view(*json);
      std::from_chars(digits.data(), digits.data() + digits.size(), value);
    }
  }
  template <class E>
    requires std::is_enum_v<E>
  void operator()(Text name, E& value, E usual) {
    const Json* json = find(name);
    value = json ? word(view(*json), last_of<E>(), usual) : usual;
  }
  template <class Tag>
  void operator()(Text name, HashId<Tag>& id) {
    if (const Json* json = find(name)) id = HashId<Tag>::from_hex(view(*json)).value_or(HashId<Tag>());
  }
  void operator()(Text name, Moment& moment) {
    if (const Json* json = find(name)) moment = read_moment(*json);
  }
  void operator()(Text name, Timestamp& time) {
    if (const Json* json = find(name)) time = time_of(view(*json));
  }
  void operator()(Text name, List<Text>& list) {
    if (const Json* json = array(name, list))
      for (const Json& each : json->GetArray()) list.push(arena_, view(each));
  }
  template <class T>
  void operator()(Text name, List<T>& list) {
    if (const Json* json = array(name, list))
      for (const Json& each : json->GetArray()) read(each, list.push(arena_));
  }
  void operator()(Text name, List<Observation>& list, const Report& report) {
    const Json* json = array(name, list);
    if (json == nullptr) return;
    PreviousItem previous;
    for (const Json& each : json->GetArray()) {
      Observation& item = list.push(arena_);
      read(each, item, &report, previous);
      previous = {item.code.system, item.path};
    }
  }
  const PreviousItem& previous() const { return previous_; }
  void repeated(Text name, Text& value, Text before) {
    value = before;
    (*this)(name, value);
  }
  void counted(Text name, Text& path, Text before) {
    if (const Json* json = find(name)) {
      path = view(*json);
      return;
    }
    char next[48];
    path = arena_.copy({next, next_path(before, next)});
  }
  void operator()(Text name, Report*& report) {
    const Json* json = find(name);
    if (json == nullptr || !json->IsObject()) return;
    report = arena_.make<Report>();
    read(*json, *report);
  }
  template <class T>
    requires std::is_class_v<T>
  void operator()(Text name, T& noun) {
    if (const Json* json = find(name)) read(*json, noun);
  }

  void mapping(Coded& c) {
    if (const Json* loinc = find("loinc")) {
      c.mapped_code = view(*loinc);
      c.mapped_system = loinc_system;
    } else if (const Json* mapped = find("mapped")) {
      c.mapped_code = view(*mapped);
      (*this)("mappedSystem", c.mapped_system);
    } else {
      return;
    }
    c.mapped_display = c.display;
    (*this)("mappedName", c.mapped_display);
  }
  void sent_value(Value& value) {
    (*this)("sentAs", value.sent_type, usual_type(value.kind));
    if (const Json* sent = find("sent")) {
      value.sent = view(*sent);
    } else if (value.kind == ValueKind::number) {
      value.sent = value.comparator.empty() ? value.number : arena_.concat({value.comparator, value.number});
    }
  }
  void ucum(Value& value) {
    value.ucum = value.unit;
    (*this)("ucum", value.ucum);
  }
  void interval(Interval& interval) {
    const Json* json = find("interval");
    if (json == nullptr) return;
    if (json->IsString()) {
      interval.sent = view(*json);
      bounds_of(interval.sent, interval.low, interval.high);
      return;
    }
    if (!json->IsObject()) return;
    EventReader inner(arena_, *json, true);
    inner("sent", interval.sent);
    inner("low", interval.low);
    inner("high", interval.high);
  }
  void inherited(Observation& o) {
    o.status = report_->status;
    o.status_sent = report_->status_sent;
    if (const Json* status = find("status")) {
      o.status = word(view(*status), ResultStatus::unknown, ResultStatus::unknown);
      o.status_sent = {};
      (*this)("statusSent", o.status_sent);
    }
    const Json* observed = find("observed");
    o.observed = observed ? read_moment(*observed) : report_->observed;
    const Json* performer = find("performer");
    o.performer = performer ? Party() : report_->performer;
    if (performer) read(*performer, o.performer);
  }

  template <class T>
  void read(const Json& json, T& noun, const Report* report = nullptr, const PreviousItem& previous = {}) {
    if (!json.IsObject()) return;
    {
      EventReader inner(arena_, json, false, report, previous);
      fields(inner, noun);
      if (inner.done()) return;
    }
    noun = T();
    EventReader inner(arena_, json, true, report, previous);
    fields(inner, noun);
  }

 private:
  template <class T>
  const Json* array(Text name, List<T>& list) {
    const Json* json = find(name);
    if (json == nullptr || !json->IsArray()) return nullptr;
    list.reserve(arena_, json->Size());
    return json;
  }
  Moment read_moment(const Json& json) {
    Moment moment;
    if (json.IsString()) {
      moment.iso = view(json);
      char digits[24];
      moment.sent = arena_.copy({digits, digits_of(moment.iso, digits)});
    } else if (json.IsObject()) {
      EventReader inner(arena_, json, true);
      inner("iso", moment.iso);
      inner("sent", moment.sent);
    }
    return moment;
  }

  Arena& arena_;
  const Json& object_;
  Json::ConstMemberIterator at_;
  const bool search_;
  const Report* report_;
  const PreviousItem previous_;
};

// Parses `json` and calls `take` with the whole of it. The document is an arena object too: nothing to free.
template <class Take>
Result<void> parse(std::string_view json, Arena& arena, std::string_view noun, Take take) {
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
  return take(static_cast<const Json&>(document));
}

template <class T>
Result<void> read_noun(std::string_view json, Arena& arena, std::string_view name, T& noun) {
  noun = T();
  return parse(json, arena, name, [&](const Json& document) -> Result<void> {
    EventReader(arena, document, true).read(document, noun);
    return {};
  });
}

}  // namespace

Result<void> read_record(std::string_view json, Arena& arena, RecordView& record) {
  record = RecordView();
  return parse(json, arena, "record", [&](const Json& document) -> Result<void> {
    for (const bool search : {false, true}) {
      record = RecordView();
      List<Issue> issues;
      std::uint32_t further = 0;
      EventReader reader(arena, document, search);
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
      if (reader.done()) break;
    }
    return {};
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

}  // namespace hutong::model
