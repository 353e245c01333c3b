#include "broker/query/referrals.h"

#include <algorithm>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <charconv>

#include "broker/base/hash.h"
#include "broker/port/tables.h"
#include "broker/query/rows.h"
#include "broker/referral/document.h"

namespace hutong::query {
namespace {

namespace tables = port::tables;
using model::ReferralCommand;

constexpr std::chrono::milliseconds look_every_near{10}, look_every_far{50};
constexpr std::size_t name_bytes = 200, words_bytes = 1'000, documents_max = 200, rows_at_once = 200;
constexpr std::size_t referrals_of_person = 1'000;
constexpr int replaced_hops_max = 64;

tl::unexpected<Error> pass(const Error& error) {
  return tl::unexpected<Error>(error);
}

// Columns of tables::referrals and of tables::referral_ledger.
namespace column {
enum : std::size_t { referral, state, version, sender, receiver, direction, urgency, person, asked, due };
constexpr std::size_t updated = 12, document = 13;
}  // namespace column
namespace ledger_column {
enum : std::size_t { facility, ended, newest, referral, direction, state, part, due };
}

Result<void> check_text(std::string_view field, std::string_view text, std::size_t most) {
  if (text.size() > most)
    return fail(ErrorCode::invalid, std::string(field) + ": at most " + std::to_string(most) + " bytes");
  if (std::any_of(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F; }))
    return fail(ErrorCode::invalid, std::string(field) + ": control characters are not taken");
  return {};
}

Result<void> check(const ReferralCommand& command) {
  const std::tuple<const char*, const std::string*, std::size_t> said[] = {
      {"facility", &command.facility, name_bytes},
      {"department", &command.department, name_bytes},
      {"practitioner", &command.practitioner, name_bytes},
      {"reason.code", &command.reason.code, name_bytes},
      {"reason.text", &command.reason.text, words_bytes},
      {"number", &command.number, name_bytes},
      {"patient", &command.patient, name_bytes},
      {"insuranceFiling", &command.insurance_filing, name_bytes},
      {"receiver", &command.receiver, name_bytes},
      {"receiverDepartment", &command.receiver_department, name_bytes},
      {"outside", &command.outside, words_bytes}};
  for (const auto& [field, text, most] : said) {
    if (auto good = check_text(field, *text, most); !good) return good;
  }
  if (command.slot) {
    for (const auto* text : {&command.slot->department, &command.slot->place}) {
      if (auto good = check_text("slot", *text, name_bytes); !good) return good;
    }
  }
  if (command.documents.size() > documents_max)
    return fail(ErrorCode::invalid, "documents: at most " + std::to_string(documents_max));
  for (const auto& document : command.documents) {
    for (const auto* text : {&document.kind, &document.id}) {
      if (text->empty()) return fail(ErrorCode::invalid, "documents: each needs kind and id");
      if (auto good = check_text("documents", *text, name_bytes); !good) return good;
    }
  }
  return {};
}

// A command that was refused and is sent again.
RecordId attempt_id(const RecordId& command, std::uint64_t number) {
  if (number == 0) return command;
  return RecordId(PartsHash().add("referral-again").add(command.view()).add(std::to_string(number)).finish());
}

// Where a page ended: the negated time of the request, and the referral.
struct Place {
  std::int64_t newest = 0;
  std::string referral;
  auto operator<=>(const Place&) const = default;
};
std::string to_text(const Place& place) {
  return std::to_string(-place.newest) + "-" + to_hex(place.referral);
}
std::optional<Place> read_place(std::string_view text) {
  const auto dash = text.find('-', 1);
  std::int64_t micros = 0;
  if (dash == std::string_view::npos) return std::nullopt;
  const auto [end, error] = std::from_chars(text.data(), text.data() + dash, micros);
  const auto id = ReferralId::from_hex(text.substr(dash + 1));
  if (error != std::errc() || end != text.data() + dash || !id) return std::nullopt;
  return Place{-micros, std::string(id->view())};
}

bool meets(const LedgerSearch& search, const std::string& state, const std::string& direction, std::int64_t due,
           std::int64_t asked, Timestamp now) {
  const auto stands = model::referral_state_of(state);
  if (!stands) return false;
  if (!search.states.empty() && std::find(search.states.begin(), search.states.end(), *stands) == search.states.end())
    return false;
  if (search.open && *search.open != referral::is_open(*stands)) return false;
  if (search.direction != model::Direction::unknown && direction != to_string(search.direction)) return false;
  if (search.overdue && (due == 0 || due > now.micros)) return false;
  return (!search.from || asked >= search.from->micros) && (!search.to || asked < search.to->micros);
}

// The referrals of one party, open and ended ones together, newest first.
class Lanes {
 public:
  Lanes(port::Store& store, const LedgerSearch& search, std::optional<Place> after) : store_(store) {
    std::optional<bool> open = search.open;
    const auto all = [&](bool wanted) {
      return !search.states.empty() && std::all_of(search.states.begin(), search.states.end(),
                                                   [&](auto state) { return referral::is_open(state) == wanted; });
    };
    if (search.overdue || all(true)) open = true;
    if (!search.overdue && all(false)) open = false;
    for (const std::int64_t ended : {0, 1}) {
      if (open && *open == (ended == 1)) continue;
      Lane lane;
      lane.scan.prefix = {search.facility, ended};
      lane.scan.limit = rows_at_once;
      if (after) lane.scan.after = port::Key{search.facility, ended, after->newest, after->referral};
      if (!after && search.to) lane.scan.from = -search.to->micros;
      if (search.from) lane.scan.to = -search.from->micros;
      lanes_.push_back(std::move(lane));
    }
  }

