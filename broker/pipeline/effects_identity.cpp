#include "broker/pipeline/effects_identity.h"

#include <rapidjson/stringbuffer.h>
#include <rapidjson/writer.h>

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <map>
#include <set>

#include "broker/identity/persons.h"
#include "broker/model/identifier_key.h"
#include "broker/model/record.h"
#include "broker/pipeline/effects_document.h"
#include "broker/port/tables.h"

namespace hutong::pipeline {
namespace {

namespace tables = port::tables;
using identity::Guard;
using identity::Person;
using identity::Refusal;
using Writer = rapidjson::Writer<rapidjson::StringBuffer>;

// What one step back may touch: local patients, and decisions about each. More is damage, or an attack; nothing is
// changed then, and the steward is told so.
constexpr std::size_t history_locals_max = 4'096, history_decisions_max = 65'536;
// Pairs of local patients whose open questions an answer closes, or opens again.
constexpr std::size_t answered_pairs_max = 4'096;

void put(Writer& writer, std::string_view text) {
  writer.String(text.data(), static_cast<rapidjson::SizeType>(text.size()));
}

void put(Writer& writer, const LocalKey& key) {
  writer.StartArray();
  put(writer, key.facility);
  put(writer, key.number);
  writer.EndArray();
}

template <class List>
void put_all(Writer& writer, const char* name, const List& list) {
  if (list.empty()) return;
  writer.Key(name);
  writer.StartArray();
  for (const auto& each : list) put(writer, each);
  writer.EndArray();
}

bool take(const Json* json, LocalKey& key) {
  if (!json || !json->IsArray() || json->Size() != 2) return false;
  key.facility = text_of((*json)[0]);
  key.number = text_of((*json)[1]);
  return true;
}

template <class Each>
void for_each_in(const Json& object, const char* name, Each each) {
  const Json* list = member(object, name);
  if (!list || !list->IsArray()) return;
  for (const auto& one : list->GetArray()) each(one);
}

std::vector<LocalKey> locals_in(const Json& object, const char* name) {
  std::vector<LocalKey> out;
  for_each_in(object, name, [&](const Json& each) {
    LocalKey key;
    if (take(&each, key)) out.push_back(std::move(key));
  });
  return out;
}

std::vector<std::string> texts_in(const Json& object, const char* name) {
  std::vector<std::string> out;
  for_each_in(object, name, [&](const Json& each) { out.emplace_back(text_of(each)); });
  return out;
}

void put(Writer& writer, const Guard& guard) {
  writer.StartObject();
  writer.Key("asOf");
  writer.Int64(guard.as_of.micros);
  put_all(writer, "cards", guard.cards);
  if (!guard.mother.empty()) {
    writer.Key("mother");
    put(writer, guard.mother);
  }
  writer.EndObject();
}

void put(Writer& writer, const char* name, const Guard& guard) {
  if (guard.as_of == Timestamp()) return;
  writer.Key(name);
  put(writer, guard);
}

Guard guard_in(const Json* object) {
  Guard out;
  if (!object || !object->IsObject()) return out;
  out.as_of = {integer_of(*object, "asOf")};
  out.cards = texts_in(*object, "cards");
  out.mother = text_of(*object, "mother");
  return out;
}

// A person as the `persons` table holds it, or the one local patient that a person is made from.
struct Stored {
  Person person;
  std::int64_t version = 1;
  Timestamp updated;  // none: only decisions were read about it as yet
};

std::string members_json(const std::vector<LocalKey>& members) {
  rapidjson::StringBuffer out;
  Writer writer(out);
  writer.StartArray();
  for (const auto& key : members) put(writer, key);
  writer.EndArray();
  return {out.GetString(), out.GetSize()};
}

std::string guard_json(const Person& person) {
  rapidjson::StringBuffer out;
  Writer writer(out);
  writer.StartObject();
  if (!person.guards.empty()) {
    writer.Key("guards");
    writer.StartArray();
    for (const auto& [local, guard] : person.guards) {
      writer.StartArray();
      put(writer, local);
      put(writer, guard);
      writer.EndArray();
    }
    writer.EndArray();
  }
  put_all(writer, "vouched", person.vouched);
  if (person.separated) {
    writer.Key("separated");
    writer.Bool(true);
  }
  writer.EndObject();
  return {out.GetString(), out.GetSize()};
}

port::Row row_of(const Person& person, std::int64_t version, Timestamp at) {
  return {std::string(person.id.view()),
          members_json(person.members),
          version,
          at.micros,
          std::string(),
          guard_json(person)};
}

Person read_person(const port::Row& row) {
  Person person;
  person.id = PersonId::from_bytes(std::get<std::string>(row[0])).value_or(PersonId());
  SmallDocument members;  // the column is an array; SmallDocument reads objects
  if (members.parse("{\"m\":" + std::get<std::string>(row[1]) + "}")) person.members = locals_in(members.root(), "m");
  if (row.size() < 6) return person;  // of an earlier version of the table
  SmallDocument guard;
  if (!guard.parse(std::get<std::string>(row[5]))) return person;
  for_each_in(guard.root(), "guards", [&](const Json& each) {
    LocalKey local;
    if (each.IsArray() && each.Size() == 2 && take(&each[0], local)) person.guards[local] = guard_in(&each[1]);
  });
  for (auto& each : texts_in(guard.root(), "vouched")) person.vouched.insert(std::move(each));
  person.separated = member(guard.root(), "separated") != nullptr;
  return person;
}

net::awaitable<PersonId> id_of_person(Overlay& overlay, LocalKey local) {
  const port::Row* row = co_await overlay.get(tables::person_of, {local.facility, local.number});
  const PersonId first = model::first_person_id(local.facility, local.number);
  co_return row ? PersonId::from_bytes(std::get<std::string>((*row)[2])).value_or(first) : first;
}

net::awaitable<Stored> person_of(Overlay& overlay, LocalKey local) {
  Stored out;
  const PersonId id = co_await id_of_person(overlay, local);
  const port::Row* row = co_await overlay.get(tables::persons, {std::string(id.view())});
  if (!row) {
    out.person = identity::alone(local);
    co_return out;
  }
  out.person = read_person(*row);
  out.version = std::get<std::int64_t>((*row)[2]);
  out.updated = {std::get<std::int64_t>((*row)[3])};
  co_return out;
}

// Asks, or asks no longer, about a person that has changed.
void review(Overlay& overlay, const Person& before, const Person& now) {
  const std::string id(question_id(now.id).view());
  const auto found = identity::contradiction(now);
  if (!found) {
    if (identity::contradiction(before)) overlay.erase(tables::conflicts, {id});
    return;
  }
  IdentityDecision question;
  question.id = question_id(now.id);
  question.kind = DecisionKind::conflict;
  question.patient = found->one;
  question.other = found->other;
  question.reasons = {"one-person-now", std::string(to_string(found->why))};
  question.at = found->at;
  overlay.put(tables::conflicts, {id, write(question), question.at.micros});
}

// A person of whom only what guards it has changed.
void put_guard(Overlay& overlay, const Stored& stored) {
  overlay.put(tables::persons, row_of(stored.person, stored.version, stored.updated));
}

port::Key conflict_key(DecisionKind kind, const LocalKey& a, const LocalKey& b) {
  return {std::string(pair_id(kind, a, b).view())};
}

// What a steward was asked about pairs that have become one person.
net::awaitable<void> answered(Overlay& overlay, std::vector<LocalKey> some, std::vector<LocalKey> others) {
  std::vector<port::Lookup> asked;
  for (const auto& a : some) {
    for (const auto& b : others) {
      if (asked.size() >= answered_pairs_max) break;
      asked.push_back({&tables::conflicts, conflict_key(DecisionKind::conflict, a, b)});
      asked.push_back({&tables::conflicts, conflict_key(DecisionKind::possible, a, b)});
    }
  }
  auto keys = asked;
  co_await overlay.foresee(std::move(asked));
  for (auto& each : keys) {
    if (co_await overlay.get(tables::conflicts, each.key)) overlay.erase(tables::conflicts, std::move(each.key));
  }
}

// A link that may not be: the same question as a conflict, put to a steward.
void ask_instead(Overlay& overlay, IdentityDecision decision, Refusal refusal) {
  decision.reasons.emplace_back(to_string(refusal));
  decision.kind = DecisionKind::conflict;
  decision.decided.clear();
  overlay.put(tables::conflicts, {std::string(pair_id(DecisionKind::conflict, decision.patient, decision.other).view()),
                                  write(decision), decision.at.micros});
}

std::vector<LocalKey> locals_of(const IdentityDecision& decision) {
  std::set<LocalKey> all{decision.patient, decision.other};
  all.insert(decision.apart.begin(), decision.apart.end());
  all.insert(decision.rest.begin(), decision.rest.end());
  return {all.begin(), all.end()};
}

struct History {
  std::set<LocalKey> locals;
  std::map<port::Offset, IdentityDecision> decisions;  // by their place in the topic
  bool whole = true;                                   // false: there is more than may be looked at
};

// Every decision that shapes the person of one of these, or of those named there, and so on.
net::awaitable<History> history_of(Overlay& overlay, std::vector<LocalKey> from) {
  History out;
  std::vector<LocalKey> next = std::move(from);
  while (!next.empty()) {
    std::map<port::Offset, std::string> found;
    for (const auto& local : next) {
      if (!out.locals.insert(local).second) continue;
      const auto rows =
          co_await overlay.scan(tables::person_history, {local.facility, local.number}, history_decisions_max);
      out.whole = out.whole && rows.size() < history_decisions_max;
      for (const auto& row : rows) {
        found.emplace(static_cast<port::Offset>(std::get<std::int64_t>(row[2])), std::get<std::string>(row[3]));
      }
    }
    next.clear();
    if (!out.whole || out.locals.size() > history_locals_max) {
      out.whole = false;
      co_return out;
    }
    std::vector<port::Lookup> lookups;
    for (const auto& [offset, id] : found) lookups.push_back({&tables::decisions, {id}});
    co_await overlay.foresee(std::move(lookups));
    for (const auto& [offset, id] : found) {
      if (out.decisions.contains(offset)) continue;
      const port::Row* row = co_await overlay.get(tables::decisions, {id});
      if (!row) continue;
      auto decision = read_identity_decision(std::get<std::string>((*row)[1]));
      if (!decision) continue;
      for (auto& local : locals_of(*decision)) {
        if (!out.locals.contains(local)) next.push_back(std::move(local));
      }
      out.decisions.emplace(offset, std::move(*decision));
    }
  }
  co_return out;
}

bool parted(const History& history, const LocalKey& a, const LocalKey& b) {
  std::set<RecordId> undone;
  for (auto each = history.decisions.rbegin(); each != history.decisions.rend(); ++each) {
    const auto& decision = each->second;
    if (undone.contains(decision.id)) continue;
    if (decision.kind == DecisionKind::undone && decision.of) undone.insert(*decision.of);
    if (decision.kind != DecisionKind::split) continue;
    const auto in = [](const std::vector<LocalKey>& list, const LocalKey& key) {
      return std::find(list.begin(), list.end(), key) != list.end();
    };
    if ((in(decision.apart, a) && in(decision.rest, b)) || (in(decision.rest, a) && in(decision.apart, b))) return true;
  }
  return false;
}

// Questions between these: answered where they are one person or parted now, open again where they are neither.
net::awaitable<void> review_questions(Overlay& overlay, const History& history, const identity::Persons& persons) {
  struct Pair {
    const LocalKey *a, *b;
    DecisionKind kind;
  };
  std::vector<Pair> pairs;
  std::vector<port::Lookup> lookups;
  for (auto a = history.locals.begin(); a != history.locals.end(); ++a) {
    for (auto b = std::next(a); b != history.locals.end() && pairs.size() < answered_pairs_max; ++b) {
      for (auto kind : {DecisionKind::conflict, DecisionKind::possible}) {
        pairs.push_back({&*a, &*b, kind});
        lookups.push_back({&tables::decisions, conflict_key(kind, *a, *b)});
        lookups.push_back({&tables::conflicts, conflict_key(kind, *a, *b)});
      }
    }
  }
  co_await overlay.foresee(std::move(lookups));
  const auto person = [&](const LocalKey& local) {
    const auto found = persons.person_of.find(local);
    return found == persons.person_of.end() ? model::first_person_id(local.facility, local.number) : found->second;
  };
  for (const auto& [a, b, kind] : pairs) {
    auto key = conflict_key(kind, *a, *b);
    const bool one = person(*a) == person(*b);
    if (parted(history, *a, *b) || (one && kind == DecisionKind::possible)) {
      if (co_await overlay.get(tables::conflicts, key)) overlay.erase(tables::conflicts, std::move(key));
    } else if (!one) {
      if (const port::Row* row = co_await overlay.get(tables::decisions, key))
        overlay.put(tables::conflicts, {(*row)[0], (*row)[1], (*row)[2]});
    }
  }
  for (const auto& [offset, each] : history.decisions) {
    const auto refusal = persons.refused.find(each.id);
    // A link that a steward's split refused was answered by that split.
    if (refusal == persons.refused.end() || refusal->second == Refusal::separated) continue;
    if (person(each.patient) != person(each.other) && !parted(history, each.patient, each.other))
      ask_instead(overlay, each, refusal->second);
  }
}

// Whether what is decided is so now.
bool stands(const IdentityDecision& decision, const identity::Persons& persons) {
  switch (decision.kind) {
    case DecisionKind::linked:
    case DecisionKind::merged: return !persons.refused.contains(decision.id);
    case DecisionKind::split:
      for (const auto& a : decision.apart) {
        for (const auto& b : decision.rest) {
          if (persons.person_of.at(a) == persons.person_of.at(b)) return false;
        }
      }
      return true;
    default: return true;
  }
}

// The persons anew from everything that was ever decided about them.
net::awaitable<Applied> reshape(Overlay& overlay, IdentityDecision decision) {
  const History history = co_await history_of(overlay, locals_of(decision));
  if (!history.whole) co_return Applied::no_effect;
  std::vector<const IdentityDecision*> order;
  for (const auto& [offset, each] : history.decisions) order.push_back(&each);
  const auto persons = identity::replay(order);
  for (const auto& local : history.locals) {
    const auto now = persons.person_of.find(local);
    const PersonId first = model::first_person_id(local.facility, local.number);
    const PersonId id = now == persons.person_of.end() ? first : now->second;
    if (co_await id_of_person(overlay, local) != id) {
      overlay.put(tables::person_of, {local.facility, local.number, std::string(id.view())});
    }
    // The person that this local patient founds: standing, or part of another.
    Person expected = identity::alone(local);
    std::string replaced_by;
    if (auto standing = persons.standing.find(first); standing != persons.standing.end()) {
      expected = standing->second;
    } else if (auto gone = persons.replaced.find(first); gone != persons.replaced.end()) {
      expected.members.clear();
      replaced_by = gone->second.view();
    }
    const port::Row* row = co_await overlay.get(tables::persons, {std::string(first.view())});
    // No row: the decision is read before the patient, who is as yet alone.
    const port::Row before = row ? *row : row_of(identity::alone(local), 1, Timestamp());
    review(overlay, read_person(before), expected);
    const auto version = std::get<std::int64_t>(before[2]);
    auto wanted = row_of(expected, version + 1, decision.at);
    wanted[4] = replaced_by;
    if (!replaced_by.empty()) wanted[5] = std::string("{}");
    if (before[1] == wanted[1] && before[4] == wanted[4]) {
      if (before.size() > 5 && before[5] == wanted[5]) continue;
      wanted[2] = version;  // only what guards it
      wanted[3] = before[3];
    }
    overlay.put(tables::persons, std::move(wanted));
  }
  co_await review_questions(overlay, history, persons);
  if (stands(decision, persons)) co_return Applied::shaped;
  co_return decision.kind == DecisionKind::split ? Applied::no_effect : Applied::queued;
}

net::awaitable<Applied> link(Overlay& overlay, IdentityDecision decision) {
  Stored stays = co_await person_of(overlay, decision.patient);
  Stored goes = co_await person_of(overlay, decision.other);
  if (stays.person.separated || goes.person.separated) co_return co_await reshape(overlay, std::move(decision));
  const Person before = stays.person;
  const bool news = identity::learn(stays.person, decision);
  if (stays.person.id == goes.person.id) {
    if (decision.of_steward()) identity::vouch(stays.person);
    if (news || decision.of_steward()) {
      review(overlay, before, stays.person);
      put_guard(overlay, stays);
    }
    co_await answered(overlay, {decision.patient}, {decision.other});
    co_return Applied::shaped;
  }
  const Person other_before = goes.person;
  const bool other_news = identity::learn(goes.person, decision);
  if (const Refusal refusal = identity::refuses(decision, stays.person, goes.person, {}); refusal != Refusal::none) {
    if (news) put_guard(overlay, stays);
    if (other_news) put_guard(overlay, goes);
    review(overlay, before, stays.person);
    review(overlay, other_before, goes.person);
    ask_instead(overlay, std::move(decision), refusal);
    co_return Applied::queued;
  }
  const auto some = stays.person.members, others = goes.person.members;
  identity::unite(stays.person, goes.person, decision);
  for (const auto& key : stays.person.members) {
    overlay.put(tables::person_of, {key.facility, key.number, std::string(stays.person.id.view())});
  }
  overlay.put(tables::persons, row_of(stays.person, stays.version + 1, decision.at));
  overlay.put(tables::persons, {std::string(goes.person.id.view()), std::string("[]"), goes.version + 1,
                                decision.at.micros, std::string(stays.person.id.view()), std::string("{}")});
  review(overlay, before, stays.person);
  Person gone;
  gone.id = goes.person.id;
  review(overlay, other_before, gone);
  co_await answered(overlay, some, others);
  co_return Applied::shaped;
}

net::awaitable<Applied> guard(Overlay& overlay, const IdentityDecision& decision) {
  Stored stored = co_await person_of(overlay, decision.patient);
  const Person before = stored.person;
  if (!identity::learn(stored.person, decision)) co_return Applied::no_effect;
  put_guard(overlay, stored);
  review(overlay, before, stored.person);
  co_return identity::contradiction(stored.person) ? Applied::queued : Applied::no_effect;
}

net::awaitable<Applied> ask(Overlay& overlay, const IdentityDecision& decision, std::string document) {
  if (decision.kind == DecisionKind::possible) {
    if (co_await id_of_person(overlay, decision.patient) == co_await id_of_person(overlay, decision.other)) {
      co_return Applied::no_effect;
    }
  }
  const Stored patient = co_await person_of(overlay, decision.patient);
  if (patient.person.separated) {
    const History history = co_await history_of(overlay, {decision.patient, decision.other});
    if (parted(history, decision.patient, decision.other)) co_return Applied::no_effect;
  }
  // Under the pair, by which it is found again when it is answered; a crowded card's question has an id of its own.
  auto key = conflict_key(decision.kind, decision.patient, decision.other);
  overlay.put(tables::conflicts, {std::get<std::string>(key[0]), std::move(document), decision.at.micros});
  co_return Applied::queued;
}

net::awaitable<Applied> take_effect(Overlay& overlay, IdentityDecision decision, std::string document) {
  switch (decision.kind) {
    case DecisionKind::conflict:
    case DecisionKind::possible: co_return co_await ask(overlay, decision, std::move(document));
    case DecisionKind::linked:
    case DecisionKind::merged: co_return co_await link(overlay, std::move(decision));
    case DecisionKind::split:
    case DecisionKind::undone: co_return co_await reshape(overlay, std::move(decision));
    case DecisionKind::guarded: co_return co_await guard(overlay, decision);
  }
  co_return Applied::no_effect;
}

}  // namespace

std::string card_key(const std::string& hmac_key, std::string_view card) {
  const auto key = model::identifier_key(hmac_key, model::IdentifierKind::resident_card, {}, card);
  return RecordId::from_bytes(key.substr(16)).value_or(RecordId()).hex();
}

identity::Guard guard_of(const std::string& hmac_key, const identity::Candidate& patient, Timestamp as_of) {
  Guard guard{as_of, {}, patient.mother_number};
  for (const auto& card : patient.cards) guard.cards.push_back(card_key(hmac_key, card));
  std::sort(guard.cards.begin(), guard.cards.end());
  return guard;
}

net::awaitable<std::optional<identity::Guard>> known_guard(Overlay& overlay, LocalKey local) {
  const PersonId first = model::first_person_id(local.facility, local.number);
  if (!co_await overlay.get(tables::persons, {std::string(first.view())})) co_return std::nullopt;
  const Stored stored = co_await person_of(overlay, local);
  const auto known = stored.person.guards.find(local);
  co_return known == stored.person.guards.end() ? Guard() : known->second;
}

net::awaitable<std::vector<LocalKey>> members_of(Overlay& overlay, LocalKey local) {
  co_return (co_await person_of(overlay, std::move(local))).person.members;
}

net::awaitable<void> found_person(Overlay& overlay, LocalKey local, Timestamp at) {
  const PersonId id = model::first_person_id(local.facility, local.number);
  if (const port::Row* row = co_await overlay.get(tables::persons, {std::string(id.view())})) {
    if (std::get<std::int64_t>((*row)[2]) != 1 || std::get<std::int64_t>((*row)[3]) != 0) co_return;
    port::Row founded = *row;  // a decision was read first, and changed only what guards the person
    founded[3] = at.micros;
    overlay.put(tables::persons, std::move(founded));
    co_return;
  }
  overlay.put(tables::persons, row_of(identity::alone(local), 1, at));
}

RecordId pair_id(DecisionKind kind, const LocalKey& a, const LocalKey& b) {
  const LocalKey& first = std::min(a, b);
  const LocalKey& second = std::max(a, b);
  PartsHash hash;
  return RecordId(
      hash.add(to_string(kind)).add(first.facility).add(first.number).add(second.facility).add(second.number).finish());
}

RecordId merge_id(DecisionKind kind, const RecordId& record, Timestamp received, const LocalKey& patient,
                  const LocalKey& other) {
  PartsHash hash;
  hash.add(to_string(kind)).add(record.view());
  hash.add(patient.facility).add(patient.number).add(other.facility).add(other.number);
  auto bytes = hash.finish();
  std::fill_n(bytes.begin(), 3, decltype(bytes)::value_type{});
  for (unsigned i = 0; i < 7; ++i) {
    bytes[3 + i] = static_cast<decltype(bytes)::value_type>(received.micros >> (8 * (6 - i)) & 0xFF);
  }
  return RecordId(bytes);
}

RecordId guard_id(const LocalKey& local, const identity::Guard& guard) {
  PartsHash hash;
  hash.add(to_string(DecisionKind::guarded)).add(local.facility).add(local.number);
  hash.add(std::to_string(guard.as_of.micros)).add(guard.mother);
  for (const auto& card : guard.cards) hash.add(card);
  auto bytes = hash.finish();
  std::fill_n(bytes.begin(), 4, decltype(bytes)::value_type{});
  return RecordId(bytes);
}

RecordId question_id(const PersonId& person) {
  PartsHash hash;
  return RecordId(hash.add("identity.contradiction").add(person.view()).finish());
}

RecordId crowd_id(std::string_view card_key) {
  PartsHash hash;
  return RecordId(hash.add("card-shared-by-many").add(card_key).finish());
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
  if (decision.chance >= 0) {
    char chance[16];
    std::snprintf(chance, sizeof chance, "%.4f", decision.chance);
    writer.Key("chance");
    put(writer, chance);
  }
  put(writer, "patientGuard", decision.patient_guard);
  put(writer, "otherGuard", decision.other_guard);
  if (!decision.by.empty()) {
    writer.Key("by");
    put(writer, decision.by);
    writer.Key("client");
    put(writer, decision.client);
    writer.Key("note");
    put(writer, decision.note);
  }
  put_all(writer, "apart", decision.apart);
  put_all(writer, "rest", decision.rest);
  if (decision.of) {
    writer.Key("of");
    put(writer, decision.of->hex());
  }
  if (!decision.decided.empty()) {
    writer.Key("decidedIn");
    put(writer, decision.decided_in);
    writer.Key("decided");
    writer.StartArray();
    for (const auto& [partition, offset] : decision.decided) {
      writer.StartArray();
      writer.Uint(partition);
      writer.Uint64(offset);
      writer.EndArray();
    }
    writer.EndArray();
  }
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
  for (auto each : identity::all_decision_kinds) {
    if (kind != to_string(each)) continue;
    decision.kind = each;
    known = true;
  }
  if (!id || !known || !take(member(root, "patient"), decision.patient) ||
      !take(member(root, "other"), decision.other)) {
    return corrupt();
  }
  decision.id = *id;
  decision.reasons = texts_in(root, "reasons");
  if (const auto chance = text_of(root, "chance"); !chance.empty()) {
    std::from_chars(chance.data(), chance.data() + chance.size(), decision.chance);
  }
  decision.patient_guard = guard_in(member(root, "patientGuard"));
  decision.other_guard = guard_in(member(root, "otherGuard"));
  decision.by = text_of(root, "by");
  decision.client = text_of(root, "client");
  decision.note = text_of(root, "note");
  decision.apart = locals_in(root, "apart");
  decision.rest = locals_in(root, "rest");
  if (auto of = RecordId::from_hex(text_of(root, "of"))) decision.of = *of;
  decision.decided_in = text_of(root, "decidedIn");
  for_each_in(root, "decided", [&](const Json& each) {
    if (!each.IsArray() || each.Size() != 2) return;
    decision.decided.emplace_back(static_cast<std::uint32_t>(integer_of(each[0])),
                                  static_cast<std::uint64_t>(integer_of(each[1])));
  });
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

net::awaitable<port::Offset> decided_up_to(Overlay& overlay, std::uint32_t partition) {
  const port::Row* row = co_await overlay.get(tables::decided, {static_cast<std::int64_t>(partition)});
  co_return row ? static_cast<port::Offset>(std::get<std::int64_t>((*row)[1])) : 0;
}

net::awaitable<Applied> apply(Overlay& overlay, IdentityDecision decision, port::Offset offset,
                              std::string_view log_id) {
  const std::string id(decision.id.view());
  for (const auto& [partition, next] : decision.decided) {
    if (decision.decided_in != log_id || next <= co_await decided_up_to(overlay, partition)) continue;
    overlay.put(tables::decided, {static_cast<std::int64_t>(partition), static_cast<std::int64_t>(next)});
  }
  overlay.erase(tables::pending, {static_cast<std::int64_t>(port::Topic::identity), id});
  if (co_await overlay.get(tables::decisions, {id})) co_return Applied::known;
  const std::string document = write(decision);
  const auto at = decision.at.micros;
  overlay.put(tables::decisions, {id, document, at, std::string()});  // its own history reads it
  if (decision.shapes()) {
    for (const auto& local : locals_of(decision)) {
      overlay.put(tables::person_history, {local.facility, local.number, static_cast<std::int64_t>(offset), id});
    }
  }
  const Applied applied = co_await take_effect(overlay, std::move(decision), document);
  overlay.put(tables::decisions, {id, document, at, std::string(to_string(applied))});
  co_return applied;
}

std::string_view to_string(Applied applied) {
  switch (applied) {
    case Applied::known: return "known";
    case Applied::shaped: return "stands";
    case Applied::queued: return "asked";
    case Applied::no_effect: return "no-effect";
  }
  return "no-effect";
}

}  // namespace hutong::pipeline
