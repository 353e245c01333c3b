#include "broker/query/recognition.h"

#include <algorithm>
#include <array>
#include <boost/asio/post.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <charconv>
#include <deque>
#include <set>

#include "broker/model/event_json.h"
#include "broker/model/identifier.h"
#include "broker/model/moment.h"
#include "broker/port/tables.h"
#include "broker/query/clinical_search.h"
#include "broker/query/rows.h"
#include "broker/query/timeline.h"

namespace hutong::query {
namespace {

namespace tables = port::tables;
using recognition::Reason;
using recognition::Verdict;

constexpr int zone_minutes = 480;  // of an area in China
constexpr std::int64_t day_micros = 86'400'000'000;
constexpr std::int64_t lookback_default = 400;
// Notices of a facility that one look goes through, newest first.
constexpr std::size_t notices_per_look = 10'000;
// Decisions that name one order, or one person within the look of decision_of().
constexpr std::size_t decisions_per_order = 1'000;

tl::unexpected<Error> pass(const Error& error) {
  return tl::unexpected<Error>(error);
}

std::string_view material_name(terminology::Material material) {
  using enum terminology::Material;
  switch (material) {
    case any: return "any";
    case blood: return "blood";
    case urine: return "urine";
    case airway: return "airway";
    case other: return "other";
  }
  return "any";
}

std::string value_of(const model::Value& value) {
  if (value.kind == model::ValueKind::number) return std::string(value.comparator) + std::string(value.number);
  if (!value.coded.mapped_display.empty()) return std::string(value.coded.mapped_display);
  if (!value.sent.empty()) return std::string(value.sent);
  return std::string(!value.coded.display.empty() ? value.coded.display : value.coded.code);
}

std::string interval_of(const model::Interval& interval) {
  if (!interval.sent.empty()) return std::string(interval.sent);
  if (interval.low.empty() && interval.high.empty()) return {};
  return std::string(interval.low) + "–" + std::string(interval.high);
}

std::string flags_of(const model::Observation& item) {
  std::string text;
  for (const auto flag : item.flags) {
    if (flag != "N") text += (text.empty() ? "" : " ") + std::string(flag);
  }
  return text;
}

// Which registered facility a party is; nullptr: none that is known.
const model::Facility* facility_of(const model::FacilityDirectory& directory, const model::Party& party) {
  const model::Facility* found = party.code.empty() ? nullptr : directory.find(party.code);
  if (!found && !party.name.empty()) found = directory.by_name(party.name);
  if (!found && !party.code.empty()) found = directory.by_name(party.code);
  return found;
}

// Where a doctor can open the images now: a viewer's address. Images that only a program could fetch do not count.
model::Text viewer_of(const model::Exam& exam) {
  for (const auto& access : exam.access) {
    if (access.kind == "viewer" && (access.url.starts_with("https://") || access.url.starts_with("http://")))
      return access.url;
  }
  return {};
}

// A version of a report that holds something wanted, as long as the query lives: what is shown of its results is made
// only for those that are shown.
struct Kept {
  explicit Kept(Arena memory) : arena(std::move(memory)) {}
  Arena arena;
  model::Report report;
  std::uint64_t version = 1;
  std::string event, facility;
  std::vector<std::string> ids;  // of its observations, made when the first is shown
};

// An earlier result: what the decision needs of it. Its texts point into the report.
struct Found {
  recognition::Prior prior;
  Kept* kept = nullptr;
  std::size_t item = 0;  // of the report's observations; of an examination none
};

class Priors {
 public:
  // Of an order that came as a message, its own result is none from before, should the message be late.
  Priors(const RecognitionRules& rules, std::set<std::string, std::less<>> wanted, const AskedOrder& asked)
      : rules_(rules), wanted_(std::move(wanted)) {
    if (asked.door != model::order_door) return;
    own_facility_ = asked.facility;
    own_order_ = asked.order;
  }

