// An order comes to be judged: asked about by a doctor's system, or placed by a message. Who the patient is, which
// local patients that makes, and whether the order's doctor was told already.
#include <algorithm>
#include <set>
#include <tuple>

#include "broker/model/identifier.h"
#include "broker/model/moment.h"
#include "broker/port/tables.h"
#include "broker/query/recognition.h"
#include "broker/query/rows.h"

namespace hutong::query {
namespace {

namespace tables = port::tables;

constexpr std::int64_t day_micros = 86'400'000'000;
// Decisions that name one order, or one person within the look of decision_of().
constexpr std::size_t decisions_per_order = 1'000;

tl::unexpected<Error> pass(const Error& error) {
  return tl::unexpected<Error>(error);
}

std::string masked(std::string_view name) {
  // 王小明 → 王*明, 王明 → 王*: by characters.
  std::vector<std::string_view> characters;
  for (std::size_t at = 0; at < name.size();) {
    std::size_t end = at + 1;
    while (end < name.size() && (static_cast<unsigned char>(name[end]) & 0xC0) == 0x80) ++end;
    characters.push_back(name.substr(at, end - at));
    at = end;
  }
  if (characters.size() < 2) return std::string(name);
  std::string text(characters.front());
  text += "*";
  if (characters.size() > 2) text += characters.back();
  return text;
}

// The area's code for the kind of a resident identity card (GB 11643).
constexpr std::string_view resident_card_system = "urn:oid:2.16.156.10011.1.3";

// Whether the requester names a valid identity card and the person has only others: then it is somebody else, by
// whatever other number it was found.
bool is_somebody_else(const model::PersonView& person, const std::vector<Token>& asked) {
  using enum model::IdentifierKind;
  std::set<std::string, std::less<>> cards;
  for (const auto& member : person.members) {
    for (const auto& identifier : member.subject.identifiers) {
      if (identifier.kind == resident_card && identifier.valid) cards.emplace(identifier.value);
    }
  }
  if (cards.empty()) return false;
  return std::any_of(asked.begin(), asked.end(), [&](const Token& token) {
    if (token.system != std::string(resident_card_system)) return false;
    const auto card = fold_identifier(resident_card, token.value);
    return model::read_resident_card(card) && !cards.contains(card);
  });
}

// What a system says of itself goes into records and keys of rows: short, and without control characters.
Result<void> check_text(std::string_view name, std::string_view text, std::size_t most) {
  if (text.size() > most)
    return fail(ErrorCode::invalid, std::string(name) + ": at most " + std::to_string(most) + " bytes");
  const bool plain =
      std::none_of(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) < 0x20; });
  if (!plain) return fail(ErrorCode::invalid, std::string(name) + ": control characters are not taken");
  return {};
}

Result<void> check_texts(const AskedOrder& asked) {
  constexpr std::size_t name = 200, words = 1000;
  const std::tuple<const char*, const std::string*, std::size_t> said[] = {
      {"requester.facility", &asked.facility, name},
      {"requester.department", &asked.department, name},
      {"requester.practitioner", &asked.practitioner, name},
      {"requester.practitioner.name", &asked.practitioner_name, name},
      {"order", &asked.order, name},
      {"diagnosis", &asked.diagnosis, words}};
  for (const auto& [field, text, most] : said) {
    if (auto good = check_text(field, *text, most); !good) return good;
  }
  for (const auto& line : asked.lines) {
    for (const auto* text : {&line.code, &line.name, &line.loinc, &line.laterality, &line.contrast, &line.reference}) {
      if (auto good = check_text("items", *text, name); !good) return good;
    }
  }
  for (const auto& token : asked.identifiers) {
    if (!token.system || token.system->empty() || token.value.empty())
      return fail(ErrorCode::invalid, "patient.identifiers: each needs a system and a value");
    if (auto good = check_text("patient.identifiers", token.value, name); !good) return good;
    if (auto good = check_text("patient.identifiers", *token.system, name); !good) return good;
  }
  return {};
}

void describe(JudgedOrder& judged, const model::PersonView& person) {
  for (const auto& member : person.members) {
    const auto& subject = member.subject;
    if (judged.name.empty() && !subject.names.empty()) {
      const auto& name = subject.names[0];
      judged.name =
          masked(!name.text.empty() ? std::string(name.text) : std::string(name.family) + std::string(name.given));
    }
    if (judged.sex.empty() && subject.sex != model::Sex::unknown) judged.sex = model::to_string(subject.sex);
    if (judged.birth_date.empty()) judged.birth_date = model::date_of(subject.born);
    for (const auto& identifier : subject.identifiers) {
      if (identifier.kind == model::IdentifierKind::resident_card && identifier.valid && judged.card_tail.empty() &&
          identifier.value.size() >= 4) {
        judged.card_tail = identifier.value.substr(identifier.value.size() - 4);
      }
    }
  }
}

}  // namespace

