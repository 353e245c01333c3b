// Writing: half of event_json.h. RapidJSON's Writer, with a short cut for texts that need no escape (nearly all) and
// for keys: its own path looks at each character twice and reserves six bytes for each.
#include <rapidjson/writer.h>

#include <charconv>
#include <cstring>

#include "broker/model/event_fields.h"
#include "broker/model/event_json.h"

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

bool is_plain(Text text) {
  std::size_t i = 0;
  std::uint64_t word;
  for (; i + 8 <= text.size(); i += 8) {
    std::memcpy(&word, text.data() + i, 8);
    if (needs_escape(word)) return false;
  }
  for (; i < text.size(); ++i) {
    const auto c = static_cast<unsigned char>(text[i]);
    if (c < 0x20 || c == '"' || c == '\\') return false;
  }
  return true;
}

using Base = rapidjson::Writer<rapidjson::StringBuffer, rapidjson::UTF8<>, rapidjson::UTF8<>, rapidjson::CrtAllocator,
                               rapidjson::kWriteNoFlags>;

class EventWriter : public Base {
 public:
  explicit EventWriter(rapidjson::StringBuffer& out) : Base(out, nullptr, 16) {}

  void key(Text name) { quoted(name); }
  void text(Text value) {
    if (is_plain(value)) {
      quoted(value);
    } else {
      String(value.data(), static_cast<rapidjson::SizeType>(value.size()));
    }
  }

  // Members that are not said are not written.
  void operator()(Text name, Text value) {
    if (!value.empty()) always(name, value);
  }
  void always(Text name, Text value) {
    key(name);
    text(value);
  }
  void operator()(Text name, bool value, bool usual) {
    if (value == usual) return;
    key(name);
    Bool(value);
  }
  void operator()(Text name, std::uint32_t value, std::uint32_t usual) {
    if (value == usual) return;
    key(name);
    Uint(value);
  }
  template <class E>
    requires std::is_enum_v<E>
  void operator()(Text name, E value, E usual) {
    if (value == usual) return;
    key(name);
    quoted(to_string(value));
  }
  template <class Tag>
  void operator()(Text name, const HashId<Tag>& id) {
    if (id.empty()) return;
    key(name);
    char hex[32];
    for (std::size_t i = 0; i < 16; ++i) {
      const auto byte = static_cast<unsigned char>(id.view()[i]);
      hex[2 * i] = "0123456789abcdef"[byte >> 4];
      hex[2 * i + 1] = "0123456789abcdef"[byte & 15];
    }
    quoted({hex, sizeof hex});
  }
  void operator()(Text name, const Moment& moment) {
    if (moment.iso.empty() && moment.sent.empty()) return;
    key(name);
    write(moment);
  }
  void operator()(Text name, Timestamp time) {
    if (time.micros == 0) return;
    key(name);
    write(time);
  }
  void operator()(Text name, const List<Text>& list) {
    if (list.empty()) return;
    key(name);
    StartArray();
    for (Text each : list) text(each);
    EndArray();
  }
  template <class T>
  void operator()(Text name, const List<T>& list) {
    if (list.empty()) return;
    key(name);
    StartArray();
    for (const T& each : list) object(each);
    EndArray();
  }
  void operator()(Text name, const List<Observation>& list, const Report& report) {
    report_ = &report;
    (*this)(name, list);
  }
  void operator()(Text name, const Report* report) {
    if (report == nullptr) return;
    key(name);
    object(*report);
  }
  template <class T>
    requires std::is_class_v<T>
  void operator()(Text name, const T& noun) {
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
    if (c.mapped_display != c.display) always("mappedName", c.mapped_display);
  }
  void sent_value(const Value& value) {
    (*this)("sentAs", value.sent_type, usual_type(value.kind));
    if (value.kind == ValueKind::number) {
      const std::size_t split = value.comparator.size();
      if (value.sent.size() == split + value.number.size() && value.sent.substr(0, split) == value.comparator &&
          value.sent.substr(split) == value.number)
        return;
      always("sent", value.sent);
    } else {
      (*this)("sent", value.sent);
    }
  }
  void ucum(const Value& value) {
    if (value.ucum != value.unit) always("ucum", value.ucum);
  }
  void interval(const Interval& interval) {
    if (interval.sent.empty() && interval.low.empty() && interval.high.empty()) return;
    key("interval");
    Text low, high;
    bounds_of(interval.sent, low, high);
    if (!interval.sent.empty() && low == interval.low && high == interval.high) {
      text(interval.sent);
      return;
    }
    StartObject();
    (*this)("sent", interval.sent);
    (*this)("low", interval.low);
    (*this)("high", interval.high);
    EndObject();
  }
  void inherited(const Observation& o) {
    if (o.status != report_->status || o.status_sent != report_->status_sent) {
      always("status", to_string(o.status));
      (*this)("statusSent", o.status_sent);
    }
    if (o.observed.iso != report_->observed.iso || o.observed.sent != report_->observed.sent) {
      key("observed");
      write(o.observed);
    }
    const Party &own = o.performer, &its = report_->performer;
    if (own.code != its.code || own.name != its.name || own.system != its.system) {
      key("performer");
      object(own);
    }
  }