  // Takes what is wanted out of one version of a report.
  Result<void> take(const std::string& body, model::ResultStatus status, const ReportId& id, std::uint64_t version,
                    const std::string& event, const std::string& facility) {
    if (!scratch_) scratch_.emplace(16 * 1024);
    scratch_->reset();
    model::Report report;
    if (auto read = model::read_report(scratch_->copy(body), *scratch_, report); !read) return pass(read.error());
    if (!own_order_.empty() && report.order_number == own_order_ && facility == own_facility_) return {};
    const bool holds = report.is_exam
                           ? wanted_.contains(report.service.mapped_code)
                           : std::any_of(report.observations.begin(), report.observations.end(),
                                         [&](const auto& item) { return wanted_.contains(item.code.mapped_code); });
    if (!holds) return {};
    auto& kept = kept_.emplace_back(std::move(*scratch_));
    scratch_.reset();
    kept.report = report;
    kept.report.id = id;
    if (status != model::ResultStatus::unknown) kept.report.status = status;
    kept.version = version;
    kept.event = event;
    kept.facility = facility;
    const bool sensitive = !report.labels.empty();
    if (report.is_exam) {
      auto& made = begin(kept, 0, report.service.mapped_code, report.performer, kept.report.status, sensitive);
      made.prior.body_part = terminology_part(report.exam.body_part);
      made.prior.laterality = report.exam.laterality;
      made.prior.contrast = report.exam.contrast == "both" ? model::Text("with") : report.exam.contrast;
      made.prior.images = !viewer_of(report.exam).empty();
      times(made, report.observed, report.issued);
      return {};
    }
    const auto material = material_name(rules_.terminology->material_of(report));
    for (std::size_t i = 0; i < report.observations.size(); ++i) {
      const auto& item = report.observations[i];
      if (!wanted_.contains(item.code.mapped_code)) continue;
      auto& made =
          begin(kept, i, item.code.mapped_code, item.performer, item.status, sensitive || !item.labels.empty());
      made.prior.material = material;
      times(made, sampled_of(report, item), report.issued);
    }
    return {};
  }

  std::deque<Found>& found() { return found_; }

  ShownResult shown(const Found& found) const {
    const auto& [prior, kept, index] = found;
    const auto& report = kept->report;
    ShownResult out;
    const model::Facility* laboratory = rules_.facilities->find(prior.laboratory);
    out.laboratory = prior.laboratory;
    out.laboratory_said = prior.laboratory_said;
    out.facility = kept->facility;
    out.facility_zh = laboratory ? laboratory->name_zh : out.laboratory;
    out.facility_en = laboratory && !laboratory->name_en.empty() ? laboratory->name_en : out.facility_zh;
    out.report = report.id.hex();
    out.version = kept->version;
    out.event = kept->event;
    out.reported = report.issued.iso;
    if (kept->ids.empty()) kept->ids = model::item_ids(report);
    if (index < kept->ids.size()) out.observation = kept->ids[index];
    if (report.is_exam) {
      out.is_exam = true;
      out.image_url = viewer_of(report.exam);
      out.images = prior.images;
      out.accession = report.exam.accession;
      out.sampled = report.observed.iso;
      return out;
    }
    const auto& item = report.observations[index];
    out.value = value_of(item.value);
    out.unit = !item.value.unit.empty() ? item.value.unit : item.value.ucum;
    out.interval = interval_of(item.interval);
    out.flags = flags_of(item);
    out.sampled = sampled_of(report, item).iso;
    return out;
  }

