// What records will ask the store for, as far as their documents say: three journeys for all of them instead of some
// for each. What those before them change meanwhile is not seen here. Either way a look that is missing costs time,
// never rightness: get() then fetches that row itself, and what the batch itself has changed goes before
// (Overlay::adopt).
#include "broker/model/event_json.h"
#include "broker/model/identifier_key.h"
#include "broker/model/recognition.h"
#include "broker/pipeline/effects.h"
#include "broker/port/tables.h"

namespace hutong::pipeline {

namespace tables = port::tables;
using port::Lookup;

namespace {
// Patients that one look ahead fetches to hold newcomers against; the others are fetched where they are asked for.
constexpr std::size_t foreseen_max = 8'192;
}  // namespace

net::awaitable<void> Effects::look_ahead_at_events(Records records, Ahead& ahead) const {
  auto& views = ahead.views;
  views.resize(records.size());
  std::vector<Lookup> first;
  std::vector<std::pair<const port::Table*, std::string>>
      by_id;  // reports, stays and orders: their row's place is in another table
  std::vector<LocalKey> locals;
  for (std::size_t i = 0; i < records.size(); ++i) {
    auto& view = views[i].emplace();
    if (!model::read_record(records[i].record.json, ahead.documents, view)) {
      views[i].reset();
      continue;
    }
    first.push_back({&tables::controls, {control_of(records[i], view)}});
    auto local = local_of(records[i], view);
    first.push_back({&tables::patients, {local.facility, local.number}});
    locals.push_back({std::move(local.facility), std::move(local.number)});
    for (const auto& event : view.events) {
      if (event.report) by_id.emplace_back(&tables::report_ids, event.report->id.view());
      if (event.kind == model::EventKind::encounter_changed && !event.encounter.id.empty()) {
        by_id.emplace_back(&tables::encounter_ids, event.encounter.id.view());
      }
      if (event.order) {
        by_id.emplace_back(&tables::order_ids, event.order->id.view());
        first.push_back(
            {&tables::recognition_decisions, {std::string(model::placed_order_id(event.order->id).view())}});
      }
    }
  }
  for (const auto& [table, id] : by_id) first.push_back({table, {id}});
  co_await ahead.rows.foresee(std::move(first));

  const bool is_decided = !records.empty() && records.front().offset < decided_;  // and nobody is looked for
  std::vector<Lookup> second;
  std::vector<std::vector<std::string>> blocks;  // of each newcomer, whom somebody may know
  for (std::size_t i = 0, place = 0; i < records.size(); ++i) {
    if (!views[i]) continue;
    const LocalKey& local = locals[place++];
    if (co_await ahead.rows.get(tables::patients, {local.facility, local.number})) continue;
    second.push_back({&tables::persons, {std::string(model::first_person_id(local.facility, local.number).view())}});
    const auto newcomer = identity::candidate(local.facility, local.number, views[i]->subject);
    for (const auto& card : newcomer.cards) {
      if (is_decided) break;
      auto key = model::identifier_key(hmac_key_, model::IdentifierKind::resident_card, {}, card);
      co_await ahead.rows.foresee(tables::identifiers, {std::move(key)}, sharing_card_max_ + 2);
    }
    if (weights_.empty()) continue;
    auto& own = blocks.emplace_back();
    const auto keys = identity::block_keys(newcomer);
    for (const auto& key : keys.kept) second.push_back({&tables::blocks, {block_of(ahead.blocks, key)}});
    for (const auto& key : keys.sought) {
      own.push_back(block_of(ahead.blocks, key));
      second.push_back({&tables::blocks, {own.back()}});
    }
  }
  for (auto& [table, id] : by_id) {
    const port::Row* place = co_await ahead.rows.get(*table, {id});  // facility, number and newest behind the id
    if (!place) continue;
    const auto& rows = table == &tables::report_ids  ? tables::reports
                       : table == &tables::order_ids ? tables::orders
                                                     : tables::encounters;
    second.push_back({&rows, {(*place)[1], (*place)[2], (*place)[3], std::move(id)}});
  }
  co_await ahead.rows.foresee(std::move(second));

  std::vector<Lookup> third;
  std::vector<LocalKey> known;
  for (const auto& own : blocks) {
    if (is_decided) break;
    known.clear();
    for (const auto& block : own) {
      const port::Row* row = co_await ahead.rows.get(tables::blocks, {block});
      if (row && known.size() < compared_max_) identity::read_block_members(std::get<std::string>((*row)[1]), known);
    }
    if (third.size() + 2 * known.size() > 2 * foreseen_max) break;
    for (auto& local : known) {
      third.push_back({&tables::person_of, {local.facility, local.number}});
      third.push_back({&tables::patients, {std::move(local.facility), std::move(local.number)}});
    }
  }
  co_await ahead.rows.foresee(std::move(third));
}

net::awaitable<void> Effects::look_ahead_at_decisions(Records records, Ahead& ahead) const {
  auto& decisions = ahead.decisions;
  for (const auto& record : records) {
    auto decision = read_identity_decision(record.record.json);
    decisions.push_back(decision ? std::optional(std::move(*decision)) : std::nullopt);
  }
  std::vector<Lookup> first, second;
  for (const auto& decision : decisions) {
    if (!decision) continue;
    first.push_back({&tables::decisions, {std::string(decision->id.view())}});
    for (auto kind : {DecisionKind::conflict, DecisionKind::possible}) {
      first.push_back({&tables::conflicts, {std::string(pair_id(kind, decision->patient, decision->other).view())}});
    }
    for (const auto& [partition, next] : decision->decided) {
      first.push_back({&tables::decided, {static_cast<std::int64_t>(partition)}});
    }
    for (const auto& local : {decision->patient, decision->other}) {
      first.push_back({&tables::person_of, {local.facility, local.number}});
    }
  }
  co_await ahead.rows.foresee(std::move(first));
  for (const auto& decision : decisions) {
    if (!decision) continue;
    for (const auto& local : {decision->patient, decision->other}) {
      const port::Row* row = co_await ahead.rows.get(tables::person_of, {local.facility, local.number});
      second.push_back({&tables::persons,
                        {row ? std::get<std::string>((*row)[2])
                             : std::string(model::first_person_id(local.facility, local.number).view())}});
    }
  }
  co_await ahead.rows.foresee(std::move(second));
}

}  // namespace hutong::pipeline
