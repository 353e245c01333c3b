// Finding people: identifiers by their keys, birth dates and names by ranges, the rest by looking.
#include <algorithm>
#include <set>

#include "broker/model/identifier_key.h"
#include "broker/port/tables.h"
#include "broker/query/clinical.h"
#include "broker/query/rows.h"

namespace hutong::query {
namespace {

using model::IdentifierKind;
using model::View;
using model::ViewKind;
namespace tables = port::tables;

constexpr std::string_view beyond_every_text = "\xF4\x8F\xBF\xBF";  // U+10FFFF
constexpr std::string_view facility_prefix = "urn:hutong:facility:";

tl::unexpected<Error> pass(const Error& error) {
  return tl::unexpected<Error>(error);
}

tl::unexpected<Error> too_many() {
  return fail(ErrorCode::too_costly, "more than " + std::to_string(candidates_per_search) +
                                         " local patients fit; add an identifier, or a whole birth date to the name");
}

struct Wanted {
  IdentifierKind kind;
  std::string facility;
};

// Which identifiers a token can mean. A bare value may be anybody's number anywhere.
std::vector<Wanted> wanted_of(const Token& token, const model::FacilityDirectory* directory) {
  using enum IdentifierKind;
  const std::vector<Wanted> shared = {{resident_card, ""}, {health_card, ""}, {social_security, ""},
                                      {insurance, ""},     {passport, ""},    {permit, ""},
                                      {other, ""}};
  if (token.system) {
    std::string_view system = *token.system;
    if (system == "urn:oid:2.16.156.10011.1.3") return {{resident_card, ""}};
    if (system == "urn:oid:2.16.156.10011.1.19") return {{health_card, ""}};
    if (system.starts_with(facility_prefix)) {
      system.remove_prefix(facility_prefix.size());
      const auto colon = std::min(system.rfind(':'), system.size());
      const std::string code(system.substr(0, colon));
      if (system.substr(colon) == ":mrn") return {{facility_number, code}};
      if (system.substr(colon) == ":visit") return {{visit, code}};
    }
    return shared;
  }
  std::vector<Wanted> all = shared;
  if (directory) {
    for (const auto* facility : directory->all()) all.push_back({facility_number, facility->code});
  }
  return all;
}

// The range of texts that can hold a birth date asked for; the exact comparison follows on the person.
void bound(port::Scan& scan, const TimeFilter& asked) {
  const std::string text = asked.text.substr(0, 10);
  const std::string year = text.substr(0, 4);
  switch (asked.compare) {
    case Compare::eq: {
      scan.from = port::Cell(text);
      scan.to = port::Cell(text + std::string(beyond_every_text));
      break;
    }
    case Compare::ge:
    case Compare::gt:
    case Compare::sa: scan.from = port::Cell(year); break;
    case Compare::le:
    case Compare::lt:
    case Compare::eb: scan.to = port::Cell(text + std::string(beyond_every_text)); break;
    case Compare::ne: break;
  }
}

}  // namespace

net::awaitable<Result<void>> Clinical::gather(port::Scan scan, const port::Table& table, std::size_t facility_column,
                                              std::vector<Local>& found) {
  scan.limit = candidates_per_search + 1 - found.size();
  auto rows = co_await store_.scan(table, std::move(scan));
  if (!rows) co_return pass(rows.error());
  for (const auto& row : *rows) found.push_back({text(row, facility_column), text(row, facility_column + 1)});
  if (found.size() > candidates_per_search) co_return too_many();
  co_return Result<void>();
}

// By the most selective parameter there is; all others are tested on the person.
net::awaitable<Result<std::vector<PersonId>>> Clinical::candidates(const PersonSearch& search) {
  std::vector<Local> locals;
  const auto exact = std::find_if(search.births.begin(), search.births.end(), [](const auto& any) {
    return any.size() == 1 && any[0].compare == Compare::eq && any[0].text.size() >= 10;
  });
  if (!search.identifiers.empty()) {
    const auto directory = facilities_();
    for (const auto& token : search.identifiers) {
      for (const auto& [kind, facility] : wanted_of(token, directory.get())) {
        const std::string value = fold_identifier(kind, token.value);
        port::Scan scan;
        scan.prefix = {model::identifier_key(identifier_key_, kind, facility, value)};
        if (auto done = co_await gather(std::move(scan), tables::identifiers, 1, locals); !done) {
          co_return pass(done.error());
        }
      }
    }
  } else if (exact != search.births.end() || (search.names.empty() && !search.births.empty())) {
    for (const auto& asked : exact != search.births.end() ? *exact : search.births.front()) {
      port::Scan scan;
      bound(scan, asked);
      if (auto done = co_await gather(std::move(scan), tables::births, 1, locals); !done) co_return pass(done.error());
    }
  } else if (!search.names.empty()) {
    for (const auto& asked : search.names.front()) {
      const std::string key = model::name_key(asked.text);
      if (asked.mode == NameFilter::Mode::contains || key.empty()) {
        co_return fail(ErrorCode::too_costly,
                       "a name's inner part is not indexed; search by its beginning, or add a whole birth date");
      }
      port::Scan scan;
      scan.from = port::Cell(key);
      scan.to = port::Cell(asked.mode == NameFilter::Mode::exact ? key : key + std::string(beyond_every_text));
      if (auto done = co_await gather(std::move(scan), tables::names, 1, locals); !done) co_return pass(done.error());
    }
  } else {
    co_return fail(ErrorCode::too_costly, "a search for patients needs _id, identifier, name or birthdate");
  }
  std::set<PersonId> persons;
  for (const auto& local : locals) {
    auto person = co_await person_of(local.facility, local.number);
    if (!person) co_return pass(person.error());
    persons.insert(*person);
  }
  co_return std::vector<PersonId>(persons.begin(), persons.end());
}

net::awaitable<Result<Answer>> Clinical::persons(const access::Permit&, PersonSearch search) {
  auto answer = co_await begin();
  if (!answer) co_return pass(answer.error());
  std::vector<PersonId> ids;
  if (!search.ids.empty()) {
    for (const auto& text : search.ids) {
      if (auto id = PersonId::from_hex(text)) ids.push_back(*id);
    }
    std::sort(ids.begin(), ids.end());
    ids.erase(std::unique(ids.begin(), ids.end()), ids.end());
  } else {
    auto found = co_await candidates(search);
    if (!found) co_return pass(found.error());
    ids = std::move(*found);
  }
  for (const auto& id : ids) {
    if (!search.position.empty() && id.hex() <= search.position) continue;
    auto person = co_await load_person(*answer, id);
    if (!person && person.error().code == ErrorCode::not_found) continue;
    if (!person) co_return pass(person.error());
    if (!matches(**person, search)) {
      answer->persons.pop_back();
      continue;
    }
    ++answer->counted;
    if (search.count_only) {
      answer->persons.pop_back();
      continue;
    }
    if (answer->matches.size() == search.count) {
      answer->next = model::id_of(answer->matches.back());
      break;
    }
    answer->matches.push_back({.kind = ViewKind::person, .person = *person});
  }
  if (auto done = co_await include_of_persons(*answer, search.includes); !done) co_return pass(done.error());
  co_return answer;
}

net::awaitable<Result<Answer>> Clinical::facilities(const access::Permit&, FacilitySearch search) {
  auto answer = co_await begin();
  if (!answer) co_return pass(answer.error());
  std::vector<std::string> codes = search.ids;
  if (codes.empty()) {
    if (const auto directory = facilities_()) {
      for (const auto* each : directory->all()) codes.push_back(each->code);
    }
    for (const auto& token : search.identifiers) codes.push_back(token.value);  // a provisional one is in no directory
  }
  std::sort(codes.begin(), codes.end());
  codes.erase(std::unique(codes.begin(), codes.end()), codes.end());
  for (const auto& code : codes) {
    if (!search.position.empty() && code <= search.position) continue;
    const model::Facility* found = facility(*answer, code);
    if (!found || !matches(*found, search)) continue;
    ++answer->counted;
    if (search.count_only) continue;
    if (answer->matches.size() == search.count) {
      answer->next = model::id_of(answer->matches.back());
      break;
    }
    answer->matches.push_back({.kind = ViewKind::facility, .facility = found});
  }
  co_return answer;
}

}  // namespace hutong::query
