#include "broker/model/delivery.h"

#include <rapidjson/memorystream.h>
#include <rapidjson/reader.h>

#include <algorithm>
#include <charconv>

#include "broker/model/json_document.h"

namespace hutong::model {
namespace {

constexpr std::uint8_t events_topic = 0;

// A reference is a text, which is short and reads well where an operator looks at the log.
void put(Out& out, const char* name, const std::vector<EventRef>& refs) {
  if (refs.empty()) return;
  out.open_list(name);
  for (const auto& ref : refs) out.element(to_string(ref));
  out.close_list();
}

// "0-1234.0@57": and its place.
void put_open(Out& out, const std::vector<OpenEvent>& open) {
  if (open.empty()) return;
  out.open_list("open");
  for (const auto& each : open) out.element(to_string(each.ref) + "@" + std::to_string(each.place));
  out.close_list();
}

void put(Out& out, const Stream& stream) {
  if (stream.replay) out.number("replay", stream.replay);
  if (stream.topic != events_topic) out.number("topic", stream.topic);
  out.number("partition", stream.partition);
}

void put(Out& out, const char* name, const std::vector<StreamCursor>& cursors) {
  out.open_list(name);
  for (const auto& cursor : cursors) {
    out.open();
    put(out, cursor.stream);
    out.number("next", static_cast<std::int64_t>(cursor.next));
    if (cursor.read != cursor.next) out.number("read", static_cast<std::int64_t>(cursor.read));
    out.close();
  }
  out.close_list();
}

void put_standing(Out& out, const SubscriberProgress& progress) {
  if (progress.term) out.number("term", static_cast<std::int64_t>(progress.term));
  if (progress.idle) out.flag("idle", true);
  put(out, "cursors", progress.cursors);
  put_open(out, progress.open);
  out.number("delivered", static_cast<std::int64_t>(progress.delivered));
  if (progress.refused) out.number("refused", static_cast<std::int64_t>(progress.refused));
  if (progress.broken) out.number("broken", static_cast<std::int64_t>(progress.broken));
  if (progress.numbers) out.number("numbers", static_cast<std::int64_t>(progress.numbers));
}

void put(Out& out, const HeldEvent& held) {
  out.open().text("event", to_string(held.ref)).text("state", to_string(held.state)).open_list("lanes");
  for (const auto& lane : held.lanes) out.element(lane);
  out.close_list().number("place", static_cast<std::int64_t>(held.place)).time("appended", held.appended);
  if (held.attempts) out.number("attempts", held.attempts);
  if (held.first_failed.micros) out.time("firstFailed", held.first_failed);
  if (held.last.micros) out.time("last", held.last);
  out.text("answer", held.answer).close();
}

Stream stream_of(const In& in) {
  return {static_cast<std::uint32_t>(in.number("replay", 0)),
          static_cast<std::uint8_t>(in.number("topic", events_topic)),
          static_cast<std::uint32_t>(in.number("partition", 0))};
}

// Whether everything that was there did read.
bool take(const In& in, const char* name, std::vector<EventRef>& refs) {
  bool good = true;
  in.each(name, [&](const rapidjson::Value& element) {
    const auto ref = element.IsString() ? event_ref_of({element.GetString(), element.GetStringLength()}) : std::nullopt;
    good = good && ref;
    if (ref) refs.push_back(*ref);
  });
  return good;
}

void take(const In& in, const char* name, std::vector<StreamCursor>& cursors) {
  in.each(name, [&](const rapidjson::Value& element) {
    if (!element.IsObject()) return;
    const In one(element);
    const auto next = one.number("next", 0);
    cursors.push_back(
        {stream_of(one), static_cast<std::uint64_t>(next), static_cast<std::uint64_t>(one.number("read", next))});
  });
}

bool take_standing(const In& in, SubscriberProgress& progress) {
  progress.term = static_cast<std::uint64_t>(in.number("term", 0));
  progress.idle = in.flag("idle").value_or(false);
  take(in, "cursors", progress.cursors);
  progress.delivered = static_cast<std::uint64_t>(in.number("delivered", 0));
  progress.refused = static_cast<std::uint64_t>(in.number("refused", 0));
  progress.broken = static_cast<std::uint64_t>(in.number("broken", 0));
  progress.numbers = static_cast<std::uint64_t>(in.number("numbers", 0));
  bool good = true;
  in.each("open", [&](const rapidjson::Value& element) {
    const std::string_view text =
        element.IsString() ? std::string_view(element.GetString(), element.GetStringLength()) : std::string_view();
    const auto at = std::min(text.find('@'), text.size());
    const auto ref = event_ref_of(text.substr(0, at));
    std::uint64_t place = 0;
    for (const char c : text.substr(std::min(at + 1, text.size())))
      place = place * 10 + static_cast<std::uint64_t>(c - '0');
    good = good && ref;
    if (ref) progress.open.push_back({*ref, place});
  });
  return good;
}

std::vector<std::string> texts_of(const rapidjson::Value& list) {
  std::vector<std::string> texts;
  for (const auto& element : list.GetArray()) {
    if (element.IsString()) texts.emplace_back(element.GetString(), element.GetStringLength());
  }
  return texts;
}

std::optional<HeldEvent> held_of(const rapidjson::Value& value) {
  if (!value.IsObject()) return std::nullopt;
  const In in(value);
  const auto ref = event_ref_of(in.text("event"));
  const auto state = held_state_of(in.text("state"));
  if (!ref || !state) return std::nullopt;
  HeldEvent held;
  held.ref = *ref;
  held.state = *state;
  if (const auto lanes = value.FindMember("lanes"); lanes != value.MemberEnd() && lanes->value.IsArray()) {
    held.lanes = texts_of(lanes->value);
  }
  held.place = static_cast<std::uint64_t>(in.number("place", 0));
  held.attempts = static_cast<std::uint32_t>(in.number("attempts", 0));
  held.appended = in.time("appended").value_or(Timestamp());
  held.first_failed = in.time("firstFailed").value_or(Timestamp());
  held.last = in.time("last").value_or(Timestamp());
  held.answer = in.text("answer");
  return held;
}

std::optional<SubscriberProgress> subscriber_of(const rapidjson::Value& value) {
  if (!value.IsObject()) return std::nullopt;
  const In in(value);
  SubscriberProgress progress;
  progress.name = in.text("name");
  bool good = !progress.name.empty() && take_standing(in, progress) && take(in, "released", progress.released);
  in.each("held", [&](const rapidjson::Value& element) {
    auto held = held_of(element);
    good = good && held;
    if (held) progress.held.push_back(std::move(*held));
  });
  in.each("done", [&](const rapidjson::Value& element) {
    if (!element.IsObject()) return;
    const In one(element);
    DoneEvent done;
    const auto ref = event_ref_of(one.text("event"));
    good = good && ref;
    if (!ref) return;
    done.ref = *ref;
    done.at = one.time("at").value_or(Timestamp());
    done.attempts = static_cast<std::uint32_t>(one.number("attempts", 1));
    done.answer = one.text("answer");
    done.discarded = one.flag("discarded").value_or(false);
    done.number = static_cast<std::uint64_t>(one.number("number", 0));
    progress.done.push_back(std::move(done));
  });
  in.each("replayed", [&](const rapidjson::Value& element) {
    if (element.IsUint()) progress.replayed.push_back(element.GetUint());
  });
  if (!good) return std::nullopt;
  return progress;
}

tl::unexpected<Error> broken() {
  return fail(ErrorCode::corrupt, "a record of deliveries does not read");
}

bool parse(rapidjson::Document& document, std::string_view json) {
  document.Parse<rapidjson::kParseIterativeFlag>(json.data(), json.size());
  return !document.HasParseError();
}

template <class Number>
bool take_number(std::string_view& text, Number& number) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc()) return false;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  return true;
}
bool take_mark(std::string_view& text, std::string_view mark) {
  if (!text.starts_with(mark)) return false;
  text.remove_prefix(mark.size());
  return true;
}

}  // namespace

