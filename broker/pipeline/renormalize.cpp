#include "broker/pipeline/renormalize.h"

#include <unordered_map>

#include "broker/model/event_json.h"

namespace hutong::pipeline {
namespace {

// What a record says, leaving out what always differs between two readings: the map's version and the event's.
std::string comparable(const model::RecordView& record) {
  Arena arena;
  std::string said(model::write_subject(arena, record.subject));
  for (const auto& event : record.events) {
    said += '\n';
    said += to_string(event.kind);
    if (event.report) said += model::write_report(arena, *event.report);
    if (event.order) said += model::write_order(arena, *event.order);
    if (event.kind == model::EventKind::encounter_changed) said += model::write_encounter(arena, event.encounter);
  }
  return said;
}

struct Healed {
  std::uint32_t version = 1;
  Sha256Digest content{};
};
using HealedRecords = std::unordered_map<RecordId, Healed>;

// What earlier runs appended, so that a second run with the same maps appends nothing.
net::awaitable<Result<HealedRecords>> find_healed(port::Log& log, port::Partition partition, port::Offset from,
                                                  port::Offset end) {
  HealedRecords healed;
  Arena arena;
  while (from < end) {
    auto slice = co_await log.read(partition, from, {2000, 16 * 1024 * 1024, false});
    if (!slice) co_return tl::unexpected(slice.error());
    if (slice->next == from) break;
    for (const auto& entry : slice->records) {
      if (entry.record.kinds.rfind(renormalized_kind, 0) != 0) continue;
      arena.reset();
      model::RecordView record;
      if (auto good = model::read_record(entry.record.json, arena, record); !good)
        co_return tl::unexpected(good.error());
      healed[record.id] = {record.events.empty() ? 2U : record.events[0].version, sha256(comparable(record))};
    }
    from = slice->next;
  }
  co_return healed;
}

net::awaitable<Result<RenormalizeReport>> renormalize(port::Log& log, const port::Format& format, const Rules& rules,
                                                      const Clock& clock, port::Partition partition, port::Offset from,
                                                      std::string sender) {
  RenormalizeReport report;
  const auto end = co_await log.end(partition);
  if (!end) co_return tl::unexpected(end.error());
  auto healed_before = co_await find_healed(log, partition, from, *end);
  if (!healed_before) co_return tl::unexpected(healed_before.error());
  model::Draft draft;
  Arena arena;
  // Several patients of one message are several records: compared one by one, by record id.
  while (from < *end) {
    auto slice = co_await log.read(partition, from, {500, 8 * 1024 * 1024, true});
    if (!slice) co_return tl::unexpected(slice.error());
    if (slice->next == from) break;
    std::unordered_map<RecordId, const port::StoredRecord*> stored;
    for (const auto& entry : slice->records) stored[entry.record.id] = &entry;
    std::vector<port::Record> healed;
    for (const auto& entry : slice->records) {
      if (entry.offset >= *end || entry.record.raw.empty()) continue;
      if (entry.record.kinds.rfind(renormalized_kind, 0) == 0) continue;
      arena.reset();
      model::RecordView before;
      if (auto good = model::read_record(entry.record.json, arena, before); !good)
        co_return tl::unexpected(good.error());
      if (!sender.empty() && before.source.facility != sender) continue;
      ++report.read;
      port::ReadContext context;
      context.facilities = rules.facilities.get();
      context.accept_unknown_senders = true;  // it was accepted once
      context.protocol = before.source.protocol;
      context.connection = before.source.connection;
      context.received = before.times.received;
      const auto reading = format.read(entry.record.raw, context, draft);
      if (reading.answer != model::Answer::accepted) continue;  // today's reader refuses it: what is stored stays
      rules.normalizer->normalize(draft, reading.facility, *rules.facilities);
      for (std::uint32_t ordinal = 0; ordinal < draft.parts.size(); ++ordinal) {
        const auto id = model::record_id(before.source, draft.content_hash, ordinal);
        const auto found = stored.find(id);
        if (found == stored.end()) continue;
        auto& part = draft.parts[ordinal];
        Arena own;
        model::RecordView old;
        if (auto good = model::read_record(found->second->record.json, own, old); !good) continue;
        model::RecordView fresh = old;
        fresh.subject = part.subject;
        fresh.events = part.events;
        const auto content = comparable(fresh);
        const auto last = healed_before->find(id);
        if (last == healed_before->end() ? content == comparable(old) : sha256(content) == last->second.content)
          continue;
        const std::uint32_t version = last == healed_before->end() ? 2 : last->second.version + 1;
        for (auto& event : part.events) event.version = version;
        draft.source.facility = old.source.facility;
        draft.times = old.times;
        draft.times.appended = clock.now();
        port::Record record;
        PartsHash hash;
        record.id = RecordId(hash.add(renormalized_kind).add(id.view()).add(std::to_string(version)).finish());
        record.key = found->second->record.key;
        record.kinds = std::string(renormalized_kind);
        record.json = model::write_record(draft.arena, id, draft, part);
        healed.push_back(std::move(record));
        ++report.changed;
      }
    }
    if (!healed.empty()) {
      auto appended = co_await log.append(port::Topic::events, std::move(healed));
      if (!appended) co_return tl::unexpected(appended.error());
    }
    from = slice->next;
  }
  co_return report;
}

}  // namespace

net::awaitable<Result<RenormalizeReport>> renormalize(port::Log& log, const port::Format& format, const Rules& rules,
                                                      const Clock& clock, port::Offset from, std::string sender) {
  RenormalizeReport report;
  for (std::uint32_t number = 0; number < log.partitions(port::Topic::events); ++number) {
    auto one = co_await renormalize(log, format, rules, clock, {port::Topic::events, number}, from, sender);
    if (!one) co_return one;
    report.read += one->read;
    report.changed += one->changed;
  }
  co_return report;
}

}  // namespace hutong::pipeline
