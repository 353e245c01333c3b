#include "broker/pipeline/delivery_matter.h"

#include <algorithm>

#include "broker/critical/document.h"
#include "broker/pipeline/effects_identity.h"
#include "broker/pipeline/effects_referral.h"
#include "broker/port/tables.h"
#include "broker/referral/document.h"

namespace hutong::pipeline {
namespace {

namespace tables = port::tables;
using model::ReferralAction;
using port::Row;
using Found = Result<std::optional<Matter>>;

const std::string& text_in(const Row& row, std::size_t column) {
  return std::get<std::string>(row[column]);
}

void add(std::vector<std::string>& parties, const std::string& code) {
  if (!code.empty() && std::find(parties.begin(), parties.end(), code) == parties.end()) parties.push_back(code);
}

// Whose it was before it was given to another by this step.
net::awaitable<Result<std::string>> former_receiver(port::Store& store, const referral::Referral& referral,
                                                    RecordId redirected) {
  std::string receiver;
  for (const auto& step : referral.steps) {
    if (step.command == redirected) break;
    if (step.action != ReferralAction::request && step.action != ReferralAction::redirect) continue;
    auto row = co_await store.get(tables::referral_commands, {std::string(step.command.view())});
    if (!row) co_return tl::unexpected(row.error());
    if (!*row) continue;
    if (auto asked = model::read_referral_command(text_in(**row, 4))) receiver = std::move(asked->receiver);
  }
  co_return receiver == referral.receiver ? std::string() : receiver;
}

net::awaitable<Found> referral_matter(port::Store& store, const port::StoredRecord& stored) {
  auto answered = model::read_referral_answered(stored.record.json);
  if (!answered || answered->outcome != model::CommandOutcome::applied) co_return std::nullopt;
  auto asked = co_await store.get(tables::referral_commands, {std::string(answered->command.view())});
  if (!asked) co_return tl::unexpected(asked.error());
  if (!*asked) co_return std::nullopt;
  const auto stands = model::read_referral_answered(text_in(**asked, 5));
  if (!stands || !(stands->id == answered->id) || stands->outcome != model::CommandOutcome::applied)
    co_return std::nullopt;
  auto command = model::read_referral_command(text_in(**asked, 4));
  auto row = co_await store.get(tables::referrals, {std::string(answered->referral.view())});
  if (!row) co_return tl::unexpected(row.error());
  if (!command || !*row) co_return std::nullopt;
  auto referral = referral::read_referral(text_in(**row, referral_column::document));
  if (!referral) co_return std::nullopt;

  Matter matter;
  ReferralMatter what;
  matter.kind = model::referral_answered_kind;
  matter.facility = command->facility.empty() ? referral->sender : command->facility;
  matter.patients = {{referral->patient_of, referral->patient}};
  matter.person = referral->person;
  add(matter.parties, referral->sender);
  add(matter.parties, referral->receiver);
  if (answered->action == ReferralAction::redirect) {
    auto former = co_await former_receiver(store, *referral, command->id);
    if (!former) co_return tl::unexpected(former.error());
    what.former = std::move(*former);
    add(matter.parties, what.former);
  }
  what.updated = {std::get<std::int64_t>((**row)[referral_column::updated])};
  if (const auto due = std::get<std::int64_t>((**row)[referral_column::due]); due != 0) what.due = Timestamp{due};
  if (referral->follows) {
    auto before = co_await store.get(tables::referrals, {std::string(referral->follows->view())});
    if (!before) co_return tl::unexpected(before.error());
    if (*before) {
      if (const auto one = referral::read_referral(text_in(**before, referral_column::document))) {
        what.follows_sender = one->sender;
        what.follows_number = one->number;
      }
    }
  }
  what.answered = std::move(*answered);
  what.command = std::move(*command);
  what.referral = std::move(*referral);
  matter.what = std::move(what);
  co_return matter;
}

net::awaitable<Found> critical_matter(port::Store& store, const port::StoredRecord& stored) {
  Matter matter;
  matter.kind = stored.record.kinds;
  CriticalId id;
  std::string told;
  if (matter.kind == model::critical_opened_kind) {
    const auto opened = model::read_critical_opened(stored.record.json);
    if (!opened) co_return std::nullopt;
    id = opened->value;
  } else {
    const auto step = model::read_critical_step(stored.record.json);
    if (!step) co_return std::nullopt;
    id = step->value;
    told = step->facility;
  }
  auto row = co_await store.get(tables::critical_values, {std::string(id.view())});
  if (!row) co_return tl::unexpected(row.error());
  if (!*row) co_return std::nullopt;
  auto value = critical::read_critical_value(text_in(**row, 8));
  if (!value) co_return std::nullopt;
  auto& opened = value->opened;
  matter.facility = opened.laboratory;
  matter.person = opened.person;
  matter.labelled = opened.labelled;
  add(matter.parties, opened.facility);
  add(matter.parties, opened.laboratory);
  add(matter.parties, told);
  matter.patients.emplace_back();
  if (const auto report = ReportId::from_hex(opened.report)) {
    auto where = co_await store.get(tables::report_ids, {std::string(report->view())});
    if (!where) co_return tl::unexpected(where.error());
    if (*where) {
      matter.patients.front() = {text_in(**where, 1), text_in(**where, 2)};
    }
  }
  matter.what = std::move(opened);
  co_return matter;
}

// Whether this record is the one that the fold met first, and the decision was so then.
net::awaitable<Result<bool>> stands(port::Store& store, const IdentityDecision& decision, port::Offset offset) {
  const std::string id(decision.id.view());
  auto met = co_await store.get(tables::person_history, {decision.patient.facility, decision.patient.number,
                                                         static_cast<std::int64_t>(offset), id});
  if (!met) co_return tl::unexpected(met.error());
  if (!*met) co_return false;
  auto row = co_await store.get(tables::decisions, {id});
  if (!row) co_return tl::unexpected(row.error());
  co_return *row && (**row).size() > 3 && text_in(**row, 3) == to_string(Applied::shaped);
}

// What is undone: undoing an undoing has back what that undid, and so on.
net::awaitable<Result<void>> look_up_undone(port::Store& store, DecisionMatter& what) {
  bool has_back = false;
  for (auto of = what.decision.of; of;) {
    auto row = co_await store.get(tables::decisions, {std::string(of->view())});
    if (!row) co_return tl::unexpected(row.error());
    const auto undone = *row ? read_identity_decision(text_in(**row, 1)) : tl::unexpected(Error{});
    if (!undone) break;
    if (what.undoes.empty()) what.undoes = to_string(undone->kind);
    if (undone->kind == DecisionKind::undone) {
      has_back = !has_back;
    } else {
      what.unites = (undone->kind == DecisionKind::split) != has_back;
    }
    of = undone->of;
  }
  co_return Result<void>();
}

net::awaitable<Found> decision_matter(port::Store& store, const port::StoredRecord& stored) {
  auto decision = read_identity_decision(stored.record.json);
  if (!decision || !decision->shapes() || decision->kind == DecisionKind::guarded || decision->of_facility())
    co_return std::nullopt;
  auto counts = co_await stands(store, *decision, stored.offset);
  if (!counts) co_return tl::unexpected(counts.error());
  if (!*counts) co_return std::nullopt;
  Matter matter;
  matter.kind = to_string(decision->kind);
  matter.facility = decision->patient.facility;
  const auto name = [&](const LocalKey& local) {
    const routing::Patient patient{local.facility, local.number};
    auto& all = matter.patients;
    if (std::find(all.begin(), all.end(), patient) == all.end()) all.push_back(patient);
  };
  for (const auto* local : {&decision->patient, &decision->other}) name(*local);
  for (const auto* side : {&decision->rest, &decision->apart}) std::for_each(side->begin(), side->end(), name);
  DecisionMatter what;
  what.unites = decision->kind != DecisionKind::split;
  what.decision = std::move(*decision);
  if (auto found = co_await look_up_undone(store, what); !found) co_return tl::unexpected(found.error());
  matter.what = std::move(what);
  co_return matter;
}

}  // namespace

std::vector<std::string> Matter::lanes() const {
  std::vector<std::string> all;
  for (const auto& patient : patients) all.push_back(patient.lane());
  return all;
}

net::awaitable<Found> matter_of(port::Store& store, port::Partition partition, const port::StoredRecord& stored) {
  const std::string_view kind = stored.record.kinds;
  Found found = std::nullopt;
  if (partition.topic == port::Topic::identity) {
    found = co_await decision_matter(store, stored);
  } else if (partition.topic == port::Topic::operations && kind == model::referral_answered_kind) {
    found = co_await referral_matter(store, stored);
  } else if (partition.topic == port::Topic::operations && kind.starts_with("critical-value.")) {
    found = co_await critical_matter(store, stored);
  }
  // Nobody's order: its own.
  if (found && *found && (**found).patients.front().number.empty())
    (**found).patients.front().number = stored.record.key;
  co_return found;
}

routing::Facts facts_of(const Matter& matter, const model::FacilityDirectory& facilities) {
  routing::Facts facts;
  facts.kind = matter.kind;
  facts.facility = matter.facility;
  if (const auto* facility = facilities.find(facts.facility)) facts.area = facility->area;
  facts.labelled = matter.labelled;
  facts.parties = matter.parties;
  if (const auto* one = std::get_if<ReferralMatter>(&matter.what)) {
    facts.parties.push_back(model::party_named(one->referral.sender, model::AsParty::sender));
    for (const auto& receiver : {one->referral.receiver, one->former})
      if (!receiver.empty()) facts.parties.push_back(model::party_named(receiver, model::AsParty::receiver));
  } else if (const auto* value = std::get_if<model::CriticalOpened>(&matter.what)) {
    if (!matter.labelled) facts.items.push_back({value->loinc, model::Flag::critical});
  } else {
    for (const auto& patient : matter.patients) {
      const auto* facility = facilities.find(patient.facility);
      facts.others.push_back({patient.facility, facility ? std::string_view(facility->area) : std::string_view()});
    }
  }
  return facts;
}

}  // namespace hutong::pipeline
