#include "broker/pipeline/effects_recognition.h"

#include <algorithm>
#include <map>
#include <set>

#include "broker/base/hash.h"
#include "broker/model/event_json.h"
#include "broker/model/views.h"
#include "broker/port/tables.h"

namespace hutong::pipeline {
namespace {

namespace tables = port::tables;
using model::OfferedResult;
using model::OutcomeKind;
using model::Report;
using model::ResultStatus;
using port::Row;

constexpr std::size_t everything = 1'000'000;  // more than any report has of versions or of readers

const std::string& text_in(const Row& row, std::size_t column) {
  return std::get<std::string>(row[column]);
}
std::int64_t number_in(const Row& row, std::size_t column) {
  return std::get<std::int64_t>(row[column]);
}

// How a line stands: "-" nothing was offered, "o" offered, "r" recognised, "n:MEASURE:y" refused, counted so and the
// patient told (":n": not told), "s" the same line was asked again and counts there; "!" at the end: someone looked.
using States = std::vector<std::string>;

std::string join(const States& states) {
  std::string json = "[";
  for (const auto& state : states) json += (json.size() > 1 ? ",\"" : "\"") + state + "\"";
  return json + "]";
}

// Of what join() wrote: codes hold no quotes (they are checked where they are taken in).
States split(std::string_view json) {
  States states;
  for (std::size_t at = json.find('"'); at != std::string_view::npos; at = json.find('"', at)) {
    const auto end = json.find('"', at + 1);
    if (end == std::string_view::npos) break;
    states.emplace_back(json.substr(at + 1, end - at - 1));
    at = end + 1;
  }
  return states;
}

bool is_viewed(const std::string& state) {
  return state.size() > 1 && state.back() == '!';
}
std::string without_view(const std::string& state) {
  return is_viewed(state) ? state.substr(0, state.size() - 1) : state;
}

// It was ordered by a message without anybody having been told that it could be recognised.
bool is_repeated(const model::RecognitionDecided& decided, const model::DecidedLine& line) {
  return decided.by_message() && line.verdict == "recognisable";
}

// What a decision counts as, by item ("": the order itself) and measure. The counters are the sum of these over all
// decisions, and move by the difference when a line comes to stand otherwise.
using Counts = std::map<std::pair<std::string, std::string>, std::int64_t>;

Counts counts_of(const model::RecognitionDecided& decided, const States& states) {
  Counts counts;
  if (decided.follows) return counts;  // an order by message, counted where its doctor was told
  bool stands = decided.lines.empty(), offered = false, seen = false;
  for (std::size_t i = 0; i < states.size() && i < decided.lines.size(); ++i) {
    const auto& line = decided.lines[i];
    const auto state = without_view(states[i]);
    if (state == "s") continue;
    stands = true;
    const auto add = [&](const std::string& measure, std::int64_t by = 1) { counts[{line.item, measure}] += by; };
    add("ordered");
    add(line.verdict);
    if (is_repeated(decided, line)) add("repeated");
    if (state != "-") {
      offered = true;
      add("offered");
    }
    if (is_viewed(states[i])) {
      seen = true;
      add("viewed");
    }
    if (state == "r") {
      add("recognised");
      add("saved-fen", std::max<std::int64_t>(0, line.price_fen));
    } else if (state.starts_with("n:")) {
      add(state.substr(2, state.size() - 4));
      if (state.back() == 'y') add("told");
    }
  }
  if (stands) counts[{"", "orders"}] = 1;
  if (stands && decided.encounter == "emergency") counts[{"", "emergency"}] = 1;
  if (offered) counts[{"", "prompts"}] = 1;
  if (seen) counts[{"", "looked-at"}] = 1;
  return counts;
}

bool same_offer(const std::vector<OfferedResult>& a, const std::vector<OfferedResult>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](const auto& one, const auto& other) {
    return one.report == other.report && one.version == other.version && one.observation == other.observation;
  });
}

