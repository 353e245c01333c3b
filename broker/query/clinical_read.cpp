// One thing by its id, its versions, and the loading that every query shares.
#include <algorithm>

#include "broker/model/event_json.h"
#include "broker/port/tables.h"
#include "broker/query/clinical.h"
#include "broker/query/rows.h"

namespace hutong::query {
namespace {

using model::View;
using model::ViewKind;
namespace tables = port::tables;

constexpr int replaced_hops_max = 32;

tl::unexpected<Error> pass(const Error& error) {
  return tl::unexpected<Error>(error);
}
tl::unexpected<Error> unknown_id() {
  return fail(ErrorCode::not_found, "nothing is known under this id; search by patient or identifier to find it");
}

bool provisional(std::string_view code) {
  return code.size() == 14 && code.starts_with("x-") &&
         code.find_first_not_of("0123456789abcdef", 2) == std::string_view::npos;
}

// The view of this id among what a report holds.
std::optional<View> find_view(const model::ReportView& report, ViewKind kind, std::string_view id) {
  for (const View& view : model::views_of(report)) {
    if (view.kind == kind && model::id_of(view) == id) return view;
  }
  return std::nullopt;
}

// The id of an order that a message placed; one behind a report has the report's, and "-r".
std::optional<OrderId> placed_order(ViewKind kind, std::string_view id) {
  return kind == ViewKind::order ? OrderId::from_hex(id) : std::nullopt;
}

// A report is kept in all its versions, and with it what stands in it.
bool keeps_versions(ViewKind kind, std::string_view id) {
  return kind != ViewKind::person && kind != ViewKind::encounter && kind != ViewKind::facility &&
         !placed_order(kind, id);
}

// What an item says, without where it stood in the message.
std::string content_of(const View& view) {
  model::Report alone;
  Arena arena(4096);
  model::Observation item = view.report->report.observations[view.item];
  item.path = {};
  alone.observations.push(arena, item);
  alone.observed = view.report->report.observed;
  return std::string(model::write_report(arena, alone));
}

}  // namespace

// The offset first: what is read afterwards can only be newer than what it promises.
net::awaitable<Result<Answer>> Clinical::begin() {
  Answer answer;
  for (std::uint32_t number = 0; number < partitions_; ++number) {
    auto cursor = co_await store_.cursor({port::Topic::events, number});
    if (!cursor) co_return pass(cursor.error());
    if (*cursor) answer.offset += (*cursor)->next;
  }
  co_return answer;
}

const model::Facility* Clinical::facility(Answer& answer, std::string_view code) {
  for (const auto& held : answer.facilities) {
    if (held.code == code) return &held;
  }
  const auto directory = facilities_();
  const model::Facility* known = directory ? directory->find(code) : nullptr;
  if (known) return &answer.facilities.emplace_back(*known);
  if (!provisional(code)) return nullptr;
  model::Facility unregistered;
  unregistered.code = code;
  unregistered.provisional = true;
  return &answer.facilities.emplace_back(std::move(unregistered));
}

net::awaitable<Result<PersonId>> Clinical::person_of(std::string facility, std::string number) {
  const PersonId first = model::first_person_id(facility, number);
  auto row = co_await store_.get(tables::person_of, {std::move(facility), std::move(number)});
  if (!row) co_return pass(row.error());
  co_return *row ? PersonId::from_bytes(text(**row, 2)).value_or(first) : first;
}

net::awaitable<Result<std::pair<PersonId, std::vector<Clinical::Local>>>> Clinical::members_of(PersonId person) {
  std::pair<PersonId, std::vector<Local>> found{person, {}};
  for (int hop = 0; hop < replaced_hops_max; ++hop) {
    auto row = co_await store_.get(tables::persons, {std::string(found.first.view())});
    if (!row) co_return pass(row.error());
    if (!*row) co_return unknown_id();
    if (auto next = PersonId::from_bytes(text(**row, 4)); next && !next->empty()) {
      found.first = *next;
      continue;
    }
    auto members = model::read_members(text(**row, 1));
    if (!members) co_return pass(members.error());
    for (auto& [facility, number] : *members) found.second.push_back({std::move(facility), std::move(number)});
    co_return found;
  }
  co_return fail(ErrorCode::corrupt, "the links between persons go round in a ring; run hutong rebuild");
}

net::awaitable<Result<const model::PersonView*>> Clinical::load_person(Answer& answer, PersonId id) {
  for (const auto& held : answer.persons) {
    if (held.view.id == id) co_return &held.view;
  }
  auto& held = answer.persons.emplace_back();
  auto person = co_await query::load_person(store_, id, held.arena);
  if (!person) {
    answer.persons.pop_back();
    co_return pass(person.error());
  }
  held.view = std::move(*person);
  co_return &held.view;
}

net::awaitable<Result<const model::ReportView*>> Clinical::load_report(Answer& answer, ReportId id) {
  for (const auto& held : answer.reports) {
    if (held.view.report.id == id) co_return &held.view;
  }
  // The row moves when a correction changes its time: a second look finds it at its new place.
  for (int attempt = 0; attempt < 2; ++attempt) {
    auto where = co_await store_.get(tables::report_ids, {std::string(id.view())});
    if (!where) co_return pass(where.error());
    if (!*where) co_return unknown_id();
    auto row = co_await store_.get(tables::reports,
                                   {text(**where, 1), text(**where, 2), integer(**where, 3), text(**where, 0)});
    if (!row) co_return pass(row.error());
    if (!*row) continue;
    auto& held = answer.reports.emplace_back(text(**row, 11).size() * 2 + 2048);
    if (auto read = read_report_row(**row, held.arena, held.view); !read) co_return pass(read.error());
    auto person = co_await person_of(text(**row, 0), text(**row, 1));
    if (!person) co_return pass(person.error());
    held.view.person = *person;
    co_return &held.view;
  }
  co_return fail(ErrorCode::corrupt, "a report's row is missing from the store; run hutong rebuild");
}

// The current version, then the superseded ones, newest first.
net::awaitable<Result<void>> Clinical::load_versions(Answer& answer, ReportId id) {
  auto current = co_await load_report(answer, id);
  if (!current) co_return pass(current.error());
  port::Scan scan;
  scan.prefix = {std::string(id.view())};
  scan.backward = true;
  auto rows = co_await store_.scan(tables::report_versions, std::move(scan));
  if (!rows) co_return pass(rows.error());
  for (const auto& row : *rows) {
    if (static_cast<std::uint64_t>(integer(row, 1)) >= (*current)->version) continue;
    auto& held = answer.reports.emplace_back(text(row, 6).size() * 2 + 2048);
    if (auto read = read_version_row(row, held.arena, held.view); !read) co_return pass(read.error());
    // A version may have been filed under another patient: the laboratory corrected whose report it is.
    auto person = co_await person_of(text(row, 7), text(row, 8));
    if (!person) co_return pass(person.error());
    held.view.person = *person;
  }
  co_return Result<void>();
}

net::awaitable<Result<const model::EncounterView*>> Clinical::load_encounter(Answer& answer, EncounterId id) {
  for (int attempt = 0; attempt < 2; ++attempt) {
    auto where = co_await store_.get(tables::encounter_ids, {std::string(id.view())});
    if (!where) co_return pass(where.error());
    if (!*where) co_return unknown_id();
    auto row = co_await store_.get(tables::encounters,
                                   {text(**where, 1), text(**where, 2), integer(**where, 3), text(**where, 0)});
    if (!row) co_return pass(row.error());
    if (!*row) continue;
    auto& held = answer.encounters.emplace_back();
    if (auto read = read_encounter_row(**row, held.arena, held.view); !read) co_return pass(read.error());
    auto person = co_await person_of(text(**row, 0), text(**row, 1));
    if (!person) co_return pass(person.error());
    held.view.person = *person;
    co_return &held.view;
  }
  co_return fail(ErrorCode::corrupt, "an encounter's row is missing from the store; run hutong rebuild");
}

net::awaitable<Result<const model::OrderView*>> Clinical::load_order(Answer& answer, OrderId id) {
  for (int attempt = 0; attempt < 2; ++attempt) {
    auto where = co_await store_.get(tables::order_ids, {std::string(id.view())});
    if (!where) co_return pass(where.error());
    if (!*where) co_return unknown_id();
    auto row = co_await store_.get(tables::orders,
                                   {text(**where, 1), text(**where, 2), integer(**where, 3), text(**where, 0)});
    if (!row) co_return pass(row.error());
    if (!*row) continue;
    auto& held = answer.orders.emplace_back();
    if (auto read = read_order_row(**row, held.arena, held.view); !read) co_return pass(read.error());
    auto person = co_await person_of(text(**row, 0), text(**row, 1));
    if (!person) co_return pass(person.error());
    held.view.person = *person;
    co_return &held.view;
  }
  co_return fail(ErrorCode::corrupt, "an order's row is missing from the store; run hutong rebuild");
}

net::awaitable<Result<Answer>> Clinical::read(const access::Permit&, ViewKind kind, std::string id) {
  auto answer = co_await begin();
  if (!answer) co_return pass(answer.error());
  if (kind == ViewKind::facility) {
    const model::Facility* found = facility(*answer, id);
    if (!found) co_return unknown_id();
    answer->matches.push_back({.kind = kind, .facility = found});
  } else if (kind == ViewKind::person) {
    const auto person = PersonId::from_hex(id);
    if (!person) co_return unknown_id();
    auto found = co_await load_person(*answer, *person);
    if (!found) co_return pass(found.error());
    answer->matches.push_back({.kind = kind, .person = *found});
  } else if (kind == ViewKind::encounter) {
    const auto encounter = EncounterId::from_hex(id);
    if (!encounter) co_return unknown_id();
    auto found = co_await load_encounter(*answer, *encounter);
    if (!found) co_return pass(found.error());
    answer->matches.push_back({.kind = kind, .encounter = *found});
  } else if (const auto order = placed_order(kind, id)) {
    auto found = co_await load_order(*answer, *order);
    if (!found) co_return pass(found.error());
    answer->matches.push_back({.kind = kind, .order = *found});
  } else {
    const auto report = ReportId::from_hex(std::string_view(id).substr(0, 32));
    if (!report) co_return unknown_id();
    auto found = co_await load_report(*answer, *report);
    if (!found) co_return pass(found.error());
    if (auto view = find_view(**found, kind, id)) {
      answer->matches.push_back(*view);
      co_return answer;
    }
    if (kind != ViewKind::observation) co_return unknown_id();
    Answer versions;
    if (auto loaded = co_await load_versions(versions, *report); !loaded) co_return pass(loaded.error());
    for (const auto& held : versions.reports) {
      if (!find_view(held.view, kind, id)) continue;
      co_return fail(ErrorCode::gone, "a correction took this result out of its report; version " +
                                          std::to_string(held.view.version) + " held it: see _history");
    }
    co_return unknown_id();
  }
  co_return answer;
}

net::awaitable<Result<Answer>> Clinical::version(const access::Permit& permit, ViewKind kind, std::string id,
                                                 std::uint64_t version) {
  if (!keeps_versions(kind, id)) {
    auto current = co_await read(permit, kind, std::move(id));
    if (!current) co_return current;
    const auto known = model::version_of(current->matches.front());
    if (known == version) co_return current;
    co_return fail(ErrorCode::not_found, "only the current version is kept, which is " + std::to_string(known) +
                                             "; read it without _history");
  }
  auto answer = co_await begin();
  if (!answer) co_return pass(answer.error());
  const auto report = ReportId::from_hex(std::string_view(id).substr(0, 32));
  if (!report) co_return unknown_id();
  if (auto loaded = co_await load_versions(*answer, *report); !loaded) co_return pass(loaded.error());
  for (const auto& held : answer->reports) {
    if (held.view.version != version) continue;
    if (auto view = find_view(held.view, kind, id)) answer->matches.push_back(*view);
  }
  if (answer->matches.empty()) co_return unknown_id();
  co_return answer;
}

net::awaitable<Result<Answer>> Clinical::history(const access::Permit& permit, ViewKind kind, std::string id) {
  if (!keeps_versions(kind, id)) co_return co_await read(permit, kind, std::move(id));
  auto answer = co_await begin();
  if (!answer) co_return pass(answer.error());
  const auto report = ReportId::from_hex(std::string_view(id).substr(0, 32));
  if (!report) co_return unknown_id();
  if (auto loaded = co_await load_versions(*answer, *report); !loaded) co_return pass(loaded.error());
  std::string newer;
  for (const auto& held : answer->reports) {
    auto view = find_view(held.view, kind, id);
    if (!view) {
      newer.clear();
      continue;
    }
    if (kind == ViewKind::observation) {
      std::string content = content_of(*view);
      if (content == newer) continue;
      newer = std::move(content);
    }
    answer->matches.push_back(*view);
  }
  if (answer->matches.empty()) co_return unknown_id();
  co_return answer;
}

}  // namespace hutong::query
