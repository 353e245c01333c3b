#include "broker/pipeline/steward.h"

#include <algorithm>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <set>

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
constexpr std::size_t note_bytes_max = 1'000;

std::string name_of(const LocalKey& local) {
  return local.facility + "/" + local.number;
}

bool contains(const std::vector<LocalKey>& list, const LocalKey& key) {
  return std::find(list.begin(), list.end(), key) != list.end();
}

}  // namespace

net::awaitable<Result<std::vector<LocalKey>>> Steward::person_of(LocalKey local) {
  auto patient = co_await store_.get(tables::patients, {local.facility, local.number});
  if (!patient) co_return tl::unexpected(patient.error());
  if (!*patient) co_return fail(ErrorCode::not_found, "no patient " + name_of(local) + " is known");
  auto row = co_await store_.get(tables::person_of, {local.facility, local.number});
  if (!row) co_return tl::unexpected(row.error());
  const PersonId first = model::first_person_id(local.facility, local.number);
  auto person =
      co_await store_.get(tables::persons, {*row ? std::get<std::string>((**row)[2]) : std::string(first.view())});
  if (!person) co_return tl::unexpected(person.error());
  std::vector<LocalKey> members;
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
  co_return members;
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
  port::Scan scan;
  scan.prefix = {target->patient.facility, target->patient.number};
  scan.limit = 10'000;
  auto history = co_await store_.scan(tables::person_history, std::move(scan));
  if (!history) co_return tl::unexpected(history.error());
  std::set<RecordId> undone;
  for (auto each = history->rbegin(); each != history->rend(); ++each) {
    auto document = co_await store_.get(tables::decisions, {std::get<std::string>((*each)[3])});
    if (!document) co_return tl::unexpected(document.error());
    if (!*document) continue;
    const auto known = read_identity_decision(std::get<std::string>((**document)[1]));
    if (known && known->kind == DecisionKind::undone && known->of && !undone.contains(known->id))
      undone.insert(*known->of);
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
  std::sort(named.begin() + std::min<std::ptrdiff_t>(1, std::ssize(named)), named.end());
  if (named.size() > patients_max) co_return fail(ErrorCode::invalid, "at most 100 patients at once");
  const auto needs = [&](std::size_t least, std::size_t most) { return named.size() >= least && named.size() <= most; };
  std::vector<std::vector<LocalKey>> persons;
  for (const auto& local : named) {
    auto members = co_await person_of(local);
    if (!members) co_return tl::unexpected(members.error());
    persons.push_back(std::move(*members));
  }
  switch (command.kind) {
    case Kind::link:
    case Kind::merge:
    case Kind::separate: {
      if (!needs(2, 2)) co_return fail(ErrorCode::invalid, "name two patients, each as FACILITY/NUMBER");
      decision.patient = named[0];
      decision.other = named[1];
      const bool one = contains(persons[0], named[1]);
      if (command.kind == Kind::separate) {
        if (one) co_return fail(ErrorCode::conflict, "they are one person now: unlink one of them");
        decision.kind = DecisionKind::split;
        decision.apart = persons[1];
        decision.rest = persons[0];
        decision.reasons = {"separated-by-steward"};
      } else {
        if (one) co_return fail(ErrorCode::conflict, "they are one person already");
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
      for (const auto& local : named) {
        if (!contains(persons[0], local)) {
          co_return fail(ErrorCode::conflict, name_of(local) + " is not the same person as " + name_of(named[0]));
        }
      }
      decision.apart = named;
      for (const auto& each : persons[0]) {
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
  if (command.by.empty()) co_return fail(ErrorCode::invalid, "a decision needs to say whose it is");
  if (command.note.empty() || command.note.size() > note_bytes_max) {
    co_return fail(ErrorCode::invalid, "say why, in at most 1,000 bytes (note)");
  }
  auto decision = co_await decision_of(command);
  if (!decision) co_return tl::unexpected(decision.error());
  decision->by = command.by;
  decision->note = command.note;
  decision->at = clock_.now();
  PartsHash hash;
  hash.add(to_string(decision->kind)).add(decision->by).add(std::to_string(decision->at.micros));
  for (const auto& local : {decision->patient, decision->other}) hash.add(local.facility).add(local.number);
  decision->id = RecordId(hash.finish());

  port::Record record;
  record.id = decision->id;
  record.key = name_of(decision->patient);
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
      verdict.applied = true;
      break;
    }
    timer.expires_after(look_every);
    co_await timer.async_wait(net::use_awaitable);
  }
  co_return verdict;
}

}  // namespace hutong::pipeline