  net::awaitable<Result<std::optional<port::Row>>> next() {
    Lane* first = nullptr;
    for (auto& lane : lanes_) {
      if (auto filled = co_await fill(lane); !filled) co_return pass(filled.error());
      if (!lane.rows.empty() && (!first || place(lane.rows.front()) < place(first->rows.front()))) first = &lane;
    }
    if (!first) co_return std::optional<port::Row>();
    auto row = std::move(first->rows.front());
    first->rows.pop_front();
    co_return std::optional(std::move(row));
  }

  static Place place(const port::Row& row) {
    return {integer(row, ledger_column::newest), text(row, ledger_column::referral)};
  }

 private:
  struct Lane {
    port::Scan scan;
    std::deque<port::Row> rows;
    bool done = false;
  };
  net::awaitable<Result<void>> fill(Lane& lane) {
    if (!lane.rows.empty() || lane.done) co_return Result<void>();
    auto rows = co_await store_.scan(tables::referral_ledger, lane.scan);
    if (!rows) co_return pass(rows.error());
    lane.done = rows->size() < rows_at_once;
    lane.scan.from.reset();
    if (!rows->empty()) lane.scan.after = port::Key(rows->back().begin(), rows->back().begin() + 4);
    lane.rows.assign(std::make_move_iterator(rows->begin()), std::make_move_iterator(rows->end()));
    co_return Result<void>();
  }

  port::Store& store_;
  std::vector<Lane> lanes_;
};

}  // namespace

ShownReferral Referrals::shown(referral::Referral referral, Timestamp updated) const {
  const auto by = rules_().rules;
  ShownReferral shown;
  shown.next = referral::next(referral, *by);
  shown.due = referral::due_by(referral, *by);
  shown.overdue = shown.due && *shown.due <= now_();
  shown.updated = updated;
  shown.referral = std::move(referral);
  return shown;
}

net::awaitable<Result<ShownReferral>> Referrals::read(const access::Permit&, ReferralId id,
                                                      std::vector<std::string> facilities) {
  const auto cursor = co_await store_.cursor({port::Topic::operations, 0});
  if (!cursor) co_return pass(cursor.error());
  auto row = co_await store_.get(tables::referrals, {std::string(id.view())});
  if (!row) co_return pass(row.error());
  const auto nobody = [] { return fail(ErrorCode::not_found, "no such referral, or your facility is no party of it"); };
  if (!*row) co_return nobody();
  const auto takes_part = [&](const std::string& facility) {
    return facility == text(**row, column::sender) || facility == text(**row, column::receiver);
  };
  if (!facilities.empty() && std::none_of(facilities.begin(), facilities.end(), takes_part)) co_return nobody();
  auto referral = referral::read_referral(text(**row, column::document));
  if (!referral) co_return pass(referral.error());
  auto found = shown(std::move(*referral), {integer(**row, column::updated)});
  if (*cursor) found.offset = (*cursor)->next;
  co_return found;
}

net::awaitable<bool> Referrals::is_referral(ReferralId id) {
  const auto row = co_await store_.get(tables::referrals, {std::string(id.view())});
  co_return row&&* row;
}

// The persons that stand today: who was merged with another is that other.
net::awaitable<Result<Answer>> Referrals::people(const access::Permit& permit, PersonSearch search) {
  search.count = 3;
  for (int hop = 0; hop < replaced_hops_max; ++hop) {
    auto found = co_await clinical_.persons(permit, search);
    if (!found) co_return pass(found.error());
    if (found->matches.size() != 1 || found->matches.front().person->replaced_by.empty()) co_return found;
    search.ids = {found->matches.front().person->replaced_by.hex()};
  }
  co_return fail(ErrorCode::corrupt, "the links between persons go round in a ring; run hutong rebuild");
}