std::string to_string(const EventRef& ref) {
  std::string text;
  if (ref.stream.topic != events_topic) text += std::to_string(ref.stream.topic) + ":";
  text += std::to_string(ref.stream.partition) + "-" + std::to_string(ref.offset) + "." + std::to_string(ref.ordinal);
  if (ref.stream.replay) text += "-r" + std::to_string(ref.stream.replay);
  return text;
}

std::optional<EventRef> event_ref_of(std::string_view text) {
  EventRef ref;
  if (const auto colon = text.find(':'); colon != std::string_view::npos) {
    if (!take_number(text, ref.stream.topic) || !take_mark(text, ":")) return std::nullopt;
  }
  if (!take_number(text, ref.stream.partition) || !take_mark(text, "-") || !take_number(text, ref.offset) ||
      !take_mark(text, ".") || !take_number(text, ref.ordinal)) {
    return std::nullopt;
  }
  if (!text.empty() && (!take_mark(text, "-r") || !take_number(text, ref.stream.replay))) return std::nullopt;
  if (!text.empty()) return std::nullopt;
  return ref;
}

std::string_view to_string(HeldState state) {
  switch (state) {
    case HeldState::behind: return "behind";
    case HeldState::retrying: return "retrying";
    case HeldState::dead: return "dead";
  }
  return "dead";
}

