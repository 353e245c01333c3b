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

}  // namespace

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
  for (const auto& row : *found) {
    const auto referral = row ? referral::read_referral(text(*row, 13)) : tl::unexpected(Error{});
    if (!referral) continue;
    for (const auto& facility : facilities) {
      if (referral::may_read(*referral, facility, "report", report, *by.rules, now_()))
        co_return std::optional(referral->id);
    }
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
    const bool labelled = !report.labels.empty() || std::any_of(report.observations.begin(), report.observations.end(),
                                                                [](const auto& item) { return !item.labels.empty(); });
    if (labelled || !is_valid(report.status) || now - at > *oldest) continue;
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

net::awaitable<Result<void>> Referrals::check_documents(PersonId person,
                                                        std::vector<model::ReferralDocument>& documents) {
  for (std::size_t i = 0; i < documents.size(); ++i) {
    auto& document = documents[i];
    if (document.kind != "report") continue;
    const auto place = "documents[" + std::to_string(i) + "]: ";
    const auto id = ReportId::from_hex(document.id);
    auto row = id ? co_await store_.get(tables::report_ids, {std::string(id->view())})
                  : Result<std::optional<port::Row>>(std::nullopt);
    if (!row) co_return pass(row.error());
    const auto nothing = [&] {
      return fail(ErrorCode::invalid, place + "no report of this patient has this id; see /api/v1/referrals/proposals");
    };
    if (!*row) co_return nothing();
    const std::string facility = text(**row, 1), number = text(**row, 2);
    auto whose = co_await store_.get(tables::person_of, {facility, number});
    if (!whose) co_return pass(whose.error());
    const auto linked = *whose ? PersonId::from_bytes(text(**whose, 2)) : std::nullopt;
    if (linked.value_or(model::first_person_id(facility, number)) != person) co_return nothing();
    const auto current = static_cast<std::uint64_t>(integer(**row, 4));
    if (document.version == 0) document.version = current;
    if (document.version > current) co_return nothing();
  }
  co_return Result<void>();
}

}  // namespace hutong::query
