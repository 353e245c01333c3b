#include "broker/pipeline/delivery_matter.h"

#include <algorithm>

#include "broker/critical/document.h"
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
  matter.kind = model::referral_answered_kind;
  matter.facility = command->facility.empty() ? referral->sender : command->facility;
  matter.patient_facility = referral->patient_of;
  matter.patient = referral->patient;
  matter.person = referral->person;
  add(matter.parties, referral->sender);
  add(matter.parties, referral->receiver);
  if (answered->action == ReferralAction::redirect) {
    auto former = co_await former_receiver(store, *referral, command->id);
    if (!former) co_return tl::unexpected(former.error());
    matter.former = std::move(*former);
    add(matter.parties, matter.former);
  }
  matter.updated = {std::get<std::int64_t>((**row)[referral_column::updated])};
  if (const auto due = std::get<std::int64_t>((**row)[referral_column::due]); due != 0) matter.due = Timestamp{due};
  if (referral->follows) {
    auto before = co_await store.get(tables::referrals, {std::string(referral->follows->view())});
    if (!before) co_return tl::unexpected(before.error());
    if (*before) {
      if (const auto one = referral::read_referral(text_in(**before, referral_column::document))) {
        matter.follows_sender = one->sender;
        matter.follows_number = one->number;
      }
    }
  }
  matter.answered = std::move(*answered);
  matter.command = std::move(*command);
  matter.referral = std::move(*referral);
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
  if (const auto report = ReportId::from_hex(opened.report)) {
    auto where = co_await store.get(tables::report_ids, {std::string(report->view())});
    if (!where) co_return tl::unexpected(where.error());
    if (*where) {
      matter.patient_facility = text_in(**where, 1);
      matter.patient = text_in(**where, 2);
    }
  }
  matter.critical = std::move(opened);
  co_return matter;
}

}  // namespace

net::awaitable<Found> matter_of(port::Store& store, const port::StoredRecord& stored) {
  const std::string_view kind = stored.record.kinds;
  Found found = std::nullopt;
  if (kind == model::referral_answered_kind) {
    found = co_await referral_matter(store, stored);
  } else if (kind.starts_with("critical-value.")) {
    found = co_await critical_matter(store, stored);
  }
  // Nobody's order: its own.
  if (found && *found && (**found).patient.empty()) (**found).patient = stored.record.key;
  co_return found;
}

routing::Facts facts_of(const Matter& matter, const model::FacilityDirectory& facilities) {
  routing::Facts facts;
  facts.kind = matter.kind;
  facts.facility = matter.facility;
  if (const auto* facility = facilities.find(facts.facility)) facts.area = facility->area;
  facts.labelled = matter.labelled;
  facts.parties = matter.parties;
  if (matter.referral) {
    facts.parties.push_back(model::party_named(matter.referral->sender, model::AsParty::sender));
    for (const auto& receiver : {matter.referral->receiver, matter.former})
      if (!receiver.empty()) facts.parties.push_back(model::party_named(receiver, model::AsParty::receiver));
  }
  if (matter.critical && !matter.labelled) facts.items.push_back({matter.critical->loinc, model::Flag::critical});
  return facts;
}

}  // namespace hutong::pipeline
