#include "broker/pipeline/effects_recognition.h"

#include <algorithm>
#include <map>

#include "broker/port/tables.h"

namespace hutong::pipeline {
namespace {

namespace tables = port::tables;
using model::OutcomeKind;
using port::Row;

// Decisions that showed one report: a busy patient's result is offered at every order; further ones are not told.
constexpr std::size_t uses_per_report = 10'000;
constexpr std::size_t versions_per_report = 1'000;

const std::string& text_in(const Row& row, std::size_t column) {
  return std::get<std::string>(row[column]);
}
std::int64_t number_in(const Row& row, std::size_t column) {
  return std::get<std::int64_t>(row[column]);
}

// How a line stands: "-" nothing was offered, "o" offered, "r" recognised, "n:MEASURE:y" refused, counted so and the
// patient told (":n": not told); "!" at the end: someone looked.
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

net::awaitable<void> add(Overlay& overlay, const model::RecognitionDecided& decided, std::string item,
                         std::string measure, std::int64_t by) {
  if (by == 0) co_return;
  port::Key key{decided.zone_day, decided.facility, decided.department, std::move(item), std::move(measure)};
  std::int64_t count = by;
  if (const Row* row = co_await overlay.get(tables::recognition_counts, key)) count += number_in(*row, 5);
  if (count == 0) {
    overlay.erase(tables::recognition_counts, std::move(key));
    co_return;
  }
  Row row(key.begin(), key.end());
  row.emplace_back(count);
  overlay.put(tables::recognition_counts, std::move(row));
}

void tell(Overlay& overlay, const std::string& facility, std::int64_t at, const std::string& report,
          std::int64_t version, const std::string& decision, std::string status) {
  overlay.put(tables::recognition_notices, {facility, -at, report, version, decision, std::move(status)});
}

// The report was shown in `version`: kept for the day on which it is corrected, which may have been already.
net::awaitable<void> use(Overlay& overlay, const model::RecognitionDecided& decided, const model::OfferedResult& result,
                         std::string_view how) {
  const auto report = ReportId::from_hex(result.report);
  if (!report) co_return;
  const std::string id(report->view()), decision(decided.id.view());
  // The oldest version that it showed: every later one is to be told, also where a look at the new one came meanwhile.
  auto version = static_cast<std::int64_t>(result.version);
  if (const Row* row = co_await overlay.get(tables::recognition_uses, {id, decision}))
    version = std::min(version, number_in(*row, 2));
  overlay.put(tables::recognition_uses, {id, decision, version, decided.facility, std::string(how), decided.at.micros});

  const Row* where = co_await overlay.get(tables::report_ids, {id});
  if (!where || number_in(*where, 4) <= static_cast<std::int64_t>(result.version)) co_return;
  // Versions after the one that was shown, oldest first, the current one last.
  struct Version {
    std::int64_t number, at;
    std::string status, event;
  };
  std::vector<Version> versions;
  for (const auto& row : co_await overlay.scan(tables::report_versions, {id}, versions_per_report)) {
    versions.push_back({number_in(row, 1), number_in(row, 3), text_in(row, 2), text_in(row, 5)});
  }
  const Row* current =
      co_await overlay.get(tables::reports, {text_in(*where, 1), text_in(*where, 2), number_in(*where, 3), id});
  if (current)
    versions.push_back({number_in(*current, 4), number_in(*current, 7), text_in(*current, 5), text_in(*current, 9)});
  for (std::size_t i = 1; i < versions.size(); ++i) {
    const bool healed = versions[i].event == versions[i - 1].event;  // better maps, not another word of the laboratory
    if (versions[i].number > static_cast<std::int64_t>(result.version) && !healed) {
      tell(overlay, decided.facility, versions[i].at, id, versions[i].number, decision, versions[i].status);
    }
  }
}

// An order that came as a message: nobody was asked, so nothing is offered. What could have been recognised is
// repeated, and the facility that ordered is told.
net::awaitable<States> apply_placed(Overlay& overlay, const model::RecognitionDecided& decided) {
  if (decided.follows) co_return States();  // counted when its doctor was told
  const std::string decision(decided.id.view());
  for (const auto& line : decided.lines) {
    co_await add(overlay, decided, line.item, "ordered", 1);
    co_await add(overlay, decided, line.item, line.verdict, 1);
    if (line.verdict != "recognisable") continue;
    co_await add(overlay, decided, line.item, "repeated", 1);
    for (const auto& result : line.results) {
      const auto report = ReportId::from_hex(result.report);
      if (!report) continue;
      tell(overlay, decided.facility, decided.at.micros, std::string(report->view()),
           static_cast<std::int64_t>(result.version), decision, "repeated");
    }
  }
  co_await add(overlay, decided, "", "orders", 1);
  co_return States(decided.lines.size(), "-");
}

net::awaitable<States> apply_told(Overlay& overlay, const model::RecognitionDecided& decided) {
  bool offered = false;
  States states;
  for (const auto& line : decided.lines) {
    const bool open = !line.results.empty() && line.verdict != "not-recognisable";
    states.push_back(open ? "o" : "-");
    offered = offered || open;
    co_await add(overlay, decided, line.item, "ordered", 1);
    co_await add(overlay, decided, line.item, line.verdict, 1);
    if (open) co_await add(overlay, decided, line.item, "offered", 1);
    for (const auto& result : line.results) co_await use(overlay, decided, result, "offered");
  }
  co_await add(overlay, decided, "", "orders", 1);
  if (offered) co_await add(overlay, decided, "", "prompts", 1);
  const std::string named = !decided.order.empty()    ? "n" + decided.order
                            : !decided.person.empty() ? "p" + decided.person
                                                      : "";
  if (!named.empty()) {
    overlay.put(tables::recognition_orders,
                {decided.facility, named, std::string(decided.id.view()), decided.at.micros});
  }
  co_return states;
}

}  // namespace

net::awaitable<void> apply(Overlay& overlay, model::RecognitionDecided decided) {
  const std::string id(decided.id.view());
  if (decided.by_message()) overlay.erase(tables::pending, {static_cast<std::int64_t>(port::Topic::operations), id});
  if (co_await overlay.get(tables::recognition_decisions, {id})) co_return;  // met before
  const States states =
      decided.by_message() ? co_await apply_placed(overlay, decided) : co_await apply_told(overlay, decided);
  overlay.put(tables::recognition_decisions,
              {id, model::write(decided), join(states), decided.zone_day, decided.facility, decided.at.micros});
}

net::awaitable<void> apply(Overlay& overlay, model::RecognitionOutcome outcome) {
  const std::string id(outcome.id.view());
  if (co_await overlay.get(tables::recognition_seen, {id})) co_return;
  overlay.put(tables::recognition_seen, {id, outcome.at.micros});
  const Row* row = co_await overlay.get(tables::recognition_decisions, {std::string(outcome.decision.view())});
  if (!row) co_return;  // of a decision that this log does not have: nothing to count it with
  const Row stands = *row;
  auto decided = model::read_recognition_decided(text_in(stands, 1));
  if (!decided) co_return;
  States states = split(text_in(stands, 2));
  const auto viewed = [](const std::string& state) { return state.size() > 1 && state.back() == '!'; };
  const bool seen_before = std::any_of(states.begin(), states.end(), viewed);
  const bool offered_before = std::any_of(states.begin(), states.end(), [](const auto& state) { return state != "-"; });
  bool offered = false;
  bool seen = false;

  for (const auto& line : outcome.lines) {
    if (line.line >= states.size() || line.line >= decided->lines.size()) continue;
    auto& state = states[line.line];
    const auto& item = decided->lines[line.line].item;
    const auto price = std::max<std::int64_t>(0, decided->lines[line.line].price_fen);
    std::string flags = viewed(state) ? "!" : "";
    std::string was = state.substr(0, state.size() - flags.size());
    if (line.outcome == OutcomeKind::repeated) {
      co_await add(overlay, *decided, item, "repeated", 1);
      continue;
    }
    if (was == "-") {  // nothing to offer when the order was judged, but there was on the page
      was = "o";
      offered = true;
      co_await add(overlay, *decided, item, "offered", 1);
    }
    // Whoever decided has looked, too.
    if (line.outcome != OutcomeKind::undone && flags.empty()) {
      flags = "!";
      seen = true;
      co_await add(overlay, *decided, item, "viewed", 1);
    }
    // What the line was counted as goes, what it is now comes.
    if (line.outcome != OutcomeKind::viewed) {
      if (was == "r") {
        co_await add(overlay, *decided, item, "recognised", -1);
        co_await add(overlay, *decided, item, "saved-fen", -price);
      } else if (was.starts_with("n:")) {
        const auto told = was.back();
        const auto measure = was.substr(2, was.size() - 4);
        co_await add(overlay, *decided, item, measure, -1);
        if (told == 'y') co_await add(overlay, *decided, item, "told", -1);
      }
      was = "o";
    }
    if (line.outcome == OutcomeKind::recognised) {
      was = "r";
      co_await add(overlay, *decided, item, "recognised", 1);
      co_await add(overlay, *decided, item, "saved-fen", price);
    } else if (line.outcome == OutcomeKind::refused) {
      const std::string measure = std::string(line.counted ? "refused:" : "refused-uncounted:") + line.reason;
      const bool told = line.counted && line.told.value_or(false);
      was = "n:" + measure + (told ? ":y" : ":n");
      co_await add(overlay, *decided, item, measure, 1);
      if (told) co_await add(overlay, *decided, item, "told", 1);
    }
    state = was + flags;
  }
  // One report may stand behind several lines: what is told of it is the weightiest that came of any.
  const auto weight = [&](std::size_t line) {
    const auto& state = states[line];
    return state.starts_with('r') ? 3 : state.starts_with('n') ? 2 : viewed(state) ? 1 : 0;
  };
  static constexpr std::string_view uses[] = {"offered", "viewed", "refused", "recognised"};
  for (const auto& line : outcome.lines) {
    if (line.line >= states.size() || line.line >= decided->lines.size()) continue;
    const auto& shown = line.results.empty() ? decided->lines[line.line].results : line.results;
    for (const auto& result : shown) {
      int most = weight(line.line);
      for (std::size_t other = 0; other < decided->lines.size() && other < states.size(); ++other) {
        const auto& results = decided->lines[other].results;
        const bool same =
            std::any_of(results.begin(), results.end(), [&](const auto& each) { return each.report == result.report; });
        if (same) most = std::max(most, weight(other));
      }
      co_await use(overlay, *decided, result, uses[most]);
    }
  }
  if (offered && !offered_before) co_await add(overlay, *decided, "", "prompts", 1);
  if (seen && !seen_before) co_await add(overlay, *decided, "", "looked-at", 1);
  overlay.put(tables::recognition_decisions, {stands[0], stands[1], join(states), stands[3], stands[4], stands[5]});
}

net::awaitable<void> notify_uses(Overlay& overlay, std::string report, std::int64_t version, std::string status,
                                 std::int64_t at) {
  for (const auto& row : co_await overlay.scan(tables::recognition_uses, {report}, uses_per_report)) {
    if (number_in(row, 2) >= version) continue;  // that version or a later one is what it showed
    tell(overlay, text_in(row, 3), at, report, version, text_in(row, 1), status);
  }
}

}  // namespace hutong::pipeline
