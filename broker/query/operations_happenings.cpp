// What has just happened to referrals, critical values and recognition, as it may be shown to whoever operates: which
// and when and what became of it, nobody's patient, practitioner or result.
#include <rapidjson/stringbuffer.h>
#include <rapidjson/writer.h>

#include "broker/model/critical.h"
#include "broker/model/recognition.h"
#include "broker/model/referral.h"
#include "broker/query/operations.h"

namespace hutong::query {
namespace {

constexpr std::size_t records_at_once = 500;

class Shown {
 public:
  Shown(std::string_view kind, Timestamp at) {
    writer_.StartObject();
    add("kind", kind).add("at", to_iso(at));
  }
  Shown& add(std::string_view name, std::string_view value) {
    if (value.empty()) return *this;
    writer_.Key(name.data(), static_cast<rapidjson::SizeType>(name.size()));
    writer_.String(value.data(), static_cast<rapidjson::SizeType>(value.size()));
    return *this;
  }
  std::string take() {
    writer_.EndObject();
    return {buffer_.GetString(), buffer_.GetSize()};
  }

 private:
  rapidjson::StringBuffer buffer_;
  rapidjson::Writer<rapidjson::StringBuffer> writer_{buffer_};
};

std::optional<Happening> shown(const port::Record& record) {
  const auto& kind = record.kinds;
  if (kind == model::referral_answered_kind) {
    const auto answered = model::read_referral_answered(record.json);
    if (!answered || answered->refusal) return std::nullopt;
    Shown one(kind, answered->at);
    one.add("referral", answered->referral.hex()).add("action", to_string(answered->action));
    one.add("role", to_string(answered->role))
        .add("from", to_string(answered->from))
        .add("to", to_string(answered->to));
    return Happening{"referral", one.take()};
  }
  if (kind == model::critical_opened_kind) {
    const auto opened = model::read_critical_opened(record.json);
    if (!opened) return std::nullopt;
    Shown one(kind, opened->at);
    one.add("value", opened->value.hex()).add("facility", opened->facility).add("laboratory", opened->laboratory);
    return Happening{"critical-value", one.take()};
  }
  if (kind.starts_with("critical-value.")) {
    const auto step = model::read_critical_step(record.json);
    if (!step) return std::nullopt;
    Shown one(kind, step->at);
    one.add("value", step->value.hex()).add("facility", step->facility).add("role", step->role);
    return Happening{"critical-value", one.take()};
  }
  if (kind == model::recognition_decided_kind) {
    const auto decided = model::read_recognition_decided(record.json);
    if (!decided) return std::nullopt;
    Shown one(kind, decided->at);
    one.add("decision", decided->id.hex()).add("facility", decided->facility).add("door", decided->door);
    return Happening{"recognition", one.take()};
  }
  if (kind == model::recognition_outcome_kind) {
    const auto outcome = model::read_recognition_outcome(record.json);
    if (!outcome) return std::nullopt;
    Shown one(kind, outcome->at);
    one.add("decision", outcome->decision.hex());
    return Happening{"recognition", one.take()};
  }
  return std::nullopt;
}

}  // namespace

net::awaitable<Result<Happenings>> Operations::happenings(const access::Permit&, std::optional<port::Offset> from) {
  constexpr port::Partition operations{port::Topic::operations, 0};
  const auto end = co_await log_.end(operations);
  if (!end) co_return tl::unexpected<Error>(end.error());
  Happenings happenings;
  happenings.next = *end;
  if (!from) co_return happenings;
  // Of a burst the newest are shown.
  const port::Offset begin = *end > records_at_once ? std::max(*from, *end - records_at_once) : *from;
  if (begin >= *end) co_return happenings;
  port::ReadLimit limit;
  limit.records = records_at_once;
  limit.with_raw = false;
  const auto slice = co_await log_.read(operations, begin, limit);
  if (!slice) co_return tl::unexpected<Error>(slice.error());
  happenings.next = std::max(begin, slice->next);
  for (const auto& each : slice->records) {
    if (auto one = shown(each.record)) happenings.found.push_back(std::move(*one));
  }
  co_return happenings;
}

}  // namespace hutong::query
