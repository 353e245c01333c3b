// What is known of one person, in the order of time: reports and their parts, orders, stays, everything, the latest of
// each.
#include <algorithm>
#include <map>
#include <set>

#include "broker/port/tables.h"
#include "broker/query/clinical.h"
#include "broker/query/rows.h"
#include "broker/query/timeline.h"

namespace hutong::query {
namespace {

using model::View;
using model::ViewKind;
namespace tables = port::tables;

constexpr char stage_encounters = 'e', stage_reports = 'r';

tl::unexpected<Error> pass(const Error& error) {
  return tl::unexpected<Error>(error);
}
tl::unexpected<Error> bad_position() {
  return fail(ErrorCode::invalid, "the page link does not fit this search; start from the first page");
}
tl::unexpected<Error> too_long() {
  return fail(ErrorCode::too_costly, "this person has more than " + std::to_string(rows_per_page) +
                                         " reports; narrow the search by date or read it page by page");
}

// Keeps a row of a timeline in the answer and gives all that it holds.
Result<std::vector<View>> hold(Answer& answer, const port::Row& row, PersonId person, const port::Table& table) {
  if (&table == &tables::orders) {
    auto& held = answer.orders.emplace_back();
    if (auto read = read_order_row(row, held.arena, held.view); !read) return pass(read.error());
    held.view.person = person;
    return std::vector<View>{{.kind = ViewKind::order, .order = &held.view}};
  }
  if (&table == &tables::encounters) {
    auto& held = answer.encounters.emplace_back();
    if (auto read = read_encounter_row(row, held.arena, held.view); !read) return pass(read.error());
    held.view.person = person;
    return std::vector<View>{{.kind = ViewKind::encounter, .encounter = &held.view}};
  }
  auto& held = answer.reports.emplace_back(text(row, 11).size() * 2 + 2048);
  if (auto read = read_report_row(row, held.arena, held.view); !read) return pass(read.error());
  held.view.person = person;
  return model::views_of(held.view);
}

void let_go(Answer& answer, const port::Table& table) {
  if (&table == &tables::orders) {
    answer.orders.pop_back();
  } else if (&table == &tables::encounters) {
    answer.encounters.pop_back();
  } else {
    answer.reports.pop_back();
  }
}

// The names of codes that say the same: the shared code where there is one, else the laboratory's own.
std::string group_of(const View& view) {
  const auto& report = view.report->report;
  const auto& code = report.observations[view.item].code;
  if (!code.mapped_code.empty()) return "shared\n" + std::string(code.mapped_code);
  return std::string(report.issuer) + "\n" + std::string(code.code.empty() ? code.display : code.code);
}

}  // namespace

// Ids of placed orders that have one of these numbers.
net::awaitable<Result<std::vector<std::string>>> Clinical::orders_numbered(std::vector<Token> numbers) {
  std::set<std::string> ids;
  for (const auto& token : numbers) {
    port::Scan scan;
    scan.prefix = {token.value};
    scan.limit = ids_per_search + 1;
    auto rows = co_await store_.scan(tables::order_numbers, std::move(scan));
    if (!rows) co_return pass(rows.error());
    for (const auto& row : *rows) {
      if (const auto id = OrderId::from_bytes(text(row, 2))) ids.insert(id->hex());
    }
  }
  if (ids.size() > ids_per_search)
    co_return fail(ErrorCode::too_costly,
                   "more than " + std::to_string(ids_per_search) + " orders have this number; name the patient, too");
  co_return std::vector<std::string>(ids.begin(), ids.end());
}

net::awaitable<Result<void>> Clinical::by_ids(Answer& answer, const ResultSearch& search) {
  std::optional<PersonId> person;
  if (search.person) {
    auto resolved = co_await members_of(*search.person);
    if (!resolved && resolved.error().code == ErrorCode::not_found) co_return Result<void>();
    if (!resolved) co_return pass(resolved.error());
    person = resolved->first;
  }
  std::set<std::string> ids(search.ids.begin(), search.ids.end());
  for (const auto& id : ids) {
    if (!search.position.empty() && id <= search.position) continue;
    std::vector<View> views;
    if (search.kind == ViewKind::encounter) {
      const auto encounter = EncounterId::from_hex(id);
      if (!encounter) continue;
      auto found = co_await load_encounter(answer, *encounter);
      if (!found && found.error().code == ErrorCode::not_found) continue;
      if (!found) co_return pass(found.error());
      if (!person || (*found)->person == *person) views.push_back({.kind = search.kind, .encounter = *found});
    } else if (const auto order = OrderId::from_hex(id); order && search.kind == ViewKind::order) {
      auto found = co_await load_order(answer, *order);
      if (!found && found.error().code == ErrorCode::not_found) continue;
      if (!found) co_return pass(found.error());
      if (!person || (*found)->person == *person) views.push_back({.kind = search.kind, .order = *found});
    } else {
      const auto report = ReportId::from_hex(std::string_view(id).substr(0, 32));
      if (!report) continue;
      auto found = co_await load_report(answer, *report);
      if (!found && found.error().code == ErrorCode::not_found) continue;
      if (!found) co_return pass(found.error());
      if (!person || (*found)->person == *person) views = model::views_of(**found);
    }
    for (const View& view : views) {
      if (view.kind != search.kind || model::id_of(view) != id || !matches(view, search)) continue;
      ++answer.counted;
      if (search.count_only) continue;
      if (answer.matches.size() == search.count) {
        answer.next = model::id_of(answer.matches.back());
        co_return Result<void>();
      }
      answer.matches.push_back(view);
    }
  }
  co_return Result<void>();
}

net::awaitable<Result<Answer>> Clinical::results(const access::Permit&, ResultSearch search) {
  auto answer = co_await begin();
  if (!answer) co_return pass(answer.error());
  if (search.ids.empty() && !search.person && !search.identifiers.empty()) {
    auto ids = co_await orders_numbered(search.identifiers.front());
    if (!ids) co_return pass(ids.error());
    if (ids->empty()) co_return answer;
    search.ids = std::move(*ids);
  }
  if (!search.ids.empty()) {
    if (auto done = co_await by_ids(*answer, search); !done) co_return pass(done.error());
    if (auto done = co_await include(*answer, search.includes); !done) co_return pass(done.error());
    co_return answer;
  }
  if (!search.person) {
    co_return fail(ErrorCode::too_costly,
                   "a search needs patient (or subject) or _id: results are kept by patient; find the patient first");
  }
  std::optional<Place> start;
  if (!search.position.empty() && !(start = read_place(search.position))) co_return bad_position();
  auto members = co_await members_of(*search.person);
  if (!members && members.error().code == ErrorCode::not_found) co_return answer;  // nobody: nothing found
  if (!members) co_return pass(members.error());
  Timeline timeline(store_, search.oldest_first, start);
  for (auto& local : members->second) {
    timeline.add(search.kind == ViewKind::encounter ? tables::encounters : tables::reports, local.facility,
                 local.number);
    if (search.kind == ViewKind::order) timeline.add(tables::orders, local.facility, local.number);
  }
  for (std::size_t rows = 0;; ++rows) {
    auto row = co_await timeline.next();
    if (!row) co_return pass(row.error());
    if (!*row) break;
    Place place = place_of(**row);
    if (rows == rows_per_page) {
      if (search.count_only) co_return too_long();
      answer->next = to_text(place);
      break;
    }
    const auto held = hold(*answer, **row, members->first, timeline.table());
    if (!held) co_return pass(held.error());
    const auto& views = *held;
    const bool resumed = start && place.id == start->id && place.newest == start->newest;
    bool used = false;
    for (std::size_t i = resumed ? start->sub : 0; i < views.size(); ++i) {
      if (!matches(views[i], search)) continue;
      ++answer->counted;
      if (search.count_only) continue;
      if (answer->matches.size() == search.count) {
        place.sub = i;
        answer->next = to_text(place);
        break;
      }
      answer->matches.push_back(views[i]);
      used = true;
    }
    if (!used) let_go(*answer, timeline.table());
    if (!answer->next.empty()) break;
  }
  if (auto done = co_await include(*answer, search.includes); !done) co_return pass(done.error());
  co_return answer;
}

// What the matches refer to, each once and none that is a match already.
net::awaitable<Result<void>> Clinical::include(Answer& answer, const std::vector<ViewKind>& kinds) {
  if (kinds.empty()) co_return Result<void>();
  std::set<std::pair<ViewKind, std::string>> shown;
  for (const View& view : answer.matches) shown.emplace(view.kind, model::id_of(view));
  const auto add = [&](const View& view) {
    if (shown.emplace(view.kind, model::id_of(view)).second) answer.includes.push_back(view);
  };
  const std::vector<View> matches = answer.matches;
  for (const View& match : matches) {
    for (const ViewKind kind : kinds) {
      if (kind == ViewKind::person) {
        auto found = co_await load_person(answer, match.report  ? match.report->person
                                                  : match.order ? match.order->person
                                                                : match.encounter->person);
        if (!found && found.error().code == ErrorCode::not_found) continue;
        if (!found) co_return pass(found.error());
        add({.kind = kind, .person = *found});
      } else if (kind == ViewKind::facility) {
        const auto code = match.report  ? match.report->report.issuer
                          : match.order ? match.order->order.facility
                                        : match.encounter->facility;
        if (const auto* found = facility(answer, code)) add({.kind = kind, .facility = found});
      } else if (match.report) {
        for (const View& part : model::views_of(*match.report)) {
          if (part.kind == kind) add(part);
        }
      }
    }
  }
  co_return Result<void>();
}

net::awaitable<Result<void>> Clinical::include_of_persons(Answer& answer, const std::vector<ViewKind>& kinds) {
  const auto wanted = [&](ViewKind kind) { return std::find(kinds.begin(), kinds.end(), kind) != kinds.end(); };
  const bool stays = wanted(ViewKind::encounter), reports = kinds.size() > (stays ? 1 : 0);
  std::size_t rows = 0;
  for (const View& match : answer.matches) {
    for (const bool encounters : {true, false}) {
      if (!(encounters ? stays : reports)) continue;
      Timeline timeline(store_, false, std::nullopt);
      for (const auto& local : match.person->members) {
        timeline.add(encounters ? tables::encounters : tables::reports, std::string(local.facility),
                     std::string(local.number));
      }
      while (true) {
        auto row = co_await timeline.next();
        if (!row) co_return pass(row.error());
        if (!*row) break;
        const auto held = hold(answer, **row, match.person->id, timeline.table());
        if (!held) co_return pass(held.error());
        for (const View& view : *held) {
          if (wanted(view.kind)) answer.includes.push_back(view);
        }
        // All or nothing: a part would look like the whole.
        if (++rows > rows_per_page || answer.includes.size() > limits::page_items_max) {
          co_return fail(ErrorCode::too_costly,
                         "more than " + std::to_string(limits::page_items_max) +
                             " would come along; search for them by patient= and read page by page");
        }
      }
    }
  }
  co_return Result<void>();
}

net::awaitable<Result<Answer>> Clinical::everything(const access::Permit&, PersonId person, std::size_t count,
                                                    std::string position) {
  auto answer = co_await begin();
  if (!answer) co_return pass(answer.error());
  auto members = co_await members_of(person);
  if (!members) co_return pass(members.error());
  char stage = stage_encounters;
  std::optional<Place> start;
  if (!position.empty()) {
    stage = position.front();
    if (stage != stage_encounters && stage != stage_reports) co_return bad_position();
    if (position.size() > 1 && !(start = read_place(std::string_view(position).substr(1)))) co_return bad_position();
  } else {
    auto shown = co_await load_person(*answer, person);
    if (!shown) co_return pass(shown.error());
    answer->matches.push_back({.kind = ViewKind::person, .person = *shown});
    if (members->first != person) {  // merged away: who it is now comes along
      auto today = co_await load_person(*answer, members->first);
      if (!today) co_return pass(today.error());
      answer->matches.push_back({.kind = ViewKind::person, .person = *today});
    }
    std::set<std::string> codes;
    for (const auto& local : members->second) codes.insert(local.facility);
    for (const auto& code : codes) {
      if (const auto* found = facility(*answer, code)) {
        answer->matches.push_back({.kind = ViewKind::facility, .facility = found});
      }
    }
  }
  for (; stage != 0; stage = stage == stage_encounters ? stage_reports : '\0', start.reset()) {
    Timeline timeline(store_, false, start);
    for (const auto& local : members->second) {
      timeline.add(stage == stage_encounters ? tables::encounters : tables::reports, local.facility, local.number);
      if (stage == stage_reports) timeline.add(tables::orders, local.facility, local.number);
    }
    while (true) {
      auto row = co_await timeline.next();
      if (!row) co_return pass(row.error());
      if (!*row) break;
      Place place = place_of(**row);
      if (answer->matches.size() >= count) {
        answer->next = stage + to_text(place);
        co_return answer;
      }
      const auto held = hold(*answer, **row, members->first, timeline.table());
      if (!held) co_return pass(held.error());
      const auto& views = *held;
      const bool resumed = start && place.id == start->id && place.newest == start->newest;
      for (std::size_t i = resumed ? start->sub : 0; i < views.size(); ++i) {
        if (answer->matches.size() >= count) {
          place.sub = i;
          answer->next = stage + to_text(place);
          co_return answer;
        }
        answer->matches.push_back(views[i]);
      }
    }
  }
  co_return answer;
}

net::awaitable<Result<Answer>> Clinical::latest(const access::Permit&, ResultSearch search, std::size_t max) {
  auto answer = co_await begin();
  if (!answer) co_return pass(answer.error());
  if (!search.person) co_return fail(ErrorCode::too_costly, "$lastn needs patient or subject");
  auto members = co_await members_of(*search.person);
  if (!members && members.error().code == ErrorCode::not_found) co_return answer;
  if (!members) co_return pass(members.error());
  Timeline timeline(store_, false, std::nullopt);
  for (const auto& local : members->second) timeline.add(tables::reports, local.facility, local.number);
  std::map<std::string, std::vector<View>> groups;
  std::size_t found = 0;
  for (std::size_t rows = 0;; ++rows) {
    auto row = co_await timeline.next();
    if (!row) co_return pass(row.error());
    if (!*row) break;
    if (rows == rows_per_page) co_return too_long();
    const auto held = hold(*answer, **row, members->first, tables::reports);
    if (!held) co_return pass(held.error());
    bool used = false;
    for (const View& view : *held) {
      if (!matches(view, search)) continue;
      const auto status = model::status_of(view);
      if (search.statuses.empty() && (status == "cancelled" || status == "entered-in-error")) continue;
      auto& group = groups[group_of(view)];
      if (group.size() >= max || found >= limits::page_items_max) continue;
      group.push_back(view);
      ++found;
      used = true;
    }
    if (!used) answer->reports.pop_back();
  }
  for (const auto& [name, group] : groups) answer->matches.insert(answer->matches.end(), group.begin(), group.end());
  if (auto done = co_await include(*answer, search.includes); !done) co_return pass(done.error());
  co_return answer;
}

}  // namespace hutong::query
