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

bool is_number_change(const IdentityDecision& decision) {
  return std::find(decision.reasons.begin(), decision.reasons.end(), "number-changed-by-facility") !=
         decision.reasons.end();
}

// The newest word counts; of one instant both do.
bool take_newer(Guard& known, const Guard& said) {
  if (said.as_of < known.as_of || said.as_of == Timestamp()) return false;
  const Guard before = known;
  if (said.as_of > known.as_of) {
    known = said;
  } else {
    known.cards.insert(known.cards.end(), said.cards.begin(), said.cards.end());
    known.mother = std::max(known.mother, said.mother);
  }
  std::sort(known.cards.begin(), known.cards.end());
  known.cards.erase(std::unique(known.cards.begin(), known.cards.end()), known.cards.end());
  return known != before;
}

// Cards that one steward vouched for and those that another did were never held together.
void join_vouched(Person& stays, const Person& goes) {
  const bool common = std::any_of(goes.vouched.begin(), goes.vouched.end(),
                                  [&](const auto& each) { return stays.vouched.contains(each); });
  if (!common && !stays.vouched.empty() && !goes.vouched.empty()) {
    stays.vouched.clear();
  } else {
    stays.vouched.insert(goes.vouched.begin(), goes.vouched.end());
  }
}

void join(Person& stays, const Person& goes) {
  stays.members.insert(stays.members.end(), goes.members.begin(), goes.members.end());
  std::sort(stays.members.begin(), stays.members.end());
  stays.members.erase(std::unique(stays.members.begin(), stays.members.end()), stays.members.end());
  stays.guards.insert(goes.guards.begin(), goes.guards.end());
  join_vouched(stays, goes);
  stays.separated = stays.separated || goes.separated;
}

bool have_one_mother(const Person& a, const Person& b) {
  return std::any_of(a.guards.begin(), a.guards.end(), [&](const auto& x) {
    return !x.second.mother.empty() && std::any_of(b.guards.begin(), b.guards.end(), [&](const auto& y) {
      return x.first.facility == y.first.facility && x.second.mother == y.second.mother;
    });
  });
}

class Replay {
 public:
  // In the order of the topic. `stands`: it was not undone, and no split has cut it.
  void take(const IdentityDecision& decision, bool stands) {
    for (const auto* local : {&decision.patient, &decision.other}) learn(out.standing.at(at(*local)), decision);
    for (const auto* list : {&decision.apart, &decision.rest}) {
      for (const auto& member : *list) at(member);
    }
    if (!stands) return;
    if (decision.kind == DecisionKind::split) splits_.push_back(&decision);
    if (decision.kind == DecisionKind::linked || decision.kind == DecisionKind::merged) link(decision);
  }

  Persons finish() {
    for (const auto* split : splits_) {
      for (const auto* list : {&split->apart, &split->rest}) {
        for (const auto& member : *list) out.standing.at(at(member)).separated = true;
      }
    }
    return std::move(out);
  }

 private:
  void link(const IdentityDecision& decision) {
    const PersonId stays = at(decision.patient), goes = at(decision.other);
    if (stays == goes) {
      if (decision.of_steward()) vouch(out.standing.at(stays));
      return;
    }
    // A split says nothing of what is known later to be one: only those before this are asked.
    const Refusal refusal = refuses(decision, out.standing.at(stays), out.standing.at(goes), splits_);
    if (refusal != Refusal::none) {
      out.refused[decision.id] = refusal;
      return;
    }
    unite(out.standing.at(stays), out.standing.at(goes), decision);
    for (const auto& member : out.standing.at(goes).members) out.person_of[member] = stays;
    out.standing.erase(goes);
    out.replaced[goes] = stays;
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
  std::vector<const IdentityDecision*> splits_;
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
    case DecisionKind::guarded: return "identity.guarded";
  }
  return "identity.conflict";
}

std::string_view to_string(Refusal refusal) {
  switch (refusal) {
    case Refusal::none: return "";
    case Refusal::other_cards: return "two-cards";
    case Refusal::mother_and_child: return "mother-and-child";
    case Refusal::same_mother: return "same-mother";
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

std::string name_of(const LocalKey& local) {
  return local.facility + "/" + local.number;
}

std::optional<Contradiction> contradiction(const Person& person) {
  // If everybody's cards go with those of one of them, they go with each other.
  const std::pair<const LocalKey, Guard>* holder = nullptr;
  for (const auto& each : person.guards) {
    const auto& [local, guard] = each;
    const LocalKey mother{local.facility, guard.mother};
    if (!guard.mother.empty() && holds(person.members, mother) && !person.vouched.contains(name_of(local))) {
      return Contradiction{Refusal::mother_and_child, mother, local, guard.as_of};
    }
    if (guard.cards.empty()) continue;
    if (!holder) {
      holder = &each;
      continue;
    }
    for (const auto& one : holder->second.cards) {
      for (const auto& other : guard.cards) {
        if (one == other || (person.vouched.contains(one) && person.vouched.contains(other))) continue;
        return Contradiction{Refusal::other_cards, holder->first, local, std::max(holder->second.as_of, guard.as_of)};
      }
    }
  }
  return std::nullopt;
}

bool learn(Person& person, const IdentityDecision& decision) {
  bool news = false;
  for (const auto& [local, said] :
       {std::pair(&decision.patient, &decision.patient_guard), std::pair(&decision.other, &decision.other_guard)}) {
    if (!holds(person.members, *local)) continue;
    Guard known;
    if (const auto before = person.guards.find(*local); before != person.guards.end()) known = before->second;
    if (!take_newer(known, *said)) continue;
    person.guards[*local] = std::move(known);
    news = true;
  }
  return news;
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
    if (have_one_mother(patient, other)) return Refusal::same_mother;
  }
  Person both = patient;
  join(both, other);
  const auto found = contradiction(both);
  // A number that its facility changed (A47) is the same registration: its card may have been corrected with it.
  if (!found || (found->why == Refusal::other_cards && is_number_change(decision))) return Refusal::none;
  return found->why;
}

void unite(Person& stays, const Person& goes, const IdentityDecision& decision) {
  const bool open = contradiction(stays) || contradiction(goes);  // of this the decision says nothing
  join(stays, goes);
  if (!open && (decision.of_steward() || is_number_change(decision))) vouch(stays);
}

void vouch(Person& person) {
  for (const auto& [local, guard] : person.guards) {
    person.vouched.insert(guard.cards.begin(), guard.cards.end());
    // Who links a child with somebody else has said nothing of its mother.
    if (!guard.mother.empty() && holds(person.members, {local.facility, guard.mother}))
      person.vouched.insert(name_of(local));
  }
}

Persons replay(std::span<const IdentityDecision* const> decisions) {
  std::set<RecordId> fallen = undone_of(decisions);
  std::vector<const IdentityDecision*> links;
  for (const auto* each : decisions) {
    if (fallen.contains(each->id)) continue;
    if (each->kind == DecisionKind::linked || each->kind == DecisionKind::merged) links.push_back(each);
    if (each->kind != DecisionKind::split) continue;
    for (const auto* link : links) {
      if (crosses(*each, *link)) fallen.insert(link->id);
    }
  }
  Replay all;
  for (const auto* each : decisions) all.take(*each, !fallen.contains(each->id));
  return all.finish();
}

}  // namespace hutong::identity
