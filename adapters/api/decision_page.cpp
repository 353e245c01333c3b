// The decision page (互认): one-time, cookieless, plain HTML. It is drawn for the browser controls that hospital
// systems embed: HTML 4 forms and CSS 2.1, usable in IE 8 mode and Chromium 49, 800 × 600, no script. Ordering is never
// blocked: every sentence that ends the page says so.
#include <algorithm>
#include <set>

#include "adapters/api/recognition_handlers.h"
#include "adapters/api/router.h"

namespace hutong::api {
namespace {

using query::DeskForm;
using query::DeskView;
using query::LineState;
using recognition::Verdict;

constexpr std::size_t components_shown = 6, reports_shown = 4;  // of a panel, in one row

constexpr std::string_view style = R"(html{margin:0;padding:0;background:#fff;color:#1a1a1a}
body{margin:0;padding:0;overflow:hidden;font:14px/20px "Microsoft YaHei",SimSun,Arial,sans-serif}
form{margin:0}
#head{background:#123a63;color:#fff;padding:10px 12px;height:28px;line-height:28px;overflow:hidden}
#head .left{float:right;color:#e6eef7}
#say{padding:8px 12px;height:32px;overflow:hidden;background:#eef3f8;border-bottom:1px solid #9fb3c8;line-height:32px}
#say .act{float:right}
#rows{position:fixed;top:97px;bottom:57px;left:0;right:0;overflow:auto}
table{width:100%;border-collapse:collapse;table-layout:fixed}
th{background:#f4f6f8;text-align:left;font-weight:bold;padding:5px 6px;border-bottom:1px solid #9fb3c8}
td{padding:5px 6px;border-bottom:1px solid #c9d3dd;vertical-align:top;line-height:18px;word-wrap:break-word}
.c1{width:13%}.c2{width:18%}.c3{width:17%}.c4{width:15%}.c5{width:16%}.c6{width:21%}
.small{font-size:12px;line-height:16px;color:#444}
.yes{color:#0a6b2f;font-weight:bold}
.weigh{color:#8a4b00;font-weight:bold}
.no{color:#a11515;font-weight:bold}
.changed{background:#fff3d6}
button{min-height:32px;padding:4px 8px;margin:0 4px 4px 0;border:1px solid #5b6b7b;background:#f4f6f8;color:#1a1a1a;font:14px/20px "Microsoft YaHei",SimSun,Arial,sans-serif;cursor:pointer}
button.main{background:#0b5cad;border-color:#0b5cad;color:#fff}
button.link{background:#fff;border-color:#fff;color:#0b4a8f;text-decoration:underline;padding:0 2px;min-height:0;font-size:12px;line-height:16px}
button.reason{display:block;width:100%;text-align:left}
button:focus,input:focus,a:focus{outline:2px solid #d06a00}
input.text{width:60%;height:26px;border:1px solid #5b6b7b;padding:2px 6px;font-size:14px}
#foot{position:fixed;left:0;right:0;bottom:0;height:44px;padding:6px 12px;background:#f4f6f8;border-top:1px solid #9fb3c8}
#foot .act{float:right}
#foot form{display:inline}
#foot .small{line-height:32px}
.box{margin:60px auto;width:560px;padding:24px;border:1px solid #9fb3c8;font-size:16px;line-height:26px}
)";

std::string escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '&': out += "&amp;"; break;
      case '<': out += "&lt;"; break;
      case '>': out += "&gt;"; break;
      case '"': out += "&quot;"; break;
      case '\'': out += "&#39;"; break;
      default: out += c;
    }
  }
  return out;
}

// Words in the language of the page.
class Page {
 public:
  explicit Page(const DeskView& view) : view_(view), chinese_(view.lang != "en") {}

  std::string say(std::string_view zh, std::string_view en) const { return std::string(chinese_ ? zh : en); }
  std::string draw();
  std::string title() const;

 private:
  void button(std::string_view act, const std::string& words, std::string_view kind = "") {
    out_ += "<button type=\"submit\" name=\"do\" value=\"" + std::string(act) + "\"" +
            (kind.empty() ? "" : " class=\"" + std::string(kind) + "\"") + ">" + escaped(words) + "</button>";
  }
  void hidden(std::string_view name, std::string_view value) {
    out_ += "<input type=\"hidden\" name=\"" + std::string(name) + "\" value=\"" + escaped(value) + "\">";
  }
  void begin_form(std::string_view to) {
    out_ += "<form method=\"post\" action=\"" + std::string(to) + "\" accept-charset=\"utf-8\">";
    hidden("state", view_.state);
    hidden("lang", view_.lang);
  }
  void head();
  void table();
  void row(std::size_t index);
  void result(const query::ShownResult& result, bool named);
  void decision(std::size_t index);
  void reasons(std::size_t index);
  void report();
  void foot();
  void box(const std::string& sentence, bool again = false);
  std::string age(std::int64_t seconds) const;
  std::string when(const std::string& iso) const;

  const DeskView& view_;
  const bool chinese_;
  std::string out_;
};

std::string Page::when(const std::string& iso) const {
  if (iso.size() < 10) return say("时间不明", "time unknown");
  const auto local = query::area_time(iso, view_.order.by.zone_minutes);
  const bool this_year = local.compare(0, 5, view_.order.day, 0, std::min<std::size_t>(5, view_.order.day.size())) == 0;
  return local.substr(this_year ? 5 : 0);
}

std::string Page::age(std::int64_t seconds) const {
  const auto whole = [&](std::int64_t count, std::string_view zh, std::string_view en) {
    return std::to_string(count) + say(zh, en);
  };
  if (seconds < 3600) return whole(std::max<std::int64_t>(0, seconds) / 60, "分钟前", " min ago");
  if (seconds < 2 * 86'400) return whole(seconds / 3600, "小时前", " h ago");
  return whole(seconds / 86'400, "天前", " days ago");
}

void Page::head() {
  const auto& order = view_.order;
  std::string who = order.persons.size() == 1 ? order.name : say("患者身份未唯一确认", "patient not certain");
  if (order.sex == "male") who += say(" 男", " male");
  if (order.sex == "female") who += say(" 女", " female");
  if (order.birth_date.size() >= 4 && order.day.size() >= 4) {
    int years = std::stoi(order.day.substr(0, 4)) - std::stoi(order.birth_date.substr(0, 4));
    if (order.birth_date.size() == 10 && order.day.substr(5) < order.birth_date.substr(5)) --years;
    who += " " + std::to_string(years) + say("岁", " y");
  }
  if (!order.card_tail.empty()) who += say(" (尾号 ", " (card …") + order.card_tail + ")";
  std::string by = order.asked.department;
  const auto& name = order.asked.practitioner_name.empty() ? order.asked.practitioner : order.asked.practitioner_name;
  by += (by.empty() ? "" : " ") + name;
  const auto minutes = view_.seconds_left / 60, seconds = view_.seconds_left % 60;
  out_ += "<div id=\"head\"><span class=\"left\">" + say("剩余 ", "left ") + std::to_string(minutes) + ":" +
          (seconds < 10 ? "0" : "") + std::to_string(seconds) + "</span>" +
          say("互认提醒 · 患者 ", "Recognition · patient ") + escaped(who) + say(" · 开单 ", " · ordered by ") +
          escaped(by) + "</div>";
}

void Page::result(const query::ShownResult& result, bool named) {
  if (named) out_ += escaped(chinese_ ? result.name_zh : result.name_en) + " ";
  if (result.is_exam) {
    out_ += say("影像与数据", "images and data");
    if (!result.images)
      out_ += " <span class=\"small\">" + say("影像暂不可调阅", "images cannot be had now") + "</span>";
  } else {
    out_ += "<b>" + escaped(result.value) + "</b> " + escaped(result.unit) +
            (result.flags.empty() ? "" : " " + escaped(result.flags));
    if (!named && !result.interval.empty()) out_ += "<br><span class=\"small\">" + escaped(result.interval) + "</span>";
  }
}

void Page::row(std::size_t index) {
  const auto& at = view_.lines[index];
  const auto& line = view_.order.lines[at.line];
  out_ += std::string("<tr") + (at.changed ? " class=\"changed\"" : "") + "><td>" +
          escaped(chinese_ ? line.name_zh : line.name_en) + "</td><td>";
  const query::ShownResult* first = nullptr;
  std::size_t shown = 0;
  std::vector<std::pair<std::string, std::size_t>> reports;  // and the item that opens it
  for (std::size_t i = 0; i < line.items.size(); ++i) {
    const auto& item = line.items[i];
    if (item.candidates.empty() || item.candidates.front().verdict == Verdict::not_recognisable) continue;
    if (!first) first = &item.candidates.front();
    const auto& report = item.candidates.front().report;
    if (std::none_of(reports.begin(), reports.end(), [&](const auto& each) { return each.first == report; }))
      reports.emplace_back(report, i);
    if (++shown > components_shown) continue;
    if (shown > 1) out_ += "; ";
    result(item.candidates.front(), line.is_panel);
  }
  if (shown > components_shown)
    out_ += " <span class=\"small\">+" + std::to_string(shown - components_shown) + "</span>";
  out_ += "</td><td>";
  if (first) {
    out_ += escaped(when(first->sampled));
    out_ += "<br><span class=\"small\">";
    if (first->age_seconds && *first->age_seconds >= 0) out_ += age(*first->age_seconds);
    if (first->window_days) {
      out_ += " / " + (first->window_assumed ? say("参考 ", "reference ") : std::string()) +
              std::to_string(*first->window_days) + say("天", " days");
    }
    out_ += "</span>";
  }
  out_ += "</td><td>";
  if (first) {
    out_ += escaped(chinese_ ? first->facility_zh : first->facility_en);
    if (!first->laboratory_said) {
      out_ += "<span title=\"" + say("检验机构未注明", "laboratory not stated") + "\">*</span>";
    }
    out_ += "<br>";
    const auto& mark = chinese_ ? first->mark_zh : first->mark_en;
    if (!mark.empty()) out_ += "<b>" + escaped(mark) + "</b> ";
    // A panel may be made of several reports.
    for (std::size_t i = 0; i < reports.size() && i < reports_shown; ++i) {
      button("report:" + std::to_string(index) + ":" + std::to_string(reports[i].second),
             say("完整报告", "Report") + (reports.size() > 1 ? " " + std::to_string(i + 1) : ""), "link");
    }
  }
  out_ += "</td><td>";
  if (at.state == LineState::gone) {
    out_ += "<span class=\"no\">&#10005; " + say("已不可互认", "No longer recognisable") + "</span>";
  } else if (line.verdict == Verdict::recognisable) {
    out_ += "<span class=\"yes\">&#9679; " + say("可互认", "Recognisable") + "</span>";
  } else {
    out_ += "<span class=\"weigh\">&#9650; " + say("由医师判断", "You decide") + "</span>";
  }
  std::set<std::string> said;
  for (const auto reason : line.reasons) {
    const auto* clause = view_.order.clause(reason);
    const std::string words =
        clause ? (chinese_ ? clause->text_zh : clause->text_en) : std::string(recognition::to_string(reason));
    if (said.insert(words).second) out_ += "<br><span class=\"small\">" + escaped(words) + "</span>";
  }
  if (at.changed) {
    out_ += "<br><span class=\"no\">" +
            say("结果已更正，请按新结果重新决定", "The result was corrected: please decide anew") + "</span>";
  }
  out_ += "</td><td>";
  decision(index);
  out_ += "</td></tr>";
  if (view_.reasons_of == index) reasons(index);
}

void Page::decision(std::size_t index) {
  const auto& at = view_.lines[index];
  const std::string number = std::to_string(index);
  const std::string undo = "u:" + number;
  switch (at.state) {
    case LineState::undecided:
      button("r:" + number, say("互认", "Recognise"),
             view_.order.lines[at.line].verdict == Verdict::recognisable ? "main" : "");
      button("n:" + number, say("不互认", "Decline"));
      break;
    case LineState::recognised:
      out_ += "<span class=\"yes\">&#10003; " + say("已互认", "Recognised") + "</span> ";
      button(undo, say("撤销", "Undo"), "link");
      break;
    case LineState::refused:
      out_ += "<span class=\"no\">&#10005; " + say("不互认 ", "Declined ") + escaped(at.reason) + "</span> ";
      button(undo, say("撤销", "Undo"), "link");
      break;
    case LineState::gone: break;
  }
}

void Page::reasons(std::size_t index) {
  out_ += "<tr><td colspan=\"6\">" + say("不互认的理由（点选即记录）：", "Why not? A click records it:");
  out_ += " <label><input type=\"checkbox\" name=\"told\" value=\"yes\"" + std::string(view_.told ? " checked" : "") +
          "> " + say("已向患者说明", "the patient was told why") + "</label>";
  if (view_.text_missing)
    out_ += " <span class=\"no\">" + say("该理由需要文字说明", "this reason needs a line of text") + "</span>";
  out_ += "<br><input type=\"text\" name=\"text\" class=\"text\" maxlength=\"100\" title=\"" +
          say("文字说明", "in words") + "\" value=\"" + escaped(view_.text) + "\"> <span class=\"small\">" +
          say("文字说明（“其他”必填）", "in words (needed for \"other\")") + "</span><br>";
  for (const auto* reason : view_.order.by.catalogue->refusals(view_.order.day)) {
    button("x:" + std::to_string(index) + ":" + reason->code,
           reason->code + " " + (chinese_ ? reason->text_zh : reason->text_en) +
               (reason->counted ? "" : say("（不计入）", " (not counted)")),
           "reason");
  }
  button("back", say("返回", "Back"));
  out_ += "</td></tr>";
}

void Page::table() {
  const auto& order = view_.order;
  std::size_t recognisable = 0;
  for (const auto& line : view_.lines) {
    recognisable += line.state == LineState::undecided && order.lines[line.line].verdict == Verdict::recognisable;
  }
  head();
  begin_form("v");
  out_ += "<div id=\"say\"><span class=\"act\">";
  // Enter in the line of text presses the first button of the form: it must decide nothing.
  if (view_.reasons_of) {
    button("n:" + std::to_string(*view_.reasons_of), say("请在下方点选理由", "Choose a reason below"));
  } else if (recognisable > 0)
    button("all", say("全部互认 (", "Recognise all (") + std::to_string(recognisable) + ")", "main");
  button("lang", say("English", "中文"), "link");
  out_ += "</span>";
  if (view_.confirm) {
    out_ += "<b class=\"no\">" + std::to_string(view_.count(LineState::undecided)) +
            say(" 项尚未决定。再次点击“完成”即按未决定结束，医嘱不受影响。",
                " undecided. Done again ends the page as it is; the order is not affected.") +
            "</b>";
  } else {
    out_ += say("本次 ", "Of ") + std::to_string(order.lines.size()) + say(" 项中 ", " items ") +
            std::to_string(view_.lines.size()) +
            say(" 项有既往结果。是否互认由您决定。", " have an earlier result. It is for you to decide.") +
            " <span class=\"small\">" + say("诊断结论不在互认范围。", "Conclusions are no part of recognition.") +
            "</span>";
  }
  out_ += "</div><div id=\"rows\"><table><tr><th class=\"c1\">" + say("项目", "Item") + "</th><th class=\"c2\">" +
          say("已有结果", "Result") + "</th><th class=\"c3\">" + say("采样 / 参考时限", "Sampled / window") +
          "</th><th class=\"c4\">" + say("机构 · 标识", "Laboratory · mark") + "</th><th class=\"c5\">" +
          say("判断 · 依据", "Verdict · why") + "</th><th class=\"c6\">" + say("您的决定", "Your decision") +
          "</th></tr>";
  for (std::size_t i = 0; i < view_.lines.size(); ++i) row(i);
  out_ += "</table></div></form>";
  foot();
}

// Forms of their own: the last page has an address that the host system can wait for.
void Page::foot() {
  // With something undecided the first press asks once more, and that is no end.
  const bool ends = view_.confirm || view_.count(LineState::undecided) == 0;
  out_ += "<div id=\"foot\"><div class=\"act\">";
  begin_form("done");
  button("later", say("稍后决定", "Later"));
  out_ += "</form>";
  begin_form(ends ? "done" : "v");
  button(view_.confirm ? "done!" : "done", say("完成", "Done"), "main");
  out_ += "</form></div><span class=\"small\">" + say("规则 ", "Rules ") +
          escaped(view_.order.by.catalogue->version()) +
          say("。医嘱不受影响，可继续开单。", ". The order is not affected.") + "</span></div>";
}

void Page::report() {
  const auto& shown = *view_.report;
  head();
  begin_form("v");
  out_ += "<div id=\"say\"><span class=\"act\">";
  button("back", say("返回", "Back"), "main");
  out_ += "</span><b>" + escaped(shown.title) + "</b> " + escaped(chinese_ ? shown.facility_zh : shown.facility_en) +
          " · " + escaped(when(shown.sampled)) + "</div><div id=\"rows\">";
  if (!shown.accession.empty() || !shown.image_url.empty() || !shown.findings.empty()) {
    out_ += "<table><tr><td>" + say("检查号 ", "Accession ") + escaped(shown.accession) + "<br>";
    // Only what is surely an address: anything else stands there as text.
    if (shown.image_url.starts_with("https://") || shown.image_url.starts_with("http://")) {
      out_ += "<a href=\"" + escaped(shown.image_url) + "\" rel=\"noreferrer\">" + say("调阅影像", "Open the images") +
              "</a>";
    } else {
      out_ += say("影像暂不可调阅", "The images cannot be had now");
    }
    if (!shown.findings.empty()) out_ += "<br>" + say("检查所见：", "Findings: ") + escaped(shown.findings);
    out_ += "<br><span class=\"small\">" + say("诊断结论不在互认范围。", "Conclusions are no part of recognition.") +
            "</span></td></tr></table>";
  }
  if (!shown.lines.empty()) {
    out_ += "<table><tr><th>" + say("项目", "Item") + "</th><th>" + say("结果", "Result") + "</th><th>" +
            say("单位", "Unit") + "</th><th>" + say("参考区间", "Interval") + "</th></tr>";
    for (const auto& line : shown.lines) {
      out_ += "<tr><td>" + escaped(line.name) + "</td><td><b>" + escaped(line.value) + "</b> " + escaped(line.flags) +
              "</td><td>" + escaped(line.unit) + "</td><td>" + escaped(line.interval) + "</td></tr>";
    }
    out_ += "</table>";
  }
  out_ += "</div></form>";
}

void Page::box(const std::string& sentence, bool again) {
  out_ += "<div class=\"box\"><p>" + sentence + "</p>";
  if (again && !view_.state.empty()) {
    begin_form("v");
    button("back", say("返回", "Back"), "main");
    out_ += "</form>";
  }
  out_ += "</div>";
}

std::string Page::title() const {
  if (view_.kind == DeskView::Kind::done) {
    return "HUTONG-DONE recognised=" + std::to_string(view_.count(LineState::recognised)) +
           " refused=" + std::to_string(view_.count(LineState::refused)) +
           " undecided=" + std::to_string(view_.count(LineState::undecided));
  }
  return say("检查检验结果互认", "Mutual recognition of results");
}

std::string Page::draw() {
  const auto unharmed = say("医嘱不受影响，可继续开单。", "The order is not affected; go on ordering.");
  out_ = "<!doctype html><html lang=\"" + say("zh-CN", "en") +
         "\"><head><meta http-equiv=\"X-UA-Compatible\" content=\"IE=edge\"><meta charset=\"utf-8\"><title>" + title() +
         "</title><link rel=\"stylesheet\" href=\"page.css\"></head><body>";
  switch (view_.kind) {
    case DeskView::Kind::table: table(); break;
    case DeskView::Kind::report: view_.report ? report() : table(); break;
    case DeskView::Kind::staff:
      out_ += "<div class=\"box\">";
      begin_form("v");
      out_ += "<p>" + say("请输入您的工号", "Your staff number, please") +
              "</p><p><input type=\"text\" name=\"staff\" class=\"text\" maxlength=\"64\"> ";
      button("staff", say("继续", "Go on"), "main");
      out_ += "</p></form></div>";
      break;
    case DeskView::Kind::done:
      box(say("已完成：互认 ", "Done: recognised ") + std::to_string(view_.count(LineState::recognised)) +
          say("，不互认 ", ", declined ") + std::to_string(view_.count(LineState::refused)) +
          say("，未决定 ", ", undecided ") + std::to_string(view_.count(LineState::undecided)) +
          say("。可以关闭本窗口。", ". You may close this window."));
      break;
    case DeskView::Kind::used:
      box(say("此链接已使用。请在 HIS 中重新打开提醒。",
              "This link was used. Open the reminder again in your system. ") +
          unharmed);
      break;
    case DeskView::Kind::expired: box(say("此链接已失效。", "This link has ended. ") + unharmed); break;
    case DeskView::Kind::nothing:
      box(say("现在没有可互认的结果。", "There is nothing to recognise any more. ") + unharmed);
      break;
    case DeskView::Kind::busy:
      box(say("平台暂时无法记录，请稍后再试。", "The platform cannot record this now; try again. ") + unharmed, true);
      break;
  }
  return out_ + "</body></html>\n";
}

int status_of(DeskView::Kind kind) {
  switch (kind) {
    case DeskView::Kind::used:
    case DeskView::Kind::expired: return 410;
    case DeskView::Kind::busy: return 503;
    default: return 200;
  }
}

Response page(std::string body, int status = 200) {
  Response response;
  response.status = status;
  response.content_type = "text/html; charset=utf-8";
  response.body = std::move(body);
  response.headers = {
      {"X-UA-Compatible", "IE=edge"},
      {"Pragma", "no-cache"},
      {"Content-Security-Policy",
       "default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"}};
  return response;
}

Response draw(const DeskView& view) {
  return page(Page(view).draw(), status_of(view.kind));
}

}  // namespace

// Says nothing and spends nothing: prefetchers, link scanners and a second look get the same page, of any ticket.
RecognitionAnswer decision_shell(const RecognitionDeps&, const Request& request) {
  const auto& ticket = request.captures.at(0);
  const bool good = ticket.size() == 64 && ticket.find_first_not_of("0123456789abcdef") == std::string::npos;
  if (!good) {
    DeskView view;
    co_return draw(view);
  }
  co_return page(
      "<!doctype html><html lang=\"zh-CN\"><head><meta http-equiv=\"X-UA-Compatible\" content=\"IE=edge\"><meta "
      "charset=\"utf-8\">"
      "<title>检查检验结果互认</title><link rel=\"stylesheet\" href=\"page.css\"></head><body><div class=\"box\">"
      "<form method=\"post\" action=\"v\" accept-charset=\"utf-8\"><input type=\"hidden\" name=\"ticket\" value=\"" +
      ticket +
      "\"><p>该患者有可供参考的既往检查检验结果。<br>Earlier results of this patient may be recognised.</p>"
      "<p><button type=\"submit\" class=\"main\">查看可互认结果 View</button></p></form></div></body></html>\n");
}

RecognitionAnswer decision_step(const RecognitionDeps& deps, const Request& request) {
  if (!request.header("content-type").starts_with("application/x-www-form-urlencoded")) {
    co_return fault(request.path, 415, "invalid", "the body must be a form");
  }
  const auto fields = read_query(request.body);
  if (!fields) co_return fault(request.path, fields.error());
  DeskForm form;
  std::string ticket;
  for (const auto& [name, value] : *fields) {
    if (name == "ticket") ticket = value;
    if (name == "state") form.state = value;
    if (name == "do") form.act = value;
    if (name == "text") form.text = value;
    if (name == "staff") form.staff = value;
    if (name == "told") form.told = value == "yes";
    if (name == "lang") form.lang = value;
  }
  // The language changes by a button that does nothing else.
  if (form.act == "lang") form.lang = form.lang == "en" ? "zh" : "en";
  co_return draw(ticket.empty() ? co_await deps.desk.act(std::move(form), request.peer)
                                : co_await deps.desk.open(std::move(ticket), request.peer));
}

RecognitionAnswer decision_end(const RecognitionDeps&, const Request&) {
  co_return page(
      "<!doctype html><html lang=\"zh-CN\"><head><meta charset=\"utf-8\"><title>HUTONG-DONE</title><link "
      "rel=\"stylesheet\" "
      "href=\"page.css\"></head><body><div class=\"box\"><p>可以关闭本窗口。 You may close this "
      "window.</p></div></body></html>\n");
}

RecognitionAnswer decision_style(const RecognitionDeps&, const Request&) {
  Response response;
  response.content_type = "text/css; charset=utf-8";
  response.body = style;
  co_return response;
}

}  // namespace hutong::api