net::awaitable<Result<std::vector<port::Row>>> Referrals::of_person(const access::Permit& permit, PersonId person) {
  PersonSearch search;
  search.ids.push_back(person.hex());
  const auto found_people = co_await people(permit, std::move(search));
  if (!found_people) co_return pass(found_people.error());
  std::vector<port::Lookup> lookups;
  for (const auto& match : found_people->matches) {
    for (const auto& local : match.person->members) {
      port::Scan scan;
      scan.prefix = {std::string(local.facility), std::string(local.number)};
      scan.limit = referrals_of_person;
      auto rows = co_await store_.scan(tables::referral_patients, std::move(scan));
      if (!rows) co_return pass(rows.error());
      for (auto& row : *rows) lookups.push_back({&tables::referrals, {std::move(row[3])}});
    }
  }
  auto found = co_await store_.get_many(std::move(lookups));
  if (!found) co_return pass(found.error());
  std::vector<port::Row> rows;
  for (auto& row : *found) {
    if (row) rows.push_back(std::move(*row));
  }
  std::sort(rows.begin(), rows.end(), [](const auto& a, const auto& b) {
    return std::pair(-integer(a, column::asked), text(a, column::referral)) <
           std::pair(-integer(b, column::asked), text(b, column::referral));
  });
  co_return rows;
}

net::awaitable<Result<Ledger>> Referrals::ledger(const access::Permit& permit, LedgerSearch search) {
  Ledger ledger;
  std::optional<Place> after;
  if (!search.position.empty()) {
    after = read_place(search.position);
    if (!after) co_return fail(ErrorCode::invalid, "page: expected what the answer before gave as next");
  }
  const auto cursor = co_await store_.cursor({port::Topic::operations, 0});
  if (!cursor) co_return pass(cursor.error());
  ledger.offset = *cursor ? (*cursor)->next : 0;
  const Timestamp now = now_();
  std::vector<port::Row> documents;
  std::optional<Place> last;  // looked at
  bool more = false;
  if (search.person) {
    auto rows = co_await of_person(permit, *search.person);
    if (!rows) co_return pass(rows.error());
    for (auto& row : *rows) {
      const Place place{-integer(row, column::asked), text(row, column::referral)};
      if (after && place <= *after) continue;
      const auto& sender = text(row, column::sender);
      const auto& receiver = text(row, column::receiver);
      const bool sends = sender == search.facility && search.part != "receiver";
      const bool receives = receiver == search.facility && search.part != "sender";
      if (!search.facility.empty() && !sends && !receives) continue;
      if (!meets(search, text(row, column::state), text(row, column::direction), integer(row, column::due),
                 integer(row, column::asked), now))
        continue;
      if (documents.size() == search.limit) {
        more = true;
        break;
      }
      last = place;
      documents.push_back(std::move(row));
    }
  } else {
    Lanes lanes(store_, search, after);
    std::vector<port::Lookup> lookups;
    for (std::size_t looked = 0;; ++looked) {
      auto row = co_await lanes.next();
      if (!row) co_return pass(row.error());
      if (!*row) break;
      if (lookups.size() == search.limit || looked == rows_per_page) {
        more = true;
        break;
      }
      last = Lanes::place(**row);
      if (!search.part.empty() && text(**row, ledger_column::part) != search.part) continue;
      if (!meets(search, text(**row, ledger_column::state), text(**row, ledger_column::direction),
                 integer(**row, ledger_column::due), -integer(**row, ledger_column::newest), now))
        continue;
      lookups.push_back({&tables::referrals, {text(**row, ledger_column::referral)}});
    }
    auto rows = co_await store_.get_many(std::move(lookups));
    if (!rows) co_return pass(rows.error());
    for (auto& row : *rows) {
      if (row) documents.push_back(std::move(*row));
    }
  }
  std::erase_if(documents, [&](const port::Row& row) {
    return (!search.sender.empty() && text(row, column::sender) != search.sender) ||
           (!search.receiver.empty() && text(row, column::receiver) != search.receiver);
  });
  for (const auto& row : documents) {
    auto referral = referral::read_referral(text(row, column::document));
    if (!referral) co_return pass(referral.error());
    ledger.found.push_back(shown(std::move(*referral), {integer(row, column::updated)}));
  }
  if (more && last) ledger.next = to_text(*last);
  co_return ledger;
}

