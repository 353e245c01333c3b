// A small invented region in a store in memory, its rows put by hand as the projector writes them, and a gate that
// decides about reads. For the tests of the read side.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>

#include "adapters/store/memory/memory_store.h"
#include "broker/access/audit_chain.h"
#include "broker/access/permit.h"
#include "broker/model/event_json.h"
#include "broker/model/identifier_key.h"
#include "broker/model/views.h"
#include "broker/port/tables.h"
#include "broker/query/clinical.h"

namespace hutong::test {

// Runs a coroutine to its end on a context of its own.
template <class T>
net::awaitable<void> keep(net::awaitable<T> work, std::optional<T>& result) {
  result.emplace(co_await std::move(work));
}
template <class T>
T run(net::awaitable<T> work) {
  net::io_context context;
  std::optional<T> result;
  net::co_spawn(context, keep(std::move(work), result), [](std::exception_ptr failure) {
    if (failure) std::rethrow_exception(failure);
  });
  context.run();
  return std::move(*result);
}

struct FixedClock final : Clock {
  Timestamp now() const override { return {1'770'000'000'000'000}; }
  std::chrono::nanoseconds ticks() const override { return std::chrono::nanoseconds(0); }
};

class Region {
 public:
  static constexpr std::string_view key = "a key of this test";
  static constexpr std::int64_t appended = 1'767'300'000'000'000;  // 2026-01-01T20:40:00Z

  Region()
      : directory_(std::filesystem::temp_directory_path() /
                   ("hutong-region-" + std::to_string(::getpid()) + "-" + std::to_string(++made()))),
        audit(options(), access::SigningKey::from_seed(std::string(32, 's')), clock),
        gate(audit, clock),
        clinical(store, std::string(key), [this] { return directory; }) {
    auto known = std::make_shared<model::FacilityDirectory>();
    known->add({.code = "county", .name_zh = "县人民医院", .name_en = "County Hospital"});
    known->add({.code = "lab", .name_zh = "区域检验中心", .name_en = "Regional Laboratory"});
    directory = known;
    port::StoreBatch batch;
    batch.cursor = port::Cursor{{port::Topic::events, 0}, 41, "log"};
    write(std::move(batch));
  }
  ~Region() {
    audit.close();
    std::filesystem::remove_all(directory_);
  }

  void write(port::StoreBatch batch) { ASSERT_TRUE(run(store.write(std::move(batch)))); }

  access::Permit permit() {
    auto made =
        run(gate.decide({"clinic", {"system/*.rs"}, ""}, {access::Action::search, "Observation", "", "", "", ""}));
    return std::move(made.value());
  }

  // A local patient as a person of their own.
  PersonId patient(const std::string& facility, const std::string& number,
                   const std::function<void(Arena&, model::Subject&)>& say = {}) {
    const PersonId person = model::first_person_id(facility, number);
    Arena arena;
    model::Subject subject;
    subject.number = number;
    subject.facility = facility;
    if (say) say(arena, subject);
    port::StoreBatch batch;
    batch.put(port::tables::patients, {facility, number, std::string(model::write_subject(arena, subject)),
                                       std::int64_t{1}, appended, appended, std::int64_t{1}});
    batch.put(port::tables::persons, {std::string(person.view()), "[[\"" + facility + "\",\"" + number + "\"]]",
                                      std::int64_t{1}, appended, std::string()});
    batch.put(port::tables::person_of, {facility, number, std::string(person.view())});
    batch.put(port::tables::identifiers,
              {model::identifier_key(key, model::IdentifierKind::facility_number, facility, number), facility, number,
               std::string("facility-number")});
    for (const auto& each : subject.identifiers) {
      batch.put(port::tables::identifiers, {model::identifier_key(key, each.kind, each.facility, each.value), facility,
                                            number, std::string(model::to_string(each.kind))});
    }
    for (const auto& name : subject.names) {
      batch.put(port::tables::names, {model::name_key(name.text), facility, number});
    }
    if (!subject.born.iso.empty()) {
      batch.put(port::tables::births, {std::string(subject.born.iso.substr(0, 10)), facility, number});
    }
    write(std::move(batch));
    return person;
  }

  // `prior` becomes one with `survivor`.
  void merge(PersonId survivor, PersonId prior, const std::string& members) {
    port::StoreBatch batch;
    batch.put(port::tables::persons,
              {std::string(survivor.view()), members, std::int64_t{2}, appended + 5, std::string()});
    batch.put(port::tables::persons,
              {std::string(prior.view()), "[]", std::int64_t{2}, appended + 5, std::string(survivor.view())});
    write(std::move(batch));
  }

  // One version of a report; the version before goes to report_versions.
  ReportId report(const std::string& facility, const std::string& number, const std::string& filler,
                  const std::string& observed, const std::function<void(Arena&, model::Report&)>& say,
                  std::uint64_t version = 1) {
    Arena arena;
    model::Report report;
    report.issuer = "lab";
    report.filler_number = filler;
    report.service.code = "CBC";
    report.service.display = "血常规";
    report.status = model::ResultStatus::final;
    report.observed = {observed, observed};
    report.path = "OBR[1]";
    if (say) say(arena, report);
    report.id = model::report_id(report.issuer, report);
    const std::string id(report.id.view()), body(model::write_report(arena, report));
    const std::int64_t newest = -parse_iso(observed)->first.micros;
    const auto at = appended + static_cast<std::int64_t>(version) * 1'000'000;
    port::StoreBatch batch;
    if (version > 1) {
      const auto where = *run(store.get(port::tables::report_ids, {id})).value();
      const auto row = *run(store.get(port::tables::reports, {where[1], where[2], where[3], id})).value();
      batch.erase(port::tables::reports, {where[1], where[2], where[3], id});
      batch.put(port::tables::report_versions, {id, row[4], row[5], row[7], row[8], row[9], row[11], row[0], row[1]});
    }
    batch.put(
        port::tables::reports,
        {facility, number, newest, id, static_cast<std::int64_t>(version), std::string(model::to_string(report.status)),
         std::string(report.is_exam ? "exam" : "laboratory"), at, static_cast<std::int64_t>(version),
         "0123456789abcdef0123456789abcdef." + std::to_string(version), std::string("hash"), body});
    batch.put(port::tables::report_ids, {id, facility, number, newest, static_cast<std::int64_t>(version)});
    write(std::move(batch));
    return report.id;
  }

  // An order that a message placed.
  OrderId order(const std::string& facility, const std::string& number, const std::string& placer,
                const std::string& placed, model::OrderStatus status = model::OrderStatus::active) {
    model::Order order;
    order.facility = facility;
    order.number = placer;
    order.service.code = "GLU";
    order.service.mapped_code = "14749-6";
    order.status = status;
    order.placed = {placed, placed};
    order.id = model::order_id(order);
    Arena arena;
    const std::string id(order.id.view());
    const std::int64_t newest = -parse_iso(placed)->first.micros;
    port::StoreBatch batch;
    batch.put(port::tables::orders,
              {facility, number, newest, id, std::int64_t{1}, std::string(model::to_string(status)), appended,
               std::int64_t{1}, std::string("0123456789abcdef0123456789abcdef.0"),
               std::string(model::write_order(arena, order))});
    batch.put(port::tables::order_ids, {id, facility, number, newest, std::int64_t{1}});
    batch.put(port::tables::order_numbers, {placer, facility, id});
    write(std::move(batch));
    return order.id;
  }

  EncounterId encounter(const std::string& facility, const std::string& number, const std::string& visit,
                        const std::string& admitted, const std::string& discharged = "") {
    model::Encounter encounter;
    encounter.id = model::encounter_id(facility, number, visit);
    encounter.number = visit;
    encounter.kind = model::EncounterClass::inpatient;
    encounter.status = discharged.empty() ? model::EncounterStatus::in_progress : model::EncounterStatus::finished;
    encounter.admitted = {admitted, admitted};
    encounter.discharged = {discharged, discharged};
    Arena arena;
    const std::string id(encounter.id.view());
    const std::int64_t newest = -parse_iso(admitted)->first.micros;
    port::StoreBatch batch;
    batch.put(port::tables::encounters,
              {facility, number, newest, id, std::int64_t{1}, std::string(model::to_string(encounter.status)), appended,
               std::int64_t{1}, std::string(model::write_encounter(arena, encounter))});
    batch.put(port::tables::encounter_ids, {id, facility, number, newest, std::int64_t{1}});
    write(std::move(batch));
    return encounter.id;
  }

 private:
  static int& made() {
    static int count = 0;
    return count;
  }
  access::AuditOptions options() const {
    access::AuditOptions set;
    set.directory = directory_;
    return set;
  }
  std::filesystem::path directory_;

 public:
  FixedClock clock;
  std::shared_ptr<const model::FacilityDirectory> directory;
  store::MemoryStore store;
  access::AuditChain audit;
  access::Gate gate;
  query::Clinical clinical;
};

// An item with a number and a LOINC code.
inline model::Observation item(std::string_view code, std::string_view loinc, std::string_view number) {
  model::Observation item;
  item.code.code = code;
  item.code.display = code;
  item.code.mapped_code = loinc;
  item.code.mapped_system = model::loinc_system;
  item.value.kind = model::ValueKind::number;
  item.value.number = item.value.sent = number;
  item.value.unit = "mmol/L";
  item.value.ucum = "mmol/L";
  item.status = model::ResultStatus::final;
  item.path = "OBX[1]";
  return item;
}

}  // namespace hutong::test