std::optional<HeldState> held_state_of(std::string_view text) {
  for (auto each : {HeldState::behind, HeldState::retrying, HeldState::dead}) {
    if (to_string(each) == text) return each;
  }
  return std::nullopt;
}

std::string_view to_string(DeliveryAction action) {
  switch (action) {
    case DeliveryAction::pause: return "pause";
    case DeliveryAction::resume: return "resume";
    case DeliveryAction::retry: return "retry";
    case DeliveryAction::discard: return "discard";
    case DeliveryAction::replay: return "replay";
  }
  return "pause";
}

std::optional<DeliveryAction> delivery_action_of(std::string_view text) {
  using enum DeliveryAction;
  for (auto each : {pause, resume, retry, discard, replay}) {
    if (to_string(each) == text) return each;
  }
  return std::nullopt;
}

std::uint32_t replay_number(const RecordId& command) {
  std::uint32_t number = 0;
  for (const char byte : command.view().substr(0, 4)) number = number << 8U | static_cast<unsigned char>(byte);
  return number | 1U;
}

std::string write(const DeliveryProgressed& progressed) {
  Out out;
  out.open().text("kind", delivery_progressed_kind).text("id", progressed.id.hex());
  out.text("log", progressed.log).number("term", static_cast<std::int64_t>(progressed.term)).time("at", progressed.at);
  put(out, "router", progressed.router);
  out.open_list("subscribers");
  for (const auto& one : progressed.subscribers) {
    out.open().text("name", one.name);
    put_standing(out, one);
    if (!one.held.empty()) {
      out.open_list("held");
      for (const auto& held : one.held) put(out, held);
      out.close_list();
    }
    put(out, "released", one.released);
    if (!one.done.empty()) {
      out.open_list("done");
      for (const auto& done : one.done) {
        out.open().text("event", to_string(done.ref)).time("at", done.at).text("answer", done.answer);
        if (done.attempts != 1) out.number("attempts", done.attempts);
        if (done.discarded) out.flag("discarded", true);
        if (done.number) out.number("number", static_cast<std::int64_t>(done.number));
        out.close();
      }
      out.close_list();
    }
    if (!one.replayed.empty()) {
      out.open_list("replayed");
      for (const auto number : one.replayed) out.number(nullptr, number);
      out.close_list();
    }
    out.close();
  }
  return out.close_list().close().take();
}

std::uint64_t read_term(std::string_view json) {
  struct UpToTerm : rapidjson::BaseReaderHandler<rapidjson::UTF8<>, UpToTerm> {
    bool Key(const char* text, rapidjson::SizeType size, bool) {
      next = std::string_view(text, size) == "term";
      return true;
    }
    bool whole(std::uint64_t value) {
      if (next) term = value;
      return !next;
    }
    bool Uint(unsigned value) { return whole(value); }
    bool Uint64(std::uint64_t value) { return whole(value); }
    bool next = false;
    std::uint64_t term = 0;
  } handler;
  rapidjson::MemoryStream stream(json.data(), json.size());
  rapidjson::Reader().Parse(stream, handler);
  return handler.term;
}

