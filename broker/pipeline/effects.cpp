#include "broker/pipeline/effects.h"

#include <rapidjson/writer.h>

#include <algorithm>
#include <deque>
#include <utility>

#include "broker/model/event_json.h"
#include "broker/pipeline/effects_care.h"
#include "broker/pipeline/effects_critical.h"
#include "broker/pipeline/effects_delivery.h"
#include "broker/pipeline/effects_recognition.h"
#include "broker/pipeline/effects_referral.h"
#include "broker/pipeline/quarantine_entry.h"
#include "broker/port/tables.h"

namespace hutong::pipeline {
namespace {

namespace tables = port::tables;
using port::Row;

constexpr std::size_t records_per_control = 64;
// Read and looked up together: few enough to stay in the processor's cache where the rows are at hand, as many as a
// batch has where they are a journey away: on a busy machine each journey waits its turn.
constexpr std::size_t records_ahead_near = 16, records_ahead_far = 500;
constexpr std::ptrdiff_t turns_ahead = 3;   // waiting aside, so that it never waits
constexpr std::size_t code_bytes_max = 64;  // of a local code in the worklist
constexpr std::size_t display_bytes_max = 128;

std::string_view cut(std::string_view text, std::size_t bytes) {
  if (text.size() <= bytes) return text;
  while (bytes > 0 && (static_cast<unsigned char>(text[bytes]) & 0xC0) == 0x80) --bytes;  // not inside a character
  return text.substr(0, bytes);
}

std::string issues_json(const model::Issues& issues) {
  if (issues.empty()) return "[]";
  rapidjson::StringBuffer out;
  rapidjson::Writer<rapidjson::StringBuffer> writer(out);
  auto put = [&](const char* name, std::string_view text) {
    if (text.empty()) return;
    writer.Key(name);
    writer.String(text.data(), static_cast<rapidjson::SizeType>(text.size()));
  };
  writer.StartArray();
  for (const auto& issue : issues.list()) {
    writer.StartObject();
    put("severity", to_string(issue.severity));
    put("code", issue.code);
    put("path", issue.path);
    put("found", issue.found);
    put("expected", issue.expected);
    put("hl7", issue.hl7_code);
    writer.EndObject();
  }
  writer.EndArray();
  return {out.GetString(), out.GetSize()};
}

// A record that reads an earlier one's bytes again with better maps carries the same ids and a higher version.
bool is_renormalized(const model::RecordView& record) {
  for (const auto& event : record.events) {
    if (event.version > 1) return true;
  }
  return false;
}

std::string bytes_of_hex(std::string_view hex) {
  auto digit = [](char c) { return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : 0; };
  std::string bytes;
  for (std::size_t i = 0; i + 1 < hex.size(); i += 2) {
    bytes += static_cast<char>(digit(hex[i]) << 4 | digit(hex[i + 1]));
  }
  return bytes;
}

}  // namespace

std::string_view to_string(Effect effect) {
  switch (effect) {
    case Effect::report_created: return "report_created";
    case Effect::report_superseded: return "report_superseded";
    case Effect::report_unchanged: return "report_unchanged";
    case Effect::report_late: return "report_late";
    case Effect::patient_created: return "patient_created";
    case Effect::patient_updated: return "patient_updated";
    case Effect::encounter_changed: return "encounter_changed";
    case Effect::order_changed: return "order_changed";
    case Effect::person_linked: return "person_linked";
    case Effect::conflict: return "conflict";
    case Effect::duplicate: return "duplicate";
    case Effect::quarantined: return "quarantined";
    case Effect::unreadable: return "unreadable";
  }
  return "unreadable";
}

Effects::Effects(port::Store& store, Aside& aside, std::string log_id, const std::string& hmac_key,
                 const identity::Weights& weights, std::shared_ptr<const Rules> rules)
    : store_(store),
      aside_(aside),
      overlay_(store),
      log_id_(std::move(log_id)),
      hmac_key_(hmac_key),
      weights_(weights),
      rules_(std::move(rules)),
      ahead_(store.is_far() ? records_ahead_far : records_ahead_near) {}

net::awaitable<void> Effects::apply(port::Partition partition, std::span<const port::StoredRecord> records) {
  for (const auto& record : records) newest_ = std::max(newest_, record.appended);
  switch (partition.topic) {
    case port::Topic::events:
      partition_ = partition;
      decided_ = co_await decided_up_to(overlay_, partition.number);
      co_await apply_in_turns(records, &Effects::look_ahead_at_events, &Effects::apply_event_record);
      break;
    case port::Topic::quarantine:
      for (std::size_t i = 0; i < records.size() && !overlay_.failed(); ++i)
        co_await apply_quarantine_record(records[i]);
      break;
    case port::Topic::identity:
      co_await apply_in_turns(records, &Effects::look_ahead_at_decisions, &Effects::apply_decision);
      break;
    case port::Topic::operations:
      for (std::size_t i = 0; i < records.size() && !overlay_.failed(); ++i)
        co_await apply_operation(partition, records[i]);
      break;
  }
  if (!overlay_.failed()) co_await finish();
}

// While some are applied, the next are looked ahead at: a batch changes the store only when it is over.
net::awaitable<void> Effects::apply_in_turns(Records rest, LookAhead look_ahead, Apply apply) {
  struct Turn {
    Records records;
    std::unique_ptr<Ahead> ahead;
    Aside::Task looked;
  };
  const auto take = [&] {
    const auto some = rest.first(std::min(rest.size(), ahead_));
    rest = rest.subspan(some.size());
    return Turn{some, std::make_unique<Ahead>(store_), {}};
  };
  std::deque<Turn> turns;
  const auto look_further = [&] {
    const auto open = [](const Turn& turn) { return !turn.looked.is_done(); };
    while (!rest.empty() && std::count_if(turns.begin(), turns.end(), open) < turns_ahead) {
      auto next = take();
      auto looked = aside_.run((this->*look_ahead)(next.records, *next.ahead));
      turns.push_back({next.records, std::move(next.ahead), std::move(looked)});
    }
  };
  auto first = take();
  look_further();
  co_await (this->*look_ahead)(first.records, *first.ahead);  // the only ones, mostly
  for (turns.push_front(std::move(first)); !turns.empty() && !overlay_.failed();) {
    Turn now = std::move(turns.front());
    turns.pop_front();
    look_further();
    while (!now.looked.is_done() && !rest.empty()) {  // instead of waiting
      auto next = take();
      co_await (this->*look_ahead)(next.records, *next.ahead);
      turns.push_back(std::move(next));
      look_further();
    }
    now.looked.get();
    overlay_.adopt(std::move(now.ahead->rows));
    blocks_.merge(now.ahead->blocks);
    for (std::size_t i = 0; i < now.records.size() && !overlay_.failed(); ++i)
      co_await (this->*apply)(now.records[i], *now.ahead, i);
  }
}

net::awaitable<FeedState*> Effects::feed(std::string facility) {
  auto [found, fresh] = feeds_.try_emplace(facility);
  if (fresh) {
    if (const Row* row = co_await overlay_.get(tables::feeds, {facility})) {
      // A damaged state begins anew rather than stopping the projection; its counters are for the eye.
      found->second = read_feed_state(std::get<std::string>((*row)[1])).value_or(FeedState());
      feed_updated_[facility] = std::get<std::int64_t>((*row)[2]);
    }
  }
  co_return &found->second;
}

net::awaitable<bool> Effects::is_duplicate(const port::StoredRecord& record) {
  std::string control = control_of(record, view_);
  const Row* row = co_await overlay_.get(tables::controls, {control});
  std::string records = row ? std::get<std::string>((*row)[1]) : std::string();
  for (std::size_t at = 0; at + 16 <= records.size(); at += 16) {
    if (std::string_view(records).substr(at, 16) == record.record.id.view()) co_return true;
  }
  if (records.size() >= records_per_control * 16) records.erase(0, records.size() - (records_per_control - 1) * 16);
  records += record.record.id.view();
  overlay_.put(tables::controls, {std::move(control), std::move(records), static_cast<std::int64_t>(record.offset),
                                  issues_json(view_.issues), record.appended.micros});
  co_return false;
}

net::awaitable<void> Effects::apply_event_record(const port::StoredRecord& record, Ahead& ahead, std::size_t place) {
  arena_.reset();
  auto& view = ahead.views[place];
  if (!view) {
    count(Effect::unreadable);
    const auto& key = record.record.key;
    FeedState* state = co_await feed(key.substr(0, key.find('/')));
    ++state->unreadable;
    co_return;
  }
  view_ = std::move(*view);
  if (view_.id.empty()) view_.id = record.record.id;  // a renormalized record has an id of its own, its events have not
  const std::string facility(view_.source.facility);
  FeedState* state = co_await feed(facility);
  auto& updated = feed_updated_[facility];
  updated = std::max(updated, record.appended.micros);

  const bool renormalized = is_renormalized(view_);
  if (!renormalized) {
    if (co_await is_duplicate(record)) {
      ++state->duplicates;
      count(Effect::duplicate);
      overlay_.put(tables::no_change, {std::int64_t{partition_.number}, static_cast<std::int64_t>(record.offset), "*"});
      co_return;
    }
    const Timestamp received = view_.times.received;
    if (state->records == 0 || received < state->first_received) state->first_received = received;
    state->last_received = std::max(state->last_received, received);
    ++state->records;
    FeedState::count(state->by_type, view_.source.type);
    for (const auto& event : view_.events) FeedState::count(state->by_kind, to_string(event.kind));
    for (const auto& issue : view_.issues.list()) {
      state->warnings += issue.severity != model::Severity::information;
      state->control_id_conflicts += issue.code == "control-id-conflict";
    }
  }

  const Local local = local_of(record, view_);
  co_await apply_subject(record, local);
  for (const auto& event : view_.events) {
    switch (event.kind) {
      case model::EventKind::result_reported:
      case model::EventKind::exam_reported:
        if (!event.report) break;
        if (!renormalized) note_unmapped(*event.report, record.appended);
        co_await apply_report(record, local, event);
        break;
      case model::EventKind::encounter_changed: co_await apply_encounter(record, local, event); break;
      case model::EventKind::order_placed:
        if (event.order) co_await apply_order(record, local, event);
        break;
      case model::EventKind::referral_told:
        if (!event.referral || renormalized) break;
        co_await derive_command(overlay_, {partition_, record.offset}, event_id(event),
                                std::string(view_.source.protocol), local.facility, local.number, *event.referral,
                                record.appended, rules_.get());
        break;
      case model::EventKind::patient_merged:
      case model::EventKind::patient_linked:
      case model::EventKind::patient_unlinked: co_await apply_merge(record, local, event); break;
      case model::EventKind::message_received:
      case model::EventKind::patient_updated: break;  // the subject says it all
    }
  }
  if (no_change_.empty()) co_return;
  overlay_.put(tables::no_change, {std::int64_t{partition_.number}, static_cast<std::int64_t>(record.offset),
                                   " " + std::exchange(no_change_, {})});
}

std::string Effects::control_of(const port::StoredRecord& record, const model::RecordView& view) {
  return view.source.control_id.empty() ? std::string(record.record.id.view())
                                        : std::string(model::control_key(view.source).view());
}

Effects::Local Effects::local_of(const port::StoredRecord& record, const model::RecordView& view) {
  Local local{std::string(view.subject.facility.empty() ? view.source.facility : view.subject.facility),
              std::string(view.subject.number)};
  if (local.number.empty()) local.number = record.record.id.hex();
  return local;
}

std::string Effects::event_id(const model::Event& event) const {
  return view_.id.hex() + "." + std::to_string(event.ordinal);
}

void Effects::note_unmapped(const model::Report& report, Timestamp at) {
  if (report.is_exam) return;  // the worklist is the laboratories'
  const std::string facility(view_.source.facility);
  for (const auto& item : report.observations) {
    if (!item.code.mapped_code.empty() || item.value.kind == model::ValueKind::attachment) continue;
    const auto code = item.code.code.empty() ? item.code.display : item.code.code;
    if (code.empty()) continue;
    ++feeds_[facility].unmapped;
    auto& entry = unmapped_[{facility, std::string(cut(code, code_bytes_max))}];
    if (!item.code.display.empty()) entry.display = cut(item.code.display, display_bytes_max);
    ++entry.count;
    if (entry.first == 0) entry.first = at.micros;
    entry.last = std::max(entry.last, at.micros);
  }
}

net::awaitable<void> Effects::apply_quarantine_record(const port::StoredRecord& record) {
  if (record.record.kinds == quarantine_outcome_kind) {
    auto outcome = read_quarantine_outcome(record.record.json);
    if (!outcome) {
      count(Effect::unreadable);
      co_return;
    }
    const Row* row = co_await overlay_.get(tables::quarantine, {outcome->facility, bytes_of_hex(outcome->raw_hash)});
    if (!row) co_return;
    Row marked = *row;
    marked.back() = outcome->retried;
    overlay_.put(tables::quarantine, std::move(marked));
    co_return;
  }
  auto entry = read_quarantine_entry(record.record.json);
  if (!entry) {
    count(Effect::unreadable);
    co_return;
  }
  std::string hash = bytes_of_hex(entry->raw_hash);
  if (co_await overlay_.get(tables::quarantine, {entry->facility, hash})) co_return;  // appended twice
  overlay_.put(tables::quarantine, {entry->facility, std::move(hash), static_cast<std::int64_t>(record.offset),
                                    std::string(to_string(entry->answer)), entry->reason, entry->path, entry->type,
                                    entry->control_id, entry->received.micros, std::string()});
  FeedState* state = co_await feed(entry->facility);
  auto& updated = feed_updated_[entry->facility];
  updated = std::max(updated, record.appended.micros);
  ++state->rejected;
  FeedState::count(state->rejects, entry->reason);
  if (std::pair(entry->received, record.offset) >= std::pair(state->last_reject.at, state->last_reject.offset)) {
    state->last_reject = {entry->received, entry->reason, entry->path, record.offset};
  }
  count(Effect::quarantined);
}

net::awaitable<void> Effects::apply_decision(const port::StoredRecord& record, Ahead& ahead, std::size_t place) {
  auto& decision = ahead.decisions[place];
  if (!decision) {
    count(Effect::unreadable);
    co_return;
  }
  decisions_met_.push_back(decision->id);
  switch (co_await pipeline::apply(overlay_, std::move(*decision), record.offset, log_id_)) {
    case Applied::shaped: count(Effect::person_linked); break;
    case Applied::queued: count(Effect::conflict); break;
    case Applied::known:
    case Applied::no_effect: break;
  }
}

net::awaitable<void> Effects::apply_operation(port::Partition partition, const port::StoredRecord& record) {
  const auto& kind = record.record.kinds;
  const auto& json = record.record.json;
  const Cause cause{partition, record.offset};
  bool read = true;
  if (kind == model::recognition_decided_kind) {
    auto decided = model::read_recognition_decided(json);
    read = decided.has_value();
    if (read) co_await pipeline::apply(overlay_, std::move(*decided));
  } else if (kind == model::recognition_outcome_kind) {
    auto outcome = model::read_recognition_outcome(json);
    read = outcome.has_value();
    if (read) co_await pipeline::apply(overlay_, std::move(*outcome));
  } else if (kind == model::referral_commanded_kind) {
    auto command = model::read_referral_command(json);
    read = command.has_value();
    if (read) co_await pipeline::apply(overlay_, std::move(*command), cause);
  } else if (kind == model::referral_answered_kind) {
    auto answered = model::read_referral_answered(json);
    read = answered.has_value();
    const auto* rules = rules_ ? rules_->referral.get() : nullptr;
    if (read) co_await pipeline::apply(overlay_, std::move(*answered), cause, rules);
  } else if (kind == model::chronic_followup_kind) {
    auto followup = model::read_chronic_followup(json);
    read = followup.has_value();
    if (read) co_await pipeline::apply(overlay_, std::move(*followup));
  } else if (kind == model::resource_updated_kind) {
    auto updated = model::read_resource_updated(json);
    read = updated.has_value();
    if (read) co_await pipeline::apply(overlay_, std::move(*updated));
  } else if (kind == model::critical_opened_kind) {
    auto opened = model::read_critical_opened(json);
    read = opened.has_value();
    if (read) co_await pipeline::apply(overlay_, std::move(*opened), rules_ ? rules_->critical.get() : nullptr);
  } else if (kind == model::delivery_progressed_kind) {
    auto progressed = model::read_delivery_progressed(json);
    read = progressed.has_value();
    if (read) co_await pipeline::apply(overlay_, std::move(*progressed), log_id_);
  } else if (kind == model::delivery_commanded_kind) {
    auto commanded = model::read_delivery_commanded(json);
    read = commanded.has_value();
    if (read) co_await pipeline::apply(overlay_, std::move(*commanded), log_id_);
  } else if (kind == model::subscription_declared_kind) {
    auto declared = model::read_subscription_declared(json);
    read = declared.has_value();
    if (read) co_await pipeline::apply(overlay_, std::move(*declared));
  } else if (kind.starts_with("critical-value.")) {
    auto step = model::read_critical_step(json);
    read = step.has_value();
    if (read) co_await pipeline::apply(overlay_, std::move(*step), rules_ ? rules_->critical.get() : nullptr);
  }
  if (!read) count(Effect::unreadable);
}

net::awaitable<void> Effects::finish() {
  std::vector<port::Lookup> worklist;
  for (const auto& [where, entry] : unmapped_) worklist.push_back({&tables::unmapped, {where.first, where.second}});
  co_await overlay_.foresee(std::move(worklist));
  for (auto& [where, entry] : unmapped_) {
    const auto& [facility, code] = where;
    const Row* row = co_await overlay_.get(tables::unmapped, {facility, code});
    if (row) {
      if (entry.display.empty()) entry.display = std::get<std::string>((*row)[2]);
      entry.count += std::get<std::int64_t>((*row)[3]);
      entry.first = std::min(entry.first, std::get<std::int64_t>((*row)[4]));
      entry.last = std::max(entry.last, std::get<std::int64_t>((*row)[5]));
    }
    overlay_.put(tables::unmapped, {facility, code, entry.display, entry.count, entry.first, entry.last});
  }
  for (const auto& [facility, state] : feeds_) {
    overlay_.put(tables::feeds, {facility, write(state), feed_updated_[facility]});
  }
}

}  // namespace hutong::pipeline
