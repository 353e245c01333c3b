// The clinical read side: persons with all their local records, reports and what is in them, orders, stays, facilities.
// Reads the store's rows, joins local patients to persons at read time, and gives views with an owner. Every function
// takes a permit, which only access::Gate makes: no patient's data is read without a decision and its audit record. The
// permit must live until the awaitable resumes. Threads: any; no state of its own but immutable settings.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "broker/access/permit.h"
#include "broker/base/error.h"
#include "broker/identity/candidate.h"
#include "broker/identity/weights.h"
#include "broker/model/facility.h"
#include "broker/model/views.h"
#include "broker/port/store.h"
#include "broker/query/clinical_search.h"

namespace hutong::query {

// Rows that one page may look at before it is given short, with a link to go on.
inline constexpr std::size_t rows_per_page = 5'000;
// Local patients that one search for persons may find before it is refused.
inline constexpr std::size_t candidates_per_search = 2'000;
inline constexpr std::size_t ids_per_search = 200;

struct Graded {
  double chance = 0;  // that it is who was looked for
  bool certain = false, probable = false;
};

// What a query found, and the owner of everything its views point to. Moves keep the views valid.
struct Answer {
  struct HeldReport {
    explicit HeldReport(std::size_t bytes) : arena(bytes) {}
    Arena arena;
    model::ReportView view;
  };
  struct HeldEncounter {
    Arena arena{2048};
    model::EncounterView view;
  };
  struct HeldOrder {
    Arena arena{2048};
    model::OrderView view;
  };
  struct HeldPerson {
    Arena arena{4096};
    model::PersonView view;
  };
  std::deque<HeldReport> reports;
  std::deque<HeldEncounter> encounters;
  std::deque<HeldOrder> orders;
  std::deque<HeldPerson> persons;
  std::deque<model::Facility> facilities;
  std::vector<model::View> matches, includes;
  std::vector<Graded> grades;  // of the matches, where they were weighed
  std::string next;         // position of the next page; "" nothing further
  std::size_t counted = 0;  // count_only: how many
  port::Offset offset = 0;  // how much of the log is reflected: of each partition the first so many, together this
};

// The facilities of this moment; swapped whole at SIGHUP.
using Facilities = std::function<std::shared_ptr<const model::FacilityDirectory>()>;

class Clinical {
 public:
  // Whether a number is known to stand for "none".
  using IsPlaceholder = std::function<bool(std::string_view number)>;
  // `partitions`: of the log's events, which the store was made from. `weights`: what agreements are worth (match).
  Clinical(port::Store& store, std::string identifier_key, Facilities facilities, std::uint32_t partitions = 1,
           std::shared_ptr<const identity::Weights> weights = std::make_shared<identity::Weights>(),
           IsPlaceholder is_placeholder = {})
      : store_(store),
        identifier_key_(std::move(identifier_key)),
        facilities_(std::move(facilities)),
        partitions_(partitions),
        weights_(std::move(weights)),
        is_placeholder_(std::move(is_placeholder)) {}

  // One thing by its id, now. Errors: not_found; gone (an item that an earlier version of the report held).
  net::awaitable<Result<Answer>> read(const access::Permit& permit, model::ViewKind kind, std::string id);
  // One version of a report or of what is in it; of anything else the current one. Errors: not_found.
  net::awaitable<Result<Answer>> version(const access::Permit& permit, model::ViewKind kind, std::string id,
                                         std::uint64_t version);
  // A report's versions, newest first; an item's only where its content differs from the version before. Of persons,
  // stays, placed orders and facilities only the current version is kept.
  net::awaitable<Result<Answer>> history(const access::Permit& permit, model::ViewKind kind, std::string id);

  net::awaitable<Result<Answer>> persons(const access::Permit& permit, PersonSearch search);
  // Persons who may be whom `subject` describes, the likeliest first, each with its grade; by the same evidence and weights
  // as the matcher links by. `only_certain`: those it would link, and only where it is one.
  net::awaitable<Result<Answer>> match(const access::Permit& permit, model::Subject subject, std::size_t count,
                                       bool only_certain);
  // Reports, their parts, orders and encounters. Errors: too_costly (neither patient nor id), invalid (position).
  net::awaitable<Result<Answer>> results(const access::Permit& permit, ResultSearch search);
  net::awaitable<Result<Answer>> facilities(const access::Permit& permit, FacilitySearch search);
  // The person, their facilities, stays and reports with all parts, in pages.
  net::awaitable<Result<Answer>> everything(const access::Permit& permit, PersonId person, std::size_t count,
                                            std::string position);
  // The newest `max` observations of each code; cancelled and withdrawn ones are left out unless a status is asked for.
  net::awaitable<Result<Answer>> latest(const access::Permit& permit, ResultSearch search, std::size_t max);

 private:
  struct Local {
    std::string facility, number;
  };
  net::awaitable<Result<Answer>> begin();
  net::awaitable<Result<PersonId>> person_of(std::string facility, std::string number);
  // Follows replaced_by to the person that stands today, and its local patients.
  net::awaitable<Result<std::pair<PersonId, std::vector<Local>>>> members_of(PersonId person);
  net::awaitable<Result<bool>> conflicts_over_card(const identity::Candidate& asked, PersonId person);
  net::awaitable<Result<const model::PersonView*>> load_person(Answer& answer, PersonId id);
  net::awaitable<Result<std::vector<PersonId>>> candidates(const PersonSearch& search);
  net::awaitable<Result<void>> gather(port::Scan scan, const port::Table& table, std::size_t facility_column,
                                      std::vector<Local>& found);
  net::awaitable<Result<const model::ReportView*>> load_report(Answer& answer, ReportId id);
  net::awaitable<Result<void>> load_versions(Answer& answer, ReportId id);
  net::awaitable<Result<const model::EncounterView*>> load_encounter(Answer& answer, EncounterId id);
  net::awaitable<Result<const model::OrderView*>> load_order(Answer& answer, OrderId id);
  net::awaitable<Result<std::vector<std::string>>> orders_numbered(std::vector<Token> numbers);
  net::awaitable<Result<void>> by_ids(Answer& answer, const ResultSearch& search);
  net::awaitable<Result<void>> include(Answer& answer, const std::vector<model::ViewKind>& kinds);
  net::awaitable<Result<void>> include_of_persons(Answer& answer, const std::vector<model::ViewKind>& kinds);
  const model::Facility* facility(Answer& answer, std::string_view code);

  port::Store& store_;
  std::string identifier_key_;
  Facilities facilities_;
  std::uint32_t partitions_;
  std::shared_ptr<const identity::Weights> weights_;
  IsPlaceholder is_placeholder_;
};

}  // namespace hutong::query
