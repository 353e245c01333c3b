// What a steward sees: the questions that wait, those whom they are about, and how a person came to be what it is.
#include <algorithm>
#include <charconv>

#include "broker/model/record.h"
#include "broker/port/tables.h"
#include "broker/query/operations.h"
#include "broker/query/rows.h"

namespace hutong::query {
namespace {

namespace tables = port::tables;

constexpr std::size_t members_shown_max = 200, decisions_shown_max = 1'000;

tl::unexpected<Error> pass(const Error& error) {
  return tl::unexpected<Error>(error);
}

}  // namespace

net::awaitable<Result<IdentityQuestions>> Operations::identity_questions(const access::Permit&, std::string after,
                                                                         std::size_t limit) {
  port::Scan scan;
  scan.limit = limit + 1;
  if (!after.empty()) {
    const auto id = RecordId::from_hex(after);
    if (!id) co_return fail(ErrorCode::invalid, "after: `next` of the page before");
    scan.after = port::Key{std::string(id->view())};
  }
  auto rows = co_await store_.scan(tables::conflicts, std::move(scan));
  if (!rows) co_return pass(rows.error());
  IdentityQuestions out;
  for (const auto& row : *rows) {
    if (out.questions.size() == limit) {
      out.next = out.questions.back().id;
      break;
    }
    out.questions.push_back({RecordId::from_bytes(text(row, 0)).value_or(RecordId()).hex(), text(row, 1)});
  }
  co_return out;
}

net::awaitable<Result<IdentityPerson>> Operations::identity_person(const access::Permit&, std::string facility,
                                                                   std::string number, std::string after) {
  port::Scan scan;
  scan.prefix = {facility, number};
  if (!after.empty()) {
    std::int64_t place = 0;
    const auto [end, error] = std::from_chars(after.data(), after.data() + after.size(), place);
    if (error != std::errc() || end != after.data() + after.size())
      co_return fail(ErrorCode::invalid, "after: `next` of the page before");
    scan.after = port::Key{facility, number, place};
  }
  auto patient = co_await store_.get(tables::patients, {facility, number});
  if (!patient) co_return pass(patient.error());
  if (!*patient) co_return fail(ErrorCode::not_found, "no such patient");
  auto row = co_await store_.get(tables::person_of, {facility, number});
  if (!row) co_return pass(row.error());
  const PersonId id =
      *row ? PersonId::from_bytes(text(**row, 2)).value_or(PersonId()) : model::first_person_id(facility, number);
  auto person = co_await store_.get(tables::persons, {std::string(id.view())});
  if (!person) co_return pass(person.error());
  IdentityPerson out;
  out.person = id.hex();
  std::vector<std::pair<std::string, std::string>> members;
  if (*person) {
    auto read = model::read_members(text(**person, 1));
    if (!read) co_return pass(read.error());
    members = std::move(*read);
  }
  if (members.empty()) members.emplace_back(facility, number);
  out.member_count = members.size();
  std::vector<port::Lookup> described;
  for (std::size_t i = 0; i < std::min(members.size(), members_shown_max); ++i) {
    described.push_back({&tables::patients, {members[i].first, members[i].second}});
  }
  auto rows = co_await store_.get_many(std::move(described));
  if (!rows) co_return pass(rows.error());
  for (std::size_t i = 0; i < rows->size(); ++i) {
    out.members.push_back({members[i].first, members[i].second, (*rows)[i] ? text(*(*rows)[i], 2) : std::string("{}")});
  }
  // What was decided about the patient itself, the newest last.
  scan.limit = decisions_shown_max + 1;
  auto history = co_await store_.scan(tables::person_history, std::move(scan));
  if (!history) co_return pass(history.error());
  if (history->size() > decisions_shown_max) {
    history->pop_back();
    out.next = std::to_string(integer(history->back(), 2));
  }
  std::vector<port::Lookup> decided;
  for (const auto& each : *history) decided.push_back({&tables::decisions, {each[3]}});
  auto documents = co_await store_.get_many(std::move(decided));
  if (!documents) co_return pass(documents.error());
  for (const auto& each : *documents) {
    if (each) out.decisions.push_back(text(*each, 1));
  }
  co_return out;
}

}  // namespace hutong::query
