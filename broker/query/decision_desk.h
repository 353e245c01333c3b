// The decision page's desk: one-time tickets, and what is being decided behind each. A ticket is bound to the order
// that was judged and to who asked; it is spent once, by POST. Behind it stands a session of steps, each with a state
// of its own that the page carries in a hidden field: so no cookie is needed, a double click decides once, and a second
// POST of the same state only shows what stands.
//
// Nothing is decided on old data: before an outcome is recorded the order is judged anew; where a result changed since
// it was shown, the page shows the new one and asks again. An outcome is durable before the page says so.
//
// Tickets and sessions live in memory, hashed, for ticket_life; after a restart a link has ended, which costs a
// reminder and never an order. Threads: any.
#pragma once

#include <chrono>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <vector>

#include "broker/access/permit.h"
#include "broker/query/recognition.h"

namespace hutong::query {

inline constexpr std::size_t decision_tickets = 100'000;  // decision pages that may be opened or are open
inline constexpr std::chrono::minutes ticket_life{15};    // of a decision page's link, and of the page

enum class LineState { undecided, recognised, refused, gone };

struct DeskLine {
  std::size_t line = 0;  // of the order
  LineState state = LineState::undecided;
  std::string reason;
  bool changed = false;  // the result was corrected while the page was open: asked again
};

// What a page is drawn from: a copy, nobody else writes it.
struct DeskView {
  enum class Kind { staff, table, report, done, expired, used, nothing, busy };
  Kind kind = Kind::expired;
  std::string state;  // the hidden field of the next step
  std::string lang = "zh";
  JudgedOrder order;
  std::vector<DeskLine> lines;
  std::optional<std::size_t> reasons_of;  // index into lines: its reasons are open
  bool text_missing = false;              // the reason asks for a line of text
  std::string text;                       // what was typed there so far
  bool told = false;
  bool confirm = false;  // done with undecided lines: said once
  std::optional<ShownReport> report;
  std::int64_t seconds_left = 0;
  std::size_t count(LineState state) const;
};

struct DeskForm {
  std::string state, act, text, staff, lang;
  bool told = false;
};

class DecisionDesk {
 public:
  DecisionDesk(Recognition& recognition, access::Gate& gate, const Clock& clock)
      : recognition_(recognition), gate_(gate), clock_(clock) {}

  // A ticket for what was judged and recorded: 64 hex digits. Errors: overloaded (too many are open).
  Result<std::string> issue(const JudgedOrder& judged, access::Principal principal, std::string lang);
  // Spends the ticket.
  net::awaitable<DeskView> open(std::string ticket, std::string peer);
  net::awaitable<DeskView> act(DeskForm form, std::string peer);

 private:
  struct Ticket {
    AskedOrder asked;
    RecordId decision;
    access::Principal principal;
    std::string lang;
    Timestamp ends;
    bool spent = false;
  };
  struct Session {
    AskedOrder asked;
    RecordId decision;
    access::Principal principal;
    Timestamp ends;
    std::string state, previous;  // states of the current step and the one before
    bool busy = false;            // a step is under way
    bool claimed = false;
    bool finished = false;
    DeskView view;
  };
  using SessionPtr = std::shared_ptr<Session>;

  void forget(Timestamp now);
  void rotate(const SessionPtr& session);  // under the lock
  DeskView shown(const SessionPtr& session);
  net::awaitable<Result<JudgedOrder>> judge_anew(const Session& session, std::string peer, std::string_view what);
  net::awaitable<DeskView> step(SessionPtr session, DeskForm form, std::string peer);
  net::awaitable<DeskView> begin(SessionPtr session, std::string peer);
  net::awaitable<DeskView> decide(SessionPtr session, std::vector<std::size_t> which, model::OutcomeKind outcome,
                                  DeskForm form, std::string peer);
  net::awaitable<DeskView> show_report(SessionPtr session, std::size_t which, std::size_t item, std::string peer);
  static DeskView of(DeskView::Kind kind, std::string lang);

  Recognition& recognition_;
  access::Gate& gate_;
  const Clock& clock_;
  std::mutex mutex_;
  std::unordered_map<std::string, Ticket> tickets_;       // by the hash of the ticket
  std::unordered_map<std::string, SessionPtr> sessions_;  // by the hash of its states
  std::multimap<std::int64_t, std::string> ends_;         // when which of them ends
};

}  // namespace hutong::query
