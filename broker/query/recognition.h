// Mutual recognition over the store: who the patient is, which earlier results there are, and the decision on them
// (broker/recognition). What was told to a doctor, and what the doctor then did, is appended to the log before anything
// is answered; the statistics and notices are read from what the projector made of it.
//
// Threads: any; no state but references. The permit must live until the awaitable resumes.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "broker/access/permit.h"
#include "broker/model/recognition.h"
#include "broker/port/log.h"
#include "broker/query/clinical.h"
#include "broker/recognition/decision.h"
#include "broker/terminology/terminology.h"

namespace hutong::query {

inline constexpr std::size_t lines_per_order = 100;  // a card's uuid has a byte for the line
// Reports of one person that a check looks at, newest first.
inline constexpr std::size_t reports_per_check = 5'000;

// Earlier results of one item that an answer holds, best first.
inline constexpr std::size_t candidates_shown = 10;

struct RecognitionRules {
  std::shared_ptr<const recognition::Catalogue> catalogue;
  std::shared_ptr<const model::FacilityDirectory> facilities;
  std::shared_ptr<const terminology::Terminology> terminology;
  int zone_minutes = 480;  // of the area: which day it is there
};
using CurrentRecognition = std::function<RecognitionRules()>;

struct AskedLine {
  std::string code, name;  // as the requester's system says them
  std::string loinc;       // where it says one
  std::string laterality, contrast;
  std::string reference;  // how the caller names it: the draft order's id, a placer number
};

struct AskedOrder {
  std::vector<Token> identifiers;  // of the patient; any of them
  std::optional<PersonId> person;  // or the person itself
  std::string facility, department, practitioner, practitioner_name, order, diagnosis;
  std::string purpose_said;
  model::EncounterClass encounter = model::EncounterClass::unknown;
  recognition::Purpose purpose = recognition::Purpose::care;
  std::vector<AskedLine> lines;
  std::optional<Timestamp> as_of;  // a past moment: what would have been said then
  std::string door, client;
};

// One earlier result as it is shown.
struct ShownResult {
  std::string item, name_zh, name_en, report, observation, event;
  std::uint64_t version = 1;
  std::string facility, facility_zh, facility_en, laboratory;
  bool laboratory_said = true;
  std::string value, unit, interval, flags, sampled, reported;
  bool is_exam = false, images = false;
  std::string accession, image_url;
  recognition::Verdict verdict = recognition::Verdict::not_recognisable;
  std::vector<recognition::Reason> reasons;
  std::string mark_code, mark_zh, mark_en;
  std::optional<int> window_days;
  bool window_assumed = true;
  std::optional<std::int64_t> age_seconds;
  bool mark_differs = false;
};

struct JudgedItem {
  std::string code, name_zh, name_en;
  bool required = true, is_exam = false;
  recognition::Verdict verdict = recognition::Verdict::not_recognisable;
  std::vector<recognition::Reason> reasons;
  std::vector<ShownResult> candidates;  // best first, at most candidates_shown
  std::size_t more = 0;                 // that are not shown
};

struct JudgedLine {
  AskedLine asked;
  std::string item, name_zh, name_en;  // the item's or the panel's
  bool is_panel = false;
  bool hidden = false;  // sensitive: in no event, on no page
  recognition::Verdict verdict = recognition::Verdict::not_recognisable;
  std::vector<recognition::Reason> reasons;
  std::vector<JudgedItem> items;
  std::int64_t price_fen = -1;
  bool offers() const { return !hidden && verdict != recognition::Verdict::not_recognisable; }
};

struct JudgedOrder {
  AskedOrder asked;
  Timestamp at;
  RecognitionRules by;  // keeps what the reasons are worded by
  std::string day;
  recognition::Extent extent = recognition::Extent::none;
  std::vector<PersonId> persons;                 // one, none found, or several: then nothing is certain
  std::string name, sex, birth_date, card_tail;  // of the patient, for the page
  std::vector<JudgedLine> lines;
  RecordId decision;  // of record(); empty: nothing was recorded
  port::Offset offset = 0;

