// The records that travel with a referral: what is proposed, and who may read it by the referral alone.
#include <algorithm>

#include "broker/port/tables.h"
#include "broker/query/referrals.h"
#include "broker/query/rows.h"
#include "broker/referral/document.h"

namespace hutong::query {
namespace {

namespace tables = port::tables;

constexpr std::size_t referrals_of_document = 200, reports_looked_at = 500, proposals_max = 100;

tl::unexpected<Error> pass(const Error& error) {
  return tl::unexpected<Error>(error);
}

std::optional<Timestamp> moment_of(const model::Moment& moment) {
  const auto span = parse_iso(moment.iso);
  return span ? std::optional(span->first) : std::nullopt;
}

bool is_valid(model::ResultStatus status) {
  using enum model::ResultStatus;
  return status == final || status == corrected || status == amended;
}

// An item of it would be offered to who orders it again.
bool is_recognisable(const model::Report& report, Timestamp at, Timestamp now,
                     const recognition::Catalogue& catalogue) {
  const auto day = recognition::day_of(now, 480);
  return std::any_of(report.observations.begin(), report.observations.end(), [&](const auto& observation) {
    const auto* item = observation.code.mapped_code.empty() || !is_valid(observation.status)
                           ? nullptr
                           : catalogue.item_of_loinc(observation.code.mapped_code, day);
    if (!item) return false;
    return item->window == recognition::WindowKind::unlimited ||
           (item->window == recognition::WindowKind::days && now - at <= std::chrono::days(item->window_days));
  });
}

bool is_labelled(const model::Report& report) {
  return !report.labels.empty() || std::any_of(report.observations.begin(), report.observations.end(),
                                               [](const auto& item) { return !item.labels.empty(); });
}

}  // namespace

net::awaitable<Result<PersonId>> Referrals::person_of(std::string facility, std::string number) {
  const auto row = co_await store_.get(tables::person_of, {facility, number});
  if (!row) co_return pass(row.error());
  const auto linked = *row ? PersonId::from_bytes(text(**row, 2)) : std::nullopt;
  co_return linked.value_or(model::first_person_id(facility, number));
}

net::awaitable<Result<std::optional<Referrals::ReportNow>>> Referrals::report_now(std::string hex) {
  const auto id = ReportId::from_hex(hex);
  // The row moves when a correction changes its time: a second look finds it at its new place.
  for (int attempt = 0; id && attempt < 2; ++attempt) {
    const auto where = co_await store_.get(tables::report_ids, {std::string(id->view())});
    if (!where) co_return pass(where.error());
    if (!*where) break;
    const std::string facility = text(**where, 1), number = text(**where, 2);
    const auto row = co_await store_.get(tables::reports, {facility, number, integer(**where, 3), text(**where, 0)});
    if (!row) co_return pass(row.error());
    if (!*row) continue;
    Arena arena;
    model::ReportView view;
    if (auto read = read_report_row(**row, arena, view); !read) co_return pass(read.error());
    const auto person = co_await person_of(facility, number);
    if (!person) co_return pass(person.error());
    co_return ReportNow{*person, std::string(view.report.issuer), view.version, is_labelled(view.report)};
  }
  co_return std::optional<ReportNow>();
}

net::awaitable<Result<std::optional<ReferralId>>> Referrals::grant(std::vector<std::string> facilities,
                                                                   std::string report) {
  port::Scan scan;
  scan.prefix = {"report/" + report};
  scan.limit = referrals_of_document;
  const auto rows = co_await store_.scan(tables::referral_documents, std::move(scan));
  if (!rows) co_return pass(rows.error());
  std::vector<port::Lookup> lookups;
  for (const auto& row : *rows) lookups.push_back({&tables::referrals, {row[1]}});
  const auto found = co_await store_.get_many(std::move(lookups));
  if (!found) co_return pass(found.error());
  const auto by = rules_();
  const auto about = rows->empty() ? Result<std::optional<ReportNow>>(std::nullopt) : co_await report_now(report);
  if (!about) co_return pass(about.error());
  if (!*about || (*about)->labelled) co_return std::optional<ReferralId>();
  for (const auto& row : *found) {
    const auto referral = row ? referral::read_referral(text(*row, 13)) : tl::unexpected(Error{});
    if (!referral) continue;
    const bool readable = std::any_of(facilities.begin(), facilities.end(), [&](const auto& facility) {
      return referral::may_read(*referral, facility, "report", report, *by.rules, now_());
    });
    if (!readable) continue;
    // Whoever named it: a correction may have given it to another, a steward may have parted two persons.
    const auto person = co_await person_of(referral->patient_of, referral->patient);
    if (!person) co_return pass(person.error());
    if (*person == (*about)->person) co_return std::optional(referral->id);
  }
  co_return std::optional<ReferralId>();
}

net::awaitable<Result<std::vector<Referrals::Proposal>>> Referrals::proposals(const access::Permit& permit,
                                                                              PersonId person) {
  const auto by = rules_();
  const Timestamp now = now_();
  const auto oldest = referral::duration_of(by.rules->parameter("proposed_for", by.rules->day_of(now)));
  std::vector<Proposal> proposals;
  if (!oldest) co_return proposals;
  ResultSearch search;
  search.kind = model::ViewKind::report;
  search.person = person;
  search.count = reports_looked_at;
  const auto answer = co_await clinical_.results(permit, std::move(search));
  if (!answer) co_return pass(answer.error());
  for (const auto& match : answer->matches) {
    const auto& view = *match.report;
    const auto& report = view.report;
    const auto at = moment_of(report.observed).value_or(moment_of(report.issued).value_or(view.updated));
    if (is_labelled(report) || !is_valid(report.status) || now - at > *oldest) continue;
    Proposal proposal;
    proposal.id = report.id.hex();
    proposal.title = report.service.display.empty() ? report.service.code : report.service.display;
    proposal.facility = report.issuer;
    proposal.status = to_string(report.status);
    proposal.version = view.version;
    proposal.at = at;
    proposal.is_exam = report.is_exam;
    proposal.recognisable = by.catalogue && is_recognisable(report, at, now, *by.catalogue);
    proposals.push_back(std::move(proposal));
    if (proposals.size() == proposals_max) break;
  }
  co_return proposals;
}

net::awaitable<Result<void>> Referrals::check_documents(const access::Permit& permit, model::ReferralCommand& command) {
  using Action = model::ReferralAction;
  const bool names =
      command.action == Action::request || command.action == Action::amend || command.action == Action::report;
  auto& documents = command.documents;
  if (!names ||
      std::none_of(documents.begin(), documents.end(), [](const auto& each) { return each.kind == "report"; }))
    co_return Result<void>();
  auto person = PersonId::from_hex(command.person);
  std::vector<model::ReferralDocument> stand;
  if (command.action != Action::request) {
    const std::vector<std::string> speaker{command.facility};
    auto shown = co_await read(permit, command.referral, speaker);
    if (!shown) co_return pass(shown.error());
    const auto& referral = shown->referral;
    const auto today = co_await person_of(referral.patient_of, referral.patient);
    if (!today) co_return pass(today.error());
    person = *today;
    stand = referral.documents;
    stand.insert(stand.end(), referral.reports.begin(), referral.reports.end());
  }
  const bool reads_reports = permit.principal().has("system/DiagnosticReport.r");
  for (std::size_t i = 0; i < documents.size(); ++i) {
    auto& document = documents[i];
    if (document.kind != "report") continue;
    const bool again = std::any_of(stand.begin(), stand.end(), [&](const auto& other) {
      return other.kind == document.kind && other.id == document.id && other.version >= document.version;
    });
    const auto about = co_await report_now(document.id);
    if (!about) co_return pass(about.error());
    // One answer for all that may not be named: what there is of others is not told.
    const bool may = *about && person == (*about)->person && document.version <= (*about)->version &&
                     (reads_reports || (*about)->issuer == command.facility);
    if (!may && !again) {
      co_return fail(ErrorCode::invalid, "documents[" + std::to_string(i) +
                                             "]: no report of this patient that this client may read has this id; see "
                                             "/api/v1/referrals/proposals");
    }
    if (document.version == 0) document.version = *about ? (*about)->version : 1;
  }
  co_return Result<void>();
}

}  // namespace hutong::query
