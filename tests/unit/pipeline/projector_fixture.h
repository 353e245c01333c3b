// A projector over a log and a store in memory, and messages made by hand for it. Invented patients.
#pragma once

#include <gmock/gmock.h>

#include <deque>
#include <map>
#include <string>
#include <vector>

#include "adapters/log/memory/memory_log.h"
#include "adapters/metrics/prometheus_metrics.h"
#include "adapters/store/memory/memory_store.h"
#include "broker/model/event_json.h"
#include "broker/pipeline/projector.h"
#include "broker/port/tables.h"
#include "tests/support/await.h"

namespace hutong::pipeline {

namespace tables = port::tables;
using model::ResultStatus;
using tests::await;

class StepClock final : public Clock {
 public:
  Timestamp now() const override { return now_; }
  std::chrono::nanoseconds ticks() const override { return std::chrono::microseconds(now_.micros); }
  void advance(std::chrono::microseconds by) { now_ = now_ + by; }

 private:
  Timestamp now_{1'780'000'000'000'000};
};

struct Item {
  std::string code, value;
  ResultStatus status = ResultStatus::final;
  std::string sub_id = {};
  std::string mapped = {};  // LOINC; "": no map
  std::string flag = {};    // OBX-8
  std::string label = {};   // sensitivity
};

struct Said {  // what a message says of a patient
  std::string number = "P1", facility = "h1";
  std::string name = "王小明", born = "1980-01-02", card = {}, health_card = {}, phone = {};
  model::Sex sex = model::Sex::male;
  bool card_valid = true, card_placeholder = false;
  std::vector<std::string> deleted = {};
  std::string street = {}, mother = {};
};

struct LabReport {
  std::string number = "R1", service = "GLU-PANEL", issuer = "lab";
  ResultStatus status = ResultStatus::final;
  std::vector<Item> items{{"GLU", "5.8"}, {"ALT", "31"}};
  std::string observed = "2026-05-01T08:00:00+08:00", issued = "2026-05-01T10:00:00+08:00";
  std::string path = "OBR[1]", order = {}, performer = {};
};

struct Ordered {
  std::string number = "O1", service = "GLU", loinc = "14749-6", change = "placed";
  model::OrderStatus status = model::OrderStatus::active;
  model::EncounterClass encounter = model::EncounterClass::outpatient;
  std::string placed = "2026-05-02T08:00:00+08:00", filler = {}, label = {};
};

// One message with one patient, owning every text it points to.
class Message {
 public:
  explicit Message(std::string control, Said said = {}) : said_(std::move(said)) {
    draft_.source = {.facility = keep(said_.facility),
                     .protocol = "mllp",
                     .format = "hl7v2",
                     .sender_application = "LIS",
                     .sender_facility = keep(said_.facility),
                     .control_id = keep(control),
                     .type = "ORU^R01"};
    draft_.times.received = {1'780'000'000'000'000};
    draft_.times.sent.iso = "2026-05-01T10:00:01+08:00";
    auto& subject = part_.subject;
    subject.number = keep(said_.number);
    subject.facility = keep(said_.facility);
    if (!said_.name.empty()) subject.names.push(arena(), {.text = keep(said_.name)});
    subject.born.iso = keep(said_.born);
    subject.sex = said_.sex;
    if (!said_.card.empty()) {
      subject.identifiers.push(arena(), {.kind = model::IdentifierKind::resident_card,
                                         .value = keep(said_.card),
                                         .valid = said_.card_valid,
                                         .placeholder = said_.card_placeholder});
    }
    if (!said_.health_card.empty()) {
      subject.identifiers.push(arena(), {.kind = model::IdentifierKind::health_card, .value = keep(said_.health_card)});
    }
    if (!said_.phone.empty()) subject.contacts.push(arena(), {.value = keep(said_.phone), .use = "home"});
    if (!said_.street.empty()) {
      subject.addresses.push(arena(), {.street = keep(said_.street), .district = "向阳区", .postcode = "154002"});
    }
    subject.mother_number = keep(said_.mother);
    for (const auto& field : said_.deleted) subject.deleted.push(arena(), keep(field));
  }

  Message& type(std::string type) {
    draft_.source.type = keep(std::move(type));
    return *this;
  }
  // By another facility than the one that gave the number.
  Message& sent_by(std::string facility) {
    draft_.source.facility = keep(std::move(facility));
    return *this;
  }
  Message& report(const LabReport& lab) {
    auto& event = add(model::EventKind::result_reported);
    event.report = arena().make<model::Report>();
    auto& report = *event.report;
    report.issuer = keep(lab.issuer);
    report.filler_number = keep(lab.number);
    report.order_number = keep(lab.order);
    report.performer.code = keep(lab.performer);
    report.service.code = keep(lab.service);
    report.status = lab.status;
    report.observed.iso = keep(lab.observed);
    report.issued.iso = keep(lab.issued);
    report.path = keep(lab.path);
    report.id = model::report_id(report.issuer, report);
    int place = 0;
    for (const auto& item : lab.items) {
      model::Observation observation;
      observation.code.code = keep(item.code);
      observation.code.mapped_code = keep(item.mapped);
      if (!item.mapped.empty()) observation.code.mapped_system = "http://loinc.org";
      observation.sub_id = keep(item.sub_id);
      if (!item.flag.empty()) observation.flags.push(arena(), keep(item.flag));
      if (!item.label.empty()) observation.labels.push(arena(), keep(item.label));
      observation.value.kind = item.value.empty() ? model::ValueKind::none : model::ValueKind::number;
      observation.value.sent = observation.value.number = keep(item.value);
      observation.status = item.status;
      observation.observed = report.observed;
      observation.path = keep("OBX[" + std::to_string(++place) + "]");
      report.observations.push(arena(), observation);
    }
    return *this;
  }
  Message& order(const Ordered& said) {
    draft_.source.type = "ORM^O01";
    auto& event = add(model::EventKind::order_placed);
    event.order = arena().make<model::Order>();
    auto& order = *event.order;
    order.facility = keep(said_.facility);
    order.number = keep(said.number);
    order.filler_number = keep(said.filler);
    order.service.code = keep(said.service);
    order.service.mapped_code = keep(said.loinc);
    if (!said.loinc.empty()) order.service.mapped_system = "http://loinc.org";
    order.change = keep(said.change);
    order.status = said.status;
    order.encounter_class = said.encounter;
    order.encounter_class_sent = to_string(said.encounter);
    order.placed.iso = keep(said.placed);
    order.orderer.code = "D07";
    order.department.name = "内科";
    if (!said.label.empty()) order.labels.push(arena(), keep(said.label));
    order.path = "ORC[1]";
    order.id = model::order_id(order);
    return *this;
  }
  Message& provisional() {
    draft_.source.provisional = true;
    return *this;
  }
  Message& encounter(std::string change, model::EncounterStatus status, std::string occurred,
                     const std::function<void(model::Encounter&, Message&)>& more = {}) {
    auto& encounter = add(model::EventKind::encounter_changed).encounter;
    encounter.number = "V1";
    encounter.id = model::encounter_id(part_.subject.facility, part_.subject.number, encounter.number);
    encounter.change = keep(std::move(change));
    encounter.status = status;
    encounter.occurred.iso = keep(std::move(occurred));
    if (more) more(encounter, *this);
    return *this;
  }
  Message& merge(std::string prior, std::string cause = "A40") {
    auto& merge = add(model::EventKind::patient_merged).merge;
    merge.prior_number = keep(std::move(prior));
    merge.prior_facility = part_.subject.facility;
    merge.cause = keep(std::move(cause));
    return *this;
  }
  // ADT^A24, and A37 with patient_unlinked.
  Message& relate(std::string other, model::EventKind kind) {
    auto& merge = add(kind).merge;
    merge.prior_number = keep(std::move(other));
    merge.prior_facility = part_.subject.facility;
    merge.cause = kind == model::EventKind::patient_linked ? "A24" : "A37";
    return *this;
  }
  Message& received(Timestamp at) {
    draft_.times.received = at;
    return *this;
  }
  Message& event_version(std::uint32_t version) {
    for (auto& event : part_.events) event.version = version;
    return *this;
  }
  Message& issue(const model::Issue& issue) {
    draft_.issues.add(arena(), issue);
    return *this;
  }

  // A re-trigger differs in content hash only when something that is hashed differs; here the control id stands for it.
  port::Record record(std::string content = "") {
    if (part_.events.empty()) add(model::EventKind::patient_updated);
    const RecordId id = model::record_id(draft_.source, sha256(content + std::string(draft_.source.control_id)), 0);
    Arena arena;
    return {id, std::string(draft_.source.facility) + "/" + said_.number, "",
            std::string(model::write_record(arena, id, draft_, part_)), "raw"};
  }
  std::string_view keep(std::string text) { return texts_.emplace_back(std::move(text)); }

 private:
  Arena& arena() { return draft_.arena; }
  model::Event& add(model::EventKind kind) {
    auto& event = part_.events.push(arena());
    event.kind = kind;
    event.ordinal = static_cast<std::uint32_t>(part_.events.size() - 1);
    return event;
  }
  std::deque<std::string> texts_;
  Said said_;
  model::Draft draft_;
  model::Part part_;
};

class ProjectorTest : public ::testing::Test {
 protected:
  ProjectorTest() { restart(); }

