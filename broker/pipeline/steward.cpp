#include "broker/pipeline/steward.h"

#include <algorithm>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <set>

#include "broker/identity/persons.h"
#include "broker/model/event_json.h"
#include "broker/model/record.h"
#include "broker/pipeline/effects_document.h"
#include "broker/pipeline/effects_identity.h"
#include "broker/port/tables.h"

namespace hutong::pipeline {
namespace {

namespace tables = port::tables;
using Kind = port::IdentityCommand::Kind;

constexpr std::chrono::milliseconds verdict_within{2'000}, look_every{10};  // product.md §6.8
constexpr std::size_t patients_max = 100;
constexpr std::size_t note_bytes_max = 1'000, by_bytes_max = 100, history_page = 1'000;

// A patient of the command by its place: an error names nobody.
std::string place_of(std::size_t i) {
  static constexpr const char* words[] = {"first", "second", "third"};
  return i < std::size(words) ? std::string("the ") + words[i] + " patient" : "patient " + std::to_string(i + 1);
}

bool contains(const std::vector<LocalKey>& list, const LocalKey& key) {
  return std::find(list.begin(), list.end(), key) != list.end();
}

}  // namespace

net::awaitable<Result<Steward::Found>> Steward::person_of(LocalKey local, std::size_t place) {
  auto patient = co_await store_.get(tables::patients, {local.facility, local.number});
  if (!patient) co_return tl::unexpected(patient.error());
  if (!*patient) co_return fail(ErrorCode::not_found, place_of(place) + " is not known");
  auto row = co_await store_.get(tables::person_of, {local.facility, local.number});
  if (!row) co_return tl::unexpected(row.error());
  const PersonId first = model::first_person_id(local.facility, local.number);
  auto person =
      co_await store_.get(tables::persons, {*row ? std::get<std::string>((**row)[2]) : std::string(first.view())});
  if (!person) co_return tl::unexpected(person.error());
  Found found;
  found.id = *person ? PersonId::from_bytes(std::get<std::string>((**person)[0])).value_or(first) : first;
  Arena arena;
  model::Subject described;
  if (model::read_subject(std::get<std::string>((**patient)[2]), arena, described)) {
    found.guard = guard_of(hmac_key_, identity::candidate(local.facility, local.number, described),
                           {std::get<std::int64_t>((**patient)[5])});
  }
  auto& members = found.members;
  SmallDocument document;
  if (*person && document.parse("{\"m\":" + std::get<std::string>((**person)[1]) + "}")) {
    if (const Json* list = member(document.root(), "m"); list && list->IsArray()) {
      for (const auto& each : list->GetArray()) {
        if (each.IsArray() && each.Size() == 2) {
          members.push_back({std::string(text_of(each[0])), std::string(text_of(each[1]))});
        }
      }
    }
  }
  if (!contains(members, local)) members.push_back(std::move(local));
  co_return found;
}

net::awaitable<Result<void>> Steward::undoing(std::string id, identity::IdentityDecision& decision) {
  const auto of = RecordId::from_hex(id);
  if (!of) co_return fail(ErrorCode::invalid, "a decision's id has 32 hexadecimal digits");
  auto row = co_await store_.get(tables::decisions, {std::string(of->view())});
  if (!row) co_return tl::unexpected(row.error());
  if (!*row) co_return fail(ErrorCode::not_found, "no such decision");
  auto target = read_identity_decision(std::get<std::string>((**row)[1]));
  if (!target) co_return tl::unexpected(target.error());
  if (!target->shapes()) {
    co_return fail(ErrorCode::conflict, "this asks a steward, and decides nothing: answer it with link or separate");
  }
  if (target->kind == DecisionKind::guarded) {
    co_return fail(ErrorCode::conflict, "this is what a facility says of its patient: only the facility corrects it");
  }
  std::vector<RecordId> undoings;  // oldest first, with what each undid
  std::vector<RecordId> targets;
  port::Scan scan;
  scan.prefix = {target->patient.facility, target->patient.number};
  scan.limit = history_page;
  for (bool more = true; more;) {
    auto history = co_await store_.scan(tables::person_history, scan);
    if (!history) co_return tl::unexpected(history.error());
    more = history->size() == history_page;
    std::vector<port::Lookup> named;
    for (const auto& each : *history) named.push_back({&tables::decisions, {each[3]}});
    if (more) scan.after = port::Key(history->back().begin(), history->back().begin() + 3);
    auto documents = co_await store_.get_many(std::move(named));
    if (!documents) co_return tl::unexpected(documents.error());
    for (const auto& each : *documents) {
      const auto known = each ? read_identity_decision(std::get<std::string>((*each)[1])) : tl::unexpected(Error{});
      if (!known || known->kind != DecisionKind::undone || !known->of) continue;
      undoings.push_back(known->id);
      targets.push_back(*known->of);
    }
  }
  std::set<RecordId> undone;
  for (std::size_t i = undoings.size(); i-- > 0;) {
    if (!undone.contains(undoings[i])) undone.insert(targets[i]);
  }
  if (undone.contains(*of))
    co_return fail(ErrorCode::conflict, "it is undone already; to have it back undo the undoing");
  decision.of = *of;
  decision.patient = target->patient;
  decision.other = target->other;
  decision.apart = target->apart;
  decision.rest = target->rest;
  co_return Result<void>();
}

net::awaitable<Result<identity::IdentityDecision>> Steward::decision_of(const port::IdentityCommand& command) {
  identity::IdentityDecision decision;
  std::vector<LocalKey> named;
  for (const auto& [facility, number] : command.patients) named.push_back({facility, number});
  if (named.size() > patients_max) co_return fail(ErrorCode::invalid, "at most 100 patients at once");
  const auto needs = [&](std::size_t least, std::size_t most) { return named.size() >= least && named.size() <= most; };
  std::vector<Found> persons;
  for (const auto& local : named) {
    auto found = co_await person_of(local, persons.size());
    if (!found) co_return tl::unexpected(found.error());
    persons.push_back(std::move(*found));
  }
  switch (command.kind) {
    case Kind::link:
    case Kind::merge:
    case Kind::separate: {
      if (!needs(2, 2)) co_return fail(ErrorCode::invalid, "name two patients, each as FACILITY/NUMBER");
      decision.patient = named[0];
      decision.other = named[1];
      const bool one = contains(persons[0].members, named[1]);
      if (command.kind == Kind::separate) {
        if (one) co_return fail(ErrorCode::conflict, "they are one person now: unlink one of them");
        decision.kind = DecisionKind::split;
        decision.apart = persons[1].members;
        decision.rest = persons[0].members;
        decision.reasons = {"separated-by-steward"};
      } else {
        if (one) {  // which may itself be the question: then this answers it
          auto asked = co_await store_.get(tables::conflicts, {std::string(question_id(persons[0].id).view())});
          if (!asked) co_return tl::unexpected(asked.error());
          if (!*asked) co_return fail(ErrorCode::conflict, "they are one person already");
        }
        decision.patient_guard = persons[0].guard;
        decision.other_guard = persons[1].guard;
        decision.kind = command.kind == Kind::link ? DecisionKind::linked : DecisionKind::merged;
        decision.reasons = {command.kind == Kind::link ? "linked-by-steward" : "merged-by-steward"};
      }
      break;
    }
    case Kind::unlink:
    case Kind::split: {
      if (command.kind == Kind::unlink ? !needs(1, 1) : !needs(1, patients_max)) {
        co_return fail(ErrorCode::invalid, "name the patient that leaves its person, as FACILITY/NUMBER");
      }
      decision.kind = DecisionKind::split;
      for (std::size_t i = 0; i < named.size(); ++i) {
        if (!contains(persons[0].members, named[i])) {
          co_return fail(ErrorCode::conflict, place_of(i) + " is another person than the first one");
        }
      }
      decision.apart = named;
      for (const auto& each : persons[0].members) {
        if (!contains(named, each)) decision.rest.push_back(each);
      }
      if (decision.rest.empty()) co_return fail(ErrorCode::conflict, "nobody would be left: this is all of the person");
      decision.patient = decision.rest.front();
      decision.other = decision.apart.front();
      decision.reasons = {command.kind == Kind::unlink ? "unlinked-by-steward" : "split-by-steward"};
      break;
    }
    case Kind::undo: {
      decision.kind = DecisionKind::undone;
      decision.reasons = {"undone-by-steward"};
      if (auto found = co_await undoing(command.decision, decision); !found) co_return tl::unexpected(found.error());
      break;
    }
  }
  co_return decision;
}

net::awaitable<Result<port::IdentityVerdict>> Steward::decide(port::IdentityCommand command) {
  if (command.by.empty() || command.by.size() > by_bytes_max) {
    co_return fail(ErrorCode::invalid, "say whose decision it is, in at most 100 bytes (by)");
  }
  if (command.note.empty() || command.note.size() > note_bytes_max) {
    co_return fail(ErrorCode::invalid, "say why, in at most 1,000 bytes (note)");
  }
  auto decision = co_await decision_of(command);
  if (!decision) co_return tl::unexpected(decision.error());
  decision->by = command.by;
  decision->client = command.client;
  decision->note = command.note;
  decision->at = clock_.now();
  PartsHash hash;
  hash.add(to_string(decision->kind)).add(decision->by).add(std::to_string(decision->at.micros));
  for (const auto& local : {decision->patient, decision->other}) hash.add(local.facility).add(local.number);
  decision->id = RecordId(hash.finish());

  port::Record record;
  record.id = decision->id;
  record.key = identity::name_of(decision->patient);
  record.kinds = to_string(decision->kind);
  record.json = write(*decision);
  std::vector<port::Record> batch;
  batch.push_back(std::move(record));
  auto appended = co_await log_.append(port::Topic::identity, std::move(batch));
  if (!appended) co_return tl::unexpected(appended.error());

  port::IdentityVerdict verdict{decision->id.hex(), false};
  net::steady_timer timer(co_await net::this_coro::executor);
  for (auto waited = look_every; waited <= verdict_within; waited += look_every) {
    auto row = co_await store_.get(tables::decisions, {std::string(decision->id.view())});
    if (row && *row) {
      if ((*row)->size() > 3 && std::get<std::string>((**row)[3]) != to_string(Applied::shaped)) {
        co_return fail(ErrorCode::conflict,
                       "decision " + verdict.decision +
                           " is kept and changes nothing: something else was decided about them meanwhile; look at the "
                           "person again");
      }
      verdict.applied = true;
      break;
    }
    timer.expires_after(look_every);
    co_await timer.async_wait(net::use_awaitable);
  }
  co_return verdict;
}

}  // namespace hutong::pipeline
