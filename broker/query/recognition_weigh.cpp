// What is ordered, in the area's items, against what the patient's reports hold.
#include <algorithm>
#include <set>

#include "broker/port/tables.h"
#include "broker/query/recognition_priors.h"
#include "broker/query/rows.h"
#include "broker/query/timeline.h"

namespace hutong::query {
namespace {

namespace tables = port::tables;
using recognition::Reason;
using recognition::Verdict;

constexpr std::int64_t day_micros = 86'400'000'000;
constexpr std::int64_t lookback_default = 400;

tl::unexpected<Error> pass(const Error& error) {
  return tl::unexpected<Error>(error);
}

model::ResultStatus status_of(std::string_view text) {
  using enum model::ResultStatus;
  for (auto each : {registered, partial, preliminary, final, amended, corrected, cancelled, entered_in_error}) {
    if (model::to_string(each) == text) return each;
  }
  return unknown;
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

// What is ordered, in the area's items.
struct Sought {
  struct Open {  // an item that has no recognisable result yet
    const recognition::Item* item;
    std::size_t line;
    bool offered;  // there is one for the clinician to decide
  };
  std::vector<std::string> loincs;            // of each line, as far as known
  std::vector<recognition::Line> lines;       // point into `loincs` and into what is asked
  std::vector<bool> hidden;                   // sensitive
  std::set<std::string, std::less<>> wanted;  // LOINCs
  std::vector<Open> open;
};

Sought sought_of(const AskedOrder& asked, const recognition::Order& order, const RecognitionRules& by,
                 const model::Facility& requester, const std::string& day) {
  const auto& terms = *by.terminology;
  Sought sought;
  auto& [loincs, lines, hidden, wanted, open] = sought;
  loincs.resize(asked.lines.size());
  hidden.resize(asked.lines.size());
  for (std::size_t i = 0; i < asked.lines.size(); ++i) {
    const auto& line = asked.lines[i];
    model::Coded coded;
    coded.code = line.code;
    coded.display = line.name.empty() ? line.code : line.name;  // many systems send the name as the code
    loincs[i] = line.loinc;
    const auto* map = terms.map(requester.code_system);
    if (loincs[i].empty()) {
      terminology::Circumstance where;
      where.local = map;
      where.date = day;
      loincs[i] = terms.meaning_of(coded, where).loinc;
    }
    if (loincs[i].empty()) {
      if (const auto* exam = terms.exam_of(coded, map, day)) loincs[i] = exam->loinc;
    }
    hidden[i] = terms.labels_of_item(loincs[i], day) != 0;
    for (const auto& words : {line.name, line.code})
      hidden[i] = hidden[i] || (!words.empty() && terms.labels_of_words(words, day) != 0);
    lines.push_back({line.code, loincs[i], line.laterality, line.contrast});
    for (const auto* item : recognition::items_of(order, lines.back(), *by.catalogue)) {
      for (const auto& loinc : item->loincs) {
        wanted.insert(loinc);
        hidden[i] = hidden[i] || terms.labels_of_item(loinc, day) != 0;
      }
      wanted.insert(item->similar.begin(), item->similar.end());
      open.push_back({item, i, false});
    }
  }
  // A sensitive order is judged as if there were nothing: what comes back must not tell that there is.
  std::erase_if(open, [&](const auto& each) { return hidden[each.line]; });
  return sought;
}

JudgedItem shown_item(const recognition::ItemDecision& part, const Priors& priors) {
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
  return item;
}

JudgedLine shown_line(const recognition::LineDecision& decided, const AskedLine& asked, bool hidden,
                      const Priors& priors, const JudgedOrder& judged, model::Text requester) {
  const auto& catalogue = *judged.by.catalogue;
  JudgedLine line;
  line.asked = asked;
  line.hidden = hidden;
  line.verdict = decided.verdict;
  line.reasons = hidden ? std::vector{Reason::no_result} : decided.reasons;
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
  if (line.name_zh.empty()) line.name_zh = line.name_en = !line.asked.name.empty() ? line.asked.name : line.asked.code;
  std::int64_t sum = 0;
  bool priced = !decided.items.empty();
  for (const auto& part : decided.items) {
    line.items.push_back(shown_item(part, priors));
    const auto price = catalogue.price(requester, part.item->code, judged.day);
    priced = priced && price;
    sum += price.value_or(0);
  }
  if (const auto whole = decided.panel ? catalogue.price(requester, decided.panel->code, judged.day) : std::nullopt) {
    line.price_fen = *whole;
  } else if (priced) {
    line.price_fen = sum;
  }
  return line;
}

}  // namespace

// Judges the order against what these local patients have, which are one person's where it is certain who it is.
net::awaitable<Result<void>> Recognition::weigh(JudgedOrder& judged, AskedOrder asked, Locals locals) {
  const auto& catalogue = *judged.by.catalogue;
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
  order.zone_minutes = judged.by.zone_minutes;
  judged.day = recognition::day_of(order.as_of, order.zone_minutes);

  Sought sought = sought_of(asked, order, judged.by, *requester, judged.day);
  auto& open = sought.open;
  order.identity_certain = judged.persons.size() == 1;

  Priors priors(judged.by, std::move(sought.wanted), asked);
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
        const auto verdict = recognition::judge(*each.item, sought.lines[each.line], order, prior, catalogue).verdict;
        each.offered = each.offered || verdict == Verdict::clinician_decides;
        return verdict == Verdict::recognisable;
      });
    }
  }

  std::vector<recognition::Prior> all;
  for (const auto& found : priors.found()) all.push_back(found.prior);
  auto lines = sought.lines;
  for (std::size_t i = 0; i < lines.size(); ++i) {
    if (sought.hidden[i]) lines[i] = {};  // of no code that anything is known of
  }
  const auto decision = recognition::decide(order, lines, all, catalogue);
  judged.extent = decision.extent;
  for (std::size_t i = 0; i < decision.lines.size(); ++i) {
    judged.lines.push_back(
        shown_line(decision.lines[i], asked.lines[i], sought.hidden[i], priors, judged, order.facility));
  }
  judged.asked = std::move(asked);
  co_return Result<void>();
}

}  // namespace hutong::query