net::awaitable<Result<std::optional<Verdict>>> Referrals::known(RecordId command) {
  auto row = co_await store_.get(tables::referral_commands, {std::string(command.view())});
  if (!row) co_return pass(row.error());
  if (!*row) co_return std::optional<Verdict>();
  auto said = model::read_referral_command(text(**row, 4));
  if (!said) co_return pass(said.error());
  Verdict verdict{command, said->referral, std::move(said->client), std::nullopt};
  if (!text(**row, 5).empty()) {
    auto answer = model::read_referral_answered(text(**row, 5));
    if (!answer) co_return pass(answer.error());
    verdict.answer = std::move(*answer);
  }
  co_return std::optional(std::move(verdict));
}

net::awaitable<Result<Verdict>> Referrals::verdict(const access::Permit&, RecordId command) {
  auto found = co_await known(command);
  if (!found) co_return pass(found.error());
  if (!*found) co_return fail(ErrorCode::not_found, "no such command");
  co_return std::move(**found);
}

net::awaitable<Result<ReferralCommand>> Referrals::said(const access::Permit&, RecordId command) {
  auto row = co_await store_.get(tables::referral_commands, {std::string(command.view())});
  if (!row) co_return pass(row.error());
  if (!*row) co_return fail(ErrorCode::not_found, "no such command");
  co_return model::read_referral_command(text(**row, 4));
}

// The first of a command's attempts that was not refused, and whether it was met. Each attempt follows a refusal of all
// before it, so they are found by halves however often somebody has tried; two that try at once are one attempt.
net::awaitable<Result<std::pair<RecordId, bool>>> Referrals::attempt(RecordId command) {
  std::uint64_t refused = 0, other = 0;  // attempts below `refused` were; `other`: one that was not, 0 none is known
  bool met = false;
  for (std::uint64_t look = 0;;) {
    const auto found = co_await known(attempt_id(command, look));
    if (!found) co_return pass(found.error());
    if (*found && (*found)->answer && (*found)->answer->refusal) {
      refused = look + 1;
    } else {
      other = look + 1;
      met = found->has_value();
    }
    if (other == refused + 1) co_return std::pair(attempt_id(command, refused), met);
    look = other == 0 ? refused * 2 : (refused + other - 1) / 2;
  }
}

net::awaitable<Result<Verdict>> Referrals::command(const access::Permit&, ReferralCommand command) {
  if (auto good = check(command); !good) co_return pass(good.error());
  const auto attempted = co_await attempt(command.id);
  if (!attempted) co_return pass(attempted.error());
  command.id = attempted->first;
  if (!attempted->second) {
    command.at = now_();
    port::Record record;
    record.id = command.id;
    record.key = command.referral.hex();
    record.kinds = model::referral_commanded_kind;
    record.json = model::write(command);
    std::vector<port::Record> batch;
    batch.push_back(std::move(record));
    auto appended = co_await log_.append(port::Topic::operations, std::move(batch));
    if (!appended) co_return pass(appended.error());
  }
  Verdict verdict{command.id, command.referral, command.client, std::nullopt};
  net::steady_timer timer(co_await net::this_coro::executor);
  const auto look_every = store_.is_far() ? look_every_far : look_every_near;
  for (std::chrono::milliseconds waited{0};; waited += look_every) {
    auto found = co_await known(command.id);
    // What is appended will be decided, whether the store answers just now or not.
    if (found && *found && (*found)->answer) co_return std::move(**found);
    if (waited >= limits::verdict_deadline) co_return verdict;
    timer.expires_after(look_every);
    co_await timer.async_wait(net::use_awaitable);
  }
}

net::awaitable<Result<Referrals::Patient>> Referrals::patient(const access::Permit& permit, PersonSearch search,
                                                              std::string facility) {
  const auto found = co_await people(permit, std::move(search));
  if (!found) co_return pass(found.error());
  if (found->matches.empty())
    co_return fail(ErrorCode::not_found, "patient: nobody is known by this; send an ADT message or a result first");
  if (found->matches.size() > 1)
    co_return fail(ErrorCode::conflict, "patient: several persons have this; name one by its Patient id");
  const auto& person = *found->matches.front().person;
  Patient patient{person.id, {}, {}};
  for (const auto& local : person.members) {
    if (!patient.number.empty() && local.facility != facility) continue;
    patient.facility = local.facility;
    patient.number = local.number;
    if (local.facility == facility) break;
  }
  co_return patient;
}

}  // namespace hutong::query