 private:
  Found& begin(Kept& kept, std::size_t index, model::Text loinc, const model::Party& performer,
               model::ResultStatus status, bool sensitive) {
    auto& made = found_.emplace_back();
    made.kept = &kept;
    made.item = index;
    auto& prior = made.prior;
    const auto& report = kept.report;
    const auto& directory = *rules_.facilities;
    const model::Facility* laboratory = facility_of(directory, performer);
    if (!laboratory) laboratory = facility_of(directory, report.performer);
    prior.laboratory_said = laboratory || report.issuer != kept.facility;
    if (!laboratory) laboratory = directory.find(report.issuer);
    prior.facility = kept.facility;
    prior.laboratory = laboratory ? model::Text(laboratory->code) : report.issuer;
    prior.laboratory_level = laboratory ? model::Text(laboratory->level) : model::Text();
    prior.laboratory_registered = laboratory && !laboratory->provisional;
    prior.loinc = loinc;
    // A withdrawn report withdraws its items, whatever they say; an item says more than a report that is final.
    const bool whole =
        report.status == model::ResultStatus::cancelled || report.status == model::ResultStatus::entered_in_error;
    prior.status = whole || status == model::ResultStatus::unknown ? report.status : status;
    prior.sensitive = sensitive;
    return made;
  }

  static const model::Moment& sampled_of(const model::Report& report, const model::Observation& item) {
    if (!report.specimen.collected.iso.empty()) return report.specimen.collected;
    return !item.observed.iso.empty() ? item.observed : report.observed;
  }
  static void times(Found& made, const model::Moment& sampled, const model::Moment& reported) {
    made.prior.sampled = parse_iso(sampled.iso, zone_minutes);
    made.prior.reported = parse_iso(reported.iso, zone_minutes);
  }

  // The catalogue names body parts by words of its own; a sender's own code says nothing that could be compared with
  // them.
  static model::Text terminology_part(const model::Coded& part) { return part.mapped_code; }

