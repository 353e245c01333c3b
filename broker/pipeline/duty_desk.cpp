#include "broker/pipeline/duty_desk.h"

#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "broker/critical/document.h"
#include "broker/pipeline/effects_critical.h"
#include "broker/pipeline/effects_referral.h"
#include "broker/port/tables.h"
#include "broker/recognition/catalogue.h"
#include "broker/referral/clocks.h"
#include "broker/referral/document.h"

namespace hutong::pipeline {
namespace {

namespace tables = port::tables;
using referral::Referral;

constexpr std::chrono::milliseconds look_every_near{20}, look_every_far{100};
constexpr std::size_t commands_at_once = 200, records_at_once = 600;
constexpr int replaced_hops_max = 64;
constexpr port::Partition operations{port::Topic::operations, 0};

const std::string& text_in(const port::Row& row, std::size_t column) {
  return std::get<std::string>(row[column]);
}

port::Record record_of(const model::ReferralCommand& command) {
  port::Record record;
  record.id = command.id;
  record.key = command.referral.hex();
  record.kinds = model::referral_commanded_kind;
  record.json = model::write(command);
  return record;
}

port::Record record_of(const model::ReferralAnswered& answered) {
  port::Record record;
  record.id = answered.id;
  record.key = answered.referral.hex();
  record.kinds = model::referral_answered_kind;
  record.json = model::write(answered);
  return record;
}

port::Record record_of(const model::CriticalStep& step) {
  port::Record record;
  record.id = step.id;
  record.key = step.value.hex();
  record.kinds = "critical-value." + std::string(to_string(step.action));
  record.json = model::write(step);
  return record;
}

std::optional<referral::Party> party_of(const Rules& rules, const std::string& code) {
  const auto* facility = code.empty() ? nullptr : rules.facilities->find(code);
  return facility ? std::optional(referral::Party{facility->code, facility->level, facility->kind}) : std::nullopt;
}

tl::unexpected<Error> pass(const Error& error) {
  return tl::unexpected<Error>(error);
}

}  // namespace

// What this or an earlier desk has appended must be in the store first: a look over less would decide over a referral
// as it stood before.
net::awaitable<Result<bool>> DutyDesk::may_look() {
  if (!up_to_) {
    const auto end = co_await log_.end(operations);
    if (!end) co_return pass(end.error());
    up_to_ = *end;
  }
  const auto cursor = co_await store_.cursor(operations);
  if (!cursor) co_return pass(cursor.error());
  const port::Offset next = *cursor ? (*cursor)->next : 0;
  if (next >= *up_to_) co_return true;
  const auto rest = co_await log_.read(operations, next, {1, 1, false});
  if (!rest) co_return pass(rest.error());
  co_return rest->records.empty();  // a gap
}

net::awaitable<Result<const Referral*>> DutyDesk::referral_of(Look& look, ReferralId id) {
  auto [place, fresh] = look.referrals.try_emplace(id);
  if (fresh) {
    const auto row = co_await store_.get(tables::referrals, {std::string(id.view())});
    if (!row) co_return pass(row.error());
    if (*row) {
      auto read = referral::read_referral(text_in(**row, referral_column::document));
      if (!read) co_return pass(read.error());
      place->second = std::move(*read);
    }
  }
  co_return place->second ? &*place->second : nullptr;
}

// Who a person is by now: persons are joined while a referral is under way.
net::awaitable<Result<std::string>> DutyDesk::person_today(std::string person) {
  for (int hop = 0; hop < replaced_hops_max; ++hop) {
    const auto id = PersonId::from_hex(person);
    if (!id) break;
    const auto row = co_await store_.get(tables::persons, {std::string(id->view())});
    if (!row) co_return pass(row.error());
    const auto next = *row ? PersonId::from_bytes(text_in(**row, 4)) : std::nullopt;
    if (!next || next->empty()) break;
    person = next->hex();
  }
  co_return person;
}

net::awaitable<Result<model::CommandOutcome>> DutyDesk::decide(Look& look, model::ReferralCommand command) {
  auto stands = co_await referral_of(look, command.referral);
  if (!stands) co_return pass(stands.error());
  const auto& rules = *look.rules;
  referral::Surroundings around;
  const auto sender = party_of(rules, *stands ? (*stands)->sender : command.facility);
  const auto receiver = party_of(rules, command.receiver);
  if (sender) around.sender = &*sender;
  if (receiver) around.receiver = &*receiver;
  around.same_alliance =
      sender && receiver &&
      rules.catalogue->same_alliance(sender->code, receiver->code, rules.referral->day_of(command.at));
  auto link = command.follows;
  if (!link && *stands) link = (*stands)->downward;
  std::optional<Referral> linked;
  model::ReferralCommand judged = command;
  if (link) {
    const auto found = co_await referral_of(look, *link);
    if (!found) co_return pass(found.error());
    if (*found) {
      linked = **found;
      for (std::string* person : {&linked->person, &judged.person}) {
        auto today = co_await person_today(*person);
        if (!today) co_return pass(today.error());
        *person = std::move(*today);
      }
      around.linked = &*linked;
    }
  }
  const auto answered = referral::decide(*stands, judged, *rules.referral, around);
  look.records.push_back(record_of(answered));
  if (answered.outcome != model::CommandOutcome::applied) co_return answered.outcome;
  const auto after = referral::apply(*stands, command, answered);
  look.referrals.insert_or_assign(command.referral, after);
  if (auto further = referral::follow_up(after, command, answered)) {
    look.records.push_back(record_of(*further));
    if (auto decided = co_await decide(look, std::move(*further)); !decided) co_return pass(decided.error());
  }
  co_return answered.outcome;
}

net::awaitable<Result<void>> DutyDesk::decide_waiting(Look& look) {
  port::Scan scan;
  scan.limit = commands_at_once;
  const auto waiting = co_await store_.scan(tables::referral_waiting, std::move(scan));
  if (!waiting) co_return pass(waiting.error());
  if (waiting->empty()) co_return Result<void>();
  std::vector<port::Lookup> lookups;
  for (const auto& row : *waiting) lookups.push_back({&tables::referral_commands, {row[1]}});
  const auto commands = co_await store_.get_many(std::move(lookups));
  if (!commands) co_return pass(commands.error());
  for (const auto& row : *commands) {
    if (!row || !text_in(*row, 5).empty()) continue;
    auto command = model::read_referral_command(text_in(*row, 4));
    if (!command) co_return pass(command.error());
    if (auto decided = co_await decide(look, std::move(*command)); !decided) co_return pass(decided.error());
    if (look.records.size() >= records_at_once) break;
  }
  co_return Result<void>();
}

// A deadline that comes to nothing stays where it is, and holds none up that is due later.
net::awaitable<Result<void>> DutyDesk::tell_due(Look& look) {
  port::Scan scan;
  scan.prefix = {std::string(referral_deadline), look.rules->referral->version()};
  scan.to = look.now.micros;
  scan.limit = commands_at_once;
  left_.clear();
  for (bool more = true; more && look.records.size() < records_at_once;) {
    const auto due = co_await store_.scan(tables::deadlines, scan);
    if (!due) co_return pass(due.error());
    for (const auto& row : *due) {
      if (look.records.size() >= records_at_once) break;
      if (auto told = co_await tell_clock(look, row); !told) co_return told;
    }
    more = due->size() == commands_at_once;
    if (more) scan.after = port::Key(due->back().begin(), due->back().begin() + 4);
  }
  co_return Result<void>();
}

net::awaitable<Result<void>> DutyDesk::tell_clock(Look& look, const port::Row& row) {
  const auto id = ReferralId::from_bytes(text_in(row, 3));
  if (!id) co_return Result<void>();
  const auto stands = co_await referral_of(look, *id);
  if (!stands) co_return pass(stands.error());
  if (!*stands) co_return Result<void>();
  // As it stands after what was decided just now.
  const auto deadline = referral::next(**stands, *look.rules->referral);
  if (!deadline || deadline->at > look.now) co_return Result<void>();
  auto command = referral::clock_command(**stands, *deadline, look.now);
  const auto before = look.records.size();
  look.records.push_back(record_of(command));
  const auto decided = co_await decide(look, std::move(command));
  if (!decided) co_return pass(decided.error());
  if (*decided == model::CommandOutcome::applied) co_return Result<void>();
  // The table has no such step, though the rules reckoned it: a defect. Nothing is said twice every look because of it.
  look.records.resize(before);
  left_ = "the clock of referral " + id->hex() + " is refused: " + std::string(to_string(deadline->action)) +
          "; nobody is told by it until somebody changes the referral";
  co_return Result<void>();
}

// Who is to be told of a critical value by now; of each one word in a look, the next when this one stands.
net::awaitable<Result<void>> DutyDesk::tell_critical(Look& look) {
  port::Scan scan;
  scan.prefix = {std::string(critical_deadline), look.rules->critical->version()};
  scan.to = look.now.micros;
  scan.limit = commands_at_once;
  const auto due = co_await store_.scan(tables::deadlines, std::move(scan));
  if (!due) co_return pass(due.error());
  std::vector<port::Lookup> lookups;
  for (const auto& row : *due) lookups.push_back({&tables::critical_values, {row[3]}});
  const auto rows = co_await store_.get_many(std::move(lookups));
  if (!rows) co_return pass(rows.error());
  for (const auto& row : *rows) {
    if (!row) continue;
    const auto value = critical::read_critical_value(text_in(*row, 8));
    if (!value) co_return pass(value.error());
    const auto deadline = critical::next(*value, *look.rules->critical);
    if (!deadline || deadline->at > look.now) continue;
    // The coordinator is of no facility; the other roles are of the one that ordered.
    const bool of_nobody = deadline->role == "coordinator";
    look.records.push_back(record_of(
        critical::tell(*value, *deadline, of_nobody ? std::string_view() : value->opened.facility, look.now)));
  }
  co_return Result<void>();
}

net::awaitable<Result<void>> DutyDesk::append_derived(Look& look) {
  port::Scan scan;
  scan.limit = commands_at_once;
  const auto rows = co_await store_.scan(tables::derived, std::move(scan));
  if (!rows) co_return pass(rows.error());
  for (const auto& row : *rows) {
    port::Record record;
    record.id = RecordId::from_bytes(text_in(row, 3)).value_or(RecordId());
    record.key = text_in(row, 4);
    record.kinds = text_in(row, 5);
    record.json = text_in(row, 6);
    if (record.kinds == model::referral_commanded_kind) {
      // What a message says was taken when it was appended; but the log's clock may have been set meanwhile.
      auto command = model::read_referral_command(record.json);
      if (!command) co_return pass(command.error());
      if (command->capacity == model::Capacity::facility) command->at = std::min(command->at, look.now);
      record.json = model::write(*command);
    }
    if (record.kinds != model::critical_opened_kind) {
      look.records.push_back(std::move(record));
      continue;
    }
    auto opened = model::read_critical_opened(record.json);
    if (!opened) co_return pass(opened.error());
    opened->at = std::min(opened->at, look.now);
    record.json = model::write(*opened);
    model::CriticalStep late;
    late.id = model::withdrawn_id(opened->value);
    late.value = opened->value;
    late.action = model::CriticalAction::withdrawn;
    late.at = look.now;
    late.reason = "late";
    look.records.push_back(std::move(record));
    if (opened->late) look.records.push_back(record_of(late));
  }
  co_return Result<void>();
}

net::awaitable<Result<std::size_t>> DutyDesk::work() {
  if (!ours_()) {
    up_to_.reset();
    co_return std::size_t{0};
  }
  const auto may = co_await may_look();
  if (!may) co_return pass(may.error());
  if (!*may) co_return std::size_t{0};
  Look look{rules_.load(), time_.now(), {}, {}};
  if (auto done = co_await append_derived(look); !done) co_return pass(done.error());
  if (auto done = co_await decide_waiting(look); !done) co_return pass(done.error());
  if (auto done = co_await tell_due(look); !done) co_return pass(done.error());
  if (auto done = co_await tell_critical(look); !done) co_return pass(done.error());
  const std::size_t count = look.records.size();
  if (count == 0) co_return count;
  up_to_.reset();  // where the append fails, what became of it is seen at the log's end
  const auto appended = co_await log_.append(port::Topic::operations, std::move(look.records));
  if (!appended) co_return pass(appended.error());
  up_to_ = appended->back().offset + 1;
  co_return count;
}

net::awaitable<void> DutyDesk::run(std::function<void(std::string_view)> on_trouble) {
  net::steady_timer timer(co_await net::this_coro::executor);
  std::string trouble;
  while (!stopping_) {
    const auto done = co_await work();
    if (const std::string now = done ? left_ : done.error().message; now != trouble) on_trouble(trouble = now);
    timer.expires_after(store_.is_far() ? look_every_far : look_every_near);
    co_await timer.async_wait(net::use_awaitable);
  }
}

}  // namespace hutong::pipeline
