// The tables of the store, by name: written by the projector alone, read by query and intake. All of them are
// folds of the log and can be deleted and rebuilt.
// Times are microseconds since 1970 UTC. `newest` columns hold the negated time, so that rows come newest first.
// Identifiers and record-independent keys of persons are HMAC-SHA-256 under the installation's key, never in clear.
#pragma once

#include "broker/port/store.h"

namespace hutong::port::tables {

namespace detail {
using enum ColumnType;
inline constexpr Column patients[] = {{"facility", text},       {"number", text},        {"subject", json},
                                      {"version", integer},     {"first_seen", integer}, {"updated", integer},
                                      {"event_offset", integer}};
inline constexpr Column identifiers[] = {{"identifier", bytes}, {"facility", text}, {"number", text}, {"kind", text}};
inline constexpr Column names[] = {{"name", text}, {"facility", text}, {"number", text}};
inline constexpr Column births[] = {{"birth_date", text}, {"facility", text}, {"number", text}};
inline constexpr Column person_of[] = {{"facility", text}, {"number", text}, {"person", bytes}};
inline constexpr Column persons[] = {{"person", bytes},    {"members", json},      {"version", integer},
                                     {"updated", integer}, {"replaced_by", bytes}, {"guard", json}};
inline constexpr Column reports[] = {{"facility", text}, {"number", text},        {"newest", integer},
                                     {"report", bytes},  {"version", integer},    {"status", text},
                                     {"kind", text},     {"updated", integer},    {"event_offset", integer},
                                     {"event_id", text}, {"content_hash", bytes}, {"body", json}};
inline constexpr Column report_ids[] = {
    {"report", bytes}, {"facility", text}, {"number", text}, {"newest", integer}, {"version", integer}};
inline constexpr Column report_versions[] = {{"report", bytes},    {"version", integer},      {"status", text},
                                             {"updated", integer}, {"event_offset", integer}, {"event_id", text},
                                             {"body", json},       {"facility", text},        {"number", text}};
inline constexpr Column encounters[] = {{"facility", text},   {"number", text},          {"newest", integer},
                                        {"encounter", bytes}, {"version", integer},      {"status", text},
                                        {"updated", integer}, {"event_offset", integer}, {"body", json}};
inline constexpr Column encounter_ids[] = {
    {"encounter", bytes}, {"facility", text}, {"number", text}, {"newest", integer}, {"version", integer}};
inline constexpr Column orders[] = {
    {"facility", text}, {"number", text},     {"newest", integer},       {"order", bytes},   {"version", integer},
    {"status", text},   {"updated", integer}, {"event_offset", integer}, {"event_id", text}, {"body", json}};
inline constexpr Column order_ids[] = {
    {"order", bytes}, {"facility", text}, {"number", text}, {"newest", integer}, {"version", integer}};
inline constexpr Column order_numbers[] = {{"order_number", text}, {"orderer", text}, {"order", bytes}};
inline constexpr Column controls[] = {
    {"control", bytes}, {"records", bytes}, {"event_offset", integer}, {"issues", json}, {"appended", integer}};
inline constexpr Column feeds[] = {{"facility", text}, {"state", json}, {"updated", integer}};
inline constexpr Column unmapped[] = {{"facility", text}, {"code", text},          {"display", text},
                                      {"count", integer}, {"first_seen", integer}, {"last_seen", integer}};
inline constexpr Column quarantine[] = {
    {"facility", text}, {"raw_hash", bytes}, {"event_offset", integer}, {"answer", text},      {"reason", text},
    {"path", text},     {"type", text},      {"control_id", text},      {"received", integer}, {"retried", text}};
inline constexpr Column pending[] = {{"topic", integer}, {"id", bytes}, {"key", text}, {"document", json}};
inline constexpr Column conflicts[] = {{"id", bytes}, {"detail", json}, {"at", integer}};
inline constexpr Column recognition_decisions[] = {{"decision", bytes}, {"document", json}, {"state", json},
                                                   {"counts_on", text}, {"facility", text}, {"at", integer}};
inline constexpr Column recognition_uses[] = {{"report", bytes},  {"decision", bytes}, {"version", integer},
                                              {"facility", text}, {"use", text},       {"at", integer},
                                              {"shown", text}};
inline constexpr Column recognition_counts[] = {{"day", text},  {"facility", text}, {"department", text},
                                                {"item", text}, {"measure", text},  {"count", integer}};
inline constexpr Column recognition_notices[] = {{"facility", text},   {"newest", integer}, {"report", bytes},
                                                 {"version", integer}, {"decision", bytes}, {"status", text}};
inline constexpr Column recognition_orders[] = {
    {"facility", text}, {"named", text}, {"decision", bytes}, {"at", integer}};
inline constexpr Column recognition_seen[] = {{"id", bytes}, {"at", integer}};
inline constexpr Column recognition_lines[] = {{"line", bytes}, {"decision", bytes}, {"place", integer}};
inline constexpr Column decisions[] = {{"id", bytes}, {"document", json}, {"at", integer}, {"outcome", text}};
inline constexpr Column blocks[] = {{"block", bytes}, {"members", bytes}, {"crowded", integer}};
inline constexpr Column person_history[] = {
    {"facility", text}, {"number", text}, {"event_offset", integer}, {"id", bytes}};
inline constexpr Column referrals[] = {
    {"referral", bytes},   {"state", text},   {"version", integer}, {"sender", text},   {"receiver", text},
    {"direction", text},   {"urgency", text}, {"person", text},     {"asked", integer}, {"due", integer},
    {"deadline", integer}, {"rules", text},   {"updated", integer}, {"document", json}};
inline constexpr Column referral_ledger[] = {{"facility", text},  {"ended", integer},  {"newest", integer},
                                             {"referral", bytes}, {"direction", text}, {"state", text},
                                             {"part", text},      {"due", integer}};
inline constexpr Column referral_patients[] = {
    {"facility", text}, {"number", text}, {"newest", integer}, {"referral", bytes}};
inline constexpr Column referral_commands[] = {{"command", bytes}, {"referral", bytes}, {"event_offset", integer},
                                               {"at", integer},    {"document", json},  {"answer", json}};
inline constexpr Column referral_waiting[] = {{"event_offset", integer}, {"command", bytes}};
inline constexpr Column referral_documents[] = {{"document", text}, {"referral", bytes}};
inline constexpr Column chronic_followups[] = {
    {"facility", text}, {"newest", integer}, {"referral", bytes}, {"person", text}, {"document", json}};
inline constexpr Column resources[] = {{"facility", text}, {"department", text}, {"at", integer}, {"document", json}};
inline constexpr Column deadlines[] = {{"kind", text}, {"rules", text}, {"at", integer}, {"id", bytes}};
inline constexpr Column derived[] = {{"topic", integer},
                                     {"topic_partition", integer},
                                     {"event_offset", integer},
                                     {"id", bytes},
                                     {"key", text},
                                     {"kind", text},
                                     {"document", json}};
inline constexpr Column derived_ids[] = {
    {"id", bytes}, {"topic", integer}, {"topic_partition", integer}, {"event_offset", integer}};
inline constexpr Column critical_values[] = {{"value", bytes}, {"facility", text},   {"state", text},
                                             {"person", text}, {"at", integer},      {"deadline", integer},
                                             {"rules", text},  {"updated", integer}, {"document", text}};
inline constexpr Column critical_ledger[] = {
    {"facility", text}, {"closed", integer}, {"newest", integer}, {"value", bytes}, {"state", text}};
inline constexpr Column critical_items[] = {{"report", bytes}, {"observation", text}, {"value", bytes}};
inline constexpr Column decided[] = {{"events_partition", integer}, {"next", integer}};
inline constexpr Column no_change[] = {{"events_partition", integer}, {"event_offset", integer}, {"ordinals", text}};
inline constexpr Column declared_subscriptions[] = {{"subscription", text}, {"version", integer}, {"document", json}};
inline constexpr Column told_events[] = {{"subscription", text}, {"number", integer}, {"event", text}, {"at", integer}};
inline constexpr Column subscribers[] = {{"name", text}, {"standing", json}, {"paused", integer}, {"updated", integer}};
inline constexpr Column held[] = {
    {"subscription", text},    {"replay", integer},   {"topic", integer},    {"log_partition", integer},
    {"event_offset", integer}, {"ordinal", integer},  {"state", text},       {"lanes", json},
    {"place", integer},        {"attempts", integer}, {"appended", integer}, {"first_failed", integer},
    {"last", integer},         {"answer", text}};
inline constexpr Column held_before[] = {
    {"subscription", text},    {"replay", integer},  {"topic", integer}, {"log_partition", integer},
    {"event_offset", integer}, {"ordinal", integer}, {"state", text},    {"attempts", integer},
    {"at", integer},           {"answer", text},     {"by", text},       {"reason", text}};
inline constexpr Column replays[] = {{"subscription", text}, {"replay", integer}, {"ranges", json},
                                     {"patient", text},      {"by", text},        {"at", integer}};
}  // namespace detail

// A local patient as the facility last described it (schemas/event/v1 subject).
inline constexpr Table patients{"patients", 1, detail::patients, 2};
// HMAC(kind + value) → local patients that carry it. Facility numbers too (kind + facility + value).
inline constexpr Table identifiers{"identifiers", 2, detail::identifiers, 3};
// Folded name (lower case, no spaces or middle dots) → local patients.
inline constexpr Table names{"names", 3, detail::names, 3};
inline constexpr Table births{"births", 4, detail::births, 3};
// Which person a local patient belongs to. No row: model::first_person_id(facility, number).
inline constexpr Table person_of{"person_of", 5, detail::person_of, 2};
// A person's local patients: members = [["facility","number"],…]. Written with a local patient's first row, because a
// person's id is a hash that nothing else leads back from. `guard`: what a later link is held against (pipeline/
// effects_identity.cpp): whose cards and mother they are, what a steward has vouched for, whether one has split them.
inline constexpr Table persons{"persons", 6, detail::persons, 1};
// One row per report, its items inside; `kind` is "laboratory" or "exam"; `newest` is the negated clinical time
// (observed, else issued, else requested, else appended).
inline constexpr Table reports{"reports", 7, detail::reports, 4};
inline constexpr Table report_ids{"report_ids", 8, detail::report_ids, 1};
// Superseded versions (the current one is in reports), each with the local patient it was filed under: a laboratory
// that reported for the wrong patient sends the same report again for the right one.
inline constexpr Table report_versions{"report_versions", 9, detail::report_versions, 2};
inline constexpr Table encounters{"encounters", 10, detail::encounters, 4};
inline constexpr Table encounter_ids{"encounter_ids", 11, detail::encounter_ids, 1};
// model::control_key → the record ids that came under it (16 bytes each, oldest first, at most 64), for resends and
// conflicts. Forgotten after limits::exact_memory.
inline constexpr Table controls{"controls", 12, detail::controls, 1, 4, 7LL * 86'400 * 1'000'000};
// Per facility: counters and last message, one JSON document (pipeline/feed_state.h).
inline constexpr Table feeds{"feeds", 13, detail::feeds, 1};
// Local codes without a map: the worklist of the integration engineer.
inline constexpr Table unmapped{"unmapped", 14, detail::unmapped, 2};
inline constexpr Table quarantine{"quarantine", 15, detail::quarantine, 2};
// What is to be appended to a topic and was not seen there yet; meeting the id in the log deletes the row. Of
// `identity`: decisions (pipeline/emitter.h). Of `operations`: orders that wait to be judged (query/placed_orders.h).
inline constexpr Table pending{"pending", 16, detail::pending, 2, -1, 0, true};
// Identity conflicts and possible matches that wait for a steward: the decision's document.
inline constexpr Table conflicts{"conflicts", 17, detail::conflicts, 1};
// Identity decisions met in the log, with their reasons (identity/decision.h): none is made or applied twice.
// `outcome`: what became of it, "stands", "asked", "no-effect".
inline constexpr Table decisions{"decisions", 18, detail::decisions, 1};
// HMAC(what patients may have in common: a phone, a name's sound with a month of birth…; identity/candidate.h) → those
// who have it: facility, 0x1F, number, 0x1E for each. A crowded one names nobody: it would say little and cost much.
inline constexpr Table blocks{"blocks", 19, detail::blocks, 1};
// Every decision that shapes a local patient's person, in the order of the identity topic. Questions are none: there
// may be thousands about one.
inline constexpr Table person_history{"person_history", 20, detail::person_history, 4};
// Up to which offset of the events everything was decided: a rebuild, which reads the identity topic first, decides
// nothing below it again.
inline constexpr Table decided{"decided", 21, detail::decided, 1};

// What mutual recognition offered (model/recognition.h), and how each of its lines stands
// (pipeline/effects_recognition.h).
inline constexpr Table recognition_decisions{"recognition_decisions", 22, detail::recognition_decisions, 1};
// Which decisions showed a report, in which version, and what came of it: offered, viewed, recognised, refused.
inline constexpr Table recognition_uses{"recognition_uses", 23, detail::recognition_uses, 2};
// Counters behind the statistics. `day` is the area's, of the decision; `item` "" counts orders.
inline constexpr Table recognition_counts{"recognition_counts", 24, detail::recognition_counts, 5};
// Whom to tell: a result that a facility was shown was corrected since (`status` is the report's now), or an order of
// it repeats a result that could have been recognised (`status` is "repeated"). `newest`: the negated time of that.
inline constexpr Table recognition_notices{"recognition_notices", 25, detail::recognition_notices, 5};
// Outcomes met in the log: none counts twice.
inline constexpr Table recognition_seen{"recognition_seen", 26, detail::recognition_seen, 1};
// A hash of what an ordered line is known by → the newest decision about it, which is where it counts.
inline constexpr Table recognition_lines{"recognition_lines", 27, detail::recognition_lines, 1};

// Orders that messages placed, each in its last word, under the patient they are for; `newest` is the negated time of
// ordering (placed, else requested, else appended).
inline constexpr Table orders{"orders", 28, detail::orders, 4};
inline constexpr Table order_ids{"order_ids", 29, detail::order_ids, 1};
// The numbers of the orderer and of the filler, with the facility that ordered: what a cancellation names, and a
// search.
inline constexpr Table order_numbers{"order_numbers", 30, detail::order_numbers, 3};
// Decisions by what they say of the order: "n" and its number, or where none was said "p" and the person's id; and "r"
// and how the requester names one of its lines.
inline constexpr Table recognition_orders{"recognition_orders", 31, detail::recognition_orders, 3};

// Two-way referral, each as its commands and their answers have made it (pipeline/effects_referral.h); `due`: by when
// whoever is waited for must have acted, 0 nobody is; `deadline`: of the clock's next word by `rules`.
inline constexpr Table referrals{"referrals", 40, detail::referrals, 1};
// The same by who takes part: sender, receiver, and "" for everybody. `newest`: the negated time of the request.
inline constexpr Table referral_ledger{"referral_ledger", 41, detail::referral_ledger, 4};
inline constexpr Table referral_patients{"referral_patients", 42, detail::referral_patients, 4};
// Every command met, with what became of it; "" while it waits to be decided: then it stands in referral_waiting, too,
// in the order in which commands are decided.
inline constexpr Table referral_commands{"referral_commands", 43, detail::referral_commands, 1};
inline constexpr Table referral_waiting{"referral_waiting", 44, detail::referral_waiting, 1};
// What travels with a referral or came back with it ("report/<id>") → the referrals: by them it may be read.
inline constexpr Table referral_documents{"referral_documents", 48, detail::referral_documents, 2};
// Chronic patients who were sent down, by the centre that follows them up; `newest`: the negated time it took them.
inline constexpr Table chronic_followups{"chronic_followups", 58, detail::chronic_followups, 3};
// What beds and slots a department has free, in its last word.
inline constexpr Table resources{"resources", 59, detail::resources, 2};
// Whom a clock will have to tell next, of `kind` referral or critical-value, reckoned by `rules`; when these change the
// projector reckons anew.
inline constexpr Table deadlines{"deadlines", 45, detail::deadlines, 4};
// Records of `operations` that follow from other records, at the place of their cause, and were not seen there yet;
// pipeline/duty_desk.h appends them, and meeting the id in the log deletes the rows.
inline constexpr Table derived{"derived", 46, detail::derived, 4};
inline constexpr Table derived_ids{"derived_ids", 47, detail::derived_ids, 1};

// Critical values with the steps of their loops (pipeline/effects_critical.h): one JSON document a line, what was found
// first. `state`: open, confirmed, withdrawn.
inline constexpr Table critical_values{"critical_values", 50, detail::critical_values, 1};
// The same by who ordered, by whoever else was told, and by "" for everybody. `newest`: the negated time it was found.
inline constexpr Table critical_ledger{"critical_ledger", 51, detail::critical_ledger, 4};
// Which items of a report have a loop that no correction has withdrawn.
inline constexpr Table critical_items{"critical_items", 52, detail::critical_items, 2};
// Records that the log holds and that changed nothing, or of which some events did not: "*" all of them, a resend; else
// " 0 2 ", their ordinals (the same content again, a late preliminary report). Nobody is told of them.
inline constexpr Table no_change{"no_change", 53, detail::no_change, 2};
// What clients have subscribed to over FHIR (model/subscription_declared.h), each as it stands.
inline constexpr Table declared_subscriptions{"declared_subscriptions", 60, detail::declared_subscriptions, 1};
// What they were told, by number. The log knows longer.
inline constexpr Table told_events{"told_events", 61, detail::told_events, 2, 3, 90LL * 86'400 * 1'000'000};
// How far each subscriber is (model/delivery.h, SubscriberProgress), and under the name "" what the router has read.
inline constexpr Table subscribers{"subscribers", 54, detail::subscribers, 1};
// Events that a subscriber's cursor has passed although they are not settled: dead letters, what is tried again by
// itself, and what stands behind either.
inline constexpr Table held{"held", 55, detail::held, 6};
// What became of events that were held: "delivered", "discarded" (by whom, and why). The log knows longer.
inline constexpr Table held_before{"held_before", 56, detail::held_before, 6, 8, 90LL * 86'400 * 1'000'000};
// What is delivered again and not done yet.
inline constexpr Table replays{"replays", 57, detail::replays, 2};

inline constexpr const Table* all[] = {&patients,
                                       &identifiers,
                                       &names,
                                       &births,
                                       &person_of,
                                       &persons,
                                       &reports,
                                       &report_ids,
                                       &report_versions,
                                       &encounters,
                                       &encounter_ids,
                                       &controls,
                                       &feeds,
                                       &unmapped,
                                       &quarantine,
                                       &pending,
                                       &conflicts,
                                       &decisions,
                                       &blocks,
                                       &person_history,
                                       &decided,
                                       &recognition_decisions,
                                       &recognition_uses,
                                       &recognition_counts,
                                       &recognition_notices,
                                       &recognition_seen,
                                       &recognition_lines,
                                       &orders,
                                       &order_ids,
                                       &order_numbers,
                                       &recognition_orders,
                                       &referrals,
                                       &referral_ledger,
                                       &referral_patients,
                                       &referral_commands,
                                       &referral_waiting,
                                       &referral_documents,
                                       &chronic_followups,
                                       &resources,
                                       &deadlines,
                                       &derived,
                                       &derived_ids,
                                       &critical_values,
                                       &critical_ledger,
                                       &critical_items,
                                       &no_change,
                                       &declared_subscriptions,
                                       &told_events,
                                       &subscribers,
                                       &held,
                                       &held_before,
                                       &replays};

}  // namespace hutong::port::tables
