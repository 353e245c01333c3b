// What a health commission asks: how often results were offered, recognised, declined and why, what was saved, by
// facility, department, item and period; as JSON and as CSV. And the corrections that a facility has to be told. Counts
// only.
#include <algorithm>
#include <map>

#include "adapters/api/recognition_handlers.h"

namespace hutong::api {
namespace {

using query::Counted;
using recognition::Catalogue;

// The formula is named and versioned: a rate without its denominator is an opinion. docs/recognition.md.
constexpr std::string_view formula_1_zh = "互认率 = 互认项次 ÷（互认项次 + 计入的不互认项次）";
constexpr std::string_view formula_1_en = "rate = recognised ÷ (recognised + declined that count)";

struct Sums {
  std::map<std::string, std::int64_t> by_measure;
  std::int64_t of(const std::string& measure) const {
    const auto found = by_measure.find(measure);
    return found == by_measure.end() ? 0 : found->second;
  }
  std::int64_t all(std::string_view prefix) const {
    std::int64_t sum = 0;
    for (auto at = by_measure.lower_bound(std::string(prefix)); at != by_measure.end() && at->first.starts_with(prefix);
         ++at)
      sum += at->second;
    return sum;
  }
};

struct Column {
  const char* name;
  std::int64_t value;
};
std::vector<Column> columns(const Sums& sums) {
  const auto recognised = sums.of("recognised"), refused = sums.all("refused:"),
             uncounted = sums.all("refused-uncounted:");
  return {{"orders", sums.of("orders")},
          {"emergency", sums.of("emergency")},
          {"prompts", sums.of("prompts")},
          {"lookedAt", sums.of("looked-at")},
          {"ordered", sums.of("ordered")},
          {"recognisable", sums.of("recognisable")},
          {"clinicianDecides", sums.of("clinician-decides")},
          {"notRecognisable", sums.of("not-recognisable")},
          {"offered", sums.of("offered")},
          {"viewed", sums.of("viewed")},
          {"recognised", recognised},
          {"refused", refused},
          {"refusedUncounted", uncounted},
          {"undecided", sums.of("offered") - recognised - refused - uncounted},
          {"told", sums.of("told")},
          {"repeated", sums.of("repeated")},
          {"savedFen", sums.of("saved-fen")}};
}

std::string yuan(std::int64_t fen) {
  const std::string cents = std::to_string(fen % 100);
  return std::to_string(fen / 100) + "." + (cents.size() < 2 ? "0" : "") + cents;
}

void ratio(JsonText& json, std::string_view name, std::int64_t numerator, std::int64_t denominator) {
  json.begin_object(name)
      .add("numerator", static_cast<std::uint64_t>(numerator))
      .add("denominator", static_cast<std::uint64_t>(denominator));
  if (denominator > 0) {
    json.add("value", static_cast<double>(numerator) / static_cast<double>(denominator));
  } else {
    json.add_null("value");
  }
  json.end_object();
}

void write(JsonText& json, const Sums& sums, const Catalogue& catalogue, const std::string& day) {
  for (const auto& [name, value] : columns(sums)) {
    if (std::string_view(name) != "savedFen")
      json.add(name, static_cast<std::uint64_t>(std::max<std::int64_t>(0, value)));
  }
  json.add("savedYuan", yuan(sums.of("saved-fen")));
  const auto recognised = sums.of("recognised"), refused = sums.all("refused:");
  ratio(json, "rate", recognised, recognised + refused);
  ratio(json, "repeatRate", sums.of("repeated"), sums.of("ordered"));
  json.begin_array("reasons");
  for (const auto& [measure, count] : sums.by_measure) {
    const bool counted = measure.starts_with("refused:");
    if (!counted && !measure.starts_with("refused-uncounted:")) continue;
    const auto code = measure.substr(measure.find(':') + 1);
    const auto* reason = catalogue.refusal(code, day);
    json.begin_object().add("code", code).add("counted", counted).add("count", static_cast<std::uint64_t>(count));
    json.begin_object("text")
        .add("zh", reason ? std::string_view(reason->text_zh) : "")
        .add("en", reason ? std::string_view(reason->text_en) : "");
    json.end_object().end_object();
  }
  json.end_array();
}

bool is_day(std::string_view text) {
  return text.size() == 10 && parse_iso(text, 0).has_value();
}

std::string quoted(std::string text) {
  // A spreadsheet would take it for a formula.
  if (!text.empty() && std::string_view("=+-@\t").find(text.front()) != std::string_view::npos) text = "'" + text;
  if (text.find_first_of(",\"\r\n") == std::string::npos) return text;
  std::string out = "\"";
  for (const char c : text) out += c == '"' ? std::string("\"\"") : std::string(1, c);
  return out + "\"";
}

}  // namespace

RecognitionAnswer recognition_statistics(const RecognitionDeps& deps, const Request& request) {
  if (!request.principal)
    co_return fault(request.path, 401, "forbidden", "this needs a token with the scope hutong/operate");
  access::Demand demand{access::Action::operate,
                        "recognition-statistics",
                        "",
                        "",
                        std::string(request.header("x-purpose-of-use")),
                        request.peer};
  auto permit = co_await deps.gate.decide(*request.principal, std::move(demand));
  if (!permit) co_return fault(request.path, permit.error());
  const auto rules = deps.recognition.rules();
  const std::string today = recognition::day_of(deps.recognition.now(), rules.zone_minutes);
  query::CountSearch search;
  search.from =
      request.parameter("from").empty() ? today.substr(0, 4) + "-01-01" : std::string(request.parameter("from"));
  search.to = request.parameter("to").empty() ? today : std::string(request.parameter("to"));
  if (!is_day(search.from) || !is_day(search.to))
    co_return fault(request.path, 400, "invalid", "from and to are days, 2026-01-31");
  search.facility = request.parameter("facility");
  search.department = request.parameter("department");
  search.item = request.parameter("item");
  const std::string by(request.parameter("by"));
  const std::vector<std::string> known{"", "facility", "department", "item", "reason", "day", "month"};
  if (std::find(known.begin(), known.end(), by) == known.end()) {
    co_return fault(request.path, 400, "invalid", "by: expected facility, department, item, reason, day or month");
  }
  Sums total;
  std::map<std::string, Sums> groups;
  const auto take = [&](const Counted& one) {
    total.by_measure[one.measure] += one.count;
    if (by.empty()) return;
    if (by == "reason") {  // why was declined: the counts of each reason alone
      if (one.measure.starts_with("refused"))
        groups[one.measure.substr(one.measure.find(':') + 1)].by_measure[one.measure] += one.count;
      return;
    }
    const std::string key = by == "facility"     ? one.facility
                            : by == "department" ? one.facility + "/" + one.department
                            : by == "item"       ? one.item
                            : by == "day"        ? one.day
                                                 : one.day.substr(0, 7);
    if (by == "item" && key.empty()) return;  // counts of whole orders
    groups[key].by_measure[one.measure] += one.count;
  };
  auto counted = co_await deps.recognition.counts(*permit, search, take);
  if (!counted) co_return fault(request.path, counted.error());

  const auto name_of = [&](const std::string& key) -> std::string {
    if (by == "facility") {
      const auto* facility = rules.facilities->find(key);
      return facility ? facility->name_zh : key;
    }
    if (by == "reason") {
      const auto* reason = rules.catalogue->refusal(key, search.to);
      return reason ? reason->text_zh : key;
    }
    if (by == "item") {
      if (const auto* item = rules.catalogue->item(key, search.to)) return item->name_zh;
      if (const auto* panel = rules.catalogue->panel(key, search.to)) return panel->name_zh;
    }
    return key;
  };
  if (request.parameter("format") == "csv" || request.header("accept").starts_with("text/csv")) {
    std::string csv =
        "\xEF\xBB\xBF" + std::string(by.empty() ? "period" : by) + ",name";  // spreadsheets know UTF-8 by it
    for (const auto& column : columns(total))
      csv += std::string(",") + (std::string_view(column.name) == "savedFen" ? "savedYuan" : column.name);
    csv += ",rateNumerator,rateDenominator,formula\r\n";
    const auto row = [&](const std::string& key, const std::string& name, const Sums& sums) {
      csv += quoted(key) + "," + quoted(name);
      for (const auto& [column, value] : columns(sums))
        csv += "," + (std::string_view(column) == "savedFen" ? yuan(value) : std::to_string(value));
      const auto recognised = sums.of("recognised");
      csv += "," + std::to_string(recognised) + "," + std::to_string(recognised + sums.all("refused:")) + ",rate-1\r\n";
    };
    for (const auto& [key, sums] : groups) row(key, name_of(key), sums);
    row(search.from + "/" + search.to, "total", total);
    Response response;
    response.content_type = "text/csv; charset=utf-8";
    response.body = std::move(csv);
    co_return response;
  }
  JsonText json;
  json.begin_object().add("from", search.from).add("to", search.to).add("rules", rules.catalogue->version());
  json.begin_object("formula")
      .add("name", "rate")
      .add("version", "1")
      .begin_object("text")
      .add("zh", formula_1_zh)
      .add("en", formula_1_en);
  json.end_object().end_object().begin_object("total");
  write(json, total, *rules.catalogue, search.to);
  json.end_object();
  if (!by.empty()) {
    json.add("by", by).begin_array("groups");
    for (const auto& [key, sums] : groups) {
      json.begin_object().add("key", key).add("name", name_of(key));
      write(json, sums, *rules.catalogue, search.to);
      json.end_object();
    }
    json.end_array();
  }
  json.end_object();
  co_return json_response(json.take());
}

RecognitionAnswer recognition_notices(const RecognitionDeps& deps, const Request& request) {
  const auto permit = co_await recognition_permit(deps, request, "recognition-notices");
  if (!permit) co_return fault(request.path, permit.error());
  const std::string facility(request.parameter("facility"));
  if (facility.empty()) co_return fault(request.path, 400, "invalid", "facility is needed: whose notices");
  if (auto may = acts_for(deps, request, facility); !may) co_return fault(request.path, may.error());
  query::NoticeSearch search;
  search.position = request.parameter("page");
  search.kind = request.parameter("kind");
  if (!search.kind.empty() && search.kind != "corrected" && search.kind != "repeated")
    co_return fault(request.path, 400, "invalid", "kind: expected corrected or repeated");
  if (const std::string since(request.parameter("since")); !since.empty()) {
    const auto span = parse_iso(since, deps.recognition.rules().zone_minutes);
    if (!span)
      co_return fault(request.path, 400, "invalid", "since: expected a moment such as 2026-03-01T08:00:00+08:00");
    search.since = span->first;
  }
  const auto notices = co_await deps.recognition.notices(*permit, facility, search);
  if (!notices) co_return fault(request.path, notices.error());
  JsonText json;
  json.begin_object().add("facility", facility);
  if (!notices->next.empty()) json.add("next", notices->next);
  json.begin_array("notices");
  for (const auto& notice : notices->found) {
    json.begin_object()
        .add("kind", notice.repeated ? "repeated" : "corrected")
        .add("at", notice.at)
        .add("report", notice.report)
        .add("version", notice.version)
        .add("shownVersion", notice.shown);
    if (!notice.repeated) json.add("status", notice.status);
    json.add("withdrawn", notice.status == "entered-in-error" || notice.status == "cancelled");
    json.add("use", notice.use).add("decision", notice.decision).add("practitioner", notice.practitioner);
    json.add("department", notice.department).add("order", notice.order).add("item", notice.item);
    json.begin_object("text");
    if (notice.repeated) {
      json.add("zh", "该医嘱重复了可互认的结果，开单时未经互认提示");
      json.add("en", "The order repeats a result that could have been recognised; its doctor had not been told");
    } else {
      json.add("zh", "曾向贵院医生展示的结果已更正或撤回");
      json.add("en", "A result that your doctors were shown was corrected or withdrawn");
    }
    json.end_object().end_object();
  }
  json.end_array().end_object();
  co_return json_response(json.take());
}

}  // namespace hutong::api
