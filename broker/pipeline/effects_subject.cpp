// The local patient and its index rows; who else it may be.
#include <algorithm>
#include <set>

#include "broker/identity/matching.h"
#include "broker/model/event_json.h"
#include "broker/model/identifier_key.h"
#include "broker/pipeline/effects.h"
#include "broker/pipeline/effects_patient.h"
#include "broker/port/tables.h"

namespace hutong::pipeline {
namespace {

namespace tables = port::tables;
using model::IdentifierKind;
using model::Subject;

struct Keyed {
  IdentifierKind kind;
  std::string facility, value;
  auto operator<=>(const Keyed&) const = default;
};

std::set<Keyed> identifiers_of(std::string_view facility, std::string_view number, const Subject& subject) {
  std::set<Keyed> out;
  out.insert({IdentifierKind::facility_number, std::string(facility), std::string(number)});
  for (const auto& each : subject.identifiers) {
    if (each.value.empty()) continue;
    const bool of_facility = each.kind == IdentifierKind::facility_number || each.kind == IdentifierKind::visit;
    const auto whose = each.facility.empty() ? facility : each.facility;
    out.insert({each.kind, of_facility ? std::string(whose) : std::string(), std::string(each.value)});
  }
  return out;
}

std::set<std::string> names_of(const Subject& subject) {
  std::set<std::string> out;
  for (const auto& name : subject.names) {
    std::string key = model::name_key(name.text);
    if (!key.empty()) out.insert(std::move(key));
  }
  return out;
}

std::string birth_of(const Subject& subject) {
  return std::string(subject.born.iso.substr(0, 10));
}

constexpr char after_number = '\x1e';  // ends a member of a block
// More in one block: it says little (a shared 13800000000, a common name) and would cost much.
constexpr std::size_t block_members_max = 64;
// Possible matches of one newcomer that a steward is asked about: the likeliest.
constexpr std::size_t possible_max = 4;

DecisionKind kind_of(identity::Outcome outcome) {
  switch (outcome) {
    case identity::Outcome::link: return DecisionKind::linked;
    case identity::Outcome::possible: return DecisionKind::possible;
    default: return DecisionKind::conflict;
  }
}

}  // namespace

net::awaitable<void> Effects::apply_subject(const port::StoredRecord& record, Local local) {
  const std::int64_t at = record.appended.micros, offset = static_cast<std::int64_t>(record.offset);
  const port::Row* row = co_await overlay_.get(tables::patients, {local.facility, local.number});
  Subject subject = view_.subject;
  subject.facility = local.facility;
  if (!row) {
    subject.deleted = {};
    overlay_.put(tables::patients, {local.facility, local.number, std::string(model::write_subject(arena_, subject)),
                                    std::int64_t{1}, at, at, offset});
    count(Effect::patient_created);
    // Somebody may have been named by a merge, or linked by an older version, before anything was known of its cards.
    const auto guard = co_await known_guard(overlay_, {local.facility, local.number});
    co_await found_person(overlay_, {local.facility, local.number}, record.appended);
    co_await index_subject(local, nullptr, subject);
    const auto newcomer = identity::candidate(local.facility, local.number, subject);
    co_await index_blocks(nullptr, newcomer);
    const bool guarded = !newcomer.cards.empty() || !newcomer.mother_number.empty();
    if (guarded && guard && guard->as_of < record.appended) co_await tell_guard(record, newcomer);
    co_await match(record, newcomer, at);
    co_return;
  }
  Subject stored;
  const auto& stored_json = std::get<std::string>((*row)[2]);
  if (auto read = model::read_subject(stored_json, arena_, stored); !read) {
    count(Effect::unreadable);  // ours, not the sender's: what the message says takes its place
    stored = {};
  }
  const Subject merged = merge_subject(arena_, stored, subject);
  const std::string_view text = model::write_subject(arena_, merged);
  if (text == stored_json) co_return;
  const auto first_seen = std::get<std::int64_t>((*row)[4]);
  overlay_.put(tables::patients, {local.facility, local.number, std::string(text),
                                  std::get<std::int64_t>((*row)[3]) + 1, first_seen, at, offset});
  count(Effect::patient_updated);
  co_await index_subject(local, &stored, merged);
  const auto before = identity::candidate(local.facility, local.number, stored);
  const auto now = identity::candidate(local.facility, local.number, merged);
  if (before == now) co_return;  // nothing that matching looks at
  co_await index_blocks(&before, now);
  if (before.cards != now.cards || before.mother_number != now.mother_number) co_await tell_guard(record, now);
  co_await match(record, now, first_seen);
}

// Links carry what guards their two; what comes to be known later is told by itself, because links that were made
// before must be held against it, too.
net::awaitable<void> Effects::tell_guard(const port::StoredRecord& record, const identity::Candidate& patient) {
  if (record.offset < decided_) co_return;
  IdentityDecision decision;
  decision.kind = DecisionKind::guarded;
  decision.patient = decision.other = {patient.facility, patient.number};
  decision.patient_guard = guard_of(hmac_key_, patient, record.appended);
  decision.id = guard_id(decision.patient, decision.patient_guard);
  decision.cause = record.record.id.hex();
  decision.at = record.appended;
  proposed_ = co_await propose(overlay_, std::move(decision)) || proposed_;
}

net::awaitable<void> Effects::index_subject(Local local, const Subject* before, const Subject& after) {
  const auto& [facility, number] = local;
  const auto new_identifiers = identifiers_of(facility, number, after);
  const auto old_identifiers = before ? identifiers_of(facility, number, *before) : std::set<Keyed>();
  auto key_of = [&](const Keyed& each) {
    return model::identifier_key(hmac_key_, each.kind, each.facility, each.value);
  };
  for (const auto& each : old_identifiers) {
    if (!new_identifiers.contains(each)) overlay_.erase(tables::identifiers, {key_of(each), facility, number});
  }
  for (const auto& each : new_identifiers) {
    if (old_identifiers.contains(each)) continue;
    overlay_.put(tables::identifiers, {key_of(each), facility, number, std::string(to_string(each.kind))});
  }
  const auto new_names = names_of(after);
  const auto old_names = before ? names_of(*before) : std::set<std::string>();
  for (const auto& name : old_names) {
    if (!new_names.contains(name)) overlay_.erase(tables::names, {name, facility, number});
  }
  for (const auto& name : new_names) {
    if (!old_names.contains(name)) overlay_.put(tables::names, {name, facility, number});
  }
  const auto new_birth = birth_of(after), old_birth = before ? birth_of(*before) : std::string();
  if (new_birth != old_birth) {
    if (!old_birth.empty()) overlay_.erase(tables::births, {old_birth, facility, number});
    if (!new_birth.empty()) overlay_.put(tables::births, {new_birth, facility, number});
  }
  co_return;
}

const std::string& Effects::block_of(Blocks& blocks, const std::string& key) const {
  auto [place, fresh] = blocks.try_emplace(key);
  if (fresh) place->second = identity::stored_block(hmac_key_, key);
  return place->second;
}

net::awaitable<void> Effects::index_blocks(const identity::Candidate* before, const identity::Candidate& after) {
  if (weights_.empty()) co_return;
  const auto fresh = identity::block_keys(after).kept;
  const auto stored = before ? identity::block_keys(*before).kept : std::vector<std::string>();
  const auto in = [](const std::vector<std::string>& keys, const std::string& key) {
    return std::find(keys.begin(), keys.end(), key) != keys.end();
  };
  std::vector<port::Lookup> lookups;
  for (const auto* keys : {&stored, &fresh}) {
    for (const auto& key : *keys) lookups.push_back({&tables::blocks, {block_of(blocks_, key)}});
  }
  co_await overlay_.foresee(std::move(lookups));
  const std::string self = identity::block_member({after.facility, after.number});
  for (const auto& key : stored) {
    if (in(fresh, key)) continue;
    const port::Row* row = co_await overlay_.get(tables::blocks, {block_of(blocks_, key)});
    if (!row || std::get<std::int64_t>((*row)[2]) != 0) continue;
    std::string members = std::get<std::string>((*row)[1]);
    const auto at = members.find(self);
    if (at == std::string::npos || (at > 0 && members[at - 1] != after_number)) continue;
    members.erase(at, self.size());
    if (members.empty()) {
      overlay_.erase(tables::blocks, {block_of(blocks_, key)});
    } else {
      overlay_.put(tables::blocks, {block_of(blocks_, key), std::move(members), std::int64_t{0}});
    }
  }
  for (const auto& key : fresh) {
    if (in(stored, key)) continue;
    const port::Row* row = co_await overlay_.get(tables::blocks, {block_of(blocks_, key)});
    if (row && std::get<std::int64_t>((*row)[2]) != 0) continue;
    std::string members = row ? std::get<std::string>((*row)[1]) : std::string();
    const auto count = static_cast<std::size_t>(std::count(members.begin(), members.end(), after_number));
    const bool crowded = count >= block_members_max;
    // In order, so that the row is the same whatever order the partitions are read in.
    std::size_t at = 0;
    while (at < members.size()) {
      const auto end = members.find(after_number, at) + 1;
      if (std::string_view(members).substr(at, end - at) > self) break;
      at = end;
    }
    members.insert(at, self);
    overlay_.put(tables::blocks, {block_of(blocks_, key), crowded ? std::string() : members, std::int64_t{crowded}});
  }
}

net::awaitable<void> Effects::match(const port::StoredRecord& record, const identity::Candidate& newcomer,
                                    std::int64_t first_seen) {
  if (record.offset < decided_) co_return;
  const LocalKey self{newcomer.facility, newcomer.number};
  std::vector<LocalKey> found;
  std::string crowded;  // the card that too many share
  for (const auto& card : newcomer.cards) {
    auto key = model::identifier_key(hmac_key_, IdentifierKind::resident_card, {}, card);
    auto rows = co_await overlay_.scan(tables::identifiers, {std::move(key)}, sharing_card_max_ + 2);
    std::size_t sharing = 0;
    for (const auto& row : rows) {
      LocalKey other{std::get<std::string>(row[1]), std::get<std::string>(row[2])};
      if (other == self) continue;
      if (sharing == sharing_card_max_) {
        crowded = card;
        break;
      }
      ++sharing;
      found.push_back(std::move(other));
    }
  }
  if (!weights_.empty()) {
    for (const auto& key : identity::block_keys(newcomer).sought) {
      const port::Row* row = co_await overlay_.get(tables::blocks, {block_of(blocks_, key)});
      if (row && found.size() < compared_max_) identity::read_block_members(std::get<std::string>((*row)[1]), found);
    }
  }
  std::vector<port::Lookup> lookups;
  for (const auto& other : found) lookups.push_back({&tables::patients, {other.facility, other.number}});
  co_await overlay_.foresee(std::move(lookups));
  struct Seen {
    std::int64_t first, updated;
  };
  std::map<LocalKey, Seen> others;
  std::vector<identity::Candidate> candidates;
  for (auto& other : found) {
    if (other == self || others.contains(other)) continue;
    const port::Row* patient = co_await overlay_.get(tables::patients, {other.facility, other.number});
    if (!patient) continue;
    Subject described;
    if (!model::read_subject(std::get<std::string>((*patient)[2]), arena_, described)) continue;
    candidates.push_back(identity::candidate(other.facility, other.number, described));
    others.emplace(std::move(other),
                   Seen{std::get<std::int64_t>((*patient)[4]), std::get<std::int64_t>((*patient)[5])});
  }
  const auto decided = identity::decide(newcomer, candidates, weights_, to_iso(record.appended).substr(0, 10));
  std::vector<std::size_t> order;  // the likeliest first; what a card decides stands before what is weighed
  for (std::size_t i = 0; i < decided.size(); ++i) {
    if (decided[i].outcome != identity::Outcome::none) order.push_back(i);
  }
  const auto weight = [&](std::size_t i) { return decided[i].chance < 0 ? 2.0 : decided[i].chance; };
  std::stable_sort(order.begin(), order.end(), [&](auto a, auto b) { return weight(a) > weight(b); });
  std::vector<port::Lookup> known{{&tables::person_of, {self.facility, self.number}}};
  for (std::size_t i : order) {
    const LocalKey other{candidates[i].facility, candidates[i].number};
    known.push_back({&tables::person_of, {other.facility, other.number}});
    const auto kind = kind_of(decided[i].outcome);
    const std::string id(pair_id(kind, self, other).view());
    known.push_back({&tables::decisions, {id}});
    known.push_back({&tables::pending, {static_cast<std::int64_t>(port::Topic::identity), id}});
  }
  co_await overlay_.foresee(std::move(known));
  const auto own_guard = guard_of(hmac_key_, newcomer, record.appended);
  const auto person = [&](const LocalKey& local) -> net::awaitable<std::string> {
    const port::Row* row = co_await overlay_.get(tables::person_of, {local.facility, local.number});
    co_return row ? std::get<std::string>((*row)[2])
                  : std::string(model::first_person_id(local.facility, local.number).view());
  };
  std::set<std::string> linked;  // persons: one link to each is enough, and a question about one of its others is none
  std::size_t possible = 0;
  for (std::size_t i : order) {
    const LocalKey other{candidates[i].facility, candidates[i].number};
    const bool weighed = decided[i].chance >= 0;
    if (weighed && decided[i].outcome != identity::Outcome::conflict) {
      const std::string whose = co_await person(other);
      if (linked.contains(whose) || whose == co_await person(self)) continue;
      if (decided[i].outcome == identity::Outcome::link) linked.insert(whose);
      if (decided[i].outcome == identity::Outcome::possible && ++possible > possible_max) continue;
    } else if (decided[i].outcome == identity::Outcome::link) {
      linked.insert(co_await person(other));
    }
    const Seen& seen = others.at(other);
    const bool other_is_older = std::pair(seen.first, other) < std::pair(first_seen, self);
    const bool by_crowd = !crowded.empty() && !weighed;
    IdentityDecision decision;
    decision.kind = by_crowd ? DecisionKind::conflict : kind_of(decided[i].outcome);
    const auto other_guard = guard_of(hmac_key_, candidates[i], {seen.updated});
    decision.patient = other_is_older ? other : self;
    decision.other = other_is_older ? self : other;
    decision.patient_guard = other_is_older ? other_guard : own_guard;
    decision.other_guard = other_is_older ? own_guard : other_guard;
    decision.id = by_crowd ? crowd_id(card_key(hmac_key_, crowded)) : pair_id(decision.kind, self, other);
    decision.reasons = decided[i].reasons;
    decision.chance = decided[i].chance;
    if (by_crowd) decision.reasons.emplace_back("card-shared-by-many");
    decision.cause = record.record.id.hex();
    decision.at = record.appended;
    proposed_ = co_await propose(overlay_, std::move(decision)) || proposed_;
    if (by_crowd) break;  // one word to the steward is enough
  }
}

net::awaitable<void> Effects::apply_merge(const port::StoredRecord& record, Local local, const model::Event& event) {
  const auto& merge = event.merge;
  LocalKey self{local.facility, local.number};
  LocalKey prior{std::string(merge.prior_facility.empty() ? local.facility : merge.prior_facility),
                 std::string(merge.prior_number)};
  if (prior.number.empty() || prior == self) co_return;
  co_await found_person(overlay_, prior, record.appended);  // it is named: see apply_subject
  if (record.offset < decided_) co_return;
  IdentityDecision decision;
  const bool apart = event.kind == model::EventKind::patient_unlinked,
             one = event.kind == model::EventKind::patient_linked;
  decision.kind = apart ? DecisionKind::split : DecisionKind::merged;
  decision.id = merge_id(decision.kind, view_.id, view_.times.received, self, prior);
  for (const auto& [key, guard] :
       {std::pair(&self, &decision.patient_guard), std::pair(&prior, &decision.other_guard)}) {
    const port::Row* patient = co_await overlay_.get(tables::patients, {key->facility, key->number});
    Subject described;
    if (!patient || !model::read_subject(std::get<std::string>((*patient)[2]), arena_, described)) continue;
    *guard = guard_of(hmac_key_, identity::candidate(key->facility, key->number, described),
                      {std::get<std::int64_t>((*patient)[5])});
  }
  if (apart) {  // from everyone whom it is one person with now, else from the one that the facility names
    decision.apart = {prior};
    decision.rest = co_await members_of(overlay_, prior);
    std::erase(decision.rest, prior);
    if (std::find(decision.rest.begin(), decision.rest.end(), self) == decision.rest.end()) decision.rest = {self};
  }
  decision.patient = std::move(self);
  decision.other = std::move(prior);
  decision.reasons = {apart                     ? "unlinked-by-facility"
                      : one                     ? "linked-by-facility"
                      : merge.identifier_change ? "number-changed-by-facility"
                                                : "merged-by-facility",
                      std::string(merge.cause)};
  decision.cause = event_id(event);
  decision.at = record.appended;
  proposed_ = co_await propose(overlay_, std::move(decision)) || proposed_;
}

}  // namespace hutong::pipeline
