// Writing: half of event_json.h.
#include <rapidjson/writer.h>

#include <charconv>
#include <chrono>
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

// JSON into a StringBuffer: a member is one reservation and two copies. RapidJSON's Writer checks each character twice,
// reserves six bytes for each and keeps a stack of levels, which is half of what a message costs here; it still writes
// what needs escapes.
class EventWriter {
 public:
  explicit EventWriter(rapidjson::StringBuffer& out) : out_(out) {}

  void start(char bracket) {
    if (comma_) out_.Put(',');
    out_.Put(bracket);
    comma_ = false;
  }
  void end(char bracket) {
    out_.Put(bracket);
    comma_ = true;
  }
  void key(Text name) {
    char* to = out_.Push(name.size() + 3 + (comma_ ? 1 : 0));
    if (comma_) *to++ = ',';
    put_key(to, name);
    comma_ = false;
  }
  void text(Text value) {
    if (is_plain(value)) {
      plain(value);
      return;
    }
    if (comma_) out_.Put(',');
    rapidjson::Writer<rapidjson::StringBuffer>(out_).String(value.data(),
                                                            static_cast<rapidjson::SizeType>(value.size()));
    comma_ = true;
  }
  // What needs no escape.
  void plain(Text value) {
    char* to = out_.Push(value.size() + 2 + (comma_ ? 1 : 0));
    if (comma_) *to++ = ',';
    put_text(to, value);
    comma_ = true;
  }
  void plain_member(Text name, Text value) {
    char* to = out_.Push(name.size() + value.size() + 5 + (comma_ ? 1 : 0));
    if (comma_) *to++ = ',';
    put_text(put_key(to, name), value);
    comma_ = true;
  }
  void word(Text name, Text bare) {  // true, 12
    key(name);
    std::memcpy(out_.Push(bare.size()), bare.data(), bare.size());
    comma_ = true;
  }

  // Members that are not said are not written.
  void operator()(Text name, Text value) {
    if (!value.empty()) always(name, value);
  }
  void always(Text name, Text value) {
    if (is_plain(value)) {
      plain_member(name, value);
    } else {
      key(name);
      text(value);
    }
  }
  void operator()(Text name, bool value, bool usual) {
    if (value != usual) word(name, value ? "true" : "false");
  }
  void operator()(Text name, std::uint32_t value, std::uint32_t usual) {
    if (value == usual) return;
    char digits[12];
    const char* end = std::to_chars(digits, digits + sizeof digits, value).ptr;
    word(name, {digits, static_cast<std::size_t>(end - digits)});
  }
  template <class E>
    requires std::is_enum_v<E>
  void operator()(Text name, E value, E usual) {
    if (value != usual) plain_member(name, to_string(value));
  }
  template <class Tag>
  void operator()(Text name, const HashId<Tag>& id) {
    if (id.empty()) return;
    char hex[32];
    for (std::size_t i = 0; i < 16; ++i) {
      const auto byte = static_cast<unsigned char>(id.view()[i]);
      hex[2 * i] = "0123456789abcdef"[byte >> 4];
      hex[2 * i + 1] = "0123456789abcdef"[byte & 15];
    }
    plain_member(name, {hex, sizeof hex});
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
    start('[');
    for (Text each : list) text(each);
    end(']');
  }
  template <class T>
  void operator()(Text name, const List<T>& list) {
    if (list.empty()) return;
    key(name);
    start('[');
    for (const T& each : list) object(each);
    end(']');
  }
  void operator()(Text name, const List<Observation>& list, const Report& report) {
    if (list.empty()) return;
    report_ = &report;
    previous_ = {};
    key(name);
    start('[');
    for (const Observation& each : list) {
      object(each);
      previous_ = {each.code.system, each.path};
    }
    end(']');
  }
  const PreviousItem& previous() const { return previous_; }
  void repeated(Text name, Text value, Text before) {
    if (value != before) always(name, value);
  }
  void counted(Text name, Text path, Text before) {
    char next[48];
    if (path != Text(next, next_path(before, next))) always(name, path);
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
    start('{');
    (*this)("sent", interval.sent);
    (*this)("low", interval.low);
    (*this)("high", interval.high);
    end('}');
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
    start('{');
    fields(*this, noun);
    end('}');
  }
  void write(const Moment& moment) {
    char digits[24];
    if (const std::size_t size = digits_of(moment.iso, digits);
        (size != 0 && Text(digits, size) == moment.sent) || (moment.iso.empty() && moment.sent.empty())) {
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
  static char* put_text(char* to, Text value) {
    *to++ = '"';
    if (!value.empty()) std::memcpy(to, value.data(), value.size());
    to[value.size()] = '"';
    return to + value.size() + 1;
  }
  static char* put_key(char* to, Text name) {
    to = put_text(to, name);
    *to++ = ':';
    return to;
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

  rapidjson::StringBuffer& out_;
  bool comma_ = false;  // one is due before what comes next
  const Report* report_ = nullptr;
  PreviousItem previous_;
};

template <class T>
void write_noun(rapidjson::StringBuffer& out, const T& noun) {
  EventWriter writer(out);
  writer.object(noun);
}

}  // namespace

void write_record(rapidjson::StringBuffer& out, const RecordId& id, const Draft& draft, const Part& part) {
  EventWriter writer(out);
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