net::awaitable<Result<JudgedOrder>> Recognition::judge(const access::Permit& permit, AskedOrder asked) {
  JudgedOrder judged;
  judged.by = rules_();
  judged.at = clock_.now();
  if (asked.lines.empty()) co_return fail(ErrorCode::invalid, "items: nothing is ordered");
  if (asked.lines.size() > lines_per_order) {
    co_return fail(ErrorCode::invalid, "items: at most " + std::to_string(lines_per_order) + " in one order");
  }
  if (auto good = check_texts(asked); !good) co_return pass(good.error());
  if (!judged.by.facilities->find(asked.facility))
    co_return fail(ErrorCode::invalid, "requester.facility: this facility is not registered (schemas/facilities)");

  PersonSearch search;
  search.count = 3;
  search.identifiers = asked.identifiers;
  if (asked.person) search.ids.push_back(asked.person->hex());
  if (search.ids.empty() && search.identifiers.empty()) {
    co_return fail(ErrorCode::invalid, "patient: at least one identifier (system and value) is needed");
  }
  auto people = co_await clinical_.persons(permit, std::move(search));
  if (!people) co_return pass(people.error());
  judged.offset = people->offset;
  std::erase_if(people->matches, [&](const auto& match) { return is_somebody_else(*match.person, asked.identifiers); });
  Locals locals;
  for (const auto& match : people->matches) {
    judged.persons.push_back(match.person->id);
    for (const auto& local : match.person->members)
      locals.emplace_back(std::string(local.facility), std::string(local.number));
  }
  if (judged.persons.size() == 1) describe(judged, *people->matches.front().person);
  if (auto weighed = co_await weigh(judged, std::move(asked), std::move(locals)); !weighed)
    co_return pass(weighed.error());
  co_return judged;
}

// The decision that told this order's doctor. Where a host names no order it is taken to have asked for this one where
// it asked for the same code, of the same person or under the line's own name, in the 24 hours before.
net::awaitable<Result<std::optional<RecordId>>> Recognition::decision_of(const model::PlacedOrder& placed,
                                                                         PersonId person) {
  const std::pair<char, std::string> names[] = {
      {'n', placed.number}, {'n', placed.group}, {'r', placed.number}, {'p', person.hex()}};
  for (const auto& [how, name] : names) {
    if (name.empty()) continue;
    port::Scan scan;
    scan.prefix = {placed.facility, how + name};
    scan.limit = decisions_per_order;
    auto rows = co_await store_.scan(tables::recognition_orders, std::move(scan));
    if (!rows) co_return pass(rows.error());
    for (const auto& row : *rows) {
      const auto id = RecordId::from_bytes(text(row, 2));
      if (!id) continue;
      if (how == 'n') co_return std::optional(*id);
      if (placed.at.micros - integer(row, 3) > day_micros || integer(row, 3) > placed.at.micros) continue;
      auto stored = co_await store_.get(tables::recognition_decisions, {std::string(id->view())});
      if (!stored) co_return pass(stored.error());
      if (!*stored) continue;
      const auto decided = model::read_recognition_decided(text(**stored, 1));
      if (!decided) continue;
      for (const auto& line : decided->lines) {
        if (line.code == placed.code && !line.code.empty()) co_return std::optional(*id);
      }
    }
  }
  co_return std::optional<RecordId>();
}

net::awaitable<Result<model::RecognitionDecided>> Recognition::judge(model::PlacedOrder placed) {
  auto link = co_await store_.get(tables::person_of, {placed.patient_of, placed.patient});
  if (!link) co_return pass(link.error());
  const PersonId alone = model::first_person_id(placed.patient_of, placed.patient);
  const PersonId person = *link ? PersonId::from_bytes(text(**link, 2)).value_or(alone) : alone;
  auto row = co_await store_.get(tables::persons, {std::string(person.view())});
  if (!row) co_return pass(row.error());
  Locals locals{{placed.patient_of, placed.patient}};
  if (*row) {
    auto members = model::read_members(text(**row, 1));
    if (!members) co_return pass(members.error());
    locals = std::move(*members);
  }

  JudgedOrder judged;
  judged.by = rules_();
  judged.at = placed.at;
  judged.persons = {person};
  judged.day = recognition::day_of(placed.at, judged.by.zone_minutes);
  judged.asked.facility = placed.facility;
  judged.asked.order = placed.number;
  judged.asked.door = model::order_door;
  auto follows = co_await decision_of(placed, person);
  if (!follows) co_return pass(follows.error());
  if (!*follows && judged.by.facilities->find(placed.facility)) {
    AskedOrder asked = judged.asked;
    asked.department = placed.department;
    asked.practitioner = placed.practitioner;
    using enum model::EncounterClass;
    for (const auto kind : {outpatient, emergency, inpatient, observation, home, virtual_visit}) {
      if (model::to_string(kind) == placed.encounter) asked.encounter = kind;
    }
    if (placed.preoperative) asked.purpose = recognition::Purpose::preoperative;
    asked.as_of = placed.at;
    AskedLine line;
    line.code = placed.code;
    line.name = placed.name;
    line.loinc = placed.loinc;
    asked.lines.push_back(std::move(line));
    if (auto weighed = co_await weigh(judged, std::move(asked), std::move(locals)); !weighed)
      co_return pass(weighed.error());
  }
  auto decided = decided_of(judged);
  decided.id = placed.id;
  decided.follows = *follows;
  co_return decided;
}

}  // namespace hutong::query
