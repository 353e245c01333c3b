// Reports with their versions, and stays.
#include "broker/model/event_json.h"
#include "broker/pipeline/effects.h"
#include "broker/pipeline/effects_critical.h"
#include "broker/pipeline/effects_patient.h"
#include "broker/pipeline/effects_recognition.h"
#include "broker/port/tables.h"

namespace hutong::pipeline {
namespace {

namespace tables = port::tables;
using model::Moment;
using port::Row;

std::int64_t number_of(const Row& row, std::size_t column) {
  return std::get<std::int64_t>(row[column]);
}
const std::string& text_in(const Row& row, std::size_t column) {
  return std::get<std::string>(row[column]);
}

// Negated microseconds of the first moment that can be read, else of `appended`.
std::int64_t newest_first(std::initializer_list<Moment> moments, Timestamp appended) {
  for (const auto& moment : moments) {
    if (auto span = parse_iso(moment.iso)) return -span->first.micros;
  }
  return -appended.micros;
}

// Columns of tables::reports.
namespace column {
enum : std::size_t { facility, number, newest, report, version, status, kind, updated, offset, event_id, hash, body };
}

}  // namespace

net::awaitable<void> Effects::apply_report(const port::StoredRecord& record, Local local, const model::Event& event) {
  model::Report incoming = *event.report;  // settled: as a version of its own
  settle_statuses(arena_, incoming);
  const std::string id(incoming.id.view());
  const std::string event_name = event_id(event);
  const Row* stored = nullptr;
  if (const Row* where = co_await overlay_.get(tables::report_ids, {id})) {
    stored = co_await overlay_.get(tables::reports, {text_in(*where, 1), text_in(*where, 2), number_of(*where, 3), id});
  }

  Corrected made;
  model::Report before;
  bool comparable = false;  // with the version before: legible, and of the same patient
  std::int64_t next_version = 1;
  if (!stored) {
    made = {Correction::superseded, incoming, content_hash(arena_, incoming)};
    count(Effect::report_created);
  } else {
    const bool moved =
        text_in(*stored, column::facility) != local.facility || text_in(*stored, column::number) != local.number;
    const bool legible = model::read_report(text_in(*stored, column::body), arena_, before).has_value();
    before.id = incoming.id;
    comparable = legible && !moved;
    if (!legible) {
      count(Effect::unreadable);
      made = {Correction::superseded, incoming, content_hash(arena_, incoming)};
    } else if (event.version > 1) {
      // Better maps for a message that is the current version: its text stands, its meaning is healed. Of a message
      // that was corrected since, or merged with another, the later word stands.
      if (text_in(*stored, column::event_id) != event_name) co_return note_no_change(event);
      made = {Correction::superseded, incoming, content_hash(arena_, incoming)};
      if (model::write_report(arena_, incoming) == text_in(*stored, column::body)) co_return note_no_change(event);
      if (as_view(made.hash) != text_in(*stored, column::hash)) co_return note_no_change(event);
    } else {
      made = correct(arena_, before, text_in(*stored, column::hash), text_in(*stored, column::event_id), *event.report);
      // The same report for another patient is a correction, whatever else it says.
      if (made.outcome == Correction::unchanged && moved) {
        made = {Correction::superseded, incoming, content_hash(arena_, incoming)};
      }
      if (made.outcome == Correction::unchanged) {
        count(Effect::report_unchanged);
        co_return note_no_change(event);
      }
      if (made.outcome == Correction::late) {
        count(Effect::report_late);
        co_return note_no_change(event);
      }
    }
    next_version = number_of(*stored, column::version) + 1;
    count(Effect::report_superseded);
  }

  const auto& now = made.report;
  const std::int64_t order = newest_first({now.observed, now.issued, now.requested}, record.appended);
  if (stored) {
    const Row& old = *stored;
    if (number_of(old, column::newest) != order || text_in(old, column::facility) != local.facility ||
        text_in(old, column::number) != local.number) {
      overlay_.erase(tables::reports,
                     {old[column::facility], old[column::number], old[column::newest], old[column::report]});
    }
    overlay_.put(tables::report_versions,
                 {id, old[column::version], old[column::status], old[column::updated], old[column::offset],
                  old[column::event_id], old[column::body], old[column::facility], old[column::number]});
  }
  overlay_.put(tables::reports, {local.facility, local.number, order, id, next_version,
                                 std::string(to_string(now.status)), std::string(now.is_exam ? "exam" : "laboratory"),
                                 record.appended.micros, static_cast<std::int64_t>(record.offset), event_name,
                                 std::string(as_view(made.hash)), std::string(model::write_report(arena_, now))});
  overlay_.put(tables::report_ids, {id, local.facility, local.number, order, next_version});
  // Better maps are no correction: nobody is told that a laboratory changed its word, nor of a danger that has passed.
  if (event.version > 1) co_return;
  model::Report after = now;
  after.id = incoming.id;
  if (stored)
    co_await notify_uses(overlay_, comparable ? &before : nullptr, after, next_version, record.appended.micros);
  if (!rules_ || after.is_exam) co_return;
  co_await find_critical(overlay_, {partition_, record.offset},
                         {.before = comparable ? &before : nullptr,
                          .now = &after,
                          .version = next_version,
                          .patient_of = local.facility,
                          .patient = local.number,
                          .source = std::string(view_.source.facility),
                          .born = view_.subject.born.iso,
                          .appended = record.appended},
                         *rules_->critical);
}

net::awaitable<void> Effects::apply_encounter(const port::StoredRecord& record, Local local,
                                              const model::Event& event) {
  const auto& said = event.encounter;
  if (said.id.empty()) co_return;  // nothing to know the stay by
  if (event.version > 1) co_return note_no_change(event);
  const std::string id(said.id.view());
  const Row* stored = nullptr;
  if (const Row* where = co_await overlay_.get(tables::encounter_ids, {id})) {
    stored =
        co_await overlay_.get(tables::encounters, {text_in(*where, 1), text_in(*where, 2), number_of(*where, 3), id});
  }
  model::Encounter now;
  std::int64_t next_version = 1;
  if (stored) {
    model::Encounter before;
    if (!model::read_encounter(text_in(*stored, 8), arena_, before)) {
      count(Effect::unreadable);
      now = first_encounter(said);
    } else {
      now = change_encounter(before, said);
    }
    next_version = number_of(*stored, 4) + 1;
  } else {
    now = first_encounter(said);
  }
  std::string document(model::write_encounter(arena_, now));
  if (stored && document == text_in(*stored, 8)) co_return;
  // Where no time is said the first message's stays, so that an update does not move the stay.
  std::int64_t order = newest_first({now.admitted, now.occurred}, record.appended);
  if (stored && now.admitted.iso.empty()) order = number_of(*stored, 2);
  if (stored && number_of(*stored, 2) != order) {
    overlay_.erase(tables::encounters, {(*stored)[0], (*stored)[1], (*stored)[2], (*stored)[3]});
  }
  const auto offset = static_cast<std::int64_t>(record.offset);
  overlay_.put(tables::encounters,
               {local.facility, local.number, order, id, next_version, std::string(to_string(now.status)),
                record.appended.micros, offset, std::move(document)});
  overlay_.put(tables::encounter_ids, {id, local.facility, local.number, order, next_version});
  count(Effect::encounter_changed);
}

}  // namespace hutong::pipeline
