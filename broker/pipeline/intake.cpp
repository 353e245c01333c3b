#include "broker/pipeline/intake.h"

#include <algorithm>
#include <array>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <utility>

#include "broker/base/limits.h"
#include "broker/model/event_json.h"
#include "broker/pipeline/quarantine_entry.h"
#include "broker/port/completion.h"
#include "broker/port/tables.h"

namespace hutong::pipeline {

using model::Answer;

namespace {
// What is kept for the next batches of a shard: enough for its busy connections, not for its largest messages.
constexpr std::size_t kept_arenas = 64;
constexpr std::size_t kept_arena_bytes = 128 * 1024;

bool is_acknowledgement(const model::Source& source) {
  return source.type == "ACK" || source.type.substr(0, 4) == "ACK^";
}
}  // namespace

// One accepted message of the batch: which records are its own, to answer for them after the append.
struct AcceptedMessage {
  ControlKey control;
  RecordId first;
  std::size_t record = 0;  // index of its first record in Batch::events
};

// Its records are views: of the frames, which outlive it, and of its own memory.
struct Intake::Batch {
  Arena memory;  // keys, kinds and documents until they are appended
  std::vector<port::Reply> replies;
  std::vector<port::RecordView> events;
  std::vector<port::RecordView> quarantined;
  std::vector<AcceptedMessage> accepted;
  std::vector<std::pair<std::string, std::string>> kept;      // facility and hash, one for each of `quarantined`
  std::vector<std::pair<std::string, std::string>> repeated;  // the same of what is in quarantine already
  std::vector<char> has_event, has_quarantined;               // by frame
  std::vector<port::Counter*> tally;                          // counted once the batch is durable, not at every attempt
  std::vector<port::Lookup> lookups;                          // what its messages ask of the store, in their order
  std::vector<std::optional<port::Row>> stored;               // the answers; empty: not asked yet
  std::vector<RecentControls::Known> first_look;  // what RecentControls knew of each acceptable message then
  std::size_t weighed = 0;                        // acceptable messages so far

