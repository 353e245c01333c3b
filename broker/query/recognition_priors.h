// The earlier results that a decision weighs, out of the reports as the store has them: of each version of a report
// what is wanted, who performed it, when and with what; and how a result is said where it is shown. Lives for one
// query; one thread.
#pragma once

#include <deque>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "broker/base/arena.h"
#include "broker/query/recognition.h"

namespace hutong::query {

std::string value_of(const model::Value& value);
std::string interval_of(const model::Interval& interval);
std::string flags_of(const model::Observation& item);
// Where a doctor can open the images now: a viewer's address. Images that only a program could fetch do not count.
model::Text viewer_of(const model::Exam& exam);

class Priors {
 public:
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

  // Of an order that came as a message, its own result is none from before, should the message be late.
  Priors(const RecognitionRules& rules, std::set<std::string, std::less<>> wanted, const AskedOrder& asked);

  // Takes what is wanted out of one version of a report. Errors: corrupt.
  Result<void> take(const std::string& body, model::ResultStatus status, const ReportId& id, std::uint64_t version,
                    const std::string& event, const std::string& facility);
  const std::deque<Found>& found() const { return found_; }
  ShownResult shown(const Found& found) const;

 private:
  Found& begin(Kept& kept, std::size_t index, model::Text loinc, const model::Party& performer,
               model::ResultStatus status, bool sensitive);
  void times(Found& made, const model::Moment& sampled, const model::Moment& reported) const;

  const RecognitionRules& rules_;
  std::set<std::string, std::less<>> wanted_;
  std::string own_facility_, own_order_;
  std::deque<Found> found_;
  std::deque<Kept> kept_;
  std::optional<Arena> scratch_;
};

}  // namespace hutong::query