  bool offers() const;
  // Emergency orders are never interrupted.
  bool interrupts() const { return offers() && asked.encounter != model::EncounterClass::emergency; }
  const recognition::Clause* clause(recognition::Reason reason) const;
};

// "2026-03-01T00:12:00Z" → "2026-03-01 08:12", by the area's clock; a date stays one; what does not read stays itself.
std::string area_time(const std::string& iso, int zone_minutes);

// What the audit keeps of a look: who asked, in what, and `what` for. The practitioner's code stands there as the host
// gave it, percent-encoded where it is more than letters, digits, "-", "_" and ".".
access::Demand demand_of(const AskedOrder& asked, access::Action action, std::string resource, std::string subject,
                         std::string_view what, std::string peer);

// A line of a report as the page shows it.
struct ReportLine {
  std::string name, value, unit, interval, flags;
};
struct ShownReport {
  std::string title, facility_zh, facility_en, sampled, reported, status, accession, image_url, findings;
  std::uint64_t version = 1;
  std::vector<ReportLine> lines;
};

struct Counted {
  std::string day, facility, department, item, measure;
  std::int64_t count = 0;
};
struct CountSearch {
  std::string from, to;                    // days, inclusive
  std::string facility, department, item;  // "" all
};

struct Notice {
  bool repeated = false;  // an order repeats the result; else: the result that was shown was corrected
  std::string facility, report, status, decision, use, practitioner, department, order, item;
  std::uint64_t version = 1;  // of the corrected report
  std::uint64_t shown = 1;    // that was shown
  Timestamp at;
};

struct NoticeSearch {
  std::string kind;  // "corrected" | "repeated", "" both
  std::optional<Timestamp> since;
  std::string position;  // of the page before, "" the first
  std::size_t limit = 100;
};
struct Notices {
  std::vector<Notice> found;
  std::string next;  // position of the next page, "" none
};

class Recognition {
 public:
  Recognition(port::Store& store, port::Log& log, Clinical& clinical, CurrentRecognition rules, const Clock& clock)
      : store_(store), log_(log), clinical_(clinical), rules_(std::move(rules)), clock_(clock) {}

  RecognitionRules rules() const { return rules_(); }
  Timestamp now() const { return clock_.now(); }

  // Judges the order now, or as of `asked.as_of`. Errors: invalid (the requester is not registered; too many lines),
  // those of the store.
  net::awaitable<Result<JudgedOrder>> judge(const access::Permit& permit, AskedOrder asked);
  // Judges an order that came as a message, as of when it came: the event that answers it, which the caller appends. It
  // needs no permit: nothing of it is shown to anybody, and what is written holds no values. Errors: those of the
  // store.
  net::awaitable<Result<model::RecognitionDecided>> judge(model::PlacedOrder placed);
  // Appends recognition.decided and sets `decision`; durable when it resumes. Errors: the log's.
  net::awaitable<Result<void>> record(JudgedOrder& judged);
  // Appends recognition.outcome; `outcome.id` and `outcome.at` are given here. Errors: the log's.
  net::awaitable<Result<void>> record(model::RecognitionOutcome outcome);

  // What a decision offered. Errors: not_found (also: not projected yet).
  net::awaitable<Result<model::RecognitionDecided>> decision(const access::Permit& permit, RecordId id);
  // The report's current version; labelled items are left out. Errors: not_found, forbidden (the report is labelled).
  net::awaitable<Result<ShownReport>> report(const access::Permit& permit, std::string id);
  // Gives each counter of these days to `take`, a piece at a time: a year of a city is millions, and others use this
  // thread.
  net::awaitable<Result<void>> counts(const access::Permit& permit, CountSearch search,
                                      std::function<void(const Counted&)> take);
  // What a facility is to be told, newest first, at most `limit`: corrections of what it was shown, and its orders that
  // repeat a result; none that is not newer than `since`.
  net::awaitable<Result<Notices>> notices(const access::Permit& permit, std::string facility, NoticeSearch search);

 private:
  using Locals = std::vector<std::pair<std::string, std::string>>;  // facility and number of local patients
  net::awaitable<Result<void>> weigh(JudgedOrder& judged, AskedOrder asked, Locals locals);
  net::awaitable<Result<std::optional<RecordId>>> decision_of(const model::PlacedOrder& placed, PersonId person);
  net::awaitable<Result<Notice>> notice_of(const port::Row& row, bool repeated);
  net::awaitable<Result<void>> append(std::string_view kind, RecordId id, std::string key, std::string json);

  port::Store& store_;
  port::Log& log_;
  Clinical& clinical_;
  CurrentRecognition rules_;
  const Clock& clock_;
};

// The offered results of a line as they go into an event: of each item the best that is not refused.
std::vector<model::OfferedResult> offered(const JudgedLine& line);
// What goes into the log of a judged order; without an id.
model::RecognitionDecided decided_of(const JudgedOrder& judged);

}  // namespace hutong::query
