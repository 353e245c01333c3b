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

// Beyond this many local patients on one card nobody is linked by it: it is a placeholder that nobody listed yet.
constexpr std::size_t sharing_card_max = 32;

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

// What matching looks at has changed.
bool differs(const identity::Candidate& a, const identity::Candidate& b) {
  return a.cards != b.cards || a.names != b.names || a.birth_date != b.birth_date || a.sex != b.sex;
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
    co_await found_person(overlay_, {std::string(local.facility), std::string(local.number)}, record.appended);
    co_await index_subject(local, nullptr, subject);
    co_await match(record, local, subject, at);
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
  if (differs(identity::candidate(local.facility, local.number, stored),
              identity::candidate(local.facility, local.number, merged))) {
    co_await match(record, local, merged, first_seen);
  }
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

net::awaitable<void> Effects::match(const port::StoredRecord& record, Local local, const Subject& subject,
                                    std::int64_t first_seen) {
  const auto newcomer = identity::candidate(local.facility, local.number, subject);
  const LocalKey self{local.facility, local.number};
  std::map<LocalKey, std::int64_t> others;  // first seen
  std::vector<identity::Candidate> sharing;
  bool crowded = false;
  for (const auto& card : newcomer.cards) {
    auto key = model::identifier_key(hmac_key_, IdentifierKind::resident_card, {}, card);
    auto rows = co_await overlay_.scan(tables::identifiers, {std::move(key)}, sharing_card_max + 2);
    for (const auto& row : rows) {
      LocalKey other{std::get<std::string>(row[1]), std::get<std::string>(row[2])};
      if (other == self || others.contains(other)) continue;
      if (others.size() == sharing_card_max) {
        crowded = true;
        break;
      }
      const port::Row* patient = co_await overlay_.get(tables::patients, {other.facility, other.number});
      if (!patient) continue;
      Subject described;
      if (!model::read_subject(std::get<std::string>((*patient)[2]), arena_, described)) continue;
      sharing.push_back(identity::candidate(other.facility, other.number, described));
      others.emplace(std::move(other), std::get<std::int64_t>((*patient)[4]));
    }
  }
  const auto decided = identity::decide(newcomer, sharing);
  for (std::size_t i = 0; i < decided.size(); ++i) {
    if (decided[i].outcome == identity::Outcome::none) continue;
    const LocalKey other{sharing[i].facility, sharing[i].number};
    const bool other_is_older = std::pair(others.at(other), other) < std::pair(first_seen, self);
    IdentityDecision decision;
    decision.kind =
        decided[i].outcome == identity::Outcome::link && !crowded ? DecisionKind::linked : DecisionKind::conflict;
    decision.patient = other_is_older ? other : self;
    decision.other = other_is_older ? self : other;
    decision.id = pair_id(decision.kind, self, other);
    decision.reasons.assign(decided[i].reasons.begin(), decided[i].reasons.end());
    if (crowded) decision.reasons.emplace_back("card-shared-by-many");
    decision.cause = record.record.id.hex();
    decision.at = record.appended;
    proposed_ = co_await propose(overlay_, std::move(decision)) || proposed_;
    if (crowded) break;  // one word to the steward is enough
  }
}

net::awaitable<void> Effects::apply_merge(const port::StoredRecord& record, Local local, const model::Event& event) {
  const auto& merge = event.merge;
  LocalKey self{local.facility, local.number};
  LocalKey prior{std::string(merge.prior_facility.empty() ? local.facility : merge.prior_facility),
                 std::string(merge.prior_number)};
  if (prior.number.empty() || prior == self) co_return;
  IdentityDecision decision;
  decision.id = merge_id(record.record.id, self, prior);
  decision.kind = DecisionKind::merged;
  decision.patient = std::move(self);
  decision.other = std::move(prior);
  decision.reasons = {merge.identifier_change ? "number-changed-by-facility" : "merged-by-facility",
                      std::string(merge.cause)};
  decision.cause = event_id(event);
  decision.at = record.appended;
  proposed_ = co_await propose(overlay_, std::move(decision)) || proposed_;
}

}  // namespace hutong::pipeline
