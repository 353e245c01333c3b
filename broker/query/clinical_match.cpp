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
// Below this chance nobody is shown: it would be a list of strangers.
constexpr double shown_from = 0.05;
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
  const auto asked = identity::candidate("", "", subject);

  std::vector<Local> found;
  std::set<std::pair<std::string, std::string>> by_number;  // an identifier is theirs to the letter
  for (const auto& identifier : subject.identifiers) {
    if (identifier.value.empty() || identifier.placeholder || !identifier.valid) continue;
    port::Scan scan;
    scan.prefix = {model::identifier_key(identifier_key_, identifier.kind, identifier.facility, identifier.value)};
    const std::size_t before = found.size();
    if (auto done = co_await gather(std::move(scan), tables::identifiers, 1, found); !done)
      co_return pass(done.error());
    for (std::size_t i = before; i < found.size(); ++i) by_number.emplace(found[i].facility, found[i].number);
  }
  std::vector<port::Lookup> blocks;
  for (const auto& key : identity::block_keys(asked)) {
    blocks.push_back({&tables::blocks, {identity::stored_block(identifier_key_, key)}});
  }
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
    const double most = grade.certain ? 1 : 0.9899;
    grade.chance = grade.certain ? std::max(grade.chance, weights_->link) : std::clamp(grade.chance, 0.0, most);
    grade.probable = grade.chance >= weights_->steward;
    if (grade.chance < shown_from && !own) continue;
    auto person = co_await person_of(candidate.facility, candidate.number);
    if (!person) co_return pass(person.error());
    auto& best = persons[*person];
    if (std::pair(grade.certain, grade.chance) > std::pair(best.certain, best.chance)) best = grade;
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

}  // namespace hutong::query
