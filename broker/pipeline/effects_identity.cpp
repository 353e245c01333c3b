#include "broker/pipeline/effects_identity.h"

#include <rapidjson/stringbuffer.h>
#include <rapidjson/writer.h>

#include <algorithm>

#include "broker/model/record.h"
#include "broker/pipeline/effects_document.h"
#include "broker/port/tables.h"

namespace hutong::pipeline {
namespace {

namespace tables = port::tables;
using Writer = rapidjson::Writer<rapidjson::StringBuffer>;

void put(Writer& writer, std::string_view text) {
  writer.String(text.data(), static_cast<rapidjson::SizeType>(text.size()));
}

void put(Writer& writer, const LocalKey& key) {
  writer.StartArray();
  put(writer, key.facility);
  put(writer, key.number);
  writer.EndArray();
}

bool take(const Json* json, LocalKey& key) {
  if (!json || !json->IsArray() || json->Size() != 2) return false;
  key.facility = text_of((*json)[0]);
  key.number = text_of((*json)[1]);
  return true;
}

// A person as the `persons` table holds it, or the one local patient that a person is made from.
struct Person {
  PersonId id;
  std::vector<LocalKey> members;
  std::int64_t version = 1;
};

net::awaitable<Person> person_of(Overlay& overlay, LocalKey local) {
  Person person;
  person.id = model::first_person_id(local.facility, local.number);
  const port::Row* row = co_await overlay.get(tables::person_of, {local.facility, local.number});
  if (row) person.id = PersonId::from_bytes(std::get<std::string>((*row)[2])).value_or(person.id);
  const port::Row* stored = co_await overlay.get(tables::persons, {std::string(person.id.view())});
  if (!stored) {
    person.members = {local};
    co_return person;
  }
  SmallDocument members;
  // The document is an array; SmallDocument reads objects.
  if (members.parse("{\"m\":" + std::get<std::string>((*stored)[1]) + "}")) {
    if (const Json* list = member(members.root(), "m"); list && list->IsArray()) {
      for (const auto& each : list->GetArray()) {
        LocalKey key;
        if (take(&each, key)) person.members.push_back(std::move(key));
      }
    }
  }
  person.version = std::get<std::int64_t>((*stored)[2]);
  co_return person;
}

std::string members_json(const std::vector<LocalKey>& members) {
  rapidjson::StringBuffer out;
  Writer writer(out);
  writer.StartArray();
  for (const auto& key : members) put(writer, key);
  writer.EndArray();
  return {out.GetString(), out.GetSize()};
}

net::awaitable<void> unite(Overlay& overlay, IdentityDecision decision) {
  Person stays = co_await person_of(overlay, decision.patient);
  Person goes = co_await person_of(overlay, decision.other);
  if (stays.id == goes.id) co_return;
  for (const auto& key : goes.members) {
    overlay.put(tables::person_of, {key.facility, key.number, std::string(stays.id.view())});
  }
  for (const auto& key : stays.members) {
    overlay.put(tables::person_of, {key.facility, key.number, std::string(stays.id.view())});
  }
  auto members = std::move(stays.members);
  members.insert(members.end(), goes.members.begin(), goes.members.end());
  std::sort(members.begin(), members.end());
  members.erase(std::unique(members.begin(), members.end()), members.end());
  overlay.put(tables::persons, {std::string(stays.id.view()), members_json(members), stays.version + 1,
                                decision.at.micros, std::string()});
  overlay.put(tables::persons, {std::string(goes.id.view()), std::string("[]"), goes.version + 1, decision.at.micros,
                                std::string(stays.id.view())});
}

}  // namespace

net::awaitable<void> found_person(Overlay& overlay, LocalKey local, Timestamp at) {
  const PersonId id = model::first_person_id(local.facility, local.number);
  if (co_await overlay.get(tables::persons, {std::string(id.view())})) co_return;
  overlay.put(tables::persons,
              {std::string(id.view()), members_json({std::move(local)}), std::int64_t{1}, at.micros, std::string()});
}

std::string_view to_string(DecisionKind kind) {
  switch (kind) {
    case DecisionKind::linked: return "identity.linked";
    case DecisionKind::merged: return "identity.merged";
    case DecisionKind::conflict: return "identity.conflict";
  }
  return "identity.conflict";
}

RecordId pair_id(DecisionKind kind, const LocalKey& a, const LocalKey& b) {
  const LocalKey& first = std::min(a, b);
  const LocalKey& second = std::max(a, b);
  PartsHash hash;
  return RecordId(
      hash.add(to_string(kind)).add(first.facility).add(first.number).add(second.facility).add(second.number).finish());
}

RecordId merge_id(const RecordId& record, const LocalKey& surviving, const LocalKey& prior) {
  PartsHash hash;
  return RecordId(hash.add(to_string(DecisionKind::merged))
                      .add(record.view())
                      .add(surviving.facility)
                      .add(surviving.number)
                      .add(prior.facility)
                      .add(prior.number)
                      .finish());
}

std::string write(const IdentityDecision& decision) {
  rapidjson::StringBuffer out;
  Writer writer(out);
  writer.StartObject();
  writer.Key("id");
  put(writer, decision.id.hex());
  writer.Key("kind");
  put(writer, to_string(decision.kind));
  writer.Key("patient");
  put(writer, decision.patient);
  writer.Key("other");
  put(writer, decision.other);
  writer.Key("reasons");
  writer.StartArray();
  for (const auto& reason : decision.reasons) put(writer, reason);
  writer.EndArray();
  writer.Key("cause");
  put(writer, decision.cause);
  writer.Key("at");
  writer.Int64(decision.at.micros);
  writer.EndObject();
  return {out.GetString(), out.GetSize()};
}

Result<IdentityDecision> read_identity_decision(std::string_view json) {
  SmallDocument document;
  auto corrupt = [] { return fail(ErrorCode::corrupt, "an identity record's document does not read"); };
  if (!document.parse(json)) return corrupt();
  const Json& root = document.root();
  IdentityDecision decision;
  auto id = RecordId::from_hex(text_of(root, "id"));
  const std::string kind = text_of(root, "kind");
  bool known = false;
  for (auto each : {DecisionKind::linked, DecisionKind::merged, DecisionKind::conflict}) {
    if (kind != to_string(each)) continue;
    decision.kind = each;
    known = true;
  }
  if (!id || !known || !take(member(root, "patient"), decision.patient) ||
      !take(member(root, "other"), decision.other)) {
    return corrupt();
  }
  decision.id = *id;
  if (const Json* reasons = member(root, "reasons"); reasons && reasons->IsArray()) {
    for (const auto& reason : reasons->GetArray()) decision.reasons.emplace_back(text_of(reason));
  }
  decision.cause = text_of(root, "cause");
  decision.at = {integer_of(root, "at")};
  return decision;
}

net::awaitable<bool> propose(Overlay& overlay, IdentityDecision decision) {
  const std::string id(decision.id.view());
  if (co_await overlay.get(tables::decisions, {id})) co_return false;
  const auto topic = static_cast<std::int64_t>(port::Topic::identity);
  if (co_await overlay.get(tables::pending, {topic, id})) co_return false;
  overlay.put(tables::pending, {topic, id, decision.patient.facility + "/" + decision.patient.number, write(decision)});
  co_return true;
}

net::awaitable<bool> apply(Overlay& overlay, IdentityDecision decision) {
  const std::string id(decision.id.view());
  overlay.erase(tables::pending, {static_cast<std::int64_t>(port::Topic::identity), id});
  if (co_await overlay.get(tables::decisions, {id})) co_return false;
  const std::string document = write(decision);
  overlay.put(tables::decisions, {id, document, decision.at.micros});
  const auto conflict = std::string(pair_id(DecisionKind::conflict, decision.patient, decision.other).view());
  if (decision.kind == DecisionKind::conflict) {
    overlay.put(tables::conflicts, {id, document, decision.at.micros});
    co_return true;
  }
  // One person now: nothing is left to a steward.
  if (co_await overlay.get(tables::conflicts, {conflict})) overlay.erase(tables::conflicts, {conflict});
  co_await unite(overlay, std::move(decision));
  co_return true;
}

}  // namespace hutong::pipeline
