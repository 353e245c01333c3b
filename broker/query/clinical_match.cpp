// Who may be meant by a description: found by the blocks and identifiers that the matcher finds people by, weighed as
// it weighs them.
#include <algorithm>
#include <map>
#include <set>

#include "broker/identity/matching.h"
#include "broker/model/event_json.h"
#include "broker/model/identifier_key.h"
#include "broker/port/tables.h"
#include "broker/query/clinical.h"
#include "broker/query/rows.h"

namespace hutong::query {
namespace {

namespace tables = port::tables;

constexpr std::size_t compared_max = 512;
// A number that more local patients share is somebody's way of writing "none".
constexpr std::size_t sharing_number_max = 64;
// Below this chance nobody is shown: it would be a list of strangers.
constexpr double shown_from = 0.05;
constexpr double likely_at_most = 0.9899;
// An equal number of a person's own, where nothing could be weighed beside it.
constexpr double by_number_alone = 0.6;

tl::unexpected<Error> pass(const Error& error) {
  return tl::unexpected<Error>(error);
}

}  // namespace

net::awaitable<Result<Answer>> Clinical::match(const access::Permit&, model::Subject subject, std::size_t count,
                                               bool only_certain) {
  auto answer = co_await begin();
  if (!answer) co_return pass(answer.error());
  for (auto& identifier : subject.identifiers) {
    identifier.placeholder = is_placeholder_ && is_placeholder_(identifier.value);
  }
  const auto asked = identity::candidate("", "", subject);

  std::vector<Local> found;
  std::set<std::pair<std::string, std::string>> by_number;  // an identifier is theirs to the letter
  for (const auto& identifier : subject.identifiers) {
    if (identifier.value.empty() || identifier.placeholder || !identifier.valid) continue;
    port::Scan scan;
    scan.prefix = {model::identifier_key(identifier_key_, identifier.kind, identifier.facility, identifier.value)};
    scan.limit = sharing_number_max + 1;
    auto sharing = co_await store_.scan(tables::identifiers, std::move(scan));
    if (!sharing) co_return pass(sharing.error());
    if (sharing->size() > sharing_number_max) continue;
    for (const auto& row : *sharing) {
      found.push_back({text(row, 1), text(row, 2)});
      by_number.emplace(text(row, 1), text(row, 2));
    }
  }
  std::vector<port::Lookup> blocks;
  // Who asks by a name is shown its bearers, also those born on other days than they think.
  auto keys = identity::block_keys(asked);
  std::set<std::string> all(keys.kept.begin(), keys.kept.end());
  all.insert(keys.sought.begin(), keys.sought.end());
  for (const auto& key : all) blocks.push_back({&tables::blocks, {identity::stored_block(identifier_key_, key)}});
  auto rows = co_await store_.get_many(std::move(blocks));
  if (!rows) co_return pass(rows.error());
  std::vector<identity::LocalKey> members;
  for (const auto& row : *rows) {
    if (row) identity::read_block_members(text(*row, 1), members);
  }
  for (auto& each : members) found.push_back({std::move(each.facility), std::move(each.number)});
  std::set<std::pair<std::string, std::string>> once;
  std::vector<port::Lookup> patients;
  for (const auto& local : found) {
    if (once.size() < compared_max && once.emplace(local.facility, local.number).second) {
      patients.push_back({&tables::patients, {local.facility, local.number}});
    }
  }
  auto described = co_await store_.get_many(std::move(patients));
  if (!described) co_return pass(described.error());

  std::map<PersonId, Graded> persons;
  Arena arena;
  for (const auto& row : *described) {
    if (!row) continue;
    arena.reset();
    model::Subject other;
    if (!model::read_subject(text(*row, 2), arena, other)) continue;
    const auto candidate = identity::candidate(text(*row, 0), text(*row, 1), other);
    const auto decision = identity::compare(asked, candidate, *weights_);
    Graded grade;
    grade.chance = decision.chance;
    if (decision.chance < 0 && !weights_->empty()) {
      grade.chance = identity::score(*weights_, identity::compare_fields(asked, candidate)).chance;
    }
    const bool own = by_number.contains({candidate.facility, candidate.number});
    grade.certain = decision.outcome == identity::Outcome::link;
    // A facility's own number with the name beside it is certain, too; alone it is somebody's typing.
    if (own && asked.names.empty()) grade.chance = std::max(grade.chance, by_number_alone);
    // A conflict is never certain, and never more than likely.
    grade.chance =
        grade.certain ? std::max(grade.chance, weights_->link) : std::clamp(grade.chance, 0.0, likely_at_most);
    grade.probable = grade.chance >= weights_->steward;
    if (grade.chance < shown_from && !own) continue;
    auto person = co_await person_of(candidate.facility, candidate.number);
    if (!person) co_return pass(person.error());
    auto& best = persons[*person];
    if (std::pair(grade.certain, grade.chance) > std::pair(best.certain, best.chance)) best = grade;
  }
  for (auto& [id, grade] : persons) {
    if (!grade.certain) continue;
    auto refused = co_await conflicts_over_card(asked, id);
    if (!refused) co_return pass(refused.error());
    if (!*refused) continue;
    grade.certain = false;
    grade.chance = std::min(grade.chance, likely_at_most);
  }
  std::vector<std::pair<PersonId, Graded>> order(persons.begin(), persons.end());
  std::stable_sort(order.begin(), order.end(), [](const auto& a, const auto& b) {
    return std::pair(a.second.certain, a.second.chance) > std::pair(b.second.certain, b.second.chance);
  });
  if (only_certain) {
    std::erase_if(order, [](const auto& each) { return !each.second.certain; });
    if (order.size() > 1) order.clear();  // certain of two is certain of none
  }
  for (const auto& [id, grade] : order) {
    if (answer->matches.size() == count) break;
    auto person = co_await load_person(*answer, id);
    if (!person && person.error().code == ErrorCode::not_found) continue;
    if (!person) co_return pass(person.error());
    answer->matches.push_back({.kind = model::ViewKind::person, .person = *person});
    answer->grades.push_back(grade);
  }
  answer->counted = answer->matches.size();
  co_return answer;
}

// What the matcher refuses for one of its members it refuses for the person.
net::awaitable<Result<bool>> Clinical::conflicts_over_card(const identity::Candidate& asked, PersonId person) {
  if (asked.cards.empty()) co_return false;
  auto members = co_await members_of(person);
  if (!members) co_return pass(members.error());
  std::vector<port::Lookup> lookups;
  for (const auto& local : members->second) lookups.push_back({&tables::patients, {local.facility, local.number}});
  auto rows = co_await store_.get_many(std::move(lookups));
  if (!rows) co_return pass(rows.error());
  Arena arena;
  for (const auto& row : *rows) {
    if (!row) continue;
    arena.reset();
    model::Subject described;
    if (!model::read_subject(text(*row, 2), arena, described)) continue;
    const auto cards = identity::candidate(text(*row, 0), text(*row, 1), described).cards;
    if (!cards.empty() && cards != asked.cards) co_return true;
  }
  co_return false;
}

}  // namespace hutong::query