  ProjectorOptions options() {
    ProjectorOptions options;
    options.hmac_key = "installation key of the tests";
    options.batch_records = batch_records;
    if (weights) options.weights = weights;
    return options;
  }
  // A new process over the same log and store.
  void restart() {
    projector = std::make_unique<Projector>(log, *store, metrics, clock, options());
    auto prepared = await(projector->prepare());
    ASSERT_TRUE(prepared) << prepared.error().message;
  }
  void append(port::Record record, port::Topic topic = port::Topic::events) {
    clock.advance(std::chrono::seconds(1));
    std::vector<port::Record> batch;
    batch.push_back(std::move(record));
    ASSERT_TRUE(await(log.append(topic, std::move(batch))));
  }
  void append(Message& message, std::string content = "") { append(message.record(std::move(content))); }
  void append(Message&& message) { append(message.record()); }
  void project() {
    auto done = await(projector->catch_up());
    ASSERT_TRUE(done) << done.error().message;
  }
  // Appends and projects.
  void tell(Message&& message) {
    append(message.record());
    project();
  }
  void tell(Message& message) {
    append(message.record());
    project();
  }

  std::vector<port::Row> rows(const port::Table& table, port::Key prefix = {}) {
    return rows_of(*store, table, prefix);
  }
  static std::vector<port::Row> rows_of(port::Store& from, const port::Table& table, port::Key prefix = {}) {
    port::Scan scan;
    scan.prefix = std::move(prefix);
    scan.limit = 100'000;
    return *await(from.scan(table, std::move(scan)));
  }
  static std::string text(const port::Row& row, std::size_t column) { return std::get<std::string>(row[column]); }
  static std::int64_t number(const port::Row& row, std::size_t column) { return std::get<std::int64_t>(row[column]); }

