// Orders: the last word of each, and those that wait to be judged by mutual recognition.
#include "broker/model/event_json.h"
#include "broker/model/recognition.h"
#include "broker/pipeline/effects.h"
#include "broker/port/tables.h"

namespace hutong::pipeline {
namespace {

namespace tables = port::tables;
using port::Row;

// Services of one sheet that a cancellation by its number ends.
constexpr std::size_t orders_per_number = 1'000;

// Columns of tables::orders.
namespace column {
enum : std::size_t { facility, number, newest, order, version, status, updated, offset, event_id, body };
}

const std::string& text_in(const Row& row, std::size_t column) {
  return std::get<std::string>(row[column]);
}
std::int64_t number_in(const Row& row, std::size_t column) {
  return std::get<std::int64_t>(row[column]);
}

void keep(model::Text& now, model::Text before) {
  if (now.empty()) now = before;
}
void keep(model::Moment& now, const model::Moment& before) {
  if (now.sent.empty() && now.iso.empty()) now = before;
}
void keep(model::Party& now, const model::Party& before) {
  if (now.code.empty() && now.name.empty()) now = before;
}
void keep(model::Coded& now, const model::Coded& before) {
  if (now.empty()) now = before;
}
template <class T>
void keep(List<T>& now, const List<T>& before) {
  if (now.empty()) now = before;
}

// A later word on an order: what it does not say stays as it was.
model::Order changed(const model::Order& before, const model::Order& said) {
  model::Order now = said;
  now.id = before.id;
  keep(now.number, before.number);
  keep(now.filler_number, before.filler_number);
  keep(now.group_number, before.group_number);
  if (now.status == model::OrderStatus::unknown) now.status = before.status;
  if (now.priority_sent.empty()) {
    now.priority = before.priority;
    now.priority_sent = before.priority_sent;
    now.preoperative = before.preoperative;
  }
  keep(now.service, before.service);
  keep(now.section, before.section);
  keep(now.placed, before.placed);
  keep(now.requested, before.requested);
  keep(now.orderer, before.orderer);
  keep(now.department, before.department);
  keep(now.ordering_facility, before.ordering_facility);
  keep(now.encounter_number, before.encounter_number);
  if (now.encounter_class_sent.empty()) {
    now.encounter_class = before.encounter_class;
    now.encounter_class_sent = before.encounter_class_sent;
  }
  keep(now.reason, before.reason);
  keep(now.diagnoses, before.diagnoses);
  if (!now.specimen.present) now.specimen = before.specimen;
  keep(now.notes, before.notes);
  keep(now.labels, before.labels);
  return now;
}

// As the other doors take texts into records and keys of rows: short, without control characters.
std::string short_text(model::Text sent) {
  constexpr std::size_t bytes_max = 200;
  std::size_t end = std::min(sent.size(), bytes_max);
  while (end < sent.size() && end > 0 && (static_cast<unsigned char>(sent[end]) & 0xC0) == 0x80) --end;
  std::string text(sent.substr(0, end));
  std::erase_if(text, [](char c) { return static_cast<unsigned char>(c) < 0x20; });
  return text;
}

std::int64_t newest_first(const model::Order& order, Timestamp appended) {
  for (const auto& moment : {order.placed, order.requested}) {
    if (const auto span = parse_iso(moment.iso)) return -span->first.micros;
  }
  return -appended.micros;
}

}  // namespace

net::awaitable<void> Effects::apply_order(const port::StoredRecord& record, Local local, const model::Event& event) {
  const auto& said = *event.order;
  std::vector<std::string> ids;
  if (said.service.empty()) {  // of all that was ordered under the number
    const std::string number(said.number.empty() ? said.filler_number : said.number);
    for (const auto& row :
         co_await overlay_.scan(tables::order_numbers, {number, std::string(said.facility)}, orders_per_number)) {
      ids.push_back(text_in(row, 2));
    }
  }
  if (ids.empty()) ids.emplace_back(said.id.view());
  for (auto& id : ids) co_await change_order(record, local, event, std::move(id));
}

net::awaitable<void> Effects::change_order(const port::StoredRecord& record, Local local, const model::Event& event,
                                           std::string id) {
  const auto& said = *event.order;
  const std::string event_name = event_id(event);
  const Row* stored = nullptr;
  if (const Row* where = co_await overlay_.get(tables::order_ids, {id})) {
    stored = co_await overlay_.get(tables::orders, {text_in(*where, 1), text_in(*where, 2), number_in(*where, 3), id});
  }
  model::Order now = said;
  if (stored) {
    // Better maps heal only what is the last word still.
    if (event.version > 1 && text_in(*stored, column::event_id) != event_name) co_return note_no_change(event);
    model::Order before;
    if (!model::read_order(text_in(*stored, column::body), arena_, before)) {
      count(Effect::unreadable);
    } else {
      now = changed(before, said);
    }
  } else if (now.status == model::OrderStatus::unknown && !now.change.empty()) {
    now.status = model::OrderStatus::active;  // changed or asked after: so it stands
  }
  std::string document(model::write_order(arena_, now));
  const bool moved = stored && (text_in(*stored, column::facility) != local.facility ||
                                text_in(*stored, column::number) != local.number);
  if (stored && !moved && document == text_in(*stored, column::body)) co_return;
  const std::int64_t order =
      newest_first(now, stored ? Timestamp{-number_in(*stored, column::newest)} : record.appended);
  if (stored && (moved || number_in(*stored, column::newest) != order)) {
    overlay_.erase(tables::orders, {(*stored)[0], (*stored)[1], (*stored)[2], (*stored)[3]});
  }
  const std::int64_t version = stored ? number_in(*stored, column::version) + 1 : 1;
  overlay_.put(tables::orders,
               {local.facility, local.number, order, id, version, std::string(to_string(now.status)),
                record.appended.micros, static_cast<std::int64_t>(record.offset), event_name, std::move(document)});
  overlay_.put(tables::order_ids, {id, local.facility, local.number, order, version});
  for (const auto number : {now.number, now.filler_number}) {
    if (!number.empty()) overlay_.put(tables::order_numbers, {std::string(number), std::string(now.facility), id});
  }
  count(Effect::order_changed);

  // A new order is judged: not one that comes again or is healed, whose moment has passed; nor a labelled one, of which
  // nothing may be told, nor one of a sender that nobody registered, for whom there are no rules.
  const bool placed = !stored && event.version == 1 && now.change == "placed";
  if (!placed || !now.labels.empty() || now.service.empty() || view_.source.provisional) co_return;
  const RecordId answer = model::placed_order_id(OrderId::from_bytes(id).value_or(OrderId()));
  // A rebuild may have met the answer before the order.
  if (co_await overlay_.get(tables::recognition_decisions, {std::string(answer.view())})) co_return;
  model::PlacedOrder waits;
  waits.at = record.appended;
  waits.facility = now.facility;
  waits.patient_of = local.facility;
  waits.patient = local.number;
  waits.number = short_text(now.number.empty() ? now.filler_number : now.number);
  waits.group = short_text(now.group_number);
  waits.department = short_text(now.department.name.empty() ? now.department.code : now.department.name);
  waits.practitioner = short_text(now.orderer.code);
  waits.encounter = to_string(now.encounter_class);
  waits.preoperative = now.preoperative;
  waits.code = short_text(now.service.code.empty() ? now.service.alt_code : now.service.code);
  waits.name = short_text(now.service.display);
  waits.loinc = now.service.mapped_code;
  overlay_.put(tables::pending, {static_cast<std::int64_t>(port::Topic::operations), std::string(answer.view()),
                                 waits.facility + "/" + answer.hex(), model::write(waits)});
}

}  // namespace hutong::pipeline