// By what an ordered line is known when a system asks again: after a timeout, at signing what it asked about at
// selecting. "" where the requester names neither the order nor the line: then each question is an order.
std::string line_key(const model::RecognitionDecided& decided, std::size_t index) {
  const auto& line = decided.lines[index];
  if (decided.order.empty() && line.reference.empty()) return {};
  std::string name;
  for (const std::string* part :
       {&decided.facility, &decided.person, &decided.zone_day, &decided.order, &line.reference, &line.code})
    name += *part + '\x1F';
  // Which of those that are named alike: the same code twice, or lines that are not shown and so have none.
  name += std::to_string(
      std::count_if(decided.lines.begin(), decided.lines.begin() + static_cast<std::ptrdiff_t>(index),
                    [&](const auto& other) { return other.reference == line.reference && other.code == line.code; }));
  return std::string(as_view(sha256(name)).substr(0, 16));
}

// The decisions that a record touches, and what they counted as before it.
class Fold {
 public:
  struct Standing {
    Row row;
    model::RecognitionDecided decided;
    States states;
    Counts before;
  };

  explicit Fold(Overlay& overlay) : overlay_(overlay) {}

  // nullptr: of a decision that this log does not have.
  net::awaitable<Standing*> get(std::string id) {
    if (const auto found = standing_.find(id); found != standing_.end()) co_return &found->second;
    const Row* row = co_await overlay_.get(tables::recognition_decisions, {id});
    if (!row) co_return nullptr;
    Standing standing{*row, {}, split(text_in(*row, 2)), {}};
    auto decided = model::read_recognition_decided(text_in(*row, 1));
    if (!decided) co_return nullptr;
    standing.decided = std::move(*decided);
    standing.states.resize(standing.decided.lines.size(), "-");
    standing.before = counts_of(standing.decided, standing.states);
    co_return &standing_.emplace(std::move(id), std::move(standing)).first->second;
  }

  Standing& add(model::RecognitionDecided decided, States states) {
    const std::string id(decided.id.view());
    Row row{id, model::write(decided), std::string(), decided.zone_day, decided.facility, decided.at.micros};
    Standing standing{std::move(row), std::move(decided), std::move(states), {}};
    return standing_.emplace(id, std::move(standing)).first->second;
  }

  // Where a line counts now: itself, or where it was asked again.
  struct Line {
    Standing* standing = nullptr;
    std::size_t index = 0;
    std::string& state() const { return standing->states[index]; }
  };
  net::awaitable<Line> standing_line(Standing& asked, std::size_t index) {
    if (without_view(asked.states[index]) != "s") co_return Line{&asked, index};
    const Row* row = co_await overlay_.get(tables::recognition_lines, {line_key(asked.decided, index)});
    if (!row) co_return Line{};
    Standing* later = co_await get(text_in(*row, 1));
    const auto at = static_cast<std::size_t>(number_in(*row, 2));
    if (!later || at >= later->states.size()) co_return Line{};
    co_return Line{later, at};
  }

  net::awaitable<void> finish() {
    for (auto& [id, standing] : standing_) {
      auto moved = counts_of(standing.decided, standing.states);
      for (const auto& [what, count] : standing.before) moved[what] -= count;
      for (const auto& [what, by] : moved) co_await count(standing.decided, what.first, what.second, by);
      standing.row[2] = join(standing.states);
      overlay_.put(tables::recognition_decisions, std::move(standing.row));
    }
    standing_.clear();
  }

 private:
  net::awaitable<void> count(const model::RecognitionDecided& decided, std::string item, std::string measure,
                             std::int64_t by) {
    if (by == 0) co_return;
    port::Key key{decided.zone_day, decided.facility, decided.department, std::move(item), std::move(measure)};
    std::int64_t now = by;
    if (const Row* row = co_await overlay_.get(tables::recognition_counts, key)) now += number_in(*row, 5);
    if (now == 0) {
      overlay_.erase(tables::recognition_counts, std::move(key));
      co_return;
    }
    Row row(key.begin(), key.end());
    row.emplace_back(now);
    overlay_.put(tables::recognition_counts, std::move(row));
  }

