#include "broker/query/decision_desk.h"

#include <algorithm>
#include <charconv>

namespace hutong::query {
namespace {

std::string hash_of(std::string_view secret) {
  return std::string(as_view(sha256(secret)));
}

// What the page shows of a line. Differs: something was corrected. A report that merely grew by other items did not.
std::string basis_of(const JudgedLine& line) {
  std::string basis(recognition::to_string(line.verdict));
  for (const auto& item : line.items) {
    if (item.candidates.empty() || item.candidates.front().verdict == recognition::Verdict::not_recognisable) continue;
    const auto& shown = item.candidates.front();
    for (const auto* text : {&shown.report, &shown.observation, &shown.value, &shown.unit, &shown.interval,
                             &shown.flags, &shown.sampled, &shown.image_url})
      basis += "|" + *text;
    if (shown.is_exam) basis += "|" + std::to_string(shown.version);
  }
  return basis;
}

std::optional<std::size_t> number(std::string_view text) {
  std::size_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::vector<std::string> split(const std::string& text) {
  std::vector<std::string> parts;
  for (std::size_t from = 0;;) {
    const auto end = text.find(':', from);
    parts.push_back(text.substr(from, end - from));
    if (end == std::string::npos) return parts;
    from = end + 1;
  }
}

// At most so many bytes, and not inside a character.
std::string cut(std::string text, std::size_t bytes) {
  if (text.size() <= bytes) return text;
  while (bytes > 0 && (static_cast<unsigned char>(text[bytes]) & 0xC0) == 0x80) --bytes;
  text.resize(bytes);
  return text;
}

}  // namespace

std::size_t DeskView::count(LineState which) const {
  return static_cast<std::size_t>(
      std::count_if(lines.begin(), lines.end(), [&](const auto& line) { return line.state == which; }));
}

DeskView DecisionDesk::of(DeskView::Kind kind, std::string lang) {
  DeskView view;
  view.kind = kind;
  if (!lang.empty()) view.lang = std::move(lang);
  return view;
}

void DecisionDesk::forget(Timestamp now) {
  while (!ends_.empty() && ends_.begin()->first <= now.micros) {
    tickets_.erase(ends_.begin()->second);
    sessions_.erase(ends_.begin()->second);
    ends_.erase(ends_.begin());
  }
}

Result<std::string> DecisionDesk::issue(const JudgedOrder& judged, access::Principal principal, std::string lang) {
  const std::string ticket = to_hex(random_bytes(32));
  const auto now = clock_.now();
  const std::lock_guard lock(mutex_);
  forget(now);
  if (tickets_.size() + sessions_.size() >= decision_tickets) {
    return fail(ErrorCode::overloaded, "too many decision pages are open; the order is not affected");
  }
  Ticket made{judged.asked, judged.decision, std::move(principal), std::move(lang), now + ticket_life};
  if (judged.persons.size() == 1) made.asked.person = judged.persons.front();
  ends_.emplace(made.ends.micros, hash_of(ticket));
  tickets_.emplace(hash_of(ticket), std::move(made));
  return ticket;
}

void DecisionDesk::rotate(const SessionPtr& session) {
  if (!session->previous.empty()) sessions_.erase(hash_of(session->previous));
  session->previous = session->state;
  session->state = to_hex(random_bytes(32));
  sessions_[hash_of(session->state)] = session;
  ends_.emplace(session->ends.micros, hash_of(session->state));
}

DeskView DecisionDesk::shown(const SessionPtr& session) {
  const std::lock_guard lock(mutex_);
  DeskView view = session->view;
  view.state = session->state;
  view.seconds_left = std::max<std::int64_t>(0, (session->ends.micros - clock_.now().micros) / 1'000'000);
  // What is said once is said in this answer alone.
  session->view.text_missing = session->view.confirm = false;
  return view;
}

net::awaitable<Result<JudgedOrder>> DecisionDesk::judge_anew(const Session& session, std::string peer,
                                                             std::string_view what) {
  auto demand = demand_of(session.asked, access::Action::search, "Observation",
                          session.asked.person ? session.asked.person->hex() : "",
                          "decision-page," + std::string(what) + (session.claimed ? ",claimed" : ""), std::move(peer));
  auto permit = co_await gate_.decide(session.principal, std::move(demand));
  if (!permit) co_return tl::unexpected<Error>(permit.error());
  auto judged = co_await recognition_.judge(*permit, session.asked);
  if (judged) judged->decision = session.decision;
  co_return judged;
}

net::awaitable<DeskView> DecisionDesk::open(std::string ticket, std::string peer) {
  auto session = std::make_shared<Session>();
  const std::string key = hash_of(ticket);
  std::string lang;
  {
    const std::lock_guard lock(mutex_);
    const auto now = clock_.now();
    forget(now);
    const auto found = tickets_.find(key);
    if (found == tickets_.end()) co_return of(DeskView::Kind::expired, "");
    lang = found->second.lang;
    if (found->second.spent) co_return of(DeskView::Kind::used, lang);
    found->second.spent = true;
    session->asked = found->second.asked;
    session->decision = found->second.decision;
    session->principal = found->second.principal;
    session->ends = now + ticket_life;
    session->view.lang = lang;
  }
  if (session->asked.practitioner.empty()) {  // the host named a department only: who decides says so
    session->view.kind = DeskView::Kind::staff;
    const std::lock_guard lock(mutex_);
    rotate(session);
    DeskView view = session->view;
    view.state = session->state;
    co_return view;
  }
  auto view = co_await begin(session, std::move(peer));
  if (view.kind == DeskView::Kind::busy) {  // nothing was shown: the link is good for another try
    const std::lock_guard lock(mutex_);
    if (const auto found = tickets_.find(key); found != tickets_.end()) found->second.spent = false;
  }
  co_return view;
}

net::awaitable<DeskView> DecisionDesk::begin(SessionPtr session, std::string peer) {
  auto judged = co_await judge_anew(*session, std::move(peer), "view");
  if (!judged) co_return of(DeskView::Kind::busy, session->view.lang);
  if (!judged->offers()) co_return of(DeskView::Kind::nothing, session->view.lang);
  if (judged->persons.size() == 1) session->asked.person = judged->persons.front();
  model::RecognitionOutcome seen;
  seen.decision = session->decision;
  seen.facility = session->asked.facility;
  seen.practitioner = session->asked.practitioner;
  seen.claimed = session->claimed;
  seen.door = "page";
  std::vector<DeskLine> lines;
  for (std::size_t i = 0; i < judged->lines.size(); ++i) {
    if (!judged->lines[i].offers()) continue;
    lines.emplace_back().line = i;
    model::LineOutcome line;
    line.line = static_cast<std::uint32_t>(i);
    line.outcome = model::OutcomeKind::viewed;
    line.results = offered(judged->lines[i]);
    seen.lines.push_back(std::move(line));
  }
  if (auto recorded = co_await recognition_.record(std::move(seen)); !recorded)
    co_return of(DeskView::Kind::busy, session->view.lang);
  {
    const std::lock_guard lock(mutex_);
    session->view.kind = DeskView::Kind::table;
    session->view.order = std::move(*judged);
    session->view.lines = std::move(lines);
    if (session->state.empty()) rotate(session);  // else the step that led here did
  }
  co_return shown(session);
}

net::awaitable<DeskView> DecisionDesk::act(DeskForm form, std::string peer) {
  SessionPtr session;
  bool again = false;
  {
    const std::lock_guard lock(mutex_);
    forget(clock_.now());
    const auto found = sessions_.find(hash_of(form.state));
    if (found == sessions_.end()) co_return of(DeskView::Kind::expired, form.lang);
    session = found->second;
    // A second POST of one step: it decides nothing and shows what stands. So does one that meets the first on its way.
    again = session->busy || session->finished || session->state != form.state;
    if (!again) {
      session->busy =
          true;  // until this step is done nobody else changes the session; others only look, under the lock
      rotate(session);
      session->view.reasons_of.reset();
      session->view.report.reset();
      if (form.lang == "zh" || form.lang == "en") session->view.lang = form.lang;
      if (session->view.kind == DeskView::Kind::report) session->view.kind = DeskView::Kind::table;
    }
  }
  if (again) co_return shown(session);
  auto view = co_await step(session, std::move(form), std::move(peer));
  {
    const std::lock_guard lock(mutex_);
    session->busy = false;
  }
  co_return view;
}

net::awaitable<DeskView> DecisionDesk::step(SessionPtr session, DeskForm form, std::string peer) {
  const auto parts = split(form.act);
  const auto& act = parts[0];
  if (session->view.kind == DeskView::Kind::staff) {
    session->asked.practitioner = cut(form.staff, 64);
    session->claimed = true;
    if (form.staff.empty()) co_return shown(session);
    co_return co_await begin(session, std::move(peer));
  }
  const auto line = parts.size() > 1 ? number(parts[1]) : std::nullopt;
  const bool named = line && *line < session->view.lines.size();
  if (act == "r" && named)
    co_return co_await decide(session, {*line}, model::OutcomeKind::recognised, std::move(form), std::move(peer));
  if (act == "u" && named && session->view.lines[*line].state != LineState::undecided) {
    co_return co_await decide(session, {*line}, model::OutcomeKind::undone, std::move(form), std::move(peer));
  }
  if (act == "x" && named && parts.size() > 2) {
    co_return co_await decide(session, {*line}, model::OutcomeKind::refused, std::move(form), std::move(peer));
  }
  if (act == "n" && named) {
    const std::lock_guard lock(mutex_);
    session->view.reasons_of = *line;
    session->view.text = cut(form.text, 300);
    session->view.told = form.told;
  } else if (act == "all") {  // only what the rules recognise: nothing that a doctor has to weigh
    std::vector<std::size_t> which;
    for (std::size_t i = 0; i < session->view.lines.size(); ++i) {
      const auto& at = session->view.lines[i];
      if (at.state == LineState::undecided &&
          session->view.order.lines[at.line].verdict == recognition::Verdict::recognisable)
        which.push_back(i);
    }
    if (!which.empty())
      co_return co_await decide(session, std::move(which), model::OutcomeKind::recognised, std::move(form),
                                std::move(peer));
  } else if (act == "report" && named) {
    const auto item = parts.size() > 2 ? number(parts[2]) : std::nullopt;
    co_return co_await show_report(session, *line, item.value_or(0), std::move(peer));
  } else if (act == "later" || act == "done!" || (act == "done" && session->view.count(LineState::undecided) == 0)) {
    const std::lock_guard lock(mutex_);
    session->finished = true;
    session->view.kind = DeskView::Kind::done;
  } else if (act == "done") {
    const std::lock_guard lock(mutex_);
    session->view.confirm = true;
  }
  co_return shown(session);
}

net::awaitable<DeskView> DecisionDesk::decide(SessionPtr session, std::vector<std::size_t> which,
                                              model::OutcomeKind outcome, DeskForm form, std::string peer) {
  model::RecognitionOutcome made;
  made.decision = session->decision;
  made.facility = session->asked.facility;
  made.practitioner = session->asked.practitioner;
  made.claimed = session->claimed;
  made.door = "page";
  std::string reason, text;
  bool counted = true;
  if (outcome == model::OutcomeKind::refused) {
    const auto parts = split(form.act);
    const auto* known = session->view.order.by.catalogue->refusal(parts[2], session->view.order.day);
    text = cut(form.text, 300);
    if (!known || (known->requires_text && text.empty())) {
      const std::lock_guard lock(mutex_);
      session->view.reasons_of = which.front();
      session->view.text_missing = known != nullptr;
      session->view.text = text;
      session->view.told = form.told;
    }
    if (!known || (known->requires_text && text.empty())) co_return shown(session);
    reason = known->code;
    counted = known->counted;
  }
  auto judged = co_await judge_anew(*session, std::move(peer), model::to_string(outcome));
  if (!judged) co_return of(DeskView::Kind::busy, session->view.lang);

  std::vector<std::size_t> standing;
  const auto add = [&](std::size_t i, model::OutcomeKind what) -> model::LineOutcome& {
    auto& line = made.lines.emplace_back();
    line.line = static_cast<std::uint32_t>(session->view.lines[i].line);
    line.outcome = what;
    line.results = offered(session->view.order.lines[line.line]);
    return line;
  };
  {
    const std::lock_guard lock(mutex_);
    auto& order = session->view.order;
    for (auto& line : session->view.lines) {
      if (line.line >= judged->lines.size()) continue;
      const auto& fresh = judged->lines[line.line];
      line.changed = basis_of(order.lines[line.line]) != basis_of(fresh);
      // A decision that stands is left to stand: who was shown the old result is told of the correction anyway.
      if (line.state == LineState::undecided && !fresh.offers()) line.state = LineState::gone;
      if (line.state == LineState::gone && fresh.offers()) line.state = LineState::undecided;
    }
    order.lines = std::move(judged->lines);
    for (const auto i : which) {
      const auto& line = session->view.lines[i];
      if (line.state != LineState::gone && (!line.changed || outcome == model::OutcomeKind::undone))
        standing.push_back(i);
    }
    // What the page now shows for the first time was seen, whatever comes of it: a later correction has to find it.
    for (std::size_t i = 0; i < session->view.lines.size(); ++i) {
      const auto& line = session->view.lines[i];
      if (line.changed && line.state != LineState::gone) add(i, model::OutcomeKind::viewed);
    }
    for (const auto i : standing) {
      auto& line = add(i, outcome);
      line.reason = reason;
      line.text = text;
      line.counted = counted;
      if (outcome == model::OutcomeKind::refused) line.told = form.told;
    }
  }
  Result<void> recorded;
  if (!made.lines.empty()) recorded = co_await recognition_.record(std::move(made));
  {
    const std::lock_guard lock(mutex_);
    if (!recorded) {
      auto view = of(DeskView::Kind::busy, session->view.lang);
      view.state = session->state;  // to try again
      co_return view;
    }
    for (const auto i : standing) {
      auto& line = session->view.lines[i];
      line.state = outcome == model::OutcomeKind::recognised ? LineState::recognised
                   : outcome == model::OutcomeKind::refused  ? LineState::refused
                                                             : LineState::undecided;
      line.reason = reason;
    }
  }
  co_return shown(session);
}

net::awaitable<DeskView> DecisionDesk::show_report(SessionPtr session, std::size_t which, std::size_t item,
                                                   std::string peer) {
  std::string id;
  {
    const std::lock_guard lock(mutex_);
    const auto& line = session->view.order.lines[session->view.lines[which].line];
    if (item < line.items.size() && !line.items[item].candidates.empty())
      id = line.items[item].candidates.front().report;
  }
  if (id.empty()) co_return shown(session);
  auto demand = demand_of(session->asked, access::Action::read, "DiagnosticReport", id,
                          std::string("decision-page") + (session->claimed ? ",claimed" : ""), std::move(peer));
  auto permit = co_await gate_.decide(session->principal, std::move(demand));
  if (!permit) co_return of(DeskView::Kind::busy, session->view.lang);
  auto report = co_await recognition_.report(*permit, std::move(id));
  if (report) {
    const std::lock_guard lock(mutex_);
    session->view.kind = DeskView::Kind::report;
    session->view.report = std::move(*report);
  }
  co_return shown(session);
}

}  // namespace hutong::query