  const RecognitionRules& rules_;
  std::set<std::string, std::less<>> wanted_;
  std::string own_facility_, own_order_;
  std::deque<Found> found_;
  std::deque<Kept> kept_;
  std::optional<Arena> scratch_;
};

model::ResultStatus status_of(std::string_view text) {
  using enum model::ResultStatus;
  for (auto each : {registered, partial, preliminary, final, amended, corrected, cancelled, entered_in_error}) {
    if (model::to_string(each) == text) return each;
  }
  return unknown;
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

// How far back a result of this item may lie and still be recognised. Reports stand in the order of their sampling,
// which may be weeks before the report that some windows begin with.
std::int64_t reach_of(const recognition::Item& item, std::int64_t lookback) {
  switch (item.window) {
    case recognition::WindowKind::days: return (item.window_days + (item.from_report ? 60 : 2)) * day_micros;
    case recognition::WindowKind::unlimited: return lookback;
    case recognition::WindowKind::clinician: return 30 * day_micros;  // none is: those of the last month will do
  }
  return lookback;
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

// Where a page of notices ended: "MICROS-REPORT-VERSION-DECISION".
std::string notice_position(const port::Row& row) {
  return std::to_string(-integer(row, 1)) + "-" + to_hex(text(row, 2)) + "-" + std::to_string(integer(row, 3)) + "-" +
         to_hex(text(row, 4));
}
std::optional<port::Key> notice_key(const std::string& facility, const std::string& position) {
  std::array<std::string, 4> parts;
  std::size_t from = 0;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    const auto end = i + 1 < parts.size() ? position.find('-', from) : position.size();
    if (end == std::string::npos) return std::nullopt;
    parts[i] = position.substr(from, end - from);
    from = end + 1;
  }
  std::int64_t micros = 0, version = 0;
  const auto read = [](const std::string& digits, std::int64_t& into) {
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), into);
    return error == std::errc() && end == digits.data() + digits.size();
  };
  const auto report = from_hex(parts[1]), decision = from_hex(parts[3]);
  if (!read(parts[0], micros) || !read(parts[2], version) || !report || !decision) return std::nullopt;
  return port::Key{facility, -micros, *report, version, *decision};
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

// What goes into the log of it; without an id.
model::RecognitionDecided decided_of(const JudgedOrder& judged) {
  const auto& asked = judged.asked;
  model::RecognitionDecided decided;
  decided.at = judged.at;
  decided.facility = asked.facility;
  decided.department = asked.department;
  decided.practitioner = asked.practitioner;
  switch (asked.encounter) {
    case model::EncounterClass::emergency: decided.encounter = "emergency"; break;
    case model::EncounterClass::inpatient: decided.encounter = "inpatient"; break;
    case model::EncounterClass::outpatient: decided.encounter = "outpatient"; break;
    default: break;
  }
  decided.purpose = recognition::to_string(asked.purpose);
  decided.order = asked.order;
  if (judged.persons.size() == 1) decided.person = judged.persons.front().hex();
  decided.rules = judged.by.catalogue->version();
  decided.day = judged.day;
  decided.zone_day = recognition::day_of(judged.at, zone_minutes);
  decided.extent = recognition::to_string(judged.extent);
  decided.door = asked.door;
  decided.client = asked.client;
  for (const auto& line : judged.lines) {
    auto& out = decided.lines.emplace_back();
    out.reference = line.asked.reference;
    out.verdict = recognition::to_string(line.verdict);
    if (line.hidden || line.item.empty()) {  // its place stays, so that lines keep their numbers; what it was does not
      out.verdict = recognition::to_string(Verdict::not_recognisable);
      continue;
    }
    out.code = line.asked.code;
    out.item = line.item;
    for (const auto reason : line.reasons) out.reasons.emplace_back(recognition::to_string(reason));
    if (line.offers()) out.results = offered(line);
    out.price_fen = line.price_fen;
  }
  return decided;
}

}  // namespace

std::string area_time(const std::string& iso) {
  const auto span = parse_iso(iso, zone_minutes);
  if (!span || iso.size() < 16) return iso;
  auto local = to_iso(span->first, zone_minutes).substr(0, 16);
  local[10] = ' ';
  return local;
}

access::Demand demand_of(const AskedOrder& asked, access::Action action, std::string resource, std::string subject,
                         std::string_view what, std::string peer) {
  std::string by;
  for (const char c : asked.practitioner) {
    const bool plain =
        (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '-' || c == '_' || c == '.';
    by += plain ? std::string(1, c) : "%" + to_hex(std::string_view(&c, 1));
  }
  std::string parameters(what);
  if (!by.empty()) parameters += ",by=" + by;
  return {action, std::move(resource), std::move(subject), std::move(parameters), asked.purpose_said, std::move(peer)};
}

bool JudgedOrder::offers() const {
  return std::any_of(lines.begin(), lines.end(), [](const auto& line) { return line.offers(); });
}

const recognition::Clause* JudgedOrder::clause(Reason reason) const {
  return by.catalogue->clause(recognition::to_string(reason), day);
}

std::vector<model::OfferedResult> offered(const JudgedLine& line) {
  std::vector<model::OfferedResult> results;
  for (const auto& item : line.items) {
    if (item.candidates.empty() || item.candidates.front().verdict == Verdict::not_recognisable) continue;
    const auto& best = item.candidates.front();
    results.push_back(
        {item.code, best.report, best.observation, best.version, best.facility, best.laboratory, best.mark_code});
  }
  return results;
}

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
    auto members = read_members(text(**row, 1));
    if (!members) co_return pass(members.error());
    locals = std::move(*members);
  }

