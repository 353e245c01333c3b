#include "broker/pipeline/effects_referral.h"

#include "broker/base/hash.h"
#include "broker/model/record.h"
#include "broker/pipeline/effects_care.h"
#include "broker/port/tables.h"
#include "broker/referral/clocks.h"
#include "broker/referral/document.h"

namespace hutong::pipeline {
namespace {

namespace tables = port::tables;
using model::CommandOutcome;
using port::Row;
using referral::Referral;

const std::string& text_in(const Row& row, std::size_t column) {
  return std::get<std::string>(row[column]);
}
std::int64_t number_in(const Row& row, std::size_t column) {
  return std::get<std::int64_t>(row[column]);
}

// Columns of tables::referral_commands.
namespace command_column {
enum : std::size_t { command, referral, offset, at, document, answer };
}

constexpr std::size_t name_bytes = 200, words_bytes = 1'000;

// As the other doors take texts into records: short, without control characters.
std::string short_text(model::Text sent, std::size_t bytes_max = name_bytes) {
  std::size_t end = std::min(sent.size(), bytes_max);
  while (end < sent.size() && end > 0 && (static_cast<unsigned char>(sent[end]) & 0xC0) == 0x80) --end;
  std::string text(sent.substr(0, end));
  std::erase_if(text, [](char c) { return static_cast<unsigned char>(c) < 0x20; });
  return text;
}

std::optional<Timestamp> moment_of(const model::Moment& moment) {
  const auto span = parse_iso(moment.iso);
  return span ? std::optional(span->first) : std::nullopt;
}

// Whether the answer was given to the referral as it stands here.
bool fits(const Referral* before, const model::ReferralAnswered& answered) {
  if (!before && answered.action != model::ReferralAction::request) return false;
  return answered.from == (before ? before->state : model::ReferralState::none) &&
         answered.version == referral::version_after(before, answered.action);
}

void forget(Overlay& overlay, const Row& row) {
  const std::string id = text_in(row, referral_column::referral);
  const std::int64_t newest = -number_in(row, referral_column::asked);
  const auto state = model::referral_state_of(text_in(row, referral_column::state));
  const std::int64_t ended = state && referral::is_end(*state) ? 1 : 0;
  for (const auto& facility :
       {text_in(row, referral_column::sender), text_in(row, referral_column::receiver), std::string()})
    overlay.erase(tables::referral_ledger, {facility, ended, newest, id});
  if (number_in(row, referral_column::deadline) != 0) {
    overlay.erase(tables::deadlines, {std::string(referral_deadline), text_in(row, referral_column::rules),
                                      number_in(row, referral_column::deadline), id});
  }
}

}  // namespace

net::awaitable<void> derive(Overlay& overlay, Cause cause, RecordId id, std::string key, std::string_view kind,
                            std::string document) {
  const std::string bytes(id.view());
  if (co_await overlay.get(tables::derived_ids, {bytes})) co_return;
  const auto topic = static_cast<std::int64_t>(cause.partition.topic);
  const std::int64_t partition = cause.partition.number;
  const auto offset = static_cast<std::int64_t>(cause.offset);
  overlay.put(tables::derived,
              {topic, partition, offset, bytes, std::move(key), std::string(kind), std::move(document)});
  overlay.put(tables::derived_ids, {bytes, topic, partition, offset});
}

net::awaitable<void> met(Overlay& overlay, RecordId id) {
  const std::string bytes(id.view());
  const Row* row = co_await overlay.get(tables::derived_ids, {bytes});
  if (!row) co_return;
  overlay.erase(tables::derived, {(*row)[1], (*row)[2], (*row)[3], bytes});
  overlay.erase(tables::derived_ids, {bytes});
}

net::awaitable<void> derive_command(Overlay& overlay, Cause cause, std::string event, std::string protocol,
                                    std::string patient_of, std::string patient, const model::ReferralWord& word,
                                    Timestamp appended, const Rules* rules) {
  const auto action = model::referral_action_of(word.action);
  if (!action || word.number.empty()) co_return;
  model::ReferralCommand command;
  command.id = RecordId(PartsHash().add("referral-word").add(event).finish());
  if (co_await overlay.get(tables::referral_commands, {std::string(command.id.view())})) co_return;  // met already
  command.referral = model::referral_id(word.sender, word.number);
  command.action = *action;
  command.at = appended;
  command.client = std::move(protocol);
  command.facility = short_text(word.facility);
  command.department = short_text(word.department);
  command.practitioner = short_text(word.practitioner.code.empty() ? word.practitioner.name : word.practitioner.code);
  command.number = short_text(word.number);
  command.receiver = short_text(word.receiver);
  command.receiver_department = short_text(word.receiver_department);
  command.urgency = word.priority;
  command.choice = model::choice_of(word.choice).value_or(model::Choice::unknown);
  command.outside = short_text(word.outside, words_bytes);
  command.insurance_filing = short_text(word.insurance_filing);
  command.reason = {short_text(word.reason.code), short_text(word.reason.display, words_bytes)};
  if (command.reason.text.empty() && !word.notes.empty())
    command.reason.text = short_text(*word.notes.begin(), words_bytes);
  if (*action == model::ReferralAction::request && !word.diagnoses.empty()) {
    const auto& diagnosis = *word.diagnoses.begin();
    if (command.reason.code.empty()) command.reason.code = short_text(diagnosis.code);
    if (command.reason.text.empty()) command.reason.text = short_text(diagnosis.display, words_bytes);
  }
  if (!word.follows_number.empty()) command.follows = model::referral_id(word.follows_sender, word.follows_number);
  command.happened = moment_of(word.happened);
  if (const auto start = moment_of(word.slot_start)) {
    command.slot = model::Slot{*start, moment_of(word.slot_end).value_or(*start), short_text(word.receiver_department),
                               short_text(word.place)};
  }
  switch (*action) {
    case model::ReferralAction::request: {
      const Row* person = co_await overlay.get(tables::person_of, {patient_of, patient});
      const auto stands = person ? PersonId::from_bytes(text_in(*person, 2)) : std::nullopt;
      command.person = stands.value_or(model::first_person_id(patient_of, patient)).hex();
      command.patient_of = std::move(patient_of);
      command.patient = std::move(patient);
      command.direction = model::direction_of(word.direction).value_or(model::Direction::unknown);
      const auto* from = rules ? rules->facilities->find(command.facility) : nullptr;
      const auto* to = rules ? rules->facilities->find(command.receiver) : nullptr;
      if (command.direction == model::Direction::unknown && from && to) {
        command.direction =
            referral::direction_between({from->code, from->level, from->kind}, {to->code, to->level, to->kind});
      }
      break;
    }
    case model::ReferralAction::decline:
      if (command.receiver == command.facility) command.receiver.clear();  // itself, not whom it proposes instead
      break;
    case model::ReferralAction::report:
      for (const auto& each : word.reports) {
        model::Report report;
        report.filler_number = each.number;
        report.service.code = each.service;
        command.documents.push_back({"report", model::report_id(word.facility, report).hex(), 1});
      }
      // The message is the report, then.
      if (command.documents.empty()) command.documents.push_back({"treatment-report", event, 1});
      break;
    default: break;
  }
  co_await derive(overlay, cause, command.id, command.referral.hex(), model::referral_commanded_kind,
                  model::write(command));
}

void index(Overlay& overlay, const Row* row, const Referral& now, Timestamp updated, const referral::Rules* rules) {
  if (row) forget(overlay, *row);
  const std::string id(now.id.view());
  const std::int64_t asked = now.steps.empty() ? now.asked_at.micros : now.steps.front().at.micros;
  const std::int64_t ended = referral::is_end(now.state) ? 1 : 0;
  const auto due = rules ? referral::due_by(now, *rules) : std::nullopt;
  const auto deadline = rules ? referral::next(now, *rules) : std::nullopt;
  const std::string direction(to_string(now.direction)), state(to_string(now.state));
  const std::int64_t due_micros = due ? due->micros : 0;
  for (const auto& [facility, part] :
       {std::pair(now.sender, "sender"), std::pair(now.receiver, "receiver"), std::pair(std::string(), "")})
    overlay.put(tables::referral_ledger, {facility, ended, -asked, id, direction, state, part, due_micros});
  if (!now.patient.empty()) overlay.put(tables::referral_patients, {now.patient_of, now.patient, -asked, id});
  for (const auto* list : {&now.documents, &now.reports}) {
    for (const auto& each : *list) overlay.put(tables::referral_documents, {each.kind + "/" + each.id, id});
  }
  if (deadline)
    overlay.put(tables::deadlines, {std::string(referral_deadline), rules->version(), deadline->at.micros, id});
  overlay.put(tables::referrals,
              {id, state, static_cast<std::int64_t>(now.version), now.sender, now.receiver, direction,
               std::string(to_string(now.urgency)), now.person, asked, due_micros, deadline ? deadline->at.micros : 0,
               rules ? rules->version() : std::string(), updated.micros, write(now)});
}

net::awaitable<void> reckon(Overlay& overlay, const Row& deadline, const referral::Rules& rules) {
  if (text_in(deadline, 0) != referral_deadline || text_in(deadline, 1) == rules.version()) co_return;
  const Row* row = co_await overlay.get(tables::referrals, {text_in(deadline, 3)});
  const auto stands = row ? referral::read_referral(text_in(*row, referral_column::document)) : tl::unexpected(Error{});
  if (!stands) {
    overlay.erase(tables::deadlines, {deadline[0], deadline[1], deadline[2], deadline[3]});
    co_return;
  }
  index(overlay, row, *stands, {number_in(*row, referral_column::updated)}, &rules);
}

net::awaitable<void> apply(Overlay& overlay, model::ReferralCommand command, Cause cause) {
  co_await met(overlay, command.id);
  const std::string id(command.id.view());
  if (co_await overlay.get(tables::referral_commands, {id})) co_return;  // met before
  const auto offset = static_cast<std::int64_t>(cause.offset);
  overlay.put(tables::referral_commands, {id, std::string(command.referral.view()), offset, command.at.micros,
                                          model::write(command), std::string()});
  overlay.put(tables::referral_waiting, {offset, id});
}

net::awaitable<bool> apply(Overlay& overlay, model::ReferralAnswered answered, Cause cause,
                           const referral::Rules* rules) {
  const Row* asked = co_await overlay.get(tables::referral_commands, {std::string(answered.command.view())});
  if (!asked) co_return false;
  if (!text_in(*asked, command_column::answer).empty()) co_return true;  // met before
  const auto command = model::read_referral_command(text_in(*asked, command_column::document));
  if (!command) co_return false;
  if (answered.outcome == CommandOutcome::applied) {
    const Row* row = co_await overlay.get(tables::referrals, {std::string(answered.referral.view())});
    std::optional<Referral> before;
    if (row) {
      auto read = referral::read_referral(text_in(*row, referral_column::document));
      if (!read) co_return false;
      before = std::move(*read);
    }
    if (!fits(before ? &*before : nullptr, answered)) co_return false;
    const auto now = referral::apply(before ? &*before : nullptr, *command, answered);
    index(overlay, row, now, answered.at, rules);
    if (rules) co_await derive_followup(overlay, cause, before ? &*before : nullptr, now, *rules);
    if (const auto further = referral::follow_up(now, *command, answered)) {
      if (!co_await overlay.get(tables::referral_commands, {std::string(further->id.view())}))
        co_await derive(overlay, cause, further->id, further->referral.hex(), model::referral_commanded_kind,
                        model::write(*further));
    }
  }
  Row told = *asked;
  told[command_column::answer] = model::write(answered);
  overlay.erase(tables::referral_waiting, {told[command_column::offset]});
  overlay.put(tables::referral_commands, std::move(told));
  co_return true;
}

}  // namespace hutong::pipeline