  Overlay& overlay_;
  std::map<std::string, Standing> standing_;
};

bool is_withdrawn(ResultStatus status) {
  return status == ResultStatus::cancelled || status == ResultStatus::entered_in_error;
}

// What a doctor was shown of an item.
bool same_word(const model::Observation& a, const model::Observation& b) {
  return a.status == b.status && a.value.sent == b.value.sent && a.value.number == b.value.number &&
         a.value.comparator == b.value.comparator && a.value.coded.code == b.value.coded.code &&
         a.value.coded.display == b.value.coded.display && a.value.unit == b.value.unit &&
         a.interval.sent == b.interval.sent && a.interval.low == b.interval.low && a.interval.high == b.interval.high &&
         std::equal(a.flags.begin(), a.flags.end(), b.flags.begin(), b.flags.end());
}

// Whether the laboratory changed its word on what was shown: a report that merely grew by other items did not.
// `shown`: FHIR ids of observations, each followed by a blank.
bool changed(const Report& before, const Report& now, std::string_view shown) {
  if (is_withdrawn(now.status) != is_withdrawn(before.status)) return true;
  if (now.is_exam || shown.empty()) return true;
  const auto ids_before = model::item_ids(before), ids_now = model::item_ids(now);
  for (std::size_t from = 0; from < shown.size();) {
    const auto end = std::min(shown.find(' ', from), shown.size());
    const auto id = shown.substr(from, end - from);
    from = end + 1;
    const auto was = std::find(ids_before.begin(), ids_before.end(), id);
    const auto is = std::find(ids_now.begin(), ids_now.end(), id);
    if (was == ids_before.end() || is == ids_now.end()) return true;
    if (!same_word(before.observations[static_cast<std::size_t>(was - ids_before.begin())],
                   now.observations[static_cast<std::size_t>(is - ids_now.begin())]))
      return true;
  }
  return false;
}

void tell(Overlay& overlay, const std::string& facility, std::int64_t at, const std::string& report,
          std::int64_t version, const std::string& decision, std::string status) {
  overlay.put(tables::recognition_notices, {facility, -at, report, version, decision, std::move(status)});
}

// The report was shown in `version`: kept for the day on which it is corrected, which may have been already.
net::awaitable<void> use(Overlay& overlay, const model::RecognitionDecided& decided, const OfferedResult& result,
                         std::string_view how) {
  const auto id_read = ReportId::from_hex(result.report);
  if (!id_read) co_return;
  const std::string id(id_read->view()), decision(decided.id.view());
  // The oldest version that it showed: every later one is to be told, also where a look at the new one came meanwhile.
  auto version = static_cast<std::int64_t>(result.version);
  std::string shown;
  if (const Row* row = co_await overlay.get(tables::recognition_uses, {id, decision})) {
    version = std::min(version, number_in(*row, 2));
    shown = text_in(*row, 6);
  }
  if (const auto one = result.observation + " "; one.size() > 1 && shown.find(one) == std::string::npos) shown += one;
  overlay.put(tables::recognition_uses,
              {id, decision, version, decided.facility, std::string(how), decided.at.micros, shown});

  const Row* where = co_await overlay.get(tables::report_ids, {id});
  if (!where || number_in(*where, 4) <= version) co_return;
  // Versions from the one that was shown, oldest first, the current one last.
  struct Version {
    std::int64_t number, at;
    std::string status, event, body, facility, patient;
  };
  std::vector<Version> versions;
  for (const auto& row : co_await overlay.scan(tables::report_versions, {id}, everything)) {
    versions.push_back({number_in(row, 1), number_in(row, 3), text_in(row, 2), text_in(row, 5), text_in(row, 6),
                        text_in(row, 7), text_in(row, 8)});
  }
  const Row* current =
      co_await overlay.get(tables::reports, {text_in(*where, 1), text_in(*where, 2), number_in(*where, 3), id});
  if (current) {
    versions.push_back({number_in(*current, 4), number_in(*current, 7), text_in(*current, 5), text_in(*current, 9),
                        text_in(*current, 11), text_in(*current, 0), text_in(*current, 1)});
  }
  for (std::size_t i = 1; i < versions.size(); ++i) {
    const auto &was = versions[i - 1], &is = versions[i];
    if (is.number <= version) continue;
    if (is.event == was.event) continue;  // better maps, not another word of the laboratory
    Arena arena;
    Report before, now;
    const bool legible =
        model::read_report(was.body, arena, before).has_value() && model::read_report(is.body, arena, now).has_value();
    before.id = now.id = *id_read;
    const bool moved = was.facility != is.facility || was.patient != is.patient;
    if (!legible || moved || changed(before, now, shown))
      tell(overlay, decided.facility, is.at, id, is.number, decision, is.status);
  }
}