  JudgedOrder judged;
  judged.by = rules_();
  judged.at = placed.at;
  judged.persons = {person};
  judged.day = recognition::day_of(placed.at, zone_minutes);
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

// Judges the order against what these local patients have, which are one person's where it is certain who it is.
net::awaitable<Result<void>> Recognition::weigh(JudgedOrder& judged, AskedOrder asked, Locals locals) {
  const auto& catalogue = *judged.by.catalogue;
  const auto& terms = *judged.by.terminology;
  const model::Facility* requester = judged.by.facilities->find(asked.facility);

  recognition::Order order;
  order.facility = requester->code;
  order.area = requester->area;
  order.level = requester->level;
  order.encounter = asked.encounter;
  order.purpose = asked.purpose;
  if (asked.as_of && asked.as_of->micros > judged.at.micros)
    co_return fail(ErrorCode::invalid, "asOf: expected a past moment; without it the question is about now");
  order.as_of = asked.as_of.value_or(judged.at);
  order.zone_minutes = zone_minutes;
  judged.day = recognition::day_of(order.as_of, zone_minutes);

  // What is ordered, in the area's items.
  std::vector<recognition::Line> lines;
  std::vector<std::string> loincs(asked.lines.size());
  std::vector<bool> hidden(asked.lines.size());
  std::set<std::string, std::less<>> wanted;
  struct Open {  // an item that has no recognisable result yet
    const recognition::Item* item;
    std::size_t line;
    bool offered;  // there is one for the clinician to decide
  };
  std::vector<Open> open;
  for (std::size_t i = 0; i < asked.lines.size(); ++i) {
    const auto& line = asked.lines[i];
    model::Coded coded;
    coded.code = line.code;
    coded.display = line.name.empty() ? line.code : line.name;  // many systems send the name as the code
    loincs[i] = line.loinc;
    const auto* map = terms.map(requester->code_system);
    if (loincs[i].empty()) {
      terminology::Circumstance where;
      where.local = map;
      where.date = judged.day;
      loincs[i] = terms.meaning_of(coded, where).loinc;
    }
    if (loincs[i].empty()) {
      if (const auto* exam = terms.exam_of(coded, map, judged.day)) loincs[i] = exam->loinc;
    }
    hidden[i] = terms.labels_of_item(loincs[i], judged.day) != 0;
    for (const auto& words : {line.name, line.code})
      hidden[i] = hidden[i] || (!words.empty() && terms.labels_of_words(words, judged.day) != 0);
    lines.push_back({line.code, loincs[i], line.laterality, line.contrast});
    for (const auto* item : recognition::items_of(order, lines.back(), catalogue)) {
      for (const auto& loinc : item->loincs) {
        wanted.insert(loinc);
        hidden[i] = hidden[i] || terms.labels_of_item(loinc, judged.day) != 0;
      }
      wanted.insert(item->similar.begin(), item->similar.end());
      open.push_back({item, i, false});
    }
  }
  // A sensitive order is judged as if there were nothing: what comes back must not tell that there is.
  std::erase_if(open, [&](const auto& each) { return hidden[each.line]; });

  order.identity_certain = judged.persons.size() == 1;

  Priors priors(judged.by, std::move(wanted), asked);
  Timeline timeline(store_, false, std::nullopt);
  for (auto& [facility, number] : locals) timeline.add(tables::reports, std::move(facility), std::move(number));
  const std::int64_t lookback = catalogue.parameter("lookback_days", judged.day, lookback_default) * day_micros;
  for (std::size_t rows = 0; !open.empty() && rows < reports_per_check; ++rows) {
    auto row = co_await timeline.next();
    if (!row) co_return pass(row.error());
    if (!*row) break;
    const std::int64_t when = -integer(**row, 2);
    if (order.as_of.micros - when > lookback) break;  // newest first: all further ones are older
    // Older than any that could be recognised, and there is a newer one to decide on: nothing better follows.
    std::erase_if(open, [&](const auto& each) {
      return each.offered && order.as_of.micros - when > reach_of(*each.item, lookback);
    });
    if (open.empty()) break;
    const auto id = ReportId::from_bytes(text(**row, 3));
    if (!id) continue;
    std::size_t first = priors.found().size();
    if (integer(**row, 7) <= order.as_of.micros || !asked.as_of) {
      auto taken = priors.take(text(**row, 11), status_of(text(**row, 5)), *id,
                               static_cast<std::uint64_t>(integer(**row, 4)), text(**row, 9), text(**row, 0));
      if (!taken) co_return pass(taken.error());
    } else {  // what the report said then
      port::Scan scan;
      scan.prefix = {text(**row, 3)};
      scan.backward = true;
      auto versions = co_await store_.scan(tables::report_versions, std::move(scan));
      if (!versions) co_return pass(versions.error());
      const auto then = std::find_if(versions->begin(), versions->end(),
                                     [&](const auto& version) { return integer(version, 3) <= order.as_of.micros; });
      if (then == versions->end()) continue;
      auto taken = priors.take(text(*then, 6), status_of(text(*then, 2)), *id,
                               static_cast<std::uint64_t>(integer(*then, 1)), text(*then, 5), text(*then, 7));
      if (!taken) co_return pass(taken.error());
    }
    // Nothing older than a recognisable result is of interest for its item.
    for (; first < priors.found().size(); ++first) {
      const auto& prior = priors.found()[first].prior;
      if (prior.sensitive) continue;
      std::erase_if(open, [&](auto& each) {
        const auto& loincs = each.item->loincs;
        if (std::find(loincs.begin(), loincs.end(), prior.loinc) == loincs.end()) return false;
        const auto verdict = recognition::judge(*each.item, lines[each.line], order, prior, catalogue).verdict;
        each.offered = each.offered || verdict == Verdict::clinician_decides;
        return verdict == Verdict::recognisable;
      });
    }
  }

  std::vector<recognition::Prior> all;
  for (const auto& found : priors.found()) all.push_back(found.prior);
  auto shown_lines = lines;
  for (std::size_t i = 0; i < lines.size(); ++i) {
    if (hidden[i]) shown_lines[i] = {};  // of no code that anything is known of
  }
  const auto decision = recognition::decide(order, shown_lines, all, catalogue);
  judged.extent = decision.extent;
  for (std::size_t i = 0; i < decision.lines.size(); ++i) {
    const auto& decided = decision.lines[i];
    JudgedLine line;
    line.asked = asked.lines[i];
    line.hidden = hidden[i];
    line.verdict = decided.verdict;
    line.reasons = hidden[i] ? std::vector{Reason::no_result} : decided.reasons;
    if (decided.panel) {
      line.is_panel = true;
      line.item = decided.panel->code;
      line.name_zh = decided.panel->name_zh;
      line.name_en = decided.panel->name_en;
    } else if (!decided.items.empty()) {
      line.item = decided.items.front().item->code;
      line.is_panel = decided.items.size() > 1;
      for (const auto& part : decided.items) {
        line.name_zh += (line.name_zh.empty() ? "" : "、") + part.item->name_zh;
        line.name_en += (line.name_en.empty() ? "" : ", ") + part.item->name_en;
      }
    }
    if (line.name_zh.empty())
      line.name_zh = line.name_en = !line.asked.name.empty() ? line.asked.name : line.asked.code;
    std::int64_t sum = 0;
    bool priced = !decided.items.empty();
    for (const auto& part : decided.items) {
      JudgedItem item;
      item.code = part.item->code;
      item.name_zh = part.item->name_zh;
      item.name_en = part.item->name_en;
      item.required = part.required;
      item.is_exam = part.item->is_exam;
      item.verdict = part.verdict;
      item.reasons = part.reasons;
      for (const auto& candidate : part.candidates) {
        if (item.candidates.size() == candidates_shown) {
          item.more = part.candidates.size() - candidates_shown;
          break;
        }
        ShownResult shown = priors.shown(priors.found()[candidate.prior]);
        shown.item = item.code;
        shown.name_zh = item.name_zh;
        shown.name_en = item.name_en;
        shown.verdict = candidate.verdict;
        shown.reasons = candidate.reasons;
        shown.window_days = candidate.window_days;
        shown.window_assumed = part.item->window_assumed;
        shown.age_seconds = candidate.age_seconds;
        shown.mark_differs = candidate.mark_differs;
        if (candidate.mark) {
          shown.mark_code = candidate.mark->code;
          shown.mark_zh = candidate.mark->text_zh;
          shown.mark_en = candidate.mark->text_en;
        }
        item.candidates.push_back(std::move(shown));
      }
      const auto price = catalogue.price(requester->code, item.code, judged.day);
      priced = priced && price;
      sum += price.value_or(0);
      line.items.push_back(std::move(item));
    }
    if (const auto whole =
            decided.panel ? catalogue.price(requester->code, decided.panel->code, judged.day) : std::nullopt) {
      line.price_fen = *whole;
    } else if (priced) {
      line.price_fen = sum;
    }
    judged.lines.push_back(std::move(line));
  }
  judged.asked = std::move(asked);
  co_return Result<void>();
}

net::awaitable<Result<void>> Recognition::append(std::string_view kind, RecordId id, std::string key,
                                                 std::string json) {
  port::Record record;
  record.id = id;
  record.key = std::move(key);
  record.kinds = kind;
  record.json = std::move(json);
  std::vector<port::Record> batch;
  batch.push_back(std::move(record));
  auto appended = co_await log_.append(port::Topic::operations, std::move(batch));
  if (!appended) co_return pass(appended.error());
  co_return Result<void>();
}

net::awaitable<Result<void>> Recognition::record(JudgedOrder& judged) {
  std::string bytes = random_bytes(16);
  // A card's uuid is the decision's with its line + 1 in the last byte: version 8 of RFC 9562, whose bits these are.
  bytes[6] = static_cast<char>((bytes[6] & 0x0F) | 0x80);
  bytes[8] = static_cast<char>((bytes[8] & 0x3F) | 0x80);
  bytes.back() = 0;
  model::RecognitionDecided decided = decided_of(judged);
  decided.id = RecordId::from_bytes(bytes).value_or(RecordId());
  auto appended = co_await append(model::recognition_decided_kind, decided.id,
                                  decided.facility + "/" + decided.id.hex(), model::write(decided));
  if (!appended) co_return pass(appended.error());
  judged.decision = decided.id;
  co_return Result<void>();
}

net::awaitable<Result<void>> Recognition::record(model::RecognitionOutcome outcome) {
  outcome.id = RecordId::from_bytes(random_bytes(16)).value_or(RecordId());
  outcome.at = clock_.now();
  co_return co_await append(model::recognition_outcome_kind, outcome.id,
                            outcome.facility + "/" + outcome.decision.hex(), model::write(outcome));
}

net::awaitable<Result<model::RecognitionDecided>> Recognition::decision(const access::Permit&, RecordId id) {
  auto row = co_await store_.get(tables::recognition_decisions, {std::string(id.view())});
  if (!row) co_return pass(row.error());
  if (!*row) co_return fail(ErrorCode::not_found, "no decision is known under this id");
  co_return model::read_recognition_decided(text(**row, 1));
}

net::awaitable<Result<ShownReport>> Recognition::report(const access::Permit& permit, std::string id) {
  auto answer = co_await clinical_.read(permit, model::ViewKind::report, std::move(id));
  if (!answer) co_return pass(answer.error());
  const auto& view = *answer->matches.front().report;
  const auto& report = view.report;
  if (!report.labels.empty()) co_return fail(ErrorCode::forbidden, "this report is not shown here");
  ShownReport shown;
  shown.title = !report.service.display.empty() ? report.service.display : report.service.mapped_display;
  const auto directory = rules_().facilities;
  const auto* facility = directory->find(report.issuer);
  shown.facility_zh = facility ? facility->name_zh : std::string(report.issuer);
  shown.facility_en = facility && !facility->name_en.empty() ? facility->name_en : shown.facility_zh;
  shown.sampled = !report.specimen.collected.iso.empty() ? report.specimen.collected.iso : report.observed.iso;
  shown.reported = report.issued.iso;
  shown.status = model::to_string(report.status);
  shown.version = view.version;
  shown.accession = report.exam.accession;
  shown.image_url = viewer_of(report.exam);
  for (const auto& item : report.observations) {
    if (!item.labels.empty()) continue;
    // What an examination concluded is a diagnosis, and no part of recognition.
    if (report.is_exam) continue;
    shown.lines.push_back({std::string(!item.code.display.empty() ? item.code.display : item.code.mapped_display),
                           value_of(item.value), std::string(item.value.unit), interval_of(item.interval),
                           flags_of(item)});
  }
  if (report.is_exam) shown.findings = report.exam.findings;
  co_return shown;
}

net::awaitable<Result<void>> Recognition::counts(const access::Permit&, CountSearch search,
                                                 std::function<void(const Counted&)> take) {
  const auto executor = co_await net::this_coro::executor;
  const auto fits = [](const std::string& asked, const std::string& is) { return asked.empty() || asked == is; };
  for (std::optional<port::Key> after;;) {
    port::Scan scan;
    scan.after = after;
    scan.from = port::Cell(search.from);
    scan.to = port::Cell(search.to);
    auto rows = co_await store_.scan(tables::recognition_counts, std::move(scan));
    if (!rows) co_return pass(rows.error());
    for (const auto& row : *rows) {
      const Counted one{text(row, 0), text(row, 1), text(row, 2), text(row, 3), text(row, 4), integer(row, 5)};
      if (fits(search.facility, one.facility) && fits(search.department, one.department) && fits(search.item, one.item))
        take(one);
    }
    if (rows->size() < 1000) co_return Result<void>();
    after = port::Key(rows->back().begin(), rows->back().begin() + 5);
    co_await net::post(executor, net::use_awaitable);
  }
}

net::awaitable<Result<Notices>> Recognition::notices(const access::Permit&, std::string facility, NoticeSearch search) {
  port::Scan scan;
  scan.prefix = {facility};
  scan.limit = search.limit + 1;
  if (search.since) scan.to = port::Cell(-search.since->micros - 1);
  if (!search.position.empty()) {  // hex of what follows the facility in the key of the last row shown
    auto after = notice_key(facility, search.position);
    if (!after) co_return fail(ErrorCode::invalid, "page: expected what the answer before gave as next");
    scan.after = std::move(*after);
  }
  Notices answer;
  std::string last;
  for (std::size_t looked_at = 0;;) {
    auto rows = co_await store_.scan(tables::recognition_notices, scan);
    if (!rows) co_return pass(rows.error());
    for (const auto& row : *rows) {
      const bool repeated = text(row, 5) == "repeated";
      if (search.kind.empty() || repeated == (search.kind == "repeated")) {
        if (answer.found.size() == search.limit) {
          answer.next = last;
          co_return answer;
        }
        auto notice = co_await notice_of(row, repeated);
        if (!notice) co_return pass(notice.error());
        answer.found.push_back(std::move(*notice));
      }
      last = notice_position(row);
    }
    looked_at += rows->size();
    if (rows->size() < scan.limit) co_return answer;
    if (looked_at >= notices_per_look) {  // of another kind, most of them
      answer.next = last;
      co_return answer;
    }
    scan.after = port::Key(rows->back().begin(), rows->back().begin() + 5);
  }
}

net::awaitable<Result<Notice>> Recognition::notice_of(const port::Row& row, bool repeated) {
  Notice notice;
  notice.repeated = repeated;
  notice.facility = text(row, 0);
  notice.at = {-integer(row, 1)};
  notice.report = to_hex(text(row, 2));
  notice.version = static_cast<std::uint64_t>(integer(row, 3));
  notice.decision = to_hex(text(row, 4));
  std::vector<port::Lookup> lookups;
  lookups.push_back({&tables::recognition_uses, {text(row, 2), text(row, 4)}});
  lookups.push_back({&tables::recognition_decisions, {text(row, 4)}});
  auto more = co_await store_.get_many(std::move(lookups));
  if (!more) co_return pass(more.error());
  if (repeated) {  // nobody was shown it
    notice.use = "repeated";
    notice.shown = notice.version;
  } else {
    notice.status = text(row, 5);
    if (const auto& use = (*more)[0]) {
      notice.use = text(*use, 4);
      notice.shown = static_cast<std::uint64_t>(integer(*use, 2));
    }
  }
  if (const auto& decision = (*more)[1]) {
    if (auto decided = model::read_recognition_decided(text(*decision, 1))) {
      notice.practitioner = decided->practitioner;
      notice.department = decided->department;
      notice.order = decided->order;
      for (const auto& line : decided->lines) {
        for (const auto& result : line.results) {
          if (result.report == notice.report && notice.item.empty()) notice.item = result.item;
        }
      }
    }
  }
  co_return notice;
}

}  // namespace hutong::query
