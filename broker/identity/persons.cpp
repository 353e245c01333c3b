#include "broker/identity/persons.h"

#include <algorithm>

#include "broker/model/record.h"

namespace hutong::identity {
namespace {

bool holds(const std::vector<LocalKey>& sorted_or_not, const LocalKey& key) {
  return std::find(sorted_or_not.begin(), sorted_or_not.end(), key) != sorted_or_not.end();
}

bool any_of(const std::vector<LocalKey>& members, const std::vector<LocalKey>& named) {
  return std::any_of(named.begin(), named.end(), [&](const auto& key) { return holds(members, key); });
}

bool crosses(const IdentityDecision& split, const IdentityDecision& link) {
  return (holds(split.apart, link.patient) && holds(split.rest, link.other)) ||
         (holds(split.rest, link.patient) && holds(split.apart, link.other));
}

std::set<RecordId> undone_of(std::span<const IdentityDecision* const> decisions) {
  std::set<RecordId> undone;
  // From the newest back: an undoing that was undone itself undoes nothing.
  for (std::size_t i = decisions.size(); i-- > 0;) {
    const auto& each = *decisions[i];
    if (each.kind == DecisionKind::undone && each.of && !undone.contains(each.id)) undone.insert(*each.of);
  }
  return undone;
}

class Replay {
 public:
  // Links among `links`, in order, as far as they are not refused.
  void run(const std::vector<const IdentityDecision*>& links, const std::vector<const IdentityDecision*>& splits) {
    for (const auto* link : links) {
      const PersonId stays = at(link->patient), goes = at(link->other);
      if (stays == goes) {
        learn_cards(out.standing.at(stays), *link);
        continue;
      }
      std::vector<const IdentityDecision*> before;  // a split says nothing of what is known later to be one
      for (const auto* split : splits) {
        if (order.at(split->id) < order.at(link->id)) before.push_back(split);
      }
      const Refusal refusal = refuses(*link, out.standing.at(stays), out.standing.at(goes), before);
      if (refusal != Refusal::none) {
        out.refused[link->id] = refusal;
        continue;
      }
      unite(out.standing.at(stays), out.standing.at(goes), *link);
      for (const auto& member : out.standing.at(goes).members) out.person_of[member] = stays;
      out.standing.erase(goes);
      out.replaced[goes] = stays;
    }
    for (const auto* split : splits) {
      for (const auto* list : {&split->apart, &split->rest}) {
        for (const auto& member : *list) out.standing.at(at(member)).separated = true;
      }
    }
  }

  PersonId at(const LocalKey& local) {
    const auto [place, fresh] = out.person_of.try_emplace(local);
    if (fresh) {
      Person person = alone(local);
      place->second = person.id;
      out.standing.emplace(person.id, std::move(person));
    }
    return place->second;
  }

  Persons out;
  std::map<RecordId, std::size_t> order;
};

}  // namespace

std::string_view to_string(DecisionKind kind) {
  switch (kind) {
    case DecisionKind::linked: return "identity.linked";
    case DecisionKind::merged: return "identity.merged";
    case DecisionKind::conflict: return "identity.conflict";
    case DecisionKind::possible: return "identity.possible";
    case DecisionKind::split: return "identity.split";
    case DecisionKind::undone: return "identity.undone";
  }
  return "identity.conflict";
}

std::string_view to_string(Refusal refusal) {
  switch (refusal) {
    case Refusal::none: return "";
    case Refusal::other_cards: return "joins-two-cards";
    case Refusal::separated: return "separated-by-steward";
  }
  return "";
}

Person alone(const LocalKey& local) {
  Person person;
  person.id = model::first_person_id(local.facility, local.number);
  person.members = {local};
  return person;
}

Refusal refuses(const IdentityDecision& decision, const Person& patient, const Person& other,
                std::span<const IdentityDecision* const> splits) {
  if (decision.of_steward()) return Refusal::none;
  if (decision.kind == DecisionKind::linked) {
    for (const auto* split : splits) {
      const bool apart = (any_of(patient.members, split->apart) && any_of(other.members, split->rest)) ||
                         (any_of(patient.members, split->rest) && any_of(other.members, split->apart));
      if (apart) return Refusal::separated;
    }
  }
  // A number that its facility changed (A47) is the same registration: its card may have been corrected with it.
  if (std::find(decision.reasons.begin(), decision.reasons.end(), "number-changed-by-facility") !=
      decision.reasons.end()) {
    return Refusal::none;
  }
  std::set<std::string> left = patient.cards, right = other.cards;
  left.insert(decision.patient_cards.begin(), decision.patient_cards.end());
  right.insert(decision.other_cards.begin(), decision.other_cards.end());
  if (left.empty() || right.empty()) return Refusal::none;
  const bool common = std::any_of(left.begin(), left.end(), [&](const auto& card) { return right.contains(card); });
  return common ? Refusal::none : Refusal::other_cards;
}

bool learn_cards(Person& person, const IdentityDecision& decision) {
  const std::size_t before = person.cards.size();
  person.cards.insert(decision.patient_cards.begin(), decision.patient_cards.end());
  person.cards.insert(decision.other_cards.begin(), decision.other_cards.end());
  return person.cards.size() != before;
}

void unite(Person& stays, const Person& goes, const IdentityDecision& decision) {
  stays.members.insert(stays.members.end(), goes.members.begin(), goes.members.end());
  std::sort(stays.members.begin(), stays.members.end());
  stays.members.erase(std::unique(stays.members.begin(), stays.members.end()), stays.members.end());
  stays.cards.insert(goes.cards.begin(), goes.cards.end());
  stays.separated = stays.separated || goes.separated;
  learn_cards(stays, decision);
}

Persons replay(std::span<const IdentityDecision* const> decisions) {
  const auto undone = undone_of(decisions);
  Replay all;
  std::vector<const IdentityDecision*> links, splits;
  for (std::size_t i = 0; i < decisions.size(); ++i) {
    const auto& each = *decisions[i];
    all.order[each.id] = i;
    all.at(each.patient);
    all.at(each.other);
    for (const auto* list : {&each.apart, &each.rest}) {
      for (const auto& member : *list) all.at(member);
    }
    if (undone.contains(each.id)) continue;
    if (each.kind == DecisionKind::linked || each.kind == DecisionKind::merged) links.push_back(&each);
    if (each.kind == DecisionKind::split) {
      std::erase_if(links, [&](const auto* link) { return crosses(each, *link); });
      splits.push_back(&each);
    }
  }
  all.run(links, splits);
  return std::move(all.out);
}

}  // namespace hutong::identity