  struct ShownItem {
    std::string code, value, status;
    bool operator==(const ShownItem&) const = default;
    friend std::ostream& operator<<(std::ostream& out, const ShownItem& item) {
      return out << item.code << "=" << item.value << " " << item.status;
    }
  };
  std::vector<ShownItem> items_of(const std::string& json) {
    Arena arena;
    model::Report report;
    EXPECT_TRUE(model::read_report(json, arena, report));
    std::vector<ShownItem> items;
    for (const auto& item : report.observations) {
      items.push_back({std::string(item.code.code), std::string(item.value.sent), std::string(to_string(item.status))});
    }
    return items;
  }
  // The one report there is, as it stands now.
  struct ShownReport {
    std::int64_t version = 0;
    std::string status;
    std::vector<ShownItem> items;
    std::string body;
    port::Row row;
  };
  ShownReport report() {
    auto all = rows(tables::reports);
    EXPECT_EQ(all.size(), 1u);
    if (all.size() != 1) return {};
    return {number(all[0], 4), text(all[0], 5), items_of(text(all[0], 11)), text(all[0], 11), all[0]};
  }
  ShownReport earlier(std::int64_t version) {
    for (const auto& row : rows(tables::report_versions)) {
      if (number(row, 1) == version) return {version, text(row, 2), items_of(text(row, 6)), text(row, 6), row};
    }
    ADD_FAILURE() << "no version " << version;
    return {};
  }
  double effect(std::string_view name) {
    return metrics.counter("hutong_effects_total", "", {{"effect", std::string(name)}}).value();
  }
  static std::string person_of(port::Store& from, const std::string& facility, const std::string& patient) {
    auto row = *await(from.get(tables::person_of, {facility, patient}));
    if (row) return std::get<std::string>((*row)[2]);
    return std::string(model::first_person_id(facility, patient).view());
  }
  bool same_person(const std::string& f1, const std::string& n1, const std::string& f2, const std::string& n2) {
    return person_of(*store, f1, n1) == person_of(*store, f2, n2);
  }

  static std::map<std::string, std::vector<port::Row>> everything(port::Store& from) {
    std::map<std::string, std::vector<port::Row>> all;
    for (const auto* table : tables::all) all[std::string(table->name)] = rows_of(from, *table);
    return all;
  }
  std::unique_ptr<store::MemoryStore> rebuilt() {
    auto fresh = std::make_unique<store::MemoryStore>();
    PrometheusMetrics other;
    auto done = await(rebuild(log, *fresh, other, clock, options()));
    EXPECT_TRUE(done) << done.error().message;
    return fresh;
  }
  void expect_rebuild_is_equal() {
    auto fresh = rebuilt();
    const auto now = everything(*store), again = everything(*fresh);
    for (const auto& [table, expected] : now) EXPECT_EQ(again.at(table), expected) << table;
  }
  std::vector<port::StoredRecord> in_log(port::Topic topic) { return await(log.read({topic, 0}, 0, {}))->records; }

  std::size_t batch_records = 500;
  std::shared_ptr<const identity::Weights> weights;  // none: only cards are looked at
  StepClock clock;
  memory::MemoryLog log{clock};
  std::unique_ptr<port::Store> store = std::make_unique<store::MemoryStore>();
  PrometheusMetrics metrics;
  std::unique_ptr<Projector> projector;
};

}  // namespace hutong::pipeline