  // What the store says, as far as it was asked.
  const port::Row* look(const port::Table& table, port::Key key) {
    const std::size_t at = lookups.size();
    lookups.push_back({&table, std::move(key)});
    return at < stored.size() && stored[at] ? &*stored[at] : nullptr;
  }
};

struct Intake::FacilityCounters {
  port::Counter* answers[4];
  port::Counter* duplicates;
  port::Counter* unmapped;
  port::Counter* quarantined;
  port::Counter* repeated;
  port::Counter* acknowledgements;
};

struct Intake::Counters {
  port::Counter& bytes;
  port::Counter& record_bytes;
  port::Counter& duplicates;
  port::Counter& conflicts;
  port::Histogram& append;
  std::array<port::Counter*, model::event_kind_count> events;
  std::unordered_map<std::string, port::Counter*, TextHash, std::equal_to<>> issues;
};

Intake::Intake(port::Log& log, port::Store& store, const port::Format& format, const CurrentRules& rules,
               RecentControls& recent, port::Metrics& metrics, const Clock& clock, IntakeOptions options)
    : log_(log),
      store_(store),
      format_(format),
      rules_(rules),
      recent_(recent),
      metrics_(metrics),
      clock_(clock),
      options_(options),
      counters_(new Counters{
          metrics.counter("hutong_message_bytes_total", "Bytes of messages received"),
          metrics.counter("hutong_record_bytes_total",
                          "Bytes of records made durable: documents and what was received"),
          metrics.counter("hutong_duplicates_total", "Messages recognised as resends of one that is durable"),
          metrics.counter("hutong_control_id_conflicts_total",
                          "Messages whose control id came before with other content"),
          metrics.histogram("hutong_append_seconds", "From an append's begin until it is durable"),
          {},
          {}}),
      answer_prefix_(to_hex(random_bytes(5))) {
  for (std::size_t i = 0; i < model::event_kind_count; ++i) {
    const auto kind = to_string(static_cast<model::EventKind>(i));
    counters_->events[i] = &metrics_.counter("hutong_events_total", "Events by kind", {{"kind", std::string(kind)}});
  }
}

Intake::~Intake() = default;

std::string Intake::answer_id() {
  return answer_prefix_ + std::to_string(++answers_);
}

Intake::FacilityCounters& Intake::counters_of(std::string_view facility) {
  const std::string_view name = facility.empty() ? std::string_view("unknown") : facility;
  if (const auto known = by_facility_.find(name); known != by_facility_.end()) return *known->second;
  const std::string code(name);
  auto& slot = by_facility_[code];
  slot = std::make_unique<FacilityCounters>();
  for (const Answer answer : {Answer::accepted, Answer::content_rejected, Answer::header_rejected, Answer::try_again}) {
    slot->answers[static_cast<int>(answer)] =
        &metrics_.counter("hutong_messages_total", "Messages by facility and answer",
                          {{"facility", code}, {"answer", std::string(to_string(answer))}});
  }
  slot->duplicates = &metrics_.counter("hutong_messages_total", "Messages by facility and answer",
                                       {{"facility", code}, {"answer", "duplicate"}});
  slot->unmapped = &metrics_.counter("hutong_unmapped_codes_total", "Local codes without a map", {{"facility", code}});
  slot->quarantined =
      &metrics_.counter("hutong_quarantined_total", "Messages put into quarantine", {{"facility", code}});
  slot->repeated = &metrics_.counter("hutong_repeated_refusals_total",
                                     "Messages refused that are in quarantine already", {{"facility", code}});
  slot->acknowledgements =
      &metrics_.counter("hutong_acknowledgements_received_total",
                        "Acknowledgements that came as messages: kept, never answered", {{"facility", code}});
  return *slot;
}

std::unique_ptr<model::Draft> Intake::borrow() {
  if (drafts_.empty()) return std::make_unique<model::Draft>();
  auto draft = std::move(drafts_.back());
  drafts_.pop_back();
  return draft;
}

Arena Intake::borrow_arena() {
  if (batch_arenas_.empty()) return Arena();
  Arena arena = std::move(batch_arenas_.back());
  batch_arenas_.pop_back();
  return arena;
}

void Intake::give_back(Arena arena) {
  if (batch_arenas_.size() == kept_arenas) return;
  arena.reset(kept_arena_bytes);
  batch_arenas_.push_back(std::move(arena));
}

net::awaitable<std::vector<port::Reply>> Intake::accept(const port::Peer& peer, std::span<const port::Frame> frames) {
  const auto until = clock_.ticks() + options_.append_deadline;
  auto pause = std::chrono::milliseconds(20);
  std::size_t bytes = 0;
  for (const auto& frame : frames) bytes += frame.oversize ? frame.oversize : frame.bytes.size();
  counters_->bytes.add(static_cast<double>(bytes));
  for (;;) {
    const auto rules = rules_.load();
    Batch batch = co_await judge(peer, frames, *rules);
    const auto begun = clock_.ticks();
    bool events_safe = true;
    bool quarantine_safe = true;
    if (!batch.events.empty()) {
      events_safe = co_await append_events(batch);
      counters_->append.observe(std::chrono::duration<double>(clock_.ticks() - begun).count());
    }
    if (events_safe) quarantine_safe = co_await append_quarantined(batch);
    give_back(std::move(batch.memory));
    if (events_safe && quarantine_safe) {
      for (auto* counter : batch.tally) counter->add();
      if (options_.refusals) {
        for (const auto& [facility, raw_hash] : batch.kept) options_.refusals->kept(facility, raw_hash);
        for (const auto& [facility, raw_hash] : batch.repeated)
          options_.refusals->came_again(facility, raw_hash, frames.front().received);
      }
      co_return std::move(batch.replies);
    }
    // A log that lets one wait before it refuses is not asked once more when that would be too late for the sender.
    const auto now = clock_.ticks();
    if (now + (now - begun) >= until) {
      answer_try_again(frames, peer, *rules, events_safe, batch);
      co_return std::move(batch.replies);
    }
    // The log is away: the sender waits with us. Everything is judged anew, since the outcome of a failed append is
    // unknown and what was durable after all is then answered as a resend.
    net::steady_timer timer(co_await net::this_coro::executor, pause);
    co_await timer.async_wait(net::use_awaitable);
    pause = std::min(pause * 2, std::chrono::milliseconds(500));
  }
}

// In one append, as a rule; in several where the log's bounds ask for it, a message's records in the same. False: the
// log is away. What was durable by then is known, and answered as a resend when all is judged anew.
net::awaitable<bool> Intake::append_events(const Batch& batch) {
  const std::span<const port::RecordView> events(batch.events);
  const auto& messages = batch.accepted;
  const auto end_of = [&](std::size_t i) { return i + 1 < messages.size() ? messages[i + 1].record : events.size(); };
  for (std::size_t i = 0; i < messages.size();) {
    const std::size_t first = i, from = messages[i].record;
    std::size_t bytes = 0;
    for (; i < messages.size(); ++i) {
      std::size_t message_bytes = 0;
      for (std::size_t record = messages[i].record; record < end_of(i); ++record)
        message_bytes += events[record].bytes();
      if (i > first && (end_of(i) - from > limits::batch_records || bytes + message_bytes > limits::record_bytes))
        break;
      bytes += message_bytes;
    }
    const auto appended = co_await log_.append(port::Topic::events, events.subspan(from, end_of(i - 1) - from));
    if (!appended) {
      for (i = first; i < messages.size(); ++i) recent_.withdraw(messages[i].control, messages[i].first);
      co_return false;
    }
    for (std::size_t done = first; done < i; ++done) {
      recent_.durable(messages[done].control, messages[done].first, (*appended)[messages[done].record - from]);
    }
    counters_->record_bytes.add(static_cast<double>(bytes));
  }
  co_return true;
}

net::awaitable<bool> Intake::append_quarantined(const Batch& batch) {
  std::span<const port::RecordView> rest(batch.quarantined);
  while (!rest.empty()) {
    const auto part = rest.first(std::min(rest.size(), limits::batch_records));
    if (!co_await log_.append(port::Topic::quarantine, part)) co_return false;
    rest = rest.subspan(part.size());
  }
  co_return true;
}

// Nearly every message is new. So the batch is weighed as if all were, while the store is asked about them together,
// and weighed once more where it knows one.
net::awaitable<Intake::Batch> Intake::judge(const port::Peer& peer, std::span<const port::Frame> frames,
                                            const Rules& rules) {
  Batch batch;
  weigh(batch, peer, frames, rules);
  if (batch.lookups.empty()) co_return batch;
  auto stored = co_await ask_store(std::move(batch.lookups));
  if (std::none_of(stored.begin(), stored.end(), [](const auto& row) { return row.has_value(); })) co_return batch;
  for (const auto& message : batch.accepted) recent_.withdraw(message.control, message.first);
  give_back(std::move(batch.memory));
  Batch again;
  again.stored = std::move(stored);
  again.first_look = std::move(batch.first_look);
  weigh(again, peer, frames, rules);
  co_return again;
}

// Empty where the store does not answer, or not in time.
net::awaitable<std::vector<std::optional<port::Row>>> Intake::ask_store(std::vector<port::Lookup> lookups) {
  using Rows = std::vector<std::optional<port::Row>>;
  if (options_.store_patience.count() == 0) co_return (co_await store_.get_many(std::move(lookups))).value_or(Rows());
  const auto executor = co_await net::this_coro::executor;
  const auto timer = std::make_shared<net::steady_timer>(executor, options_.store_patience);
  auto rows = co_await port::await_completion<Rows>([&](std::shared_ptr<port::Completion<Rows>> first) {
    net::co_spawn(executor, store_.get_many(std::move(lookups)),
                  [first, timer](std::exception_ptr failed, Result<Rows> answered) {
                    timer->cancel();
                    first->finish(failed ? Result<Rows>(Rows()) : std::move(answered));
                  });
    timer->async_wait([first](boost::system::error_code cancelled) {
      if (!cancelled) first->finish(Rows());
    });
  });
  co_return std::move(rows).value_or(Rows());
}

void Intake::weigh(Batch& batch, const port::Peer& peer, std::span<const port::Frame> frames, const Rules& rules) {
  batch.memory = borrow_arena();
  batch.replies.resize(frames.size());
  batch.has_event.assign(frames.size(), 0);
  batch.has_quarantined.assign(frames.size(), 0);
  batch.events.reserve(frames.size());
  auto draft = borrow();
  std::vector<std::string_view> messages;
  for (std::size_t i = 0; i < frames.size(); ++i) {
    messages.clear();
    if (frames[i].oversize) {
      messages.push_back(frames[i].bytes);
    } else {
      format_.split(frames[i].bytes, messages);
    }
    for (const auto message : messages) {
      weigh_message(batch, i, message, peer, frames[i], rules, *draft);
    }
  }
  drafts_.push_back(std::move(draft));
}

void Intake::weigh_message(Batch& batch, std::size_t frame, std::string_view bytes, const port::Peer& peer,
                           const port::Frame& source, const Rules& rules, model::Draft& draft) {
  port::ReadContext context;
  context.facilities = rules.facilities.get();
  context.accept_unknown_senders = rules.accept_unknown_senders && peer.trusted_network;
  context.authenticated = peer.authenticated;
  context.protocol = peer.protocol;
  context.connection = peer.connection;
  context.received = source.received;
  auto reading = format_.read(bytes, context, draft);
  if (source.oversize) {
    reading.answer = Answer::header_rejected;
    draft.issues.clear();
    draft.issues.add(draft.arena, {model::Severity::error, "message-too-long", "MSH",
                                   draft.arena.concat({std::to_string(source.oversize), " bytes"}),
                                   draft.arena.concat({"at most ", std::to_string(limits::message_bytes),
                                                       " bytes; send large documents by reference"}),
                                   "104"});
  }
  if (is_acknowledgement(draft.source)) {
    batch.replies[frame].acknowledgement = true;
    batch.tally.push_back(
        counters_of(reading.facility || draft.source.provisional ? draft.source.facility : model::Text())
            .acknowledgements);
  }
  if (reading.answer == Answer::accepted) {
    rules.normalizer->normalize(draft, reading.facility, *rules.facilities);
    if (take_accepted(batch, frame, bytes, draft)) return;
    reading.answer = Answer::content_rejected;
  }
  take_refused(batch, frame, bytes, peer, source, reading, draft);
}

// False: no log takes a record of this size; the issue says so, and nothing was taken.
bool Intake::take_accepted(Batch& batch, std::size_t frame, std::string_view bytes, model::Draft& draft) {
  auto& reply = batch.replies[frame];
  auto& counters = counters_of(draft.source.facility);
  const ControlKey control = model::control_key(draft.source);
  std::vector<RecordId> ids;
  for (std::uint32_t ordinal = 0; ordinal < draft.parts.size(); ++ordinal) {
    ids.push_back(model::record_id(draft.source, draft.content_hash, ordinal));
  }

  // Known already? The store holds what came first, RecentControls what came since. A conflict is what came under this
  // control id *before* this message: it is told to every resend of the later one, and to none of the first.
  RecentControls::Known known;
  if (const auto* row = batch.look(port::tables::controls, {std::string(control.view())})) {
    const auto& stored = std::get<std::string>((*row)[1]);
    for (std::size_t at = 0; at + 16 <= stored.size() && !known.same; at += 16) {
      const auto id = RecordId::from_bytes(std::string_view(stored).substr(at, 16));
      known.same = *id == ids.front();
      known.other = known.other || std::find(ids.begin(), ids.end(), *id) == ids.end();
    }
  }
  // What the first look knew counts in the second: meanwhile the projector may have put it into the store, too late for
  // our question there, and taken it from RecentControls.
  const bool again = batch.weighed < batch.first_look.size();
  if (again && !known.same) {
    known.same = batch.first_look[batch.weighed].same;
    known.other = known.other || batch.first_look[batch.weighed].other;
  }
  ++batch.weighed;
  if (!known.same) {
    const auto since = recent_.enter(control, ids.front());
    known.same = since.same;
    known.other = known.other || since.other;
  }
  if (!again) batch.first_look.push_back(known);
  if (known.other) {
    draft.control_id_conflict = true;
    draft.issues.add(draft.arena, {model::Severity::warning,
                                   "control-id-conflict",
                                   "MSH-10",
                                   {},
                                   "a control id of its own for every message; this one came before with other content",
                                   "205"});
  }

  const std::size_t events_before = batch.events.size(), tally_before = batch.tally.size();
  std::size_t message_bytes = 0;
  if (known.same) {
    reply.duplicate = true;
    batch.tally.push_back(&counters_->duplicates);
    batch.tally.push_back(counters.duplicates);
  } else {
    draft.times.appended = clock_.now();
    if (known.other) batch.tally.push_back(&counters_->conflicts);
    for (std::size_t ordinal = 0; ordinal < draft.parts.size(); ++ordinal) {
      const auto& part = draft.parts[ordinal];
      port::RecordView record;
      record.id = ids[ordinal];
      const auto number = part.subject.number;
      record.key = number.empty() ? batch.memory.concat({draft.source.facility, "/", ids[ordinal].hex()})
                                  : batch.memory.concat({draft.source.facility, "/", number});
      std::array<bool, model::event_kind_count> named{};  // each kind once, however many reports a message has
      for (const auto& event : part.events) {
        const auto index = static_cast<std::size_t>(event.kind);
        batch.tally.push_back(counters_->events[index]);
        if (std::exchange(named[index], true)) continue;
        const auto kind = to_string(event.kind);
        record.kinds = record.kinds.empty() ? kind : batch.memory.concat({record.kinds, " ", kind});
      }
      record.json = model::write_record(batch.memory, record.id, draft, part);
      if (ordinal == 0)
        record.raw = bytes;  // once a message: its other patients' records stand beside it in the append
      message_bytes += record.bytes();
      if (message_bytes > limits::record_bytes) {
        recent_.withdraw(control, ids.front());
        batch.events.resize(events_before);
        batch.tally.resize(tally_before);
        draft.issues.add(draft.arena, {model::Severity::error, "event-too-large", "MSH",
                                       draft.arena.concat({std::to_string(message_bytes), " bytes as an event"}),
                                       draft.arena.concat({"at most ", std::to_string(limits::record_bytes),
                                                           " bytes; send large documents by reference"}),
                                       "104"});
        return false;
      }
      batch.events.push_back(record);
    }
    batch.accepted.push_back({control, ids.front(), events_before});
    batch.has_event[frame] = 1;
    batch.tally.push_back(counters.answers[static_cast<int>(Answer::accepted)]);
    for (const auto& issue : draft.issues.list()) {
      auto found = counters_->issues.find(issue.code);
      if (found == counters_->issues.end()) {
        const std::string code(issue.code);
        auto& counter = metrics_.counter("hutong_issues_total", "Imperfections found in messages", {{"code", code}});
        found = counters_->issues.emplace(code, &counter).first;
      }
      batch.tally.push_back(found->second);
      if (issue.code == "unmapped-code") batch.tally.push_back(counters.unmapped);
    }
  }
  reply.answer = Answer::accepted;
  reply.records.insert(reply.records.end(), ids.begin(), ids.end());
  const std::string id = answer_id();
  format_.acknowledge(draft, {Answer::accepted, &draft.issues, {}, clock_.now(), id}, reply.messages);
  return true;
}

void Intake::take_refused(Batch& batch, std::size_t frame, std::string_view bytes, const port::Peer& peer,
                          const port::Frame& source, const port::Reading& reading, model::Draft& draft) {
  auto& reply = batch.replies[frame];
  const std::string_view facility = draft.source.facility;
  auto& counters = counters_of(reading.facility || draft.source.provisional ? facility : std::string_view());
  const model::Issue* cause = nullptr;
  for (const auto& issue : draft.issues.list()) {
    if (issue.severity == model::Severity::error) {
      cause = &issue;
      break;
    }
  }
  Answer answer = reading.answer;
  model::Issues softened;
  const model::Issues* told = &draft.issues;
  if (reading.facility && reading.facility->on_quarantine == model::OnQuarantine::accept_with_warning) {
    // The sender asked for it: a laboratory that repeats for ever must not block its ward. The bytes are kept.
    answer = Answer::accepted;
    for (auto issue : draft.issues.list()) {
      if (issue.severity == model::Severity::error) issue.severity = model::Severity::warning;
      softened.add(draft.arena, issue);
    }
    told = &softened;
  }
  reply.answer = answer;
  reply.close = reply.close || source.oversize > 0;
  batch.tally.push_back(counters.answers[static_cast<int>(answer)]);
  batch.tally.push_back(&metrics_.counter("hutong_rejects_total", "Messages refused, by reason",
                                          {{"facility", reading.facility ? std::string(facility) : "unknown"},
                                           {"reason", cause ? std::string(cause->code) : "unknown"}}));

  // Nothing is kept of a peer that could be anyone: a certificate, a token, a registered sender or the loopback
  // must vouch for it, or the operator, who named the topic that it came on (and nobody else will hear of it).
  const bool vouched =
      peer.authenticated || peer.trusted_network || peer.protocol == "kafka" || reading.facility;
  if (vouched) {
    const auto raw_hash = source.oversize ? std::string(source.oversize_sha256) : to_hex(as_view(sha256(bytes)));
    const std::string place = facility.empty() ? "unknown" : std::string(facility);
    const std::string raw_bytes = from_hex(raw_hash).value_or(raw_hash);
    PartsHash hash;
    const RecordId id(hash.add(place).add(raw_hash).finish());
    // In this very batch, appended and not projected yet, or in the store.
    const bool with_us = std::any_of(batch.quarantined.begin(), batch.quarantined.end(),
                                     [&](const port::RecordView& record) { return record.id == id; });
    // Always looked up: what is asked must be the same before and after the store has answered.
    const bool in_store = batch.look(port::tables::quarantine, {place, raw_bytes}) != nullptr;
    const bool known = in_store || with_us || (options_.refusals && options_.refusals->known(place, raw_bytes));
    if (with_us) batch.has_quarantined[frame] = 1;
    if (!known) {
      QuarantineEntry entry;
      entry.facility = place;
      entry.answer = answer;
      entry.reason = cause ? std::string(cause->code) : "unknown";
      entry.path = cause ? std::string(cause->path) : "";
      entry.type = draft.source.type;
      entry.control_id = draft.source.control_id;
      entry.received = source.received;
      entry.raw_hash = raw_hash;
      entry.length = source.oversize ? source.oversize : bytes.size();
      port::RecordView record;
      record.id = id;
      record.key = batch.memory.concat({place, "/", raw_hash});
      record.kinds = "message.quarantined";
      record.json = batch.memory.copy(write(entry, draft.issues));
      record.raw = bytes;
      batch.quarantined.push_back(record);
      batch.kept.emplace_back(place, raw_bytes);
      batch.has_quarantined[frame] = 1;
      batch.tally.push_back(counters.quarantined);
    } else if (peer.protocol != "retry") {  // an operator who tries is no sender who repeats
      batch.tally.push_back(counters.repeated);
      batch.repeated.emplace_back(place, raw_bytes);
    }
  }
  const std::string id = answer_id();
  format_.acknowledge(draft, {answer, told, {}, clock_.now(), id}, reply.messages);
}

void Intake::answer_try_again(std::span<const port::Frame> frames, const port::Peer& peer, const Rules& rules,
                              bool events_safe, Batch& batch) {
  auto draft = borrow();
  std::vector<std::string_view> messages;
  port::ReadContext context;
  context.facilities = rules.facilities.get();
  context.accept_unknown_senders = rules.accept_unknown_senders && peer.trusted_network;
  context.authenticated = peer.authenticated;
  for (std::size_t i = 0; i < frames.size(); ++i) {
    const bool lost = (!events_safe && batch.has_event[i]) || batch.has_quarantined[i];
    if (!lost) continue;
    auto& reply = batch.replies[i];
    reply.answer = Answer::try_again;
    reply.messages.clear();
    reply.records.clear();
    messages.clear();
    format_.split(frames[i].bytes, messages);
    for (const auto message : messages) {
      format_.read(message, context, *draft);
      counters_of(draft->source.facility).answers[static_cast<int>(Answer::try_again)]->add();
      const std::string id = answer_id();
      format_.acknowledge(
          *draft, {Answer::try_again, nullptr, "not stored: the log is not available; send again", clock_.now(), id},
          reply.messages);
    }
  }
  drafts_.push_back(std::move(draft));
}

}  // namespace hutong::pipeline
