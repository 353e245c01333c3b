// What was told and decided goes into the log, and is read back.
#include "broker/query/recognition.h"

#include <algorithm>

#include "broker/port/tables.h"
#include "broker/query/recognition_priors.h"
#include "broker/query/rows.h"

namespace hutong::query {
namespace {

namespace tables = port::tables;
using recognition::Reason;
using recognition::Verdict;

tl::unexpected<Error> pass(const Error& error) {
  return tl::unexpected<Error>(error);
}

}  // namespace

std::string area_time(const std::string& iso, int zone_minutes) {
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
  decided.zone_day = recognition::day_of(judged.at, judged.by.zone_minutes);
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

}  // namespace hutong::query