Result<DeliveryProgressed> read_delivery_progressed(std::string_view json) {
  rapidjson::Document document;
  if (!read_document(document, json, delivery_progressed_kind)) return broken();
  const In in(document);
  DeliveryProgressed progressed;
  const auto id = RecordId::from_hex(in.text("id"));
  if (!id) return broken();
  progressed.id = *id;
  progressed.log = in.text("log");
  progressed.term = static_cast<std::uint64_t>(in.number("term", 0));
  progressed.at = in.time("at").value_or(Timestamp());
  take(in, "router", progressed.router);
  bool good = true;
  in.each("subscribers", [&](const rapidjson::Value& element) {
    auto one = subscriber_of(element);
    good = good && one;
    if (one) progressed.subscribers.push_back(std::move(*one));
  });
  if (!good) return broken();
  return progressed;
}

std::string write(const DeliveryCommanded& commanded) {
  Out out;
  out.open().text("kind", delivery_commanded_kind).text("id", commanded.id.hex()).text("log", commanded.log);
  out.time("at", commanded.at).text("subscription", commanded.subscription).text("action", to_string(commanded.action));
  put(out, "letters", commanded.letters);
  out.text("reason", commanded.reason).text("by", commanded.by).text("client", commanded.client);
  if (!commanded.ranges.empty()) {
    out.open_list("ranges");
    for (const auto& range : commanded.ranges) {
      out.open();
      put(out, range.stream);
      out.number("from", static_cast<std::int64_t>(range.from))
          .number("to", static_cast<std::int64_t>(range.to))
          .close();
    }
    out.close_list();
  }
  return out.text("patient", commanded.patient).close().take();
}

namespace {
std::vector<DeliveryCommanded::Range> ranges_of(const In& in) {
  std::vector<DeliveryCommanded::Range> ranges;
  in.each("ranges", [&](const rapidjson::Value& element) {
    if (!element.IsObject()) return;
    const In one(element);
    ranges.push_back({stream_of(one), static_cast<std::uint64_t>(one.number("from", 0)),
                      static_cast<std::uint64_t>(one.number("to", 0))});
  });
  return ranges;
}
}  // namespace

Result<DeliveryCommanded> read_delivery_commanded(std::string_view json) {
  rapidjson::Document document;
  if (!read_document(document, json, delivery_commanded_kind)) return broken();
  const In in(document);
  DeliveryCommanded commanded;
  const auto id = RecordId::from_hex(in.text("id"));
  const auto action = delivery_action_of(in.text("action"));
  if (!id || !action || !take(in, "letters", commanded.letters)) return broken();
  commanded.id = *id;
  commanded.action = *action;
  commanded.log = in.text("log");
  commanded.at = in.time("at").value_or(Timestamp());
  commanded.subscription = in.text("subscription");
  commanded.reason = in.text("reason");
  commanded.by = in.text("by");
  commanded.client = in.text("client");
  commanded.ranges = ranges_of(in);
  commanded.patient = in.text("patient");
  return commanded;
}

std::string write_standing(const SubscriberProgress& progress) {
  Out out;
  out.open();
  put_standing(out, progress);
  return out.close().take();
}

Result<SubscriberProgress> read_standing(std::string_view json) {
  rapidjson::Document document;
  SubscriberProgress progress;
  if (!parse(document, json) || !document.IsObject() || !take_standing(In(document), progress)) return broken();
  return progress;
}

std::string write_ranges(const std::vector<DeliveryCommanded::Range>& ranges) {
  Out out;
  out.open().open_list("ranges");
  for (const auto& range : ranges) {
    out.open();
    put(out, range.stream);
    out.number("from", static_cast<std::int64_t>(range.from)).number("to", static_cast<std::int64_t>(range.to)).close();
  }
  return out.close_list().close().take();
}

Result<std::vector<DeliveryCommanded::Range>> read_ranges(std::string_view json) {
  rapidjson::Document document;
  if (!parse(document, json) || !document.IsObject()) return broken();
  return ranges_of(In(document));
}

std::string write_lanes(const std::vector<std::string>& lanes) {
  Out out;
  out.open_list(nullptr);
  for (const auto& lane : lanes) out.element(lane);
  return out.close_list().take();
}

Result<std::vector<std::string>> read_lanes(std::string_view json) {
  rapidjson::Document document;
  if (!parse(document, json) || !document.IsArray()) return broken();
  return texts_of(document);
}

}  // namespace hutong::model
