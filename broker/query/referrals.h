// Two-way referral over the store: the ledger with the times of its steps, and the door of its commands. A command is
// appended, then answered by what became of it, or within two seconds not yet (product.md §6.8); nothing is changed
// here. What the projector made of the log is read, by the rules of this moment.
//
// Threads: any; no state but references. The permit must live until the awaitable resumes.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "broker/access/permit.h"
#include "broker/base/limits.h"
#include "broker/model/facility.h"
#include "broker/model/referral.h"
#include "broker/port/log.h"
#include "broker/port/store.h"
#include "broker/query/clinical.h"
#include "broker/recognition/catalogue.h"
#include "broker/referral/clocks.h"
#include "broker/referral/referral.h"

namespace hutong::query {

struct ReferralRules {
  std::shared_ptr<const referral::Rules> rules;
  std::shared_ptr<const model::FacilityDirectory> facilities;
  std::shared_ptr<const recognition::Catalogue> catalogue;
};

struct ShownReferral {
  referral::Referral referral;
  std::optional<referral::Deadline> next;  // of the clock
  std::optional<Timestamp> due;            // by when whoever is waited for must have acted
  bool overdue = false;
  Timestamp updated;
  port::Offset offset = 0;  // of operations, where it was read alone: records below it are reflected
};

struct LedgerSearch {
  std::string facility;                      // that takes part; "": everybody's
  std::string part;                          // "sender", "receiver", "" either
  std::string sender, receiver;              // "": any
  std::vector<model::ReferralState> states;  // any of them; none: any
  std::optional<bool> open;
  model::Direction direction = model::Direction::unknown;
  bool overdue = false;
  std::optional<PersonId> person;
  std::optional<Timestamp> from, to;  // when it was asked for: [from, to)
  std::size_t limit = limits::page_items_default;
  std::string position;  // Ledger::next of the page before
};

struct Ledger {
  std::vector<ShownReferral> found;  // newest request first
  std::string next;                  // position of the next page; "" nothing further
  port::Offset offset = 0;           // of operations: records below it are reflected
};

// What is known of a command.
struct Verdict {
  RecordId command;
  ReferralId referral;
  std::string client;                             // who handed it in
  std::optional<model::ReferralAnswered> answer;  // nothing: it waits to be decided
};

class Referrals {
 public:
  Referrals(port::Store& store, port::Log& log, Clinical& clinical, std::function<ReferralRules()> rules,
            std::function<Timestamp()> now)
      : store_(store), log_(log), clinical_(clinical), rules_(std::move(rules)), now_(std::move(now)) {}

  ReferralRules rules() const { return rules_(); }
  Timestamp now() const { return now_(); }

  // `facilities`: whom the asker acts for; none: for anybody. Errors: not_found (also: of others).
  net::awaitable<Result<ShownReferral>> read(const access::Permit& permit, ReferralId id,
                                             std::vector<std::string> facilities);
  // Whether there is one under this id; where the store does not answer: no.
  net::awaitable<bool> is_referral(ReferralId id);
  // Errors: invalid (position).
  net::awaitable<Result<Ledger>> ledger(const access::Permit& permit, LedgerSearch search);

  // By which referral one of these facilities may read this report (32 hex digits) just now; nothing: by none. It must
  // be about the referral's person, as both are known today, and carry no label.
  net::awaitable<Result<std::optional<ReferralId>>> grant(std::vector<std::string> facilities, std::string report);
  // Reports of the patient that may be useful to whoever takes him over: final, not labelled, no older than the rules
  // have it; the newest first, at most 100. The sender confirms which of them travel.
  struct Proposal {
    std::string id, title, facility, status;
    std::uint64_t version = 1;
    Timestamp at;
    bool is_exam = false;
    bool recognisable = false;  // an item of it is in the catalogue of mutual recognition, and not out of its window
  };
  net::awaitable<Result<std::vector<Proposal>>> proposals(const access::Permit& permit, PersonId person);
  // Before a request, an amendment or a report: whether the reports that it names are this patient's, and ones that the
  // client may read or that its facility issued; sets their versions where none is said. What stands in the referral
  // already may be said again. Errors: invalid (a report that may not be named), not_found (no such referral, or of
  // others).
  net::awaitable<Result<void>> check_documents(const access::Permit& permit, model::ReferralCommand& command);

  // Appends the command (`id` is the caller's, `at` is given here) and waits for what becomes of it. One that was met
  // before is not appended again, unless it was refused: then it is judged anew, under an id of its own. Errors:
  // invalid (a text too long, control characters), those of log and store.
  net::awaitable<Result<Verdict>> command(const access::Permit& permit, model::ReferralCommand command);
  // Errors: not_found.
  net::awaitable<Result<Verdict>> verdict(const access::Permit& permit, RecordId command);
  // What a command said. Errors: not_found.
  net::awaitable<Result<model::ReferralCommand>> said(const access::Permit& permit, RecordId command);
  // Whom the identifiers name, and which of its numbers is this facility's, else the first one. Errors: invalid,
  // not_found, conflict (several).
  struct Patient {
    PersonId person;
    std::string facility, number;
  };
  net::awaitable<Result<Patient>> patient(const access::Permit& permit, PersonSearch search, std::string facility);

 private:
  net::awaitable<Result<std::optional<Verdict>>> known(RecordId command);
  net::awaitable<Result<std::pair<RecordId, bool>>> attempt(RecordId command);
  ShownReferral shown(referral::Referral referral, Timestamp updated) const;
  net::awaitable<Result<Answer>> people(const access::Permit& permit, PersonSearch search);
  net::awaitable<Result<std::vector<port::Row>>> of_person(const access::Permit& permit, PersonId person);
  struct ReportNow {
    PersonId person;  // whose it is today
    std::string issuer;
    std::uint64_t version = 1;
    bool labelled = false;
  };
  net::awaitable<Result<std::optional<ReportNow>>> report_now(std::string id);
  net::awaitable<Result<PersonId>> person_of(std::string facility, std::string number);

  port::Store& store_;
  port::Log& log_;
  Clinical& clinical_;
  std::function<ReferralRules()> rules_;
  std::function<Timestamp()> now_;
};

}  // namespace hutong::query