  template <class T>
  void object(const T& noun) {
    StartObject();
    fields(*this, noun);
    EndObject();
  }
  void write(const Moment& moment) {
    char digits[24];
    if (const std::size_t size = digits_of(moment.iso, digits);
        (size != 0 && Text(digits, size) == moment.sent) || (moment.iso.empty() && moment.sent.empty())) {
      text(moment.iso);
      return;
    }
    StartObject();
    (*this)("iso", moment.iso);
    (*this)("sent", moment.sent);
    EndObject();
  }
  // Microseconds, which to_iso does not say: what is read back must be what was written.
  void write(Timestamp time) {
    std::int64_t seconds = time.micros / 1'000'000, micros = time.micros % 1'000'000;
    if (micros < 0) {
      micros += 1'000'000;
      --seconds;
    }
    char text[28];
    const std::string whole = to_iso({seconds * 1'000'000});
    std::memcpy(text, whole.data(), 20);  // "2026-01-02T03:04:05."
    for (std::size_t i = 26; i-- > 20; micros /= 10) text[i] = static_cast<char>('0' + micros % 10);
    text[26] = 'Z';
    quoted({text, 27});
  }

 private:
  // What needs no escape.
  void quoted(Text plain) {
    Prefix(rapidjson::kStringType);
    char* to = os_->Push(plain.size() + 2);
    *to = '"';
    std::memcpy(to + 1, plain.data(), plain.size());
    to[plain.size() + 1] = '"';
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

  const Report* report_ = nullptr;
};

template <class T>
void write_noun(rapidjson::StringBuffer& out, const T& noun) {
  EventWriter writer(out);
  writer.object(noun);
}

}  // namespace

void write_record(rapidjson::StringBuffer& out, const RecordId& id, const Draft& draft, const Part& part) {
  EventWriter writer(out);
  writer.StartObject();
  writer("id", id);
  writer("source", draft.source);
  writer("times", draft.times);
  writer("mapVersion", draft.map_version);
  writer("issues", draft.issues.list());
  const auto further = static_cast<std::uint32_t>(draft.issues.total() - draft.issues.list().size());
  writer("issuesFurther", further, 0u);
  writer("subject", part.subject);
  writer("events", part.events);
  writer.EndObject();
}

void write_subject(rapidjson::StringBuffer& out, const Subject& subject) {
  write_noun(out, subject);
}
void write_report(rapidjson::StringBuffer& out, const Report& report) {
  write_noun(out, report);
}
void write_encounter(rapidjson::StringBuffer& out, const Encounter& encounter) {
  write_noun(out, encounter);
}

}  // namespace hutong::model