// Stand as one record of the log left them: what is counted by a line's outcome.
std::string after(const std::string& state, const model::LineOutcome& said) {
  std::string was = without_view(state);
  std::string flags = is_viewed(state) ? "!" : "";
  if (was == "-") was = "o";  // nothing to offer when the order was judged, but there was on the page
  if (said.outcome != OutcomeKind::undone) flags = "!";  // whoever decided has looked, too
  switch (said.outcome) {
    case OutcomeKind::viewed: break;
    case OutcomeKind::undone: was = "o"; break;
    case OutcomeKind::recognised: was = "r"; break;
    case OutcomeKind::refused:
      was = "n:" + std::string(said.counted ? "refused:" : "refused-uncounted:") + said.reason +
            (said.counted && said.told.value_or(false) ? ":y" : ":n");
      break;
  }
  return was + flags;
}

// An order that came as a message: nobody was asked. Of what it repeats the facility is told.
void apply_placed(Overlay& overlay, const model::RecognitionDecided& decided) {
  for (const auto& line : decided.lines) {
    if (!is_repeated(decided, line)) continue;
    for (const auto& result : line.results) {
      const auto report = ReportId::from_hex(result.report);
      if (!report) continue;
      tell(overlay, decided.facility, decided.at.micros, std::string(report->view()),
           static_cast<std::int64_t>(result.version), std::string(decided.id.view()), "repeated");
    }
  }
}

// By what an order that comes as a message will know that its doctor was told.
void index_order(Overlay& overlay, const model::RecognitionDecided& decided) {
  const auto name = [&](std::string named) {
    overlay.put(tables::recognition_orders,
                {decided.facility, std::move(named), std::string(decided.id.view()), decided.at.micros});
  };
  if (!decided.order.empty()) {
    name("n" + decided.order);
  } else if (!decided.person.empty()) {
    name("p" + decided.person);
  }
  for (const auto& line : decided.lines) {
    if (!line.reference.empty()) name("r" + line.reference);
  }
}

}  // namespace

