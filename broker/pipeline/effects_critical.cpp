#include "broker/pipeline/effects_critical.h"

#include <algorithm>
#include <set>

#include "broker/critical/document.h"
#include "broker/model/views.h"
#include "broker/port/tables.h"

namespace hutong::pipeline {
namespace {

namespace tables = port::tables;
using critical::CriticalValue;
using model::Observation;
using model::Report;
using port::Row;

// A result that comes later than this is history (a feed that is caught up with): nobody is called for it.
constexpr std::chrono::days told_within{7};
constexpr std::chrono::hours told_after_rebuild{24};
constexpr std::size_t items_of_report = 10'000, orders_of_number = 16, rows_at_once = 500;
constexpr int zone_minutes = 480;

const std::string& text_in(const Row& row, std::size_t column) {
  return std::get<std::string>(row[column]);
}
std::int64_t number_in(const Row& row, std::size_t column) {
  return std::get<std::int64_t>(row[column]);
}

// Columns of tables::critical_values.
namespace column {
enum : std::size_t { value, facility, state, person, at, deadline, rules, updated, document };
}

std::optional<Timestamp> moment_of(const model::Moment& moment) {
  const auto span = parse_iso(moment.iso);
  return span ? std::optional(span->first) : std::nullopt;
}

std::optional<int> age_in_days(model::Text born, Timestamp at) {
  const auto span = born.empty() ? std::nullopt : parse_iso(born);
  if (!span || span->first > at) return std::nullopt;
  return static_cast<int>((at.micros - span->first.micros) / 86'400'000'000);
}

bool is_withdrawn(model::ResultStatus status) {
  return status == model::ResultStatus::cancelled || status == model::ResultStatus::entered_in_error;
}

// What somebody who was told of it knows.
bool same_word(const Observation& a, const Observation& b) {
  return a.value.sent == b.value.sent && a.value.number == b.value.number && a.value.comparator == b.value.comparator &&
         a.value.unit == b.value.unit;
}

struct Critical {
  const Observation* item = nullptr;
  critical::Found found;
};

// By the items' ids.
struct Looked {
  std::map<std::string, Critical> critical;
  std::map<std::string, const Observation*> items;
};
using Found = std::vector<std::optional<critical::Found>>;  // of each item

Found look_at(const Report& report, const CriticalReport& about, const critical::Rules& rules) {
  Found found;
  const auto day = terminology::day_of(about.appended, zone_minutes);
  const auto observed = moment_of(report.observed).value_or(about.appended);
  const auto age = age_in_days(about.born, observed);
  for (const auto& item : report.observations) found.push_back(critical::detect(item, report.issuer, age, day, rules));
  return found;
}

Looked by_id(const Report& report, Found found) {
  Looked looked;
  const auto ids = model::item_ids(report);
  for (std::size_t i = 0; i < ids.size(); ++i) {
    const auto& item = report.observations[i];
    looked.items[ids[i]] = &item;
    if (found[i]) looked.critical[ids[i]] = {&item, std::move(*found[i])};
  }
  return looked;
}

net::awaitable<PersonId> person_of(Overlay& overlay, const std::string& facility, const std::string& number) {
  const Row* row = co_await overlay.get(tables::person_of, {facility, number});
  const auto linked = row ? PersonId::from_bytes(text_in(*row, 2)) : std::nullopt;
  co_return linked.value_or(model::first_person_id(facility, number));
}

// Who ordered it, and so must be told: as a known order of this number for this person says, else whose patient it is;
// a laboratory that tells of its own patient hears of it itself. Numbers of orders are their facility's own, so one of
// another's patient says nothing: whoever has it would be told of a stranger. Only where the laboratory numbered the
// patient itself, who may be known to nobody else as that person, the number alone counts.
net::awaitable<std::string> orderer_of(Overlay& overlay, const CriticalReport& about) {
  const auto& report = *about.now;
  if (!report.order_number.empty()) {
    const bool known = about.patient_of != report.issuer;
    const auto person = co_await person_of(overlay, about.patient_of, about.patient);
    std::set<std::string> orderers, named;
    for (const auto& row :
         co_await overlay.scan(tables::order_numbers, {std::string(report.order_number)}, orders_of_number)) {
      const auto& orderer = text_in(row, 1);
      if (orderer == report.issuer) continue;
      named.insert(orderer);
      const Row* order = co_await overlay.get(tables::order_ids, {text_in(row, 2)});
      if (order && co_await person_of(overlay, text_in(*order, 1), text_in(*order, 2)) == person)
        orderers.insert(orderer);
    }
    if (orderers.empty() && !known) orderers = std::move(named);
    if (orderers.size() == 1) co_return *orderers.begin();
    if (orderers.contains(about.patient_of)) co_return about.patient_of;
  }
  co_return about.patient_of.empty() ? about.source : about.patient_of;
}

net::awaitable<void> open_loop(Overlay& overlay, Cause cause, const CriticalReport& about,
                               const std::string& observation, const Critical& critical, const std::string& facility,
                               const critical::Rules& rules) {
  const auto& report = *about.now;
  const std::string hex = report.id.hex();
  const auto value = model::critical_id(hex, observation, static_cast<std::uint64_t>(about.version));
  overlay.put(tables::critical_items, {std::string(report.id.view()), observation, std::string(value.view())});
  if (co_await overlay.get(tables::critical_values, {std::string(value.view())})) co_return;  // a rebuild met it before
  model::CriticalOpened opened;
  opened.id = model::opened_id(value);
  opened.value = value;
  opened.at = about.appended;
  opened.report = hex;
  opened.observation = observation;
  opened.version = static_cast<std::uint64_t>(about.version);
  opened.person = (co_await person_of(overlay, about.patient_of, about.patient)).hex();
  opened.laboratory = report.issuer;
  opened.facility = facility;
  opened.department = report.department.name.empty() ? report.department.code : report.department.name;
  opened.practitioner = report.orderer.code;
  opened.labelled = !report.labels.empty() || !critical.item->labels.empty();
  if (!opened.labelled) {
    opened.loinc = critical.item->code.mapped_code;
    opened.degree = critical.found.degree;
    opened.basis = critical.found.basis;
  }
  opened.rules = rules.version();
  co_await derive(overlay, cause, opened.id, facility + "/" + value.hex(), model::critical_opened_kind,
                  model::write(opened));
}

net::awaitable<void> withdraw(Overlay& overlay, Cause cause, const CriticalId& value, const std::string& reason,
                              Timestamp at) {
  const Row* row = co_await overlay.get(tables::critical_values, {std::string(value.view())});
  if (row && text_in(*row, column::state) == "withdrawn") co_return;  // a rebuild met it before
  model::CriticalStep step;
  step.id = model::withdrawn_id(value);
  step.value = value;
  step.action = model::CriticalAction::withdrawn;
  step.at = at;
  step.reason = reason;
  co_await derive(overlay, cause, step.id, value.hex(), "critical-value.withdrawn", model::write(step));
}

void index(Overlay& overlay, const Row* before, const CriticalValue& now, const critical::Rules* rules) {
  const std::string id(now.opened.value.view());
  const std::int64_t newest = -now.opened.at.micros;
  const std::string state(critical::state_of(now));
  if (before) {
    const std::int64_t closed = text_in(*before, column::state) == "open" ? 0 : 1;
    if (closed == 0 && state != "open") {
      const auto told = critical::read_critical_value(text_in(*before, column::document));
      overlay.erase(tables::critical_ledger, {text_in(*before, column::facility), closed, newest, id});
      overlay.erase(tables::critical_ledger, {std::string(), closed, newest, id});
      for (const auto& step : told ? told->steps : now.steps)
        overlay.erase(tables::critical_ledger, {step.facility, closed, newest, id});
    }
    if (number_in(*before, column::deadline) != 0) {
      overlay.erase(tables::deadlines, {std::string(critical_deadline), text_in(*before, column::rules),
                                        number_in(*before, column::deadline), id});
    }
  }
  const std::int64_t closed = state == "open" ? 0 : 1;
  std::set<std::string> whose{std::string(), now.opened.facility};
  Timestamp updated = now.opened.at;
  for (const auto& step : now.steps) {
    updated = std::max(updated, step.at);
    if (step.action != model::CriticalAction::withdrawn) whose.insert(step.facility);
  }
  for (const auto& facility : whose) overlay.put(tables::critical_ledger, {facility, closed, newest, id, state});
  const auto deadline = rules ? critical::next(now, *rules) : std::nullopt;
  if (deadline)
    overlay.put(tables::deadlines, {std::string(critical_deadline), rules->version(), deadline->at.micros, id});
  overlay.put(tables::critical_values, {id, now.opened.facility, state, now.opened.person, now.opened.at.micros,
                                        deadline ? deadline->at.micros : 0, rules ? rules->version() : std::string(),
                                        updated.micros, critical::write(now)});
}

}  // namespace

net::awaitable<void> find_critical(Overlay& overlay, Cause cause, CriticalReport about, const critical::Rules& rules) {
  const auto& report = *about.now;
  const auto happened = moment_of(report.issued).value_or(moment_of(report.observed).value_or(about.appended));
  if (report.is_exam) co_return;
  const bool is_news = about.appended - happened <= told_within;
  auto found = look_at(report, about, rules);
  const bool any = std::any_of(found.begin(), found.end(), [](const auto& each) { return each.has_value(); });
  if (about.version == 1 && (!any || !is_news)) co_return;
  const auto now = by_id(report, std::move(found));
  std::set<std::string> stand;  // loops that go on as they are
  if (about.version > 1) {
    const auto before = about.before ? by_id(*about.before, Found(about.before->observations.size())) : Looked();
    const auto rows = co_await overlay.scan(tables::critical_items, {std::string(report.id.view())}, items_of_report);
    for (const auto& row : rows) {
      const auto& observation = text_in(row, 1);
      const auto was = before.items.find(observation), is = now.items.find(observation);
      // What is critical still in a late word about the same patient waits as it did: nothing is opened in its place.
      const bool same = was != before.items.end() && is != now.items.end() && same_word(*was->second, *is->second);
      if (now.critical.contains(observation) && (same || (about.before && !is_news))) {
        stand.insert(observation);
        continue;
      }
      const auto value = CriticalId::from_bytes(text_in(row, 2));
      overlay.erase(tables::critical_items, {row[0], row[1]});
      const bool gone = is == now.items.end() || is_withdrawn(is->second->status);
      if (value) co_await withdraw(overlay, cause, *value, gone ? "cancelled" : "corrected", about.appended);
    }
  }
  if (!is_news || now.critical.size() == stand.size()) co_return;
  const auto facility = co_await orderer_of(overlay, about);
  for (const auto& [observation, critical] : now.critical) {
    if (!stand.contains(observation)) co_await open_loop(overlay, cause, about, observation, critical, facility, rules);
  }
}

net::awaitable<Result<void>> mark_late(port::Store& store, Timestamp newest) {
  port::Scan scan;
  scan.limit = rows_at_once;
  for (bool more = true; more;) {
    const auto rows = co_await store.scan(tables::derived, scan);
    if (!rows) co_return tl::unexpected(rows.error());
    more = rows->size() == rows_at_once;
    if (more) scan.after = port::Key(rows->back().begin(), rows->back().begin() + 4);
    port::StoreBatch batch;
    for (const auto& row : *rows) {
      auto opened = text_in(row, 5) == model::critical_opened_kind ? model::read_critical_opened(text_in(row, 6))
                                                                   : tl::unexpected(Error{});
      if (!opened || newest - opened->at <= told_after_rebuild) continue;
      opened->late = true;
      Row marked = row;
      marked[6] = model::write(*opened);
      batch.put(tables::derived, std::move(marked));
    }
    if (batch.changes.empty()) continue;
    if (auto written = co_await store.write(std::move(batch)); !written) co_return tl::unexpected(written.error());
  }
  co_return Result<void>();
}

net::awaitable<void> apply(Overlay& overlay, model::CriticalOpened opened, const critical::Rules* rules) {
  co_await met(overlay, opened.id);
  if (co_await overlay.get(tables::critical_values, {std::string(opened.value.view())})) co_return;
  index(overlay, nullptr, CriticalValue{std::move(opened), {}}, rules);
}

net::awaitable<void> apply(Overlay& overlay, model::CriticalStep step, const critical::Rules* rules) {
  co_await met(overlay, step.id);
  const Row* row = co_await overlay.get(tables::critical_values, {std::string(step.value.view())});
  if (!row) co_return;  // of a value that this log does not have
  auto value = critical::read_critical_value(text_in(*row, column::document));
  if (!value || !critical::apply(*value, step)) co_return;
  index(overlay, row, *value, rules);
}

net::awaitable<void> reckon_critical(Overlay& overlay, const Row& deadline, const critical::Rules& rules) {
  if (text_in(deadline, 0) != critical_deadline || text_in(deadline, 1) == rules.version()) co_return;
  const Row* row = co_await overlay.get(tables::critical_values, {text_in(deadline, 3)});
  const auto value = row ? critical::read_critical_value(text_in(*row, column::document)) : tl::unexpected(Error{});
  if (!value) {
    overlay.erase(tables::deadlines, {deadline[0], deadline[1], deadline[2], deadline[3]});
    co_return;
  }
  index(overlay, row, *value, &rules);
}

}  // namespace hutong::pipeline