net::awaitable<void> apply(Overlay& overlay, model::RecognitionDecided decided) {
  const std::string id(decided.id.view());
  if (decided.by_message()) overlay.erase(tables::pending, {static_cast<std::int64_t>(port::Topic::operations), id});
  if (co_await overlay.get(tables::recognition_decisions, {id})) co_return;  // met before
  Fold fold(overlay);
  if (decided.by_message()) {
    apply_placed(overlay, decided);
    States states(decided.lines.size(), "-");
    fold.add(std::move(decided), std::move(states));
    co_return co_await fold.finish();
  }
  index_order(overlay, decided);
  States states;
  for (const auto& line : decided.lines) {
    // Emergency orders are not interrupted: nobody was asked.
    const bool open = !line.results.empty() && line.verdict != "not-recognisable" && decided.encounter != "emergency";
    states.push_back(open ? "o" : "-");
  }
  for (std::size_t i = 0; i < decided.lines.size(); ++i) {
    const auto key = line_key(decided, i);
    if (key.empty()) continue;
    if (const Row* row = co_await overlay.get(tables::recognition_lines, {key})) {
      const auto at = static_cast<std::size_t>(number_in(*row, 2));
      auto* earlier = co_await fold.get(text_in(*row, 1));
      if (earlier && at < earlier->states.size()) {
        // What was decided on the same offer stands.
        if (same_offer(earlier->decided.lines[at].results, decided.lines[i].results)) states[i] = earlier->states[at];
        earlier->states[at] = "s";
      }
    }
    overlay.put(tables::recognition_lines, {key, id, static_cast<std::int64_t>(i)});
  }
  for (const auto& line : decided.lines) {
    for (const auto& result : line.results) co_await use(overlay, decided, result, "offered");
  }
  fold.add(std::move(decided), std::move(states));
  co_await fold.finish();
}

net::awaitable<void> apply(Overlay& overlay, model::RecognitionOutcome outcome) {
  const std::string id(outcome.id.view());
  if (co_await overlay.get(tables::recognition_seen, {id})) co_return;
  overlay.put(tables::recognition_seen, {id, outcome.at.micros});
  Fold fold(overlay);
  auto* asked = co_await fold.get(std::string(outcome.decision.view()));
  if (!asked) co_return;  // of a decision that this log does not have: nothing to count it with
  const auto& lines = asked->decided.lines;
  for (const auto& said : outcome.lines) {
    if (said.line >= lines.size()) continue;
    const auto counts = co_await fold.standing_line(*asked, said.line);
    if (!counts.standing) continue;
    // Asked again since, on another offer: an answer to the old one decides nothing of the new.
    const auto& offer = said.results.empty() ? lines[said.line].results : said.results;
    if (counts.standing != asked && !same_offer(offer, counts.standing->decided.lines[counts.index].results)) continue;
    counts.state() = after(counts.state(), said);
  }
  // One report may stand behind several lines: what is told of it is the weightiest that came of any.
  std::vector<int> weights;
  for (std::size_t i = 0; i < lines.size(); ++i) {
    const auto counts = co_await fold.standing_line(*asked, i);
    const std::string state = counts.standing ? counts.state() : "-";
    weights.push_back(state.starts_with('r') ? 3 : state.starts_with('n') ? 2 : is_viewed(state) ? 1 : 0);
  }
  static constexpr std::string_view uses[] = {"offered", "viewed", "refused", "recognised"};
  for (const auto& said : outcome.lines) {
    if (said.line >= lines.size()) continue;
    for (const auto& result : said.results.empty() ? lines[said.line].results : said.results) {
      int most = weights[said.line];
      for (std::size_t other = 0; other < lines.size(); ++other) {
        const auto& results = lines[other].results;
        const bool same =
            std::any_of(results.begin(), results.end(), [&](const auto& each) { return each.report == result.report; });
        if (same) most = std::max(most, weights[other]);
      }
      co_await use(overlay, asked->decided, result, uses[most]);
    }
  }
  co_await fold.finish();
}

net::awaitable<void> notify_uses(Overlay& overlay, const model::Report* before, const model::Report& now,
                                 std::int64_t version, std::int64_t at) {
  const std::string report(now.id.view());
  for (const auto& row : co_await overlay.scan(tables::recognition_uses, {report}, everything)) {
    if (number_in(row, 2) >= version) continue;  // that version or a later one is what it showed
    if (before && !changed(*before, now, text_in(row, 6))) continue;
    tell(overlay, text_in(row, 3), at, report, version, text_in(row, 1), std::string(to_string(now.status)));
  }
}

}  // namespace hutong::pipeline
